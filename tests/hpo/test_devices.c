/* The words of devices.use, and how cores are shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "hpo/devices.h"
#include "hpo/objective.h"
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

static int resolve_free(const char *use, int slots, struct arena *a, struct device_spec **ret,
                        int *n, struct hpo_err *err)
{
    static const struct objective_ops free_one = {.trains = false};
    struct study_config c = {
        .study = {.trials = 100}, .devices = {use, slots, -1}, .objective = {.ops = &free_one}};

    return devices_resolve(&c, a, ret, n, err);
}

/* An objective that trains nothing may use any GPU there is, or none. */
static void test_without_training(void **state)
{
    int gpus = gpu_count(GPU_DRIVER_FOLDER, getenv("CUDA_VISIBLE_DEVICES")), n;
    struct hpo_err err = {0};
    struct device_spec *d;
    struct arena a = {0};

    (void)state;
    assert_int_equal(resolve_free("cpu", -1, &a, &d, &n, NULL), 0);
    assert_int_equal(d[0].slots, 1); /* what else it does is its own affair */
    assert_int_equal(d[0].threads, cpu_cores());
    assert_int_equal(resolve_free("cpu", 3, &a, &d, &n, NULL), 0);
    assert_int_equal(d[0].slots, 3);
    assert_int_equal(resolve_free("auto", -1, &a, &d, &n, NULL), 0);
    assert_int_equal(n, gpus > 0 ? gpus : 1);
    assert_string_equal(d[0].kind, gpus > 0 ? "cuda" : "cpu");
    assert_int_equal(resolve_free("cpu:1", -1, &a, &d, &n, &err), HPO_EDEVICE);
    assert_int_equal(resolve_free("tpu", -1, &a, &d, &n, &err), HPO_ECONFIG);
    assert_int_equal(resolve_free("cuda:x", -1, &a, &d, &n, &err), HPO_ECONFIG);
    if (gpus == 0) {
        assert_int_equal(resolve_free("cuda", -1, &a, &d, &n, &err), HPO_EDEVICE);
        assert_non_null(strstr(err.msg, "programs see 0 GPUs here"));
    } else { /* nobody knows, or there is one */
        assert_int_equal(resolve_free("cuda,cpu,cuda:0", -1, &a, &d, &n, NULL), 0);
        assert_int_equal(n, 3);
        assert_string_equal(d[0].kind, "cuda");
        assert_int_equal(d[0].index, 0);
        assert_string_equal(d[2].name, "cuda:0#2");
        assert_non_null(d[1].backend);
    }
    arena_release(&a);
}

/* Said where the choice was left open, and nowhere else. */
static void test_missing(void **state)
{
    static const struct objective_ops free_one = {.trains = false};
    struct study_config c = {.devices = {"auto", -1, -1}};
    bool others = kn_backend_registry[1], none = true;
    const char *why;

    (void)state;
    for (int i = 1; kn_backend_registry[i]; i++)
        none = none && kn_backend_registry[i]->count(&why) == 0;
    assert_int_equal(devices_missing(&c) != NULL, others && none);
    c.devices.use = NULL;
    assert_int_equal(devices_missing(&c) != NULL, others && none);
    c.devices.use = "cpu";
    assert_null(devices_missing(&c));
    c = (struct study_config){.devices = {"auto", -1, -1}, .objective = {.ops = &free_one}};
    assert_null(devices_missing(&c));
}

static void test_gpu_count(void **state)
{
    char dir[] = "/tmp/hpo-gpus-XXXXXX";
    struct hpo_err err;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(gpu_count(dir, NULL), 0);
    for (int i = 0; i < 3; i++) {
        struct arena a = {0};
        const char *path = arena_printf(&a, "%s/0000:0%d:00.0", dir, i);

        assert_int_equal(file_mkdirs(path, &err), 0);
        arena_release(&a);
    }
    assert_int_equal(gpu_count(dir, NULL), 3);
    assert_int_equal(gpu_count(dir, ""), 0);
    assert_int_equal(gpu_count(dir, "1"), 1);
    assert_int_equal(gpu_count(dir, "2,0"), 2);
    assert_int_equal(gpu_count(dir, "GPU-1234-abcd,1,0"), 3);
    assert_int_equal(gpu_count(dir, "0,1,2,3,4"), 3);
    assert_int_equal(gpu_count(dir, "0,-1,1"), 1);
    assert_int_equal(gpu_count(dir, "-1"), 0);
    assert_int_equal(file_remove_tree(dir, &err), 0);
    assert_int_equal(gpu_count(dir, "0"), -1);
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
        cmocka_unit_test(test_without_training),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_gpu_count),
        cmocka_unit_test(test_how_a_process_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
