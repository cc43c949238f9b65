/* Losses over logits, their gradients, and the mean over a batch. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/grid.h"

#define AT_ONCE 2048 /* lanes that one block takes in turn, rather than a second launch */

struct rows {
    int rows, classes, stored;
    int lanes;   /* of a warp, for one row: a power of two */
    int samples; /* rows of an image */
};

static __device__ __forceinline__ float sum_lanes(float v, int lanes)
{
    for (int o = lanes / 2; o; o /= 2)
        v += __shfl_xor_sync(CU_FULL, v, o);
    return v;
}

static __device__ __forceinline__ float max_lanes(float v, int lanes)
{
    for (int o = lanes / 2; o; o /= 2) {
        const float b = __shfl_xor_sync(CU_FULL, v, o);

        v = b > v ? b : v;
    }
    return v;
}

/* kn_lse over the lanes of a row. */
template <typename T>
static __device__ __forceinline__ float row_lse(const struct rows &r, const T *z, int lane)
{
    float m = -INFINITY, s = 0;

    for (int c = lane; c < r.classes; c += r.lanes) {
        const float v = cu_float(z[c]);

        m = v > m ? v : m;
    }
    m = max_lanes(m, r.lanes);
    for (int c = lane; c < r.classes; c += r.lanes)
        s += expf(cu_float(z[c]) - m);
    return m + logf(sum_lanes(s, r.lanes));
}

/* The class or classes of row i of a model, whose images are index[0 .. rows / samples). */
static __device__ __forceinline__ struct kn_label label_of(const struct kn_mix &mix,
                                                           const struct rows &r,
                                                           const int32_t *labels,
                                                           const int32_t *index, int i)
{
    const int image = i / r.samples;
    struct kn_label t = {labels[index[image]], 0, 1.0f, mix.kind != KN_MIX_NONE};

    if (t.soft) {
        t.b = labels[index[r.rows / r.samples - 1 - image]];
        t.mix = t.a == t.b ? 1.0f : mix.lambda;
    }
    return t;
}

/* The sum of a model's kn_row_weight, for every thread of the block: the same tree, whoever calls.
 */
static __device__ __forceinline__ double weigh(const struct kn_loss &l, const float *weights,
                                               const struct kn_mix &mix, const struct rows &r,
                                               const int32_t *labels, const int32_t *index)
{
    __shared__ double part[CU_THREADS];
    const int t = (int)threadIdx.x;
    double sum = 0;

    if (!weights || l.kind != KN_CROSS_ENTROPY || mix.kind != KN_MIX_NONE)
        return r.rows;
    if (t < CU_THREADS) {
        for (int i = t; i < r.rows; i += CU_THREADS)
            sum += (double)kn_row_weight(&l, weights, label_of(mix, r, labels, index, i));
        part[t] = sum;
    }
    for (int half = CU_THREADS / 2; half; half /= 2) {
        __syncthreads();
        if (t < half)
            part[t] += part[t + half];
    }
    __syncthreads();
    return part[0];
}

/* kn_loss_row over the lanes of a row. there false: only for company, since shuffles want the whole
 * warp. */
template <typename T>
static __device__ __forceinline__ float
row_loss(const struct rows &r, const struct kn_loss &l, const float *weights, const T *z, int lane,
         struct kn_label target, float scale, bool there, T *dz)
{
    const float lse = row_lse(r, z, lane);
    float loss = 0, s = 0, g;

    if (l.kind == KN_FOCAL || weights)
        for (int c = lane; c < r.classes; c += r.lanes) {
            const float q = kn_target(&l, r.classes, c, target) * (weights ? weights[c] : 1.0f);

            g = q;
            if (l.kind == KN_FOCAL)
                loss -= kn_focal_term(&l, q, cu_float(z[c]) - lse, &g);
            s += g;
        }
    s = sum_lanes(s, r.lanes);
    for (int c = lane; c < r.stored; c += r.lanes) {
        float d = 0;

        if (c < r.classes) {
            const float q = kn_target(&l, r.classes, c, target) * (weights ? weights[c] : 1.0f);
            const float logp = cu_float(z[c]) - lse;

            if (l.kind == KN_FOCAL) {
                kn_focal_term(&l, q, logp, &g);
                d = scale * (g - s * expf(logp));
            } else {
                loss -= q * logp;
                d = scale * (expf(logp) * (weights ? s : 1.0f) - q);
            }
        }
        if (there)
            dz[c] = cu_round<T>(d);
    }
    return sum_lanes(loss, r.lanes);
}

/* The mean of a model's rows, which weigh so much, onto its sum, by the first CU_THREADS threads of
 * a block: the same tree, whoever calls. */
static __device__ __forceinline__ void add_mean(const float *loss, int rows, double weight,
                                                double *loss_sum)
{
    __shared__ double part[CU_THREADS];
    const int t = (int)threadIdx.x;
    double sum = 0;

    if (t < CU_THREADS) {
        for (int i = t; i < rows; i += CU_THREADS)
            sum += (double)loss[i];
        part[t] = sum;
    }
    for (int half = CU_THREADS / 2; half; half /= 2) {
        __syncthreads();
        if (t < half)
            part[t] += part[t + half];
    }
    if (t == 0)
        *loss_sum += part[0] / weight;
}

