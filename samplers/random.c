/* Independent draws, with the distributions of Optuna's RandomSampler (see hpo_param_decode). */
#include "hpo/core/sampler.h"

static int suggest(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng, int attempt,
                   double *ret_values, struct hpo_err *err)
{
    /* Inactive ones are drawn too, so a parameter's draw does not hang on another's value. */
    for (int i = 0; i < s->space->n; i++)
        ret_values[i] = hpo_param_decode(&s->space->params[i], hpo_rng_uniform(rng));
    hpo_space_mask(s->space, ret_values);
    return 0;
}

const struct sampler_ops sampler_random = {
    .plugin = {.name = "random", .help = "independent random draws"},
    .suggest = suggest,
};
