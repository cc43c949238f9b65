/* What every sampler in the registry must do, on spaces of every shape. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "spaces.h"

#define WIDTH 6 /* parameters of the widest space */

struct shape {
    const char *name;
    struct hpo_space *space;
    int64_t cells; /* -1: infinite */
};

static struct arena arena;
static struct shape shapes[16];
static int n_shapes;

static void shape(const char *name, struct hpo_space *space)
{
    assert_non_null(space);
    shapes[n_shapes++] = (struct shape){name, space, hpo_space_count(space)};
}

static int setup(void **state)
{
    struct hpo_param mixed[] = {
        real_param("float", -1, 2, 0, false),   real_param("log", 1e-4, 1, 0, true),
        real_param("step", 0, 0.5, 0.1, false), int_param("int", 3, 40, 1, false),
        int_param("int log", 1, 64, 1, true),   choice_param("choice", 5),
    };
    struct hpo_param finite[] = {choice_param("a", 3), real_param("s", 0, 0.3, 0.1, false),
                                 int_param("n", 1, 7, 3, false), int_param("l", 1, 3, 1, true)};
    struct hpo_param points[] = {real_param("x", 2, 2, 0, false), int_param("n", 3, 3, 1, false),
                                 choice_param("c", 1)};
    struct hpo_param branch[] = {choice_param("kind", 2), real_param("x", 0, 1, 0, false),
                                 real_param("y", 1e-3, 1, 0, true)};
    struct hpo_param huge[] = {int_param("n", 0, 1e15, 1, false)};
    double one = 1;

    add_when(&arena, &branch[1], 0, &one, 1);
    add_when(&arena, &branch[2], 0, &one, 1);
    shape("nothing to search", make_space(&arena, NULL, 0));
    shape("one point", make_space(&arena, points, 3));
    shape("one choice of two", make_space(&arena, branch, 1));
    shape("finite", make_space(&arena, finite, 4));
    shape("finite and conditional", conditional_space(&arena));
    shape("mixed", make_space(&arena, mixed, 6));
    shape("conditional", make_space(&arena, branch, 3));
    shape("huge", make_space(&arena, huge, 1));
    assert_int_equal(shapes[4].cells, CONDITIONAL_CELLS);
    return 0;
}

static int teardown(void **state)
{
    arena_release(&arena);
    return 0;
}

/* A sampler that cannot search a space says so when it is opened. */
static bool open_on(struct sampler *ret, const struct sampler_ops *ops, const struct shape *shape)
{
    struct hpo_err err = {0};
    int rc = sampler_open(ret, ops, NULL,
                          &(struct sampler_study){.space = shape->space, .seed = 42}, &arena, &err);

    if (!rc)
        return true;
    assert_int_equal(rc, HPO_ECONFIG);
    assert_int_equal(err.rc, HPO_ECONFIG);
    assert_true(strlen(err.msg) > 10);
    assert_true(shape->cells < 0 || shape->cells > 1000000); /* none refuses a small finite space */
    return false;
}

/* The i-th outcome of a made-up study. */
static enum hpo_trial_state outcome(int kind, int i)
{
    static const enum hpo_trial_state mixed[] = {HPO_TRIAL_COMPLETE, HPO_TRIAL_COMPLETE,
                                                 HPO_TRIAL_PRUNED, HPO_TRIAL_RUNNING};

    return kind == 0   ? HPO_TRIAL_COMPLETE
           : kind == 1 ? HPO_TRIAL_FAIL
           : kind == 2 ? mixed[i % 4]
                       : mixed[(i * 7 / 3) % 3];
}
#define OUTCOMES 4

#define EACH_SAMPLER(ops) \
    for (const struct sampler_ops *const *at_ = sampler_registry, *ops = *at_; ops; ops = *++at_)

static void test_described(void **state)
{
    assert_non_null(sampler_registry[0]);
    EACH_SAMPLER(ops)
    {
        assert_true(strlen(ops->plugin.name) > 0 && strlen(ops->plugin.help) > 0);
        assert_non_null(ops->suggest);
        assert_ptr_equal(hpo_registry_find((const void *const *)sampler_registry, ops->plugin.name),
                         ops);
        for (const struct hpo_opt *o = ops->plugin.opts; o && o->name; o++) {
            assert_true(strlen(o->help) > 0 && o->help[strlen(o->help) - 1] != '.');
            assert_true(o->offset < ops->plugin.priv_size);
        }
    }
}

/* Whatever has happened, a proposal lies in the space; the warm instance says what a fresh one
 * says, twice; and a study that is cut off anywhere goes on as if it had not been. */
static void test_pure(void **state)
{
    EACH_SAMPLER(ops)
    for (int k = 0; k < n_shapes; k++)
        for (int kind = 0; kind < OUTCOMES; kind++) {
            const struct shape *shape = &shapes[k];
            struct sampler warm, fresh;
            struct past past = {0};

            if (!open_on(&warm, ops, shape))
                continue;
            past.h.space = shape->space;
            for (int i = 0; i < 60; i++) {
                double a[WIDTH], b[WIDTH];
                int rc = sampler_next(&warm, &past.h, &past.h, a, NULL);

                assert_true(open_on(&fresh, ops, shape));
                assert_int_equal(sampler_next(&fresh, &past.h, &past.h, b, NULL), rc);
                sampler_close(&fresh);
                if (rc) {
                    assert_int_equal(rc, HPO_EDONE);
                    break;
                }
                assert_true(hpo_space_contains(shape->space, a));
                assert_memory_equal(a, b, sizeof(double) * (size_t)shape->space->n);
                assert_int_equal(sampler_next(&warm, &past.h, &past.h, b, NULL), 0);
                assert_memory_equal(a, b, sizeof(double) * (size_t)shape->space->n);
                past_add(&past, shape->space, a, outcome(kind, i));
            }
            sampler_close(&warm);
            past_release(&past);
        }
}

