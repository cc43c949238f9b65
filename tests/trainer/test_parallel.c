/* How many folds train side by side shows in nothing but the clock: neither in what is reported,
 * nor in the order, nor in where an answer ends it, nor when the number changes on the way. */
#include "tests/trainer/fake_fixture.h"

/* What a training one by one reports and returns. */
struct expected {
    struct tr_epoch epoch[3 * EPOCHS];
    struct tr_result result;
};

static void expect(struct fixture *f, enum tr_order order, struct expected *ret)
{
    struct tr_job job = tiny_job(&f->t, order);

    job.parallel = 1;
    tiny_clear_dir(&f->t);
    tiny_forget(&f->t);
    assert_int_equal(train(f, &job, &ret->result), 0);
    assert_int_equal(f->t.n_epochs, 3 * EPOCHS);
    memcpy(ret->epoch, f->t.epoch, sizeof(ret->epoch));
    tiny_clear_dir(&f->t);
    tiny_forget(&f->t);
}

static void assert_reports(const struct fixture *f, const struct expected *want, int n)
{
    assert_int_equal(f->t.n_epochs, n);
    for (int i = 0; i < n; i++)
        assert_same_epoch(&f->t.epoch[i], &want->epoch[i]);
}

static void reopen(struct fixture *f, bool async)
{
    tr_session_close(f->s);
    fake.async = async;
    assert_int_equal(tr_session_open(&fake_backend, 0, 2, &f->s, NULL), 0);
}

static void same_as_one_by_one(void **state)
{
    struct fixture *f = *state;

    for (int k = 0; k < 4; k++) {
        struct tr_job job = tiny_job(&f->t, k / 2 ? TR_EPOCH_FIRST : TR_FOLD_FIRST);
        struct expected want;
        struct tr_result got;

        reopen(f, k % 2);
        expect(f, job.order, &want);
        for (job.parallel = 0; job.parallel <= 5; job.parallel++) {
            assert_int_equal(train(f, &job, &got), 0);
            assert_same_result(&want.result, &got);
            assert_reports(f, &want, 3 * EPOCHS);
            assert_int_equal(f->t.n_reports, job.order == TR_EPOCH_FIRST ? EPOCHS : 3 * EPOCHS);
            for (int i = 0; i < 3 * EPOCHS; i++)
                assert_false(f->t.again[i]);
            tiny_clear_dir(&f->t);
            tiny_forget(&f->t);
        }
    }
}

/* Side by side, steps are shared: 7 of the longest fold, not 6 + 6 + 7. */
static void in_lock_step(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result r;

    job.parallel = 3;
    assert_int_equal(train(f, &job, &r), 0);
    assert_int_equal(fake.trains, EPOCHS * 7);
    tiny_clear_dir(&f->t);
    fake.trains = fake.n_train = 0;
    job.parallel = 2; /* folds 0 and 1, then 2, beside which the second model sits out */
    assert_int_equal(train(f, &job, &r), 0);
    assert_int_equal(fake.trains, EPOCHS * (6 + 7));
    assert_int_equal(fake.n_train, EPOCHS * (6 + 6 + 7));
}

/* Stopped at any poll, and gone on with another number, twice. */
static void number_changes(void **state)
{
    struct fixture *f = *state;

    for (int k = 0; k < 2 * 3 * 3; k++) {
        struct tr_job job = tiny_job(&f->t, k % 2 ? TR_EPOCH_FIRST : TR_FOLD_FIRST);
        int first = k / 2 % 3 + 1, then = k / 6 + 1, stop = 0, rc;
        struct expected want;

        expect(f, job.order, &want);
        do {
            struct tr_result got;
            int heard;

            tiny_clear_dir(&f->t);
            tiny_forget(&f->t);
            f->t.stop_at_poll = stop++;
            f->t.stop_with = TR_PAUSE;
            job.parallel = first;
            rc = train(f, &job, &got);
            if (!rc)
                break;
            heard = f->t.n_epochs;
            tiny_forget(&f->t);
            f->t.stop_at_poll = 5;
            f->t.stop_with = TR_PAUSE;
            job.parallel = then;
            rc = train(f, &job, &got);
            if (rc) {
                tiny_forget(&f->t);
                job.parallel = first;
                assert_int_equal(train(f, &job, &got), 0);
            }
            assert_same_result(&want.result, &got);
            assert_reports(f, &want, 3 * EPOCHS);
            for (int i = 0; i < heard; i++)
                assert_true(f->t.again[i]);
        } while (1);
        assert_true(stop > EPOCHS);
    }
}

/* Stopped at any report: what comes again as if it were new has the same numbers, and what was
 * answered before something else was trained is known. */
