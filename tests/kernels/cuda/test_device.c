/* Devices and data sets over a CUDA runtime of our own: host memory, of as much as a test says,
 * where any call can be made to fail. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/device.h"

size_t cudnnGetVersion(void);
extern const struct kn_backend_ops hpo_cuda_backend;
const struct kn_backend_ops hpo_cuda_backend = {.plugin = {.name = "cuda"}};

/* ---------------------------------------------------------------- the runtime */

static struct {
    pthread_mutex_t lock;
    int devices, calls, fail_at; /* the fail_at-th call fails; 0: none */
    cudaError_t fail_with, count_error;
    size_t total, used;
    bool no_register, no_pinned, no_device_memory;
    int alive, uploads, current;
    unsigned flags;
} rt = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void reset(void)
{
    assert_int_equal(rt.alive, 0);
    rt.devices = 2;
    rt.calls = rt.fail_at = rt.uploads = 0;
    rt.fail_with = cudaErrorIllegalAddress;
    rt.count_error = cudaSuccess;
    rt.total = 1 << 20;
    rt.used = 0;
    rt.no_register = rt.no_pinned = rt.no_device_memory = false;
}

static bool fails(void)
{
    bool ret;

    pthread_mutex_lock(&rt.lock);
    ret = ++rt.calls == rt.fail_at;
    pthread_mutex_unlock(&rt.lock);
    return ret;
}
#define MAY_FAIL() \
    if (fails())   \
    return rt.fail_with

static void born(int n)
{
    pthread_mutex_lock(&rt.lock);
    rt.alive += n;
    pthread_mutex_unlock(&rt.lock);
}

cudaError_t cudaGetLastError(void)
{
    return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t e)
{
    return e == cudaErrorIllegalAddress ? "an illegal memory access" : "some error";
}

const char *cudaGetErrorName(cudaError_t e)
{
    return e == cudaErrorIllegalAddress ? "cudaErrorIllegalAddress" : "cudaErrorSome";
}

size_t cudnnGetVersion(void)
{
    return 91900;
}

cudaError_t cudaGetDeviceCount(int *ret)
{
    MAY_FAIL();
    if (rt.count_error)
        return rt.count_error;
    *ret = rt.devices;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *ret, int device)
{
    MAY_FAIL();
    memset(ret, 0, sizeof(*ret));
    snprintf(ret->name, sizeof(ret->name), "NVIDIA Test %d", device);
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *ret, enum cudaDeviceAttr a, int device)
{
    (void)device;
    MAY_FAIL();
    *ret = a == cudaDevAttrComputeCapabilityMajor   ? 9
           : a == cudaDevAttrComputeCapabilityMinor ? 0
                                                    : 132;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *ret)
{
    MAY_FAIL();
    *ret = 13020;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    MAY_FAIL();
    rt.current = device;
    return cudaSuccess;
}

cudaError_t cudaSetDeviceFlags(unsigned flags)
{
    MAY_FAIL();
    rt.flags = flags;
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *ret_free, size_t *ret_total)
{
    MAY_FAIL();
    *ret_free = rt.total - rt.used;
    *ret_total = rt.total;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **ret, size_t size)
{
    MAY_FAIL();
    if (rt.no_device_memory)
        return cudaErrorMemoryAllocation;
    *ret = malloc(size);
    born(1);
    return cudaSuccess;
}

cudaError_t cudaFree(void *p)
{
    if (!p) {
        MAY_FAIL(); /* how a context is made */
        return cudaSuccess;
    }
    free(p);
    born(-1);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t n, enum cudaMemcpyKind kind)
{
    (void)kind;
    MAY_FAIL();
    memcpy(to, from, n);
    pthread_mutex_lock(&rt.lock);
    rt.uploads++;
    pthread_mutex_unlock(&rt.lock);
    return cudaSuccess;
}

cudaError_t cudaHostRegister(void *p, size_t size, unsigned flags)
{
    assert_non_null(p);
    assert_true(size && flags & cudaHostRegisterReadOnly && flags & cudaHostRegisterMapped);
    MAY_FAIL();
    if (rt.no_register)
        return cudaErrorNotSupported;
    born(1);
    return cudaSuccess;
}

