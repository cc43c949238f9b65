/* A GPU: how many there are, what one is called, and opening it. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cudnn.h>

#include "base/arena.h"
#include "kernels/cuda/device.h"

extern const struct kn_backend_ops hpo_cuda_backend; /* module.c */

/* After these the context of the whole process is lost: every later call fails with the same error,
 * and only a new process gets another. Source: the descriptions of cudaError_t. */
static bool loses_context(cudaError_t e)
{
    static const cudaError_t codes[] = {
        cudaErrorIllegalAddress,      cudaErrorLaunchTimeout,      cudaErrorAssert,
        cudaErrorHardwareStackError,  cudaErrorIllegalInstruction, cudaErrorMisalignedAddress,
        cudaErrorInvalidAddressSpace, cudaErrorInvalidPc,          cudaErrorLaunchFailure,
        cudaErrorECCUncorrectable,    cudaErrorContained,          cudaErrorNvlinkUncorrectable,
        cudaErrorExternalDevice,      cudaErrorContextIsDestroyed, cudaErrorTensorMemoryLeak,
    };

    for (size_t i = 0; i < HPO_LEN(codes); i++)
        if (codes[i] == e)
            return true;
    return false;
}

int cu_check(cudaError_t e, const char *what, struct hpo_err *err)
{
    if (e == cudaSuccess)
        return HPO_OK;
    cudaGetLastError(); /* told here; the next check must not find it again */
    return hpo_fail(err, e == cudaErrorMemoryAllocation ? HPO_ENOMEM : HPO_EDEVICE,
                    "CUDA, %s: %s (%s)%s", what, cudaGetErrorString(e), cudaGetErrorName(e),
                    loses_context(e) ? "; nothing more can be done on the device in this process"
                                     : "");
}

/* No driver and one that is too old are the same error to the runtime. */
static const char *no_driver(void)
{
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);

    if (!driver)
        return "no NVIDIA driver: libcuda.so.1 is not there";
    dlclose(driver);
    return "the NVIDIA driver is too old for this build's CUDA";
}

static const char *no_device(void)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");

    return visible ? "no GPU is visible, as CUDA_VISIBLE_DEVICES says" : "no GPU is visible";
}

int cu_count(const char **ret_why)
{
    int n = 0;
    cudaError_t e = cudaGetDeviceCount(&n);

    *ret_why = "";
    if (e == cudaSuccess && n > 0)
        return n;
    cudaGetLastError();
    *ret_why = e == cudaErrorInsufficientDriver             ? no_driver()
               : e == cudaSuccess || e == cudaErrorNoDevice ? no_device()
                                                            : cudaGetErrorString(e);
    return 0;
}

static int attribute(enum cudaDeviceAttr a, int index, int *ret, struct hpo_err *err)
{
    return cu_check(cudaDeviceGetAttribute(ret, a, index), "asking what the device is", err);
}

/* What names the device: all that a choice of algorithms may hang on. */
struct traits {
    char name[128];
    int major, minor, sms;
};

static int find_traits(int index, struct traits *ret, struct hpo_err *err)
{
    struct cudaDeviceProp prop;
    const char *why;
    int n = cu_count(&why), rc;

    if (index < 0 || index >= n)
        return hpo_fail(err, HPO_EDEVICE, "there is no cuda:%d%s%s", index, n ? "" : ": ",
                        n ? "" : why);
    rc = cu_check(cudaGetDeviceProperties(&prop, index), "asking what the device is", err);
    if (!rc)
        rc = attribute(cudaDevAttrComputeCapabilityMajor, index, &ret->major, err);
    if (!rc)
        rc = attribute(cudaDevAttrComputeCapabilityMinor, index, &ret->minor, err);
    if (!rc)
        rc = attribute(cudaDevAttrMultiProcessorCount, index, &ret->sms, err);
    if (!rc)
        snprintf(ret->name, sizeof(ret->name), "%.*s", (int)sizeof(ret->name) - 1, prop.name);
    return rc;
}

