/* Quasi-random search: points that cover the space more evenly than random ones.
 *
 * As Optuna's QMCSampler, with the trial's number as the index of its point: nothing is counted, so
 * a study that was resumed, or runs in parallel, leaves no point out and takes none twice. Mended:
 * the space is declared, so a conditional parameter has a coordinate of its own, which waits while
 * it is inactive; a choice takes one coordinate (as from Optuna 5 on). */
#include "hpo/core/sampler.h"
#include "samplers/math/halton.h"
#include "samplers/math/sobol.h"

enum { SOBOL, HALTON };

struct priv {
    int qmc_type;
    bool scramble;

    int d;            /* parameters with a coordinate: those with more than one value */
    int n_even;       /* how many of them the sequence serves */
    uint32_t *primes; /* HALTON: d */
    uint64_t *keys;   /* d */
    double *u;        /* d: scratch */
    const char *note;
};

static bool is_single(const struct hpo_param *p)
{
    return hpo_param_count(p) == 1;
}

static int init(struct sampler *s, struct hpo_err *err)
{
    struct priv *q = s->priv;

    q->d = 0;
    for (int i = 0; i < s->space->n; i++)
        q->d += !is_single(&s->space->params[i]);
    q->n_even = q->d;
    q->note = NULL;
    q->keys = ARENA_ARRAY(s->arena, uint64_t, q->d);
    q->u = ARENA_ARRAY(s->arena, double, q->d);
    if (q->qmc_type == HALTON) {
        q->primes = ARENA_ARRAY(s->arena, uint32_t, q->d);
        halton_primes(q->d, q->primes);
    } else if (q->d > SOBOL_MAX) {
        q->n_even = SOBOL_MAX;
        q->note = arena_printf(s->arena,
                               "qmc: the Sobol sequence serves the first %d parameters, the other "
                               "%d are drawn at random",
                               SOBOL_MAX, q->d - SOBOL_MAX);
    }
    return 0;
}

/* A point that repeats an earlier trial (coarse parameters do that) gives way to the same point of
 * another scrambling. */
static int suggest(struct sampler *s, const struct hpo_history *h, struct hpo_rng *rng, int attempt,
                   double *ret_values, struct hpo_err *err)
{
    struct priv *q = s->priv;
    struct hpo_rng names = hpo_rng_for(s->seed, -1, -1, "qmc", (uint64_t)attempt);
    const uint64_t *keys = q->scramble || attempt ? q->keys : NULL;
    int j = 0;

    for (int k = 0; k < q->d; k++) {
        q->keys[k] = hpo_rng_next(&names);
        q->u[k] = hpo_rng_uniform(rng);
    }
    if (q->qmc_type == HALTON)
        halton_point((uint32_t)h->next, q->n_even, q->primes, keys, q->u);
    else
        sobol_point((uint32_t)h->next, q->n_even, keys, q->u);
    for (int i = 0; i < s->space->n; i++) {
        const struct hpo_param *p = &s->space->params[i];

        ret_values[i] = is_single(p) ? p->low : hpo_param_decode(p, q->u[j++]);
    }
    hpo_space_mask(s->space, ret_values);
    return 0;
}

static const char *describe(const struct sampler *s)
{
    const struct priv *q = s->priv;

    return q->note;
}

static const struct hpo_opt opts[] = {
    HPO_OPT_WORDS(struct priv, qmc_type, "qmc_type", "sobol", "sobol|halton", 0,
                  "the sequence; sobol is most even after 2, 4, 8, 16 ... trials and serves 128 "
                  "parameters (further ones are drawn at random), halton has no such marks"),
    HPO_OPT(BOOL, struct priv, scramble, "scramble", "true", 0, 0, 0,
            "scramble the sequence by the seed; false: the same points for every seed, the first "
            "of them the lower end of every parameter"),
    {0},
};

const struct sampler_ops sampler_qmc = {
    .plugin = {.name = "qmc",
               .help = "quasi-random points, which cover the space more evenly than random ones",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .init = init,
    .suggest = suggest,
    .describe = describe,
};
