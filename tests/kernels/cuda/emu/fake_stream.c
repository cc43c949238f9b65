/* Streams: queues of what is to be done, and who makes them do it. */
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/cuda/emu/emu.h"
#include "tests/kernels/cuda/emu/fake_queue.h"

static struct {
    struct CUstream_st zero; /* the default stream */
    struct CUstream_st *first;
    bool eager;
    long launches, waits;
} streams;

void fake_eager(bool eager)
{
    fake_lock();
    streams.eager = eager;
    fake_unlock();
}

long fake_launches(void)
{
    return streams.launches;
}

long fake_waits(void)
{
    return streams.waits;
}

void fake_count_wait(void)
{
    streams.waits++;
}

void fake_count_launch(void)
{
    streams.launches++;
}

/* ---- lists ---- */

struct fake_item *fake_item_new(const struct CUstream_st *s, cudaError_t (*run)(void *data),
                                const void *data, size_t size, bool counts)
{
    struct fake_item *i = malloc(sizeof(*i) + size);

    if (!i)
        abort();
    *i = (struct fake_item){.stream = s, .run = run, .counts = counts, .size = size};
    if (size)
        memcpy(i->data, data, size);
    return i;
}

void fake_list_add(struct fake_list *l, struct fake_item *i)
{
    if (l->last)
        l->last->next = i;
    else
        l->first = i;
    l->last = i;
}

static struct fake_item *list_take(struct fake_list *l)
{
    struct fake_item *i = l->first;

    l->first = i->next;
    if (!l->first)
        l->last = NULL;
    return i;
}

void fake_list_free(struct fake_list *l)
{
    while (l->first)
        free(list_take(l));
}

/* ---- queues ---- */

cudaError_t fake_run(struct fake_list *queue, const struct fake_item *last)
{
    if (!queue->first)
        return fake_lost();
    fake_device_begin();
    for (bool more = true; more && queue->first;) {
        struct fake_item *i = list_take(queue);
        cudaError_t e;

        more = i != last;
        /* What was given to a lost device is never done. */
        if (!fake_lost()) {
            streams.launches += i->counts;
            e = i->run(i->data);
            if (e)
                fake_lose(e);
        }
        free(i);
    }
    fake_device_end();
    return fake_lost();
}

cudaError_t fake_finish(struct CUstream_st *s)
{
    struct fake_item *last = NULL;

    for (struct fake_item *i = s->queue->first; i; i = i->next)
        if (i->stream == s)
            last = i;
    return last ? fake_run(s->queue, last) : fake_lost();
}

cudaError_t fake_drain(void)
{
    fake_run(&streams.zero.own, NULL);
    for (struct CUstream_st *s = streams.first; s; s = s->next)
        fake_run(s->queue, NULL);
    return fake_lost();
}

struct CUstream_st *fake_streams(void)
{
    return streams.first;
}

struct CUstream_st *fake_stream(cudaStream_t s, const char *function)
{
    streams.zero.queue = &streams.zero.own;
    streams.zero.blocking = true;
    streams.zero.device = fake_self()->device; /* every device has one */
    if (!s || s == cudaStreamLegacy)
        return &streams.zero;
    return fake_known(FAKE_STREAM, s, function) ? s : NULL;
}

bool fake_stream_ok(cudaStream_t stream, const char *function)
{
    struct CUstream_st *s;
    bool ok;

    fake_lock();
    s = fake_stream(stream, function);
    ok = s && s->device == fake_self()->device;
    if (s && !ok)
        fake_complain("%s: a stream of device %d, the thread's is %d", function, s->device,
                      fake_self()->device);
    fake_unlock();
    return ok;
}

/* The default stream waits for those that block, and so would have to be captured with them. */
static bool implicit(const struct CUstream_st *s)
{
    bool found = false;

    if (s == &streams.zero)
        for (struct CUstream_st *o = streams.first; o; o = o->next)
            if (o->blocking && o->capture) {
                fake_invalidate(o);
                found = true;
            }
    return found;
}

cudaError_t fake_push(struct CUstream_st *s, cudaError_t (*run)(void *data), const void *data,
                      size_t size, bool counts)
{
    struct fake_item *i;

    if (s->capture == FAKE_INVALID)
        return cudaErrorStreamCaptureInvalidated;
    if (implicit(s))
        return cudaErrorStreamCaptureImplicit;
    if (fake_lost())
        return fake_lost();
    i = fake_item_new(s, run, data, size, counts);
    if (s->capture) {
        fake_list_add(&s->captured, i);
        return cudaSuccess;
    }
    fake_list_add(s->queue, i);
    return streams.eager ? fake_run(s->queue, NULL) : cudaSuccess;
}

