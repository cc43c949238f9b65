/* kernels/cuda/grid.h - inside the .cu files: how much of the work a block does, and which part of
 * a tensor is a thread's. Models are the grid's second dimension everywhere. */
#ifndef HPO_KERNELS_CUDA_GRID_H
#define HPO_KERNELS_CUDA_GRID_H

#include "kernels/cuda/vec.h"

#define CU_THREADS 256
#define CU_WARP 32
#define CU_FULL 0xffffffffu

/* A grid for `count` pieces of work a model, `each` to a block. */
static inline dim3 cu_grid(size_t count, size_t each, int models)
{
    return dim3((unsigned)((count + each - 1) / each), (unsigned)models);
}

/* The least power of two that is no less, but not more than most. */
static inline unsigned cu_power(size_t n, unsigned most)
{
    unsigned p = 1;

    while (p < n && p < most)
        p *= 2;
    return p;
}

/* Vectors of 16 bytes that hold the channels of a pixel. */
static inline unsigned cu_vectors(const struct cu_array *a, int stored)
{
    return (unsigned)stored / (a->type == CU_F32 ? 4u : 8u);
}

/* Channels as stored: DESIGN of ops.h. */
static inline int cu_stored(const struct cu_array *a, int channels)
{
    int unit = a->type == CU_F32 ? 4 : 8;

    return (channels + unit - 1) / unit * unit;
}

/* The vector that lies `i` vectors after the start of a model's tensor. */
struct cu_spot {
    size_t n;      /* image */
    unsigned y, x; /* pixel */
    unsigned v;    /* vector of its channels */
};

/* The quotient of 64 bits is one of 32 where that is enough: the compiler's code looks. */
static __device__ __forceinline__ struct cu_spot cu_spot_at(size_t i, unsigned h, unsigned w,
                                                            unsigned vectors)
{
    struct cu_spot s;
    size_t pixel = i / vectors, row = pixel / w;

    s.v = (unsigned)(i - pixel * vectors);
    s.x = (unsigned)(pixel - row * w);
    s.n = row / h;
    s.y = (unsigned)(row - s.n * h);
    return s;
}

/* As cu_load, when something is there. */
template <typename T>
static __device__ __forceinline__ void cu_load_if(bool there, const T *p,
                                                  float (&ret)[cu_vec<T>::n])
{
#pragma unroll
    for (int k = 0; k < cu_vec<T>::n; k++)
        ret[k] = 0;
    if (there)
        cu_load(p, ret);
}

#endif
