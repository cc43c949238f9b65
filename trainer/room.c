/* Sessions that share a device: who may take memory now.
 *
 * Why nobody waits for ever. A session that waits holds no plan that counts: others may drop all of
 * them. So whoever is first in line waits for sessions that train, and those end by themselves.
 * While somebody waits, nobody behind him in line begins to train; so in the end he is alone, and
 * then he is let through whatever he asks for, to be answered by the device itself. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "trainer/session_impl.h"

#define ASK_AGAIN_NS 30000000
#define GIB 1073741824.0

struct tr_room {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct tr_session *first;
    int sessions;
    uint64_t tickets;
    double reserved; /* for plans that are being made */
};

struct tr_room *tr_room_new(void)
{
    struct tr_room *r = xcalloc(1, sizeof(*r));

    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    return r;
}

void tr_room_free(struct tr_room *r)
{
    if (!r)
        return;
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void tr_session_join(struct tr_session *s, struct tr_room *r)
{
    struct tr_room *old = s->room;

    if (old) {
        struct tr_session **at = &old->first;

        pthread_mutex_lock(&old->lock);
        while (*at != s)
            at = &(*at)->next;
        *at = s->next;
        old->sessions--;
        pthread_cond_broadcast(&old->changed);
        pthread_mutex_unlock(&old->lock);
    }
    s->room = r;
    if (r) {
        pthread_mutex_lock(&r->lock);
        s->next = r->first;
        r->first = s;
        r->sessions++;
        pthread_mutex_unlock(&r->lock);
    }
    if (s->own && r != s->own) {
        tr_room_free(s->own);
        s->own = NULL;
    }
}

int room_sessions(struct tr_room *r)
{
    int n;

    pthread_mutex_lock(&r->lock);
    n = r->sessions;
    pthread_mutex_unlock(&r->lock);
    return n;
}

void room_begin(struct tr_session *s)
{
    pthread_mutex_lock(&s->room->lock);
    s->state = SESSION_BUSY;
    pthread_mutex_unlock(&s->room->lock);
}

void tr_session_done(struct tr_session *s)
{
    pthread_mutex_lock(&s->room->lock);
    s->state = SESSION_IDLE;
    pthread_cond_broadcast(&s->room->changed);
    pthread_mutex_unlock(&s->room->lock);
}

void room_settle(struct tr_session *s, double bytes)
{
    pthread_mutex_lock(&s->room->lock);
    s->room->reserved -= bytes;
    pthread_cond_broadcast(&s->room->changed);
    pthread_mutex_unlock(&s->room->lock);
}

void room_served(struct tr_session *s)
{
    pthread_mutex_lock(&s->room->lock);
    s->ticket = 0;
    pthread_cond_broadcast(&s->room->changed);
    pthread_mutex_unlock(&s->room->lock);
}

/* ---------------------------------------------------------------- under the lock */

static bool is_first(const struct tr_session *s)
{
    for (const struct tr_session *o = s->room->first; o; o = o->next)
        if (o != s && o->state == SESSION_WAITING && o->ticket < s->ticket)
            return false;
    return true;
}

static int others_busy(const struct tr_session *s)
{
    int n = 0;

    for (const struct tr_session *o = s->room->first; o; o = o->next)
        n += o != s && o->state == SESSION_BUSY;
    return n;
}

/* On the device, but for what is set aside. HUGE_VAL: unknown. */
static double bytes_free(const struct tr_session *s)
{
    struct kn_device_info info = {0};

    if (s->backend->describe(s->index, &info, NULL) || info.memory_free <= 0)
        return HUGE_VAL;
    return info.memory_free - s->room->reserved;
}

static bool drop_plans(struct tr_session *s)
{
    bool any = false;

    for (int i = 0; i < MAX_PLANS; i++) {
        any = any || s->plan[i].plan;
        session_drop_plan(s, &s->plan[i]);
    }
    return any;
}

/* Idle plans make room: one's own, which nobody misses, then those of others. */
static bool make_fit(struct tr_session *s, double bytes)
{
    bool fits = !(bytes > 0) || bytes <= bytes_free(s);

    if (!fits && drop_plans(s))
        fits = bytes <= bytes_free(s);
    for (struct tr_session *o = s->room->first; o && !fits; o = o->next)
        if (o != s && o->state != SESSION_BUSY && drop_plans(o))
            fits = bytes <= bytes_free(s);
    return fits;
}

static void wait_a_moment(struct tr_room *r)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ASK_AGAIN_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&r->changed, &r->lock, &until);
}

static void say_why(const struct tr_session *s, double bytes, bool first, char *ret, size_t n)
{
    const char *what = s->backend->async ? "device memory" : "memory";
    double room = bytes_free(s);
    int busy = others_busy(s);

    if (!first)
        snprintf(ret, n, "others have waited for %s before it", what);
    else if (room < HUGE_VAL)
        snprintf(ret, n, "%.2f GiB of %s are needed, %.2f GiB are free beside %d other%s",
                 bytes / GIB, what, (room > 0 ? room : 0) / GIB, busy, busy == 1 ? "" : "s");
    else
        snprintf(ret, n, "%.2f GiB of %s are not free beside %d other%s", bytes / GIB, what, busy,
                 busy == 1 ? "" : "s");
}

/* ---------------------------------------------------------------- */

int room_enter(struct tr_session *s, const struct tr_plan_request *r, double bytes, bool alone,
               struct hpo_err *err)
{
    struct tr_room *room = s->room;
    char why[160];
    int rc = 0;

    pthread_mutex_lock(&room->lock);
    if (!s->ticket)
        s->ticket = ++room->tickets;
    for (;;) {
        bool first = is_first(s), fits = first && make_fit(s, alone ? HUGE_VAL : bytes);

        if (first && (fits || !others_busy(s)))
            break;
        say_why(s, bytes, first, why, sizeof(why));
        if (!r->wait || (first && !r->last)) {
            rc = hpo_fail(err, HPO_ENOMEM, "%s", why);
            break;
        }
        s->state = SESSION_WAITING;
        pthread_cond_broadcast(&room->changed);
        pthread_mutex_unlock(&room->lock);
        rc = r->wait(r->arg, why, err);
        pthread_mutex_lock(&room->lock);
        if (rc)
            break;
        wait_a_moment(room);
    }
    s->state = SESSION_BUSY;
    if (!rc)
        room->reserved += bytes;
    pthread_cond_broadcast(&room->changed);
    pthread_mutex_unlock(&room->lock);
    return rc;
}
