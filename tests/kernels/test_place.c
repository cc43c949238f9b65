/* Placement: what lives together shares no byte, what does not may, and everything is aligned. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>

#include "base/rng.h"
#include "kernels/place.h"

static void check(const struct kn_bufs *b)
{
    for (int i = 0; i < b->n; i++) {
        const struct kn_buf *x = &b->item[i];

        assert_int_equal(x->offset % b->align, 0);
        assert_true(x->offset + x->bytes <= b->total);
        for (int k = 0; k < i; k++) {
            const struct kn_buf *y = &b->item[k];
            bool together = x->first <= y->last && y->first <= x->last;
            bool overlap = x->offset < y->offset + y->bytes && y->offset < x->offset + x->bytes;

            assert_false(together && overlap);
        }
    }
}

static void test_random(void **state)
{
    for (int round = 0; round < 200; round++) {
        struct hpo_rng r = hpo_rng_for(1, round, -1, "place", 0);
        struct kn_bufs b = {.align = (size_t)64 << hpo_rng_below(&r, 3)};
        size_t alone = 0;
        int n = 1 + (int)hpo_rng_below(&r, 40);

        for (int i = 0; i < n; i++) {
            int first = (int)hpo_rng_below(&r, 30);
            size_t bytes = 1 + (size_t)hpo_rng_below(&r, 10000);

            assert_int_equal(kn_buf_add(&b, bytes, first, first + (int)hpo_rng_below(&r, 10)), i);
            alone += kn_align_up(bytes, b.align);
        }
        kn_bufs_place(&b);
        check(&b);
        assert_true(b.total <= alone);
        kn_buf_lives_until(&b, 0, 100); /* and once more, with one that lives on */
        kn_bufs_place(&b);
        check(&b);
        kn_bufs_release(&b);
    }
}

static void test_shares(void **state)
{
    struct kn_bufs b = {.align = 64};

    assert_int_equal(kn_buf_add(&b, 0, 0, 9), -1);
    kn_buf_add(&b, 1000, 0, 1);
    kn_buf_add(&b, 1000, 2, 3);
    kn_buf_add(&b, 1000, 4, 5);
    kn_bufs_place(&b);
    assert_int_equal(b.total, 1024);
    kn_bufs_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_shares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
