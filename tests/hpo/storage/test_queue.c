/* Trials that somebody asked for, repetitions of failed ones, trials of an earlier study, and
 * several changes in one transaction. */
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

static void sql(struct fx *f, const char *text)
{
    char *message = NULL;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_close(db);
}

static const char *ask(struct fx *f, const char *text)
{
    sqlite3_stmt *s;
    const char *ret;
    sqlite3 *db;

    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &s, NULL), SQLITE_OK);
    ret = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0)
              ? arena_strdup(&f->arena, (const char *)sqlite3_column_text(s, 0))
              : "";
    sqlite3_finalize(s);
    sqlite3_close(db);
    return ret;
}

#define ATTR(key, trial) \
    "SELECT value_json FROM trial_system_attributes WHERE key = '" key "' AND trial_id = " trial

static bool same(const double *a, const double *b)
{
    for (int i = 0; i < FX_N; i++)
        if (!(a[i] == b[i] || (isnan(a[i]) && isnan(b[i]))))
            return false;
    return true;
}

/* ---------------------------------------------------------------- the queue */

static struct hpo_trial enqueue(struct fx *f, int number, const double *values)
{
    struct hpo_trial t = {.number = number, .state = HPO_TRIAL_WAITING, .value = NAN,
                          .values = values, .enqueued = true};

    assert_ok(f, f->s.ops->enqueue(&f->s, &fx_space, &t, &f->err));
    assert_true(t.id > 0 && t.started == 0);
    return t;
}

static void enqueued_and_claimed(void **state)
{
    /* momentum is given without the optimizer that it belongs to. */
    const double some[FX_N] = {NAN, 0.5, NAN, 64, NAN, 0, 0.9};
    const double none[FX_N] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    struct hpo_trial t, *got;
    struct fx f;

    fx_create(&f, true);
    n_syncs = 0;
    t = enqueue(&f, 0, some);
    assert_true(n_syncs > 0);
    enqueue(&f, 1, none);
    assert_string_equal(ask(&f, ATTR("fixed_params", "1")),
                        "{\"model.dropout\": 0.5, \"width\": 64, \"mixed\": \"a \\\"quoted\\\" "
                        "caf\xc3\xa9\", \"optimizer.momentum\": 0.9}");
    assert_string_equal(ask(&f, ATTR("fixed_params", "2")), "{}");
    assert_string_equal(ask(&f, "SELECT datetime_start IS NULL FROM trials"), "1");
    got = fx_load(&f, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(got[i].state == HPO_TRIAL_WAITING && got[i].enqueued && got[i].started == 0);
        assert_true(same(got[i].values, i ? none : some));
    }
    /* Not before it is claimed: */
    assert_int_equal(f.s.ops->start_attempt(&f.s, t.id, 1, "cpu", 1, &f.err), HPO_EFORMAT);
    t.values = fx_values(&f.arena, 4);
    t.started = 1790000001.5;
    n_syncs = 0;
    assert_ok(&f, f.s.ops->claim(&f.s, &fx_space, &t, &f.err));
    assert_int_equal(n_syncs, 0);
    got = fx_load(&f, 2);
    assert_true(got[0].state == HPO_TRIAL_RUNNING && got[0].enqueued);
    assert_true(got[0].started == 1790000001.5 && same(got[0].values, t.values));
    assert_string_equal(ask(&f, "SELECT datetime_start FROM trials"), "2026-09-21 14:13:21.500000");
    /* Twice fails, and changes nothing. */
    t.values = fx_values(&f.arena, 5);
    assert_int_equal(f.s.ops->claim(&f.s, &fx_space, &t, &f.err), HPO_EBUSY);
    assert_non_null(strstr(f.err.msg, "trial 0 is RUNNING and no longer WAITING"));
    assert_true(same(fx_load(&f, 2)[0].values, fx_values(&f.arena, 4)));
    t.id = 99;
    assert_int_equal(f.s.ops->claim(&f.s, &fx_space, &t, &f.err), HPO_EFORMAT);
    t.id = 1;
    t.values = fx_values(&f.arena, 4);
    fx_end(&f, &t, HPO_TRIAL_COMPLETE, 1);
    assert_true(fx_load(&f, 2)[0].enqueued);
    t.number = 1;
    assert_int_equal(f.s.ops->enqueue(&f.s, &fx_space, &t, &f.err), HPO_EBUSY);
    fx_release(&f);
}

