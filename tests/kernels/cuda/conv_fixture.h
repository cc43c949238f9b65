/* tests/kernels/cuda/conv_fixture.h - described devices: cuDNN chooses and finalises plans for them
 * where there is no GPU. The descriptions beside this file are cuDNN's own JSON. */
#ifndef HPO_TESTS_KERNELS_CUDA_CONV_FIXTURE_H
#define HPO_TESTS_KERNELS_CUDA_CONV_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "kernels/cuda/conv_priv.h"

/* cuDNN keeps what it once made, and without a device loses a little of cuBLAS's. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libcudnn\nleak:libcublas\nleak:<unknown module>\n";
}

static inline void describe(struct cu_dnn *d, const char *name)
{
    const char *root = getenv("HPO_SOURCE_ROOT");
    struct str path = {0};
    struct hpo_err err = {0};
    char *json;
    size_t n;

    str_addf(&path, "%s/tests/kernels/cuda/%s.json", root ? root : ".", name);
    if (file_read(path.s, 1 << 16, &json, &n, &err))
        fail_msg("%s", err.msg);
    memset(d, 0, sizeof(*d));
    if (cu_dnn_describe(d, json, &err))
        fail_msg("%s: %s", name, err.msg);
    d->device = name;
    free(json);
    str_release(&path);
}

static inline void make_folder(char path[32])
{
    strcpy(path, "/tmp/hpo-conv-XXXXXX");
    assert_non_null(mkdtemp(path));
}

#endif
