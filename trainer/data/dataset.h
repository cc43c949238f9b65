/* trainer/data/dataset.h - the images of a study: decoded once, packed, mapped.
 *
 * A reader (class folders, CSV manifest) lists samples; each is decoded, resized to a square of
 * image_size, and packed into one file in the cache, keyed by the content of the images and by the
 * decode parameters, shared by every study and process that asks for the same thing. Afterwards no
 * image file is opened again. Pixels are a read-only mapping. */
#ifndef HPO_TRAINER_DATA_DATASET_H
#define HPO_TRAINER_DATA_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "kernels/backend.h"

enum tr_resize { TR_RESIZE_CROP, TR_RESIZE_STRETCH }; /* shorter side to size + centre crop | squash */
enum tr_on_error { TR_ON_ERROR_FAIL, TR_ON_ERROR_SKIP };

struct tr_data_spec {
    const char *path;  /* a folder with a folder a class, or a CSV manifest */
    const char *cache; /* folder; NULL: $XDG_CACHE_HOME/hpo or ~/.cache/hpo */
    int image_size;
    int limit;     /* at most this many samples, stratified; 0: all */
    uint64_t seed; /* of the subset that limit draws */
    enum tr_resize resize;
    enum tr_on_error on_error;
    int threads; /* of decoding; 0: every core */
};

/* One image that could not be used, and why. */
struct tr_bad_image {
    const char *path;   /* relative to the data folder */
    int64_t line;       /* of the manifest; 0: class folders */
    const char *reason; /* "is cut off (Premature end of JPEG file)" */
};

struct tr_dataset {
    struct arena arena;
    struct file_map map; /* the packed file */
    struct kn_images images; /* pixels (n, size, size, 3), labels, classes: into the mapping */
    const char *const *class_names; /* images.classes of them */
    const int64_t *class_counts;
    const int32_t *groups;      /* (n), or NULL when the manifest has no group column */
    const char *const *group_names; /* by group */
    const int32_t *folds;       /* (n), what a fold column says, -1: always trains; or NULL */
    int n_folds;                /* of the column; 0: there is none */
    const char *const *paths;   /* (n), relative to the data folder */
    const int64_t *lines;       /* (n), of the manifest; NULL: class folders */
    const uint64_t *pixel_sums; /* (n, 3, 2): sum and sum of squares of each channel's bytes */
    char digest[33];            /* hex: of the samples' content, labels, boxes, folds, order and
                                   decode parameters, independent of where they lie; what must not
                                   change in a study */
    char *cache_file;
    int64_t decoded; /* images decoded by this open: 0 when the cache had them all */
    double decode_seconds;
    struct tr_bad_image *bad; /* skipped (on_error: skip) */
    int n_bad;
};

/* Called now and then while decoding, from the calling thread; done of total. false: stop
 * (HPO_ESTOPPED). May be NULL. */
typedef bool tr_decode_progress_fn(void *arg, int64_t done, int64_t total);

/* List, decode what the cache does not have, map. The message of a failure names the image or the
 * manifest line ("train.csv:17: ..."); with on_error fail, up to ten bad images are listed. */
int tr_dataset_open(struct tr_dataset *ret, const struct tr_data_spec *spec,
                    tr_decode_progress_fn *progress, void *arg, struct hpo_err *err);
void tr_dataset_close(struct tr_dataset *d); /* a zeroed one is valid */

/* Mean and deviation per channel, of x = pixel / 255, over the rows of the index (NULL: all). Exact
 * integer sums: does not depend on order or threads. deviation is at least 1/255. */
void tr_dataset_stats(const struct tr_dataset *d, const int32_t *index, int64_t n, float ret_mean[3],
                      float ret_std[3]);

/* Where packed files lie: spec->cache, $XDG_CACHE_HOME/hpo, or $HOME/.cache/hpo. */
const char *tr_cache_dir(const char *cache, struct arena *a);

#endif
