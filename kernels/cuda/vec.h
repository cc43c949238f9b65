/* kernels/cuda/vec.h - inside the .cu files: elements of type T, sixteen bytes of them at a time, and
 * sums over the threads of a block. Arithmetic is in fp32 whatever T is; a value is rounded to T
 * (to nearest, ties to even) when it is stored.
 *
 * Everything that cudaMalloc or a plan's arena gives lies on 16 bytes, and channels as stored are a
 * multiple of cu_vec<T>::n (the 4 channels of an fp32 image included). */
#ifndef HPO_KERNELS_CUDA_VEC_H
#define HPO_KERNELS_CUDA_VEC_H

#include "kernels/cuda/launch.h"
#include "kernels/cuda/ops.h"

static __device__ __forceinline__ float cu_float(float v)
{
    return v;
}
static __device__ __forceinline__ float cu_float(__nv_bfloat16 v)
{
    return __bfloat162float(v);
}
static __device__ __forceinline__ float cu_float(__half v)
{
    return __half2float(v);
}

template <typename T>
static __device__ __forceinline__ T cu_round(float v);
template <>
__device__ __forceinline__ float cu_round<float>(float v)
{
    return v;
}
template <>
__device__ __forceinline__ __nv_bfloat16 cu_round<__nv_bfloat16>(float v)
{
    return __float2bfloat16_rn(v);
}
template <>
__device__ __forceinline__ __half cu_round<__half>(float v)
{
    return __float2half_rn(v);
}

/* One load or store of the memory system. */
template <typename T>
struct alignas(16) cu_vec {
    static constexpr int n = 16 / sizeof(T);
    T at[n];
};

template <typename T>
static __device__ __forceinline__ void cu_load(const T *p, float (&ret)[cu_vec<T>::n])
{
    const cu_vec<T> v = *reinterpret_cast<const cu_vec<T> *>(p);

#pragma unroll
    for (int i = 0; i < cu_vec<T>::n; i++)
        ret[i] = cu_float(v.at[i]);
}

template <typename T>
static __device__ __forceinline__ void cu_store(T *p, const float (&from)[cu_vec<T>::n])
{
    cu_vec<T> v;

#pragma unroll
    for (int i = 0; i < cu_vec<T>::n; i++)
        v.at[i] = cu_round<T>(from[i]);
    *reinterpret_cast<cu_vec<T> *>(p) = v;
}

/* A model sits the step out. Evaluations (no step) have every model. */
static __device__ __forceinline__ bool cu_sits_out(const struct cu_step *step, int model)
{
    return step && step[model].n == 0;
}

/* A model's weights do not change in this step: it sits out, or more micro-batches are to come. */
static __device__ __forceinline__ bool cu_waits(const struct cu_step *step, int model)
{
    return step[model].n == 0 || step[model].micro + 1 < step[model].micros;
}

/* Call f with a T for the element type: CU_FOR_TYPE(a->type, T, rc = launch<T>(a, ...)). */
#define CU_FOR_TYPE(type, T, ...)       \
    do {                                \
        switch (type) {                 \
        case CU_F32: {                  \
            typedef float T;            \
            __VA_ARGS__;                \
            break;                      \
        }                               \
        case CU_BF16: {                 \
            typedef __nv_bfloat16 T;    \
            __VA_ARGS__;                \
            break;                      \
        }                               \
        case CU_F16: {                  \
            typedef __half T;           \
            __VA_ARGS__;                \
            break;                      \
        }                               \
        }                               \
    } while (0)

#endif
