/* What hpo-cuda.so exports: the two symbols that the program looks up in it (backend.c). */
#include "kernels/cuda/plan.h"

extern const struct kn_backend_ops hpo_cuda_backend;

extern const char hpo_cuda_version[];

__attribute__((visibility("default"))) const char hpo_cuda_version[] = HPO_VERSION;

__attribute__((visibility("default"))) const struct kn_backend_ops hpo_cuda_backend = {
    .plugin = {.name = "cuda", .help = "cuDNN and cuBLAS on NVIDIA GPUs"},
    .precisions =
        1u << KN_PRECISION_AUTO | 1u << KN_FP32 | 1u << KN_TF32 | 1u << KN_BF16 | 1u << KN_FP16,
    .async = true,
    .count = cu_count,
    .describe = cu_describe,
    .open = cu_open,
    .close = cu_close,
    .data_open = cu_data_open,
    .data_close = cu_data_close,
    .estimate = cu_estimate,
    .compile = cu_compile,
    .plan_free = cu_plan_free,
    .set_hyper = cu_set_hyper,
    .set_state = cu_set_state,
    .get_state = cu_get_state,
    .train = cu_train,
    .losses = cu_losses,
    .set_losses = cu_set_losses,
    .eval = cu_eval,
    .get_gradients = cu_get_gradients,
};
