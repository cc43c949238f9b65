/* hpo/message.h - what controller and worker say to each other: JSON lines over a socket pair.
 *
 *   controller -> worker   open {study, dir, device, threads, slots}
 *                          train {slot, trial, values, dir}
 *                          answer {slot, verdict: go | prune | pause}
 *                          pause {}                 every slot: checkpoint now, give the trial back
 *   worker -> controller   ready {device}  ·  broken {reason}
 *                          progress {slot, fold, epoch, step, steps, rate, loss}
 *                          epoch {slot, trial, again, epochs: [...]}       waits for the answer
 *                          done {slot, trial, value, std, seconds, folds}  ·  pruned {slot, trial, seconds}
 *                          failed {slot, trial, rc, reason, seconds}  ·  paused {slot, trial}
 *
 * Both ends are the same program, but a message is checked all the same: the worker may be dying. */
#ifndef HPO_MESSAGE_H
#define HPO_MESSAGE_H

#include "base/err.h"
#include "base/json.h"
#include "trainer/trainer.h"

#define MESSAGE_MAX ((size_t)1 << 20)

/* The reading end: bytes in, whole lines out. */
struct message_reader {
    struct str buf;
    size_t done; /* bytes of buf that were handed out */
};
/* Read what is there (at least one byte, unless the descriptor is non-blocking). 0: the other end is
 * gone. Negative: HPO_EIO. */
int message_fill(struct message_reader *r, int fd);
/* The next whole message, or NULL. Free with cJSON_Delete. *ret_bad: a line was not a message. */
cJSON *message_next(struct message_reader *r, bool *ret_bad);
void message_reader_release(struct message_reader *r);

cJSON *message_new(const char *op);
/* Sends and frees m. HPO_EIO when the other end is gone. */
int message_send(int fd, cJSON *m);
int message_int(const cJSON *m, const char *key, int otherwise);

void message_put_values(cJSON *m, const double *values, int n);
/* NaN for null; false when there are not n of them. */
bool message_get_values(const cJSON *m, double *ret, int n);
void message_put_epochs(cJSON *m, const struct tr_epoch *e, int n);
int message_get_epochs(const cJSON *m, struct tr_epoch *ret, int max); /* how many; -1: malformed */
void message_put_result(cJSON *m, const struct tr_result *r);
bool message_get_result(const cJSON *m, struct tr_result *ret);

#endif
