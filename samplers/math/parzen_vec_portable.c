/* 16-byte vectors: SSE2, NEON, or whatever the compiler makes of them. */
#define VEC_BYTES 16
#define VEC_TABLE parzen_vec_portable
#define VEC_NAME "portable"
#include "samplers/math/parzen_vec_body.h"

const struct parzen_vec *parzen_vec_pick(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        return &parzen_vec_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &parzen_vec_avx2;
#endif
    return &parzen_vec_portable;
}