cudaError_t cudaHostUnregister(void *p)
{
    assert_non_null(p);
    born(-1);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **ret, size_t size, unsigned flags)
{
    (void)flags;
    MAY_FAIL();
    if (rt.no_pinned)
        return cudaErrorMemoryAllocation;
    *ret = malloc(size);
    born(1);
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *p)
{
    free(p);
    born(-1);
    return cudaSuccess;
}

cudaError_t cudaHostGetDevicePointer(void **ret, void *p, unsigned flags)
{
    (void)flags;
    MAY_FAIL();
    *ret = p;
    return cudaSuccess;
}

/* ---------------------------------------------------------------- devices */

static void test_errors(void **s)
{
    struct hpo_err err;

    (void)s;
    assert_int_equal(cu_check(cudaSuccess, "x", &err), 0);
    assert_int_equal(cu_check(cudaErrorMemoryAllocation, "memory", &err), HPO_ENOMEM);
    assert_null(strstr(err.msg, "nothing more"));
    assert_int_equal(cu_check(cudaErrorIllegalAddress, "a step", &err), HPO_EDEVICE);
    assert_non_null(strstr(err.msg, "a step: an illegal memory access (cudaErrorIllegalAddress)"));
    assert_non_null(strstr(err.msg, "nothing more"));
    assert_int_equal(cu_check(cudaErrorInvalidValue, "x", NULL), HPO_EDEVICE);
}

static void test_count(void **s)
{
    const char *why;

    (void)s;
    reset();
    assert_int_equal(cu_count(&why), 2);
    rt.devices = 0;
    unsetenv("CUDA_VISIBLE_DEVICES");
    assert_int_equal(cu_count(&why), 0);
    assert_string_equal(why, "no GPU is visible");
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    rt.count_error = cudaErrorNoDevice;
    assert_int_equal(cu_count(&why), 0);
    assert_non_null(strstr(why, "CUDA_VISIBLE_DEVICES"));
    unsetenv("CUDA_VISIBLE_DEVICES");
    rt.count_error = cudaErrorInsufficientDriver;
    assert_int_equal(cu_count(&why), 0);
    assert_non_null(strstr(why, "NVIDIA driver"));
    rt.count_error = cudaErrorIllegalAddress;
    assert_int_equal(cu_count(&why), 0);
    assert_string_equal(why, "an illegal memory access");
}

static void test_describe(void **s)
{
    struct kn_device_info info = {.name = "untouched"};
    struct hpo_err err;
    int n;

    (void)s;
    reset();
    rt.used = 1 << 18;
    assert_int_equal(cu_describe(2, &info, &err), HPO_EDEVICE);
    assert_int_equal(cu_describe(-1, &info, &err), HPO_EDEVICE);
    rt.calls = 0;
    assert_int_equal(cu_describe(1, &info, &err), 0);
    n = rt.calls;
    assert_string_equal(info.name, "NVIDIA Test 1");
    assert_non_null(strstr(info.detail, "compute capability 9.0, 132 SMs, driver "));
    assert_non_null(strstr(info.detail, "for CUDA 13.2, cuDNN 9.19.0"));
    assert_true(info.memory_total == 1 << 20 && info.memory_free == 3 << 18);
    for (int i = 1; i <= n; i++) {
        struct kn_device_info not = {.name = "untouched"};

        rt.calls = 0;
        rt.fail_at = i;
        assert_int_equal(cu_describe(1, &not, &err), HPO_EDEVICE);
        assert_string_equal(not .name, "untouched");
    }
}

static void test_open(void **s)
{
    struct kn_dev *d = NULL;
    struct hpo_err err;
    int n;

    (void)s;
    reset();
    assert_int_equal(cu_open(2, 1, &d, &err), HPO_EDEVICE);
    rt.calls = 0;
    assert_int_equal(cu_open(1, 1, &d, &err), 0);
    n = rt.calls;
    assert_ptr_equal(d->ops, &hpo_cuda_backend);
    assert_int_equal(((struct cu_dev *)d)->capability, 90);
    assert_string_equal(((struct cu_dev *)d)->key, "NVIDIA Test 1, 9.0, 132 SMs");
    assert_int_equal(rt.flags, cudaDeviceScheduleBlockingSync);
    assert_int_equal(rt.current, 1);
    cu_close(d);
    cu_close(NULL);
    for (int i = 1; i <= n; i++) {
        d = NULL;
        rt.calls = 0;
        rt.fail_at = i;
        assert_int_equal(cu_open(1, 1, &d, &err), HPO_EDEVICE);
        assert_null(d);
    }
}

