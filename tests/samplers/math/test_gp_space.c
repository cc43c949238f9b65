#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "base/rng.h"
#include "samplers/math/gp_space.h"
#include "spaces.h"

static struct arena arena;

static struct hpo_space *all_kinds(void)
{
    const double one = 1;
    struct hpo_param p[] = {
        real_param("float", -1, 2, 0, false),
        real_param("log", 1e-4, 1, 0, true),
        real_param("step", 0, 0.5, 0.1, false),
        int_param("int", 3, 40, 1, false),
        int_param("int log", 1, 64, 1, true),
        choice_param("choice", 5),
        int_param("huge", 0, 1e15, 1, false),
        int_param("single", 7, 7, 1, false),
        int_param("long log", 1, 1e9, 1, true),
        real_param("child", 0, 1, 0, false),
        choice_param("only", 1),
        choice_param("sub", 3),
    };

    add_when(&arena, &p[9], 5, &one, 1);
    add_when(&arena, &p[11], 5, &one, 1);
    return make_space(&arena, p, HPO_LEN(p));
}

/* Every value comes back as itself, and what is drawn lies in the space. */
static void test_round_trip(void **state)
{
    struct hpo_space *space = all_kinds();
    struct gp_space z;
    struct hpo_rng rng = hpo_rng_for(1, -1, -1, "test", 0);
    double coords[12], again[12], values[12], back[12];

    gp_space_init(&z, space, &arena);
    assert_int_equal(z.d, 10);
    assert_true(z.conditional);
    assert_int_equal(z.axes[6].kind, GP_REAL); /* huge */
    assert_int_equal(z.axes[7].kind, GP_GRID); /* long log */
    for (int i = 0; i < 500; i++) {
        for (int j = 0; j < z.d; j++)
            coords[j] = gp_axis_draw(&z.axes[j], hpo_rng_uniform(&rng));
        gp_space_values(&z, coords, values);
        assert_true(hpo_space_contains(space, values));
        assert_true(gp_space_read(&z, values, again));
        gp_space_values(&z, again, back);
        for (int j = 0; j < space->n; j++)
            if (space->params[j].step > 0 || space->params[j].kind != HPO_PARAM_FLOAT)
                assert_true(values[j] == back[j] || (isnan(values[j]) && isnan(back[j])));
            else if (!isnan(values[j]))
                assert_true(fabs(values[j] - back[j]) < 1e-14);
        for (int j = 0; j < z.d; j++) {
            const struct gp_axis *axis = &z.axes[j];

            if (axis->kind != GP_REAL)
                assert_true(gp_axis_at(axis, gp_axis_index(axis, coords[j])) == coords[j]);
        }
    }
    for (int j = 0; j < z.d; j++) /* the bounds can be reached */
        coords[j] = z.axes[j].kind == GP_CHOICE ? 1 : 1.0;
    gp_space_values(&z, coords, values);
    assert_true(values[0] == 2 && values[1] == 1 && values[2] == 0.5 && values[6] == 1e15);
    assert_true(values[9] == 1 && values[7] == 7 && values[10] == 0);
    coords[0] = coords[1] = 0;
    gp_space_values(&z, coords, values);
    assert_true(values[0] == -1 && values[1] == 1e-4);
}

/* Optuna's normalization: steps widened by half, logarithms first. */
static void test_coordinates(void **state)
{
    struct hpo_space *space = all_kinds();
    double values[] = {0.5, 1e-2, 0.2, 12, 8, 1, 5e14, 7, 1000, 0.25, 0, 2}, coords[12];
    struct gp_space z;

    gp_space_init(&z, space, &arena);
    assert_true(gp_space_read(&z, values, coords));
    assert_true(fabs(coords[0] - 0.5) < 1e-15);
    assert_true(fabs(coords[1] - 0.5) < 1e-15);
    assert_true(fabs(coords[2] - 2.5 / 6) < 1e-15);
    assert_true(fabs(coords[3] - 9.5 / 38) < 1e-15);
    assert_true(fabs(coords[4] - log(8 / 0.5) / log(64.5 / 0.5)) < 2e-3); /* the cell's middle */
    assert_true(coords[5] == 1 && fabs(coords[6] - 0.5) < 1e-15 && coords[8] == 0.25);
    assert_true(coords[9] == 2);
}

static void test_foreign(void **state)
{
    struct hpo_space *space = all_kinds();
    const double good[] = {0.5, 1e-2, 0.2, 12, 8, 1, 5e14, 7, 1000, 0.25, 0, 2};
    double values[12], coords[12];
    struct gp_space z;

    gp_space_init(&z, space, &arena);
    for (int i = 0; i < space->n; i++) {
        const double bad[] = {NAN, INFINITY, -1e300, 1e300};

        for (size_t k = 0; k < HPO_LEN(bad); k++) {
            memcpy(values, good, sizeof(good));
            values[i] = bad[k];
            /* Nobody looks at what has only one value. */
            assert_int_equal(gp_space_read(&z, values, coords), i == 7 || i == 10);
        }
    }
    memcpy(values, good, sizeof(good));
    values[5] = 0.5;
    assert_false(gp_space_read(&z, values, coords));
    /* A value where the parameter is inactive does not matter. */
    values[5] = 0;
    values[9] = values[11] = 1e300;
    assert_true(gp_space_read(&z, values, coords));
}

/* Distances between features: 0 of two inactive ones, GP_SPACE_INACTIVE and more of one. */
static void test_conditions(void **state)
{
    const double one = 1;
    struct hpo_param p[] = {choice_param("kind", 2), real_param("x", 0, 1, 0, false),
                            choice_param("c", 2)};
    double weights[] = {0, 1, 0}, weight[4], a[4], b[4], k, q;
    bool active[3];
    struct gp_space z;

    add_when(&arena, &p[1], 0, &one, 1);
    add_when(&arena, &p[2], 0, &one, 1);
    gp_space_init(&z, make_space(&arena, p, 3), &arena);
    assert_int_equal(z.shape.n_numeric, 1);
    assert_int_equal(z.shape.n_nominal, 3);
    gp_feature_weights(&z.shape, weights, weight);
    gp_space_active(&z, (double[]){0, 0.9, 1}, active);
    assert_true(active[0] && !active[1] && !active[2]);
    gp_space_features(&z, (double[]){0, 0.9, 1}, active, a);
    gp_space_features(&z, (double[]){0, 0.1, 0}, active, b);
    assert_memory_equal(a, b, sizeof(a));
    gp_space_active(&z, (double[]){1, 0.9, 1}, active);
    assert_true(active[0] && active[1] && active[2]);
    gp_space_features(&z, (double[]){1, 0.9, 1}, active, b);
    q = sqrt(5 * (GP_SPACE_INACTIVE + 0.16));
    k = gp_kernel(&z.shape, weight, 1, a, b);
    assert_true(fabs(k - (1 + q + q * q / 3) * exp(-q)) < 1e-15);
    weights[1] = 0;
    weights[2] = 1; /* an inactive choice is one more */
    gp_feature_weights(&z.shape, weights, weight);
    q = sqrt(5);
    k = gp_kernel(&z.shape, weight, 1, a, b);
    assert_true(fabs(k - (1 + q + q * q / 3) * exp(-q)) < 1e-15);
}

static int release(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_coordinates),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_conditions),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
