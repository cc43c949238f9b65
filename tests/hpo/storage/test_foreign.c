/* Files that another program made or changed: read where Optuna's rules hold, refused with a
 * sentence where they do not, and never a crash. */
#include "tests/hpo/storage/fixture.h"

#include <sqlite3.h>
#include <unistd.h>

/* Run SQL on the file, as another program would. */
static void sql(struct fx *f, const char *text)
{
    char *message = NULL;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_close(db);
}

/* A closed study of three trials: COMPLETE, PRUNED, RUNNING. */
static void make(struct fx *f)
{
    static const enum hpo_trial_state ends[] = {HPO_TRIAL_COMPLETE, HPO_TRIAL_PRUNED};
    static const char *const names[] = {"accuracy"};
    static const struct hpo_fold folds[] = {{0, 0.5, 0, 1}, {1, 0.25, 0, 1}};
    const double values[] = {0.5};
    const struct hpo_epoch_report r = {0, 0, 1, names, values};
    const struct hpo_point p = {0, 0.5};

    fx_create(f, false);
    for (int i = 0; i < 3; i++) {
        struct hpo_trial t = {.number = i, .values = fx_values(&f->arena, i), .started = 1.79e9};

        assert_ok(f, f->s.ops->add_trial(&f->s, &fx_space, &t, &f->err));
        assert_ok(f, f->s.ops->report(&f->s, t.id, &r, &p, &f->err));
        if (i == 2)
            break;
        t.state = ends[i];
        t.value = 0.5;
        t.folds = folds;
        t.n_folds = 2;
        assert_ok(f, f->s.ops->finish(&f->s, &t, &f->err));
    }
    fx_close(f);
}

static void nothing(void *arg, const struct hpo_epoch_report *r)
{
}

/* Everything that reads; the first failure. */
static int read_all(struct fx *f, struct hpo_trial **ret, int *ret_n)
{
    struct hpo_study_info info;
    struct hpo_trial *priors;
    int n_priors, rc = fx_open(f, STORAGE_READ);

    if (!rc)
        rc = f->s.ops->load_study(&f->s, &info, &f->err);
    if (!rc)
        rc = f->s.ops->load_trials(&f->s, &fx_space, &f->arena, ret, ret_n, &f->err);
    if (!rc)
        rc = f->s.ops->each_epoch(&f->s, 1, nothing, NULL, &f->err);
    if (!rc)
        rc = f->s.ops->load_priors(&f->s, &fx_space, &f->arena, &priors, &n_priors, &f->err);
    fx_close(f);
    return rc;
}

