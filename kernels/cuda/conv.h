/* kernels/cuda/conv.h - convolutions of an array of models through cuDNN's graph API.
 *
 * Layouts, model-major, so that each model's part is contiguous and an array of one is the plain
 * case: x (models, n, h, w, c), w (models, k, r, s, c), y (models, n, p, q, k). To cuDNN that is a
 * convolution with an explicit group dimension, x {n, g, c, h, w} with strides {h w c, n h w c, 1,
 * w c, c}; with one model the plain 4-D form. Where cuDNN has nothing good for an array (TF32: only
 * engines that first copy all activations), a plan of one model is launched for each in turn.
 * Weights must be dense: cuDNN refuses gaps between the models' weights. Only engines that are
 * precompiled, deterministic and (when fp32 is asked for) free of TF32 are taken.
 *
 * A choice needs no GPU: with a described device (cudnn's DEVICEPROP as JSON) plans are chosen and
 * finalised, which is how the tests check every model in every precision. Source: cuDNN 9's graph
 * API reference. */
#ifndef HPO_KERNELS_CUDA_CONV_H
#define HPO_KERNELS_CUDA_CONV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cudnn.h>

#include "base/err.h"

HPO_BEGIN_C

enum cu_type { CU_F32, CU_BF16, CU_F16 }; /* of activations and of what convolutions read */

enum cu_pass { CU_FORWARD, CU_BACKWARD_DATA, CU_BACKWARD_FILTER };

struct cu_conv_shape {
    int models, n; /* n: images of one model */
    int c, h, w;   /* input, channels as stored */
    int k, kernel, stride, pad;
    enum cu_type type; /* of x, w and y alike; sums are fp32 */
    bool tf32;         /* CU_F32: tensor cores may round to TF32 */
    bool accumulate;   /* BACKWARD_DATA: add to what is in dx */
};

/* Where plans are made. */
struct cu_dnn {
    cudnnHandle_t handle;               /* NULL: no device, described alone */
    cudnnBackendDescriptor_t described; /* NULL: the handle's device */
    const char *cache;                  /* folder of remembered choices; NULL: none */
    const char *device;                 /* part of their key: name, compute capability, SMs */
    int capability; /* 90; 0: unknown, then engines with a fault on some device are left out */
};

/* One finalised plan. Used by one thread at a time. */
struct cu_conv {
    cudnnBackendDescriptor_t plan;
    enum cu_pass pass;
    int parts; /* launches: 1, or one a model */
    size_t workspace;
    int64_t engine; /* cuDNN's global index, for logs and tests */
    bool tensor_core;
    struct cu_conv_own *own; /* what belongs to the plan, and the pointers of its last run */
};

/* A device described by cuDNN's JSON, for tests and for builds without a GPU. Sets described and
 * capability. */
int cu_dnn_describe(struct cu_dnn *d, const char *json, struct hpo_err *err);
void cu_dnn_release(struct cu_dnn *d); /* not the handle; a zeroed one is valid */

/* The best plan by heuristics that needs at most `limit` bytes of workspace (the least needy one
 * when none does). Preferred in this order: on tensor cores where the type allows; without hidden
 * copies of activations; all models at once; cuDNN's own order. HPO_EDEVICE: cuDNN has none, and
 * why. */
int cu_conv_choose(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                   size_t limit, struct cu_conv *ret, struct hpo_err *err);
/* The fastest of the first few, by measurement on the handle's stream, remembered in d->cache under
 * device, cuDNN version and shape; a remembered one is taken without measuring. buffers: a, b and
 * ret of cu_conv_run, the last one overwritten; workspace: `limit` bytes. Waits for the stream.
 * What cannot be measured (no handle, no plan within the limit) is chosen as above. */
int cu_conv_tune(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                 size_t limit, void *const buffers[3], void *workspace, struct cu_conv *ret,
                 struct hpo_err *err);
void cu_conv_release(struct cu_conv *c); /* a zeroed one is valid */

/* Launch on the handle's stream; can be captured: no device memory is taken and nothing waited for.
 * FORWARD: a = x, b = w, ret = y. BACKWARD_DATA: a = dy, b = w, ret = dx. BACKWARD_FILTER: a = x,
 * b = dy, ret = dw. All lie on 16 bytes. workspace: c->workspace bytes. */
int cu_conv_run(const struct cu_dnn *d, const struct cu_conv *c, const void *a, const void *b,
                void *ret, void *workspace, struct hpo_err *err);

HPO_END_C
#endif
