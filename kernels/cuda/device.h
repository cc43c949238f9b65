/* kernels/cuda/device.h - a GPU, a data set on it, and what CUDA's errors become. */
#ifndef HPO_KERNELS_CUDA_DEVICE_H
#define HPO_KERNELS_CUDA_DEVICE_H

#include <cuda_runtime_api.h>

#include "kernels/backend.h"

HPO_BEGIN_C

struct cu_dev {
    struct kn_dev base;
    int index;      /* among the visible ones */
    int capability; /* 90: compute capability 9.0 */
    int sms;
    char key[192]; /* name, capability and SMs: names what was measured on it */
    char *cache;   /* folder of remembered choices of algorithms; NULL: there is none */
};

/* A data set as every plan of a device sees it: there once for all sessions of a process, however
 * often it is opened. */
struct cu_data {
    int64_t n;
    int h, w, classes;
    const uint8_t *pixels; /* (n, h, w, 3): device memory, or host memory that the device reads */
    int32_t *labels;       /* (n), device */
    bool mapped;           /* it did not fit: pixels lie in pinned host memory */
};

/* Where choices of algorithms are remembered: hpo/cuda in $XDG_CACHE_HOME, or in ~/.cache. NULL:
 * the process has neither. malloc'd; nothing is made there. */
char *cu_cache_folder(void);

/* 0 for cudaSuccess; HPO_ENOMEM for a lack of memory, HPO_EDEVICE otherwise: "WHAT: reason". A
 * sticky error (the context is lost) says so. */
int cu_check(cudaError_t e, const char *what, struct hpo_err *err);

int cu_count(const char **ret_why);
int cu_describe(int index, struct kn_device_info *ret, struct hpo_err *err);
int cu_open(int index, int threads, struct kn_dev **ret, struct hpo_err *err);
void cu_close(struct kn_dev *dev);
int cu_data_open(struct kn_dev *dev, const struct kn_images *images, void **ret,
                 struct hpo_err *err);
void cu_data_close(struct kn_dev *dev, void *data);

HPO_END_C
#endif
