/* Device memory, pinned memory, and what the device may read. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/kernels/cuda/emu/fake_priv.h"

#define PAGE ((size_t)4096)
#define ALIGN ((size_t)256) /* what cudaMalloc promises, and not more */
#define PATTERN 0xff
#define MAX_REGIONS 4096

struct region {
    enum fake_place place;
    bool registered;
    int device;
    char *at;
    size_t size; /* asked for */
    char *map;   /* device memory: [page] [...] at ... [page] */
    size_t map_size;
};

static struct {
    struct region region[MAX_REGIONS];
    int n;
    size_t used[FAKE_MAX_DEVICES], all, peak, total; /* total: of each device */
    bool no_register;
    int open; /* nesting of fake_device_begin */
} mem = {.total = (size_t)4 << 30};

static struct region *find(const void *p)
{
    for (int i = 0; i < mem.n; i++)
        if ((const char *)p >= mem.region[i].at &&
            (const char *)p < mem.region[i].at + mem.region[i].size)
            return &mem.region[i];
    return NULL;
}

static struct region *begins(const void *p)
{
    struct region *r = find(p);

    return r && r->at == p ? r : NULL;
}

static void add(struct region r)
{
    if (mem.n == MAX_REGIONS)
        abort();
    mem.region[mem.n++] = r;
}

static void drop(struct region *r)
{
    *r = mem.region[--mem.n];
}

/* ---- the device's share ---- */

