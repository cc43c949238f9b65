/* trainer/data/reader.h - where samples come from: a registry of readers, each of which lists image
 * files with their labels. */
#ifndef HPO_TRAINER_DATA_READER_H
#define HPO_TRAINER_DATA_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/opt.h"

#define TR_LIST_MAX_SAMPLES (10 * 1000 * 1000)
#define TR_LIST_MAX_CLASSES 32768

/* A part of an image, in pixels of the upright one (EXIF orientation applied). */
struct tr_box {
    int32_t x, y, w, h; /* w 0: the whole image */
};

struct tr_sample {
    const char *path;  /* relative to list->root; neither absolute nor with ".." in it */
    int32_t label;     /* index into classes */
    int32_t group;     /* index into groups; -1: none */
    int32_t fold;      /* that it asks to validate in; -1: none, with n_folds it always trains */
    struct tr_box box;
    int64_t line;      /* of the manifest; 0: there is none */
};

struct tr_list {
    struct arena arena; /* owns everything here */
    const char *root;   /* the folder that paths are relative to */
    const char *file;   /* the manifest; NULL: there is none */
    struct tr_sample *sample; /* ordered by path (folders) or by line (manifest) */
    int64_t n;
    const char **classes; /* sorted by name */
    int n_classes;
    bool has_groups;
    const char **groups; /* (n_groups) names, in order of first appearance */
    int n_groups;
    int n_folds;    /* that samples ask for: 0 .. n_folds - 1; 0: they do not */
    bool has_boxes; /* of any sample */
};

struct reader_ops {
    struct hpo_plugin plugin;
    bool (*accepts)(const char *path); /* can this reader list it? asked in registry order */
    int (*list)(const char *path, struct tr_list *ret, struct hpo_err *err);
};

extern const struct reader_ops *const reader_registry[]; /* NULL ends it */

/* With the first reader that accepts path. HPO_EMISSING: there is nothing; HPO_ECONFIG: no reader
 * knows it, or what it says is wrong (every mistake with its place, at most ten are listed). */
int tr_list_read(const char *path, struct tr_list *ret, struct hpo_err *err);
/* Keep at most limit samples, in their order: each class its share (largest remainders), at least
 * one of each when limit allows; which ones follows from the seed. limit 0: all. */
void tr_list_limit(struct tr_list *l, int64_t limit, uint64_t seed);
void tr_list_release(struct tr_list *l); /* a zeroed one is valid */

#endif
