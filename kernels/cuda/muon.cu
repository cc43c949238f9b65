/* Muon's matrices but for the products, which are cuBLAS's: muon.c. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/flat.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/optim.h"

#define N 4

static __device__ __forceinline__ bool is_frozen(const struct cu_flat &f, const struct cu_matrix &m,
                                                 size_t model)
{
    return f.part[model * f.parts + m.part].how == CU_FROZEN;
}

/* Momentum; the gradient's place is taken by what is orthogonalised. */
__global__ void __launch_bounds__(CU_THREADS)
    momentum_kernel(const struct cu_step *step, struct cu_flat f, struct cu_matrix m,
                    double *partial)
{
    const size_t model = blockIdx.y, first = (size_t)blockIdx.x * CU_LOOK;
    float factor;
    double sum = 0;

    if (!cu_moves(step, f, model, &factor) || is_frozen(f, m, model))
        return;
    const struct kn_optim_step s = step[model].optim;

#pragma unroll
    for (int j = 0; j < CU_LOOK / (N * CU_THREADS); j++) {
        const size_t i = first + ((size_t)j * CU_THREADS + threadIdx.x) * N;
        const size_t at = model * f.n + m.at + i;
        float g[N], buf[N];

        if (i >= m.n)
            break;
        cu_get(f.g + at, g);
        cu_get(f.slot[0] + at, buf);
#pragma unroll
        for (int k = 0; k < N; k++) {
            g[k] = kn_muon_momentum(&s, g[k] * factor, &buf[k]);
            sum += (double)g[k] * (double)g[k];
        }
        cu_put(f.g + at, g);
        cu_put(f.slot[0] + at, buf);
    }
    sum = cu_sum_block(sum);
    if (threadIdx.x == 0)
        partial[model * gridDim.x + blockIdx.x] = sum;
}

/* Every block adds up what all of them have found. */
__global__ void __launch_bounds__(CU_THREADS)
    norm_kernel(const struct cu_step *step, struct cu_flat f, struct cu_matrix m,
                const double *partial)
{
    const size_t model = blockIdx.y, first = (size_t)blockIdx.x * CU_LOOK;
    float factor;

    if (!cu_moves(step, f, model, &factor) || is_frozen(f, m, model))
        return;
    factor = (float)(1.0 /
                     fmax(sqrt(cu_sum_partial(partial + model * gridDim.x, (int)gridDim.x)), 1e-7));
#pragma unroll
    for (int j = 0; j < CU_LOOK / (N * CU_THREADS); j++) {
        const size_t i = first + ((size_t)j * CU_THREADS + threadIdx.x) * N;
        float *at = f.g + model * f.n + m.at + i, g[N];

        if (i >= m.n)
            break;
        cu_get(at, g);
#pragma unroll
        for (int k = 0; k < N; k++)
            g[k] *= factor;
        cu_put(at, g);
    }
}

int cu_muon_begin(const struct cu_array *a, const struct cu_flat *f, const struct cu_matrix *m,
                  double *partial, struct hpo_err *err)
{
    const dim3 grid = cu_grid(m->n, CU_LOOK, a->models);
    cudaError_t e =
        CU_LAUNCH(momentum_kernel, grid, CU_THREADS, a->stream, a->step, *f, *m, partial);

    if (!e)
        e = CU_LAUNCH(norm_kernel, grid, CU_THREADS, a->stream, a->step, *f, *m, partial);
    return cu_check(e, "Muon's momentum", err);
}

__global__ void __launch_bounds__(CU_THREADS)
    polynomial_kernel(const struct cu_step *step, size_t count, int side, const float *gram,
                      float *square)
{
    const size_t i = (size_t)blockIdx.x * CU_THREADS + threadIdx.x, model = blockIdx.y;
    const size_t at = model * count + i;

    if (i >= count || cu_waits(step, (int)model))
        return;
    const float both = KN_MUON_B * gram[at] + KN_MUON_C * square[at];

    square[at] = i / side == i % side ? both + KN_MUON_A : both;
}

int cu_muon_polynomial(const struct cu_array *a, int side, const float *gram, float *square,
                       struct hpo_err *err)
{
    const size_t count = (size_t)side * side;

    return cu_check(CU_LAUNCH(polynomial_kernel, cu_grid(count, CU_THREADS, a->models), CU_THREADS,
                              a->stream, a->step, count, side, gram, square),
                    "Muon's polynomial", err);
}

template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    end_kernel(const struct cu_step *step, const struct cu_hyper *hyper, struct cu_flat f,
               struct cu_matrix m, const float *x, size_t stride, int iterations)
{
    const size_t i = ((size_t)blockIdx.x * CU_THREADS + threadIdx.x) * N, model = blockIdx.y;
    const size_t at = model * f.n + m.at + i;
    float v[N], w[N], factor;

    if (i >= m.n || !cu_moves(step, f, model, &factor) || is_frozen(f, m, model) ||
        hyper[model].optim.ns_steps != iterations)
        return;
    const struct cu_part part = f.part[model * f.parts + m.part];
    const struct kn_optim_step s = kn_optim_part(&step[model].optim, part.lr, part.decay);
    const float rate = s.lr * kn_muon_factor(m.rows, m.cols), keep = 1.0f - s.lr * s.decay;

    cu_get(x + model * stride + i, v);
    cu_get(f.w + at, w);
#pragma unroll
    for (int k = 0; k < N; k++)
        w[k] = keep * w[k] - rate * v[k];
    cu_put(f.w + at, w);
    if (f.copy)
        cu_put((T *)f.copy + at, w);
}

int cu_muon_end(const struct cu_array *a, const struct cu_flat *f, const struct cu_matrix *m,
                const float *x, size_t stride, int iterations, struct hpo_err *err)
{
    const dim3 grid = cu_grid(m->n, (size_t)N * CU_THREADS, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(end_kernel<T>, grid, CU_THREADS, a->stream, a->step, a->hyper, *f, *m,
                              x, stride, iterations));
    return cu_check(e, "Muon's step", err);
}
