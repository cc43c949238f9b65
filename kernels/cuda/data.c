/* Data sets on devices. One lies on a device once, whoever opens it: every slot of a worker trains
 * on the same images, and memory and upload are paid once. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "kernels/cuda/device.h"

/* Networks get at least this share of a device's memory, whatever the data set wants. A set that
 * leaves less stays in host memory, from where batches cross the bus. */
#define NETWORK_SHARE 0.25

#define GIB 1073741824.0

struct upload {
    struct cu_data data; /* first: handles point to it */
    struct upload *next;
    struct kn_images images; /* as they were given: what is opened again is found by it */
    int device, users;
    void *on_device, *host; /* pixels; host: pinned memory of ours */
    bool registered;        /* images.pixels itself is pinned */
};

/* Device memory belongs to the process, and so does the list of what is in it. The lock is held
 * during an upload: who opens the same set next waits for it instead of making a second one. */
static struct {
    pthread_mutex_t lock;
    struct upload *first;
} uploads = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t pixel_bytes(const struct kn_images *m)
{
    return (size_t)m->n * (size_t)m->h * (size_t)m->w * 3;
}

static int check_images(const struct kn_images *m, struct hpo_err *err)
{
    if (m->n < 1 || m->n > INT32_MAX || m->h < 1 || m->w < 1)
        return hpo_fail(err, HPO_ECONFIG, "a data set of %lld images of %d x %d pixels",
                        (long long)m->n, m->w, m->h);
    for (int64_t i = 0; i < m->n; i++)
        if (m->labels[i] < 0 || m->labels[i] >= m->classes)
            return hpo_fail(err, HPO_ECONFIG, "image %lld has label %d of %d classes", (long long)i,
                            (int)m->labels[i], m->classes);
    return 0;
}

static bool same_images(const struct kn_images *a, const struct kn_images *b)
{
    return a->pixels == b->pixels && a->labels == b->labels && a->n == b->n && a->h == b->h &&
           a->w == b->w && a->classes == b->classes;
}

/* Into *ret, which stays NULL when there is no room. */
static int to_device(const struct kn_images *m, void **ret, struct hpo_err *err)
{
    size_t bytes = pixel_bytes(m), free_bytes = 0, total = 0;
    void *p = NULL;
    cudaError_t e;
    int rc = cu_check(cudaMemGetInfo(&free_bytes, &total), "asking for free memory", err);

    if (rc || (double)bytes + NETWORK_SHARE * (double)total > (double)free_bytes)
        return rc;
    e = cudaMalloc(&p, bytes);
    if (e == cudaErrorMemoryAllocation) { /* somebody was quicker */
        cudaGetLastError();
        return 0;
    }
    rc = cu_check(e, "memory for the data set", err);
    if (!rc)
        rc = cu_check(cudaMemcpy(p, m->pixels, bytes, cudaMemcpyHostToDevice),
                      "uploading the data set", err);
    if (rc) {
        cudaFree(p);
        return rc;
    }
    *ret = p;
    return 0;
}

/* Pin the images where they are; where the system does not allow that of a read-only file mapping,
 * a pinned copy. */
static int to_host(struct upload *u, struct hpo_err *err)
{
    size_t bytes = pixel_bytes(&u->images), free_bytes = 0, total = 0;
    void *pixels = (void *)(uintptr_t)u->images.pixels, *seen = NULL;
    int rc;

    if (cudaHostRegister(pixels, bytes,
                         cudaHostRegisterMapped | cudaHostRegisterPortable |
                             cudaHostRegisterReadOnly) == cudaSuccess) {
        u->registered = true;
    } else {
        cudaGetLastError();
        if (cudaHostAlloc(&u->host, bytes, cudaHostAllocMapped | cudaHostAllocPortable)) {
            cudaGetLastError();
            u->host = NULL;
            cudaMemGetInfo(&free_bytes, &total);
            return hpo_fail(err, HPO_ENOMEM,
                            "the data set takes %.2f GiB: more than fits beside networks on the "
                            "device (%.2f of %.2f GiB are free), and more than the host can pin",
                            (double)bytes / GIB, (double)free_bytes / GIB, (double)total / GIB);
        }
        memcpy(u->host, pixels, bytes);
    }
    rc = cu_check(cudaHostGetDevicePointer(&seen, u->host ? u->host : pixels, 0),
                  "showing the data set to the device", err);
    u->data.pixels = seen;
    u->data.mapped = true;
    return rc;
}

/* What cannot be freed is not there any more. */
static void release(struct upload *u)
{
    cudaFree(u->data.labels);
    cudaFree(u->on_device);
    if (u->registered)
        cudaHostUnregister((void *)(uintptr_t)u->images.pixels);
    if (u->host)
        cudaFreeHost(u->host);
    cudaGetLastError();
    free(u);
}

static int upload(int device, const struct kn_images *images, struct upload **ret,
                  struct hpo_err *err)
{
    struct upload *u = xcalloc(1, sizeof(*u));
    size_t labels = (size_t)images->n * sizeof(int32_t);
    int rc;

    *u = (struct upload){
        .data = {.n = images->n, .h = images->h, .w = images->w, .classes = images->classes},
        .images = *images,
        .device = device};
    rc = to_device(images, &u->on_device, err);
    u->data.pixels = u->on_device;
    if (!rc && !u->on_device)
        rc = to_host(u, err);
    if (!rc)
        rc = cu_check(cudaMalloc((void **)&u->data.labels, labels), "memory for labels", err);
    if (!rc)
        rc = cu_check(cudaMemcpy(u->data.labels, images->labels, labels, cudaMemcpyHostToDevice),
                      "uploading labels", err);
    if (rc) {
        release(u);
        return rc;
    }
    *ret = u;
    return 0;
}

int cu_data_open(struct kn_dev *dev, const struct kn_images *images, void **ret,
                 struct hpo_err *err)
{
    int device = ((struct cu_dev *)dev)->index, rc = check_images(images, err);
    struct upload *u;

    if (!rc)
        rc = cu_check(cudaSetDevice(device), "choosing the device", err);
    if (rc)
        return rc;
    pthread_mutex_lock(&uploads.lock);
    for (u = uploads.first; u && !(u->device == device && same_images(&u->images, images));)
        u = u->next;
    if (!u) {
        rc = upload(device, images, &u, err);
        if (!rc) {
            u->next = uploads.first;
            uploads.first = u;
        }
    }
    if (!rc) {
        u->users++;
        *ret = &u->data;
    }
    pthread_mutex_unlock(&uploads.lock);
    return rc;
}

void cu_data_close(struct kn_dev *dev, void *data)
{
    struct upload *u = data, **at;

    if (!u)
        return;
    pthread_mutex_lock(&uploads.lock);
    if (--u->users == 0) {
        for (at = &uploads.first; *at != u;)
            at = &(*at)->next;
        *at = u->next;
        cudaSetDevice(((struct cu_dev *)dev)->index);
        release(u); /* plans that used it are gone, so nothing on the device still reads it */
    }
    pthread_mutex_unlock(&uploads.lock);
}
