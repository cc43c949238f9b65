/* What TPE remembers of a history, and what it makes of trials that run, of numbers below zero and
 * of gaps. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "spaces.h"

static struct arena arena;

static void open_tpe(struct sampler *ret, const struct hpo_space *space, uint64_t seed,
                     const char *option, const char *value)
{
    const struct sampler_ops *ops = hpo_registry_find((const void *const *)sampler_registry, "tpe");
    void *priv = arena_alloc(&arena, ops->plugin.priv_size);

    hpo_opt_defaults(ops->plugin.opts, priv, &arena);
    if (option)
        assert_int_equal(
            hpo_opt_set(hpo_opt_find(ops->plugin.opts, option), priv, value, &arena, NULL), 0);
    assert_int_equal(sampler_open(ret, ops, priv,
                                  &(struct sampler_study){.space = space, .seed = seed}, &arena,
                                  NULL),
                     0);
}

/* A study with everything in it that a history may show: numbers below zero and with gaps, trials
 * of every state, reports, parameters that are not there. */
struct study {
    struct past past;
    struct hpo_trial *trials[400];
    struct hpo_point points[400];
    double values[400][8];
};

static void study_add(struct study *s, const double *v, enum hpo_trial_state state)
{
    int i = s->past.h.n;
    const struct hpo_space *space = s->past.h.space;

    s->trials[i] = past_add(&s->past, space, v, state);
    memcpy(s->values[i], v, sizeof(double) * (size_t)space->n);
    s->trials[i]->values = s->values[i];
    s->trials[i]->number = i < 5 ? i - 5 : 2 * i;
    s->past.h.next = 2 * i + 2;
}

static void study_end(struct study *s, int i, enum hpo_trial_state state, double value)
{
    s->trials[i]->state = state;
    s->trials[i]->value = state == HPO_TRIAL_COMPLETE ? value : NAN;
    s->points[i] = (struct hpo_point){i % 3, value};
    s->trials[i]->points = &s->points[i];
    s->trials[i]->n_points = i % 4 > 0;
}

static void study_free(struct study **two)
{
    for (int k = 0; k < 2; k++) {
        past_release(&two[k]->past);
        free(two[k]);
    }
}

static struct hpo_space *everything(void)
{
    static const double zero = 0, one = 1;
    struct hpo_param p[] = {real_param("lr", 1e-4, 1, 0, true), choice_param("kind", 2),
                            real_param("a", 0, 1, 0, false),    int_param("b", 1, 90, 1, true),
                            real_param("c", 0, .5, .1, false),  int_param("d", 0, 3000, 1, false),
                            real_param("one", 2, 2, 0, false)};

    for (int i = 2; i < 6; i++)
        add_when(&arena, &p[i], 1, i < 4 ? &zero : &one, 1);
    return make_space(&arena, p, 7);
}

/* What a fresh instance says, seven trials being out at a time; the warm one must say the same. */
static void check_warm(const char *option, const char *value)
{
    struct hpo_space *space = everything();
    struct study *s[2] = {calloc(1, sizeof(struct study)), calloc(1, sizeof(struct study))};
    struct sampler warm, fresh;
    double a[8], b[8];

    open_tpe(&warm, space, 5, option, value);
    s[0]->past.h.space = s[1]->past.h.space = space;
    for (int i = 0; i < 300; i++) {
        struct study *now = s[i / 3 % 2]; /* two brackets */
        int n = now->past.h.n;

        if (n > 7 && n % 5)
            study_end(now, n - 7,
                      n % 11 == 0 ? HPO_TRIAL_FAIL
                      : n % 4     ? HPO_TRIAL_COMPLETE
                                  : HPO_TRIAL_PRUNED,
                      pow(now->values[n - 7][0] - .01, 2) + now->values[n - 7][1]);
        if (i % 50 == 49) /* enqueued before with some of its values only */
            now->values[n - 2][0] = 0.5;
        if (i % 60 == 59)
            now->past.h.n -= 3;
        open_tpe(&fresh, space, 5, option, value);
        assert_int_equal(sampler_next(&warm, &now->past.h, &now->past.h, a, NULL), 0);
        assert_int_equal(sampler_next(&fresh, &now->past.h, &now->past.h, b, NULL), 0);
        sampler_close(&fresh);
        assert_memory_equal(a, b, sizeof(double) * (size_t)space->n);
        assert_true(hpo_space_contains(space, a));
        study_add(now, a, HPO_TRIAL_RUNNING);
    }
    sampler_close(&warm);
    study_free(s);
}

static void test_memory(void **state)
{
    check_warm(NULL, NULL);
    check_warm("multivariate", "false");
    check_warm("group", "true");
    check_warm("constant_liar", "false");
}

/* Numbers name the stream of random numbers and nothing else; what runs is bad, as what failed is,
 * or without constant_liar as if it were not there. */
static void test_running(void **state)
{
    static const char *const liar[] = {"true", "false"};
    struct hpo_space *space = everything();
    struct hpo_rng rng = hpo_rng_for(1, -1, -1, "test", 0);

    for (int k = 0; k < 2; k++)
        for (int n = 12; n < 120; n += 9) {
            struct study *s[2] = {calloc(1, sizeof(struct study)), calloc(1, sizeof(struct study))};
            double a[8], b[8];
            struct sampler t;

            s[0]->past.h.space = s[1]->past.h.space = space;
            for (int i = 0; i < n; i++) {
                enum hpo_trial_state out = i % 4 == 3 ? HPO_TRIAL_RUNNING : HPO_TRIAL_COMPLETE;

                for (int j = 0; j < space->n; j++)
                    a[j] = hpo_param_decode(&space->params[j], hpo_rng_uniform(&rng));
                hpo_space_mask(space, a);
                study_add(s[0], a, out);
                s[0]->trials[i]->value = out == HPO_TRIAL_COMPLETE ? i * 7 % 31 : NAN;
                if (k == 1 && out == HPO_TRIAL_RUNNING)
                    continue;
                study_add(s[1], a, out == HPO_TRIAL_RUNNING ? HPO_TRIAL_FAIL : out);
                s[1]->trials[s[1]->past.h.n - 1]->value = s[0]->trials[i]->value;
                s[1]->trials[s[1]->past.h.n - 1]->number = i; /* neither gaps nor below zero */
            }
            s[1]->past.h.next = s[0]->past.h.next;
            open_tpe(&t, space, 3, "constant_liar", liar[k]);
            t.duplicates = true; /* what runs was tried too */
            assert_int_equal(sampler_next(&t, &s[0]->past.h, &s[0]->past.h, a, NULL), 0);
            assert_int_equal(sampler_next(&t, &s[1]->past.h, &s[1]->past.h, b, NULL), 0);
            assert_memory_equal(a, b, sizeof(double) * (size_t)space->n);
            s[0]->past.h.next++;
            assert_int_equal(sampler_next(&t, &s[0]->past.h, &s[0]->past.h, b, NULL), 0);
            assert_true(memcmp(a, b, sizeof(double) * (size_t)space->n) != 0);
            sampler_close(&t);
            study_free(s);
        }
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_running),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
