/* Optimizer steps over flat arrays, dynamic loss scaling and clipping.
 *
 * With a scaler or clipping there are three launches: every block looks at its gradients; one block
 * a model gathers what they found, moves the scale and decides on the factor; then the step, which
 * leaves a model alone when something was not finite. Gradients are clipped as they are without
 * their scale (PyTorch's GradScaler.unscale_ before clip_grad_norm_). */
#include "kernels/cuda/device.h"
#include "kernels/cuda/flat.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/optim.h"

#define GROW_AFTER 2000
/* The scale is a power of two in this range, so that its reciprocal is a normal number and exact.
 */
#define SCALE_MIN 0x1p-126f
#define SCALE_MAX 0x1p126f

static __device__ __forceinline__ bool infinite_or_nan(float v)
{
    return (__float_as_uint(v) & 0x7f800000u) == 0x7f800000u;
}

/* The squares' sum of a block's gradients. CLIP false: 0, and likewise not finite when one of them
 * is not. (No sum of squares of finite fp32 numbers is too large for a double.) */
template <int N, bool CLIP>
__global__ void __launch_bounds__(CU_THREADS)
    look_kernel(const struct cu_step *step, struct cu_flat f)
{
    const size_t model = blockIdx.y, first = (size_t)blockIdx.x * CU_LOOK;
    bool found = false;
    double sum = 0;

    if (cu_waits(step, (int)model))
        return;
#pragma unroll
    for (int j = 0; j < CU_LOOK / (N * CU_THREADS); j++) {
        const size_t i = first + ((size_t)j * CU_THREADS + threadIdx.x) * N;
        float v[N];

        if (i >= f.n)
            break;
        if (cu_part_of(f, model, i).how == CU_FROZEN)
            continue;
        cu_get(f.g + model * f.n + i, v);
#pragma unroll
        for (int k = 0; k < N; k++)
            if (CLIP)
                sum += (double)v[k] * (double)v[k];
            else
                found |= infinite_or_nan(v[k]);
    }
    sum = cu_sum_block(CLIP ? sum : found ? INFINITY : 0.0);
    if (threadIdx.x == 0)
        f.squares[model * gridDim.x + blockIdx.x] = sum;
}

/* torch.cuda.amp.GradScaler's update; and what the gradients are multiplied by. */
__global__ void __launch_bounds__(CU_THREADS)
    judge_kernel(const struct cu_step *step, const struct cu_hyper *hyper, int blocks,
                 struct cu_flat f)
{
    const size_t model = blockIdx.x;

    if (cu_waits(step, (int)model))
        return;
    double sum = cu_sum_partial(f.squares + model * blocks, blocks);

    if (threadIdx.x)
        return;
    float factor = 1;

    if (f.scaler) {
        struct cu_scaler s = f.scaler[model];

        factor = 1.0f / s.scale;
        sum *= (double)factor * (double)factor;
        s.found = !(sum - sum == 0.0);
        if (s.found) {
            s.scale = s.scale > SCALE_MIN ? 0.5f * s.scale : SCALE_MIN;
            s.good = 0;
        } else if (++s.good >= GROW_AFTER) {
            s.scale = s.scale < SCALE_MAX ? 2.0f * s.scale : SCALE_MAX;
            s.good = 0;
        }
        f.scaler[model] = s;
    }
    if (f.clip)
        factor *= kn_clip_factor(hyper[model].optim.clip, sum);
    f.factor[model] = factor;
}

template <enum kn_optim_kind KIND>
static __device__ __forceinline__ void rule(const struct kn_optim_step &s, float g, float *w,
                                            float *a, float *b)
{
    if (KIND == KN_SGD)
        kn_sgd(&s, g, w, a);
    else if (KIND == KN_ADAM)
        kn_adam(&s, g, w, a, b);
    else if (KIND == KN_RMSPROP)
        kn_rmsprop(&s, g, w, a, b);
    else if (KIND == KN_LION)
        kn_lion(&s, g, w, a);
    else
        kn_adamw(&s, g, w, a, b);
}

/* Of a piece's weights all are treated alike. Momentum that is 0 keeps nothing. */
template <typename T, int N, enum kn_optim_kind KIND>
__global__ void __launch_bounds__(CU_THREADS)
    step_kernel(const struct cu_step *step, struct cu_flat f)
{
    const size_t i = ((size_t)blockIdx.x * CU_THREADS + threadIdx.x) * N, model = blockIdx.y;
    const size_t at = model * f.n + i;
    float g[N], w[N], a[N] = {0}, b[N] = {0}, factor;

    if (i >= f.n || !cu_moves(step, f, model, &factor))
        return;
    const struct cu_part part = cu_part_of(f, model, i);

    if (part.how != CU_PLAIN)
        return;
    const struct kn_optim_step s = kn_optim_part(&step[model].optim, part.lr, part.decay);
    const bool keeps_a = KIND != KN_SGD || s.momentum != 0.0f;
    const bool keeps_b =
        KIND != KN_SGD && KIND != KN_LION && (KIND != KN_RMSPROP || s.momentum != 0.0f);

    cu_get(f.g + at, g);
    cu_get(f.w + at, w);
    if (keeps_a)
        cu_get(f.slot[0] + at, a);
    if (keeps_b)
        cu_get(f.slot[1] + at, b);
#pragma unroll
    for (int k = 0; k < N; k++)
        rule<KIND>(s, g[k] * factor, &w[k], &a[k], &b[k]);
    cu_put(f.w + at, w);
    if (keeps_a)
        cu_put(f.slot[0] + at, a);
    if (keeps_b)
        cu_put(f.slot[1] + at, b);
    if (f.copy)
        cu_put((T *)f.copy + at, w);
}

int cu_flat_blocks(size_t n)
{
    return (int)((n + CU_LOOK - 1) / CU_LOOK);
}

template <int N> static cudaError_t judge(const struct cu_array *a, const struct cu_flat *f)
{
    const dim3 grid = cu_grid(f->n, CU_LOOK, a->models);
    cudaError_t e;

    if (f->clip)
        e = CU_LAUNCH((look_kernel<N, true>), grid, CU_THREADS, a->stream, a->step, *f);
    else
        e = CU_LAUNCH((look_kernel<N, false>), grid, CU_THREADS, a->stream, a->step, *f);
    if (e)
        return e;
    return CU_LAUNCH(judge_kernel, (unsigned)a->models, CU_THREADS, a->stream, a->step, a->hyper,
                     cu_flat_blocks(f->n), *f);
}

template <typename T, int N, enum kn_optim_kind KIND>
static cudaError_t launch(const struct cu_array *a, const struct cu_flat *f)
{
    return CU_LAUNCH((step_kernel<T, N, KIND>), cu_grid(f->n, (size_t)N * CU_THREADS, a->models),
                     CU_THREADS, a->stream, a->step, *f);
}

template <typename T, int N>
static cudaError_t optimize(const struct cu_array *a, const struct cu_flat *f)
{
    static cudaError_t (*const launches[KN_N_OPTIMS])(const struct cu_array *,
                                                      const struct cu_flat *) = {
        launch<T, N, KN_SGD>,     launch<T, N, KN_ADAMW>, launch<T, N, KN_ADAM>,
        launch<T, N, KN_RMSPROP>, launch<T, N, KN_LION>,  launch<T, N, KN_ADAMW>};
    const cudaError_t e = f->scaler || f->clip ? judge<N>(a, f) : cudaSuccess;

    return e ? e : launches[f->kind](a, f);
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
