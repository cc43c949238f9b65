#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "trainer/session_impl.h"

/* Idle plans may hold this share of the device's memory. */
#define IDLE_SHARE 0.2
/* An idle plan stays if it is small, or if making it again would take longer than this many bytes
 * a second: compiling takes seconds on a GPU, milliseconds for hundreds of megabytes on a CPU. */
#define SMALL_BYTES 32e6
#define WORTH_BYTES_PER_S 2e9

/* Of evaluation batches on a device that works by itself: as many rows as keep it busy, but, since
 * they are in memory beside those of training, no more than so many training batches. */
#define EVAL_ROWS 1024
#define EVAL_BATCHES 4

static int usable_threads(void)
{
    cpu_set_t set;
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    if (!sched_getaffinity(0, sizeof(set), &set))
        n = CPU_COUNT(&set);
    return n < 1 ? 1 : (int)n;
}

/* A thread each when there are as many models as threads: then no thread waits for another inside
 * a layer, and a team is as slow as its slowest thread (tests/bench/bench_cores: twice as fast or
 * more on a machine that has other work too). With threads left over, the number that finishes all
 * models first, if p threads make one model p^0.75 times as fast. Depends on nothing but its
 * arguments, because the bits of a model depend on the result. */
int tr_cores_for(int models, int threads)
{
    int best = 1;
    double best_time = HUGE_VAL;

    for (int p = 1; p <= threads && models < threads; p++) {
        int side_by_side = threads / p;
        int rounds = (models + side_by_side - 1) / side_by_side;
        double time = rounds / pow(p, 0.75);

        if (time < best_time - 1e-9) {
            best_time = time;
            best = p;
        }
    }
    return best;
}

int tr_eval_batch(const struct kn_backend_ops *b, int batch, int rows)
{
    int least = batch < 64 ? 64 : batch, most = batch < EVAL_ROWS ? EVAL_ROWS : batch, pieces;

    if (!b->async || rows <= least)
        return least;
    most = most < EVAL_BATCHES * (double)batch ? most : EVAL_BATCHES * batch;
    most = most < least ? least : most;
    pieces = (rows + most - 1) / most;
    rows = (rows + pieces - 1) / pieces; /* of one size: the last one runs at full size too */
    return rows < least ? least : rows;
}

int tr_session_open(const struct kn_backend_ops *backend, int device_index, int threads,
                    struct tr_session **ret, struct hpo_err *err)
{
    struct tr_session *s = xcalloc(1, sizeof(*s));
    struct kn_device_info info = {0};
    int rc;

    s->backend = backend;
    s->index = device_index;
    s->threads = threads > 0 ? threads : usable_threads();
    rc = backend->open(device_index, s->threads, &s->dev, err);
    if (rc) {
        free(s);
        return rc;
    }
    if (!backend->describe(device_index, &info, NULL))
        s->memory = info.memory_total;
    s->own = tr_room_new();
    tr_session_join(s, s->own);
    *ret = s;
    return 0;
}

void session_drop_plan(struct tr_session *s, struct plan_entry *e)
{
    if (!e->plan)
        return;
    s->backend->plan_free(e->plan);
    kn_net_release(e->net);
    free(e->net);
    *e = (struct plan_entry){0};
}

static void drop_data(struct tr_session *s, struct data_entry *d)
{
    if (!d->images.n)
        return;
    for (int i = 0; i < MAX_PLANS; i++)
        if (s->plan[i].data == d)
            session_drop_plan(s, &s->plan[i]);
    s->backend->data_close(s->dev, d->handle);
    *d = (struct data_entry){0};
}

void tr_session_close(struct tr_session *s)
{
    if (!s)
        return;
    tr_session_join(s, NULL); /* from here on its plans are its own */
    for (int i = 0; i < MAX_PLANS; i++)
        session_drop_plan(s, &s->plan[i]);
    for (int i = 0; i < MAX_DATA; i++)
        drop_data(s, &s->data[i]);
    s->backend->close(s->dev);
    free(s);
}

