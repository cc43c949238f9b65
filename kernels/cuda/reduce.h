/* kernels/cuda/reduce.h - inside the .cu files: work on the rows of a matrix (rows, channels), a
 * channel at a time: sums over all rows, and what is done to every row with a channel's numbers.
 *
 * A block has CU_TILE_THREADS threads: `cols` vectors of 16 bytes side by side, `lanes` rows at a
 * time. It runs through `chunk` rows; a thread keeps its vector of channels, so what it adds up,
 * or what a channel is multiplied by, stays in its registers. Eight vectors side by side are a
 * cache line, and no more channels than a block can afford to know all partial sums of.
 *
 * Sums are fixed trees: a thread's rows in order; lanes; blocks. Their shape follows from that of
 * one model's tensor and from nothing else, so a model's bits depend neither on the models beside
 * it nor on the device. */
#ifndef HPO_KERNELS_CUDA_REDUCE_H
#define HPO_KERNELS_CUDA_REDUCE_H

#include <string.h>

#include "kernels/cuda/grid.h"

#define CU_TILE_THREADS 512
#define CU_TILE_COLS 8
#define CU_TILE_HELD 8 /* vectors that a thread of a whole tile keeps */

struct cu_tile {
    size_t rows, chunk;
    int vectors;     /* of a row */
    int cols, lanes; /* of a block */
    int groups;      /* blocks side by side */
    int parts;       /* blocks one below the other */
};

/* ---- choosing a tile (host) ---- */

static inline size_t cu_quotient_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static inline struct cu_tile cu_tile_columns(size_t rows, int vectors, int widest)
{
    struct cu_tile t = {rows, rows, vectors, 0, 0, 0, 1};

    t.groups = (vectors + widest - 1) / widest;
    t.cols = (vectors + t.groups - 1) / t.groups;
    t.lanes = CU_TILE_THREADS / t.cols;
    return t;
}

/* Each thread takes `depth` rows. */
static inline struct cu_tile cu_tile_deep(struct cu_tile t, size_t depth)
{
    t.chunk = depth * (size_t)t.lanes;
    t.parts = (int)cu_quotient_up(t.rows, t.chunk);
    return t;
}

/* What fits into the registers of one block for each group of columns: it is read once, and all is
 * done in one launch. Half a cache line of channels, or for more rows a quarter; with less, the
 * block would wait for its loads longer than another launch takes. Returns whether it fits. */
static inline bool cu_tile_whole(size_t rows, int vectors, struct cu_tile *ret)
{
    for (int widest = CU_TILE_COLS / 2; widest >= CU_TILE_COLS / 4; widest /= 2) {
        *ret = cu_tile_columns(rows, vectors, widest);
        if (rows <= (size_t)ret->lanes * CU_TILE_HELD)
            return true;
    }
    return false;
}

/* Up to 16 MiB every block that needs the sums adds up the partial ones by itself: at most
 * CU_FEW_PARTS of them, less than a launch for it would cost. Beyond that they get their launch,
 * and there may be more of them. */
#define CU_FEW_PARTS 64
static inline bool cu_tile_small(const struct cu_tile *t)
{
    return t->rows * (size_t)t->vectors <= (size_t)1 << 20;
}

/* A tile for sums. Some 256 blocks are one wave on a Hopper GPU, two blocks on each multiprocessor;
 * a thread does not add up more than 256 rows, for the sake of rounding. */
static inline struct cu_tile cu_tile_sums(size_t rows, int vectors)
{
    struct cu_tile t = cu_tile_columns(rows, vectors, CU_TILE_COLS);
    size_t parts = 256 / (size_t)t.groups, depth;

    if (cu_tile_small(&t) && parts > CU_FEW_PARTS)
        parts = CU_FEW_PARTS;
    depth = cu_quotient_up(cu_quotient_up(rows, (size_t)t.lanes), parts ? parts : 1);
    return cu_tile_deep(t, depth < 4 ? 4 : depth > 256 ? 256 : depth);
}

/* A tile for work row by row: a block on every multiprocessor, if that leaves each thread at least
 * 4 rows for its preparations, and at most 16 rows. */
