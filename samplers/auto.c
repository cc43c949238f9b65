/* Chooses for those who do not want to: by the space, by how many trials there will be, and by how
 * many run at once. What it chose, and why, is said in the log.
 *
 * The choice and the moment of changing over are functions of the study and of the history, so a
 * study that is resumed goes on as it began; docs/samplers.md has the measurements behind them. */
#include <stdio.h>

#include "hpo/core/sampler.h"

/* A Gaussian process is the best model of few results and the dearest one of many: its cost grows
 * with their cube. From here on TPE learns as much, in a hundredth of the time. */
#define GP_RESULTS 200
/* Beyond this many parameters a few hundred results say little about each one's length scale. */
#define GP_PARAMETERS 30

struct priv {
    struct sampler first, later; /* later.ops NULL: first all along */
    char why[200];
};

/* What a space is made of. */
struct kind {
    int searched; /* parameters with more than one value */
    int choices, conditional;
};

static struct kind kind_of(const struct hpo_space *space)
{
    struct kind k = {0};

    for (int i = 0; i < space->n; i++) {
        if (hpo_param_count(&space->params[i]) == 1)
            continue;
        k.searched++;
        k.choices += space->params[i].kind == HPO_PARAM_CATEGORICAL;
        k.conditional += space->params[i].n_when > 0;
    }
    return k;
}

static int open_one(const struct sampler *s, const char *name, struct sampler *ret,
                    struct hpo_err *err)
{
    const struct sampler_ops *ops = hpo_registry_find((const void *const *)sampler_registry, name);
    const struct sampler_study study = {s->space, s->seed, s->trials, s->parallel, s->duplicates};

    return sampler_open(ret, ops, NULL, &study, s->arena, err);
}

static int init(struct sampler *s, struct hpo_err *err)
{
    struct kind k = kind_of(s->space);
    struct priv *priv = s->priv;
    int rc;

    if (k.searched > GP_PARAMETERS) {
        snprintf(priv->why, sizeof(priv->why),
                 "auto: tpe, for a space of %d parameters (more than %d)", k.searched,
                 GP_PARAMETERS);
        return open_one(s, "tpe", &priv->first, err);
    }
    rc = open_one(s, "gp", &priv->first, err);
    if (!rc && (s->trials == 0 || s->trials > GP_RESULTS))
        rc = open_one(s, "tpe", &priv->later, err);
    snprintf(priv->why, sizeof(priv->why),
             "auto: gp%s, for a space of %d parameter%s (%d categorical, %d with a condition) and "
             "%d trial%s, %d at once",
             priv->later.ops ? ", and tpe when 200 results are in" : "", k.searched,
             k.searched == 1 ? "" : "s", k.choices, k.conditional, s->trials,
             s->trials == 1 ? "" : "s", s->parallel);
    return rc;
}

static int suggest(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng, int attempt,
                   double *ret_values, struct hpo_err *err)
{
    struct priv *priv = s->priv;
    bool many = priv->later.ops && hpo_history_count(h, HPO_TRIAL_COMPLETE) +
                                           hpo_history_count(h, HPO_TRIAL_PRUNED) >=
                                       GP_RESULTS;
    struct sampler *one = many ? &priv->later : &priv->first;

    one->seed = s->seed;
    return one->ops->suggest(one, h, rng, attempt, ret_values, err);
}

static const char *describe(const struct sampler *s)
{
    return ((const struct priv *)s->priv)->why;
}

static void release(struct sampler *s)
{
    struct priv *priv = s->priv;

    sampler_close(&priv->first);
    sampler_close(&priv->later);
}

const struct sampler_ops sampler_auto = {
    .plugin = {.name = "auto",
               .help = "chooses by the space, the number of trials and the workers, and says what",
               .priv_size = sizeof(struct priv)},
    .init = init,
    .suggest = suggest,
    .release = release,
    .describe = describe,
};
