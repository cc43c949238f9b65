/* Rows of the data set into a batch: crop, flip, normalise. What the CPU's gather does.
 *
 * A block makes a strip of one image: whole rows, or a part of one row that is too long. What it
 * shows of the source lies without gaps, flipped or not, so it is read as words, each once: pixels
 * may lie in the host's memory. The 256 values of a channel are normalised once a block. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/grid.h"

#define STRIP 1024 /* pixels at most */

struct images {
    const uint8_t *pixels;
    int h, w;
    int rows;       /* of a model's batch */
    int high, wide; /* of a strip */
    int across;     /* strips side by side */
    int strips;     /* of an image */
    int stored;
    bool augment;
};

/* A strip of the batch: rows y0 .. y1, columns x0 .. x1; and what of the source it shows. */
struct strip {
    int y0, y1, x0, x1;
    struct kn_placement place;
    size_t at; /* bytes before it in the image */
    int bytes; /* 0: all of it is border */
};

static __device__ __forceinline__ struct strip strip_of(const struct images &im, int i,
                                                        struct kn_placement place)
{
    struct strip s;
    int first, last, left, right;

    s.place = place;
    s.y0 = i / im.across * im.high;
    s.y1 = min(s.y0 + im.high, im.h);
    s.x0 = i % im.across * im.wide;
    s.x1 = min(s.x0 + im.wide, im.w);
    first = max(s.y0 + place.dy, 0);
    last = min(s.y1 + place.dy, im.h);
    left = (place.flip ? im.w - s.x1 : s.x0) + place.dx;
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

template <typename T>
__global__ void __launch_bounds__(CU_THREADS)
    gather_kernel(const struct cu_step *step, const struct cu_hyper *hyper, struct images im,
                  const int32_t *index, T *x)
{
    __shared__ T value[3][256];
    __shared__ uint32_t words[3 * STRIP / 4 + 2];
    const uint8_t *bytes = reinterpret_cast<const uint8_t *>(words), *from;
    int model = (int)blockIdx.y, row = (int)(blockIdx.x / (unsigned)im.strips);
    const struct cu_hyper *own = &hyper[model];
    size_t image = (size_t)model * im.rows + row;
    struct kn_placement place = {0};
    struct strip s;
    int32_t which;
    int skew, count, wide;

    if (cu_sits_out(step, model))
        return;
    which = index[image];
    if (im.augment)
        place = kn_place(&own->augment, own->seed, own->fold, step[model].epoch, (uint32_t)which,
                         im.h, im.w);
    s = strip_of(im, (int)(blockIdx.x % (unsigned)im.strips), place);
    from = im.pixels + 3 * (size_t)im.h * im.w * which + s.at;
    skew = (int)(reinterpret_cast<uintptr_t>(from) & 3);
    read_words(from, skew, s.bytes, words);
    for (int i = (int)threadIdx.x; i < 3 * 256; i += CU_THREADS)
        value[i / 256][i % 256] =
            cu_round<T>(kn_normalise(i % 256, own->mean[i / 256], own->std[i / 256]));
    __syncthreads();

    wide = s.x1 - s.x0;
    count = (s.y1 - s.y0) * wide;
    x += image * im.h * im.w * im.stored;
    for (int i = (int)threadIdx.x; i < count; i += CU_THREADS) {
        int oy = s.y0 + i / wide, ox = s.x0 + i % wide;
        int sy = oy + place.dy, sx = (place.flip ? im.w - 1 - ox : ox) + place.dx;
        bool seen = sy >= 0 && sy < im.h && sx >= 0 && sx < im.w;
        int at = seen ? skew + (int)(3 * ((size_t)sy * im.w + sx) - s.at) : 0;
        T *to = x + ((size_t)oy * im.w + ox) * im.stored;
        cu_vec<T> v;

#pragma unroll
        for (int c = 0; c < cu_vec<T>::n; c++)
            v.at[c] = c < 3 ? value[c][seen ? bytes[at + c] : 0] : cu_round<T>(0.0f);
        *reinterpret_cast<cu_vec<T> *>(to) = v;
#pragma unroll
        for (int c = 0; c < 3; c++)
            v.at[c] = cu_round<T>(0.0f);
        for (int c = cu_vec<T>::n; c < im.stored; c += cu_vec<T>::n)
            *reinterpret_cast<cu_vec<T> *>(to + c) = v;
    }
}

int cu_gather(const struct cu_array *a, const uint8_t *pixels, int h, int w, const int32_t *index,
              bool augment, void *x, int stored, struct hpo_err *err)
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
                        .augment = augment};
    cudaError_t e = cudaErrorInvalidValue;

    if (im.high > h)
        im.high = h;
    im.strips = (h + im.high - 1) / im.high * im.across;
    CU_FOR_TYPE(a->type, T,
                e = CU_LAUNCH(gather_kernel<T>, cu_grid((size_t)a->rows * im.strips, 1, a->models),
                              CU_THREADS, a->stream, a->step, a->hyper, im, index, (T *)x));
    return cu_check(e, "gathering a batch", err);
}
