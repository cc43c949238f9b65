/* Optimizer steps over flat arrays, and dynamic loss scaling.
 *
 * With a scaler there are three launches: every block looks at its gradients; one block a model
 * gathers what they found and moves the scale; then the step, which leaves a model alone when
 * something was found. What gradients are multiplied by travels in the model's first flag. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/flat.h"
#include "kernels/cuda/grid.h"

#define LOOK 4096 /* gradients that a block looks at */
#define GROW_AFTER 2000
/* The scale is a power of two in this range, so that its reciprocal is a normal number and exact.
 */
#define SCALE_MIN 0x1p-126f
#define SCALE_MAX 0x1p126f

static __device__ __forceinline__ bool infinite_or_nan(float v)
{
    return (__float_as_uint(v) & 0x7f800000u) == 0x7f800000u;
}

/* Whether any thread's bit is set; for thread 0 alone. */
static __device__ __forceinline__ bool any_of_block(bool mine)
{
    __shared__ unsigned warp[CU_THREADS / CU_WARP];
    unsigned any = mine;

    for (int o = CU_WARP / 2; o; o /= 2)
        any |= __shfl_xor_sync(CU_FULL, any, o);
    if (threadIdx.x % CU_WARP == 0)
        warp[threadIdx.x / CU_WARP] = any;
    __syncthreads();
    for (int w = 0; w < CU_THREADS / CU_WARP; w++)
        any |= warp[w];
    return any;
}

template <int N>
__global__ void __launch_bounds__(CU_THREADS)
    look_kernel(const struct cu_step *step, size_t n, const float *g, int *bad)
{
    const size_t model = blockIdx.y, first = (size_t)blockIdx.x * LOOK;
    bool found = false;

    if (cu_sits_out(step, (int)model))
        return;
#pragma unroll
    for (int j = 0; j < LOOK / (N * CU_THREADS); j++) {
        const size_t i = first + ((size_t)j * CU_THREADS + threadIdx.x) * N;
        float v[N];

        if (i >= n)
            break;
        cu_get(g + model * n + i, v);
#pragma unroll
        for (int k = 0; k < N; k++)
            found |= infinite_or_nan(v[k]);
    }
    found = any_of_block(found);
    if (threadIdx.x == 0)
        bad[model * gridDim.x + blockIdx.x] = found;
}

/* torch.cuda.amp.GradScaler's update. */
__global__ void __launch_bounds__(CU_THREADS)
    scale_kernel(const struct cu_step *step, int blocks, int *bad, struct cu_scaler *scaler)
{
    const size_t model = blockIdx.x;
    bool found = false;

    if (cu_sits_out(step, (int)model))
        return;
    bad += model * blocks;
    for (int i = (int)threadIdx.x; i < blocks; i += CU_THREADS)
        found |= bad[i] != 0;
    found = any_of_block(found);
    if (threadIdx.x)
        return;
    struct cu_scaler s = scaler[model];

    bad[0] = __float_as_int(1.0f / s.scale);
    s.found = found;
    if (found) {
        s.scale = s.scale > SCALE_MIN ? 0.5f * s.scale : SCALE_MIN;
        s.good = 0;
    } else if (++s.good >= GROW_AFTER) {
        s.scale = s.scale < SCALE_MAX ? 2.0f * s.scale : SCALE_MAX;
        s.good = 0;
    }
    scaler[model] = s;
}

/* A model's gradients are multiplied by this; false: it keeps its weights. */
static __device__ __forceinline__ bool unscale(const struct cu_flat &f, int blocks, size_t model,
                                               float *ret)
{
    *ret = f.scaler ? __int_as_float(f.bad[model * blocks]) : 1.0f;
    return !f.scaler || !f.scaler[model].found;
}