static inline struct cu_tile cu_tile_rows(size_t rows, int vectors)
{
    struct cu_tile t = cu_tile_columns(rows, vectors, CU_TILE_COLS);
    size_t depth = cu_quotient_up(cu_quotient_up(rows, (size_t)t.lanes) * (size_t)t.groups, 128);

    return cu_tile_deep(t, depth < 4 ? 4 : depth > 16 ? 16 : depth);
}

static inline dim3 cu_tile_grid(const struct cu_tile *t, int models)
{
    return dim3((unsigned)t->groups * (unsigned)t->parts, (unsigned)models);
}

static inline size_t cu_rows_of(const struct cu_array *a, const struct cu_shape *s)
{
    return (size_t)a->rows * (size_t)s->h * (size_t)s->w;
}

/* ---- a thread's place in a tile (device) ---- */

static __device__ __forceinline__ int cu_tile_part(const struct cu_tile &t)
{
    return (int)(blockIdx.x / (unsigned)t.groups);
}

/* Rows of a part. */
static __device__ __forceinline__ float cu_part_rows(const struct cu_tile &t, int part)
{
    const size_t left = t.rows - (size_t)part * t.chunk;

    return (float)(left < t.chunk ? left : t.chunk);
}

/* Of the vectors that it runs through. */
struct cu_seat {
    size_t first;  /* row 0 of its columns: element of the array of all models */
    size_t at;     /* its first vector, likewise */
    unsigned step; /* elements from one to the next */
    int n;         /* how many; 0: none */
    int channel;   /* of the block's, the vector's first */
};

template <int N>
static __device__ __forceinline__ struct cu_seat cu_seat_of(const struct cu_tile &t)
{
    const unsigned part = blockIdx.x / (unsigned)t.groups, group = blockIdx.x % (unsigned)t.groups;
    const int lane = (int)threadIdx.x / t.cols, col = (int)threadIdx.x - lane * t.cols;
    const int vector = (int)group * t.cols + col;
    const size_t begin = (size_t)part * t.chunk + (size_t)lane;
    size_t end = (size_t)(part + 1) * t.chunk;
    struct cu_seat s;

    end = end < t.rows ? end : t.rows;
    s.first = ((size_t)blockIdx.y * t.rows * t.vectors + vector) * N;
    s.at = s.first + begin * t.vectors * N;
    s.step = (unsigned)t.lanes * (unsigned)t.vectors * N;
    s.n = lane < t.lanes && vector < t.vectors && begin < end
              ? (int)((unsigned)(end - begin + t.lanes - 1) / (unsigned)t.lanes)
              : 0;
    s.channel = col * N;
    return s;
}

/* Of the block's channels, of which the threads take one each, as often as that goes. */
struct cu_slot {
    int slice, slices; /* it is the slice-th thread of the channel; slice >= slices: of none */
    int in_block;      /* the channel, counted from the block's first */
    int channel;       /* from the tensor's first */
    bool real;         /* there is such a channel */
    bool first;        /* real, and it is the channel's first thread */
};

template <int N>
static __device__ __forceinline__ struct cu_slot cu_slot_of(const struct cu_tile &t)
{
    const int channels = t.cols * N, group = (int)(blockIdx.x % (unsigned)t.groups);
    struct cu_slot s;

    s.slices = CU_TILE_THREADS / channels;
    s.slice = (int)threadIdx.x / channels;
    s.in_block = (int)threadIdx.x - s.slice * channels;
    s.channel = group * channels + s.in_block;
    s.real = s.slice < s.slices && s.channel < t.vectors * N;
    s.first = s.real && s.slice == 0;
    return s;
}

/* ---- vectors as they are loaded, to be kept until they are needed ---- */

typedef uint4 cu_bits;

template <typename T> static __device__ __forceinline__ cu_bits cu_fetch(bool there, const T *p)
{
    cu_bits none = {0, 0, 0, 0};

    return there ? *reinterpret_cast<const cu_bits *>(p) : none;
}

template <typename T>
static __device__ __forceinline__ void cu_unpack(const cu_bits &bits, float (&ret)[cu_vec<T>::n])
{
    T v[cu_vec<T>::n];

    memcpy((void *)v, &bits, sizeof(v));
#pragma unroll
    for (int k = 0; k < cu_vec<T>::n; k++)
        ret[k] = cu_float(v[k]);
}

