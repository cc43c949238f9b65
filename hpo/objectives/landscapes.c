/* Landscapes over a space of any kind. See the header for the formulas. */
#include <math.h>

#include "hpo/objectives/landscapes.h"

static bool is_choice(const struct hpo_param *p)
{
    return p->kind == HPO_PARAM_CATEGORICAL;
}

/* q of a numeric parameter, r of a categorical one; 0 when there is nothing to choose. */
static double miss(const struct hpo_space *s, int i, double value)
{
    const struct hpo_param *p = &s->params[i];
    double t = 0.15 + 0.7 * fmod(0.5 + 0.618034 * (i + 1), 1);

    if (hpo_param_count(p) == 1)
        return 0;
    if (is_choice(p))
        return ((int64_t)value + i + 1) % p->n_choices / (p->n_choices - 1.0);
    if (p->kind == HPO_PARAM_INT || p->step > 0)
        t = hpo_param_encode(p, hpo_param_decode(p, t));
    return hpo_param_encode(p, value) - t;
}

double landscape_valley(const struct hpo_space *s, const double *values)
{
    double sum = 0, before = NAN;

    for (int i = 0; i < s->n; i++) {
        double q;

        if (is_choice(&s->params[i]) || isnan(values[i]))
            continue;
        q = miss(s, i, values[i]);
        sum += q * q;
        if (!isnan(before))
            sum += 4 * (q - before) * (q - before);
        before = q;
    }
    return sum;
}

double landscape_mixed(const struct hpo_space *s, const double *values)
{
    double sum = 0, ranks = 0;
    int n_ranks = 0;
    bool first = true;

    for (int i = 0; i < s->n; i++)
        if (is_choice(&s->params[i]) && !isnan(values[i])) {
            ranks += miss(s, i, values[i]);
            n_ranks++;
        }
    sum = 0.3 * ranks;
    for (int i = 0; i < s->n; i++) {
        double q;

        if (is_choice(&s->params[i]) || isnan(values[i]))
            continue;
        q = miss(s, i, values[i]);
        if (first && n_ranks)
            q += 0.25 * ranks / n_ranks;
        first = false;
        sum += q * q + 0.02 * (1 - cos(6 * M_PI * q));
    }
    return sum;
}

double landscape_conditional(const struct hpo_space *s, const double *values)
{
    double sum = 0;

    for (int i = 0; i < s->n; i++) {
        const struct hpo_param *p = &s->params[i];
        double e, weight = 1, parents = 0;

        if (isnan(values[i]))
            continue;
        e = miss(s, i, values[i]);
        for (int k = 0; k < p->n_when; k++)
            parents += fabs(miss(s, p->when[k].param, values[p->when[k].param]));
        if (p->n_when)
            weight = 1 + 4 * (1 - parents / p->n_when);
        sum += weight * (is_choice(p) ? 0.3 * e : e * e);
    }
    return sum;
}
