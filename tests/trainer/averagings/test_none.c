#include "tests/trainer/parts.h"
#include "trainer/averaging.h"

extern const struct averaging_ops averaging_none;

static void nothing(void **state)
{
    (void)state;
    assert_false(averaging_none.averages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
