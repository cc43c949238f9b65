#include "tests/trainer/parts.h"
#include "trainer/averaging.h"

extern const struct averaging_ops averaging_lookahead;

static double decay_at(const char *sets, int64_t updates, int64_t total)
{
    struct arena a = {0};
    const void *opts = make_priv(&a, &averaging_lookahead.plugin, sets);
    const struct averaging_at at = {.updates = updates, .total = total, .epochs = 3};
    double d = averaging_lookahead.decay(opts, &at);

    /* What is not averaged is not adopted. */
    assert_int_equal(averaging_lookahead.adopts(opts, &at), d < 1);
    arena_release(&a);
    return d;
}

/* timm: every k steps slow += alpha (fast - slow). */
static void plain(void **state)
{
    (void)state;
    for (int t = 1; t < 20; t++)
        assert_near(decay_at("", t, 100), t % 6 ? 1 : 0.5, 0);
    assert_near(decay_at("alpha=0.8 k=1", 1, 100), 0.2, 1e-15);
    assert_near(decay_at("alpha=1 k=1", 1, 100), 0, 0);
}

/* 0.95**5 * (t / T)**3, every five steps. */
static void airbench(void **state)
{
    const char *sets = "alpha=0.2262190625 k=5 power=3";

    (void)state;
    assert_near(decay_at(sets, 5, 500), pow(0.95, 5) * 1e-6, 1e-15);
    assert_near(decay_at(sets, 250, 500), pow(0.95, 5) / 8, 1e-15);
    assert_near(decay_at(sets, 500, 500), pow(0.95, 5), 1e-15);
    assert_near(decay_at(sets, 499, 500), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain), cmocka_unit_test(airbench)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
