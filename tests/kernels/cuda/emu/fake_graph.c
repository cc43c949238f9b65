/* Capture: what is given to a stream is kept instead of done; and graphs, which do it again. Source
 * of what a capture forbids: CUDA's programming guide on prohibited and unhandled operations, and
 * cudaThreadExchangeStreamCaptureMode. */
#include <stdlib.h>

#include "tests/kernels/cuda/emu/fake_queue.h"

struct CUgraph_st {
    struct fake_list nodes;
};

struct CUgraphExec_st {
    struct fake_list nodes;
};

static long graph_launches;

long fake_graph_launches(void)
{
    return graph_launches;
}

void fake_invalidate(struct CUstream_st *s)
{
    if (s->capture)
        s->capture = FAKE_INVALID;
}

bool fake_capture_allows(const char *function)
{
    bool allows = true;

    (void)function;
    for (struct CUstream_st *s = fake_streams(); s; s = s->next)
        if (s->capture &&
            (s->mode == cudaStreamCaptureModeGlobal ||
             (s->mode == cudaStreamCaptureModeThreadLocal && s->thread == fake_self()))) {
            fake_invalidate(s);
            allows = false;
        }
    return allows;
}

static void copy_list(struct fake_list *to, const struct fake_list *from)
{
    for (const struct fake_item *i = from->first; i; i = i->next)
        fake_list_add(to, fake_item_new(i->stream, i->run, i->data, i->size, i->counts));
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    struct CUstream_st *s;
    cudaError_t e;

    fake_lock();
    e = fake_may_fail("cudaStreamBeginCapture", cudaErrorIllegalAddress);
    s = e ? NULL : fake_stream(stream, "cudaStreamBeginCapture");
    if (!e && !s)
        e = cudaErrorInvalidResourceHandle;
    if (!e && s == fake_stream(NULL, ""))
        e = cudaErrorStreamCaptureUnsupported;
    if (!e && s->capture)
        e = cudaErrorIllegalState;
    if (!e) {
        s->capture = FAKE_CAPTURING;
        s->mode = mode;
        s->thread = fake_self();
    }
    fake_unlock();
    return fake_error(e);
}

/* Ends the capture whatever it returns, but for the thread that may not. */
static cudaError_t end(struct CUstream_st *s, cudaGraph_t *ret, cudaError_t e)
{
    struct CUgraph_st *g;

    if (!s->capture)
        return cudaErrorIllegalState;
    if (s->mode != cudaStreamCaptureModeRelaxed && s->thread != fake_self()) {
        fake_invalidate(s);
        return cudaErrorStreamCaptureWrongThread;
    }
    if (!e && s->capture == FAKE_INVALID)
        e = cudaErrorStreamCaptureInvalidated;
    s->capture = FAKE_NOT;
    if (e) {
        fake_list_free(&s->captured);
        return e;
    }
    g = calloc(1, sizeof(*g));
    if (!g)
        abort();
    g->nodes = s->captured;
    s->captured = (struct fake_list){0};
    fake_born(FAKE_GRAPH, g);
    *ret = g;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *ret)
{
    struct CUstream_st *s;
    cudaError_t e;

    fake_lock();
    *ret = NULL;
    e = fake_may_fail("cudaStreamEndCapture", cudaErrorStreamCaptureInvalidated);
    s = fake_stream(stream, "cudaStreamEndCapture");
    e = s ? end(s, ret, e) : cudaErrorInvalidResourceHandle;
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *ret)
{
    struct CUstream_st *s;
    cudaError_t e;

    fake_lock();
    e = fake_may_fail("cudaStreamIsCapturing", cudaErrorIllegalAddress);
    s = e ? NULL : fake_stream(stream, "cudaStreamIsCapturing");
    if (s)
        *ret = s->capture == FAKE_NOT         ? cudaStreamCaptureStatusNone
               : s->capture == FAKE_CAPTURING ? cudaStreamCaptureStatusActive
                                              : cudaStreamCaptureStatusInvalidated;
    else if (!e)
        e = cudaErrorInvalidResourceHandle;
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *ret, cudaGraph_t g, unsigned long long flags)
{
    struct CUgraphExec_st *x;
    cudaError_t e;

    (void)flags;
    fake_lock();
    e = fake_may_fail("cudaGraphInstantiate", cudaErrorMemoryAllocation);
    if (!e && !fake_known(FAKE_GRAPH, g, "cudaGraphInstantiate"))
        e = cudaErrorInvalidValue;
    if (!e) {
        x = calloc(1, sizeof(*x));
        if (!x)
            abort();
        copy_list(&x->nodes, &g->nodes);
        fake_born(FAKE_EXEC, x);
        *ret = x;
    }
    fake_unlock();
    return fake_error(e);
}

/* A graph is recorded on one stream and may be launched on another: its nodes are then that one's.
 */
static cudaError_t launch(const struct CUgraphExec_st *x, struct CUstream_st *s)
{
    cudaError_t e = cudaSuccess;

    if (s->device != fake_self()->device)
        return cudaErrorInvalidResourceHandle;
    for (const struct fake_item *i = x->nodes.first; i && !e; i = i->next)
        e = fake_push(s, i->run, i->data, i->size, i->counts);
    graph_launches += !e;
    return e;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t x, cudaStream_t stream)
{
    struct CUstream_st *s;
    cudaError_t e;

    fake_lock();
    e = fake_may_fail("cudaGraphLaunch", cudaErrorIllegalAddress);
    s = e ? NULL : fake_stream(stream, "cudaGraphLaunch");
    if (!e && (!s || !fake_known(FAKE_EXEC, x, "cudaGraphLaunch")))
        e = cudaErrorInvalidResourceHandle;
    if (!e)
        e = launch(x, s);
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaGraphDestroy(cudaGraph_t g)
{
    cudaError_t e = cudaErrorInvalidValue;

    fake_lock();
    if (fake_dies(FAKE_GRAPH, g, "cudaGraphDestroy")) {
        e = cudaSuccess;
        fake_list_free(&g->nodes);
        free(g);
    }
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t x)
{
    cudaError_t e = cudaErrorInvalidValue;

    fake_lock();
    if (fake_dies(FAKE_EXEC, x, "cudaGraphExecDestroy")) {
        e = cudaSuccess;
        fake_list_free(&x->nodes);
        free(x);
    }
    fake_unlock();
    return fake_error(e);
}