template <typename T, int N>
__global__ void __launch_bounds__(CU_THREADS)
    sgd_kernel(const struct cu_step *step, struct cu_flat f, int blocks)
{
    const size_t i = ((size_t)blockIdx.x * CU_THREADS + threadIdx.x) * N, model = blockIdx.y;
    const size_t at = model * f.n + i;
    float g[N], w[N], buf[N] = {0}, factor;

    if (i >= f.n || cu_sits_out(step, (int)model) || !unscale(f, blocks, model, &factor))
        return;
    const struct kn_optim_step s = step[model].optim;

    cu_get(f.g + at, g);
    cu_get(f.w + at, w);
    if (s.momentum != 0.0f)
        cu_get(f.slot[0] + at, buf);
#pragma unroll
    for (int k = 0; k < N; k++)
        kn_sgd(&s, g[k] * factor, &w[k], &buf[k]);
    cu_put(f.w + at, w);
    if (s.momentum != 0.0f)
        cu_put(f.slot[0] + at, buf);
    if (f.copy)
        cu_put((T *)f.copy + at, w);
}

template <typename T, int N>
__global__ void __launch_bounds__(CU_THREADS)
    adamw_kernel(const struct cu_step *step, struct cu_flat f, int blocks)
{
    const size_t i = ((size_t)blockIdx.x * CU_THREADS + threadIdx.x) * N, model = blockIdx.y;
    const size_t at = model * f.n + i;
    float g[N], w[N], m[N], v[N], factor;

    if (i >= f.n || cu_sits_out(step, (int)model) || !unscale(f, blocks, model, &factor))
        return;
    const struct kn_optim_step s = step[model].optim;

    cu_get(f.g + at, g);
    cu_get(f.w + at, w);
    cu_get(f.slot[0] + at, m);
    cu_get(f.slot[1] + at, v);
#pragma unroll
    for (int k = 0; k < N; k++)
        kn_adamw(&s, g[k] * factor, &w[k], &m[k], &v[k]);
    cu_put(f.w + at, w);
    cu_put(f.slot[0] + at, m);
    cu_put(f.slot[1] + at, v);
    if (f.copy)
        cu_put((T *)f.copy + at, w);
}

int cu_flat_blocks(size_t n)
{
    return (int)((n + LOOK - 1) / LOOK);
}

template <int N> static cudaError_t rescale(const struct cu_array *a, const struct cu_flat *f)
{
    cudaError_t e = CU_LAUNCH(look_kernel<N>, cu_grid(f->n, LOOK, a->models), CU_THREADS, a->stream,
                              a->step, f->n, f->g, f->bad);

    if (e)
        return e;
    return CU_LAUNCH(scale_kernel, (unsigned)a->models, CU_THREADS, a->stream, a->step,
                     cu_flat_blocks(f->n), f->bad, f->scaler);
}

template <typename T, int N>
static cudaError_t optimize(const struct cu_array *a, const struct cu_flat *f)
{
    const dim3 grid = cu_grid(f->n, (size_t)N * CU_THREADS, a->models);
    const int blocks = cu_flat_blocks(f->n);
    cudaError_t e = f->scaler ? rescale<N>(a, f) : cudaSuccess;

    if (e)
        return e;
    if (f->kind == KN_ADAMW)
        return CU_LAUNCH((adamw_kernel<T, N>), grid, CU_THREADS, a->stream, a->step, *f, blocks);
    return CU_LAUNCH((sgd_kernel<T, N>), grid, CU_THREADS, a->stream, a->step, *f, blocks);
}

int cu_optim(const struct cu_array *a, const struct cu_flat *f, struct hpo_err *err)
{
    bool fours = cu_fours(f->w, f->n) && cu_fours(f->g, f->n);
    cudaError_t e = cudaErrorInvalidValue;

    if (f->n == 0)
        return HPO_OK;
    for (int i = 0; i < kn_optim_slots(f->kind); i++)
        fours = fours && cu_fours(f->slot[i], f->n);
    CU_FOR_TYPE(a->type, T, {
        if (fours && cu_fours((const T *)f->copy, f->n))
            e = optimize<T, 4>(a, f);
        else
            e = optimize<T, 1>(a, f);
    });
    return cu_check(e, "an optimizer step", err);
}
