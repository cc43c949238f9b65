#include "hpo/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

#define NAME "control.sock"
#define CLIENT_LIMIT_S 5 /* for one that connects and says nothing */
#define ANSWER_LIMIT_S 30

/* The address of the socket in an open folder: a path through /proc, for a socket's own may have no
 * more than 107 bytes. */
static struct sockaddr_un address(int dir_fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" NAME, dir_fd);
    return a;
}

void control_open(struct control *c, const char *dir)
{
    struct sockaddr_un a;
    mode_t mask;

    *c = (struct control){.fd = -1, .dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (c->dir_fd < 0)
        return;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlinkat(c->dir_fd, NAME, 0); /* of a run that was killed: we hold the study's lock */
    a = address(c->dir_fd);
    mask = umask(077); /* it is for the one who runs the study */
    if (c->fd >= 0 && (bind(c->fd, (struct sockaddr *)&a, sizeof(a)) || listen(c->fd, 64))) {
        close(c->fd);
        c->fd = -1;
    }
    umask(mask);
}

static void drop(struct control *c, int i)
{
    close(c->client[i].fd);
    message_reader_release(&c->client[i].in);
    c->client[i] = c->client[--c->n];
}

void control_close(struct control *c)
{
    while (c->n)
        drop(c, c->n - 1);
    if (c->fd >= 0) {
        unlinkat(c->dir_fd, NAME, 0);
        close(c->fd);
    }
    if (c->dir_fd >= 0)
        close(c->dir_fd);
    c->fd = c->dir_fd = -1;
}

int control_poll(const struct control *c, struct pollfd *ret)
{
    int n = 0;

    if (c->fd < 0)
        return 0;
    /* With no place left the next one waits in the queue. */
    ret[n++] = (struct pollfd){.fd = c->n < CONTROL_CLIENTS ? c->fd : -1, .events = POLLIN};
    for (int i = 0; i < c->n; i++)
        ret[n++] = (struct pollfd){.fd = c->client[i].fd, .events = POLLIN};
    return n;
}

static void welcome(struct control *c)
{
    while (c->n < CONTROL_CLIENTS) {
        int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            return;
        c->client[c->n++] = (struct control_client){.fd = fd, .since = clock_monotonic()};
    }
}

/* Hear client i. true: it is done with. */
static bool hear(struct control_client *client, cJSON *(*answer)(void *arg, const cJSON *request),
                 void *arg)
{
    bool bad = false, gone = message_fill(&client->in, client->fd) <= 0;
    cJSON *m = message_next(&client->in, &bad);

    if (m) {
        message_send(client->fd, answer(arg, m)); /* small enough for the socket's buffer */
        cJSON_Delete(m);
    }
    return m || bad || gone;
}

void control_serve(struct control *c, const struct pollfd *polled,
                   cJSON *(*answer)(void *arg, const cJSON *request), void *arg)
{
    double now = clock_monotonic();

    if (c->fd < 0)
        return;
    for (int i = c->n - 1; i >= 0; i--)
        if (polled[1 + i].revents ? hear(&c->client[i], answer, arg)
                                  : now - c->client[i].since > CLIENT_LIMIT_S)
            drop(c, i);
    if (polled[0].revents & POLLIN)
        welcome(c);
}

/* ---------------------------------------------------------------- the asking end */

static int reach(const char *dir, int *ret_fd, struct hpo_err *err)
{
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, rc = 0;
    struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
    struct sockaddr_un a;

    if (dir_fd < 0)
        return hpo_fail(err, HPO_EMISSING, "%s: %s", dir, strerror(errno));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a = address(dir_fd);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
        rc = hpo_fail(err, HPO_EMISSING, "no study is running in %s", dir);
    close(dir_fd);
    if (rc) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    *ret_fd = fd;
    return 0;
}

int control_ask(const char *dir, cJSON *request, cJSON **ret, struct hpo_err *err)
{
    struct message_reader in = {0};
    cJSON *answer = NULL;
    bool bad = false;
    int fd = -1, rc = reach(dir, &fd, err);

    if (rc) {
        cJSON_Delete(request);
        return rc;
    }
    rc = message_send(fd, request);
    while (!rc && !bad && !(answer = message_next(&in, &bad)) && !bad)
        if (message_fill(&in, fd) <= 0)
            rc = HPO_EIO;
    message_reader_release(&in);
    close(fd);
    if (rc || bad)
        return hpo_fail(err, HPO_EIO, "the study in %s ended before it answered", dir);
    *ret = answer;
    return 0;
}