static void optuna_went_on(void **state)
{
    struct hpo_trial *t;
    struct fx f;
    int n;

    make(&f);
    sql(&f,
        "INSERT INTO trials VALUES (4, 3, 1, 'COMPLETE', '2026-09-21 14:13:20.250000',"
        " '2026-09-21 14:13:22.750000');"
        "INSERT INTO trials VALUES (5, 4, 1, 'WAITING', NULL, NULL);"
        "INSERT INTO trials VALUES (6, 5, 1, 'FAIL', 'yesterday', NULL);"
        "INSERT INTO trial_system_attributes VALUES (NULL, 5, 'fixed_params', '{\"units\": 3}');"
        "INSERT INTO trial_values VALUES (NULL, 4, 0, 1, 'FINITE');"
        "INSERT INTO trial_intermediate_values VALUES (NULL, 4, 9, 5, 'FINITE');"
        "INSERT INTO trial_params VALUES (NULL, 4, 'units', 5, '{\"name\": \"IntDistribution\","
        " \"attributes\": {\"log\": false, \"step\": 1, \"low\": 1, \"high\": 99}}');"
        "INSERT INTO trial_params VALUES (NULL, 4, 'width', 500, '{\"name\": \"IntDistribution\","
        " \"attributes\": {\"log\": true, \"step\": 1, \"low\": 16, \"high\": 999}}');"
        "INSERT INTO trial_params VALUES (NULL, 4, 'optimizer.lr', 0.01, '{\"name\":"
        " \"FloatDistribution\", \"attributes\": {\"log\": false, \"low\": 0, \"high\": 1}}');"
        "INSERT INTO trial_params VALUES (NULL, 4, 'optimizer.type', 1, '{\"name\":"
        " \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"sgd\", \"adamw\"]}}');"
        "INSERT INTO trial_params VALUES (NULL, 4, 'optimizer.momentum', 0.9, '{\"name\":"
        " \"FloatDistribution\", \"attributes\": {\"log\": false, \"low\": 0, \"high\": 1}}');"
        "INSERT INTO trial_params VALUES (NULL, 4, 'foreign', 1, '{}');"
        /* another study in the same file, its trials among ours */
        "INSERT INTO studies VALUES (2, 'other');"
        "INSERT INTO trials VALUES (7, 0, 2, 'COMPLETE', NULL, NULL);"
        "INSERT INTO trial_values VALUES (NULL, 7, 0, 9, 'FINITE');"
        "INSERT INTO trial_params VALUES (NULL, 7, 'units', 5, '{}');"
        "INSERT INTO trial_intermediate_values VALUES (NULL, 7, 1, 5, 'FINITE');");
    assert_ok(&f, read_all(&f, &t, &n));
    assert_int_equal(n, 6);
    assert_true(t[3].state == HPO_TRIAL_COMPLETE && t[3].value == 1 && t[3].n_points == 1);
    assert_true(t[3].started == 1790000000.25 && t[3].ended == 1790000002.75);
    assert_true(t[3].seconds == 2.5 && t[3].attempts == 0 && !t[3].device);
    assert_true(t[3].values[2] == 5 && t[3].values[4] == 1); /* units, optimizer.type */
    assert_true(isnan(t[3].values[0])); /* not log here */
    assert_true(isnan(t[3].values[3])); /* above our highest */
    assert_true(isnan(t[3].values[5])); /* not set */
    assert_true(isnan(t[3].values[6])); /* its `when` does not hold: adamw */
    assert_true(t[4].state == HPO_TRIAL_WAITING && t[4].started == 0 && t[4].enqueued);
    assert_true(t[4].values[2] == 3 && isnan(t[4].values[0]));
    assert_true(t[5].state == HPO_TRIAL_FAIL && t[5].started == 0 && !t[5].reason);
    /* And we go on after it. */
    assert_ok(&f, fx_open(&f, STORAGE_WRITE));
    t = &(struct hpo_trial){.number = 6, .values = fx_values(&f.arena, 6)};
    assert_ok(&f, f.s.ops->add_trial(&f.s, &fx_space, t, &f.err));
    /* A RUNNING trial of Optuna's may be ended by us: its owner is dead when we hold the lock. */
    fx_close(&f);
    sql(&f, "INSERT INTO trials VALUES (9, 7, 1, 'RUNNING', NULL, NULL)");
    assert_ok(&f, fx_open(&f, STORAGE_WRITE));
    t = &(struct hpo_trial){.number = 7, .id = 9, .state = HPO_TRIAL_FAIL, .reason = "gone"};
    assert_ok(&f, f.s.ops->start_attempt(&f.s, 9, 1, "cpu", 1, &f.err));
    assert_ok(&f, f.s.ops->finish(&f.s, t, &f.err));
    fx_release(&f);
}

