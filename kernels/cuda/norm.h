/* kernels/cuda/norm.h - inside the .cu files: what batch norm's two passes have in common.
 *
 * A mean is kept as two floats, its nearest and what that is off by: x - mean is exact where x lies
 * near the mean, and a channel of 100 +- 0.01 loses nothing in x * scale + shift. */
#ifndef HPO_KERNELS_CUDA_NORM_H
#define HPO_KERNELS_CUDA_NORM_H

#include "kernels/cuda/reduce.h"

/* Rows of cu_norm.saved. */
enum cu_saved { CU_MEAN, CU_LOW, CU_ISTD, CU_SCALE, CU_N_SAVED };

/* Element 0 of `row` of the model's saved numbers. */
static __device__ __forceinline__ float *cu_saved_row(const struct cu_norm &n, enum cu_saved row)
{
    return n.saved + ((size_t)blockIdx.y * CU_N_SAVED + row) * n.s.stored;
}

/* The q-th of two partial sums: element 0 of a part. */
static __device__ __forceinline__ float *cu_partial_row(const struct cu_norm &n,
                                                        const struct cu_tile &t, int part, int q)
{
    return (float *)n.partial + (((size_t)blockIdx.y * t.parts + part) * 2 + q) * n.s.stored;
}

/* ReLU as kernels/cpu has it: NaN goes through. */
static __device__ __forceinline__ float cu_positive(float v)
{
    return v <= 0.0f ? 0.0f : v;
}

/* Where ReLU's output is y. */
static __device__ __forceinline__ float cu_cut(float y, float dy)
{
    return y <= 0.0f ? 0.0f : dy;
}

#endif
