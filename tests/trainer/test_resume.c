/* Stopped anywhere, killed anywhere, its files damaged: a training goes on with the same bits. */
#include "tests/trainer/fake_fixture.h"

/* Stop at every poll there is, go on, and end with the same curve, result and checkpoint bytes. */
static void pause_everywhere(struct fixture *f, enum tr_order order)
{
    struct tr_job job = tiny_job(&f->t, order);
    struct tr_result want, got;
    struct tr_epoch curve[3 * EPOCHS];
    size_t n_want, n_got;
    char *want_bytes, *got_bytes;
    int polls;

    assert_int_equal(train(f, &job, &want), 0);
    polls = f->t.n_polls;
    memcpy(curve, f->t.epoch, sizeof(curve));
    want_bytes = tiny_checkpoint(&f->t, &n_want);
    assert_non_null(want_bytes);
    for (int stop = 0; stop < polls; stop++) {
        tiny_clear_dir(&f->t);
        tiny_forget(&f->t);
        f->t.stop_at_poll = stop;
        f->t.stop_with = TR_PAUSE;
        assert_int_equal(train(f, &job, &got), HPO_ESTOPPED);
        assert_int_equal(f->t.n_polls, stop + 1);

        int heard = f->t.n_epochs;

        tiny_forget(&f->t);
        assert_int_equal(train(f, &job, &got), 0);
        assert_same_result(&want, &got);
        assert_int_equal(f->t.n_epochs, 3 * EPOCHS);
        for (int i = 0; i < 3 * EPOCHS; i++) {
            assert_same_epoch(&f->t.epoch[i], &curve[i]);
            assert_int_equal(f->t.again[i], i < heard);
        }
        got_bytes = tiny_checkpoint(&f->t, &n_got);
        assert_int_equal(n_want, n_got);
        assert_memory_equal(want_bytes, got_bytes, n_want);
        free(got_bytes);
    }
    free(want_bytes);
}

static void pause_fold_first(void **state)
{
    pause_everywhere(*state, TR_FOLD_FIRST);
}

static void pause_epoch_first(void **state)
{
    struct fixture *f = *state;

    TINY_PART(&f->t, optimizer, "adamw lr=0.01");
    pause_everywhere(f, TR_EPOCH_FIRST);
}

/* A device that works by itself is asked now and then: how often shows in no bit. */
static void asked_seldom(void **state)
{
    struct fixture *f = *state;

    for (int order = 0; order < 2; order++) {
        struct tr_job job = tiny_job(&f->t, order ? TR_EPOCH_FIRST : TR_FOLD_FIRST);
        struct tr_epoch curve[3 * EPOCHS];
        struct tr_result want, got;

        fake.async = false;
        assert_int_equal(train(f, &job, &want), 0);
        memcpy(curve, f->t.epoch, sizeof(curve));
        tiny_clear_dir(&f->t);
        tiny_forget(&f->t);
        tr_session_close(f->s);
        assert_int_equal(tr_session_open(&fake_backend, 0, 2, &f->s, NULL), 0);
        fake.async = true;
        assert_int_equal(train(f, &job, &got), 0);
        assert_same_result(&want, &got);
        for (int i = 0; i < 3 * EPOCHS; i++)
            assert_same_epoch(&f->t.epoch[i], &curve[i]);
        tiny_clear_dir(&f->t);
        tiny_forget(&f->t);
    }
    tr_session_close(f->s);
    assert_int_equal(tr_session_open(&fake_backend, 0, 2, &f->s, NULL), 0);
    pause_everywhere(f, TR_FOLD_FIRST);
}

static void asked_seldom_nan(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result got;

    fake.async = true;
    fake.nan_at = 1;
    assert_int_equal(train(f, &job, &got), HPO_ENUMERIC);
}

/* Pausing at every poll of every attempt still ends. */
static void pause_always(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result want, got;
    int attempts = 0, rc;

    assert_int_equal(train(f, &job, &want), 0);
    tiny_clear_dir(&f->t);
    do {
        tiny_forget(&f->t);
        f->t.stop_at_poll = 0;
        f->t.stop_with = TR_PAUSE;
        rc = train(f, &job, &got);
        assert_true(rc == 0 || rc == HPO_ESTOPPED);
    } while (rc && ++attempts < 1000);
    assert_int_equal(rc, 0);
    assert_same_result(&want, &got);
}

/* A report answered by a pause, then by going on. */
static void pause_at_report(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result want, got;

    assert_int_equal(train(f, &job, &want), 0);
    for (int stop = 0; stop < 3 * EPOCHS; stop++) {
        tiny_clear_dir(&f->t);
        tiny_forget(&f->t);
        f->t.stop_at_report = stop;
        f->t.stop_with = TR_PAUSE;
        assert_int_equal(train(f, &job, &got), HPO_ESTOPPED);
        tiny_forget(&f->t);
        assert_int_equal(train(f, &job, &got), 0);
        assert_same_result(&want, &got);
        /* Whether the last epoch was answered cannot be known from the checkpoint. */
        for (int i = 0; i < 3 * EPOCHS; i++)
            assert_int_equal(f->t.again[i], i < stop);
    }
}

