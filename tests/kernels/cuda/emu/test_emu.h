/* tests/kernels/cuda/emu/test_emu.h - what test_emu.c launches: each returns the cudaError_t of its
 * launch. */
#ifndef HPO_TESTS_KERNELS_CUDA_EMU_TEST_EMU_H
#define HPO_TESTS_KERNELS_CUDA_EMU_TEST_EMU_H

#include <cuda_runtime_api.h>

#include "base/compiler.h"

enum { T_ENDS, T_TWO_LINES, T_HALF_WARP, T_MASK, T_MIXED, T_KINDS };

HPO_BEGIN_C

int t_axpy(const float *x, float *y, const float *a, int n, cudaStream_t s);
int t_row_sums(const float *x, float *sum, int rows, int n, cudaStream_t s);
int t_shuffles(int *y, cudaStream_t s);
int t_indices(int *y, cudaStream_t s);
int t_divergent(int how, int *y, cudaStream_t s);
int t_race(int *y, cudaStream_t s);
int t_unset(float *y, cudaStream_t s);
int t_no_grid(cudaStream_t s);
int t_rounded(const float *x, float *half, float *bf16, int n, cudaStream_t s);

HPO_END_C
#endif