/* The first word of the kernel module's line that is a version, such as 580.82.07; "": it does not
 * say. The runtime knows only the CUDA version that a driver is for. */
static void driver_version(char *ret, size_t n)
{
    FILE *f = fopen("/proc/driver/nvidia/version", "r");
    char line[256], *rest, *word;

    *ret = '\0';
    if (f && fgets(line, sizeof(line), f))
        for (word = strtok_r(line, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest))
            if (strspn(word, "0123456789.") == strlen(word) && strchr(word, '.')) {
                snprintf(ret, n, "%s", word);
                break;
            }
    if (f)
        fclose(f);
}

static int set_device(int index, struct hpo_err *err)
{
    return cu_check(cudaSetDevice(index), "choosing the device", err);
}

int cu_describe(int index, struct kn_device_info *ret, struct hpo_err *err)
{
    size_t free_bytes = 0, total = 0, dnn = cudnnGetVersion();
    struct traits t;
    char driver[64];
    int cuda = 0, rc = find_traits(index, &t, err);

    if (!rc)
        rc = cu_check(cudaDriverGetVersion(&cuda), "asking for the driver's version", err);
    if (!rc)
        rc = set_device(index, err);
    if (!rc)
        rc = cu_check(cudaMemGetInfo(&free_bytes, &total), "asking for free memory", err);
    if (rc)
        return rc;
    driver_version(driver, sizeof(driver));
    *ret =
        (struct kn_device_info){.memory_total = (double)total, .memory_free = (double)free_bytes};
    snprintf(ret->name, sizeof(ret->name), "%s", t.name);
    snprintf(ret->detail, sizeof(ret->detail),
             "compute capability %d.%d, %d SMs, driver %s%sfor CUDA %d.%d, cuDNN %zu.%zu.%zu",
             t.major, t.minor, t.sms, driver, *driver ? " " : "", cuda / 1000, cuda % 1000 / 10,
             dnn / 10000, dnn / 100 % 100, dnn % 100);
    return 0;
}

char *cu_cache_folder(void)
{
    const char *base = getenv("XDG_CACHE_HOME"), *below = "";
    size_t n;
    char *ret;

    if (!base || *base != '/') { /* the specification: a relative one is ignored */
        base = getenv("HOME");
        below = "/.cache";
    }
    if (!base || *base != '/')
        return NULL;
    n = strlen(base) + strlen(below) + sizeof("/hpo/cuda");
    ret = xmalloc(n);
    snprintf(ret, n, "%s%s/hpo/cuda", base, below);
    return ret;
}

/* Sessions on one device share its primary context: memory is one pool, a data set is there once.
 * Threads that wait sleep: they wait once an epoch, so the microseconds that spinning would win are
 * nothing, and the cores belong to others (readers of images, trials on the CPU, the controller).
 */
int cu_open(int index, int threads HPO_UNUSED, struct kn_dev **ret, struct hpo_err *err)
{
    struct cu_dev *d;
    struct traits t;
    int rc = find_traits(index, &t, err);

    if (!rc)
        rc = set_device(index, err);
    if (!rc)
        rc =
            cu_check(cudaSetDeviceFlags(cudaDeviceScheduleBlockingSync), "opening the device", err);
    if (!rc) /* the context is made at the first call that needs it: fail here, not in a trial */
        rc = cu_check(cudaFree(NULL), "opening the device", err);
    if (rc)
        return rc;
    d = xcalloc(1, sizeof(*d));
    d->base.ops = &hpo_cuda_backend;
    d->index = index;
    d->capability = 10 * t.major + t.minor;
    d->sms = t.sms;
    d->cache = cu_cache_folder();
    snprintf(d->key, sizeof(d->key), "%s, %d.%d, %d SMs", t.name, t.major, t.minor, t.sms);
    *ret = &d->base;
    return 0;
}

void cu_close(struct kn_dev *dev)
{
    struct cu_dev *d = (struct cu_dev *)dev;

    if (!d)
        return;
    free(d->cache);
    free(d);
}