static size_t padded(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static void protect(const struct region *r, int how)
{
    if (r->map && mprotect(r->map + PAGE, r->map_size - 2 * PAGE, how))
        abort();
}

void fake_device_begin(void)
{
    if (mem.open++ == 0)
        for (int i = 0; i < mem.n; i++)
            protect(&mem.region[i], PROT_READ | PROT_WRITE);
}

void fake_device_end(void)
{
    if (--mem.open == 0)
        for (int i = 0; i < mem.n; i++)
            protect(&mem.region[i], PROT_NONE);
}

cudaError_t cudaMalloc(void **ret, size_t size)
{
    cudaError_t e;
    struct region r = {.place = FAKE_DEVICE, .size = size};
    size_t n = padded(size);

    fake_lock();
    e = fake_may_fail("cudaMalloc", cudaErrorMemoryAllocation);
    if (!e && !fake_capture_allows("cudaMalloc"))
        e = cudaErrorStreamCaptureUnsupported;
    r.device = fake_device();
    if (!e && (size > mem.total || mem.used[r.device] + n > mem.total))
        e = cudaErrorMemoryAllocation;
    if (!e && !size) {
        *ret = NULL;
    } else if (!e) {
        /* The end lies at the page that cannot be touched. */
        r.map_size = (n + PAGE - 1) / PAGE * PAGE + 2 * PAGE;
        r.map = mmap(NULL, r.map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (r.map == MAP_FAILED)
            abort();
        r.at = r.map + r.map_size - PAGE - n;
        protect(&r, PROT_READ | PROT_WRITE);
        memset(r.map + PAGE, PATTERN, r.map_size - 2 * PAGE);
        if (!mem.open)
            protect(&r, PROT_NONE);
        add(r);
        fake_born(FAKE_MEMORY, r.at);
        mem.used[r.device] += n;
        mem.all += n;
        mem.peak = mem.all > mem.peak ? mem.all : mem.peak;
        *ret = r.at;
    }
    fake_unlock();
    return fake_error(e);
}

/* What lies around the asked-for bytes must be as it was. */
static void check_rim(const struct region *r)
{
    for (char *p = r->map + PAGE; p < r->map + r->map_size - PAGE; p++)
        if ((p < r->at || p >= r->at + r->size) && (unsigned char)*p != PATTERN) {
            fake_complain("a byte %ld after the start of a cudaMalloc of %zu bytes was written",
                          (long)(p - r->at), r->size);
            break;
        }
}

cudaError_t cudaFree(void *p)
{
    cudaError_t e = cudaSuccess;
    struct region *r;

    fake_lock();
    if (!p) {
        /* How a context is made, when there is nothing yet; else nothing at all. */
        if (!fake_alive())
            e = fake_may_fail("cudaFree", cudaErrorMemoryAllocation);
    } else if (!fake_capture_allows("cudaFree")) {
        e = cudaErrorStreamCaptureUnsupported;
    } else if (!fake_dies(FAKE_MEMORY, p, "cudaFree")) {
        e = cudaErrorInvalidValue;
    } else {
        fake_drain(); /* cudaFree waits for the device */
        r = begins(p);
        protect(r, PROT_READ | PROT_WRITE);
        check_rim(r);
        mem.used[r->device] -= padded(r->size);
        mem.all -= padded(r->size);
        munmap(r->map, r->map_size);
        drop(r);
    }
    fake_unlock();
    return fake_error(e);
}

/* ---- pinned memory ---- */

cudaError_t cudaHostAlloc(void **ret, size_t size, unsigned flags)
{
    cudaError_t e;
    struct region r = {.place = FAKE_PINNED_HOST, .size = size};

    (void)flags;
    fake_lock();
    e = fake_may_fail("cudaHostAlloc", cudaErrorMemoryAllocation);
    if (!e && !fake_capture_allows("cudaHostAlloc"))
        e = cudaErrorStreamCaptureUnsupported;
    if (!e) {
        r.at = aligned_alloc(PAGE, (size + PAGE) / PAGE * PAGE);
        if (!r.at)
            abort();
        memset(r.at, PATTERN, size);
        add(r);
        fake_born(FAKE_PINNED, r.at);
        *ret = r.at;
    }
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaMallocHost(void **ret, size_t size)
{
    return cudaHostAlloc(ret, size, 0);
}

cudaError_t cudaFreeHost(void *p)
{
    cudaError_t e = cudaSuccess;

    if (!p)
        return cudaSuccess;
    fake_lock();
    if (!fake_dies(FAKE_PINNED, p, "cudaFreeHost")) {
        e = cudaErrorInvalidValue;
    } else {
        fake_drain();
        drop(begins(p));
        free(p);
    }
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaHostRegister(void *p, size_t size, unsigned flags)
{
    cudaError_t e;

    (void)flags;
    fake_lock();
    e = fake_may_fail("cudaHostRegister", cudaErrorMemoryAllocation);
    if (!e && mem.no_register)
        e = cudaErrorNotSupported;
    if (!e && (!p || !size))
        e = cudaErrorInvalidValue;
    if (!e && find(p))
        e = cudaErrorHostMemoryAlreadyRegistered;
    if (!e) {
        add((struct region){.place = FAKE_PINNED_HOST, .registered = true, .at = p, .size = size});
        fake_born(FAKE_REGISTERED, p);
    }
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaHostUnregister(void *p)
{
    cudaError_t e = cudaSuccess;

    fake_lock();
    if (!fake_dies(FAKE_REGISTERED, p, "cudaHostUnregister")) {
        e = cudaErrorHostMemoryNotRegistered;
    } else {
        fake_drain();
        drop(begins(p));
    }
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaHostGetDevicePointer(void **ret, void *p, unsigned flags)
{
    const struct region *r;
    cudaError_t e;

    (void)flags;
    fake_lock();
    e = fake_may_fail("cudaHostGetDevicePointer", cudaErrorInvalidValue);
    r = find(p);
    if (!e && (!r || r->place != FAKE_PINNED_HOST))
        e = cudaErrorInvalidValue;
    if (!e)
        *ret = p;
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaMemGetInfo(size_t *ret_free, size_t *ret_total)
{
    cudaError_t e;

    fake_lock();
    e = fake_may_fail("cudaMemGetInfo", cudaErrorIllegalAddress);
    if (!e) {
        *ret_free = mem.total - mem.used[fake_device()];
        *ret_total = mem.total;
    }
    fake_unlock();
    return fake_error(e);
}

/* ---- questions ---- */

enum fake_place fake_where(const void *p, size_t *ret_room)
{
    const struct region *r = find(p);

    *ret_room = r ? (size_t)(r->at + r->size - (const char *)p) : SIZE_MAX;
    return r ? r->place : FAKE_PAGEABLE;
}

bool fake_on_device(const void *p, size_t n, const char *what)
{
    size_t room;
    enum fake_place place = fake_where(p, &room);

    if (place == FAKE_PAGEABLE)
        fake_complain("%s: %p is no memory of the device", what, p);
    else if (n > room)
        fake_complain("%s: %zu bytes at %p, of which %zu are there", what, n, p, room);
    return place != FAKE_PAGEABLE && n <= room;
}

size_t fake_memory_used(void)
{
    return mem.all;
}

size_t fake_memory_size(void)
{
    return mem.total;
}

size_t fake_memory_peak(void)
{
    size_t peak = mem.peak;

    mem.peak = mem.all;
    return peak;
}

void fake_memory_total(size_t bytes)
{
    mem.total = bytes;
}

void fake_register_allowed(bool allowed)
{
    mem.no_register = !allowed;
}
