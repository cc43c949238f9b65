/* trainer/session_impl.h - inside sessions: their state, and the room that they share.
 * session.c finds and makes plans, room.c says who may make one now, parallel.c how large. */
#ifndef HPO_TRAINER_SESSION_IMPL_H
#define HPO_TRAINER_SESSION_IMPL_H

#include "trainer/session.h"
#include "trainer/trainer.h"

/* A search over shapes comes back to a shape soon or not at all. */
#define MAX_PLANS 6
#define MAX_DATA 3

struct data_entry {
    char digest[33];
    struct kn_images images;
    void *handle; /* NULL and images.n 0: the entry is free */
    uint64_t used;
};

struct plan_entry {
    struct kn_plan *plan; /* NULL: the entry is free */
    struct kn_net *net;
    struct tr_net_hash hash;
    const struct data_entry *data;
    int batch, eval_batch, models, threads;
    enum kn_precision precision;
    enum kn_optim_kind optim;
    bool averaged, accumulate;
    int freeze;
    double bytes, compile_seconds;
    uint64_t used;
};

enum session_state {
    SESSION_IDLE,    /* its plans are nobody's: others may drop them */
    SESSION_WAITING, /* for memory; so are these */
    SESSION_BUSY
};

struct tr_session {
    const struct kn_backend_ops *backend;
    struct kn_dev *dev;
    int index, threads, compiled;
    double memory; /* of the device; 0: unknown */
    uint64_t clock;
    struct data_entry data[MAX_DATA];
    struct plan_entry plan[MAX_PLANS]; /* under the room's lock unless the session is busy */

    /* All under the room's lock. */
    struct tr_room *room,
        *own;                /* own: the one it was opened with; NULL once it has joined another */
    struct tr_session *next; /* in the room */
    enum session_state state;
    uint64_t ticket; /* its place in the line; 0: none */
};

void session_drop_plan(struct tr_session *s, struct plan_entry *e);

int room_sessions(struct tr_room *r);
/* From here on the session's plans are its own. */
void room_begin(struct tr_session *s);
/* Wait for the session's turn, and for so many bytes of device memory: free ones, or those of plans
 * that are idle, its own included. They are set aside until room_settle. alone: for everybody else
 * to be through. HPO_ENOMEM when it is not to wait and has to; what r->wait returned. Its plans may
 * be gone afterwards. */
int room_enter(struct tr_session *s, const struct tr_plan_request *r, double bytes, bool alone,
               struct hpo_err *err);
void room_settle(struct tr_session *s, double bytes);
/* It has what it wanted, or has given up: its place in the line is free. */
void room_served(struct tr_session *s);

#endif
