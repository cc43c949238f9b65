/* hpo/control.h - a word to a study while it runs: a Unix socket in its folder. A request and its
 * answer are a line of JSON each (hpo/message.h), one request a connection.
 *
 *   enqueue {set: ["optimizer.lr=0.1", ...]}  ->  enqueued {trial, finished, trials}
 *                                                 refused {rc, reason} */
#ifndef HPO_CONTROL_H
#define HPO_CONTROL_H

#include <poll.h>

#include "hpo/message.h"

#define CONTROL_CLIENTS 32
#define CONTROL_FDS (1 + CONTROL_CLIENTS)

struct control_client {
    int fd;
    struct message_reader in;
    double since; /* monotonic seconds */
};

/* The listening end. */
struct control {
    int fd; /* -1: nobody can be heard (the file system has no sockets): the study runs all the same
             */
    int dir_fd;
    struct control_client client[CONTROL_CLIENTS];
    int n;
};

void control_open(struct control *c, const char *dir);
void control_close(struct control *c);
/* Fill in what to wait for; returns how many, at most CONTROL_FDS. */
int control_poll(const struct control *c, struct pollfd *ret);
/* After poll: hear and answer. answer returns a new message. */
void control_serve(struct control *c, const struct pollfd *polled,
                   cJSON *(*answer)(void *arg, const cJSON *request), void *arg);

/* The asking end. Sends and frees request. HPO_EMISSING: no study listens in this folder.
 * HPO_EIO: it went away. *ret: free with cJSON_Delete. */
int control_ask(const char *dir, cJSON *request, cJSON **ret, struct hpo_err *err);

#endif
