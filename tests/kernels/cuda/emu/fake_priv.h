/* tests/kernels/cuda/emu/fake_priv.h - what the fakes share. */
#ifndef HPO_TESTS_KERNELS_CUDA_EMU_FAKE_PRIV_H
#define HPO_TESTS_KERNELS_CUDA_EMU_FAKE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cuda_runtime_api.h>

#include "tests/kernels/cuda/emu/fake.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FAKE_MAX_DEVICES 8

enum fake_kind {
    FAKE_MEMORY,
    FAKE_PINNED,
    FAKE_REGISTERED,
    FAKE_STREAM,
    FAKE_EVENT,
    FAKE_GRAPH,
    FAKE_EXEC,
    FAKE_DNN,
    FAKE_DESCRIPTOR,
    FAKE_BLAS,
    FAKE_KINDS
};

/* Every function holds the lock; it may be taken again by the thread that has it. */
void fake_lock(void);
void fake_unlock(void);

/* Count a call; true: it must fail now. */
bool fake_fails(const char *function);
/* The same for a function of the runtime: cudaSuccess, the given error, or that of a lost device.
 */
cudaError_t fake_may_fail(const char *function, cudaError_t with);
/* The error that every call has since the device was lost; cudaSuccess: it was not. */
cudaError_t fake_lost(void);
void fake_lose(cudaError_t e);
void fake_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What is alive. fake_known complains, with the function's name, when p is not. */
void fake_born(enum fake_kind kind, const void *p);
bool fake_known(enum fake_kind kind, const void *p, const char *function);
bool fake_dies(enum fake_kind kind, const void *p, const char *function);

/* Set the calling thread's last error, as cudaGetLastError gives it; returns e. */
cudaError_t fake_error(cudaError_t e);
/* The calling thread's device. */
int fake_device(void);
size_t fake_memory_size(void);
/* Complaints end the process. */
void fake_aborts(bool aborts);
/* Settings as in $FAKE_CUDA: see fake.h. */
void fake_options(const char *text);

/* Of p .. p + n: all in live device memory, or in host memory that the device may read; complains
 * when not. */
bool fake_on_device(const void *p, size_t n, const char *what);
enum fake_place { FAKE_PAGEABLE, FAKE_PINNED_HOST, FAKE_DEVICE };
/* Where p lies; *ret_room: bytes from p to the end of it (pageable: SIZE_MAX). */
enum fake_place fake_where(const void *p, size_t *ret_room);
/* The host may touch device memory only in between. Nests. */
void fake_device_begin(void);
void fake_device_end(void);

/* Do everything that was given to all streams. */
cudaError_t fake_drain(void);
/* False when the calling thread may not call this while it captures; the capture is spoilt. */
bool fake_capture_allows(const char *function);

/* As emu_enqueue, for work that is not a kernel of ours: run(data), with a copy of data, when the
 * stream comes to it, in which device memory may be touched; or, when the stream is captured,
 * whenever the graph is launched. It is one of fake_launches. */
cudaError_t fake_enqueue(cudaStream_t stream, cudaError_t (*run)(void *data), const void *data,
                         size_t size);
/* It lives, and is of the calling thread's device; complains when not. */
bool fake_stream_ok(cudaStream_t stream, const char *function);
/* The device's clock, which events tell, goes by this (milliseconds) beside the little that
 * everything takes: what work may call when it is done. */
void fake_takes(double ms);
void fake_count_wait(void);
void fake_count_launch(void);
void fake_count_engine(int engine);

/* ---- numbers of 16 bits ---- */

float fake_from_half(uint16_t h);
uint16_t fake_to_half(float f);
float fake_from_bf16(uint16_t b);
uint16_t fake_to_bf16(float f);
float fake_to_tf32(float f);

/* Element i of an array of a type: bytes 2 or 4. */
enum fake_type { FAKE_F32, FAKE_BF16, FAKE_F16 };
float fake_load(enum fake_type t, const void *p, int64_t i);
void fake_store(enum fake_type t, void *p, int64_t i, float v);

#ifdef __cplusplus
}
#endif
#endif
