/* Readers beside a writer: before it, during a read, and never in its way. */
#include "tests/hpo/storage/fixture.h"

#include "hpo/storage/db.h"

static void a_reader_sees_a_living_writer(void **state)
{
    struct storage reader = {.ops = &storage_sqlite};
    struct hpo_trial *trials, t;
    struct fx f;
    int n;

    fx_create(&f, true);
    t = fx_add(&f, 0);
    reader.arena = &f.arena;
    assert_ok(&f, reader.ops->open(&reader, f.path, STORAGE_READ, &f.err));
    for (int i = 1; i < 20; i++) {
        fx_end(&f, &t, HPO_TRIAL_COMPLETE, -i);
        t = fx_add(&f, i);
        assert_ok(&f, reader.ops->load_trials(&reader, &fx_space, &f.arena, &trials, &n, &f.err));
        assert_int_equal(n, i + 1);
        assert_true(trials[i - 1].value == -i);
    }
    reader.ops->close(&reader);
    fx_release(&f);
}

/* A reader that comes first, on a file at rest, leaves nothing beside it, and notices the writer
 * that comes later. */
static void a_reader_before_the_writer(void **state)
{
    struct storage reader = {.ops = &storage_sqlite};
    struct hpo_trial *trials;
    char wal[128], shm[128];
    struct fx f;
    int n;

    fx_create(&f, true);
    fx_add(&f, 0);
    fx_close(&f);
    snprintf(wal, sizeof(wal), "%s-wal", f.path);
    snprintf(shm, sizeof(shm), "%s-shm", f.path);
    assert_false(file_exists(wal));
    reader.arena = &f.arena;
    assert_ok(&f, reader.ops->open(&reader, f.path, STORAGE_READ, &f.err));
    assert_ok(&f, reader.ops->load_trials(&reader, NULL, &f.arena, &trials, &n, &f.err));
    assert_int_equal(n, 1);
    assert_null(trials[0].values);
    assert_false(file_exists(wal) || file_exists(shm));
    assert_ok(&f, fx_open(&f, STORAGE_WRITE));
    fx_add(&f, 1);
    assert_ok(&f, reader.ops->load_trials(&reader, NULL, &f.arena, &trials, &n, &f.err));
    assert_int_equal(n, 2);
    fx_close(&f); /* with a reader in the way */
    assert_ok(&f, fx_open(&f, STORAGE_WRITE));
    fx_add(&f, 2);
    assert_ok(&f, reader.ops->load_trials(&reader, NULL, &f.arena, &trials, &n, &f.err));
    assert_int_equal(n, 3);
    reader.ops->close(&reader);
    fx_release(&f);
}

/* A writer that turns up, and goes again, in the middle of a read: the read is made again. */
static int disturbed(struct db *db, void *arg, struct hpo_err *err)
{
    struct fx *f = arg;
    struct hpo_trial *t;
    int n, rc = load_trials(db, NULL, &f->arena, &t, &n, err);

    assert_int_equal(rc, 0);
    if (f->calls++ == 0) {
        assert_int_equal(n, 1);
        assert_ok(f, fx_open(f, STORAGE_WRITE));
        fx_add(f, 1);
        fx_close(f);
    } else {
        assert_int_equal(n, 2);
    }
    return 0;
}

static void a_writer_during_a_read(void **state)
{
    struct db db;
    struct fx f;

    fx_create(&f, true);
    fx_add(&f, 0);
    fx_close(&f);
    assert_ok(&f, db_open(&db, f.path, STORAGE_READ, &f.err));
    assert_ok(&f, db_read(&db, disturbed, &f, &f.err));
    assert_int_equal(f.calls, 2);
    db_close(&db);
    fx_release(&f);
}

static void a_reader_never_writes(void **state)
{
    struct hpo_study_info info = fx_info(true);
    struct hpo_trial t = {.number = 1};
    struct fx f;

    fx_create(&f, true);
    fx_add(&f, 0);
    fx_close(&f);
    assert_ok(&f, fx_open(&f, STORAGE_READ));
    t.values = fx_values(&f.arena, 1);
    assert_int_equal(f.s.ops->add_trial(&f.s, &fx_space, &t, &f.err), HPO_EIO);
    assert_int_equal(f.s.ops->update_study(&f.s, &info, &f.err), HPO_EIO);
    fx_load(&f, 1);
    fx_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_sees_a_living_writer),
        cmocka_unit_test(a_reader_before_the_writer),
        cmocka_unit_test(a_writer_during_a_read),
        cmocka_unit_test(a_reader_never_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