/* A shift and a mask, whatever the compiler would make of eight conversions. */
template <>
__device__ __forceinline__ void cu_unpack<__nv_bfloat16>(const cu_bits &bits, float (&ret)[8])
{
    const unsigned word[4] = {bits.x, bits.y, bits.z, bits.w};

#pragma unroll
    for (int k = 0; k < 4; k++) {
        ret[2 * k] = __uint_as_float(word[k] << 16);
        ret[2 * k + 1] = __uint_as_float(word[k] & 0xffff0000u);
    }
}

/* From here on the compiler does not know what it had unpacked them to: there are registers for
 * vectors as they were loaded, or unpacked, but not for both. */
static __device__ __forceinline__ void cu_forget(cu_bits &bits)
{
#ifdef __CUDA_ARCH__
    asm("" : "+r"(bits.x), "+r"(bits.y), "+r"(bits.z), "+r"(bits.w));
#else
    (void)bits;
#endif
}

template <typename T>
static __device__ __forceinline__ cu_bits cu_pack(const float (&from)[cu_vec<T>::n])
{
    T v[cu_vec<T>::n];
    cu_bits bits;

#pragma unroll
    for (int k = 0; k < cu_vec<T>::n; k++)
        v[k] = cu_round<T>(from[k]);
    memcpy(&bits, (const void *)v, sizeof(bits));
    return bits;
}

template <typename T> static __device__ __forceinline__ void cu_put_bits(T *p, const cu_bits &bits)
{
    *reinterpret_cast<cu_bits *>(p) = bits;
}

/* ---- sums over a block's threads; every thread of the block calls them ---- */

/* Q sums at a time. After a call total[q] has one of each of the block's channels. */
template <int N, int Q> struct alignas(16) cu_sums {
    float each[Q][CU_TILE_THREADS * N];
    float total[Q][CU_TILE_COLS * N];
};

/* Over the threads of a channel. */
template <int N, int Q>
static __device__ __forceinline__ void cu_add_slices(const struct cu_slot &slot, int channels,
                                                     const float (&v)[Q],
                                                     struct cu_sums<N, Q> *sums)
{
#pragma unroll
    for (int q = 0; q < Q; q++)
        if (slot.slice < slot.slices)
            sums->each[q][threadIdx.x] = v[q];
    __syncthreads();
    if (slot.slice == 0) {
#pragma unroll
        for (int q = 0; q < Q; q++) {
            float sum = 0;

#pragma unroll 8
            for (int i = 0; i < slot.slices; i++)
                sum += sums->each[q][i * channels + slot.in_block];
            sums->total[q][slot.in_block] = sum;
        }
    }
    __syncthreads();
}

/* Over the lanes; v: of each thread's vector. */
template <int N, int Q>
static __device__ __forceinline__ void
cu_add_lanes(const struct cu_tile &t, const struct cu_slot &slot, const float (&v)[Q][N],
             struct cu_sums<N, Q> *sums)
{
    const int channels = t.cols * N;
    float sum[Q];

#pragma unroll
    for (int q = 0; q < Q; q++)
#pragma unroll
        for (int k = 0; k < N; k += 4)
            *reinterpret_cast<float4 *>(&sums->each[q][threadIdx.x * N + k]) =
                make_float4(v[q][k], v[q][k + 1], v[q][k + 2], v[q][k + 3]);
    __syncthreads();
#pragma unroll
    for (int q = 0; q < Q; q++) {
        sum[q] = 0;
        if (slot.slice < slot.slices)
#pragma unroll 8
            for (int lane = slot.slice; lane < t.lanes; lane += slot.slices)
                sum[q] += sums->each[q][lane * channels + slot.in_block];
    }
    __syncthreads();
    cu_add_slices(slot, channels, sum, sums);
}

/* A thread's share of a table of the block's channels. */
template <int N>
static __device__ __forceinline__ void cu_share(const struct cu_seat &seat, const float *table,
                                                float (&ret)[N])
{
#pragma unroll
    for (int k = 0; k < N; k += 4) {
        const float4 v = *reinterpret_cast<const float4 *>(table + seat.channel + k);

        ret[k] = v.x;
        ret[k + 1] = v.y;
        ret[k + 2] = v.z;
        ret[k + 3] = v.w;
    }
}

#endif