int tr_session_compiled(const struct tr_session *s)
{
    return s->compiled;
}

static bool same_images(const struct kn_images *a, const struct kn_images *b)
{
    return a->pixels == b->pixels && a->labels == b->labels && a->n == b->n && a->h == b->h &&
           a->w == b->w && a->classes == b->classes;
}

static int get_data(struct tr_session *s, const struct tr_dataset *data, struct data_entry **ret,
                    struct hpo_err *err)
{
    struct data_entry *slot = NULL;
    int rc;

    for (int i = 0; i < MAX_DATA; i++) {
        struct data_entry *d = &s->data[i];
        bool same_name = d->images.n && !strcmp(d->digest, data->digest);
        bool same_place = d->images.n && d->images.pixels == data->images.pixels;

        if (same_name && same_images(&d->images, &data->images)) {
            d->used = ++s->clock;
            *ret = d;
            return 0;
        }
        /* The same content at another place, or other content at this one: it was closed and
         * mapped again, and what this entry points to is gone. */
        if (same_name || same_place)
            drop_data(s, d);
    }
    for (int i = 0; i < MAX_DATA; i++)
        if (!slot || s->data[i].used < slot->used)
            slot = &s->data[i];
    drop_data(s, slot);
    rc = s->backend->data_open(s->dev, &data->images, &slot->handle, err);
    if (rc)
        return rc;
    memcpy(slot->digest, data->digest, sizeof(slot->digest));
    slot->images = data->images;
    slot->used = ++s->clock;
    *ret = slot;
    return 0;
}

static struct plan_entry *oldest_plan(struct tr_session *s)
{
    struct plan_entry *oldest = NULL;

    for (int i = 0; i < MAX_PLANS; i++)
        if (s->plan[i].plan && (!oldest || s->plan[i].used < oldest->used))
            oldest = &s->plan[i];
    return oldest;
}

static bool worth_keeping(const struct plan_entry *e)
{
    return e->bytes <= SMALL_BYTES || e->bytes <= WORTH_BYTES_PER_S * e->compile_seconds;
}

/* A free entry, with the plans that stay no larger than the share of idle ones. */
static struct plan_entry *make_room(struct tr_session *s)
{
    double share = IDLE_SHARE * s->memory / room_sessions(s->room);

    for (int i = 0; i < MAX_PLANS; i++)
        if (!worth_keeping(&s->plan[i]))
            session_drop_plan(s, &s->plan[i]);
    for (;;) {
        struct plan_entry *slot = NULL;
        double bytes = 0;

        for (int i = 0; i < MAX_PLANS; i++) {
            bytes += s->plan[i].bytes;
            if (!s->plan[i].plan)
                slot = &s->plan[i];
        }
        if (slot && (s->memory <= 0 || bytes <= share))
            return slot;
        session_drop_plan(s, oldest_plan(s));
    }
}

static int compile(struct tr_session *s, const struct kn_plan_desc *desc, void *data,
                   struct kn_plan **ret, struct hpo_err *err)
{
    struct hpo_err first = {0};
    int rc = s->backend->compile(s->dev, desc, data, ret, &first);

    if (rc == HPO_ENOMEM && oldest_plan(s)) {
        for (int i = 0; i < MAX_PLANS; i++)
            session_drop_plan(s, &s->plan[i]);
        rc = s->backend->compile(s->dev, desc, data, ret, &first);
    }
    if (rc)
        return hpo_fail(err, rc, "%s", first.msg);
    s->compiled++;
    return 0;
}

static bool fits(const struct plan_entry *e, const struct plan_entry *want)
{
    return e->plan && e->hash.lo == want->hash.lo && e->hash.hi == want->hash.hi &&
           e->data == want->data && e->batch == want->batch && e->eval_batch == want->eval_batch &&
           e->models == want->models && e->threads == want->threads &&
           e->precision == want->precision && e->optim == want->optim &&
           e->averaged == want->averaged && e->accumulate == want->accumulate &&
           e->freeze == want->freeze;
}

