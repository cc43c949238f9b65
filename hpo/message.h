/* hpo/message.h - what controller and worker say to each other: JSON lines over a socket pair.
 *
 *   controller -> worker   open {study, device, backend, index, threads, slots}
 *                          train {slot, trial, rung, values, dir[, points]}
 *                          answer {slot, verdict: go | prune | pause}
 *                          stop {slot, trial}   it takes too long: prune it as soon as it listens
 *                          pause {}   every slot: checkpoint now, give the trial back
 *
 *   worker -> controller   ready {about}  ·  broken {reason}
 *                          progress {slot, fold, folds, epoch, step, steps, rate, loss[, training,
 *                            seconds, work, bytes, bytes_free]}   the last ones: hpo/packing.h
 *                          waits {slot, trial, why}   for memory that others hold; null: it goes on
 *                          report {slot, trial, again, step, value, rate, rows}   and waits
 *                          done {slot, trial, value, seconds, folds}
 *                          pruned {slot, trial, seconds}  ·  paused {slot, trial}
 *                          failed {slot, trial, rc, reason, seconds}
 *
 * Both ends are the same program, but a message is checked all the same: the worker may be dying.
 */
#ifndef HPO_MESSAGE_H
#define HPO_MESSAGE_H

#include "base/err.h"
#include "base/json.h"
#include "hpo/objective.h"

#define MESSAGE_MAX ((size_t)1 << 20)

/* The reading end: bytes in, whole lines out. */
struct message_reader {
    struct str buf;
    size_t done; /* bytes of buf that were handed out */
};
/* Read what is there (at least one byte, unless the descriptor is non-blocking). 0: the other end
 * is gone. Negative: HPO_EIO. */
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

/* Points of a learning curve; flip: they are kept with smaller is better and go in the study's own
 * direction. Read into an arena; malformed ones are left out. */
void message_put_points(cJSON *m, const struct hpo_point *p, int n, bool flip);
int message_get_points(const cJSON *m, struct arena *a, const struct hpo_point **ret);

/* A report that was read: its names are the message's, the rest is in here. */
struct message_report {
    struct objective_report r;
    struct hpo_epoch_report rows[OBJECTIVE_MAX_FOLDS];
    const char *names[OBJECTIVE_MAX_FOLDS][OBJECTIVE_MAX_METRICS];
    double values[OBJECTIVE_MAX_FOLDS][OBJECTIVE_MAX_METRICS];
};
void message_put_report(cJSON *m, const struct objective_report *r);
bool message_get_report(const cJSON *m, struct message_report *ret); /* false: malformed */
void message_put_result(cJSON *m, const struct objective_result *r);
bool message_get_result(const cJSON *m, struct objective_result *ret);

#endif
