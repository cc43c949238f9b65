#include "hpo/report/fidelity.h"

#include <math.h>
#include <stdlib.h>

static struct fidelity_pairs correlate(const double *x, const double *y, int n)
{
    struct fidelity_pairs p = {.n = n, .rho = NAN, .tau = NAN};

    if (n >= RANK_MIN) {
        p.rho = rank_spearman(x, y, n);
        p.tau = rank_kendall(x, y, n);
    }
    p.rho_interval = rank_spearman_interval(p.rho, n);
    p.tau_interval = rank_kendall_interval(p.tau, n);
    return p;
}

struct fidelity fidelity_of(const struct hpo_history *h, int rung)
{
    double *x = xmalloc(sizeof(*x) * (size_t)(h->n + 1)),
           *y = xmalloc(sizeof(*y) * (size_t)(h->n + 1));
    struct fidelity f = {.rung = rung};
    int n = 0;

    for (int drawn = 0; drawn < 2; drawn++) { /* the drawn ones last */
        for (int i = 0; i < h->n; i++) {
            const struct hpo_trial *t = h->trials[i], *from;

            if (t->rung != rung + 1 || t->explored != drawn || t->state != HPO_TRIAL_COMPLETE ||
                t->promoted_from < 0 || t->promoted_from >= h->n)
                continue;
            from = h->trials[t->promoted_from];
            if (from->state != HPO_TRIAL_COMPLETE || !isfinite(t->value) || !isfinite(from->value))
                continue;
            x[n] = from->value;
            y[n++] = t->value;
            f.drawn += drawn;
        }
        if (!drawn)
            f.best = correlate(x, y, n);
    }
    f.all = f.drawn ? correlate(x, y, n) : f.best;
    free(x);
    free(y);
    return f;
}

const char *fidelity_verdict(const struct fidelity *f)
{
    const struct fidelity_pairs *p = &f->all;

    if (p->n < RANK_MIN)
        return "too few pairs to say whether it can be trusted";
    if (isnan(p->rho))
        return "all values of a rung are equal: nothing can be said";
    if (p->rho_interval.low >= 0.5)
        return "it can be trusted: the next rung puts these trials in much the same order";
    if (p->rho_interval.low > 0)
        return "it can be trusted in part: the orders agree, and how well is open; promote more "
               "than a few";
    if (p->rho_interval.high < 0)
        return "it cannot be trusted: the next rung turns its order around";
    return "it is not shown that it can be trusted: the orders may have nothing to do with each "
           "other; promote more of its trials, or make it less cheap";
}

struct fidelity_counts fidelity_count(const struct hpo_history *h, int rung)
{
    struct fidelity_counts n = {0};

    for (int i = 0; i < h->n; i++) {
        const struct hpo_trial *t = h->trials[i];

        if (t->rung != rung)
            continue;
        n.complete += t->state == HPO_TRIAL_COMPLETE;
        n.pruned += t->state == HPO_TRIAL_PRUNED;
        n.failed += t->state == HPO_TRIAL_FAIL;
        n.running += t->state == HPO_TRIAL_RUNNING;
        n.waiting += t->state == HPO_TRIAL_WAITING;
    }
    return n;
}