static struct plan_entry *find_plan(struct tr_session *s, const struct plan_entry *want)
{
    for (int i = 0; i < MAX_PLANS; i++)
        if (fits(&s->plan[i], want))
            return &s->plan[i];
    return NULL;
}

static struct kn_plan_desc describe(const struct plan_entry *e, const struct kn_net *net)
{
    return (struct kn_plan_desc){
        .net = net,
        .batch = e->batch,
        .eval_batch = e->eval_batch,
        .models = e->models,
        .threads = e->threads,
        .precision = e->precision,
        .optim = e->optim,
        .averaged = e->averaged,
        .accumulate = e->accumulate,
        .freeze = e->freeze,
    };
}

/* The network goes into the plan, or stays with the caller. */
static int new_plan(struct tr_session *s, const struct plan_entry *want, struct kn_net *net,
                    double steps, struct plan_entry **ret, struct hpo_err *err)
{
    struct plan_entry e = *want, *slot = make_room(s);
    struct kn_plan_desc desc;
    double from = clock_monotonic();
    int rc;

    e.net = xmalloc(sizeof(*e.net));
    *e.net = *net;
    desc = describe(&e, e.net);
    desc.steps = steps;
    rc = compile(s, &desc, e.data->handle, &e.plan, err);
    if (rc) {
        free(e.net);
        return rc;
    }
    *net = (struct kn_net){0};
    e.compile_seconds = clock_monotonic() - from;
    *slot = e;
    *ret = slot;
    return 0;
}

/* One that is there, or a new one. Memory that lacked although it was not expected to is worth a
 * second try, when the others are through. */
static int obtain(struct tr_session *s, struct tr_plan_request *r, const struct plan_entry *want,
                  struct plan_entry **ret, struct hpo_err *err)
{
    bool alone = false;

    for (;;) {
        struct plan_entry *there = find_plan(s, want);
        double bytes = there || !(want->bytes > 0) ? 0 : want->bytes;
        int rc = room_enter(s, r, bytes, alone, err);

        if (rc)
            return rc;
        *ret = find_plan(s, want);
        if (!*ret && !there)
            rc = new_plan(s, want, r->net, r->steps, ret, err);
        room_settle(s, bytes);
        if (!rc && *ret)
            return 0;
        if (rc && (rc != HPO_ENOMEM || alone || !r->last || !r->wait))
            return rc;
        alone = rc != 0; /* else it was dropped while this one waited */
    }
}

int tr_session_plan(struct tr_session *s, struct tr_plan_request *r, struct kn_plan **ret,
                    struct hpo_err *err)
{
    struct plan_entry want =
                          {
                              .hash = tr_hash_net(r->net),
                              .batch = r->batch,
                              .eval_batch = tr_eval_batch(s->backend, r->batch, r->eval_rows),
                              .models = r->models,
                              .threads = tr_cores_for(r->like ? r->like : r->models, s->threads),
                              .precision = r->precision,
                              .optim = r->optim,
                              .averaged = r->averaged,
                              .accumulate = r->accumulate,
                              .freeze = r->freeze,
                          },
                      *e = NULL;
    struct kn_plan_desc desc = describe(&want, r->net);
    struct kn_device_info info = {0};
    struct data_entry *data = NULL;
    int rc;

    room_begin(s);
    rc = get_data(s, r->data, &data, err);
    want.data = data;
    want.bytes = s->backend->estimate(s->dev, &desc);
    if (!rc)
        rc = obtain(s, r, &want, &e, err);
    room_served(s);
    kn_net_release(r->net);
    if (rc)
        return rc;
    e->used = ++s->clock;
    r->ret_bytes = want.bytes > 0 ? want.bytes : 0;
    if (s->backend->async && !s->backend->describe(s->index, &info, NULL))
        r->ret_free = info.memory_free;
    *ret = e->plan;
    return 0;
}
