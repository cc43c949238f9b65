/* What a session keeps, what it lets go, and how the threads are shared out. */
#include "tests/trainer/fake_backend.h"
#include "tests/trainer/tiny_job.h"
#include "trainer/session.h"

struct fixture {
    struct tiny t;
    struct tr_session *s;
};

static int setup(void **state)
{
    static struct fixture f;

    fake_reset();
    tiny_init(&f.t, 24, 2, 8, 3);
    tiny_config(&f.t, "mlp layers=1 width=4 dropout=0.1", "sgd", 4, 1);
    assert_int_equal(tr_session_open(&fake_backend, 0, 0, &f.s, NULL), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tr_session_close(f->s);
    tiny_release(&f->t);
    assert_int_equal(fake.opens, fake.closes);
    assert_int_equal(fake.compiles, fake.frees);
    return 0;
}

static int plan(struct fixture *f, int batch, int models, struct kn_plan **ret, struct hpo_err *err)
{
    struct kn_net net;
    struct tr_plan_request r = {.net = &net, .data = &f->t.data, .batch = batch, .models = models,
                                .optim = KN_SGD};
    int rc;

    assert_int_equal(tr_build_net(&f->t.config, &f->t.data.images, &net, NULL), 0);
    rc = tr_session_plan(f->s, &r, ret, err);
    assert_int_equal(net.n_ops, 0); /* taken over, or released */
    return rc;
}

/* A rate is not a shape; a width is. */
static void reuse(void **state)
{
    struct fixture *f = *state;
    struct kn_plan *a, *b;

    assert_int_equal(plan(f, 4, 1, &a, NULL), 0);
    TINY_PART(&f->t, model, "mlp layers=1 width=4 dropout=0.9");
    assert_int_equal(plan(f, 4, 1, &b, NULL), 0);
    assert_ptr_equal(a, b);
    TINY_PART(&f->t, model, "mlp layers=1 width=5");
    assert_int_equal(plan(f, 4, 1, &b, NULL), 0);
    assert_ptr_not_equal(a, b);
    assert_int_equal(plan(f, 8, 1, &b, NULL), 0);
    assert_int_equal(plan(f, 4, 2, &b, NULL), 0);
    assert_int_equal(tr_session_compiled(f->s), 4);
    TINY_PART(&f->t, model, "mlp layers=1 width=4");
    assert_int_equal(plan(f, 4, 1, &b, NULL), 0);
    assert_ptr_equal(a, b);
    assert_int_equal(tr_session_compiled(f->s), 4);
}

static void bounded(void **state)
{
    struct fixture *f = *state;
    struct kn_plan *p;

    for (int batch = 1; batch <= 40; batch++)
        assert_int_equal(plan(f, batch, 1, &p, NULL), 0);
    assert_true(fake.compiles - fake.frees <= 8);
    /* Plans of 200 MB that take no time to make: only the one that is used stays. */
    for (int batch = 1; batch <= 10; batch++) {
        assert_int_equal(plan(f, batch, 200, &p, NULL), 0);
        assert_true(fake.bytes < 300e6);
    }
}

/* A full device: what is idle makes room, and only then is it a failure. */
static void full(void **state)
{
    struct fixture *f = *state;
    struct hpo_err err = {0};
    struct kn_plan *p;

    assert_int_equal(plan(f, 1, 1, &p, NULL), 0);
    assert_int_equal(plan(f, 2, 1, &p, NULL), 0);
    fake.no_memory = 1;
    assert_int_equal(plan(f, 3, 1, &p, NULL), 0);
    assert_int_equal(fake.frees, 2);
    fake.no_memory = 2;
    assert_int_equal(plan(f, 4, 1, &p, &err), HPO_ENOMEM);
    assert_non_null(strstr(err.msg, "full"));
    assert_int_equal(plan(f, 4, 1, &p, NULL), 0);
}

/* A data set that was closed and opened again lies elsewhere; what pointed to it is let go. */
static void moved(void **state)
{
    struct fixture *f = *state;
    int32_t *labels = ARENA_ARRAY(&f->t.arena, int32_t, 24);
    const int32_t *old = f->t.data.images.labels;
    struct kn_plan *a, *b;

    assert_int_equal(plan(f, 4, 1, &a, NULL), 0);
    f->t.data.images.labels = labels;
    assert_int_equal(plan(f, 4, 1, &b, NULL), 0);
    assert_int_equal(fake.frees, 1);
    assert_ptr_equal(((struct fake_plan *)b)->images->labels, labels);
    f->t.data.images.labels = old;
    f->t.data.digest[0] = 'x';
    assert_int_equal(plan(f, 4, 1, &b, NULL), 0);
    assert_int_equal(fake.frees, 2);
    assert_ptr_equal(((struct fake_plan *)b)->images->labels, old);
}

static void cores(void **state)
{
    (void)state;
    assert_int_equal(tr_cores_for(1, 1), 1);
    assert_int_equal(tr_cores_for(1, 8), 8);
    assert_int_equal(tr_cores_for(8, 8), 1);
    assert_int_equal(tr_cores_for(5, 1), 1);
    assert_int_equal(tr_cores_for(3, 2), 1);
    assert_int_equal(tr_cores_for(2, 8), 4);
    assert_int_equal(tr_cores_for(3, 4), 1);
    assert_int_equal(tr_cores_for(5, 16), 3);
    for (int models = 1; models <= 64; models++)
        for (int threads = 1; threads <= 64; threads++)
            assert_in_range(tr_cores_for(models, threads), 1, threads);
}

/* A device that works by itself is waited for after each evaluation batch: few large ones, of one
 * size, but no larger than some training batches. */
static void eval_batches(void **state)
{
    static const struct {
        int batch, rows, other, async;
    } want[] = {
        {4, 0, 64, 64},        {128, 0, 128, 128},    {4, 10000, 64, 64},
        {128, 10000, 128, 500}, {256, 10000, 256, 1000}, {256, 300, 256, 300},
        {512, 10000, 512, 1000}, {2048, 10000, 2048, 2048}, {2048, 100, 2048, 2048},
    };

    (void)state;
    for (size_t i = 0; i < HPO_LEN(want); i++) {
        int n = tr_eval_batch(&fake_async_backend, want[i].batch, want[i].rows);

        assert_int_equal(tr_eval_batch(&fake_backend, want[i].batch, want[i].rows), want[i].other);
        assert_int_equal(n, want[i].async);
    }
}

static void cost(void **state)
{
    struct fixture *f = *state;
    struct tr_cost c;
    struct hpo_err err = {0};

    assert_int_equal(tr_cost(&fake_backend, &f->t.config, &f->t.data, &c, NULL), 0);
    assert_near(c.macs, 192 * 4 + 4 * 2, 0);
    assert_near(c.weights, 192 * 4 + 4 + 4 * 2 + 2, 0);
    assert_near(c.bytes, 1e6, 0);
    TINY_PART(&f->t, model, "convnet stages=6");
    assert_int_equal(tr_cost(&fake_backend, &f->t.config, &f->t.data, &c, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "convnet"));
}

#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {WITH(reuse), WITH(bounded), WITH(full), WITH(moved),
                                       cmocka_unit_test(cores), cmocka_unit_test(eval_batches), WITH(cost)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
