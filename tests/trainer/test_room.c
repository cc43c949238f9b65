/* Sessions that share a device too small for all: who waits, for whom, and that nobody does for
 * ever. A network takes a unit of memory a model. */
#include "tests/trainer/tiny_job.h"

#include <pthread.h>
#include <stdatomic.h>

#include "trainer/session.h"

#define UNITS 10
#define UNIT 1e6

static struct {
    pthread_mutex_t lock;
    int used, most, plans;
    int hidden; /* units that the estimate does not know of */
} device = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct unit_plan {
    struct kn_plan base;
    int units;
};

static int unit_describe(int index, struct kn_device_info *ret, struct hpo_err *err)
{
    (void)index, (void)err;
    *ret = (struct kn_device_info){.memory_total = 1e9};
    pthread_mutex_lock(&device.lock);
    ret->memory_free = (UNITS - device.used) * UNIT + 1;
    pthread_mutex_unlock(&device.lock);
    return 0;
}

static int unit_open(int index, int threads, struct kn_dev **ret, struct hpo_err *err)
{
    (void)index, (void)threads, (void)err;
    *ret = calloc(1, sizeof(**ret));
    return 0;
}

static void unit_close(struct kn_dev *d)
{
    free(d);
}

static int unit_data_open(struct kn_dev *d, const struct kn_images *images, void **ret,
                          struct hpo_err *err)
{
    (void)d, (void)images, (void)err;
    *ret = &device;
    return 0;
}

static void unit_data_close(struct kn_dev *d, void *data)
{
    (void)d, (void)data;
}

static double unit_estimate(struct kn_dev *d, const struct kn_plan_desc *desc)
{
    (void)d;
    return UNIT * desc->models;
}

static int unit_compile(struct kn_dev *d, const struct kn_plan_desc *desc, void *data,
                        struct kn_plan **ret, struct hpo_err *err)
{
    int units = desc->models + device.hidden, rc = 0;
    struct unit_plan *p;

    (void)d, (void)data;
    pthread_mutex_lock(&device.lock);
    if (device.used + units > UNITS)
        rc = hpo_fail(err, HPO_ENOMEM, "%d units are needed, %d are free", units,
                      UNITS - device.used);
    if (!rc) {
        device.used += units;
        device.most = device.used > device.most ? device.used : device.most;
        device.plans++;
    }
    pthread_mutex_unlock(&device.lock);
    if (rc)
        return rc;
    p = calloc(1, sizeof(*p));
    p->units = units;
    *ret = &p->base;
    return 0;
}

static void unit_plan_free(struct kn_plan *p)
{
    pthread_mutex_lock(&device.lock);
    device.used -= ((struct unit_plan *)p)->units;
    device.plans--;
    pthread_mutex_unlock(&device.lock);
    free(p);
}

static const struct kn_backend_ops unit_backend = {
    .plugin = {.name = "units", .help = "for tests"},
    .describe = unit_describe,
    .open = unit_open,
    .close = unit_close,
    .data_open = unit_data_open,
    .data_close = unit_data_close,
    .estimate = unit_estimate,
    .compile = unit_compile,
    .plan_free = unit_plan_free,
};

#define SESSIONS 6

struct fixture {
    struct tiny t;
    struct tr_room *room;
    struct tr_session *s[SESSIONS];
};

static int setup(void **state)
{
    static struct fixture f;

    device.used = device.most = device.plans = device.hidden = 0;
    tiny_init(&f.t, 24, 2, 8, 3);
    tiny_config(&f.t, "mlp layers=1 width=4", "sgd", 4, 1);
    f.room = tr_room_new();
    for (int i = 0; i < SESSIONS; i++) {
        assert_int_equal(tr_session_open(&unit_backend, 0, 1, &f.s[i], NULL), 0);
        tr_session_join(f.s[i], f.room);
    }
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < SESSIONS; i++)
        tr_session_close(f->s[i]);
    tr_room_free(f->room);
    tiny_release(&f->t);
    assert_int_equal(device.used, 0);
    assert_int_equal(device.plans, 0);
    return 0;
}

