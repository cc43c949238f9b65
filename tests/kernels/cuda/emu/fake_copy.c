/* Copies and fills, and what the host waits for in them. */
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/cuda/emu/fake_queue.h"

/* Rows of width bytes; a plain copy is one row. */
struct copy {
    char *to;
    const char *from;
    size_t to_pitch, from_pitch, width, rows;
};

/* Bytes from its first to its last. */
static size_t extent(size_t pitch, size_t width, size_t rows)
{
    return rows && width ? pitch * (rows - 1) + width : 0;
}

static bool there(const void *p, size_t n, const char *what)
{
    size_t room;

    return fake_where(p, &room) == FAKE_PAGEABLE || fake_on_device(p, n, what);
}

static cudaError_t copy_now(void *data)
{
    const struct copy *c = data;
    size_t read = extent(c->from_pitch, c->width, c->rows),
           written = extent(c->to_pitch, c->width, c->rows);

    /* Between the call and now it may have been freed. */
    if (!there(c->from, read, "copying from") || !there(c->to, written, "copying to"))
        return cudaErrorIllegalAddress;
    if ((c->from < c->to ? c->from + read > c->to : c->to + written > c->from) && read)
        fake_complain("a copy of %zu bytes from %p to %p overlaps", read, (const void *)c->from,
                      (void *)c->to);
    for (size_t i = 0; i < c->rows; i++)
        memmove(c->to + i * c->to_pitch, c->from + i * c->from_pitch, c->width);
    return cudaSuccess;
}

/* What the caller says of the two sides must be so, and enough of them there. */
static cudaError_t check(const struct copy *c, enum cudaMemcpyKind kind, const char *function)
{
    static const char *const side[] = {"host", "host", "the device"};
    size_t read = extent(c->from_pitch, c->width, c->rows),
           written = extent(c->to_pitch, c->width, c->rows), room;
    bool from_device = fake_where(c->from, &room) == FAKE_DEVICE,
         to_device = fake_where(c->to, &room) == FAKE_DEVICE;
    bool want_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice,
         want_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;

    if (c->width > c->to_pitch || c->width > c->from_pitch)
        return cudaErrorInvalidPitchValue;
    if (!read)
        return cudaSuccess;
    if ((unsigned)kind > cudaMemcpyDefault)
        return cudaErrorInvalidMemcpyDirection;
    if (kind != cudaMemcpyDefault && (from_device != want_from || to_device != want_to)) {
        fake_complain("%s: a copy from %s to %s is called one from %s to %s", function,
                      side[from_device ? 2 : 0], side[to_device ? 2 : 0], side[want_from ? 2 : 0],
                      side[want_to ? 2 : 0]);
        return cudaErrorInvalidValue;
    }
    return there(c->from, read, function) && there(c->to, written, function)
               ? cudaSuccess
               : cudaErrorInvalidValue;
}

static bool pageable(const struct copy *c)
{
    size_t room;

    return fake_where(c->from, &room) == FAKE_PAGEABLE || fake_where(c->to, &room) == FAKE_PAGEABLE;
}

static cudaError_t copy(struct copy c, enum cudaMemcpyKind kind, cudaStream_t stream, bool wait,
                        const char *function)
{
    struct CUstream_st *s;
    cudaError_t e;

    fake_lock();
    e = fake_may_fail(function, cudaErrorIllegalAddress);
    s = e ? NULL : fake_stream(stream, function);
    if (!e && !s)
        e = cudaErrorInvalidResourceHandle;
    if (!e)
        e = check(&c, kind, function);
    if (!e && wait && !fake_capture_allows(function))
        e = cudaErrorStreamCaptureUnsupported;
    /* A graph would read or write the host's memory at times that the host does not know. */
    if (!e && s->capture && pageable(&c)) {
        fake_invalidate(s);
        e = cudaErrorStreamCaptureUnsupported;
    }
    if (!e && c.rows && c.width) {
        e = fake_push(s, copy_now, &c, sizeof(c), false);
        if (!e && ((wait && kind != cudaMemcpyDeviceToDevice) || pageable(&c))) {
            fake_count_wait();
            e = fake_finish(s);
        }
    }
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    return copy((struct copy){to, from, n, n, n, 1}, kind, stream, false, "cudaMemcpyAsync");
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t n, enum cudaMemcpyKind kind)
{
    return copy((struct copy){to, from, n, n, n, 1}, kind, NULL, true, "cudaMemcpy");
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                              size_t width, size_t rows, enum cudaMemcpyKind kind,
                              cudaStream_t stream)
{
    return copy((struct copy){to, from, to_pitch, from_pitch, width, rows}, kind, stream, false,
                "cudaMemcpy2DAsync");
}

cudaError_t cudaMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                         size_t width, size_t rows, enum cudaMemcpyKind kind)
{
    return copy((struct copy){to, from, to_pitch, from_pitch, width, rows}, kind, NULL, true,
                "cudaMemcpy2D");
}

struct fill {
    void *at;
    int value;
    size_t n;
};

static cudaError_t fill_now(void *data)
{
    const struct fill *f = data;

    if (!fake_on_device(f->at, f->n, "filling"))
        return cudaErrorIllegalAddress;
    memset(f->at, f->value, f->n);
    return cudaSuccess;
}

static cudaError_t fill(void *at, int value, size_t n, cudaStream_t stream, const char *function)
{
    struct CUstream_st *s;
    cudaError_t e;

    fake_lock();
    e = fake_may_fail(function, cudaErrorIllegalAddress);
    s = e ? NULL : fake_stream(stream, function);
    if (!e && (!s || (n && !fake_on_device(at, n, function))))
        e = s ? cudaErrorInvalidValue : cudaErrorInvalidResourceHandle;
    if (!e && n)
        e = fake_push(s, fill_now, &(struct fill){at, value, n}, sizeof(struct fill), false);
    fake_unlock();
    return fake_error(e);
}

cudaError_t cudaMemsetAsync(void *at, int value, size_t n, cudaStream_t stream)
{
    return fill(at, value, n, stream, "cudaMemsetAsync");
}

cudaError_t cudaMemset(void *at, int value, size_t n)
{
    return fill(at, value, n, NULL, "cudaMemset");
}
