/* Events, and the device's clock. The clock is no real one: everything that is done takes a
 * microsecond, and as much more as it says itself (fake_takes), so that what is measured is the
 * same in every run. */
#include <stdlib.h>

#include "tests/kernels/cuda/emu/fake_queue.h"

struct CUevent_st {
    unsigned flags;
    int device;
    bool recorded, captured;
    double at; /* when a stream last came to it */
};

static double now; /* milliseconds */

void fake_takes(double ms)
{
    now += ms;
}

struct mark {
    struct CUevent_st *event;
};

static cudaError_t come_to(void *data)
{
    const struct mark *m = data;

    now += 0.001;
    m->event->at = now;
    return cudaSuccess;
}

/* The last record of an event that lies in a queue; NULL: none. */
static struct fake_item *last_in(const struct fake_list *queue, const struct CUevent_st *v)
{
    struct fake_item *last = NULL;

    for (struct fake_item *i = queue->first; i; i = i->next) {
        const struct mark *m = (const void *)i->data;

        if (i->run == come_to && m->event == v)
            last = i;
    }
    return last;
}

static struct fake_list *queue_of(const struct CUevent_st *v)
{
    struct fake_list *common = fake_stream(NULL, "")->queue;

    if (last_in(common, v))
        return common;
    for (struct CUstream_st *s = fake_streams(); s; s = s->next)
        if (last_in(s->queue, v))
            return s->queue;
    return NULL;
}

static cudaError_t reach(const struct CUevent_st *v)
{
    struct fake_list *queue;

    while ((queue = queue_of(v)))
        fake_run(queue, last_in(queue, v));
    return fake_lost();
}

/* Whether it may be asked about. */
static cudaError_t usable(cudaEvent_t v, const char *function)
{
    if (!fake_known(FAKE_EVENT, v, function))
        return cudaErrorInvalidResourceHandle;
    return v->captured ? cudaErrorCapturedEvent : cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *ret, unsigned flags)
{
    struct CUevent_st *v;
    cudaError_t e;

    fake_lock();
    e = fake_may_fail("cudaEventCreateWithFlags", cudaErrorMemoryAllocation);
    if (!e) {
        v = calloc(1, sizeof(*v));
        if (!v)
            abort();
        v->flags = flags;
        v->device = fake_self()->device;
        fake_born(FAKE_EVENT, v);
        *ret = v;
    }
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaEventCreate(cudaEvent_t *ret)
{
    return cudaEventCreateWithFlags(ret, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t v)
{
    cudaError_t e = cudaErrorInvalidResourceHandle;

    fake_lock();
    if (fake_dies(FAKE_EVENT, v, "cudaEventDestroy")) {
        e = cudaSuccess;
        reach(v);
        free(v);
    }
    fake_unlock();
    return fake_error(e);
}

/* An event stands for its last record. While a stream is captured a record only marks a place in
 * it. */
static cudaError_t record(struct CUevent_st *v, struct CUstream_st *s)
{
    cudaError_t e;

    if (s->device != v->device) {
        fake_complain("cudaEventRecord: an event of device %d, a stream of device %d", v->device,
                      s->device);
        return cudaErrorInvalidResourceHandle;
    }
    if (s->capture) {
        v->captured = true;
        return s->capture == FAKE_INVALID ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
    }
    reach(v);
    e = fake_push(s, come_to, &(struct mark){v}, sizeof(struct mark), false);
    if (!e) {
        v->captured = false;
        v->recorded = true;
    }
    return e;
}

cudaError_t cudaEventRecord(cudaEvent_t v, cudaStream_t stream)
{
    struct CUstream_st *s;
    cudaError_t e;

    fake_lock();
    e = fake_may_fail("cudaEventRecord", cudaErrorIllegalAddress);
    s = e ? NULL : fake_stream(stream, "cudaEventRecord");
    if (!e)
        e = s && fake_known(FAKE_EVENT, v, "cudaEventRecord") ? record(v, s)
                                                              : cudaErrorInvalidResourceHandle;
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaEventSynchronize(cudaEvent_t v)
{
    cudaError_t e;

    fake_lock();
    e = fake_may_fail("cudaEventSynchronize", cudaErrorIllegalAddress);
    if (!e && !fake_capture_allows("cudaEventSynchronize"))
        e = cudaErrorStreamCaptureUnsupported;
    if (!e)
        e = usable(v, "cudaEventSynchronize");
    if (!e) {
        fake_count_wait();
        e = reach(v);
    }
    fake_unlock();
    return fake_error(e);
}

/* Asking does not make the device any faster. */
cudaError_t cudaEventQuery(cudaEvent_t v)
{
    cudaError_t e;

    fake_lock();
    e = fake_may_fail("cudaEventQuery", cudaErrorIllegalAddress);
    if (!e)
        e = usable(v, "cudaEventQuery");
    if (!e && queue_of(v))
        e = cudaErrorNotReady;
    fake_unlock();
    return e == cudaErrorNotReady ? e : fake_error(e);
}

cudaError_t cudaEventElapsedTime(float *ret, cudaEvent_t from, cudaEvent_t to)
{
    cudaError_t e;

    fake_lock();
    e = fake_may_fail("cudaEventElapsedTime", cudaErrorIllegalAddress);
    if (!e)
        e = usable(from, "cudaEventElapsedTime");
    if (!e)
        e = usable(to, "cudaEventElapsedTime");
    if (!e &&
        (!from->recorded || !to->recorded || ((from->flags | to->flags) & cudaEventDisableTiming)))
        e = cudaErrorInvalidResourceHandle;
    if (!e && (queue_of(from) || queue_of(to)))
        e = cudaErrorNotReady;
    if (!e)
        *ret = (float)(to->at - from->at);
    fake_unlock();
    return e == cudaErrorNotReady ? e : fake_error(e);
}

static cudaError_t wait_now(void *data)
{
    return reach(((const struct mark *)data)->event);
}

/* Of an event that is recorded again before the stream comes here the wait is longer than it need
 * be. */
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t v, unsigned flags)
{
    struct CUstream_st *s;
    cudaError_t e;

    (void)flags;
    fake_lock();
    e = fake_may_fail("cudaStreamWaitEvent", cudaErrorIllegalAddress);
    s = e ? NULL : fake_stream(stream, "cudaStreamWaitEvent");
    if (!e && !s)
        e = cudaErrorInvalidResourceHandle;
    if (!e)
        e = usable(v, "cudaStreamWaitEvent");
    if (!e && s->capture) {
        fake_invalidate(s); /* an event from outside */
        e = cudaErrorStreamCaptureIsolation;
    }
    if (!e)
        e = fake_push(s, wait_now, &(struct mark){v}, sizeof(struct mark), false);
    fake_unlock();
    return fake_error(e);
}
