/* hpo/devices.h - which devices a study uses: the words of `devices.use`, resolved. */
#ifndef HPO_DEVICES_H
#define HPO_DEVICES_H

#include "base/arena.h"
#include "hpo/config.h"
#include "kernels/backend.h"

struct device_spec {
    const struct kn_backend_ops *backend;
    int index;        /* on its backend */
    const char *name; /* "cpu", "cuda:1"; two equal ones are told apart as "cpu#2" */
    int slots;        /* concurrent trials */
    int threads;      /* CPU threads of one slot */
};

/* In a. HPO_ECONFIG: a word that is not a device; HPO_EDEVICE: one that is not there. */
int devices_resolve(const struct study_config *c, struct arena *a, struct device_spec **ret,
                    int *ret_n, struct hpo_err *err);

/* CPU cores that this process may run on. */
int cpu_cores(void);

#endif
