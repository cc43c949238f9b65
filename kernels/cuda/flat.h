/* kernels/cuda/flat.h - inside the .cu files: flat arrays, four numbers at a time where all that is
 * read and written lies so, else one. Four of a 16-bit type are 8 bytes, beside 16 of fp32. */
#ifndef HPO_KERNELS_CUDA_FLAT_H
#define HPO_KERNELS_CUDA_FLAT_H

#include "kernels/cuda/vec.h"

static __device__ __forceinline__ void cu_get(const float *p, float (&ret)[4])
{
    const float4 v = *reinterpret_cast<const float4 *>(p);

    ret[0] = v.x;
    ret[1] = v.y;
    ret[2] = v.z;
    ret[3] = v.w;
}

static __device__ __forceinline__ void cu_put(float *p, const float (&from)[4])
{
    *reinterpret_cast<float4 *>(p) = make_float4(from[0], from[1], from[2], from[3]);
}

static __device__ __forceinline__ unsigned cu_bits(__nv_bfloat16 v)
{
    return __bfloat16_as_ushort(v);
}
static __device__ __forceinline__ unsigned cu_bits(__half v)
{
    return __half_as_ushort(v);
}

template <typename T> static __device__ __forceinline__ void cu_get(const T *p, float (&ret)[4])
{
    struct alignas(8) four {
        T at[4];
    };
    const four v = *reinterpret_cast<const four *>(p);

#pragma unroll
    for (int i = 0; i < 4; i++)
        ret[i] = cu_float(v.at[i]);
}

/* As two words: of four numbers of 16 bits the compiler makes four stores. */
template <typename T> static __device__ __forceinline__ void cu_put(T *p, const float (&from)[4])
{
    const unsigned a = cu_bits(cu_round<T>(from[0])) | cu_bits(cu_round<T>(from[1])) << 16;
    const unsigned b = cu_bits(cu_round<T>(from[2])) | cu_bits(cu_round<T>(from[3])) << 16;

    *reinterpret_cast<uint2 *>(p) = make_uint2(a, b);
}

template <typename T> static __device__ __forceinline__ void cu_get(const T *p, float (&ret)[1])
{
    ret[0] = cu_float(*p);
}

template <typename T> static __device__ __forceinline__ void cu_put(T *p, const float (&from)[1])
{
    *p = cu_round<T>(from[0]);
}

/* Whether an array can be taken by fours; counts: its size and strides, or-ed. */
template <typename T> static inline bool cu_fours(const T *p, size_t counts)
{
    return reinterpret_cast<uintptr_t>(p) % (4 * sizeof(T)) == 0 && counts % 4 == 0;
}

#endif