static void folder_is(const char *want)
{
    char *got = cu_cache_folder();

    if (want)
        assert_string_equal(got, want);
    else
        assert_null(got);
    free(got);
}

static void test_cache_folder(void **s)
{
    (void)s;
    setenv("HOME", "/h", 1);
    setenv("XDG_CACHE_HOME", "/x", 1);
    folder_is("/x/hpo/cuda");
    setenv("XDG_CACHE_HOME", "relative", 1);
    folder_is("/h/.cache/hpo/cuda");
    unsetenv("XDG_CACHE_HOME");
    folder_is("/h/.cache/hpo/cuda");
    unsetenv("HOME");
    folder_is(NULL);
}

/* ---------------------------------------------------------------- data sets */

#define SIDE 8
#define IMAGES 20

static uint8_t pixels[2][IMAGES * SIDE * SIDE * 3];
static int32_t labels[IMAGES];
static struct cu_dev devs[2] = {{.index = 0}, {.index = 1}};

static struct kn_images images(int set)
{
    for (size_t i = 0; i < sizeof(pixels[0]); i++)
        pixels[set][i] = (uint8_t)(i * 7 + (size_t)set);
    for (int i = 0; i < IMAGES; i++)
        labels[i] = i % 4;
    return (struct kn_images){pixels[set], labels, IMAGES, SIDE, SIDE, 4};
}

static struct cu_data *open_ok(int dev, const struct kn_images *m)
{
    void *ret = NULL;
    struct hpo_err err = {0};

    if (cu_data_open(&devs[dev].base, m, &ret, &err))
        fail_msg("%s", err.msg);
    return ret;
}

static void holds(const struct cu_data *d, int set)
{
    assert_memory_equal(d->pixels, pixels[set], sizeof(pixels[set]));
    assert_memory_equal(d->labels, labels, sizeof(labels));
    assert_int_equal(d->n, IMAGES);
}

/* One upload for all who open the same images on one device. */
static void test_shared(void **s)
{
    struct kn_images a = images(0), b = images(1), part = a;
    struct cu_data *d[5];

    (void)s;
    reset();
    part.n = IMAGES - 1;
    d[0] = open_ok(0, &a);
    d[1] = open_ok(0, &a);
    assert_ptr_equal(d[0], d[1]);
    assert_int_equal(rt.uploads, 2); /* pixels and labels */
    d[2] = open_ok(1, &a);
    d[3] = open_ok(0, &b);
    d[4] = open_ok(0, &part); /* begins at the same place */
    for (int i = 0; i < 5; i++)
        for (int k = 1; k < i; k++)
            assert_ptr_not_equal(d[i], d[k]);
    assert_int_equal(rt.uploads, 8);
    holds(d[0], 0);
    holds(d[2], 0);
    holds(d[3], 1);
    assert_false(d[0]->mapped);
    cu_data_close(&devs[0].base, d[0]);
    holds(d[1], 0); /* somebody still has it */
    for (int i = 1; i < 5; i++)
        cu_data_close(&devs[i == 2].base, d[i]);
    cu_data_close(&devs[0].base, NULL);
    assert_int_equal(rt.alive, 0);
    d[0] = open_ok(0, &a); /* anew */
    assert_int_equal(rt.uploads, 10);
    cu_data_close(&devs[0].base, d[0]);
}

static void *open_thread(void *arg)
{
    struct hpo_err err;
    void *ret = NULL;

    cu_data_open(&devs[0].base, arg, &ret, &err);
    return ret;
}

