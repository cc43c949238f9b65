/* Rows of the data set into a batch: augmented, normalised. What the CPU's gather does.
 *
 * A block makes a strip of one image: whole rows, or a part of one row that is too long. Where
 * pixels are copies, what a strip shows of the source lies without gaps, mirrored or not, so it is
 * read as words, each once: pixels may lie in the host's memory. The 256 values of a channel are
 * normalised once a block. Pixels that are computed (scaled, turned, of other colours) or lie
 * mirrored beyond an edge take another way, chosen by the block. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/grid.h"
#include "kernels/math/sample.h"

#define STRIP 1024 /* pixels at most */

struct images {
    const uint8_t *pixels;
    int h, w;
    int rows;       /* of a model's batch */
    int high, wide; /* of a strip */
    int across;     /* strips side by side */
    int strips;     /* of an image */
    int stored;
    enum cu_view view;
};

/* A strip of the batch: rows y0 .. y1, columns x0 .. x1; and what of the source it shows. */
struct strip {
    int y0, y1, x0, x1;
    size_t at; /* bytes before it in the image */
    int bytes; /* 0: all of it is border */
};

static __device__ __forceinline__ struct strip strip_of(const struct images &im, int i,
                                                        const struct kn_placement &p)
{
    struct strip s;
    int first, last, left, right;

    s.y0 = i / im.across * im.high;
    s.y1 = min(s.y0 + im.high, im.h);
    s.x0 = i % im.across * im.wide;
    s.x1 = min(s.x0 + im.wide, im.w);
    first = (p.vertical_flip ? im.h - s.y1 : s.y0) + p.dy;
    last = min(first + s.y1 - s.y0, im.h);
    first = max(first, 0);
    left = (p.flip ? im.w - s.x1 : s.x0) + p.dx;
    right = min(left + s.x1 - s.x0, im.w);
    left = max(left, 0);
    s.at = 3 * ((size_t)first * im.w + left);
    s.bytes = first < last && left < right ? 3 * ((last - 1 - first) * im.w + right - left) : 0;
    return s;
}

/* The bytes from..from + count to `to`, as words that begin `skew` bytes earlier. Words that are
 * not all of the strip are read byte by byte: there may be no memory around it. */
static __device__ __forceinline__ void read_words(const uint8_t *from, int skew, int count,
                                                  uint32_t *to)
{
    for (int i = 4 * (int)threadIdx.x; i < skew + count; i += 4 * CU_THREADS) {
        if (i >= skew && i + 4 <= skew + count) {
            to[i / 4] = *reinterpret_cast<const uint32_t *>(from + (i - skew));
            continue;
        }
        for (int b = max(i, skew); b < min(i + 4, skew + count); b++)
            reinterpret_cast<uint8_t *>(to)[b] = from[b - skew];
    }
}

/* Out of line, like the other ways: most of a block's work is a copy, which wants its registers. */
static __device__ __attribute__((noinline)) void place(const struct images &im,
                                                       const struct cu_hyper *own,
                                                       const struct cu_step *step, int model,
                                                       uint32_t which, struct kn_placement *ret)
{
    if (im.view == CU_AUGMENTED) {
        *ret = kn_place(&own->augment, own->seed, own->fold, step[model].epoch, which, im.h, im.w);
        return;
    }
    memset(ret, 0, sizeof(*ret));
    ret->flip = im.view == CU_MIRRORED;
}

/* A pixel of the batch before its colour, in [0, 1]. */
static __device__ __forceinline__ struct kn_rgb
pixel_of(const struct images &im, const uint8_t *src, const struct kn_placement &p, int x, int y)
{
    float u = (float)(p.flip ? im.w - 1 - x : x), v = (float)(p.vertical_flip ? im.h - 1 - y : y);
    struct kn_rgb q = {0.0f, 0.0f, 0.0f};

    if (p.turned)
        kn_unturn(&p, x, y, im.h, im.w, &u, &v);
    if (p.resampled)
        return kn_sample(src, im.w, kn_tap_x(&p, u, im.w), kn_tap_y(&p, v, im.h));
    x = kn_source((int)u + p.dx, im.w, p.fill);
    y = kn_source((int)v + p.dy, im.h, p.fill);
    if (x >= 0 && y >= 0) {
        src += 3 * ((size_t)y * im.w + x);
        q.r = (float)src[0] / 255.0f;
        q.g = (float)src[1] / 255.0f;
        q.b = (float)src[2] / 255.0f;
    }
    return q;
}

/* What contrast is about: every block of an image finds it out for itself. */
static __device__ __attribute__((noinline)) float
mean_grey(const struct images &im, const uint8_t *src, const struct kn_placement &p)
{
    __shared__ double sums[CU_THREADS];
    double sum = 0.0;

    for (int i = (int)threadIdx.x; i < im.h * im.w; i += CU_THREADS)
        sum += (double)kn_grey(kn_brighten(&p.colour, pixel_of(im, src, p, i % im.w, i / im.w)));
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (int half = CU_THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half)
            sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    return (float)(sums[0] / (double)(im.h * im.w));
}

template <typename T>
static __device__ __forceinline__ void put(const struct images &im, T *x, int ox, int oy,
                                           const T rgb[3])
{
    T *to = x + ((size_t)oy * im.w + ox) * im.stored;
    cu_vec<T> v;

#pragma unroll
    for (int c = 0; c < cu_vec<T>::n; c++)
        v.at[c] = c < 3 ? rgb[c < 3 ? c : 0] : cu_round<T>(0.0f);
    *reinterpret_cast<cu_vec<T> *>(to) = v;
#pragma unroll
    for (int c = 0; c < 3; c++)
        v.at[c] = cu_round<T>(0.0f);
    for (int c = cu_vec<T>::n; c < im.stored; c += cu_vec<T>::n)
        *reinterpret_cast<cu_vec<T> *>(to + c) = v;
}