/* Whatever is in the queue that is not a value of the space is left to the sampler. */
static void foreign_queue(void **state)
{
    struct hpo_trial t, *got;
    struct fx f;
    int n;

    fx_create(&f, false);
    sql(&f,
        "INSERT INTO trials VALUES (1, 0, 1, 'WAITING', NULL, NULL), (2, 1, 1, 'WAITING', NULL,"
        " NULL), (3, 2, 1, 'FAIL', NULL, NULL), (4, 3, 1, 'WAITING', NULL, NULL);"
        "INSERT INTO trial_system_attributes VALUES (NULL, 1, 'fixed_params', '{\"units\": 4,"
        " \"width\": 17, \"other\": 1, \"optimizer.type\": \"lion\", \"mixed\": null}'),"
        " (NULL, 2, 'fixed_params', '{\"units\": NaN}'), (NULL, 3, 'fixed_params', '[1]'),"
        /* a retry of Optuna's: parameters, no fixed ones */
        " (NULL, 4, 'failed_trial', '2'), (NULL, 4, 'retry_history', '[2]'),"
        " (NULL, 9, 'fixed_params', '{}'), (NULL, 3, 'failed_trial', '7');"
        "INSERT INTO trial_params VALUES (NULL, 4, 'units', 5, '{\"name\": \"IntDistribution\","
        " \"attributes\": {\"log\": false, \"step\": 2, \"low\": 1, \"high\": 9}}')");
    got = fx_load(&f, 4);
    assert_true(got[0].enqueued && isnan(got[0].values[2]) && got[0].values[3] == 17);
    assert_true(isnan(got[0].values[4]) && got[0].values[5] == 4);
    assert_true(got[1].enqueued && isnan(got[1].values[2]));
    assert_true(got[2].enqueued && got[2].retry == 0 && got[2].retry_of == 0);
    assert_true(!got[3].enqueued && got[3].retry == 1 && got[3].retry_of == 2);
    assert_true(got[3].values[2] == 5);
    assert_ok(&f, f.s.ops->load_trials(&f.s, NULL, &f.arena, &got, &n, &f.err));
    assert_true(n == 4 && got[0].enqueued && !got[0].values);
    /* Its row of parameters is replaced, not doubled. */
    t = got[3];
    t.values = fx_values(&f.arena, 1);
    assert_ok(&f, f.s.ops->claim(&f.s, &fx_space, &t, &f.err));
    assert_true(same(fx_load(&f, 4)[3].values, t.values));
    fx_release(&f);
}

static void retries(void **state)
{
    static const int numbers[][2] = {{0, 0}, {1, 0}, {0, 0}, {2, 0}, {1, 2}, {3, 0}};
    struct hpo_trial *got;
    struct fx f;

    fx_create(&f, false);
    for (int i = 0; i < 6; i++) {
        struct hpo_trial t = {.number = i, .values = fx_values(&f.arena, 0),
                              .retry = numbers[i][0], .retry_of = numbers[i][1]};

        assert_ok(&f, f.s.ops->add_trial(&f.s, &fx_space, &t, &f.err));
        fx_end(&f, &t, HPO_TRIAL_FAIL, NAN);
    }
    got = fx_load(&f, 6);
    for (int i = 0; i < 6; i++)
        assert_true(got[i].retry == numbers[i][0] && got[i].retry_of == numbers[i][1]);
    assert_string_equal(ask(&f, ATTR("failed_trial", "1")), "");
    assert_string_equal(ask(&f, ATTR("retry_history", "2")), "[0]");
    assert_string_equal(ask(&f, ATTR("retry_history", "4")), "[0, 1]");
    assert_string_equal(ask(&f, ATTR("retry_history", "5")), "[2]");
    assert_string_equal(ask(&f, ATTR("retry_history", "6")), "[0, 1, 3]");
    assert_string_equal(ask(&f, ATTR("failed_trial", "6")), "0");
    sql(&f, "UPDATE hpo_retries SET retry_of = 5 WHERE trial_id = 6");
    assert_int_equal(f.s.ops->load_trials(&f.s, &fx_space, &f.arena, &got, &(int){0}, &f.err),
                     HPO_EFORMAT);
    fx_release(&f);
}

