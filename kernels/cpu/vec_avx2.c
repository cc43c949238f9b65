#include <math.h>
#include <string.h>

#include "kernels/cpu/vec.h"
#include "kernels/math/dropout.h"

#if defined(__x86_64__)
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#define VEC_LANES 8
#define VEC_TABLE cpu_vec_avx2
#define VEC_NAME "AVX2"
#include "kernels/cpu/vec_body.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
