/* kernels/cuda/conv.h - convolutions of an array of models through cuDNN's graph API.
 *
 * Layouts, model-major, so that each model's part is contiguous and an array of one is the plain
 * case: x (models, n, h, w, c), w (models, k, r, s, c), y (models, n, p, q, k). To cuDNN that is a
 * convolution with an explicit group dimension, x {n, g, c, h, w} with strides {h w c, n h w c, 1,
 * w c, c}; with one model the plain 4-D form. Only engines that are precompiled, deterministic and
 * (when fp32 is asked for) free of TF32 are taken.
 *
 * A choice needs no GPU: with a described device (cudnn's DEVICEPROP as JSON) plans are chosen and
 * finalised, which is how the tests check every model in every precision. Source: cuDNN 9's graph
 * API reference. */
#ifndef HPO_KERNELS_CUDA_CONV_H
#define HPO_KERNELS_CUDA_CONV_H

#include <cudnn.h>

#include "base/arena.h"
#include "base/err.h"

HPO_BEGIN_C

enum cu_type { CU_F32, CU_BF16, CU_F16 }; /* of activations and of what convolutions read */

enum cu_pass { CU_FORWARD, CU_BACKWARD_DATA, CU_BACKWARD_FILTER };

struct cu_conv_shape {
    int models, n;     /* n: images of one model */
    int c, h, w;       /* input, channels as stored */
    int k, kernel, stride, pad;
    enum cu_type type; /* of x, w and y alike; sums are fp32 */
    bool tf32;         /* CU_F32: tensor cores may round to TF32 */
    bool accumulate;   /* BACKWARD_DATA: add to what is in dx */
};

/* Where plans are made. */
struct cu_dnn {
    cudnnHandle_t handle;              /* NULL: no device, described alone */
    cudnnBackendDescriptor_t described; /* NULL: the handle's device */
    const char *cache;                 /* folder of remembered choices; NULL: none */
    const char *device;                /* part of their key: name, compute capability, SMs */
};

/* One finalised plan. */
struct cu_conv {
    cudnnBackendDescriptor_t plan;
    enum cu_pass pass;
    size_t workspace;
    int64_t engine; /* cuDNN's global index, for logs and tests */
    bool tensor_core;
};

/* A device described by cuDNN's JSON, for tests and for builds without a GPU. */
int cu_dnn_describe(struct cu_dnn *d, const char *json, struct hpo_err *err);
void cu_dnn_release(struct cu_dnn *d); /* not the handle; a zeroed one is valid */

/* The best plan by heuristics that needs at most `limit` bytes of workspace (the least needy one
 * when none does). HPO_EDEVICE: cuDNN has none, and why. */
int cu_conv_choose(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                   size_t limit, struct cu_conv *ret, struct hpo_err *err);
/* The fastest of the first few, by measurement on this stream with these buffers, remembered in
 * d->cache under device, cuDNN version and shape; a remembered one is taken without measuring. */
int cu_conv_tune(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                 size_t limit, void *const buffers[3], void *workspace, struct cu_conv *ret,
                 struct hpo_err *err);
void cu_conv_release(struct cu_conv *c); /* a zeroed one is valid */

/* Launch on the handle's stream; can be captured. FORWARD: a = x, b = w, ret = y. BACKWARD_DATA: a = dy,
 * b = w, ret = dx. BACKWARD_FILTER: a = x, b = dy, ret = dw. */
int cu_conv_run(const struct cu_dnn *d, const struct cu_conv *c, const void *a, const void *b,
                void *ret, void *workspace, struct hpo_err *err);

HPO_END_C
#endif