/* ---------------------------------------------------------------- the space grows */

static void extended_space(void **state)
{
    static const struct hpo_choice types[] = {{HPO_CHOICE_STR, "adamw"}, {HPO_CHOICE_STR, "lion"},
                                              {HPO_CHOICE_STR, "sgd"}};
    static const double sgd[] = {2};
    static const struct hpo_when when[] = {{.param = 4, .n_values = 1, .values = sgd}};
    const double given[FX_N] = {NAN, NAN, NAN, NAN, 1, NAN, NAN};
    struct hpo_param params[FX_N];
    struct hpo_space space = {params, FX_N, fx_order};
    struct hpo_trial prior[2], *got;
    struct fx f;
    int n;

    memcpy(params, fx_params, sizeof(params));
    params[2].high = 99;
    params[3].low = 100; /* and one shrinks */
    params[4].choices = types;
    params[4].n_choices = 3;
    params[4].high = 2;
    params[6].when = when;
    fx_create(&f, true);
    for (int i = 0; i < 20; i++)
        fx_add(&f, i);
    enqueue(&f, 20, given);
    for (int i = 0; i < 2; i++)
        prior[i] = (struct hpo_trial){.number = i - 2, .state = HPO_TRIAL_COMPLETE, .value = i,
                                      .values = fx_values(&f.arena, i)};
    assert_ok(&f, f.s.ops->add_priors(&f.s, &fx_space, prior, 2, &f.err));
    assert_ok(&f, f.s.ops->load_trials(&f.s, &space, &f.arena, &got, &n, &f.err));
    for (int i = 0; i < 20; i++) {
        const double *v = fx_values(&f.arena, i);

        assert_true(got[i].values[2] == v[2]);
        assert_true(got[i].values[3] == v[3] || (v[3] < 100 && isnan(got[i].values[3])));
        assert_true(got[i].values[4] == (v[4] == 0 ? 2 : 0));
        assert_true(got[i].values[6] == v[6] || (isnan(v[6]) && isnan(got[i].values[6])));
    }
    assert_true(got[20].values[4] == 0);
    assert_ok(&f, f.s.ops->load_priors(&f.s, &space, &f.arena, &got, &n, &f.err));
    assert_true(n == 2 && got[0].values[4] == 2 && got[0].values[6] == 0.8);
    assert_true(got[1].values[4] == 0 && isnan(got[1].values[6]));
    fx_release(&f);
}

/* ---------------------------------------------------------------- priors */

static void priors(void **state)
{
    static const enum hpo_trial_state states[] = {HPO_TRIAL_COMPLETE, HPO_TRIAL_PRUNED,
        HPO_TRIAL_PRUNED, HPO_TRIAL_FAIL, HPO_TRIAL_COMPLETE};
    static const double values[] = {-0.5, 0.25, NAN, NAN, HUGE_VAL};
    struct hpo_trial t[5], *got;
    struct fx f;
    int n = 7;

    fx_create(&f, true);
    for (int i = 0; i < 5; i++)
        t[i] = (struct hpo_trial){.number = i - 5, .state = states[i], .value = values[i],
                                  .values = fx_values(&f.arena, i)};
    assert_ok(&f, f.s.ops->load_priors(&f.s, &fx_space, &f.arena, &got, &n, &f.err));
    assert_int_equal(n, 0);
    /* All or none. */
    t[4].value = NAN;
    assert_int_equal(f.s.ops->add_priors(&f.s, &fx_space, t, 5, &f.err), HPO_ENUMERIC);
    t[4].value = HUGE_VAL;
    t[2].number = -9;
    assert_int_equal(f.s.ops->add_priors(&f.s, &fx_space, t, 5, &f.err), HPO_EFORMAT);
    t[2].number = -3;
    n_syncs = 0;
    assert_ok(&f, f.s.ops->add_priors(&f.s, &fx_space, t, 5, &f.err));
    assert_true(n_syncs > 0);
    assert_int_equal(f.s.ops->add_priors(&f.s, &fx_space, t, 5, &f.err), HPO_EFORMAT);
    assert_non_null(strstr(f.err.msg, "already holds trials of an earlier study"));
    fx_close(&f);
    assert_ok(&f, fx_open(&f, STORAGE_READ));
    assert_ok(&f, f.s.ops->load_priors(&f.s, &fx_space, &f.arena, &got, &n, &f.err));
    assert_int_equal(n, 5);
    for (int i = 0; i < 5; i++) {
        assert_true(got[i].number == i - 5 && got[i].state == states[i]);
        assert_true(got[i].value == values[i] || (isnan(values[i]) && isnan(got[i].value)));
        assert_true(same(got[i].values, t[i].values));
    }
    /* In the user's direction, and no trial of the study. */
    assert_string_equal(ask(&f, "SELECT value FROM hpo_priors"), "0.5");
    fx_load(&f, 0);
    fx_close(&f);
    sql(&f, "DELETE FROM hpo_prior_params WHERE number = -3; DELETE FROM hpo_priors WHERE"
            " number = -3");
    assert_ok(&f, fx_open(&f, STORAGE_READ));
    assert_int_equal(f.s.ops->load_priors(&f.s, &fx_space, &f.arena, &got, &n, &f.err), HPO_EFORMAT);
    assert_non_null(strstr(f.err.msg, "number -3 is missing"));
    fx_close(&f);
    sql(&f, "UPDATE hpo_priors SET state = 'RUNNING'");
    assert_ok(&f, fx_open(&f, STORAGE_READ));
    assert_int_equal(f.s.ops->load_priors(&f.s, &fx_space, &f.arena, &got, &n, &f.err), HPO_EFORMAT);
    fx_release(&f);
}

