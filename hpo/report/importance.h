/* hpo/report/importance.h - which parameters a good result depends on: PED-ANOVA, how far the
 * distribution of a parameter among the best tenth of the trials is from that among all of them.
 *
 * Source: Watanabe, Bansal and Hutter (2023), arXiv 2304.10255, with the treatment of conditional
 * parameters of arXiv 2601.20800; details are those of Optuna 5.0's PedAnovaImportanceEvaluator.
 * In a study with rungs the trials of the first one count: values of different rungs do not
 * compare, and the others have been picked by their values. Where the space has been extended
 * during the study, all trials are seen in the present space (Optuna takes each distribution that
 * was stored for a regime of its own). */
#ifndef HPO_REPORT_IMPORTANCE_H
#define HPO_REPORT_IMPORTANCE_H

#include "hpo/core/trial.h"

#define IMPORTANCE_MIN 2 /* trials without which there is no answer */
#define IMPORTANCE_TOP 5 /* fewer trials among the best tell little */

struct importance {
    int n;         /* COMPLETE trials with a finite value, of the first rung */
    int n_top;     /* those among them that count as good: the best tenth and its ties */
    bool equal;    /* nothing tells the parameters apart, and each has the same share */
    double *share; /* of each parameter of the space, sum 1; NaN: no COMPLETE trial has it */
    int *order;    /* the n_known parameters that have a share, the largest first */
    int n_known;
};

/* Arrays in a. false: fewer than IMPORTANCE_MIN trials, or no parameter (n is filled in). */
bool importance_of(const struct hpo_history *h, struct arena *a, struct importance *ret);

#endif
