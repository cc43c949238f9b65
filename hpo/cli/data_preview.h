/* hpo/cli/data_preview.h - hpo data preview: a sheet of training images as the network sees them. */
#ifndef HPO_CLI_DATA_PREVIEW_H
#define HPO_CLI_DATA_PREVIEW_H

#include "base/err.h"
#include "hpo/cli/args.h"

struct preview_args {
    struct arg_texts sets;
    const char *runs, *out;
    int fold, epochs, images;
};

/* Of the study with every parameter at the middle of its range. Writes the PNG, prints the table. */
int data_preview(const struct preview_args *a, const char *study, struct hpo_err *err);

#endif
