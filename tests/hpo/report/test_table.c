#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "hpo/report/table.h"

static void widths_are_characters(void **state)
{
    assert_int_equal(table_text_width(""), 0);
    assert_int_equal(table_text_width("caf\303\251 \302\261"), 6);
}

static void make(struct table *t, struct arena *a)
{
    table_init(t, a, 3);
    table_column(t, 0, "n", TABLE_RIGHT);
    table_column(t, 1, "empty", TABLE_DROP);
    table_column(t, 2, "text", TABLE_CUT);
    for (int i = 0; i < 2; i++) {
        int row = table_row(t, NULL);

        table_cell(t, row, 0, i ? "100" : "1");
        table_cell(t, row, 2, i ? "caf\303\251 caf\303\251 caf\303\251" : "a\tb\n");
    }
}

static void alignment(void **state)
{
    struct arena a = {0};
    struct str s = {0};
    struct table t;

    make(&t, &a);
    assert_int_equal(table_print(&t, 0, &s), 0);
    assert_string_equal(str_c(&s), "  n  text\n"
                                   "  1  a b \n"
                                   "100  caf\303\251 caf\303\251 caf\303\251\n");
    str_clear(&s);
    make(&t, &a);
    assert_int_equal(table_print(&t, 17, &s), 0);
    assert_string_equal(str_c(&s), "  n  text\n"
                                   "  1  a b \n"
                                   "100  caf\303\251 caf\303\251...\n");
    str_release(&s);
    arena_release(&a);
}

/* A hundred columns on any terminal: never wider than it, as long as the first two fit. */
static void never_too_wide(void **state)
{
    for (int width = 14; width < 300; width += 7) {
        struct arena a = {0};
        struct str s = {0};
        struct table t;
        int line = 0, dropped;

        table_init(&t, &a, 52);
        for (int c = 0; c < 52; c++)
            table_column(&t, c, "title", c < 2 ? 0 : TABLE_DROP);
        for (int r = 0; r < 200; r++) {
            int row = table_row(&t, NULL);

            for (int c = 0; c < 52; c++)
                table_cell(&t, row, c, "123");
        }
        dropped = table_print(&t, width, &s);
        for (const char *p = str_c(&s); *p; p++) {
            line = *p == '\n' ? 0 : line + 1;
            assert_true(line <= width);
        }
        assert_int_equal(dropped, 52 - ((width + 2) / 7 < 52 ? (width + 2) / 7 : 52));
        str_release(&s);
        arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_are_characters),
        cmocka_unit_test(alignment),
        cmocka_unit_test(never_too_wide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