static void stopped_at_reports(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct expected want;

    expect(f, job.order, &want);
    for (int k = 0; k < 3 * EPOCHS * 9; k++) {
        int stop = k % (3 * EPOCHS), first = k / (3 * EPOCHS) % 3 + 1;
        struct tr_result got;

        tiny_clear_dir(&f->t);
        tiny_forget(&f->t);
        f->t.stop_at_report = stop;
        f->t.stop_with = TR_PAUSE;
        job.parallel = first;
        assert_int_equal(train(f, &job, &got), HPO_ESTOPPED);
        assert_reports(f, &want, stop + 1);
        tiny_forget(&f->t);
        job.parallel = k / (9 * EPOCHS) + 1;
        assert_int_equal(train(f, &job, &got), 0);
        assert_same_result(&want.result, &got);
        assert_reports(f, &want, 3 * EPOCHS);
        for (int i = stop; i < 3 * EPOCHS; i++)
            assert_false(f->t.again[i]);
        for (int i = 0; i < stop && first == 1; i++)
            assert_true(f->t.again[i]);
    }
}

static void pruned_at_the_same_report(void **state)
{
    struct fixture *f = *state;

    for (int k = 0; k < 2 * 3; k++) {
        struct tr_job job = tiny_job(&f->t, k % 2 ? TR_EPOCH_FIRST : TR_FOLD_FIRST);
        int each = k % 2 ? 3 : 1;
        struct expected want;

        expect(f, job.order, &want);
        job.parallel = k / 2 + 1;
        for (int stop = 0; stop < 3 * EPOCHS / each; stop++) {
            struct hpo_err err = {0};
            struct tr_result r = {0};
            bool pruned = false;

            tiny_clear_dir(&f->t);
            tiny_forget(&f->t);
            f->t.stop_at_report = stop;
            f->t.stop_with = TR_PRUNE;
            assert_int_equal(tr_train(f->s, &job, &r, &pruned, &err), HPO_ESTOPPED);
            assert_true(pruned);
            assert_reports(f, &want, (stop + 1) * each);
        }
    }
}

/* A device that is too small for all folds at once trains fewer. */
static void little_memory(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_EPOCH_FIRST);
    struct hpo_err err = {0};
    struct expected want;
    struct tr_result got;
    bool pruned;

    expect(f, job.order, &want);
    reopen(f, false);
    fake.no_memory = 1;
    assert_int_equal(train(f, &job, &got), 0);
    assert_int_equal(fake.plan->base.models, 1);
    assert_same_result(&want.result, &got);
    assert_reports(f, &want, 3 * EPOCHS);

    reopen(f, false);
    fake.no_memory = 3; /* three folds, one, and one when nobody else is on the device */
    assert_int_equal(tr_train(f->s, &job, &got, &pruned, &err), HPO_ENOMEM);
    assert_non_null(strstr(err.msg, "model convnet, batch_size 4: the fake device is full"));
}

static void automatic(void **state)
{
    struct fixture *f = *state;
    struct tr_job fold_first = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_job epoch_first = tiny_job(&f->t, TR_EPOCH_FIRST);
    struct tr_room *room = tr_room_new();
    struct tr_session *other;

    assert_int_equal(tr_folds_at_once(f->s, &fold_first), 1);
    assert_int_equal(tr_folds_at_once(f->s, &epoch_first), 3);
    assert_int_equal(tr_session_open(&fake_async_backend, 0, 1, &other, NULL), 0);
    assert_int_equal(tr_folds_at_once(other, &fold_first), 3);
    f->t.config.batch_size = 65536;
    TINY_PART(&f->t, model, "convnet width=64 stages=2");
    assert_int_equal(tr_folds_at_once(other, &fold_first), 1); /* one is work enough */
    assert_int_equal(tr_folds_at_once(other, &epoch_first), 3);
    f->t.config.batch_size = 4;
    assert_int_equal(tr_folds_at_once(other, &fold_first), 3);
    fake.each = 300e6; /* two of them are 0.6 of the gigabyte, three 0.9 */
    assert_int_equal(tr_folds_at_once(other, &fold_first), 2);
    assert_int_equal(tr_folds_at_once(other, &epoch_first), 2);
    fake.each = 0;
    tr_session_join(other, room);
    tr_session_join(f->s, room); /* whole jobs fill the device as well */
    assert_int_equal(tr_folds_at_once(other, &fold_first), 1);
    assert_int_equal(tr_folds_at_once(other, &epoch_first), 3);
    tr_session_close(other);
    tr_session_close(f->s);
    tr_room_free(room);
    f->s = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(same_as_one_by_one),
        WITH(in_lock_step),
        WITH(number_changes),
        WITH(stopped_at_reports),
        WITH(pruned_at_the_same_report),
        WITH(little_memory),
        WITH(automatic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
