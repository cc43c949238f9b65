#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,prefer-vector-width=512")
#endif

#define VEC_BYTES 64
#define VEC_TABLE parzen_vec_avx512
#define VEC_NAME "AVX-512"
#include "samplers/math/parzen_vec_body.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
