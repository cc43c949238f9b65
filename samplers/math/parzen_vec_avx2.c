#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define VEC_BYTES 32
#define VEC_TABLE parzen_vec_avx2
#define VEC_NAME "AVX2"
#include "samplers/math/parzen_vec_body.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
