/* hpo/spawn.h - starting a worker process, and saying how one ended. */
#ifndef HPO_SPAWN_H
#define HPO_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* Run `program worker` with one end of a socket pair as descriptor WORKER_FD and the lock, which it
 * keeps open, as WORKER_LOCK_FD. It is killed when this process dies. */
#define WORKER_FD 3
#define WORKER_LOCK_FD 4
int spawn_worker(const char *program, int lock_fd, pid_t *ret_pid, int *ret_fd, struct hpo_err *err);

/* "was killed by signal 9 (Killed)", "ended with status 1". */
void describe_exit(int wait_status, char *buf, size_t n);

#endif
