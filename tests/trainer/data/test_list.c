#include "tests/trainer/data/make_images.h"

#include "trainer/data/reader.h"

static struct tr_list list_of(const int *count, int classes)
{
    struct tr_list l = {.n_classes = classes};
    int64_t at = 0;

    for (int c = 0; c < classes; c++)
        l.n += count[c];
    l.sample = ARENA_ARRAY(&l.arena, struct tr_sample, l.n);
    for (int c = 0; c < classes; c++)
        for (int i = 0; i < count[c]; i++, at++)
            l.sample[at] = (struct tr_sample){arena_printf(&l.arena, "%08d", (int)at), c, -1};
    return l;
}

static void check(const int *count, int classes, int limit, const int *want)
{
    struct tr_list a = list_of(count, classes), b = list_of(count, classes);
    int got[8] = {0};

    tr_list_limit(&a, limit, 7);
    tr_list_limit(&b, limit, 7);
    assert_int_equal(a.n, b.n);
    for (int64_t i = 0; i < a.n; i++) {
        got[a.sample[i].label]++;
        assert_string_equal(a.sample[i].path, b.sample[i].path);
        if (i)
            assert_true(strcmp(a.sample[i - 1].path, a.sample[i].path) < 0);
    }
    for (int c = 0; c < classes; c++)
        assert_int_equal(got[c], want[c]);
    tr_list_release(&a);
    tr_list_release(&b);
}

static void test_shares(void **state)
{
    check((int[]){50, 50}, 2, 10, (int[]){5, 5});
    check((int[]){90, 10}, 2, 10, (int[]){9, 1});
    check((int[]){900, 100}, 2, 99, (int[]){89, 10});
    check((int[]){50, 30, 21}, 3, 10, (int[]){5, 3, 2});
    check((int[]){50, 50}, 2, 0, (int[]){50, 50});
    check((int[]){50, 50}, 2, 200, (int[]){50, 50});
    check((int[]){3, 4}, 2, 7, (int[]){3, 4});
}

static void test_each_gets_one(void **state)
{
    check((int[]){1000, 1, 1, 1}, 4, 10, (int[]){7, 1, 1, 1});
    check((int[]){1000, 1000, 1, 1}, 4, 10, (int[]){4, 4, 1, 1});
    check((int[]){500, 500, 1}, 3, 10, (int[]){5, 4, 1});
    check((int[]){1000, 1, 1, 0}, 4, 3, (int[]){1, 1, 1, 0});
    check((int[]){1000, 400, 1, 1}, 4, 4, (int[]){1, 1, 1, 1});
}

static void test_seed_matters(void **state)
{
    struct tr_list a = list_of((int[]){100, 100}, 2), b = list_of((int[]){100, 100}, 2);
    int same = 0;

    tr_list_limit(&a, 50, 1);
    tr_list_limit(&b, 50, 2);
    for (int i = 0; i < 50; i++)
        same += !strcmp(a.sample[i].path, b.sample[i].path);
    assert_true(same < 50);
    tr_list_release(&a);
    tr_list_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_each_gets_one),
        cmocka_unit_test(test_seed_matters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
