/* tr_train over the CPU backend: it learns, repeats its bits, and goes on with them. */
#include "tests/trainer/tiny_job.h"
#include "trainer/metric.h"

struct fixture {
    struct tiny t;
    struct tr_session *s;
};

static const struct kn_backend_ops *cpu(void)
{
    return hpo_registry_find((const void *const *)kn_backend_registry, "cpu");
}

static void start(struct fixture *f, int n, int classes, int side, int k, int threads)
{
    assert_non_null(cpu());
    tiny_init(&f->t, n, classes, side, k);
    assert_int_equal(tr_session_open(cpu(), 0, threads, &f->s, NULL), 0);
}

static void stop(struct fixture *f)
{
    tr_session_close(f->s);
    tiny_release(&f->t);
}

static void train(struct fixture *f, const struct tr_job *job, int want, struct tr_result *ret)
{
    struct hpo_err err = {0};
    bool pruned = false;
    int rc = tr_train(f->s, job, ret, &pruned, &err);

    if (rc != want)
        fail_msg("%d instead of %d: %s", rc, want, err.msg);
    assert_false(pruned);
}

/* A set that a person would call easy is learnt by every part that trains. */
static void learns(void **state)
{
    static const char *const models[] = {"convnet width=8 stages=2", "resnet depth=8 width=8",
                                         "mlp layers=1 width=32"};
    static const char *const optimizers[] = {"sgd lr=0.05 momentum=0.9 nesterov=true",
                                             "adamw lr=0.005"};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 2; j++) {
            struct fixture f;
            struct tr_job job;
            struct tr_result r;

            start(&f, 180, 3, 8, 3, 1);
            tiny_config(&f.t, models[i], optimizers[j], 16, 12);
            f.t.config.augment = (struct tr_augment_opts){true, 0};
            job = tiny_job(&f.t, TR_FOLD_FIRST);
            train(&f, &job, 0, &r);
            if (r.value < 0.9)
                fail_msg("%s with %s reaches only %.3f", models[i], optimizers[j], r.value);
            for (int fold = 0; fold < 3; fold++)
                assert_true(f.t.epoch[fold * 12 + 11].train_loss <
                            0.8 * f.t.epoch[fold * 12].train_loss);
            stop(&f);
        }
}

/* Everything that draws numbers is on. */
static void busy(struct fixture *f, const char *optimizer)
{
    start(f, 54, 3, 8, 3, 1);
    tiny_config(&f->t, "convnet width=4 stages=2 dropout=0.3", optimizer, 8, 2);
    f->t.config.augment = (struct tr_augment_opts){true, 2};
}

static void repeats(void **state)
{
    struct fixture f;
    struct tr_job job;
    struct tr_result a, b;
    size_t n_a, n_b;
    char *bytes_a, *bytes_b;

    (void)state;
    busy(&f, "sgd lr=0.05 momentum=0.9");
    job = tiny_job(&f.t, TR_FOLD_FIRST);
    train(&f, &job, 0, &a);
    bytes_a = tiny_checkpoint(&f.t, &n_a);
    /* In a session that has done something else in between, with the same plan. */
    TINY_PART(&f.t, optimizer, "sgd lr=0.5");
    tiny_clear_dir(&f.t);
    train(&f, &job, 0, &b);
    TINY_PART(&f.t, optimizer, "sgd lr=0.05 momentum=0.9");
    tiny_clear_dir(&f.t);
    train(&f, &job, 0, &b);
    bytes_b = tiny_checkpoint(&f.t, &n_b);
    assert_same_result(&a, &b);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(bytes_a, bytes_b, n_a);
    free(bytes_a);
    free(bytes_b);
    stop(&f);
}

static void pause_everywhere(const char *optimizer, enum tr_order order)
{
    struct fixture f;
    struct tr_job job;
    struct tr_result want, got;
    struct tr_epoch curve[6];
    size_t n_want, n_got;
    char *want_bytes, *got_bytes;
    int polls;

    busy(&f, optimizer);
    job = tiny_job(&f.t, order);
    train(&f, &job, 0, &want);
    polls = f.t.n_polls;
    assert_int_equal(f.t.n_epochs, 6);
    memcpy(curve, f.t.epoch, sizeof(curve));
    want_bytes = tiny_checkpoint(&f.t, &n_want);
    for (int at = 0; at < polls; at++) {
        tiny_clear_dir(&f.t);
        tiny_forget(&f.t);
        f.t.stop_at_poll = at;
        f.t.stop_with = TR_PAUSE;
        train(&f, &job, HPO_ESTOPPED, &got);
        if (at % 2) { /* another process takes over */
            tr_session_close(f.s);
            assert_int_equal(tr_session_open(cpu(), 0, 1, &f.s, NULL), 0);
        }
        tiny_forget(&f.t);
        train(&f, &job, 0, &got);
        assert_same_result(&want, &got);
        for (int i = 0; i < 6; i++)
            assert_same_epoch(&f.t.epoch[i], &curve[i]);
        got_bytes = tiny_checkpoint(&f.t, &n_got);
        assert_int_equal(n_want, n_got);
        assert_memory_equal(want_bytes, got_bytes, n_want);
        free(got_bytes);
    }
    free(want_bytes);
    stop(&f);
}

