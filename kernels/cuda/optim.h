/* kernels/cuda/optim.h - inside the .cu files: what the kernels that change weights have in
 * common.
 */
#ifndef HPO_KERNELS_CUDA_OPTIM_H
#define HPO_KERNELS_CUDA_OPTIM_H

#include "kernels/cuda/grid.h"

#define CU_LOOK 4096 /* numbers of which a block takes the sum of squares */

/* Over the CU_THREADS threads of a block, for every thread, in a fixed order; once a kernel. */
static __device__ __forceinline__ double cu_sum_block(double mine)
{
    __shared__ double warp[CU_THREADS / CU_WARP];
    double sum = 0;

    for (int o = CU_WARP / 2; o; o /= 2)
        mine += __shfl_xor_sync(CU_FULL, mine, o);
    if (threadIdx.x % CU_WARP == 0)
        warp[threadIdx.x / CU_WARP] = mine;
    __syncthreads();
    for (int w = 0; w < CU_THREADS / CU_WARP; w++)
        sum += warp[w];
    return sum;
}

/* The second level: what the blocks of another launch have found. */
static __device__ __forceinline__ double cu_sum_partial(const double *partial, int blocks)
{
    double sum = 0;

    for (int i = (int)threadIdx.x; i < blocks; i += CU_THREADS)
        sum += partial[i];
    return cu_sum_block(sum);
}

/* Whether the model's weights change, and what its gradients are multiplied by. */
static __device__ __forceinline__ bool cu_moves(const struct cu_step *step, const struct cu_flat &f,
                                                size_t model, float *ret_factor)
{
    if (cu_waits(step, (int)model) || (f.scaler && f.scaler[model].found))
        return false;
    *ret_factor = f.scaler || f.clip ? f.factor[model] : 1.0f;
    return true;
}

/* What the numbers from i of the model's arrays on are part of. */
static __device__ __forceinline__ struct cu_part cu_part_of(const struct cu_flat &f, size_t model,
                                                            size_t i)
{
    return f.part[model * f.parts + f.which[i / CU_PIECE]];
}

#endif
