#include <math.h>
#include <string.h>

#include "kernels/cpu/vec.h"
#include "kernels/math/dropout.h"

#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#endif

#define VEC_LANES 16
#define VEC_TABLE cpu_vec_avx512
#define VEC_NAME "AVX-512"
#include "kernels/cpu/vec_body.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
