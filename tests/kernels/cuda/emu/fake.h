/* tests/kernels/cuda/emu/fake.h - the CUDA runtime, cuDNN and cuBLAS as far as the backend uses
 * them, on host memory, for tests where there is no GPU: linked in their place.
 *
 * Streams are lazy: what is given to one is done only when somebody waits for it, as late as a slow
 * device might; copies from memory that is not pinned are done at once, as the driver does. A
 * capture records kernels, copies, convolutions and matrix products with their arguments, and a
 * launch of the graph does them again. Device memory is filled with 0xff (NaN), ends at a page that
 * cannot be touched, is unreadable for the host, and after cudaFree for everyone. What a program
 * must not do (free twice, copy past an end, wait while a stream is captured, ...) is a complaint.
 * Any call that can fail can be made to. Thread-safe; functions that only free never fail. */
#ifndef HPO_TESTS_KERNELS_CUDA_EMU_FAKE_H
#define HPO_TESTS_KERNELS_CUDA_EMU_FAKE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The environment may set some of this, for programs that know nothing of it: FAKE_CUDA is a list
 * of eager, strict (emu_strict), abort (complaints end the process), order=N (emu_order),
 * devices=N, capability=N, memory=BYTES, fail=N, break=N. */

/* Let the n-th call from now on fail, once (n = 1: the next); 0: none. Also counts from 0 again. */
void fake_fail_at(long n);
/* From that call on all fail, as on a device that is lost, until fake_fail_at. What was given to
 * streams is not done any more. A kernel that fails loses the device likewise. */
void fake_break_at(long n);
/* Calls since fake_fail_at that could have failed, and the one that did ("" when none did). */
long fake_calls(void);
const char *fake_failed(void);

/* What is alive: memory, streams, events, graphs, handles, descriptors. */
long fake_alive(void);
/* "2 cudaMalloc, 1 stream": what is alive, as text that lives until the next call. */
const char *fake_alive_text(void);
/* Bytes of device memory taken now, and at most since the last call of this. */
size_t fake_memory_used(void);
size_t fake_memory_peak(void);

/* Misuses since the last call of this; each was printed to stderr unless quiet. */
long fake_complaints(void);
void fake_quiet(bool quiet);

/* The machine: visible devices (1 to begin with), capability (90), bytes of memory of each (4 GiB).
 * What a device allows: no registering of host memory, ... 0 devices: cudaErrorNoDevice. */
void fake_devices(int n);
void fake_capability(int capability);
void fake_memory_total(size_t bytes);
void fake_register_allowed(bool allowed);

/* Do what is given to streams at once (true) or as late as possible (false, to begin with). */
void fake_eager(bool eager);
/* Kernels, convolutions and matrix products done; graph launches. */
long fake_launches(void);
long fake_graph_launches(void);
/* Waits of the host for the device: synchronisations, and copies that wait. */
long fake_waits(void);

/* What an event tells is no real time, and so the same in every run: everything that is done takes
 * a microsecond, and work of the libraries as long as it says. */

/* Convolutions run by the given engine so far; see fake_cudnn.c for what they are. */
long fake_engine_runs(int engine);

#ifdef __cplusplus
}
#endif
#endif
