/* The machine: how many devices there are, and which one a thread uses; errors; settings from
 * outside. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/cuda/emu/emu.h"
#include "tests/kernels/cuda/emu/fake_queue.h"

static struct {
    pthread_once_t once;
    pthread_key_t self;
    int devices, capability;
    unsigned flags;
} machine = {.once = PTHREAD_ONCE_INIT, .devices = 1, .capability = 90};

/* ---- threads ---- */

static void make_key(void)
{
    if (pthread_key_create(&machine.self, free))
        abort();
}

/* Not a thread-local variable: the emulator takes those for shared memory. */
struct fake_thread *fake_self(void)
{
    struct fake_thread *t;

    pthread_once(&machine.once, make_key);
    t = pthread_getspecific(machine.self);
    if (!t) {
        t = calloc(1, sizeof(*t));
        if (!t || pthread_setspecific(machine.self, t))
            abort();
    }
    return t;
}

int fake_device(void)
{
    return fake_self()->device;
}

cudaError_t fake_error(cudaError_t e)
{
    if (e)
        fake_self()->last = e;
    return e;
}

/* What has taken the device with it is told for ever. */
cudaError_t cudaGetLastError(void)
{
    struct fake_thread *t = fake_self();
    cudaError_t e = t->last;

    t->last = cudaSuccess;
    return fake_lost() ? fake_lost() : e;
}

cudaError_t cudaPeekAtLastError(void)
{
    return fake_lost() ? fake_lost() : fake_self()->last;
}

static const struct {
    cudaError_t e;
    const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidPitchValue, "cudaErrorInvalidPitchValue", "invalid pitch argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection",
     "invalid copy direction for memcpy"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalState, "cudaErrorIllegalState",
     "the operation cannot be performed in the present state"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources",
     "too many resources requested for launch"},
    {cudaErrorHostMemoryAlreadyRegistered, "cudaErrorHostMemoryAlreadyRegistered",
     "part or all of the requested memory range is already mapped"},
    {cudaErrorHostMemoryNotRegistered, "cudaErrorHostMemoryNotRegistered",
     "pointer does not correspond to a registered memory region"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream"},
    {cudaErrorStreamCaptureWrongThread, "cudaErrorStreamCaptureWrongThread",
     "attempt to terminate a thread-local capture sequence from another thread"},
};

static size_t error_row(cudaError_t e)
{
    size_t i = 0, n = sizeof(errors) / sizeof(errors[0]);

    while (i < n && errors[i].e != e)
        i++;
    return i < n ? i : SIZE_MAX;
}

const char *cudaGetErrorName(cudaError_t e)
{
    size_t i = error_row(e);

    return i == SIZE_MAX ? "unrecognized error code" : errors[i].name;
}

const char *cudaGetErrorString(cudaError_t e)
{
    size_t i = error_row(e);

    return i == SIZE_MAX ? "unrecognized error code" : errors[i].text;
}

/* ---- devices ---- */

void fake_devices(int n)
{
    machine.devices = n < FAKE_MAX_DEVICES ? n : FAKE_MAX_DEVICES;
}

void fake_capability(int capability)
{
    machine.capability = capability;
}

static cudaError_t check_device(int device, const char *function)
{
    cudaError_t e = fake_may_fail(function, cudaErrorIllegalAddress);

    if (!e && machine.devices == 0)
        e = cudaErrorNoDevice;
    if (!e && (device < 0 || device >= machine.devices))
        e = cudaErrorInvalidDevice;
    return fake_error(e);
}

cudaError_t cudaGetDeviceCount(int *ret)
{
    cudaError_t e = fake_may_fail("cudaGetDeviceCount", cudaErrorIllegalAddress);

    if (!e && machine.devices == 0)
        e = cudaErrorNoDevice;
    if (!e || e == cudaErrorNoDevice)
        *ret = machine.devices;
    return fake_error(e);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *ret, int device)
{
    size_t memory = fake_memory_size();
    cudaError_t e = check_device(device, "cudaGetDeviceProperties");

    if (e)
        return e;
    memset(ret, 0, sizeof(*ret));
    snprintf(ret->name, sizeof(ret->name), "Emulated GPU");
    ret->totalGlobalMem = memory;
    ret->major = machine.capability / 10;
    ret->minor = machine.capability % 10;
    ret->multiProcessorCount = 4;
    ret->warpSize = 32;
    ret->maxThreadsPerBlock = 1024;
    ret->sharedMemPerBlock = 48 << 10;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *ret, enum cudaDeviceAttr a, int device)
{
    cudaError_t e = check_device(device, "cudaDeviceGetAttribute");

    if (e)
        return e;
    switch (a) {
    case cudaDevAttrComputeCapabilityMajor:
        *ret = machine.capability / 10;
        break;
    case cudaDevAttrComputeCapabilityMinor:
        *ret = machine.capability % 10;
        break;
    case cudaDevAttrMultiProcessorCount:
        *ret = 4;
        break;
    case cudaDevAttrMaxThreadsPerBlock:
        *ret = 1024;
        break;
    default:
        fake_complain("cudaDeviceGetAttribute: attribute %d is not known here", (int)a);
        return fake_error(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    cudaError_t e = check_device(device, "cudaSetDevice");

    if (!e)
        fake_self()->device = device;
    return e;
}

cudaError_t cudaGetDevice(int *ret)
{
    cudaError_t e = check_device(0, "cudaGetDevice");

    if (!e)
        *ret = fake_self()->device;
    return e;
}

cudaError_t cudaSetDeviceFlags(unsigned flags)
{
    cudaError_t e = check_device(0, "cudaSetDeviceFlags");

    if (!e && (flags & ~(unsigned)cudaDeviceMask))
        e = fake_error(cudaErrorInvalidValue);
    if (!e)
        machine.flags = flags;
    return e;
}

cudaError_t cudaDriverGetVersion(int *ret)
{
    cudaError_t e = fake_error(fake_may_fail("cudaDriverGetVersion", cudaErrorIllegalAddress));

    if (!e)
        *ret = CUDART_VERSION;
    return e;
}

cudaError_t cudaRuntimeGetVersion(int *ret)
{
    return cudaDriverGetVersion(ret);
}

/* ---- settings from outside ---- */

/* An option: a word, or NAME=NUMBER. */
static void option(const char *name, long long value)
{
    if (!strcmp(name, "eager"))
        fake_eager(true);
    else if (!strcmp(name, "strict"))
        emu_strict(true);
    else if (!strcmp(name, "abort"))
        fake_aborts(true);
    else if (!strcmp(name, "order"))
        emu_order((unsigned)value);
    else if (!strcmp(name, "devices"))
        fake_devices((int)value);
    else if (!strcmp(name, "capability"))
        fake_capability((int)value);
    else if (!strcmp(name, "memory"))
        fake_memory_total((size_t)value);
    else if (!strcmp(name, "fail"))
        fake_fail_at((long)value);
    else if (!strcmp(name, "break"))
        fake_break_at((long)value);
    else
        fake_complain("FAKE_CUDA: there is no option %s", name);
}

void fake_options(const char *text)
{
    char copy[256], *rest, *word, *value;

    snprintf(copy, sizeof(copy), "%s", text);
    for (word = strtok_r(copy, " ,", &rest); word; word = strtok_r(NULL, " ,", &rest)) {
        value = strchr(word, '=');
        if (value)
            *value++ = '\0';
        option(word, value ? atoll(value) : 0);
    }
}
