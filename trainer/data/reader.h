/* trainer/data/reader.h - where samples come from: a registry of readers, each of which lists image
 * files with their labels. */
#ifndef HPO_TRAINER_DATA_READER_H
#define HPO_TRAINER_DATA_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/opt.h"

struct tr_sample {
    const char *path;  /* relative to list->root; never leaves it */
    int32_t label;     /* index into classes */
    int32_t group;     /* -1: none */
};

struct tr_list {
    struct arena arena; /* owns everything here */
    const char *root;   /* the folder that paths are relative to */
    struct tr_sample *sample; /* ordered by path (folders) or by line (manifest) */
    int64_t n;
    const char **classes; /* sorted by name */
    int n_classes;
    bool has_groups;
};

struct reader_ops {
    struct hpo_plugin plugin;
    bool (*accepts)(const char *path); /* can this reader list it? asked in registry order */
    int (*list)(const char *path, struct tr_list *ret, struct hpo_err *err);
};

extern const struct reader_ops *const reader_registry[]; /* NULL ends it */

void tr_list_release(struct tr_list *l); /* a zeroed one is valid */

#endif
