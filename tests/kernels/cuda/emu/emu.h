/* tests/kernels/cuda/emu/emu.h - CUDA C on a CPU, for tests: the .cu sources compiled by an
 * ordinary C++17 compiler with -DCU_EMULATE.
 *
 * A launch runs block after block; the threads of a block are fibers that change hands at barriers
 * and shuffles alone, so a kernel without them costs little more than a loop. What a real device
 * leaves undefined is an error here, printed to stderr and returned as cudaErrorLaunchFailure: a
 * barrier that not all threads of a block reach, or reach at different lines; a shuffle without the
 * whole warp, or from a lane that is not there. Shared memory is garbage (NaN) when a launch
 * begins, and may be so before every block. The order of blocks and threads can be changed: a
 * kernel whose result changes with it has a race. What works is what the kernels may use: see the
 * list of functions below. One launch at a time in the whole process. */
#ifndef HPO_TESTS_KERNELS_CUDA_EMU_EMU_H
#define HPO_TESTS_KERNELS_CUDA_EMU_EMU_H

/* C++ too, as .cu files see them; before our macros. */
#ifdef __cplusplus
#include <cmath>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cuda_runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In which order blocks and the threads of a block run: 0 as numbered, 1 backwards, others: a
 * shuffle named by the number. */
void emu_order(unsigned order);
/* Refill shared memory before every block, not only before every launch. */
void emu_strict(bool strict);
/* The last complaint, "" when there was none since the last call of this. quiet: stderr is spared
 * from now on (tests of the emulator itself). */
const char *emu_said(bool quiet);

/* ---- what the macros and templates below call ---- */

struct emu_ids {
    uint3 thread, block;
    dim3 grid, block_size;
};
extern struct emu_ids emu_id; /* of the thread that runs now */

typedef void (*emu_entry)(void *args);
/* Run every thread of a grid, now. args: the kernel's, untouched; name: for messages. */
cudaError_t emu_run(const char *name, dim3 grid, dim3 block, emu_entry entry, void *args);
/* Whether there can be such a grid; complains when not. */
cudaError_t emu_check(const char *name, dim3 grid, dim3 block);
/* A stream is given work: run(data), with a copy of the size bytes of data, when somebody waits for
 * the stream; or, while it is captured, whenever the graph is launched. In fake_stream.c. */
cudaError_t emu_enqueue(const char *name, cudaStream_t stream, cudaError_t (*run)(void *data),
                        const void *data, size_t size);
void emu_barrier(const char *file, int line);
void emu_warp_barrier(unsigned mask, const char *file, int line);
enum emu_shuffle { EMU_FROM, EMU_XOR, EMU_DOWN, EMU_UP };
/* value: 8 bytes in, the other lane's out. */
void emu_shuffle(enum emu_shuffle how, unsigned mask, int lane, int width, uint64_t *value,
                 const char *file, int line);

#ifdef __cplusplus
}
#endif

#if defined(CU_EMULATE) && defined(__cplusplus)

#undef __host__
#undef __device__
#undef __global__
#undef __shared__
#undef __constant__
#undef __launch_bounds__
#define __host__
#define __device__
#define __global__
#define __constant__ static
#define __launch_bounds__(...)
/* Thread-local, because that puts all of it, templates' too, where the emulator can find it. */
#define __shared__ static thread_local

#define threadIdx (emu_id.thread)
#define blockIdx (emu_id.block)
#define blockDim (emu_id.block_size)
#define gridDim (emu_id.grid)
#define warpSize 32

#define __syncthreads() emu_barrier(__FILE__, __LINE__)
#define __syncwarp(...) emu_warp_barrier(emu_mask(__VA_ARGS__), __FILE__, __LINE__)
#define __shfl_sync(mask, value, ...) \
    emu_shfl(EMU_FROM, mask, value, __FILE__, __LINE__, __VA_ARGS__)
#define __shfl_xor_sync(mask, value, ...) \
    emu_shfl(EMU_XOR, mask, value, __FILE__, __LINE__, __VA_ARGS__)
#define __shfl_down_sync(mask, value, ...) \
    emu_shfl(EMU_DOWN, mask, value, __FILE__, __LINE__, __VA_ARGS__)
#define __shfl_up_sync(mask, value, ...) \
    emu_shfl(EMU_UP, mask, value, __FILE__, __LINE__, __VA_ARGS__)

static inline unsigned emu_mask(unsigned mask = 0xffffffffu)
{
    return mask;
}

