/* 16-byte vectors: SSE2, NEON, or whatever the compiler makes of them. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/vec.h"
#include "kernels/math/dropout.h"

#define VEC_LANES 4
#define VEC_TABLE cpu_vec_portable
#define VEC_NAME "portable"
#include "kernels/cpu/vec_body.h"

const struct cpu_vec *cpu_vec_pick(int lanes)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (lanes >= 16 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &cpu_vec_avx512;
    if (lanes >= 8 && __builtin_cpu_supports("avx2"))
        return &cpu_vec_avx2;
#endif
    return &cpu_vec_portable;
}
