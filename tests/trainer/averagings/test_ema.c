#include "tests/trainer/parts.h"
#include "trainer/averaging.h"

extern const struct averaging_ops averaging_ema;

static double decay_at(const char *sets, int64_t updates)
{
    struct arena a = {0};
    double d = averaging_ema.decay(make_priv(&a, &averaging_ema.plugin, sets),
                                   &(struct averaging_at){.updates = updates, .epochs = 3});

    arena_release(&a);
    return d;
}

/* timm's ModelEmaV3 with use_warmup, warmup_gamma 1, warmup_power 2/3: the first step copies. */
static void warmup(void **state)
{
    (void)state;
    assert_near(decay_at("decay=0.999", 1), 0, 0);
    assert_near(decay_at("decay=0.999", 2), 1 - pow(2, -2.0 / 3), 1e-15);
    assert_near(decay_at("decay=0.999", 1000), 1 - pow(1000, -2.0 / 3), 1e-15);
    assert_near(decay_at("decay=0.9", 1000), 0.9, 0);
    assert_near(decay_at("decay=0.999 warmup=false", 1), 0.999, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(warmup)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