template <class T>
static inline T emu_shfl(enum emu_shuffle how, unsigned mask, T value, const char *file, int line,
                         int lane, int width = 32)
{
    static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves at most 8 bytes");
    uint64_t bits = 0;

    memcpy(&bits, &value, sizeof(T));
    emu_shuffle(how, mask, lane, width, &bits, file, line);
    memcpy(&value, &bits, sizeof(T));
    return value;
}

/* A launch as the stream keeps it: arguments are copied when it is made, as CUDA does. */
template <class... P> struct emu_call {
    void (*kernel)(P...);
    const char *name;
    dim3 grid, block;
    std::tuple<P...> args;

    static void enter(void *self)
    {
        emu_call *c = (emu_call *)self;

        std::apply(c->kernel, c->args);
    }
    static cudaError_t run(void *self)
    {
        emu_call *c = (emu_call *)self;

        return emu_run(c->name, c->grid, c->block, enter, self);
    }
};

/* P from the kernel alone: the arguments are converted to it as in a call. */
template <class T> struct emu_same {
    typedef T type;
};

template <class... P>
static inline cudaError_t emu_launch(const char *name, void (*kernel)(P...), dim3 grid, dim3 block,
                                     cudaStream_t stream, typename emu_same<P>::type... args)
{
    static_assert((std::is_trivially_copyable<P>::value && ...), "kernel arguments are copied");
    static_assert(((!std::is_reference<P>::value) && ...), "kernel arguments are values");
    emu_call<P...> c = {kernel, name, grid, block, std::tuple<P...>(args...)};
    cudaError_t e = emu_check(name, grid, block);

    return e ? e : emu_enqueue(name, stream, emu_call<P...>::run, &c, sizeof(c));
}

#define CU_LAUNCH(kernel, grid, block, stream, ...) \
    emu_launch(#kernel, kernel, grid, block, stream, ##__VA_ARGS__)

/* ---- CUDA's functions that have no meaning, or another name, on a host ---- */

template <class T> static inline T __ldg(const T *p)
{
    return *p;
}
template <class T> static inline T __ldcs(const T *p)
{
    return *p;
}
template <class T> static inline T __ldcg(const T *p)
{
    return *p;
}
template <class T> static inline void __stcs(T *p, T v)
{
    *p = v;
}

/* As CUDA has them: both of one kind, or the usual conversions. */
template <class A, class B> static inline typename std::common_type<A, B>::type min(A a, B b)
{
    typedef typename std::common_type<A, B>::type T;

    if (std::is_floating_point<T>::value)
        return (T)fmin((double)a, (double)b);
    return (T)a < (T)b ? (T)a : (T)b;
}
template <class A, class B> static inline typename std::common_type<A, B>::type max(A a, B b)
{
    typedef typename std::common_type<A, B>::type T;

    if (std::is_floating_point<T>::value)
        return (T)fmax((double)a, (double)b);
    return (T)a > (T)b ? (T)a : (T)b;
}

static inline float rsqrtf(float x)
{
    return 1.0f / sqrtf(x);
}
static inline double rsqrt(double x)
{
    return 1.0 / sqrt(x);
}
/* The C library has functions of these names, of its own. */
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __powf(x, y) powf(x, y)
static inline float __fdividef(float a, float b)
{
    return a / b;
}
static inline float __fdiv_rn(float a, float b)
{
    return a / b;
}
static inline float __fadd_rn(float a, float b)
{
    return a + b;
}
static inline float __fsub_rn(float a, float b)
{
    return a - b;
}
static inline float __fmul_rn(float a, float b)
{
    return a * b;
}
static inline float __fmaf_rn(float a, float b, float c)
{
    return fmaf(a, b, c);
}
static inline float __fsqrt_rn(float x)
{
    return sqrtf(x);
}
static inline float __frcp_rn(float x)
{
    return 1.0f / x;
}
static inline float __saturatef(float x)
{
    return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f;
}
static inline unsigned __umulhi(unsigned a, unsigned b)
{
    return (unsigned)(((uint64_t)a * b) >> 32);
}
static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
static inline int __clz(int x)
{
    return x ? __builtin_clz((unsigned)x) : 32;
}
static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}

template <class To, class From> static inline To emu_bits(From x)
{
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To r;

    memcpy(&r, &x, sizeof(r));
    return r;
}
static inline unsigned __float_as_uint(float x)
{
    return emu_bits<unsigned>(x);
}
static inline int __float_as_int(float x)
{
    return emu_bits<int>(x);
}
static inline float __uint_as_float(unsigned x)
{
    return emu_bits<float>(x);
}
static inline float __int_as_float(int x)
{
    return emu_bits<float>(x);
}
static inline int __float2int_rn(float x)
{
    return (int)rintf(x);
}

#endif
#endif
