/* What is written comes back, in both directions; what is finished stays. */
#include "tests/hpo/storage/fixture.h"

#include <sqlite3.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Stand between SQLite and the kernel, to see what is synced when. */
static int n_syncs;

int fsync(int fd)
{
    n_syncs++;
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    n_syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

/* One number or text of the file, as any SQLite program sees it. */
static const char *ask(struct fx *f, const char *sql)
{
    sqlite3_stmt *s;
    const char *ret;
    sqlite3 *db;

    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    ret = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0)
              ? arena_strdup(&f->arena, (const char *)sqlite3_column_text(s, 0))
              : "";
    sqlite3_finalize(s);
    sqlite3_close(db);
    return ret;
}

static void study_round_trip(void **state)
{
    struct hpo_study_info info = fx_info(true), got;
    struct fx f;

    fx_init(&f);
    assert_ok(&f, fx_open(&f, STORAGE_CREATE));
    assert_int_equal(f.s.ops->load_study(&f.s, &got, &f.err), HPO_EMISSING);
    assert_ok(&f, f.s.ops->create_study(&f.s, &info, &f.err));
    assert_int_equal(f.s.ops->create_study(&f.s, &info, &f.err), HPO_EFORMAT);
    info.config = "other";
    info.digest = "x: 2\n";
    info.interrupted = true;
    assert_ok(&f, f.s.ops->update_study(&f.s, &info, &f.err));
    fx_close(&f);
    assert_ok(&f, fx_open(&f, STORAGE_READ));
    assert_ok(&f, f.s.ops->load_study(&f.s, &got, &f.err));
    assert_string_equal(got.name, "cifar10");
    assert_string_equal(got.metric, "accuracy");
    assert_string_equal(got.config, "other");
    assert_string_equal(got.digest, "x: 2\n");
    assert_true(got.maximize && got.interrupted && got.created == 1790000000.25);
    assert_string_equal(ask(&f, "SELECT value_json FROM study_system_attributes"), "[\"accuracy\"]");
    fx_release(&f);
}

static void all_states(struct fx *f)
{
    static const struct hpo_fold folds[] = {{0, 0.75, 2, 10.5}, {1, 0.25, 1, 11}};
    struct hpo_trial t;

    t = fx_add(f, 0); /* COMPLETE, two attempts */
    assert_ok(f, f->s.ops->start_attempt(&f->s, t.id, 1, "cpu", 11, &f->err));
    fx_report(f, &t, 0, 0, -0.5);
    assert_ok(f, f->s.ops->start_attempt(&f->s, t.id, 2, "cpu:1", 12, &f->err));
    fx_report(f, &t, 0, 1, -0.75);
    fx_report(f, &t, 1, 0, NAN);
    fx_report(f, &t, 1, 1, HUGE_VAL);
    t.folds = folds;
    t.n_folds = 2;
    t.seconds = 21.5;
    t.attempts = 2;
    t.device = "cpu:1";
    fx_end(f, &t, HPO_TRIAL_COMPLETE, -0.5);
    t = fx_add(f, 1); /* PRUNED with and without a value */
    fx_report(f, &t, 0, 0, -0.125);
    fx_end(f, &t, HPO_TRIAL_PRUNED, -0.125);
    t = fx_add(f, 2);
    fx_end(f, &t, HPO_TRIAL_PRUNED, NAN);
    t = fx_add(f, 3);
    t.reason = "out of device memory";
    fx_end(f, &t, HPO_TRIAL_FAIL, NAN);
    t = fx_add(f, 4); /* an infinite value is a value */
    fx_end(f, &t, HPO_TRIAL_COMPLETE, HUGE_VAL);
    fx_add(f, 5);
}

