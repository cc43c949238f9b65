/* Learning curves, folds and noise of test functions. */
#include <math.h>

#include "base/rng.h"
#include "hpo/objectives/curves.h"

#define RATE_MIN 1.5
#define RATE_MAX 12

/* 0 to 1, a wave across the space. */
static double temper(const struct hpo_space *s, const double *values)
{
    double phase = 0;

    for (int i = 0; i < s->n; i++)
        if (!isnan(values[i]))
            phase += hpo_param_encode(&s->params[i], values[i]) * (1 + i % 3);
    return 0.5 + 0.5 * sin(2 * phase);
}

struct function_curve function_curve_of(const struct hpo_space *s, const double *values,
                                        double value, int steps, double wobble, uint64_t seed,
                                        int trial, int fold)
{
    struct hpo_rng rng = hpo_rng_for(seed, trial, fold, "start", 0);
    double above = (2 + fabs(value)) * (0.75 + 0.5 * hpo_rng_uniform(&rng));

    return (struct function_curve){
        .value = value,
        .start = value + above,
        .rate = RATE_MIN * pow((double)RATE_MAX / RATE_MIN, temper(s, values)),
        .wobble = wobble,
        .steps = steps,
        .trial = trial,
        .fold = fold,
        .seed = seed,
    };
}

double function_curve_at(const struct function_curve *c, int step)
{
    double share = (double)(step + 1) / c->steps, left, v;
    struct hpo_rng rng;

    if (step + 1 >= c->steps)
        return c->value;
    /* What is left of the way down, 1 at the start and 0 at the end. */
    left = (exp(-c->rate * share) - exp(-c->rate)) / (1 - exp(-c->rate));
    v = c->value + (c->start - c->value) * left;
    if (c->wobble > 0) {
        rng = hpo_rng_for(c->seed, c->trial, c->fold, "wobble", (uint64_t)step);
        v += c->wobble * hpo_rng_normal(&rng);
    }
    return isnan(v) ? c->value : v;
}

static double fold_draw(uint64_t seed, int fold)
{
    struct hpo_rng rng = hpo_rng_for(seed, -1, fold, "fold", 0);

    return hpo_rng_normal(&rng);
}

double function_fold_offset(double deviation, uint64_t seed, int fold, int folds)
{
    double mean = 0;

    if (!(deviation > 0) || folds < 2)
        return 0;
    for (int i = 0; i < folds; i++)
        mean += fold_draw(seed, i) / folds;
    return deviation * (fold_draw(seed, fold) - mean);
}

double function_noise(double deviation, uint64_t seed, int trial, int fold)
{
    struct hpo_rng rng = hpo_rng_for(seed, trial, fold, "noise", 0);

    return deviation > 0 ? deviation * hpo_rng_normal(&rng) : 0;
}
