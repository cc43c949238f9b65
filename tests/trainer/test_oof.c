/* Out-of-fold predictions while a training runs: stopped anywhere, its files damaged, they come out
 * with the same bytes; and they are those of the epoch that counts. */
#include "tests/trainer/fake_fixture.h"

#include <dirent.h>

#include "trainer/metric.h"
#include "trainer/oof_file.h"

static char oof_path[128];

static struct tr_job job_of(struct fixture *f, enum tr_order order)
{
    struct tr_job job = tiny_job(&f->t, order);

    snprintf(oof_path, sizeof(oof_path), "%s/kept/0000.oof", f->t.dir);
    job.oof = oof_path;
    return job;
}

static char *bytes_of(const char *path, size_t *ret_n)
{
    char *bytes = NULL;

    assert_int_equal(file_read(path, (size_t)1 << 30, &bytes, ret_n, NULL), 0);
    return bytes;
}

/* Files of single folds that lie in the trial's folder. */
static int count_parts(const struct tiny *t)
{
    DIR *d = opendir(t->dir);
    struct dirent *e;
    int n = 0;

    assert_non_null(d);
    while ((e = readdir(d)))
        n += !strncmp(e->d_name, "oof-", 4);
    closedir(d);
    return n;
}

/* Hits of the fold's rows, over its rows. */
static double accuracy(const struct oof *o, int i)
{
    float *p = malloc((size_t)o->shape.classes * sizeof(*p));
    int64_t hits = 0, rows = 0;

    for (int64_t image = 0; image < o->shape.n; image++) {
        int best = 0;

        if (!oof_row(o, i, image, p))
            continue;
        for (int c = 1; c < o->shape.classes; c++)
            best = p[c] > p[best] ? c : best;
        rows++;
        hits += best == o->labels[image];
    }
    free(p);
    assert_int_equal(rows, o->fold[i].rows);
    return (double)hits / (double)rows;
}

static void check_content(const struct fixture *f, const struct tr_result *r)
{
    struct oof o;

    assert_int_equal(oof_open(oof_path, &o, NULL), 0);
    assert_int_equal(o.folds, r->n_folds);
    assert_int_equal(o.shape.n, N);
    assert_string_equal(o.shape.digest, f->t.data.digest);
    for (int i = 0; i < o.folds; i++) {
        assert_int_equal(o.fold[i].fold, i);
        assert_int_equal(o.fold[i].epoch, r->fold[i].epoch);
        assert_near(accuracy(&o, i), r->fold[i].value, 1e-12);
        for (int64_t image = 0; image < N; image++)
            assert_int_equal(o.fold[i].has[0] >> image & 1, f->t.folds.fold[image] == i);
    }
    for (int64_t image = 0; image < N; image++)
        assert_int_equal(o.labels[image], f->t.data.images.labels[image]);
    oof_close(&o);
}

static void epoch_that_counts(void **state)
{
    struct fixture *f = *state;

    for (int last = 0; last < 2; last++)
        for (int order = 0; order < 2; order++) {
            struct tr_job job = job_of(f, order ? TR_EPOCH_FIRST : TR_FOLD_FIRST);
            struct tr_result r;

            job.last_epoch = last;
            assert_int_equal(train(f, &job, &r), 0);
            check_content(f, &r);
            assert_int_equal(count_parts(&f->t), 0);
            tiny_clear_dir(&f->t);
        }
}

static void pause_everywhere(void **state)
{
    struct fixture *f = *state;

    for (int order = 0; order < 2; order++) {
        struct tr_job job = job_of(f, order ? TR_EPOCH_FIRST : TR_FOLD_FIRST);
        struct tr_result want, got;
        char *want_bytes, *got_bytes;
        size_t n_want, n_got;
        int polls;

        tiny_clear_dir(&f->t);
        tiny_forget(&f->t);
        assert_int_equal(train(f, &job, &want), 0);
        polls = f->t.n_polls;
        want_bytes = bytes_of(oof_path, &n_want);
        for (int stop = 0; stop < polls; stop++) {
            tiny_clear_dir(&f->t);
            tiny_forget(&f->t);
            f->t.stop_at_poll = stop;
            f->t.stop_with = TR_PAUSE;
            assert_int_equal(train(f, &job, &got), HPO_ESTOPPED);
            assert_in_range(count_parts(&f->t), 0, 6);
            /* And side by side. */
            job.parallel = stop % 3;
            tiny_forget(&f->t);
            assert_int_equal(train(f, &job, &got), 0);
            job.parallel = 0;
            got_bytes = bytes_of(oof_path, &n_got);
            assert_int_equal(n_want, n_got);
            assert_memory_equal(want_bytes, got_bytes, n_want);
            assert_int_equal(count_parts(&f->t), 0);
            free(got_bytes);
        }
        free(want_bytes);
    }
}

/* Pause after so many reports, then do something to what lies there, then go on. */
static void stop_at(struct fixture *f, const struct tr_job *job, int report)
{
    struct tr_result r;

    tiny_clear_dir(&f->t);
    tiny_forget(&f->t);
    f->t.stop_at_report = report;
    f->t.stop_with = TR_PAUSE;
    assert_int_equal(train(f, job, &r), HPO_ESTOPPED);
    tiny_forget(&f->t);
}

static void go_on(struct fixture *f, const struct tr_job *job, const char *want, size_t n)
{
    struct tr_result got;
    char *bytes;
    size_t n_got;

    assert_int_equal(train(f, job, &got), 0);
    check_content(f, &got);
    bytes = bytes_of(oof_path, &n_got);
    assert_int_equal(n_got, n);
    assert_memory_equal(bytes, want, n);
    free(bytes);
    assert_int_equal(count_parts(&f->t), 0);
}

