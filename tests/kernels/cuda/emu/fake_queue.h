/* tests/kernels/cuda/emu/fake_queue.h - what is given to streams, and how late it is done. Inside
 * the fake CUDA runtime alone, under its lock.
 *
 * A stream that does not block has a queue of its own. All that block share one with the default
 * stream, in the order of the calls: that is one of the orders that CUDA allows for them. */
#ifndef HPO_TESTS_KERNELS_CUDA_EMU_FAKE_QUEUE_H
#define HPO_TESTS_KERNELS_CUDA_EMU_FAKE_QUEUE_H

#include "tests/kernels/cuda/emu/fake_priv.h"

struct fake_item {
    struct fake_item *next;
    const struct CUstream_st *stream;
    cudaError_t (*run)(void *data);
    bool counts; /* one of fake_launches */
    size_t size;
    max_align_t data[];
};

struct fake_list {
    struct fake_item *first, *last;
};

enum fake_capture { FAKE_NOT, FAKE_CAPTURING, FAKE_INVALID };

struct CUstream_st {
    struct CUstream_st *next; /* of all */
    int device;
    bool blocking;
    struct fake_list own, *queue;

    enum fake_capture capture;
    enum cudaStreamCaptureMode mode;
    const struct fake_thread *thread; /* that began to capture */
    struct fake_list captured;
};

/* What CUDA remembers of a thread. */
struct fake_thread {
    cudaError_t last;
    int device;
};
struct fake_thread *fake_self(void);

/* The default stream stands for NULL. NULL, with a complaint: there is none such. */
struct CUstream_st *fake_stream(cudaStream_t s, const char *function);
/* The first one; further ones are at next. */
struct CUstream_st *fake_streams(void);

/* run(data) when the stream comes to it, or whenever the graph that is recorded is launched; data
 * is copied. counts: it is one of fake_launches. */
cudaError_t fake_push(struct CUstream_st *s, cudaError_t (*run)(void *data), const void *data,
                      size_t size, bool counts);
/* Do what lies in a queue up to an item of it; NULL: all. The first failure, which then is that of
 * every further call: the device is lost. */
cudaError_t fake_run(struct fake_list *queue, const struct fake_item *last);
/* Up to the stream's last. */
cudaError_t fake_finish(struct CUstream_st *s);

/* What was recorded can never be launched. */
void fake_invalidate(struct CUstream_st *s);

void fake_list_add(struct fake_list *l, struct fake_item *i);
void fake_list_free(struct fake_list *l);
struct fake_item *fake_item_new(const struct CUstream_st *s, cudaError_t (*run)(void *data),
                                const void *data, size_t size, bool counts);

#endif