/* Two studies that ask one instance in turn, one with the first two trials swapped: what is kept of
 * one must not show in the other, though they are equally long. */
static void test_two_histories(void **state)
{
    EACH_SAMPLER(ops)
    for (int k = 0; k < n_shapes; k++) {
        const struct shape *shape = &shapes[k];
        size_t bytes = sizeof(double) * (size_t)shape->space->n;
        struct past past[2] = {{.h.space = shape->space}, {.h.space = shape->space}};
        struct sampler warm, fresh;
        double a[WIDTH], b[WIDTH];
        int rc = 0;

        if (shape->cells == 1 || !open_on(&warm, ops, shape))
            continue;
        assert_int_equal(sampler_next(&warm, &past[0].h, &past[0].h, a, NULL), 0);
        past_add(&past[0], shape->space, a, HPO_TRIAL_COMPLETE);
        assert_int_equal(sampler_next(&warm, &past[0].h, &past[0].h, b, NULL), 0);
        past_add(&past[1], shape->space, b, HPO_TRIAL_COMPLETE);
        for (int i = 0; i < 40 && !rc; i++) {
            struct past *p = &past[i % 2];

            assert_true(open_on(&fresh, ops, shape));
            rc = sampler_next(&warm, &p->h, &p->h, a, NULL);
            assert_int_equal(sampler_next(&fresh, &p->h, &p->h, b, NULL), rc);
            sampler_close(&fresh);
            if (!rc) {
                assert_memory_equal(a, b, bytes);
                past_add(p, shape->space, a, HPO_TRIAL_COMPLETE);
            }
        }
        sampler_close(&warm);
        past_release(&past[0]);
        past_release(&past[1]);
    }
}

/* A finite space: every cell once, then the end with a sentence that names their number. */
static void test_exhausted(void **state)
{
    EACH_SAMPLER(ops)
    for (int k = 0; k < n_shapes; k++) {
        const struct shape *shape = &shapes[k];
        struct sampler s;
        struct past past = {0};
        struct hpo_err err = {0};
        double v[WIDTH];
        char number[32];

        if (shape->cells < 0 || shape->cells > 1000)
            continue;
        assert_true(open_on(&s, ops, shape));
        past.h.space = shape->space;
        for (int64_t i = 0; i < shape->cells; i++) {
            assert_int_equal(sampler_next(&s, &past.h, &past.h, v, &err), 0);
            for (int j = 0; j < past.h.n; j++)
                assert_false(hpo_values_equal(shape->space, v, past.trials[j]->values));
            past_add(&past, shape->space, v, outcome(3, (int)i));
        }
        assert_int_equal(sampler_next(&s, &past.h, &past.h, v, &err), HPO_EDONE);
        assert_int_equal(err.rc, HPO_EDONE);
        snprintf(number, sizeof(number), "%lld", (long long)shape->cells);
        if (shape->cells > 1)
            assert_non_null(strstr(err.msg, number));
        sampler_close(&s);
        past_release(&past);
    }
}

/* In an infinite space no configuration comes twice. */
static void test_no_duplicates(void **state)
{
    EACH_SAMPLER(ops)
    for (int k = 0; k < n_shapes; k++) {
        const struct shape *shape = &shapes[k];
        struct past past = {0};
        struct sampler s;
        double v[WIDTH];

        if (shape->cells >= 0 || !open_on(&s, ops, shape))
            continue;
        past.h.space = shape->space;
        for (int i = 0; i < 200; i++) {
            assert_int_equal(sampler_next(&s, &past.h, &past.h, v, NULL), 0);
            for (int j = 0; j < i; j++)
                assert_false(hpo_values_equal(shape->space, v, past.trials[j]->values));
            past_add(&past, shape->space, v, outcome(i % OUTCOMES, i));
        }
        sampler_close(&s);
        past_release(&past);
    }
}

/* The seed of a study matters to what draws, and to nothing else. */
static void test_seeds(void **state)
{
    EACH_SAMPLER(ops)
    {
        struct hpo_history h = {.space = shapes[5].space};
        double a[WIDTH], b[WIDTH];
        struct sampler s;

        if (!open_on(&s, ops, &shapes[5]))
            continue;
        assert_int_equal(sampler_next(&s, &h, &h, a, NULL), 0);
        s.seed = 43;
        assert_int_equal(sampler_next(&s, &h, &h, b, NULL), 0);
        assert_true(memcmp(a, b, sizeof(a)) != 0);
        sampler_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_described),     cmocka_unit_test(test_pure),
        cmocka_unit_test(test_two_histories), cmocka_unit_test(test_exhausted),
        cmocka_unit_test(test_no_duplicates), cmocka_unit_test(test_seeds),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
