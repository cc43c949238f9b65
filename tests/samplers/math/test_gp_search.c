#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "samplers/math/gp_ei.h"
#include "samplers/math/gp_search.h"
#include "spaces.h"

static struct arena arena;

/* n observations of a space, with fixed parameters. */
struct scene {
    struct gp_space space;
    struct gp gp;
    struct gp_search search;
    double *coords, *y;
};

static void scene_init(struct scene *z, const struct hpo_space *space, double (*f)(const double *),
                       int n)
{
    struct hpo_rng rng = hpo_rng_for(3, -1, -1, "test", 0);
    double *weights, *x, values[8];
    struct gp_params p = {NULL, 1, 1e-4};
    bool active[8];

    gp_space_init(&z->space, space, &arena);
    weights = ARENA_ARRAY(&arena, double, z->space.d);
    x = ARENA_ARRAY(&arena, double, n *gp_width(&z->space.shape));
    z->coords = ARENA_ARRAY(&arena, double, n * z->space.d);
    z->y = ARENA_ARRAY(&arena, double, n);
    z->search = (struct gp_search){&z->gp, &z->space, INFINITY, z->coords, z->y, n, false, true};
    for (int j = 0; j < z->space.d; j++)
        weights[j] = 6;
    for (int i = 0; i < n; i++) {
        double *row = z->coords + i * z->space.d;

        for (int j = 0; j < z->space.d; j++)
            row[j] = gp_axis_draw(&z->space.axes[j], hpo_rng_uniform(&rng));
        gp_space_values(&z->space, row, values);
        gp_space_active(&z->space, row, active);
        gp_space_features(&z->space, row, active, x + i * gp_width(&z->space.shape));
        z->y[i] = f(values);
        z->search.best = fmin(z->search.best, z->y[i]);
    }
    p.weights = weights;
    gp_condition(&z->gp, &z->space.shape, &p, x, z->y, n, &arena);
}

static double promise(struct scene *z, const double *coords)
{
    double features[16], k[64], var;
    bool active[8];

    gp_space_active(&z->space, coords, active);
    gp_space_features(&z->space, coords, active, features);
    gp_covariances(&z->gp, features, 1, k, NULL);
    var = gp_mean(&z->gp, k);
    features[0] = var;
    gp_variances(&z->gp, k, 1, &var);
    return gp_log_ei(features[0], var, z->search.best, NULL, NULL);
}

static double bowl(const double *v)
{
    return 4 * pow(v[0] - 0.37, 2) + 3 * pow(v[1] - 0.8, 2) - 1;
}

/* Nothing on a fine grid promises more than what is found, whatever the chance. */
static void test_finds_the_maximum(void **state)
{
    struct hpo_param p[] = {real_param("x", 0, 1, 0, false), real_param("y", 0, 1, 0, false)};
    struct scene z;
    double highest = -INFINITY, *found;

    scene_init(&z, make_space(&arena, p, 2), bowl, 12);
    for (int i = 0; i <= 200; i++)
        for (int j = 0; j <= 200; j++)
            highest = fmax(highest, promise(&z, (double[]){i / 200.0, j / 200.0}));
    for (int seed = 0; seed < 10; seed++) {
        struct hpo_rng rng = hpo_rng_for((uint64_t)seed, -1, -1, "test", 0);
        int n = gp_search(&z.search, &rng, &found, &arena);

        assert_true(n > 0);
        assert_true(promise(&z, found) > highest - 1e-3);
        for (int i = 1; i < n; i++)
            assert_true(promise(&z, found + 2 * i) <= promise(&z, found + 2 * i - 2) + 1e-9);
    }
}

static double steps(const double *v)
{
    return pow((v[0] - 300) / 150, 2) + pow(log2(v[1] / 24), 2) / 3 + (v[2] != 2) * 0.5;
}

