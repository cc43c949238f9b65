/* Kernels for the test of the emulator, good ones and bad ones. */
#include "kernels/cuda/launch.h"
#include "tests/kernels/cuda/emu/test_emu.h"

static __global__ void axpy(const float *x, float *y, const float *a, int n)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);

    if (i < n)
        y[i] += *a * x[i];
}

int t_axpy(const float *x, float *y, const float *a, int n, cudaStream_t s)
{
    return CU_LAUNCH(axpy, dim3((unsigned)(n + 255) / 256), dim3(256), s, x, y, a, n);
}

/* A tree in shared memory, a block each row. */
template <int threads> static __global__ void row_sums(const float *x, float *sum, int n)
{
    __shared__ float part[threads];
    float mine = 0;

    for (int i = (int)threadIdx.x; i < n; i += threads)
        mine += x[(size_t)blockIdx.x * (size_t)n + (size_t)i];
    part[threadIdx.x] = mine;
    __syncthreads();
    for (unsigned gap = threads / 2; gap; gap /= 2) {
        if (threadIdx.x < gap)
            part[threadIdx.x] += part[threadIdx.x + gap];
        __syncthreads();
    }
    if (threadIdx.x == 0)
        sum[blockIdx.x] = part[0];
}

int t_row_sums(const float *x, float *sum, int rows, int n, cudaStream_t s)
{
    return CU_LAUNCH(row_sums<128>, dim3((unsigned)rows), dim3(128), s, x, sum, n);
}

/* What each kind of shuffle gives every lane of two warps: (4, 64). */
static __global__ void shuffles(int *y)
{
    int t = (int)threadIdx.x;

    y[t] = __shfl_xor_sync(0xffffffffu, t, 5);
    y[64 + t] = __shfl_down_sync(0xffffffffu, t, 3);
    y[128 + t] = __shfl_up_sync(0xffffffffu, t, 3, 8);
    y[192 + t] = (int)__shfl_sync(0xffffffffu, (double)t, 7, 16);
}

int t_shuffles(int *y, cudaStream_t s)
{
    return CU_LAUNCH(shuffles, dim3(1), dim3(64), s, y);
}

/* Everybody's index, in a grid and blocks of three dimensions. */
static __global__ void indices(int *y)
{
    unsigned b = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    unsigned t = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    unsigned i = b * blockDim.x * blockDim.y * blockDim.z + t;

    y[i] = (int)i;
}

int t_indices(int *y, cudaStream_t s)
{
    return CU_LAUNCH(indices, dim3(2, 3, 4), dim3(5, 2, 3), s, y);
}

static __global__ void divergent(int how, int *y)
{
    int t = (int)threadIdx.x;

    switch (how) {
    case T_ENDS: /* one does not come */
        if (t == 40)
            return;
        __syncthreads();
        break;
    case T_TWO_LINES:
        if (t < 32)
            __syncthreads();
        else
            __syncthreads();
        break;
    case T_HALF_WARP:
        if (t < 16)
            *y = __shfl_xor_sync(0xffffffffu, t, 1);
        break;
    case T_MASK:
        *y = __shfl_xor_sync(0xffffu, t, 1);
        break;
    case T_MIXED: /* a barrier of the block against one of the warp */
        if (t < 16)
            __syncthreads();
        else
            __syncwarp();
        break;
    }
    __syncthreads();
    y[t] = t;
}

int t_divergent(int how, int *y, cudaStream_t s)
{
    return CU_LAUNCH(divergent, dim3(2), dim3(64), s, how, y);
}

/* The last who writes wins. */
static __global__ void race(int *y)
{
    *y = (int)(blockIdx.x * blockDim.x + threadIdx.x);
}

int t_race(int *y, cudaStream_t s)
{
    return CU_LAUNCH(race, dim3(3), dim3(50), s, y);
}

/* Shared memory that nobody wrote; the second block finds what the first one left. */
static __global__ void unset(float *y)
{
    __shared__ float part[4];

    y[blockIdx.x] = part[threadIdx.x];
    part[threadIdx.x] = 1;
}

int t_unset(float *y, cudaStream_t s)
{
    return CU_LAUNCH(unset, dim3(2), dim3(1), s, y);
}

int t_no_grid(cudaStream_t s)
{
    return CU_LAUNCH(race, dim3(1), dim3(1025), s, (int *)nullptr);
}

/* Sixteen bits there and back, as the kernels round. */
static __global__ void rounded(const float *x, float *f16, float *bf16, int n)
{
    int i = (int)threadIdx.x;

    if (i < n) {
        f16[i] = __half2float(__float2half_rn(x[i]));
        bf16[i] = __bfloat162float(__float2bfloat16_rn(x[i]));
    }
}

int t_rounded(const float *x, float *f16, float *bf16, int n, cudaStream_t s)
{
    return CU_LAUNCH(rounded, dim3(1), dim3((unsigned)n), s, x, f16, bf16, n);
}
