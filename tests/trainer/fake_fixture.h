/* tests/trainer/fake_fixture.h - a tiny job on the fake backend. */
#ifndef TESTS_TRAINER_FAKE_FIXTURE_H
#define TESTS_TRAINER_FAKE_FIXTURE_H

#include "tests/trainer/fake_backend.h"
#include "tests/trainer/tiny_job.h"

/* 3 folds of unequal size: 14, 14 and 12 of 40 samples validate, so steps an epoch differ. */
#define N 40
#define EPOCHS 3

struct fixture {
    struct tiny t;
    struct tr_session *s;
};

static int setup(void **state)
{
    static struct fixture f;

    fake_reset();
    tiny_init(&f.t, N, 2, 8, 3);
    tiny_config(&f.t, "convnet width=2 stages=2 dropout=0.3", "sgd lr=0.05 momentum=0.9", 4,
                EPOCHS);
    assert_int_equal(tr_session_open(&fake_backend, 0, 2, &f.s, NULL), 0);
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

static int train(struct fixture *f, const struct tr_job *job, struct tr_result *ret)
{
    struct hpo_err err = {0};
    bool pruned = false;
    int rc = tr_train(f->s, job, ret, &pruned, &err);

    assert_false(pruned);
    if (rc && rc != HPO_ESTOPPED)
        print_message("%s\n", err.msg);
    return rc;
}

#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