/* ---- the functions for others ---- */

cudaError_t fake_enqueue(cudaStream_t stream, cudaError_t (*run)(void *data), const void *data,
                         size_t size)
{
    cudaError_t e = cudaErrorInvalidResourceHandle;

    fake_lock();
    if (fake_stream_ok(stream, "a launch"))
        e = fake_push(fake_stream(stream, "a launch"), run, data, size, true);
    fake_unlock();
    return e;
}

cudaError_t emu_enqueue(const char *name, cudaStream_t stream, cudaError_t (*run)(void *data),
                        const void *data, size_t size)
{
    cudaError_t e;

    fake_lock();
    e = fake_may_fail(name, cudaErrorLaunchOutOfResources);
    if (!e)
        e = fake_enqueue(stream, run, data, size);
    fake_unlock();
    return fake_error(e);
}

/* ---- CUDA's ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *ret, unsigned flags)
{
    struct CUstream_st *s;
    cudaError_t e;

    fake_lock();
    e = fake_may_fail("cudaStreamCreateWithFlags", cudaErrorMemoryAllocation);
    if (!e) {
        s = calloc(1, sizeof(*s));
        if (!s)
            abort();
        s->device = fake_self()->device;
        s->blocking = !(flags & cudaStreamNonBlocking);
        s->queue = s->blocking ? &streams.zero.own : &s->own;
        s->next = streams.first;
        streams.first = s;
        fake_born(FAKE_STREAM, s);
        *ret = s;
    }
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaStreamCreate(cudaStream_t *ret)
{
    return cudaStreamCreateWithFlags(ret, cudaStreamDefault);
}

/* CUDA lets go of a stream when its work is done: now is not later than that. */
cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    cudaError_t e = cudaErrorInvalidResourceHandle;
    struct CUstream_st **at = &streams.first;

    fake_lock();
    if (fake_dies(FAKE_STREAM, s, "cudaStreamDestroy")) {
        e = cudaSuccess;
        if (s->capture)
            fake_complain("cudaStreamDestroy: the stream is being captured");
        fake_list_free(&s->captured);
        fake_finish(s);
        while (*at != s)
            at = &(*at)->next;
        *at = s->next;
        free(s);
    }
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    cudaError_t e;
    struct CUstream_st *s;

    fake_lock();
    e = fake_may_fail("cudaStreamSynchronize", cudaErrorIllegalAddress);
    s = e ? NULL : fake_stream(stream, "cudaStreamSynchronize");
    if (s && s->capture) {
        fake_invalidate(s);
        e = cudaErrorStreamCaptureUnsupported;
    } else if (s) {
        fake_count_wait();
        e = fake_finish(s);
    } else if (!e) {
        e = cudaErrorInvalidResourceHandle;
    }
    fake_unlock();
    return fake_error(e);
}

/* Asking does not make the device any faster. */
cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    cudaError_t e;
    struct CUstream_st *s;

    fake_lock();
    e = fake_may_fail("cudaStreamQuery", cudaErrorIllegalAddress);
    s = e ? NULL : fake_stream(stream, "cudaStreamQuery");
    if (s && s->capture) {
        fake_invalidate(s);
        e = cudaErrorStreamCaptureUnsupported;
    } else if (s) {
        for (struct fake_item *i = s->queue->first; i && !e; i = i->next)
            if (i->stream == s)
                e = cudaErrorNotReady;
    } else if (!e) {
        e = cudaErrorInvalidResourceHandle;
    }
    fake_unlock();
    return e == cudaErrorNotReady ? e : fake_error(e);
}

cudaError_t cudaDeviceSynchronize(void)
{
    cudaError_t e;

    fake_lock();
    e = fake_may_fail("cudaDeviceSynchronize", cudaErrorIllegalAddress);
    if (!e && !fake_capture_allows("cudaDeviceSynchronize"))
        e = cudaErrorStreamCaptureUnsupported;
    if (!e) {
        fake_count_wait();
        e = fake_drain();
    }
    fake_unlock();
    return fake_error(e);
}
