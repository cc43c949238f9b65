/* The words of devices.use, and how cores are shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hpo/devices.h"
#include "hpo/spawn.h"

static int resolve(const char *use, int slots, int threads, struct arena *a,
                   struct device_spec **ret, int *n, struct hpo_err *err)
{
    struct study_config c = {.study = {.trials = 100}, .devices = {use, slots, threads}};

    return devices_resolve(&c, a, ret, n, err);
}

static void test_words(void **state)
{
    struct arena a = {0};
    struct hpo_err err = {0};
    struct device_spec *d;
    int n;

    (void)state;
    assert_int_equal(resolve("cpu", 1, -1, &a, &d, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_string_equal(d[0].name, "cpu");
    assert_int_equal(d[0].threads, cpu_cores());
    assert_int_equal(resolve("cpu,cpu", 1, -1, &a, &d, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_string_equal(d[1].name, "cpu#2");
    assert_int_equal(d[0].threads, cpu_cores() / 2 > 0 ? cpu_cores() / 2 : 1);
    assert_int_equal(resolve("cpu", 2, 3, &a, &d, &n, NULL), 0);
    assert_int_equal(d[0].slots, 2);
    assert_int_equal(d[0].threads, 3);
    assert_int_equal(resolve("tpu", 1, -1, &a, &d, &n, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "tpu"));
    assert_int_equal(resolve("cpu:7", 1, -1, &a, &d, &n, &err), HPO_EDEVICE);
    assert_int_equal(resolve("cpu:x", 1, -1, &a, &d, &n, &err), HPO_ECONFIG);
    arena_release(&a);
}

static void test_automatic_slots(void **state)
{
    int cores = cpu_cores(), at_once = cores < 8 ? cores : 8, n;
    struct study_config one = {.study = {.trials = 1}, .devices = {"cpu", -1, -1}};
    struct arena a = {0};
    struct device_spec *d;

    (void)state;
    assert_int_equal(resolve("cpu", -1, -1, &a, &d, &n, NULL), 0);
    assert_int_equal(d[0].slots, at_once);
    assert_int_equal(d[0].threads, cores / at_once);
    assert_int_equal(resolve("cpu", -1, cores, &a, &d, &n, NULL), 0);
    assert_int_equal(d[0].slots, 1);
    assert_int_equal(d[0].threads, cores);
    /* A single trial gets every core. */
    assert_int_equal(devices_resolve(&one, &a, &d, &n, NULL), 0);
    assert_int_equal(d[0].slots, 1);
    assert_int_equal(d[0].threads, cores);
    arena_release(&a);
}

static void test_how_a_process_ended(void **state)
{
    char buf[128];

    (void)state;
    describe_exit(9, buf, sizeof(buf));
    assert_string_equal(buf, "was killed by signal 9 (Killed)");
    describe_exit(3 << 8, buf, sizeof(buf));
    assert_string_equal(buf, "ended with status 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_automatic_slots),
        cmocka_unit_test(test_how_a_process_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
