#ifndef PENSTOCK_SHIMS_H
#define PENSTOCK_SHIMS_H

#include <poll.h>
#include <stdint.h>
#include <sys/types.h>

/// A new non-blocking, close-on-exec eventfd; -1 with errno set when the process has no descriptor left.
int penstock_eventfd(void);
/// Adds one to the eventfd's counter, waking whoever polls it.
void penstock_eventfd_signal(int fd);
/// Resets the eventfd's counter to zero.
void penstock_eventfd_clear(int fd);
/// `poll` that continues after EINTR with the remaining time. `timeout_ms` < 0 waits for ever.
int penstock_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ms);
/// A pipe whose ends, for reading and for writing, are close-on-exec; -1 with errno set when there is none left.
int penstock_pipe(int ends[2]);
/// Names the calling thread (15 bytes at most are kept).
void penstock_name_thread(const char *name);
/// Nanoseconds of CPU time this process has used.
uint64_t penstock_process_cpu_ns(void);
/// Bytes of resident memory now and at the peak; 0 when unknown.
uint64_t penstock_resident_bytes(void);
uint64_t penstock_peak_resident_bytes(void);
/// Makes the allocator give large blocks back when they are freed, and share its pools among threads. Call it first.
void penstock_tune_memory(void);

#endif