/* ---------------------------------------------------------------- groups */

static void a_group_is_one_transaction(void **state)
{
    struct hpo_trial t, u, prior[2], *got;
    struct fx f;
    int n;

    fx_create(&f, false);
    for (int i = 0; i < 2; i++)
        prior[i] = (struct hpo_trial){.number = i - 2, .state = HPO_TRIAL_COMPLETE, .value = i,
                                      .values = fx_values(&f.arena, i)};
    n_syncs = 0;
    assert_ok(&f, f.s.ops->begin(&f.s, &f.err));
    for (int i = 0; i < 8; i++) {
        t = fx_add(&f, i);
        fx_report(&f, &t, 0, 0, 1);
        fx_end(&f, &t, HPO_TRIAL_COMPLETE, i);
    }
    assert_int_equal(n_syncs, 0);
    fx_load(&f, 8); /* we see it, nobody else does */
    assert_string_equal(ask(&f, "SELECT count(*) FROM trials"), "0");
    assert_int_equal(f.s.ops->begin(&f.s, &f.err), HPO_EBUSY);
    /* What fails undoes itself alone. */
    u = (struct hpo_trial){.number = 8, .id = 1, .values = fx_values(&f.arena, 8),
                           .state = HPO_TRIAL_COMPLETE, .value = 1};
    assert_int_equal(f.s.ops->finish(&f.s, &u, &f.err), HPO_EFORMAT);
    u.number = 20;
    assert_int_equal(f.s.ops->add_trial(&f.s, &fx_space, &u, &f.err), HPO_EBUSY);
    prior[1].number = 7; /* the first one is written by then */
    assert_int_equal(f.s.ops->add_priors(&f.s, &fx_space, prior, 2, &f.err), HPO_EFORMAT);
    assert_ok(&f, f.s.ops->load_priors(&f.s, &fx_space, &f.arena, &got, &n, &f.err));
    assert_int_equal(n, 0);
    t = fx_add(&f, 8);
    fx_report(&f, &t, 0, 0, 1);
    fx_end(&f, &t, HPO_TRIAL_COMPLETE, 8);
    assert_ok(&f, f.s.ops->commit(&f.s, &f.err));
    assert_true(n_syncs > 0 && n_syncs <= 2);
    assert_string_equal(ask(&f, "SELECT count(*) FROM trials WHERE state = 'COMPLETE'"), "9");
    assert_int_equal(f.s.ops->commit(&f.s, &f.err), HPO_EBUSY);
    /* A group that is not committed is as if it had not been. */
    assert_ok(&f, f.s.ops->begin(&f.s, &f.err));
    fx_add(&f, 9);
    fx_close(&f);
    assert_ok(&f, fx_open(&f, STORAGE_WRITE));
    fx_load(&f, 9);
    fx_release(&f);
}