/* A grid of one block for a model adds its rows up as well. */
template <typename T>
__global__ void __launch_bounds__(1024)
    loss_kernel(const struct cu_step *step, const struct cu_hyper *hyper, struct rows r,
                const T *logits, const int32_t *labels, const int32_t *index,
                const struct cu_scaler *scaler, T *dlogits, float *loss, double *loss_sum)
{
    const size_t model = blockIdx.y, begin = model * r.rows;
    const int each = CU_WARP / r.lanes, warps = (int)blockDim.x / CU_WARP;
    const int lane = (int)threadIdx.x % r.lanes, own = (int)threadIdx.x % CU_WARP / r.lanes;
    const int first = ((int)blockIdx.x * warps + (int)threadIdx.x / CU_WARP) * each;

    if (cu_sits_out(step, (int)model))
        return;
    const struct kn_loss l = hyper[model].loss;
    const struct kn_mix mix = step[model].mix;
    const float *weights = hyper[model].class_weights;
    const int32_t *images = index + begin / r.samples;
    const double weight = weigh(l, weights, mix, r, labels, images);
    float scale = (scaler ? scaler[model].scale : 1.0f) / (float)weight;

    if (step[model].micros > 1)
        scale /= (float)step[model].micros;

    for (int i = first; i < r.rows; i += (int)gridDim.x * warps * each) {
        const bool there = i + own < r.rows;
        const size_t row = begin + (there ? i + own : i);
        const struct kn_label target = label_of(mix, r, labels, images, (int)(row - begin));
        const float v = row_loss(r, l, weights, logits + row * r.stored, lane, target, scale, there,
                                 dlogits + row * r.stored);

        if (there && lane == 0)
            loss[row] = v;
    }
    if (gridDim.x > 1)
        return;
    __syncthreads();
    add_mean(loss + begin, r.rows, weight, loss_sum + model);
}

__global__ void __launch_bounds__(CU_THREADS)
    mean_kernel(const struct cu_step *step, const struct cu_hyper *hyper, struct rows r,
                const int32_t *labels, const int32_t *index, const float *loss, double *loss_sum)
{
    const size_t model = blockIdx.x, begin = model * r.rows;

    if (cu_sits_out(step, (int)model))
        return;
    add_mean(loss + begin, r.rows,
             weigh(hyper[model].loss, hyper[model].class_weights, step[model].mix, r, labels,
                   index + begin / r.samples),
             loss_sum + model);
}

/* About four classes a lane: fewer steps of the trees, and more rows at once. */
static int lanes_for(int classes)
{
    int lanes = 4;

    while (lanes < CU_WARP && 4 * lanes < classes)
        lanes *= 2;
    return lanes;
}

int cu_loss(const struct cu_array *a, int classes, int stored, const void *logits,
            const int32_t *labels, const int32_t *index, const struct cu_scaler *scaler,
            void *dlogits, float *row_loss, double *loss_sum, struct hpo_err *err)
{
    const struct rows r = {a->rows, classes, stored, lanes_for(classes),
                           a->samples > 1 ? a->samples : 1};
    const size_t lanes = (size_t)a->rows * r.lanes;
    const bool one = lanes <= AT_ONCE;
    const unsigned threads = !one || lanes <= CU_THREADS ? CU_THREADS : lanes <= 512 ? 512 : 1024;
    const dim3 grid = one ? dim3(1, (unsigned)a->models) : cu_grid(lanes, CU_THREADS, a->models);
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(loss_kernel<T>, grid, threads, a->stream, a->step, a->hyper, r,
                              (const T *)logits, labels, index, scaler, (T *)dlogits, row_loss,
                              loss_sum));
    if (!e && !one)
        e = CU_LAUNCH(mean_kernel, (unsigned)a->models, CU_THREADS, a->stream, a->step, a->hyper, r,
                      labels, index, row_loss, loss_sum);
    return cu_check(e, "the loss", err);
}

template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    logits_kernel(const struct cu_hyper *hyper, size_t work, unsigned classes, int stored,
                  const T *logits, bool mirrored, float *ret)
{
    const size_t i = (size_t)blockIdx.x * CU_THREADS + threadIdx.x, row = i / classes;
    const size_t model = blockIdx.y, rows = work / classes;

    if (i >= work || (mirrored && !hyper[model].mirror))
        return;
    const float z = cu_float(logits[(model * rows + row) * stored + (i - row * classes)]);

    ret += model * work;
    ret[i] = mirrored ? 0.5f * (ret[i] + z) : z;
}

int cu_logits(const struct cu_array *a, int classes, int stored, const void *logits, bool mirrored,
              float *ret, struct hpo_err *err)
{
    const size_t work = (size_t)a->rows * classes;
    cudaError_t e = cudaErrorInvalidValue;

    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(logits_kernel<T>, cu_grid(work, CU_THREADS, a->models), CU_THREADS,
                              a->stream, a->hyper, work, (unsigned)classes, stored,
                              (const T *)logits, mirrored, ret));
    return cu_check(e, "logits", err);
}
