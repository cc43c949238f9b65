#include "hpo/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Threads of a team wait for each other many times a batch. Spinning for long is right when a core is
 * theirs alone; when it is not (another program, more workers than cores), the one that spins keeps
 * the core from the one it waits for, and training slows down twentyfold. About 50 microseconds of
 * it bridge the gaps inside a batch. What the user has set stays. */
static void set_waiting(void)
{
    if (!getenv("OMP_WAIT_POLICY")) {
        setenv("GOMP_SPINCOUNT", "5000", 0);
        setenv("KMP_BLOCKTIME", "0", 0);
    }
}

/* In the child, between fork and exec: only what is async-signal-safe. */
static void become_worker(const char *program, int fd, int lock_fd, pid_t parent)
{
    char *const argv[] = {(char *)(uintptr_t) "hpo", (char *)(uintptr_t) "worker", NULL};
    int high, high_lock;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it died before we asked to be told */
    /* Out of the way of 3 and 4 first: either may be one of them. */
    high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    high_lock = lock_fd >= 0 ? fcntl(lock_fd, F_DUPFD_CLOEXEC, 10) : -1;
    if (high < 0 || dup2(high, WORKER_FD) < 0 ||
        (high_lock >= 0 && dup2(high_lock, WORKER_LOCK_FD) < 0))
        _exit(1);
    /* SIGINT and SIGTERM stay blocked until the worker ignores them (worker_main). */
    execv(program, argv);
    _exit(127);
}

int spawn_worker(const char *program, int lock_fd, pid_t *ret_pid, int *ret_fd, struct hpo_err *err)
{
    pid_t parent = getpid(), pid;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return hpo_fail(err, HPO_EIO, "starting a worker: %s", strerror(errno));
    set_waiting();
    pid = fork();
    if (pid == 0)
        become_worker(program, pair[1], lock_fd, parent);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return hpo_fail(err, HPO_EIO, "starting a worker: %s", strerror(errno));
    }
    *ret_pid = pid;
    *ret_fd = pair[0];
    return 0;
}

void describe_exit(int wait_status, char *buf, size_t n)
{
    if (WIFSIGNALED(wait_status))
        snprintf(buf, n, "was killed by signal %d (%s)", WTERMSIG(wait_status),
                 strsignal(WTERMSIG(wait_status)));
    else
        snprintf(buf, n, "ended with status %d", WEXITSTATUS(wait_status));
}