/* ---------------------------------------------------------------- format 1 */

/* The tables that format 1 did not have are gone, as if it had never had them. */
static void make_format_1(struct fx *f)
{
    fx_create(f, true);
    for (int i = 0; i < 3; i++) {
        struct hpo_trial t = fx_add(f, i);

        fx_end(f, &t, HPO_TRIAL_COMPLETE, i);
    }
    fx_close(f);
    sql(f, "DROP TABLE hpo_retries; DROP TABLE hpo_prior_params; DROP TABLE hpo_priors;"
           "DROP TABLE hpo_rungs; UPDATE hpo_study SET format = 1");
}

static void format_1(void **state)
{
    const double none[FX_N] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    struct hpo_trial *got;
    char *before, *after;
    size_t n_before, n_after;
    struct fx f;
    int n = -1;

    make_format_1(&f);
    assert_ok(&f, file_read(f.path, 1 << 24, &before, &n_before, &f.err));
    assert_ok(&f, fx_open(&f, STORAGE_READ));
    assert_true(fx_load(&f, 3)[2].value == 2);
    assert_ok(&f, f.s.ops->load_priors(&f.s, &fx_space, &f.arena, &got, &n, &f.err));
    assert_int_equal(n, 0);
    fx_close(&f);
    assert_ok(&f, file_read(f.path, 1 << 24, &after, &n_after, &f.err));
    assert_true(n_before == n_after && !memcmp(before, after, n_after));
    free(before);
    free(after);
    assert_ok(&f, fx_open(&f, STORAGE_WRITE));
    assert_string_equal(ask(&f, "SELECT format FROM hpo_study"), "3");
    assert_true(fx_load(&f, 3)[2].value == 2);
    enqueue(&f, 3, none);
    got = &(struct hpo_trial){.number = 4, .values = fx_values(&f.arena, 0), .retry = 1,
                              .retry_of = 2};
    assert_ok(&f, f.s.ops->add_trial(&f.s, &fx_space, got, &f.err));
    fx_close(&f);
    assert_ok(&f, fx_open(&f, STORAGE_CREATE));
    got = fx_load(&f, 5);
    assert_true(got[3].state == HPO_TRIAL_WAITING && got[4].retry == 1 && got[4].retry_of == 2);
    fx_close(&f);
    sql(&f, "DROP TABLE hpo_retries");
    assert_int_equal(fx_open(&f, STORAGE_WRITE), HPO_EFORMAT);
    assert_non_null(strstr(f.err.msg, "lacks some of the tables"));
    fx_release(&f);
}

/* A reader that opened the old format goes on while a writer brings it up to date. */
static void migrated_beside_a_reader(void **state)
{
    struct storage reader;
    struct hpo_trial *got;
    struct fx f;
    int n;

    make_format_1(&f);
    reader = (struct storage){&storage_sqlite, NULL, &f.arena};
    assert_ok(&f, reader.ops->open(&reader, f.path, STORAGE_READ, &f.err));
    assert_ok(&f, fx_open(&f, STORAGE_WRITE));
    fx_add(&f, 3);
    assert_ok(&f, reader.ops->load_trials(&reader, &fx_space, &f.arena, &got, &n, &f.err));
    assert_int_equal(n, 4);
    reader.ops->close(&reader);
    fx_release(&f);
}

