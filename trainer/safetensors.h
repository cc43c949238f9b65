/* trainer/safetensors.h - files of named tensors, as PyTorch's world exchanges weights.
 *
 * The format (huggingface/safetensors): 8 bytes, the length N of a JSON header; N bytes of it, an
 * object of name -> {"dtype", "shape", "data_offsets": [begin, end]}; then the bytes of the
 * tensors, row-major, little-endian, which offsets count from and which they tile without gap or
 * overlap. Nothing in a file is believed before it was checked. */
#ifndef HPO_TRAINER_SAFETENSORS_H
#define HPO_TRAINER_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"

#define ST_MAX_DIMS 8

enum st_dtype { ST_F32, ST_F64, ST_F16, ST_BF16, ST_OTHER }; /* ST_OTHER: not read as numbers */

struct st_tensor {
    const char *name;
    enum st_dtype dtype;
    const char *dtype_name; /* "I64" */
    int n_dims;
    int64_t dims[ST_MAX_DIMS];
    size_t count;         /* elements */
    const uint8_t *bytes; /* into the mapping, not aligned */
};

struct st_file {
    struct arena arena;
    struct file_map map;
    struct st_tensor *tensor; /* in the order of the header */
    int n;
};

/* HPO_EFORMAT says what is wrong with the file, HPO_EMISSING that it is not there. */
int st_open(struct st_file *ret, const char *path, struct hpo_err *err);
void st_close(struct st_file *f); /* a zeroed one is valid */
const struct st_tensor *st_find(const struct st_file *f, const char *name); /* NULL: none */
/* t->count numbers as floats; t->dtype is not ST_OTHER. */
void st_read(const struct st_tensor *t, float *ret);

#endif