static void trials_round_trip(void **state)
{
    static const enum hpo_trial_state states[] = {HPO_TRIAL_COMPLETE, HPO_TRIAL_PRUNED,
        HPO_TRIAL_PRUNED, HPO_TRIAL_FAIL, HPO_TRIAL_COMPLETE, HPO_TRIAL_RUNNING};

    for (int maximize = 0; maximize < 2; maximize++) {
        struct hpo_trial *t;
        struct fx f;

        fx_create(&f, maximize);
        all_states(&f);
        fx_close(&f);
        assert_ok(&f, fx_open(&f, STORAGE_READ));
        t = fx_load(&f, 6);
        for (int i = 0; i < 6; i++) {
            const double *v = fx_values(&f.arena, i);

            assert_int_equal(t[i].number, i);
            assert_int_equal(t[i].state, states[i]);
            assert_true(t[i].started == 1790000000.5 + i);
            assert_true(t[i].ended == (i == 5 ? 0 : t[i].started + 60));
            for (int k = 0; k < FX_N; k++)
                assert_true(v[k] == t[i].values[k] || (isnan(v[k]) && isnan(t[i].values[k])));
        }
        assert_true(t[0].value == -0.5 && t[1].value == -0.125 && isnan(t[2].value));
        assert_true(isnan(t[3].value) && t[4].value == HUGE_VAL && isnan(t[5].value));
        assert_string_equal(t[3].reason, "out of device memory");
        assert_null(t[0].reason);
        assert_int_equal(t[0].attempts, 2);
        assert_string_equal(t[0].device, "cpu:1");
        assert_true(t[0].seconds == 21.5);
        assert_int_equal(t[0].n_folds, 2);
        assert_true(t[0].folds[0].value == 0.75 && t[0].folds[1].epoch == 1);
        assert_int_equal(t[0].n_points, 4);
        assert_true(t[0].points[1].step == 1 && t[0].points[1].value == -0.75);
        assert_true(isnan(t[0].points[2].value) && t[0].points[3].value == HUGE_VAL);
        /* The user's direction in the file, and folds as they are. */
        assert_string_equal(ask(&f, "SELECT value FROM trial_values WHERE trial_id = 1"),
                            maximize ? "0.5" : "-0.5");
        assert_string_equal(ask(&f, "SELECT value_type FROM trial_values WHERE trial_id = 5"),
                            maximize ? "INF_NEG" : "INF_POS");
        assert_string_equal(ask(&f, "SELECT value_json FROM trial_user_attributes WHERE key ="
                                    " 'fold_values'"), "[0.75,0.25]");
        assert_string_equal(ask(&f, "SELECT value_json FROM trial_user_attributes WHERE key ="
                                    " 'std'"), "0.25");
        fx_release(&f);
    }
}

struct curve {
    int n;
    double sum;
    char text[256];
};

static void gather(void *arg, const struct hpo_epoch_report *r)
{
    struct curve *c = arg;

    c->n++;
    for (int i = 0; i < r->n_metrics; i++) {
        size_t n = strlen(c->text);

        snprintf(c->text + n, sizeof(c->text) - n, "%d/%d %s=%g ", r->fold, r->epoch, r->names[i],
                 r->values[i]);
    }
}

static void epochs_round_trip(void **state)
{
    struct curve c = {0};
    struct hpo_trial t;
    struct fx f;

    fx_create(&f, true);
    t = fx_add(&f, 0);
    fx_report(&f, &t, 0, 0, -0.5);
    fx_report(&f, &t, 1, 1, -0.25);
    fx_report(&f, &t, 0, 1, -0.5);
    fx_report(&f, &t, 0, 0, -0.9); /* a resumed worker repeats itself: the first one stands */
    assert_ok(&f, f.s.ops->each_epoch(&f.s, t.id, gather, &c, &f.err));
    assert_int_equal(c.n, 3);
    assert_string_equal(c.text, "0/0 accuracy=0.5 0/0 train_loss=nan 0/1 accuracy=0.51 "
                                "0/1 train_loss=1.5 1/1 accuracy=0.51 1/1 train_loss=1.5 ");
    assert_true(fx_load(&f, 1)[0].points[0].value == -0.5);
    c = (struct curve){0};
    assert_ok(&f, f.s.ops->each_epoch(&f.s, 99, gather, &c, &f.err));
    assert_int_equal(c.n, 0);
    fx_release(&f);
}

static void finished_never_changes(void **state)
{
    const struct hpo_epoch_report none = {0};
    const struct hpo_point p = {7, 1};
    struct hpo_trial t;
    struct fx f;

    fx_create(&f, false);
    t = fx_add(&f, 0);
    assert_int_equal(f.s.ops->finish(&f.s, &t, &f.err), HPO_EFORMAT); /* RUNNING is no end */
    t.state = HPO_TRIAL_COMPLETE;
    assert_int_equal(f.s.ops->finish(&f.s, &t, &f.err), HPO_ENUMERIC); /* NaN */
    fx_end(&f, &t, HPO_TRIAL_COMPLETE, 1);
    t.value = 2;
    assert_int_equal(f.s.ops->finish(&f.s, &t, &f.err), HPO_EFORMAT);
    assert_non_null(strstr(f.err.msg, "trial 0 is COMPLETE"));
    assert_int_equal(f.s.ops->report(&f.s, t.id, &none, &p, &f.err), HPO_EFORMAT);
    assert_int_equal(f.s.ops->start_attempt(&f.s, t.id, 2, "cpu", 1, &f.err), HPO_EFORMAT);
    assert_int_equal(f.s.ops->report(&f.s, 99, &none, &p, &f.err), HPO_EFORMAT);
    assert_true(fx_load(&f, 1)[0].value == 1);
    assert_int_equal(fx_load(&f, 1)[0].n_points, 0);
    /* A refused call leaves no transaction behind. */
    fx_add(&f, 1);
    fx_release(&f);
}

