/* kernels/cuda/launch.h - how the .cu files start a kernel. Included by them alone.
 *
 * Compiled by nvcc it is CUDA's launch. With CU_EMULATE the same sources are compiled by an
 * ordinary C++ compiler, and tests/kernels/cuda/emu runs each block's threads in turn on the CPU:
 * arithmetic and indexing are tested where there is no GPU. */
#ifndef HPO_KERNELS_CUDA_LAUNCH_H
#define HPO_KERNELS_CUDA_LAUNCH_H

#ifdef CU_EMULATE /* the emulator's header, in quotes */
#include CU_EMULATE
#else
#include <cuda_runtime.h>
#define CU_LAUNCH(kernel, grid, block, stream, ...) \
    (kernel<<<(grid), (block), 0, (stream)>>>(__VA_ARGS__), cudaGetLastError())
#endif

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#endif