/* A request of a session, in a thread of its own or not. */
struct ask {
    struct fixture *f;
    int session, units, batch;
    bool last;
    atomic_int waits;
    int give_up_at; /* this wait ends it; 0: none */
    char why[200];
    int rc;
    struct hpo_err err;
    struct kn_plan *plan;
    atomic_bool served;
    pthread_t thread;
};

static int on_wait(void *arg, const char *why, struct hpo_err *err)
{
    struct ask *a = arg;
    int n = atomic_load(&a->waits) + 1;

    snprintf(a->why, sizeof(a->why), "%s", why);
    atomic_store(&a->waits, n);
    return n == a->give_up_at ? hpo_fail(err, HPO_ESTOPPED, "told to") : 0;
}

static void *ask_now(void *arg)
{
    struct ask *a = arg;
    struct kn_net net;
    struct tr_plan_request r = {
        .net = &net,
        .data = &a->f->t.data,
        .batch = a->batch ? a->batch : 4,
        .models = a->units,
        .optim = KN_SGD,
        .last = a->last,
        .wait = on_wait,
        .arg = a,
    };

    assert_int_equal(tr_build_net(&a->f->t.config, &a->f->t.data.images, &net, NULL), 0);
    a->rc = tr_session_plan(a->f->s[a->session], &r, &a->plan, &a->err);
    if (a->rc)
        tr_session_done(a->f->s[a->session]);
    atomic_store(&a->served, true);
    return NULL;
}

static void begin(struct ask *a, struct fixture *f, int session, int units)
{
    *a = (struct ask){.f = f, .session = session, .units = units, .last = true};
    assert_int_equal(pthread_create(&a->thread, NULL, ask_now, a), 0);
}

static void until_it_waits(const struct ask *a)
{
    int before = atomic_load(&a->waits);

    while (atomic_load(&a->waits) < before + 2) {
        assert_false(atomic_load(&a->served));
        usleep(1000);
    }
}

static void until_served(struct ask *a)
{
    pthread_join(a->thread, NULL);
    assert_true(atomic_load(&a->served));
}

static void now(struct ask *a, struct fixture *f, int session, int units, int want)
{
    *a = (struct ask){.f = f, .session = session, .units = units, .last = true};
    ask_now(a);
    assert_int_equal(a->rc, want);
}

static void waits_for_its_neighbours(void **state)
{
    struct fixture *f = *state;
    struct ask a, b, c;

    now(&a, f, 0, 4, 0);
    now(&b, f, 1, 4, 0);
    begin(&c, f, 2, 6);
    until_it_waits(&c);
    assert_non_null(strstr(c.why, "GiB of memory are needed"));
    assert_non_null(strstr(c.why, "beside 2 others"));
    tr_session_done(f->s[0]); /* its plan stays until somebody needs the memory */
    until_served(&c);
    assert_int_equal(c.rc, 0);
    assert_int_equal(device.used, 10);
    tr_session_done(f->s[1]);
    tr_session_done(f->s[2]);
}

/* What fits nowhere fails, with the device's numbers, and only when it is alone. */
static void too_large(void **state)
{
    struct fixture *f = *state;
    struct ask a, b;

    now(&a, f, 0, 2, 0);
    begin(&b, f, 1, 11);
    until_it_waits(&b);
    tr_session_done(f->s[0]);
    until_served(&b);
    assert_int_equal(b.rc, HPO_ENOMEM);
    assert_non_null(strstr(b.err.msg, "11 units are needed, 10 are free"));
    now(&a, f, 2, 10, 0);
    tr_session_done(f->s[2]);
}

