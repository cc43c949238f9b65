/* hpo/core/sampler.h - what a search algorithm provides. */
#ifndef HPO_CORE_SAMPLER_H
#define HPO_CORE_SAMPLER_H

#include "base/opt.h"
#include "base/rng.h"
#include "hpo/core/trial.h"

struct sampler_cache;

/* What a sampler is told of the study. */
struct sampler_study {
    const struct hpo_space *space;
    uint64_t seed;
    int trials;      /* how many there will be; 0: nobody knows */
    int parallel;    /* how many run at once; 0 counts as 1 */
    bool duplicates; /* a configuration may come again: sampler_next lets it pass */
};

struct sampler {
    const struct sampler_ops *ops;
    void *priv; /* ops->plugin.priv_size bytes: options set before init */
    const struct hpo_space *space;
    uint64_t seed;        /* of the study */
    int trials, parallel; /* parallel: at least 1 */
    bool duplicates;
    struct arena *arena;         /* lives as long as the sampler */
    struct sampler_cache *cache; /* of sampler_next: what was tried */
};

struct sampler_ops {
    struct hpo_plugin plugin;

    /* Optional. Reject options or a space that this sampler cannot search; allocate. */
    int (*init)(struct sampler *s, struct hpo_err *err);

    /* Write space->n values for trial number h->next, whose `when` conditions hold and are masked
     * (hpo_space_mask). rng is the stream of (seed, trial, "sample", attempt): the engine asks
     * again, with attempt + 1, when the answer repeats an earlier trial. The answer depends on the
     * options, h, rng and attempt alone: what priv remembers is a cache that the conformance test
     * throws away. HPO_EDONE: with this history nothing is left to propose. Once no trial runs any
     * more the study ends and says so; while some do, ask again after the next has ended (one that
     * fails may have to be tried again). */
    int (*suggest)(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng, int attempt,
                   double *ret_values, struct hpo_err *err);

    /* Optional. Must accept what a failed init leaves behind. */
    void (*release)(struct sampler *s);

    /* Optional. One sentence for the log on how it goes about this study ("tpe: the space has
     * conditions"); NULL: nothing to say. Lives as long as the sampler. */
    const char *(*describe)(const struct sampler *s);

    /* This sampler keeps account of what was tried (grid): the engine then neither resamples
     * duplicates nor checks for exhaustion, and always shows it all that was tried. */
    bool repeats_on_purpose;
};

extern const struct sampler_ops *const sampler_registry[]; /* NULL ends it */

/* Wrappers. sampler_open: priv are options already set, and are copied; NULL: the defaults. On
 * failure *ret is untouched and needs no close. */
int sampler_open(struct sampler *ret, const struct sampler_ops *ops, const void *priv,
                 const struct sampler_study *study, struct arena *a, struct hpo_err *err);
void sampler_close(struct sampler *s); /* a zeroed one is valid */

/* The values of trial number seen->next: shows the sampler what is `seen`, resamples what a trial
 * of `tried` already tried, walks the cells of a small finite space when luck runs out, and returns
 * HPO_EDONE with a sentence when every configuration was tried. What failed or still runs was tried
 * too. A duplicate comes out only of a space that is infinite or above HPO_CELLS_MAX cells, when
 * the sampler insists on it. */
int sampler_next(struct sampler *s, const struct hpo_history *seen, const struct hpo_history *tried,
                 double *ret_values, struct hpo_err *err);

#endif
