/* hpo/cli/check_rungs.h - what the rungs of `fidelity:` cost, for hpo check. */
#ifndef HPO_CLI_CHECK_RUNGS_H
#define HPO_CLI_CHECK_RUNGS_H

#include "base/json.h"
#include "hpo/config.h"

struct rung_cost {
    const char *says; /* what sets it apart */
    int trials;       /* that are expected to run on it */
    double images;    /* that one of them trains on */
    double macs;      /* multiply-adds of one image, forward */
};

/* A zeroed one: the study has no rungs. */
struct check_rungs {
    struct rung_cost *rung;
    int n;
};

/* With every parameter at the middle of its range, and trials on the first rung. In a. */
int check_rungs_find(const struct study_config *c, const struct kn_backend_ops *backend,
                     int64_t trials, struct arena *a, struct check_rungs *ret, struct hpo_err *err);
void check_rungs_print(const struct check_rungs *r, struct str *ret);
void check_rungs_json(const struct check_rungs *r, cJSON *into);
/* That all trials of all rungs train on. */
double check_rungs_images(const struct check_rungs *r);

#endif
