#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/diag.h"

static void test_sorted(void **state)
{
    struct arena a = {0};
    struct diags d = {.arena = &a};
    struct str s = {0};

    diag_print(&d, &s);
    assert_string_equal(str_c(&s), "");
    diag_add(&d, "f.yaml", 12, 3, "later %d", 1);
    diag_add(&d, "f.yaml", 2, 30, "second");
    diag_add(&d, "f.yaml", 2, 4, "first");
    diag_add(&d, "--set a=b", 0, 0, "elsewhere");
    diag_add(&d, "f.yaml", 2, 30, "same place");
    diag_print(&d, &s);
    assert_string_equal(s.s, "--set a=b: elsewhere\nf.yaml:2:4: first\nf.yaml:2:30: same place\n"
                             "f.yaml:2:30: second\nf.yaml:12:3: later 1\n");
    str_release(&s);
    arena_release(&a);
}

static void test_bounded(void **state)
{
    struct arena a = {0};
    struct diags d = {.arena = &a};
    struct str s = {0};
    char big[4000];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    for (int i = 0; i < DIAG_MAX + 7; i++)
        diag_add(&d, "f", i + 1, 1, "%s", big);
    assert_int_equal(d.n, DIAG_MAX);
    assert_int_equal(d.dropped, 7);
    diag_print(&d, &s);
    assert_non_null(strstr(s.s, "... and 7 more\n"));
    assert_true(s.n < DIAG_MAX * 1100);
    str_release(&s);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted),
        cmocka_unit_test(test_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
