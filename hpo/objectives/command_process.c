/* The process of a command, and the one that guards it.
 *
 * A killed worker could not stop its command, and a command may have children of its own (a shell,
 * data loaders). So a guard is forked: it leads a process group with the command in it, waits for
 * its end, and kills the group when the pipe to the worker breaks, whatever the worker died of. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hpo/objectives/command_impl.h"

/* Descriptors of the guard, out of the way of those of the command. */
enum { GUARD_LIFE = 10, GUARD_STATUS, GUARD_OUT, GUARD_REPORT, GUARD_ERRNO, GUARD_END };

/* In the child of a process with threads: only what is async-signal-safe, here and below. */
static void become_command(const char *const *argv, char *const *env, const char *folder)
{
    int null = open("/dev/null", O_RDONLY), why;
    sigset_t none;

    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null >= 0 && dup2(null, 0) == 0 && dup2(GUARD_OUT, 1) == 1 && dup2(GUARD_OUT, 2) == 2 &&
        dup2(GUARD_REPORT, COMMAND_REPORT_FD) == COMMAND_REPORT_FD && !(folder && chdir(folder))) {
        if (null > 2)
            close(null);
        fcntl(GUARD_ERRNO, F_SETFD, FD_CLOEXEC);
        for (int fd = GUARD_LIFE; fd < GUARD_ERRNO; fd++)
            close(fd);
        execvpe(argv[0], (char *const *)(uintptr_t)argv, env);
    }
    why = errno;
    if (write(GUARD_ERRNO, &why, sizeof(why)) != sizeof(why))
        _exit(126);
    _exit(127);
}

static void report_status(int status)
{
    if (write(GUARD_STATUS, &status, sizeof(status)) != sizeof(status))
        _exit(1);
}

/* Until the command has ended, or the worker is gone. Does not return. */
static void guard(const char *const *argv, char *const *env, const char *folder)
{
    int sfd, pair[2], why, status;
    struct pollfd fds[2];
    sigset_t chld;
    pid_t child;

    setpgid(0, 0);
    signal(SIGTERM, SIG_IGN); /* it is for the command */
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    sfd = signalfd(-1, &chld, SFD_CLOEXEC);
    if (sfd < 0 || pipe(pair) || dup2(pair[1], GUARD_ERRNO) < 0)
        _exit(1);
    close(pair[1]);
    child = fork();
    if (child == 0)
        become_command(argv, env, folder);
    close(GUARD_ERRNO);
    close(GUARD_OUT);
    close(GUARD_REPORT);
    if (child < 0)
        _exit(1);
    if (read(pair[0], &why, sizeof(why)) == sizeof(why)) {
        report_status(-why);
        _exit(0);
    }
    close(pair[0]);
    for (;;) {
        fds[0] = (struct pollfd){.fd = GUARD_LIFE, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = sfd, .events = POLLIN};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[0].revents)
            break;
        if (fds[1].revents && waitpid(child, &status, WNOHANG) == child) {
            report_status(status);
            break;
        }
    }
    kill(0, SIGKILL); /* what the command left running, and this */
    _exit(1);
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

int program_start(struct command_process *p, const char *const *argv, char *const *env,
                  const char *folder, struct hpo_err *err)
{
    int pipes[4][2]; /* life: written by nobody, held here; status, out, report: read here */
    static const int at[4] = {GUARD_LIFE, GUARD_STATUS, GUARD_OUT, GUARD_REPORT};
    bool ok = true;
    pid_t pid = -1;

    memset(pipes, -1, sizeof(pipes));
    for (int i = 0; i < 4 && ok; i++)
        ok = pipe2(pipes[i], O_CLOEXEC) == 0;
    if (ok)
        pid = fork();
    if (pid == 0) {
        int high[4];

        /* Up first: some may lie where others have to go. */
        for (int i = 0; i < 4; i++)
            high[i] = fcntl(pipes[i][i > 0], F_DUPFD, GUARD_END);
        for (int i = 0; i < 4; i++)
            if (high[i] < 0 || dup2(high[i], at[i]) < 0)
                _exit(1);
        /* The pipes of other slots, the socket, the lock: a guard must keep nothing alive. */
        close_range(3, GUARD_LIFE - 1, 0);
        close_range(GUARD_ERRNO, ~0U, 0);
        guard(argv, env, folder);
    }
    if (pid < 0) {
        hpo_fail(err, HPO_EIO, "starting %s: %s", argv[0], strerror(errno));
        for (int i = 0; i < 4; i++)
            close_pair(pipes[i]);
        return err ? err->rc : HPO_EIO;
    }
    close(pipes[0][0]);
    for (int i = 1; i < 4; i++) {
        close(pipes[i][1]);
        fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
    }
    setpgid(pid, pid); /* as the guard does: whoever comes first */
    *p = (struct command_process){pid, pipes[0][1], pipes[1][0], pipes[2][0], pipes[3][0]};
    return 0;
}

void program_signal(const struct command_process *p, int sig)
{
    if (p->guard)
        kill(-p->guard, sig);
}

bool program_ended(struct command_process *p, int *ret)
{
    ssize_t n = read(p->status, ret, sizeof(*ret));

    if (n == (ssize_t)sizeof(*ret))
        return true;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    *ret = SIGKILL; /* the guard itself was killed, and nobody knows */
    return true;
}

void program_finish(struct command_process *p)
{
    if (!p->guard)
        return;
    kill(-p->guard, SIGKILL);
    while (waitpid(p->guard, NULL, 0) < 0 && errno == EINTR)
        ;
    close(p->life);
    close(p->status);
    close(p->out);
    close(p->report);
    *p = (struct command_process){0};
}