static void prune(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result r = {0};
    struct hpo_err err = {0};
    bool pruned = false;

    f->t.stop_at_report = 4;
    f->t.stop_with = TR_PRUNE;
    assert_int_equal(tr_train(f->s, &job, &r, &pruned, &err), HPO_ESTOPPED);
    assert_true(pruned);
    assert_int_equal(f->t.n_epochs, 5);
    assert_true(r.seconds > 0);
    /* The same answer to what is read back. */
    tiny_forget(&f->t);
    f->t.stop_at_report = 2;
    assert_int_equal(tr_train(f->s, &job, &r, &pruned, &err), HPO_ESTOPPED);
    assert_true(pruned);
    assert_int_equal(f->t.n_epochs, 3);
    assert_true(f->t.again[2]);
}

/* A training that is done already is read back, and trains nothing. */
static void finished(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result a, b;
    int trains;

    assert_int_equal(train(f, &job, &a), 0);
    trains = fake.trains;
    tiny_forget(&f->t);
    assert_int_equal(train(f, &job, &b), 0);
    assert_int_equal(fake.trains, trains);
    assert_int_equal(f->t.n_epochs, 3 * EPOCHS);
    assert_same_result(&a, &b);
    assert_true(b.seconds > 0);
    assert_near(a.fold[1].seconds, b.fold[1].seconds, 0);
}

static void put(const struct tiny *t, const char *name, const char *bytes, size_t n)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", t->dir, name);
    assert_int_equal(file_replace(path, bytes, n, NULL), 0);
}

static void drop(const struct tiny *t, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", t->dir, name);
    unlink(path);
}

/* Whatever happens to the files, the training ends with the same numbers. */
static void damage(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result want, got;
    char *bytes;
    size_t n;

    assert_int_equal(train(f, &job, &want), 0);
    bytes = tiny_checkpoint(&f->t, &n);
    for (size_t i = 0; i < n; i += i < 160 ? 1 : 41) {
        char was = bytes[i];

        if (i % 3)
            drop(&f->t, "checkpoint.prev");
        bytes[i] = (char)(was ^ (1 << i % 8));
        put(&f->t, "checkpoint", bytes, n);
        bytes[i] = was;
        tiny_forget(&f->t);
        assert_int_equal(train(f, &job, &got), 0);
        assert_same_result(&want, &got);
    }
    for (size_t cut = 0; cut < n; cut += n / 23 + 1) {
        put(&f->t, "checkpoint", bytes, cut);
        tiny_forget(&f->t);
        assert_int_equal(train(f, &job, &got), 0);
        assert_same_result(&want, &got);
        put(&f->t, "timing", bytes, cut);
        assert_int_equal(train(f, &job, &got), 0);
        assert_same_result(&want, &got);
    }
    free(bytes);
}

/* The older generation is used when the newer one is damaged, and only what is lost is trained. */
static void previous_generation(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result want, got;
    int trains;

    assert_int_equal(train(f, &job, &want), 0);
    put(&f->t, "checkpoint", "nonsense", 8);
    trains = fake.trains;
    tiny_forget(&f->t);
    assert_int_equal(train(f, &job, &got), 0);
    assert_same_result(&want, &got);
    assert_int_equal(fake.trains - trains, 7); /* the last epoch of the last fold */
    drop(&f->t, "checkpoint");
    assert_int_equal(train(f, &job, &got), 0);
    assert_int_equal(fake.trains - trains, 14);
}

/* A checkpoint of another training is not gone on from. */
static void foreign(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result a, b;
    int trains;

    assert_int_equal(train(f, &job, &a), 0);
    trains = fake.trains;
    TINY_PART(&f->t, optimizer, "sgd lr=0.06 momentum=0.9");
    assert_int_equal(train(f, &job, &b), 0);
    assert_int_equal(fake.trains, 2 * trains);
    job.seed++;
    assert_int_equal(train(f, &job, &b), 0);
    assert_int_equal(fake.trains, 3 * trains);
    f->t.data.digest[0]++;
    assert_int_equal(train(f, &job, &b), 0);
    assert_int_equal(fake.trains, 4 * trains);
    f->t.folds.fold[0] = 1; /* two samples change places */
    f->t.folds.fold[2] = 0;
    assert_int_equal(train(f, &job, &b), 0);
    assert_int_equal(fake.trains, 5 * trains);
}

static void leftovers(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result r;
    char path[128];

    put(&f->t, "checkpoint.tmp-1", "x", 1);
    put(&f->t, "timing.tmp-77", "x", 1);
    assert_int_equal(train(f, &job, &r), 0);
    snprintf(path, sizeof(path), "%s/checkpoint.tmp-1", f->t.dir);
    assert_false(file_exists(path));
    snprintf(path, sizeof(path), "%s/timing.tmp-77", f->t.dir);
    assert_false(file_exists(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(pause_fold_first), WITH(asked_seldom), WITH(asked_seldom_nan),
        WITH(pause_epoch_first),
        WITH(pause_always),
        WITH(pause_at_report),
        WITH(prune),
        WITH(finished),
        WITH(damage),
        WITH(previous_generation),
        WITH(foreign),
        WITH(leftovers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
