/* PED-ANOVA: Optuna 5.0's numbers, and what happens at the edges. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hpo/report/importance.h"

static const struct hpo_choice choices[] = {{HPO_CHOICE_STR, "a"}, {HPO_CHOICE_STR, "b"},
                                            {HPO_CHOICE_STR, "c"}};
static const struct hpo_param params[] = {
    {.name = "p0", .kind = HPO_PARAM_FLOAT, .low = 1e-4, .high = 1, .log = true},
    {.name = "p1", .kind = HPO_PARAM_INT, .low = 1, .high = 100, .step = 1},
    {.name = "p2", .kind = HPO_PARAM_CATEGORICAL, .high = 2, .n_choices = 3, .choices = choices},
    {.name = "p3", .kind = HPO_PARAM_FLOAT, .low = 0, .high = 1},
    {.name = "p4", .kind = HPO_PARAM_INT, .low = 4, .high = 256, .step = 1, .log = true},
    {.name = "p5", .kind = HPO_PARAM_FLOAT, .low = 0, .high = 2, .step = 0.25},
};
#define N 6
static const struct hpo_space space = {params, N, (const int[]){0, 1, 2, 3, 4, 5}};
#define TRIALS 60

struct study {
    struct hpo_trial trials[TRIALS + 2];
    const struct hpo_trial *list[TRIALS + 2];
    double values[TRIALS + 2][N];
    struct hpo_history history;
    struct arena arena;
};

/* A numeric, an integer, a categorical and a conditional parameter that matter by different
 * amounts; p3 is there unless p2 is "a". */
static void make(struct study *s, int n)
{
    static const int strides[N] = {7, 11, 13, 17, 19, 23};

    *s = (struct study){.history = {.space = &space, .n = n}};
    s->history.trials = s->list;
    for (int i = 0; i < n; i++) {
        double u[N], *x = s->values[i], v;

        for (int k = 0; k < N; k++)
            u[k] = (i * strides[k] % 61 + 0.5) / 61;
        x[0] = exp(log(1e-4) * (1 - u[0]));
        x[1] = 1 + floor(u[1] * 100);
        x[2] = floor(u[2] * 3);
        x[3] = x[2] == 0 ? NAN : u[3];
        x[4] = 4 + floor(u[4] * 253);
        x[5] = 0.25 * floor(u[5] * 9);
        v = pow(u[0] - 0.3, 2) * 4 + pow(u[1] - 0.8, 2) + (x[2] == 1 ? 0.5 : 0) + 0.1 * u[5];
        v += isnan(x[3]) ? 0 : pow(u[3] - 0.5, 2);
        s->trials[i] = (struct hpo_trial){.number = i, .state = HPO_TRIAL_COMPLETE, .value = v,
                                          .values = x};
        s->list[i] = &s->trials[i];
    }
}

/* From Optuna 5.0.0 on the same study. */
static void golden(void **state)
{
    static const double shares[N] = {0.3646011135654424, 0.3759872719360583, 0.04147784249398874,
                                     0.0771489008103233, 0.12215184799168795,
                                     0.01863302320249939};
    static const int order[N] = {1, 0, 4, 3, 2, 5};
    struct importance im;
    struct study s;

    make(&s, TRIALS);
    /* What is not COMPLETE, or not finite, does not count. */
    s.trials[TRIALS] = (struct hpo_trial){.number = TRIALS, .state = HPO_TRIAL_PRUNED, .value = -1,
                                          .values = s.values[0]};
    s.trials[TRIALS + 1] = (struct hpo_trial){.number = TRIALS + 1, .state = HPO_TRIAL_COMPLETE,
                                              .value = -HUGE_VAL, .values = s.values[0]};
    for (int i = TRIALS; i < TRIALS + 2; i++)
        s.list[s.history.n++] = &s.trials[i];
    assert_true(importance_of(&s.history, &s.arena, &im));
    assert_true(im.n == TRIALS && im.n_top == 6 && !im.equal && im.n_known == N);
    for (int i = 0; i < N; i++) {
        assert_true(fabs(im.share[i] - shares[i]) < 1e-12);
        assert_int_equal(im.order[i], order[i]);
    }
    arena_release(&s.arena);
}

static void too_few(void **state)
{
    const struct hpo_space none = {params, 0, NULL};
    struct importance im;
    struct study s;

    make(&s, 1);
    assert_false(importance_of(&s.history, &s.arena, &im));
    assert_int_equal(im.n, 1);
    arena_release(&s.arena);
    make(&s, 0);
    assert_false(importance_of(&s.history, &s.arena, &im));
    arena_release(&s.arena);
    make(&s, 20);
    s.history.space = &none;
    assert_false(importance_of(&s.history, &s.arena, &im));
    s.history.space = NULL;
    assert_false(importance_of(&s.history, &s.arena, &im));
    arena_release(&s.arena);
}

/* All trials alike: each parameter that is ever active has the same share. */
static void nothing_to_tell(void **state)
{
    struct importance im;
    struct study s;

    make(&s, 20);
    for (int i = 0; i < 20; i++) {
        s.trials[i].value = 1;
        s.values[i][3] = NAN;
    }
    assert_true(importance_of(&s.history, &s.arena, &im));
    assert_true(im.equal && im.n_top == 20 && im.n_known == 5);
    assert_true(isnan(im.share[3]));
    for (int i = 0; i < 5; i++)
        assert_true(im.share[im.order[i]] == 0.2 && (!i || im.order[i] > im.order[i - 1]));
    arena_release(&s.arena);
}

/* A parameter of one value tells nothing, nor does one that a single trial has. */
static void single_values(void **state)
{
    static const struct hpo_param ones[] = {
        {.name = "a", .kind = HPO_PARAM_CATEGORICAL, .n_choices = 1, .choices = choices},
        {.name = "b", .kind = HPO_PARAM_INT, .low = 3, .high = 3, .step = 1},
        {.name = "c", .kind = HPO_PARAM_FLOAT, .low = 0, .high = 1},
        {.name = "d", .kind = HPO_PARAM_FLOAT, .low = 0, .high = 1},
    };
    const struct hpo_space small = {ones, 4, (const int[]){0, 1, 2, 3}};
    struct importance im;
    struct study s;

    make(&s, 20);
    s.history.space = &small;
    for (int i = 0; i < 20; i++) {
        s.values[i][0] = 0;
        s.values[i][1] = 3;
        s.values[i][2] = i / 20.0;
        s.values[i][3] = i ? NAN : 0.5;
        s.trials[i].value = i;
    }
    assert_true(importance_of(&s.history, &s.arena, &im));
    assert_true(im.share[2] == 1 && im.share[0] == 0 && im.share[1] == 0 && im.share[3] == 0);
    arena_release(&s.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(too_few),
        cmocka_unit_test(nothing_to_tell),
        cmocka_unit_test(single_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
