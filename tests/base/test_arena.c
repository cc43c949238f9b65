#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"

/* Zeroed, aligned, and no two overlap, over sizes around the block size. */
static void test_alloc(void **state)
{
    struct hpo_rng r = hpo_rng_for(3, -1, -1, "arena", 0);
    enum { N = 2000 };
    unsigned char *p[N];
    size_t size[N];
    struct arena a = {0};

    for (int i = 0; i < N; i++) {
        size[i] = hpo_rng_below(&r, i % 50 ? 200 : 40000);
        p[i] = arena_alloc(&a, size[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(p[i][k], 0);
        if (size[i])
            memset(p[i], i & 255, size[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(p[i][k], i & 255);
    arena_release(&a);
    assert_null(a.last);
    arena_release(&a);
    assert_non_null(arena_alloc(&a, 0));
    arena_release(&a);
}

static void test_copies(void **state)
{
    char *longer = xmalloc(100001), *dup;
    struct arena a = {0};
    int numbers[3] = {1, 2, 3}, *copy;

    memset(longer, 'y', 100000);
    longer[100000] = 0;
    copy = arena_dup(&a, numbers, sizeof(numbers));
    assert_memory_equal(copy, numbers, sizeof(numbers));
    assert_ptr_not_equal(copy, numbers);
    assert_non_null(arena_dup(&a, NULL, 0));
    assert_null(arena_strdup(&a, NULL));
    assert_string_equal(arena_strdup(&a, "abc"), "abc");
    assert_string_equal(arena_strdup(&a, ""), "");
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
    assert_string_equal(arena_printf(&a, "%d %s", 5, "x"), "5 x");
    assert_string_equal(arena_printf(&a, "%s", ""), "");
    assert_string_equal(arena_printf(&a, "%s", longer), longer);
    arena_release(&a);
    dup = xstrdup(longer);
    assert_string_equal(dup, longer);
    dup = xrealloc(dup, 200000);
    assert_int_equal(strlen(dup), 100000);
    free(dup);
    free(longer);
}

static void test_x(void **state)
{
    unsigned char *p = xcalloc(10, 10);

    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    free(p);
    p = xmalloc(0);
    assert_non_null(p);
    free(p);
    p = xcalloc(0, 8);
    assert_non_null(p);
    free(p);
    p = xrealloc(NULL, 0);
    assert_non_null(p);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_x),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