static void refused(void **state)
{
    static const struct {
        const char *sql, *says;
        int rc;
    } cases[] = {
        {"UPDATE hpo_study SET format = 4", "newer hpo (format 4", HPO_EFORMAT},
        {"UPDATE alembic_version SET version_num = 'v9.0.0.a'", "'v9.0.0.a'", HPO_EFORMAT},
        {"DELETE FROM alembic_version", "(none)", HPO_EFORMAT},
        {"UPDATE version_info SET schema_version = 13", "(13)", HPO_EFORMAT},
        {"DROP TABLE hpo_folds", "lacks some of the tables", HPO_EFORMAT},
        {"ALTER TABLE trials RENAME TO x; CREATE VIEW trials AS SELECT * FROM x", "lacks some",
         HPO_EFORMAT},
        {"ALTER TABLE trials RENAME COLUMN state TO mood", "no such column", HPO_EFORMAT},
        {"DELETE FROM hpo_study", "there is no study", HPO_EMISSING},
        {"DELETE FROM studies", "deleted by another program", HPO_EFORMAT},
        {"INSERT INTO hpo_study SELECT 2, 1, metric, config, digest, 0, 0 FROM hpo_study;"
         "INSERT INTO studies VALUES (2, 'b')",
         "more than one row", HPO_EFORMAT},
        {"UPDATE hpo_study SET config = x'00'", "a column is not of its type", HPO_EFORMAT},
        {"UPDATE hpo_study SET created = 'x'", "a column is not of its type", HPO_EFORMAT},
        {"DELETE FROM study_directions", "no direction", HPO_EFORMAT},
        {"UPDATE study_directions SET direction = 'SIDEWAY'", "no direction", HPO_EFORMAT},
        {"INSERT INTO study_directions VALUES (9, 'MINIMIZE', 1, 1)", "several objectives",
         HPO_EFORMAT},
        {"UPDATE trials SET number = 7 WHERE trial_id = 2", "trial_id 3: its number is 2 where 1",
         HPO_EFORMAT},
        {"UPDATE trials SET number = 0 WHERE trial_id = 2", "trial_id 2: its number is 0 where 1",
         HPO_EFORMAT},
        {"UPDATE trials SET number = NULL WHERE trial_id = 2", "trial_id 2: its number",
         HPO_EFORMAT},
        {"UPDATE trials SET number = 'x' WHERE trial_id = 2", "trial_id 3", HPO_EFORMAT},
        {"UPDATE trials SET state = 'ASLEEP' WHERE trial_id = 2", "trial_id 2: 'ASLEEP'",
         HPO_EFORMAT},
        {"UPDATE trials SET state = x'41' WHERE trial_id = 2", "is not a state", HPO_EFORMAT},
        {"UPDATE trial_values SET value = NULL WHERE trial_id = 1", "trial_values, trial_id 1",
         HPO_EFORMAT},
        {"UPDATE trial_values SET value = 'x' WHERE trial_id = 1", "trial_values, trial_id 1",
         HPO_EFORMAT},
        {"UPDATE trial_intermediate_values SET intermediate_value_type = 'x' WHERE trial_id = 1",
         "trial_id 1, step 0", HPO_EFORMAT},
        {"UPDATE trial_intermediate_values SET step = 1.5 WHERE trial_id = 1",
         "not a step with a value", HPO_EFORMAT},
        {"UPDATE hpo_folds SET epoch = -1", "hpo_folds", HPO_EFORMAT},
        {"UPDATE hpo_folds SET epoch = 99999999999", "hpo_folds", HPO_EFORMAT},
        {"UPDATE hpo_epochs SET fold = 'x'", "hpo_epochs", HPO_EFORMAT},
        {"UPDATE hpo_study SET config = replace(hex(zeroblob(9000000)), '0', 'a')",
         "more than 16 MiB", HPO_EFORMAT},
    };

    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        struct hpo_trial *t;
        struct fx f;
        int n, rc;

        make(&f);
        sql(&f, cases[i].sql);
        rc = read_all(&f, &t, &n);
        if (rc != cases[i].rc || !strstr(f.err.msg, cases[i].says) || !strstr(f.err.msg, f.path))
            fail_msg("%s: %d %s", cases[i].sql, rc, rc ? f.err.msg : "");
        fx_release(&f);
    }
}

/* Odd, but nothing that matters. */
static void tolerated(void **state)
{
    static const char *const cases[] = {
        "UPDATE alembic_version SET version_num = 'v3.0.0.d'; DROP INDEX ix_trials_study_id",
        "UPDATE version_info SET library_version = NULL",
        "DELETE FROM hpo_trials",
        "UPDATE hpo_trials SET seconds = 'x', attempts = 'y', device = x'ff', reason = 3, "
        "started = 'z', ended = 9e999",
        "UPDATE hpo_trials SET attempts = -9000000000000000000, device = "
        "replace(hex(zeroblob(500000)), '0', 'a')",
        "DELETE FROM trial_values",
        "UPDATE trial_params SET param_value = NULL, distribution_json = NULL",
        "UPDATE trial_params SET param_value = 'x', distribution_json = x'00'",
        "UPDATE trial_params SET distribution_json = replace(hex(zeroblob(50000)), '0', '[')",
        "UPDATE trial_params SET param_name = NULL",
        "UPDATE hpo_folds SET value = 'x', seconds = NULL",
        "DELETE FROM hpo_metrics",
        "PRAGMA foreign_keys=OFF; INSERT INTO hpo_folds VALUES (99, 0, 0, 1, 1)",
        "INSERT INTO trial_intermediate_values VALUES (NULL, 99, 0, 1, 'FINITE')",
        "CREATE TRIGGER t AFTER INSERT ON trials BEGIN DELETE FROM trials; END",
        "PRAGMA journal_mode=DELETE",
        "PRAGMA journal_mode=DELETE; PRAGMA user_version=3; PRAGMA application_id=9",
        "ALTER TABLE trials ADD COLUMN discarded_at TEXT",
    };

    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        struct hpo_trial *t, next = {.number = 3};
        struct fx f;
        int n;

        make(&f);
        sql(&f, cases[i]);
        if (read_all(&f, &t, &n) || n != 3)
            fail_msg("%s: %s", cases[i], f.err.msg);
        /* Still there for us to go on with. */
        assert_ok(&f, fx_open(&f, STORAGE_WRITE));
        next.values = fx_values(&f.arena, 3);
        assert_ok(&f, f.s.ops->add_trial(&f.s, &fx_space, &next, &f.err));
        fx_close(&f);
        assert_ok(&f, read_all(&f, &t, &n));
        assert_int_equal(n, 4);
        fx_release(&f);
    }
}

