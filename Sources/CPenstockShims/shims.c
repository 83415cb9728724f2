#define _GNU_SOURCE
#include "penstock_shims.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int penstock_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void penstock_eventfd_signal(int fd) {
  uint64_t one = 1;
  while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void penstock_eventfd_clear(int fd) {
  uint64_t count;
  while (read(fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

int penstock_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int penstock_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ms) {
  int64_t deadline = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
  for (;;) {
    int64_t left = -1;
    if (deadline >= 0) {
      left = deadline - now_ms();
      if (left < 0) left = 0;
      if (left > 1000000000) left = 1000000000;
    }
    int ready = poll(fds, count, (int)left);
    if (ready >= 0 || errno != EINTR) return ready;
  }
}

void penstock_name_thread(const char *name) {
  char kept[16];
  snprintf(kept, sizeof kept, "%s", name);
  pthread_setname_np(pthread_self(), kept);
}

uint64_t penstock_process_cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t status_kib(const char *key) {
  FILE *f = fopen("/proc/self/status", "r");
  if (!f) return 0;
  char line[256];
  uint64_t value = 0;
  size_t n = strlen(key);
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, key, n)) {
      unsigned long long v = 0;
      if (sscanf(line + n, "%llu", &v) == 1) value = v;
      break;
    }
  fclose(f);
  return value * 1024;
}

uint64_t penstock_resident_bytes(void) { return status_kib("VmRSS:"); }
uint64_t penstock_peak_resident_bytes(void) { return status_kib("VmHWM:"); }

void penstock_tune_memory(void) {
  // Without these the threshold grows with the first large row, and each thread keeps a heap of its own.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
  mallopt(M_ARENA_MAX, 2);
}
