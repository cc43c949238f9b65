/* base/compiler.h - the attributes that this code uses, under readable names. */
#ifndef HPO_BASE_COMPILER_H
#define HPO_BASE_COMPILER_H

#define HPO_PRINTF(fmt, args) __attribute__((format(printf, fmt, args), nonnull(fmt)))
#define HPO_MUST_CHECK __attribute__((warn_unused_result))
#define HPO_UNUSED __attribute__((unused))
#define HPO_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Headers that .cu files include are wrapped in these. */
#ifdef __cplusplus
#define HPO_BEGIN_C extern "C" {
#define HPO_END_C }
#else
#define HPO_BEGIN_C
#define HPO_END_C
#endif

/* Element-wise formulas in kernels/math/ are compiled for the host and for the device. */
#ifdef __CUDACC__
#define HPO_HD static __host__ __device__ __forceinline__
#else
#define HPO_HD static inline
#endif

/* What a struct is initialised with whose members all begin as 0, without a warning in either
 * language. */
#ifdef __cplusplus
#define HPO_ZEROED \
    {              \
    }
#else
#define HPO_ZEROED \
    {              \
        0          \
    }
#endif

#endif
