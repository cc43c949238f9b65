#include "tests/trainer/optimizers/trajectory.h"

extern const struct optimizer_ops optimizer_sgd;

static void momentum(void **state)
{
    const double want[][2] = {
        {0.699, -1.798}, {0.217701, -1.434602}, {-0.280996101, -0.962648998}};

    (void)state;
    check_trajectory(&optimizer_sgd, "lr=0.1 momentum=0.9 weight_decay=0.01", want, 3);
}

static void nesterov(void **state)
{
    const double want[][2] = {
        {0.4281, -1.6162}, {-0.06054039, -1.14243122}, {-0.349721402, -0.6437193469}};

    (void)state;
    check_trajectory(&optimizer_sgd, "momentum=0.9 nesterov=true weight_decay=0.01", want, 3);
}

/* w -= lr g, with or without the word nesterov: there is no momentum to look along. */
static void plain(void **state)
{
    const double want[][2] = {{0.7, -1.8}, {0.49, -1.62}, {0.343, -1.458}};

    (void)state;
    check_trajectory(&optimizer_sgd, "", want, 3);
    check_trajectory(&optimizer_sgd, "nesterov=true", want, 3);
    assert_false(lowered(&optimizer_sgd, "nesterov=true", NULL).nesterov);
    assert_true(lowered(&optimizer_sgd, "nesterov=true momentum=0.5", NULL).nesterov);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(momentum), cmocka_unit_test(nesterov),
                                       cmocka_unit_test(plain)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
