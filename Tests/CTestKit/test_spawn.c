#define _GNU_SOURCE
#include "test_spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

int penstock_test_spawn(pid_t *pid, const char *file, char *const arguments[], char *const environment[],
                        const char *directory, const int streams[3], int new_session) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  for (int i = 0; i < 3; i++) {
    if (streams[i] >= 0)
      posix_spawn_file_actions_adddup2(&actions, streams[i], i);
    else
      posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
  }
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  if (directory) posix_spawn_file_actions_addchdir_np(&actions, directory);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (new_session ? POSIX_SPAWN_SETSID : 0));
  int code = posix_spawnp(pid, file, &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

int penstock_test_wait(pid_t pid, int milliseconds) {
  int process = (int)syscall(SYS_pidfd_open, pid, 0);
  if (process < 0) return 1;
  struct pollfd descriptor = {.fd = process, .events = POLLIN};
  int ended = poll(&descriptor, 1, milliseconds) == 1;
  close(process);
  return ended;
}
