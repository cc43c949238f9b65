/* trainer/oof_file.h - out-of-fold predictions as a file: what a training said of each image when
 * it did not train on it.
 *
 *   0    magic "HPOOOF01"
 *   8    u64 length of the whole
 *   16   16 bytes fingerprint of the training (trainer/checkpoint.h)
 *   32   32 bytes digest of the data set, as text, padded with zeros (struct tr_dataset)
 *   64   u64 images of the data set
 *   72   u32 classes, folds
 *   80   u32 kept: probabilities of a row
 *   84   zero up to 96
 *   96   u16 label of each image, padded to 8
 *        for each fold: u32 fold, epoch, u64 rows
 *                       one bit an image, the lowest first, in u64 words: has it a row here?
 *                       the rows, in the order of the images, padded to 8
 *        16 bytes XXH3-128 of all before
 *
 * A probability p is the u16 round(65535 p). Up to OOF_DENSE classes a row has all of them (kept ==
 * classes); above, its OOF_SPARSE most likely ones, each as u16 class, u16 probability, and what is
 * left out is 0: a row takes 128 bytes at most. The class that a row finds most likely, the lowest
 * of equals, is that of the probabilities it was made from, so that a count of hits is exact.
 *
 * Any fold may have any rows: repeated folds (an image has several rows), a holdout (most images
 * have none), folds of which only some were run. Little-endian. The bytes follow from the training
 * alone: no clock, no process. A file is untrusted: lengths, counts, labels and the checksum are
 * looked at before anything is used. */
#ifndef HPO_TRAINER_OOF_FILE_H
#define HPO_TRAINER_OOF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

#define OOF_DENSE 64
#define OOF_SPARSE 32
#define OOF_MAX_FOLDS 4096
#define OOF_MAX_CLASSES 32768
#define OOF_MAX_IMAGES ((int64_t)1 << 31)

/* What all folds of a file have in common. */
struct oof_shape {
    uint8_t fingerprint[16];
    char digest[33];
    int64_t n;
    int classes;
};

/* ---------------------------------------------------------------- writing */

/* Bytes of a file with one fold of so many rows. */
size_t oof_part_bytes(const struct oof_shape *s, int64_t rows);
/* Such a file into ret, of oof_part_bytes. index: the rows' images, rising; probs: (rows, classes),
 * each row's sum 1; labels: (n). */
void oof_part_encode(const struct oof_shape *s, const int32_t *labels, int fold, int epoch,
                     const int32_t *index, int64_t rows, const float *probs, uint8_t *ret);

struct oof;
/* Put files of one fold each, of one shape, together, in their order, as `path`: durable when it
 * returns 0. open(arg, i): the i-th of n; it is closed here. */
int oof_join(const char *path, int n,
             int (*open)(void *arg, int i, struct oof *ret, struct hpo_err *err), void *arg,
             struct hpo_err *err);

/* ---------------------------------------------------------------- reading */

struct oof_fold {
    int fold, epoch;
    int64_t rows;
    const uint64_t *has; /* a bit an image */
    uint32_t *rank;      /* rows before each word of `has` */
    const uint16_t *row;
};

struct oof {
    struct oof_shape shape;
    int kept;
    const uint16_t *labels;
    int folds;
    struct oof_fold *fold;
    struct file_map map; /* what the pointers point into */
};

/* HPO_EMISSING, HPO_EFORMAT with what is wrong with it. */
int oof_open(const char *path, struct oof *ret, struct hpo_err *err);
/* The same with bytes in memory, aligned to 8, which outlive *ret. */
int oof_parse(const uint8_t *bytes, size_t n, struct oof *ret, struct hpo_err *err);
void oof_close(struct oof *o); /* a zeroed one is valid */

/* The probabilities of an image in the i-th fold of the file, (classes). false: it has no row
 * there, ret is untouched. */
bool oof_row(const struct oof *o, int i, int64_t image, float *ret);
/* Their mean over the folds that have it. Returns how many these are; 0: ret is untouched. */
int oof_image(const struct oof *o, int64_t image, float *ret);

#endif