/* Of a study with rungs: what Optuna sees of a cheap trial that is complete, and what we do. */
static void rungs(void **state)
{
    struct hpo_trial t[4], *got;
    struct fx f;

    fx_create(&f, true);
    for (int i = 0; i < 4; i++) {
        t[i] = (struct hpo_trial){.number = i,
                                  .values = fx_values(&f.arena, 0),
                                  .started = 1e9,
                                  .cheap = i != 2,
                                  .rung = i == 2};
        t[i].promoted_from = 0;
        t[i].explored = i == 2;
        assert_ok(&f, f.s.ops->add_trial(&f.s, &fx_space, &t[i], &f.err));
        if (i < 3)
            fx_end(&f, &t[i], i == 1 ? HPO_TRIAL_PRUNED : HPO_TRIAL_COMPLETE, 0.5);
    }
    assert_string_equal(ask(&f, "SELECT group_concat(state) FROM trials"),
                        "PRUNED,PRUNED,COMPLETE,RUNNING");
    assert_string_equal(ask(&f, "SELECT count(*) FROM trial_values"), "3");
    assert_string_equal(ask(&f, "SELECT group_concat(value_json) FROM trial_user_attributes"
                                " WHERE key = 'rung'"),
                        "0,0,1,0");
    assert_string_equal(ask(&f, "SELECT group_concat(value_json) FROM trial_user_attributes"
                                " WHERE key IN ('promoted_from', 'explored')"),
                        "0,true");
    fx_close(&f);
    assert_ok(&f, fx_open(&f, STORAGE_READ));
    got = fx_load(&f, 4);
    assert_true(got[0].state == HPO_TRIAL_COMPLETE && got[0].cheap && !got[0].rung);
    assert_true(got[0].value == 0.5);
    assert_true(got[1].state == HPO_TRIAL_PRUNED && got[1].cheap);
    assert_true(got[2].state == HPO_TRIAL_COMPLETE && !got[2].cheap && got[2].rung == 1);
    assert_true(got[2].explored && got[2].promoted_from == 0);
    assert_true(got[3].state == HPO_TRIAL_RUNNING);
    fx_close(&f);
    sql(&f, "UPDATE hpo_rungs SET promoted_from = 2 WHERE rung = 1");
    assert_ok(&f, fx_open(&f, STORAGE_READ));
    {
        struct hpo_trial *bad;
        int n;

        assert_int_equal(f.s.ops->load_trials(&f.s, &fx_space, &f.arena, &bad, &n, &f.err),
                         HPO_EFORMAT);
    }
    assert_non_null(strstr(f.err.msg, "table hpo_rungs"));
    fx_release(&f);
}

/* The tables that format 2 did not have. */
static void format_2(void **state)
{
    struct hpo_trial t;
    struct fx f;

    fx_create(&f, true);
    t = fx_add(&f, 0);
    fx_end(&f, &t, HPO_TRIAL_COMPLETE, 0);
    fx_close(&f);
    sql(&f, "DROP TABLE hpo_rungs; UPDATE hpo_study SET format = 2");
    assert_ok(&f, fx_open(&f, STORAGE_READ));
    assert_true(fx_load(&f, 1)[0].state == HPO_TRIAL_COMPLETE);
    fx_close(&f);
    assert_ok(&f, fx_open(&f, STORAGE_WRITE));
    assert_string_equal(ask(&f, "SELECT format FROM hpo_study"), "3");
    assert_string_equal(ask(&f, "SELECT count(*) FROM hpo_rungs"), "0");
    fx_load(&f, 1);
    fx_close(&f);
    sql(&f, "DROP TABLE hpo_rungs");
    assert_int_equal(fx_open(&f, STORAGE_WRITE), HPO_EFORMAT);
    assert_non_null(strstr(f.err.msg, "lacks some of the tables"));
    fx_release(&f);
}

/* The program may die between the tables and the study's row. */
static void format_1_without_a_study(void **state)
{
    struct hpo_study_info info = fx_info(true);
    struct fx f;

    make_format_1(&f);
    sql(&f, "DELETE FROM hpo_trials; DELETE FROM trial_params; DELETE FROM trial_values;"
            "DELETE FROM trial_user_attributes; DELETE FROM trials; DELETE FROM hpo_study;"
            "DELETE FROM study_directions; DELETE FROM study_system_attributes;"
            "DELETE FROM studies");
    assert_ok(&f, fx_open(&f, STORAGE_CREATE));
    assert_ok(&f, f.s.ops->create_study(&f.s, &info, &f.err));
    fx_close(&f);
    assert_ok(&f, fx_open(&f, STORAGE_WRITE));
    assert_string_equal(ask(&f, "SELECT format FROM hpo_study"), "3");
    fx_add(&f, 0);
    fx_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enqueued_and_claimed),
        cmocka_unit_test(foreign_queue),
        cmocka_unit_test(retries),
        cmocka_unit_test(extended_space),
        cmocka_unit_test(priors),
        cmocka_unit_test(a_group_is_one_transaction),
        cmocka_unit_test(rungs),
        cmocka_unit_test(format_1),
        cmocka_unit_test(format_2),
        cmocka_unit_test(migrated_beside_a_reader),
        cmocka_unit_test(format_1_without_a_study),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
