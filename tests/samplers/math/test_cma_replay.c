#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "samplers/math/cma_replay.h"
#include "spaces.h"

static struct arena arena;
static const int both[] = {0, 1};
static const struct hpo_param *params[2];
static struct hpo_space *space;

static int setup(void **state)
{
    const struct hpo_param p[] = {real_param("x", 0, 1, 0, false), real_param("y", 0, 1, 0, false)};

    space = make_space(&arena, p, 2);
    params[0] = &space->params[0];
    params[1] = &space->params[1];
    return 0;
}

static int teardown(void **state)
{
    arena_release(&arena);
    return 0;
}

static struct cma_replay *replay(bool restart, bool pruned, int parallel)
{
    return cma_replay_new(params, both, 2,
                          &(struct cma_replay_opts){.population = 4,
                                                    .sigma0 = .2,
                                                    .restart = restart,
                                                    .pruned = pruned,
                                                    .parallel = parallel});
}

static void assert_same(const struct cma *a, const struct cma *b)
{
    assert_int_equal(a->generation, b->generation);
    assert_true(a->sigma == b->sigma);
    assert_memory_equal(a->mean, b->mean, sizeof(double) * 2);
    assert_memory_equal(a->cov, b->cov, sizeof(double) * 4);
    assert_memory_equal(a->root, b->root, sizeof(double) * 4);
}

/* Six trials of a population of four: those that run or wait are left out, and the rest is ranked
 * COMPLETE by value, PRUNED by how far they came, FAIL. */
static void test_ranks(void **state)
{
    static const double at[7][2] = {{.5, .4}, {.6, .6}, {.4, .5}, {.7, .3},
                                    {.2, .2}, {.3, .6}, {.8, .8}};
    static const enum hpo_trial_state states[] = {
        HPO_TRIAL_FAIL,    HPO_TRIAL_PRUNED,   HPO_TRIAL_RUNNING, HPO_TRIAL_PRUNED,
        HPO_TRIAL_WAITING, HPO_TRIAL_COMPLETE, HPO_TRIAL_COMPLETE};
    static const struct hpo_point early = {1, 0}, late = {5, 9};
    static const double middle[] = {.5, .5};
    const double ranked[] = {.3, .6, .7, .3, .6, .6, .5, .4};
    struct past past = {.h.space = space};
    struct cma_replay *r = replay(false, true, 1);
    struct cma *want = cma_new(2);
    const struct cma *got;
    int results;

    for (int i = 0; i < 7; i++) {
        struct hpo_trial *t = past_add(&past, space, at[i], states[i]);

        t->value = i == 5 ? 7 : i == 1 ? 0 : i == 3 ? 9 : i == 6 ? 3 : NAN;
        if (states[i] == HPO_TRIAL_PRUNED) {
            t->points = i == 1 ? &early : &late;
            t->n_points = 1;
        }
    }
    cma_start(want, middle, .2);
    cma_update(want, cma_rates_new(&arena, 2, 4), ranked);
    assert_int_equal(cma_factor(want, NULL), 0);
    past.h.n = 6;
    got = cma_replay_sync(r, &past.h, 0, &results);
    assert_int_equal(results, 3);
    assert_same(got, want);
    past.h.n = 7; /* one of the next four: nothing changes yet */
    got = cma_replay_sync(r, &past.h, 0, &results);
    assert_int_equal(results, 4);
    assert_same(got, want);
    cma_replay_free(r);
    r = replay(false, false, 1);
    assert_int_equal(cma_replay_sync(r, &past.h, 0, &results)->generation, 0);
    assert_int_equal(results, 2);
    cma_replay_free(r);
    cma_replay_free(NULL);
    cma_free(want);
    past_release(&past);
}

/* n trials that close in on a point as fast as a search would. */
static void add_trials(struct past *past, int n)
{
    struct hpo_rng rng = hpo_rng_for(9, -1, -1, "test", 0);

    for (int i = 0; i < n; i++) {
        double width = .5 * pow(.96, i), v[2];
        struct hpo_trial *t;

        for (int j = 0; j < 2; j++)
            v[j] = fmin(fmax(.5 + width * hpo_rng_normal(&rng), 0), 1);
        t = past_add(past, space, v, HPO_TRIAL_COMPLETE);
        t->value = pow(v[0] - .4, 2) + pow(v[1] - .5, 2);
    }
}

/* Changed anywhere, cut off anywhere, seen with another seed: as from scratch. */
static void test_from_scratch(void **state)
{
    struct past past = {.h.space = space};
    struct hpo_rng rng = hpo_rng_for(4, -1, -1, "test", 0);
    struct cma_replay *warm = replay(true, true, 3);
    int results;

    add_trials(&past, 600);
    for (int k = 0; k < 120; k++) {
        uint64_t seed = k % 30 == 29;
        struct hpo_trial *t = (struct hpo_trial *)past.trials[hpo_rng_below(&rng, 600)];
        struct cma_replay *fresh = replay(true, true, 3);
        int recent = past.h.n;

        if (k % 3 == 0)
            t->value = hpo_rng_uniform(&rng);
        else if (k % 3 == 1)
            t->state = t->state == HPO_TRIAL_COMPLETE ? HPO_TRIAL_RUNNING : HPO_TRIAL_COMPLETE;
        else
            past.h.n = (int)hpo_rng_below(&rng, 601);
        assert_same(cma_replay_sync(warm, &past.h, seed, &results),
                    cma_replay_sync(fresh, &past.h, seed, &results));
        past.h.n = recent;
        cma_replay_free(fresh);
    }
    cma_replay_free(warm);
    past_release(&past);
}

/* A value that never changes ends a search after the window of 10 + 30 d / lambda = 25
 * generations. The next one has eight trials a generation, and passes by what still ran. */
static void test_restart(void **state)
{
    enum { FIRST = 25 * 4, PARALLEL = 6 };
    struct cma_replay *r = replay(true, true, PARALLEL), *never = replay(false, true, PARALLEL);
    struct past past = {.h.space = space};
    const struct cma *c;
    int results;

    add_trials(&past, 400);
    for (int i = 0; i < 400; i++)
        ((struct hpo_trial *)past.trials[i])->value = 1;
    past.h.n = FIRST - 1;
    assert_int_equal(cma_replay_sync(r, &past.h, 0, &results)->generation, 24);
    past.h.n = FIRST;
    c = cma_replay_sync(r, &past.h, 0, &results);
    assert_int_equal(c->generation, 0);
    assert_true(c->sigma == .2 && c->mean[0] != .5 && c->mean[0] >= 0 && c->mean[0] < 1);
    past.h.n = FIRST + PARALLEL - 1 + 7;
    assert_int_equal(cma_replay_sync(r, &past.h, 0, &results)->generation, 0);
    past.h.n++;
    assert_int_equal(cma_replay_sync(r, &past.h, 0, &results)->generation, 1);
    past.h.n = 400;
    assert_int_equal(cma_replay_sync(never, &past.h, 0, &results)->generation, 100);
    cma_replay_free(r);
    cma_replay_free(never);
    past_release(&past);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_from_scratch),
        cmocka_unit_test(test_restart),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