/* Durable when a call returns, except a beginning and a report, which cost no sync. */
static void what_is_synced(void **state)
{
    struct hpo_study_info info = fx_info(false);
    struct hpo_trial t;
    struct fx f;

    fx_create(&f, false);
    for (int i = 0; i < 3; i++) {
        n_syncs = 0;
        t = fx_add(&f, i);
        assert_int_equal(n_syncs, 0);
        assert_ok(&f, f.s.ops->start_attempt(&f.s, t.id, 1, "cpu", 1, &f.err));
        assert_int_equal(n_syncs, 0);
        n_syncs = 0;
        for (int e = 0; e < 5; e++)
            fx_report(&f, &t, 0, e, 1);
        assert_int_equal(n_syncs, 0);
        fx_end(&f, &t, HPO_TRIAL_COMPLETE, i);
        assert_true(n_syncs > 0);
    }
    n_syncs = 0;
    info.interrupted = true;
    assert_ok(&f, f.s.ops->update_study(&f.s, &info, &f.err));
    assert_true(n_syncs > 0);
    fx_release(&f);
}

/* The log is emptied into the file as it grows. */
static void the_log_stays_small(void **state)
{
    char wal[128];
    struct fx f;

    fx_create(&f, false);
    snprintf(wal, sizeof(wal), "%s-wal", f.path);
    for (int i = 0; i < 600; i++) {
        struct hpo_trial t = fx_add(&f, i);
        char *bytes;
        size_t n;

        for (int e = 0; e < 8; e++)
            fx_report(&f, &t, 0, e, 1);
        if (i % 100)
            continue;
        assert_ok(&f, file_read(wal, 1 << 24, &bytes, &n, &f.err));
        assert_true(n < 6 << 20);
        free(bytes);
    }
    fx_close(&f);
    assert_false(file_exists(wal));
    fx_release(&f);
}

static void numbers_are_checked(void **state)
{
    struct hpo_trial t = {.number = 5, .id = 77};
    struct fx f;

    fx_create(&f, false);
    fx_add(&f, 0);
    t.values = fx_values(&f.arena, 5);
    assert_int_equal(f.s.ops->add_trial(&f.s, &fx_space, &t, &f.err), HPO_EBUSY);
    assert_int_equal(t.id, 77);
    fx_load(&f, 1);
    fx_release(&f);
}

static void broken_bytes(void **state)
{
    struct hpo_trial t;
    struct fx f;

    fx_create(&f, false);
    t = fx_add(&f, 0);
    t.reason = "cannot read \xff.jpg";
    fx_end(&f, &t, HPO_TRIAL_FAIL, NAN);
    assert_string_equal(fx_load(&f, 1)[0].reason, "cannot read ?.jpg");
    assert_string_equal(ask(&f, "SELECT value_json FROM trial_user_attributes WHERE key ="
                                " 'fail_reason'"), "\"cannot read ?.jpg\"");
    fx_release(&f);
}

/* Ten thousand trials come back right whatever order their rows have. */
static void many_trials(void **state)
{
    struct hpo_trial *t;
    sqlite3 *db;
    struct fx f;

    fx_create(&f, false);
    fx_close(&f);
    assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
            "BEGIN;"
            "WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 9999)"
            " INSERT INTO trials SELECT 20000 - n, n, 1, 'COMPLETE', NULL, NULL FROM c;"
            "INSERT INTO trial_values SELECT NULL, trial_id, 0, number * 0.5, 'FINITE' FROM trials"
            " ORDER BY number % 7;"
            "INSERT INTO trial_intermediate_values SELECT NULL, trial_id, s.step,"
            " number + s.step, 'FINITE' FROM trials, (SELECT 3 AS step UNION SELECT 1) s"
            " ORDER BY number % 11, step DESC; COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_ok(&f, fx_open(&f, STORAGE_READ));
    t = fx_load(&f, 10000);
    for (int i = 0; i < 10000; i++) {
        assert_true(t[i].value == i * 0.5 && t[i].n_points == 2);
        assert_true(t[i].points[0].step == 1 && t[i].points[1].value == i + 3);
        assert_true(isnan(t[i].values[0]));
    }
    fx_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(study_round_trip),
        cmocka_unit_test(trials_round_trip),
        cmocka_unit_test(epochs_round_trip),
        cmocka_unit_test(finished_never_changes),
        cmocka_unit_test(what_is_synced),
        cmocka_unit_test(the_log_stays_small),
        cmocka_unit_test(numbers_are_checked),
        cmocka_unit_test(broken_bytes),
        cmocka_unit_test(many_trials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
