/* hpo/cli/args.h - a command line against a table: "--top N", "--top=N", "--set K=V" again and
 * again, "--" ends the options. */
#ifndef HPO_CLI_ARGS_H
#define HPO_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum arg_kind {
    ARG_FLAG,  /* bool */
    ARG_TEXT,  /* const char * */
    ARG_INT,   /* int, 0 or more */
    ARG_REAL,  /* double */
    ARG_TEXTS  /* struct arg_texts */
};

struct arg_texts {
    const char *item[64];
    int n;
};

struct arg {
    const char *name; /* "--top"; NULL ends the table */
    enum arg_kind kind;
    size_t offset;
};

/* Fills the fields at base + offset; what is no option goes to ret_rest (room for argc), its count
 * to ret_n. HPO_ECONFIG with the nearest known option, or more than max_rest words. */
int args_parse(const struct arg *table, void *base, int argc, char **argv, int max_rest,
               const char **ret_rest, int *ret_n, struct hpo_err *err);

#endif
