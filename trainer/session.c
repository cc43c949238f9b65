#include "trainer/session.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trainer/trainer.h"

/* A search over shapes comes back to a shape soon or not at all. */
#define MAX_PLANS 6
#define MAX_DATA 3
/* Idle plans may hold this share of the device's memory. */
#define IDLE_SHARE 0.2
/* An idle plan stays if it is small, or if making it again would take longer than this many bytes
 * a second: compiling takes seconds on a GPU, milliseconds for hundreds of megabytes on a CPU. */
#define SMALL_BYTES 32e6
#define WORTH_BYTES_PER_S 2e9

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
    int batch, models, threads;
    enum kn_precision precision;
    enum kn_optim_kind optim;
    double bytes, compile_seconds;
    uint64_t used;
};

struct tr_session {
    const struct kn_backend_ops *backend;
    struct kn_dev *dev;
    int threads, compiled;
    double memory; /* of the device, divided by the sessions on it; 0: unknown */
    uint64_t clock;
    struct data_entry data[MAX_DATA];
    struct plan_entry plan[MAX_PLANS];
};

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

int tr_eval_batch(int batch)
{
    return batch < 64 ? 64 : batch;
}

int tr_session_open(const struct kn_backend_ops *backend, int device_index, int threads,
                    struct tr_session **ret, struct hpo_err *err)
{
    struct tr_session *s = xcalloc(1, sizeof(*s));
    struct kn_device_info info = {0};
    int rc;

    s->backend = backend;
    s->threads = threads > 0 ? threads : usable_threads();
    rc = backend->open(device_index, s->threads, &s->dev, err);
    if (rc) {
        free(s);
        return rc;
    }
    if (!backend->describe(device_index, &info, NULL))
        s->memory = info.memory_total;
    *ret = s;
    return 0;
}

void tr_session_share(struct tr_session *s, int sessions)
{
    s->memory /= sessions;
}

static void drop_plan(struct tr_session *s, struct plan_entry *e)
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
            drop_plan(s, &s->plan[i]);
    s->backend->data_close(s->dev, d->handle);
    *d = (struct data_entry){0};
}

void tr_session_close(struct tr_session *s)
{
    if (!s)
        return;
    for (int i = 0; i < MAX_PLANS; i++)
        drop_plan(s, &s->plan[i]);
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
    for (int i = 0; i < MAX_PLANS; i++)
        if (!worth_keeping(&s->plan[i]))
            drop_plan(s, &s->plan[i]);
    for (;;) {
        struct plan_entry *slot = NULL;
        double bytes = 0;

        for (int i = 0; i < MAX_PLANS; i++) {
            bytes += s->plan[i].bytes;
            if (!s->plan[i].plan)
                slot = &s->plan[i];
        }
        if (slot && (s->memory <= 0 || bytes <= IDLE_SHARE * s->memory))
            return slot;
        drop_plan(s, oldest_plan(s));
    }
}

static int compile(struct tr_session *s, const struct kn_plan_desc *desc, void *data,
                   struct kn_plan **ret, struct hpo_err *err)
{
    struct hpo_err first = {0};
    int rc = s->backend->compile(s->dev, desc, data, ret, &first);

    if (rc == HPO_ENOMEM && oldest_plan(s)) {
        for (int i = 0; i < MAX_PLANS; i++)
            drop_plan(s, &s->plan[i]);
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
           e->data == want->data && e->batch == want->batch && e->models == want->models &&
           e->threads == want->threads && e->precision == want->precision &&
           e->optim == want->optim;
}

static int new_plan(struct tr_session *s, struct plan_entry *e, struct kn_net *net,
                    struct hpo_err *err)
{
    struct plan_entry *slot;
    struct kn_plan_desc desc;
    double from;
    int rc;

    e->net = xmalloc(sizeof(*e->net));
    *e->net = *net;
    *net = (struct kn_net){0};
    desc = (struct kn_plan_desc){
        .net = e->net,
        .batch = e->batch,
        .eval_batch = tr_eval_batch(e->batch),
        .models = e->models,
        .threads = e->threads,
        .precision = e->precision,
        .optim = e->optim,
    };
    slot = make_room(s);
    e->bytes = s->backend->estimate(s->dev, &desc);
    from = clock_monotonic();
    rc = compile(s, &desc, e->data->handle, &e->plan, err);
    if (rc) {
        kn_net_release(e->net);
        free(e->net);
        return rc;
    }
    e->compile_seconds = clock_monotonic() - from;
    e->used = ++s->clock;
    *slot = *e;
    return 0;
}

int tr_session_plan(struct tr_session *s, const struct tr_plan_request *r, struct kn_plan **ret,
                    struct hpo_err *err)
{
    struct plan_entry want = {
        .hash = tr_hash_net(r->net),
        .batch = r->batch,
        .models = r->models,
        .threads = tr_cores_for(r->models, s->threads),
        .precision = r->precision,
        .optim = r->optim,
    };
    struct data_entry *data = NULL;
    int rc = get_data(s, r->data, &data, err);

    want.data = data;
    for (int i = 0; i < MAX_PLANS && !rc; i++)
        if (fits(&s->plan[i], &want)) {
            s->plan[i].used = ++s->clock;
            kn_net_release(r->net);
            *ret = s->plan[i].plan;
            return 0;
        }
    if (!rc)
        rc = new_plan(s, &want, r->net, err);
    kn_net_release(r->net);
    if (!rc)
        *ret = want.plan;
    return rc;
}