static __device__ __forceinline__ bool is_hole(const struct kn_placement &p, int x, int y)
{
    return kn_in_hole(p.erased, x, y) || kn_in_hole(p.cut, x, y);
}

template <typename T>
static __device__ __attribute__((noinline)) void
compute_strip(const struct images &im, const struct strip &s, const struct cu_hyper *own,
              const uint8_t *src, const struct kn_placement &p, T *x)
{
    int wide = s.x1 - s.x0, count = (s.y1 - s.y0) * wide;
    float mean = p.colour.on && p.colour.contrast != 1.0f ? mean_grey(im, src, p) : 0.0f;

    for (int i = (int)threadIdx.x; i < count; i += CU_THREADS) {
        int oy = s.y0 + i / wide, ox = s.x0 + i % wide;
        struct kn_rgb q = pixel_of(im, src, p, ox, oy);
        T rgb[3];

        if (p.colour.on)
            q = kn_jitter(&p.colour, q, mean);
        rgb[0] = cu_round<T>(kn_normalise_real(q.r, own->mean[0], own->std[0]));
        rgb[1] = cu_round<T>(kn_normalise_real(q.g, own->mean[1], own->std[1]));
        rgb[2] = cu_round<T>(kn_normalise_real(q.b, own->mean[2], own->std[2]));
        if (is_hole(p, ox, oy))
            rgb[0] = rgb[1] = rgb[2] = cu_round<T>(0.0f);
        put(im, x, ox, oy, rgb);
    }
}

template <typename T>
__global__ void __launch_bounds__(CU_THREADS, 4)
    gather_kernel(const struct cu_step *step, const struct cu_hyper *hyper, struct images im,
                  const int32_t *index, T *x)
{
    __shared__ T value[3][256];
    __shared__ uint32_t words[3 * STRIP / 4 + 2];
    __shared__ struct kn_placement p;
    const uint8_t *bytes = reinterpret_cast<const uint8_t *>(words), *src, *from;
    int model = (int)blockIdx.y, row = (int)(blockIdx.x / (unsigned)im.strips);
    const struct cu_hyper *own = &hyper[model];
    size_t image = (size_t)model * im.rows + row;
    struct strip s;
    int32_t which;
    int skew, count, wide;
    bool holes;

    if (cu_sits_out(step, model))
        return;
    which = index[image];
    if (threadIdx.x == 0)
        place(im, own, step, model, (uint32_t)which, &p);
    for (int i = (int)threadIdx.x; i < 3 * 256; i += CU_THREADS)
        value[i / 256][i % 256] =
            cu_round<T>(kn_normalise(i % 256, own->mean[i / 256], own->std[i / 256]));
    __syncthreads();

    s = strip_of(im, (int)(blockIdx.x % (unsigned)im.strips), p);
    src = im.pixels + 3 * (size_t)im.h * im.w * which;
    x += image * im.h * im.w * im.stored;
    if (p.resampled || p.colour.on || (p.fill == KN_FILL_REFLECT && (p.dx || p.dy))) {
        compute_strip<T>(im, s, own, src, p, x);
        return;
    }
    from = src + s.at;
    skew = (int)(reinterpret_cast<uintptr_t>(from) & 3);
    read_words(from, skew, s.bytes, words);
    __syncthreads();

    wide = s.x1 - s.x0;
    count = (s.y1 - s.y0) * wide;
    holes = p.erased.x1 || p.cut.x1;
    for (int i = (int)threadIdx.x; i < count; i += CU_THREADS) {
        int oy = s.y0 + i / wide, ox = s.x0 + i % wide;
        int sy = (p.vertical_flip ? im.h - 1 - oy : oy) + p.dy;
        int sx = (p.flip ? im.w - 1 - ox : ox) + p.dx;
        bool seen = sy >= 0 && sy < im.h && sx >= 0 && sx < im.w;
        int at = seen ? skew + (int)(3 * ((size_t)sy * im.w + sx) - s.at) : 0;
        T rgb[3];

#pragma unroll
        for (int c = 0; c < 3; c++)
            rgb[c] = value[c][seen ? bytes[at + c] : 0];
        if (holes && is_hole(p, ox, oy))
            rgb[0] = rgb[1] = rgb[2] = cu_round<T>(0.0f);
        put(im, x, ox, oy, rgb);
    }
}

int cu_gather(const struct cu_array *a, const uint8_t *pixels, int h, int w, const int32_t *index,
              enum cu_view view, void *x, int stored, struct hpo_err *err)
{
    struct images im = {.pixels = pixels,
                        .h = h,
                        .w = w,
                        .rows = a->rows,
                        .high = w < STRIP ? STRIP / w : 1,
                        .wide = w < STRIP ? w : STRIP,
                        .across = w < STRIP ? 1 : (w + STRIP - 1) / STRIP,
                        .strips = 0,
                        .stored = stored,
                        .view = view};
    cudaError_t e = cudaErrorInvalidValue;

    if (im.high > h)
        im.high = h;
    im.strips = (h + im.high - 1) / im.high * im.across;
    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(gather_kernel<T>, cu_grid((size_t)a->rows * im.strips, 1, a->models),
                              CU_THREADS, a->stream, a->step, a->hyper, im, index, (T *)x));
    return cu_check(e, "gathering a batch", err);
}