/* All discrete: as good as all of it, and nothing that was observed. */
static void test_discrete(void **state)
{
    struct hpo_param p[] = {int_param("n", 0, 600, 1, false), int_param("w", 1, 100, 1, true),
                            choice_param("c", 4)};
    struct scene z;
    double highest = -INFINITY, *found;

    scene_init(&z, make_space(&arena, p, 3), steps, 25);
    for (int c = 0; c < 4; c++)
        for (int i = 0; i <= 600; i += 3)
            for (int w = 0; w < 100; w++)
                highest =
                    fmax(highest, promise(&z, (double[]){gp_axis_at(&z.space.axes[0], i),
                                                         gp_axis_at(&z.space.axes[1], w), c}));
    for (int seed = 0; seed < 10; seed++) {
        struct hpo_rng rng = hpo_rng_for((uint64_t)seed, -1, -1, "test", 0);
        int n = gp_search(&z.search, &rng, &found, &arena);

        assert_true(n > 0);
        assert_true(promise(&z, found) > highest - 0.02);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < 25; k++)
                assert_true(memcmp(found + 3 * i, z.coords + 3 * k, sizeof(double) * 3) != 0);
    }
}

/* The only good place is in a branch that few points are in. */
static double branches(const double *v)
{
    return v[0] == 6 ? pow(v[1] - 0.7, 2) + 0.3 * (v[2] != 1) - 1 : v[3] / 10;
}

static void test_conditional(void **state)
{
    const double six = 6, others[] = {0, 1, 2, 3, 4, 5, 7};
    struct hpo_param p[] = {choice_param("kind", 8), real_param("x", 0, 1, 0, false),
                            choice_param("c", 3), real_param("y", 0, 1, 0, false)};
    struct hpo_space *space;
    struct scene z;
    double *found, v[4];

    add_when(&arena, &p[1], 0, &six, 1);
    add_when(&arena, &p[2], 0, &six, 1);
    add_when(&arena, &p[3], 0, others, 7);
    space = make_space(&arena, p, 4);
    scene_init(&z, space, branches, 60);
    for (int seed = 0; seed < 10; seed++) {
        struct hpo_rng rng = hpo_rng_for((uint64_t)seed, -1, -1, "test", 0);

        assert_true(gp_search(&z.search, &rng, &found, &arena) > 0);
        gp_space_values(&z.space, found, v);
        assert_true(hpo_space_contains(space, v));
        assert_true(v[0] == 6 && v[2] == 1 && isnan(v[3]));
    }
}

/* A space of which all was observed has nothing left, unless repetition is welcome. */
static void test_exhausted(void **state)
{
    struct hpo_param p[] = {choice_param("c", 3), int_param("n", 1, 2, 1, false)};
    struct scene z;
    struct hpo_rng rng = hpo_rng_for(1, -1, -1, "test", 0);
    double *found;

    scene_init(&z, make_space(&arena, p, 2), bowl, 50);
    assert_int_equal(gp_search(&z.search, &rng, &found, &arena), 0);
    z.search.climb = false;
    assert_int_equal(gp_search(&z.search, &rng, &found, &arena), 0);
    z.search.repeat = true;
    assert_true(gp_search(&z.search, &rng, &found, &arena) > 0);
    z.search.climb = true;
    assert_true(gp_search(&z.search, &rng, &found, &arena) > 0);
}

/* Without climbing, chance decides. */
static void test_chance(void **state)
{
    struct hpo_param p[] = {real_param("x", 0, 1, 0, false), real_param("y", 0, 1, 0, false)};
    struct scene z;
    double *found, least = INFINITY, most = -INFINITY;

    scene_init(&z, make_space(&arena, p, 2), bowl, 12);
    z.search.climb = false;
    for (int seed = 0; seed < 30; seed++) {
        struct hpo_rng rng = hpo_rng_for((uint64_t)seed, -1, -1, "test", 0);

        assert_true(gp_search(&z.search, &rng, &found, &arena) > 0);
        least = fmin(least, found[0]);
        most = fmax(most, found[0]);
    }
    assert_true(most - least > 0.02);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_the_maximum),
        cmocka_unit_test(test_discrete),
        cmocka_unit_test(test_conditional),
        cmocka_unit_test(test_exhausted),
        cmocka_unit_test(test_chance),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