static void test_at_once(void **s)
{
    struct kn_images a = images(0);
    pthread_t thread[8];
    void *got[8];

    (void)s;
    reset();
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, open_thread, &a), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], &got[i]);
    assert_int_equal(rt.uploads, 2);
    for (int i = 0; i < 8; i++) {
        assert_ptr_equal(got[i], got[0]);
        cu_data_close(&devs[0].base, got[i]);
    }
    assert_int_equal(rt.alive, 0);
}

/* What would leave networks too little stays on the host: where it is, or copied to where the
 * device can read it. */
static void test_does_not_fit(void **s)
{
    struct kn_images a = images(0);
    struct cu_data *d;
    struct hpo_err err;
    void *ret = NULL;

    (void)s;
    reset();
    rt.total = sizeof(pixels[0]) * 4; /* three quarters may be taken */
    d = open_ok(0, &a);
    assert_false(d->mapped);
    cu_data_close(&devs[0].base, d);
    rt.used = sizeof(pixels[0]) * 2 + 1;
    d = open_ok(0, &a);
    assert_true(d->mapped);
    assert_ptr_equal(d->pixels, a.pixels);
    holds(d, 0);
    cu_data_close(&devs[0].base, d);
    rt.no_register = true;
    d = open_ok(0, &a);
    assert_true(d->mapped);
    assert_ptr_not_equal(d->pixels, a.pixels);
    holds(d, 0);
    cu_data_close(&devs[0].base, d);
    rt.no_pinned = true;
    assert_int_equal(cu_data_open(&devs[0].base, &a, &ret, &err), HPO_ENOMEM);
    assert_non_null(strstr(err.msg, "GiB"));
    assert_null(ret);
    /* Somebody was quicker: the memory that was free is not. */
    rt.no_pinned = rt.no_register = false;
    rt.used = 0;
    rt.no_device_memory = true;
    assert_int_equal(cu_data_open(&devs[0].base, &a, &ret, &err), HPO_ENOMEM); /* labels */
    assert_int_equal(rt.alive, 0);
}

/* Wherever it fails nothing is left behind, nothing is shared, and the next one succeeds. */
static void fail_everywhere(void)
{
    struct kn_images a = images(0);
    struct cu_data *d;
    struct hpo_err err;
    int n;

    rt.calls = 0;
    d = open_ok(0, &a);
    n = rt.calls;
    cu_data_close(&devs[0].base, d);
    for (int i = 1; i <= n; i++) {
        void *ret = NULL;
        int rc;

        rt.calls = 0;
        rt.fail_at = i;
        rc = cu_data_open(&devs[0].base, &a, &ret, &err);
        rt.fail_at = 0;
        if (rc) {
            assert_int_equal(rc, HPO_EDEVICE);
            assert_non_null(strstr(err.msg, "an illegal memory access"));
            assert_null(ret);
        } else { /* another way was found: a copy instead of registered memory */
            holds(ret, 0);
            cu_data_close(&devs[0].base, ret);
        }
        assert_int_equal(rt.alive, 0);
        d = open_ok(0, &a);
        holds(d, 0);
        cu_data_close(&devs[0].base, d);
    }
    assert_int_equal(rt.alive, 0);
}

static void test_failures(void **s)
{
    (void)s;
    reset();
    fail_everywhere();
    rt.used = rt.total;
    fail_everywhere();
}

static void test_bad_images(void **s)
{
    struct kn_images a = images(0);
    struct hpo_err err;
    void *ret = NULL;

    (void)s;
    reset();
    labels[7] = 4;
    assert_int_equal(cu_data_open(&devs[0].base, &a, &ret, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "image 7 has label 4 of 4"));
    labels[7] = -1;
    assert_int_equal(cu_data_open(&devs[0].base, &a, &ret, &err), HPO_ECONFIG);
    a.n = 0;
    assert_int_equal(cu_data_open(&devs[0].base, &a, &ret, &err), HPO_ECONFIG);
    assert_null(ret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),       cmocka_unit_test(test_count),
        cmocka_unit_test(test_describe),     cmocka_unit_test(test_open),
        cmocka_unit_test(test_cache_folder), cmocka_unit_test(test_shared),
        cmocka_unit_test(test_at_once),      cmocka_unit_test(test_does_not_fit),
        cmocka_unit_test(test_failures),     cmocka_unit_test(test_bad_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
