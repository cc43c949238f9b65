/* hpo/study_impl.h - inside the study: what its files share. study.c opens it and stores what
 * happens, study_next.c says what runs next, study_sight.c on whose results,
 * study_rungs.c which trials go on to the next rung, study_identity.c whether two study files may
 * follow one another, study_warm.c takes over the trials of another study. */
#ifndef HPO_STUDY_IMPL_H
#define HPO_STUDY_IMPL_H

#include "hpo/study.h"

/* What an identity says of the data begins so. */
#define STUDY_DATA_LINE "data (content of images and labels): "

/* May the stored study go on with this file? HPO_ECONFIG with the differences. */
int study_check_identity(const struct study *s, const char *identity, struct hpo_err *err);

/* A new study: take over the trials of study.warm_start, if there is one. */
int study_take_over(struct study *s, struct hpo_err *err);
/* Load them, of a study that did. */
int study_load_priors(struct study *s, struct hpo_err *err);

/* Make room for a trial behind the others. */
struct study_trial *study_append(struct study *s);
/* Trial t has another state than it had. */
void study_moved(struct study *s, const struct study_trial *t, enum hpo_trial_state before);

/* --- study_rungs.c --- */
/* The next trial that goes on to this rung; NULL: there is none left. *ret_explored: it was drawn.
 */
const struct hpo_trial *study_to_promote(const struct study *s, int rung, bool *ret_explored);

/* --- study_sight.c --- */
/* Everything that is decided about trial `number` is decided on the trials below this one. */
int study_limit(const struct study *s, int number);
/* The history that a trial may see, and room for it. */
struct study_sight {
    struct hpo_history tried; /* of every trial of this study below it, late results hidden */
    struct hpo_history seen;  /* with the priors, its own rung and bracket alone */
    const struct hpo_trial **pointers;
    struct hpo_trial *hidden;
};
/* For trial `number` of a rung; the study's own arrays where they will do. */
void study_sight_open(struct study_sight *v, const struct study *s, int number, int rung);
void study_sight_close(struct study_sight *v);

/* --- study_next.c --- */
/* A failed trial of the rung that is to be repeated, among the first n trials; NULL: none. */
struct study_trial *study_to_repeat(const struct study *s, int rung, int n);

/* Ask the pruner about t, which has just reported. */
bool study_should_stop(const struct study *s, const struct hpo_trial *t);

/* Ask for the trials of study.enqueue that were not asked for before. */
int study_enqueue_rows(struct study *s, struct hpo_err *err);

#endif