enum damage { GONE, CUT, FLIPPED, OF_LATER, ANOTHERS, OTHER_WAY, CHECKPOINT_GONE, DAMAGES };

/* The n-th file of a fold that lies there, in any order. false: there are fewer. */
static bool find_part(const struct tiny *t, int n, char path[400])
{
    DIR *d = opendir(t->dir);
    struct dirent *e;
    bool found = false;

    while (!found && (e = readdir(d))) {
        found = !strncmp(e->d_name, "oof-", 4) && n-- == 0;
        if (found)
            snprintf(path, 400, "%s/%s", t->dir, e->d_name);
    }
    closedir(d);
    return found;
}

static void do_damage(const struct tiny *t, enum damage how)
{
    char path[400], other[400];
    char *part;
    size_t n;

    assert_true(find_part(t, how == OTHER_WAY, path) || find_part(t, 0, path));
    part = bytes_of(path, &n);
    if (how == GONE) {
        unlink(path);
    } else if (how == CUT) {
        assert_int_equal(file_replace(path, part, n / 2, NULL), 0);
    } else if (how == FLIPPED) {
        part[n / 2] ^= 4;
        assert_int_equal(file_replace(path, part, n, NULL), 0);
    } else if (how == OF_LATER) { /* of an epoch that the checkpoint does not know */
        snprintf(other, sizeof(other), "%s/oof-0-99", t->dir);
        assert_int_equal(file_replace(other, part, n, NULL), 0);
    } else if ((how == ANOTHERS || how == OTHER_WAY) &&
               find_part(t, how == ANOTHERS, other)) { /* of another fold or epoch */
        assert_int_equal(file_replace(other, part, n, NULL), 0);
    } else if (how == CHECKPOINT_GONE) {
        snprintf(path, sizeof(path), "%s/checkpoint", t->dir);
        unlink(path);
    }
    free(part);
}

static void damage(void **state)
{
    struct fixture *f = *state;

    for (int last = 0; last < 2; last++) {
        struct tr_job job = job_of(f, TR_FOLD_FIRST);
        struct tr_result want;
        char *bytes;
        size_t n;

        job.last_epoch = last;
        tiny_clear_dir(&f->t);
        tiny_forget(&f->t);
        assert_int_equal(train(f, &job, &want), 0);
        bytes = bytes_of(oof_path, &n);
        for (int report = 0; report < 3 * EPOCHS; report++)
            for (int how = 0; how < DAMAGES; how++) {
                stop_at(f, &job, report);
                do_damage(&f->t, (enum damage)how);
                go_on(f, &job, bytes, n);
            }
        free(bytes);
    }
}

/* The checkpoint before finds its predictions: only what it lacks is trained again. */
static void previous_generation(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = job_of(f, TR_FOLD_FIRST);
    char path[128], *bytes;
    struct tr_result want;
    size_t n;
    int all;

    job.last_epoch = true; /* every epoch is the one that counts until the next is done */
    assert_int_equal(train(f, &job, &want), 0);
    all = fake.trains;
    bytes = bytes_of(oof_path, &n);
    for (int report = 1; report < 3 * EPOCHS; report++) {
        int before;

        stop_at(f, &job, report);
        snprintf(path, sizeof(path), "%s/checkpoint", f->t.dir);
        unlink(path);
        before = fake.trains;
        go_on(f, &job, bytes, n);
        assert_true(fake.trains - before < all);
    }
    free(bytes);
}

/* The process died when all was written and nobody had heard of it. */
static void joined_before(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = job_of(f, TR_FOLD_FIRST);
    struct tr_result want;
    char *bytes;
    size_t n;
    int trains;

    assert_int_equal(train(f, &job, &want), 0);
    bytes = bytes_of(oof_path, &n);
    trains = fake.trains;
    tiny_forget(&f->t);
    go_on(f, &job, bytes, n);
    assert_int_equal(fake.trains, trains);
    /* Another's predictions are there, or none: it trains again. */
    bytes[20] ^= 1;
    assert_int_equal(file_replace(oof_path, bytes, n, NULL), 0);
    bytes[20] ^= 1;
    tiny_forget(&f->t);
    go_on(f, &job, bytes, n);
    assert_int_equal(fake.trains, 2 * trains);
    unlink(oof_path);
    tiny_forget(&f->t);
    go_on(f, &job, bytes, n);
    assert_int_equal(fake.trains, 3 * trains);
    free(bytes);
}

/* Who does not ask for them has no files. */
static void not_asked(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result r;

    stop_at(f, &job, 4);
    assert_int_equal(count_parts(&f->t), 0);
    assert_int_equal(train(f, &job, &r), 0);
}

/* No room for them: nothing is lost, the same call goes on later. */
static void cannot_write(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = job_of(f, TR_FOLD_FIRST);
    struct hpo_err err = {0};
    struct tr_result r;
    char path[128];
    bool pruned;
    int trains;

    snprintf(path, sizeof(path), "%s/kept", f->t.dir);
    assert_int_equal(file_replace(path, "x", 1, NULL), 0);
    assert_int_equal(tr_train(f->s, &job, &r, &pruned, &err), HPO_EIO);
    assert_non_null(strstr(err.msg, path));
    trains = fake.trains;
    assert_int_equal(unlink(path), 0);
    tiny_forget(&f->t);
    assert_int_equal(train(f, &job, &r), 0);
    assert_int_equal(fake.trains, trains);
    check_content(f, &r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(epoch_that_counts),   WITH(pause_everywhere), WITH(damage),
        WITH(previous_generation), WITH(joined_before),    WITH(not_asked),
        WITH(cannot_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
