/* hpo/devices.h - which devices a study uses: the words of `devices.use`, resolved. */
#ifndef HPO_DEVICES_H
#define HPO_DEVICES_H

#include "base/arena.h"
#include "hpo/config.h"
#include "kernels/backend.h"

struct device_spec {
    const struct kn_backend_ops
        *backend;     /* NULL: none in this build, and the objective needs none */
    const char *kind; /* "cpu", "cuda" */
    int index;        /* on its backend */
    const char *name; /* "cpu", "cuda:1"; two equal ones are told apart as "cpu#2" */
    int slots;        /* concurrent trials, at most */
    bool packed;      /* how many at once is found while they run (hpo/packing.h) */
    int threads;      /* CPU threads of one slot */
};

/* In a. HPO_ECONFIG: a word that is not a device; HPO_EDEVICE: one that is not there. Where the
 * objective trains, a device is one that this build can train on; else what it does there is its
 * own affair, and a GPU is any that the machine has. */
int devices_resolve(const struct study_config *c, struct arena *a, struct device_spec **ret,
                    int *ret_n, struct hpo_err *err);

/* "NVIDIA H200, 139.8 GiB, 139.2 of them free"; in a. NULL: nobody knows, or it is a CPU, of which
 * everybody does. Asks the device, so a worker does that. */
const char *device_says(const char *kind, int index, struct arena *a);

/* Why devices.use: auto uses no device but the CPU (static text); NULL: it does, or the build has
 * no other kind, or something else was asked for. */
const char *devices_missing(const struct study_config *c);

/* Trials that run on them at once. */
static inline int devices_slots(const struct device_spec *d, int n)
{
    int slots = 0;

    for (int i = 0; i < n; i++)
        slots += d[i].slots;
    return slots;
}

/* GPUs that a program started here would see: those of the driver (a folder with one entry each),
 * less what CUDA_VISIBLE_DEVICES (NULL: not set) hides. -1: there is no such folder, so nobody
 * knows. */
int gpu_count(const char *driver_folder, const char *visible);
#define GPU_DRIVER_FOLDER "/proc/driver/nvidia/gpus"

/* CPU cores that this process may run on. */
int cpu_cores(void);

#endif