static void pause_sgd(void **state)
{
    (void)state;
    pause_everywhere("sgd lr=0.05 momentum=0.9 weight_decay=5e-4", TR_FOLD_FIRST);
}

static void pause_adamw(void **state)
{
    (void)state;
    pause_everywhere("adamw lr=0.01", TR_FOLD_FIRST);
}

static void pause_side_by_side(void **state)
{
    (void)state;
    pause_everywhere("sgd lr=0.05 momentum=0.9", TR_EPOCH_FIRST);
    pause_everywhere("adamw lr=0.01", TR_EPOCH_FIRST);
}

/* A fold on one thread is the same fold, alone or beside others. */
static void side_by_side(void **state)
{
    struct fixture f;
    struct tr_job job;
    struct tr_result a, b;
    struct tr_epoch first[6];

    (void)state;
    busy(&f, "sgd lr=0.05 momentum=0.9");
    job = tiny_job(&f.t, TR_FOLD_FIRST);
    train(&f, &job, 0, &a);
    memcpy(first, f.t.epoch, sizeof(first));
    /* Three models get a thread each, of one, two or three. */
    for (int threads = 1; threads <= 3; threads++) {
        tr_session_close(f.s);
        assert_int_equal(tr_session_open(cpu(), 0, threads, &f.s, NULL), 0);
        tiny_clear_dir(&f.t);
        tiny_forget(&f.t);
        job.order = TR_EPOCH_FIRST;
        train(&f, &job, 0, &b);
        assert_same_result(&a, &b);
        for (int i = 0; i < 6; i++)
            assert_same_epoch(&f.t.epoch[i], &first[i % 3 * 2 + i / 3]);
    }
    stop(&f);
}

/* So many at once, on however many threads: the threads of a model stay what they were. */
static void folds_at_once(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * 3; k++) {
        enum tr_order order = k % 2 ? TR_EPOCH_FIRST : TR_FOLD_FIRST;
        struct tr_epoch curve[6];
        struct tr_result a, b;
        struct fixture f;
        struct tr_job job;

        busy(&f, k % 4 < 2 ? "sgd lr=0.05 momentum=0.9" : "adamw lr=0.01");
        tr_session_close(f.s);
        assert_int_equal(tr_session_open(cpu(), 0, k / 2 + 1, &f.s, NULL), 0);
        job = tiny_job(&f.t, order);
        job.parallel = 1;
        train(&f, &job, 0, &a);
        memcpy(curve, f.t.epoch, sizeof(curve));
        for (job.parallel = 2; job.parallel <= 3; job.parallel++) {
            tiny_clear_dir(&f.t);
            tiny_forget(&f.t);
            f.t.stop_at_poll = 4;
            f.t.stop_with = TR_PAUSE;
            train(&f, &job, HPO_ESTOPPED, &b);
            tiny_forget(&f.t);
            train(&f, &job, 0, &b);
            assert_same_result(&a, &b);
            for (int i = 0; i < 6; i++)
                assert_same_epoch(&f.t.epoch[i], &curve[i]);
        }
        stop(&f);
    }
}

static void diverges(void **state)
{
    struct fixture f;
    struct tr_job job;
    struct tr_result r;
    struct hpo_err err = {0};
    bool pruned;

    (void)state;
    start(&f, 54, 3, 8, 3, 1);
    tiny_config(&f.t, "mlp layers=2 width=16", "sgd lr=1e9 momentum=0.9", 8, 5);
    TINY_PART(&f.t, schedule, "constant");
    job = tiny_job(&f.t, TR_FOLD_FIRST);
    assert_int_equal(tr_train(f.s, &job, &r, &pruned, &err), HPO_ENUMERIC);
    assert_non_null(strstr(err.msg, "fold 0, epoch"));
    /* The session is none the worse for it. */
    TINY_PART(&f.t, optimizer, "sgd lr=0.05");
    train(&f, &job, 0, &r);
    stop(&f);
}

/* Fewer training rows than a batch. */
static void one_batch(void **state)
{
    struct fixture f;
    struct tr_job job;
    struct tr_result r;

    (void)state;
    start(&f, 12, 2, 8, 3, 1);
    tiny_config(&f.t, "convnet width=4 stages=2", "sgd lr=0.05", 64, 2);
    job = tiny_job(&f.t, TR_EPOCH_FIRST);
    train(&f, &job, 0, &r);
    assert_int_equal(f.t.n_epochs, 6);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns),      cmocka_unit_test(repeats),
        cmocka_unit_test(pause_sgd),   cmocka_unit_test(pause_adamw),
        cmocka_unit_test(pause_side_by_side), cmocka_unit_test(side_by_side),
        cmocka_unit_test(folds_at_once),
        cmocka_unit_test(diverges),    cmocka_unit_test(one_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
