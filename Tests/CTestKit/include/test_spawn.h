#ifndef PENSTOCK_TEST_SPAWN_H
#define PENSTOCK_TEST_SPAWN_H

#include <sys/types.h>

/// Starts a program with default signals and no other descriptors than the three given (-1 is /dev/null).
///
/// `file` is a path or a name to look up in PATH; `directory` may be null. Returns 0 and the process id, or an errno.
int penstock_test_spawn(pid_t *pid, const char *file, char *const arguments[], char *const environment[],
                        const char *directory, const int streams[3], int new_session);

/// Waits until a child of ours has ended or the time is over, without reaping it. Returns 1 once it has ended.
int penstock_test_wait(pid_t pid, int milliseconds);

#endif