static void not_ours(void **state)
{
    static const char *const others[] = {
        "CREATE TABLE moz_places (id INTEGER)",
        "CREATE TABLE studies (study_id INTEGER)",
    };
    struct fx f;

    for (size_t i = 0; i < HPO_LEN(others); i++) {
        fx_init(&f);
        sql(&f, others[i]);
        for (int mode = STORAGE_READ; mode <= STORAGE_CREATE; mode++) {
            assert_int_equal(fx_open(&f, (enum storage_mode)mode), HPO_EFORMAT);
            fx_close(&f);
        }
        fx_release(&f);
    }
}

static void not_a_database(void **state)
{
    char text[8192];
    struct fx f;

    fx_init(&f);
    for (int mode = STORAGE_READ; mode <= STORAGE_WRITE; mode++) {
        assert_int_equal(fx_open(&f, (enum storage_mode)mode), HPO_EMISSING);
        assert_false(file_exists(f.path));
        fx_close(&f);
    }
    memset(text, 'x', sizeof(text));
    assert_ok(&f, file_replace(f.path, text, sizeof(text), &f.err));
    for (int mode = STORAGE_READ; mode <= STORAGE_CREATE; mode++) {
        assert_int_equal(fx_open(&f, (enum storage_mode)mode), HPO_EFORMAT);
        assert_non_null(strstr(f.err.msg, "is not an SQLite database"));
        fx_close(&f);
    }
    /* An empty file is what a kill before the first write leaves. */
    assert_ok(&f, file_replace(f.path, text, 0, &f.err));
    assert_int_equal(fx_open(&f, STORAGE_READ), HPO_EMISSING);
    fx_close(&f);
    assert_int_equal(fx_open(&f, STORAGE_WRITE), HPO_EMISSING);
    fx_close(&f);
    assert_ok(&f, fx_open(&f, STORAGE_CREATE));
    fx_close(&f);
    unlink(f.path);
    assert_ok(&f, file_mkdirs(f.path, &f.err));
    assert_int_equal(fx_open(&f, STORAGE_CREATE), HPO_EIO);
    fx_close(&f);
    fx_release(&f);
}

/* Flipped bytes and cut files: any answer but a crash. */
static void damaged(void **state)
{
    struct hpo_trial *t;
    uint64_t x = 88172645463325252u;
    char *bytes;
    size_t size;
    struct fx f;
    int n, failures = 0;

    make(&f);
    assert_ok(&f, file_read(f.path, 1 << 24, &bytes, &size, &f.err));
    for (int i = 0; i < 400; i++) {
        char *copy = malloc(size);

        memcpy(copy, bytes, size);
        for (int k = 0; k < 16; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            copy[100 + x % (size - 100)] = (char)(x >> 32);
        }
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        assert_ok(&f, file_replace(f.path, copy, i % 4 ? size : x % size, &f.err));
        failures += read_all(&f, &t, &n) != 0;
        free(copy);
    }
    assert_true(failures > 100);
    free(bytes);
    fx_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optuna_went_on),
        cmocka_unit_test(refused),
        cmocka_unit_test(tolerated),
        cmocka_unit_test(not_ours),
        cmocka_unit_test(not_a_database),
        cmocka_unit_test(damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
