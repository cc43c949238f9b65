#include "tests/trainer/parts.h"
#include "trainer/averaging.h"

extern const struct averaging_ops averaging_swa;

/* Ten epochs from 0.75 on: the ends of epochs 8 and 9 (from 0). */
static void plan(void **state)
{
    struct arena a = {0};
    const void *o = make_priv(&a, &averaging_swa.plugin, "start=0.75");
    double average = 0, weights[10], want;

    (void)state;
    for (int e = 0; e < 10; e++) {
        struct averaging_at at = {.updates = 4 * e + 4, .epoch = e, .epochs = 10, .last = true};
        double d = averaging_swa.decay(o, &at);

        weights[e] = e * e + 1;
        average = d * average + (1 - d) * weights[e];
        want = e <= 8 ? weights[e] : (weights[8] + weights[9]) / 2;
        assert_near(average, want, 1e-12);
        assert_int_equal(averaging_swa.estimates(o, e, 10), e == 9);
        at.last = false;
        assert_near(averaging_swa.decay(o, &at), 1, 0);
    }
    arena_release(&a);
}

/* The last epoch's end always counts. */
static void edges(void **state)
{
    struct arena a = {0};
    const void *o = make_priv(&a, &averaging_swa.plugin, "start=0.999");
    struct averaging_at at = {.updates = 1, .epoch = 0, .epochs = 1, .last = true};

    (void)state;
    assert_near(averaging_swa.decay(o, &at), 0, 0);
    assert_false(averaging_swa.estimates(o, 0, 1));
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plan), cmocka_unit_test(edges)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
