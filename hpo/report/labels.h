/* hpo/report/labels.h - which labels are probably wrong, by what networks that did not see them
 * say.
 *
 * From the mean of the out-of-fold probabilities of the better half of the trials, with the class
 * thresholds of confident learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating
 * Uncertainty in Dataset Labels", JAIR 2021): a class's threshold is the mean probability of the
 * class over the images that bear its label, what the networks think of it as a rule. The score of
 * an image is the probability of its label over that label's threshold (their self-confidence,
 * which on images with changed labels ranks far better than the margin to the next class: a network
 * that is torn between two classes makes small margins of right labels). It is flagged when the
 * score lies below 1 / classes: the label is less likely than a guess, even for this class. The
 * most likely class is suggested. Thresholds by class keep one that is hard, or rare, from being
 * flagged whole. */
#ifndef HPO_REPORT_LABELS_H
#define HPO_REPORT_LABELS_H

#include "base/arena.h"
#include "base/err.h"
#include "hpo/core/report.h"

struct labels_input {
    int64_t images;
    int classes;
    const int32_t *given; /* label of each image */
    int trials;
    const double *value; /* of each trial; smaller is better */
    /* The probabilities that a trial gives an image it did not train on, (classes). false: it says
     * nothing of it. */
    bool (*predict)(void *arg, int trial, int64_t image, float *ret);
    void *arg;
};

/* Fills ret->covered, trials, better, n and flagged (release with free); leaves the rest.
 * HPO_ENOMEM.
 */
int labels_find(const struct labels_input *in, struct report_labels *ret, struct hpo_err *err);

#endif
