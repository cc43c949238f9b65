/* tests/kernels/cuda/emu/fake_cudnn.h - inside the fake cuDNN: descriptors, and convolutions as
 * they are run. */
#ifndef HPO_TESTS_KERNELS_CUDA_EMU_FAKE_CUDNN_H
#define HPO_TESTS_KERNELS_CUDA_EMU_FAKE_CUDNN_H

#include <cudnn.h>

#include "tests/kernels/cuda/emu/fake_priv.h"

enum { FAKE_FORWARD, FAKE_DATA, FAKE_FILTER };
enum { FAKE_X, FAKE_W, FAKE_Y };

/* Elements from one to the next along {group, n, c, h, w}, and {group, k, c, r, s} of weights. */
struct fake_tensor {
    int64_t stride[5];
    int64_t id;
};

struct fake_conv {
    int pass;
    enum fake_type type;
    int64_t g, n, c, h, w, k, r, p, q, stride, pad;
    float beta;
    struct fake_tensor t[3];
};

/* What engines say of themselves. */
struct fake_engine {
    int index;
    bool tensor_core, nondeterministic, compiled, rounds;
    bool fails; /* a plan of it is never finalised */
    enum { FAKE_NO_ROOM, FAKE_SOME_ROOM, FAKE_COPIES } workspace;
};
const struct fake_engine *fake_engine(int index); /* NULL: there is none */
/* The heuristics' answer; returns how many. */
int fake_engines(const struct fake_conv *c, bool fallback, int *ret, int max);
int64_t fake_workspace(const struct fake_engine *e, const struct fake_conv *c);

struct fake_run {
    struct fake_conv conv;
    int engine;
    void *at[3]; /* x, w, y */
    void *workspace;
};
/* For fake_enqueue. */
cudaError_t fake_convolve(void *run);

#endif
