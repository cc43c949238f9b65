/* hpo/report/fidelity.h - what the rungs of a study say of each other: whether a cheap one may be
 * trusted, from the trials that ran on it and on the next one. */
#ifndef HPO_REPORT_FIDELITY_H
#define HPO_REPORT_FIDELITY_H

#include "hpo/core/report.h"
#include "hpo/report/rank.h"

/* Pairs of a trial and the one that it was promoted to, both COMPLETE. */
struct fidelity_pairs {
    int n;
    double rho, tau; /* NaN: fewer than RANK_MIN pairs, or a rung on which all are equal */
    struct rank_interval rho_interval, tau_interval;
};

struct fidelity {
    int rung;                   /* this one, against the next */
    struct fidelity_pairs best; /* that went on for their values: the range is a narrow one */
    struct fidelity_pairs all;  /* with those that were drawn; the same as best without any */
    int drawn;                  /* among all */
};

/* Of rungs r and r + 1. */
struct fidelity fidelity_of(const struct hpo_history *h, int rung);
/* What a person may conclude. */
const char *fidelity_verdict(const struct fidelity *f);

struct fidelity_counts {
    int complete, pruned, failed, running, waiting;
};
struct fidelity_counts fidelity_count(const struct hpo_history *h, int rung);

/* "rungs" for people; nothing in a study without. */
void text_rungs(const struct report *r, struct arena *a, struct str *ret);

#endif