/* Nobody overtakes: not with a small network that would fit, nor with one that is there already. */
static void in_line(void **state)
{
    struct fixture *f = *state;
    struct ask a, large, small, cached;

    now(&cached, f, 3, 1, 0);
    tr_session_done(f->s[3]);
    now(&a, f, 0, 3, 0);
    begin(&large, f, 1, 9);
    until_it_waits(&large);
    begin(&small, f, 2, 1);
    until_it_waits(&small);
    assert_non_null(strstr(small.why, "before it"));
    begin(&cached, f, 3, 1);
    until_it_waits(&cached);
    tr_session_done(f->s[0]);
    until_served(&large);
    assert_int_equal(large.rc, 0);
    until_served(&small); /* it fits beside that */
    assert_int_equal(small.rc, 0);
    until_it_waits(&cached);
    tr_session_done(f->s[1]);
    until_served(&cached);
    assert_int_equal(cached.rc, 0);
    tr_session_done(f->s[2]);
    tr_session_done(f->s[3]);
}

/* Plans that nobody uses make room at once, whoever made them. */
static void idle_plans_go(void **state)
{
    struct fixture *f = *state;
    struct ask a;

    for (int i = 0; i < 3; i++) {
        now(&a, f, i, 3, 0);
        tr_session_done(f->s[i]);
    }
    assert_int_equal(device.used, 9);
    now(&a, f, 3, 5, 0);
    assert_int_equal(atomic_load(&a.waits), 0);
    assert_true(device.used <= 10);
    tr_session_done(f->s[3]);
}

/* An estimate that is too low: the device says no, and it is tried again when nobody is left. */
static void estimated_too_low(void **state)
{
    struct fixture *f = *state;
    struct ask a, b;

    now(&a, f, 0, 5, 0);
    device.hidden = 1;
    begin(&b, f, 1, 5);
    until_it_waits(&b);
    tr_session_done(f->s[0]);
    until_served(&b);
    assert_int_equal(b.rc, 0);
    tr_session_done(f->s[1]);
}

static void told_to_stop(void **state)
{
    struct fixture *f = *state;
    struct ask a, b, c;

    now(&a, f, 0, 8, 0);
    b = (struct ask){.f = f, .session = 1, .units = 5, .last = true, .give_up_at = 3};
    ask_now(&b);
    assert_int_equal(b.rc, HPO_ESTOPPED);
    now(&c, f, 2, 2, 0); /* it stands in nobody's way any more */
    tr_session_done(f->s[2]);
    b = (struct ask){.f = f, .session = 1, .units = 5};
    ask_now(&b); /* who can do with less is told at once */
    assert_int_equal(b.rc, HPO_ENOMEM);
    assert_int_equal(atomic_load(&b.waits), 0);
    tr_session_done(f->s[0]);
}

static void *many_jobs(void *arg)
{
    struct ask *a = arg;
    struct hpo_rng rng = hpo_rng_for(7, a->session, -1, "room", 0);

    for (int i = 0; i < 60; i++) {
        a->units = 1 + (int)hpo_rng_below(&rng, UNITS);
        a->batch = 1 + (int)hpo_rng_below(&rng, 3);
        ask_now(a);
        if (a->rc)
            return NULL;
        usleep((useconds_t)hpo_rng_below(&rng, 500));
        tr_session_done(a->f->s[a->session]);
    }
    return NULL;
}

/* Any mixture comes to its end, and never needs more than there is. */
static void crowd(void **state)
{
    struct fixture *f = *state;
    struct ask a[SESSIONS];

    for (int i = 0; i < SESSIONS; i++) {
        a[i] = (struct ask){.f = f, .session = i, .last = true};
        assert_int_equal(pthread_create(&a[i].thread, NULL, many_jobs, &a[i]), 0);
    }
    for (int i = 0; i < SESSIONS; i++) {
        pthread_join(a[i].thread, NULL);
        assert_int_equal(a[i].rc, 0);
    }
    assert_true(device.most <= UNITS);
}

#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(waits_for_its_neighbours), WITH(too_large),    WITH(in_line), WITH(idle_plans_go),
        WITH(estimated_too_low),        WITH(told_to_stop), WITH(crowd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
