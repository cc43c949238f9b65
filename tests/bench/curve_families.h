/* tests/bench/curve_families.h - learning curves of a study, and families of made-up ones. */
#ifndef TESTS_BENCH_CURVE_FAMILIES_H
#define TESTS_BENCH_CURVE_FAMILIES_H

#include <math.h>
#include <stdio.h>

#include "base/rng.h"
#include "hpo/core/pruner.h"

#define MAX_TRIALS 512

struct curves {
    char name[64];
    struct hpo_trial trial[MAX_TRIALS];
    struct arena arena;
    int n, maximize, folds, fold_steps;
};

/* A made-up family of learning curves. A trial's final loss is `end`, it comes from 1 down to
 * it. */
struct family {
    const char *name;
    double spread;     /* of `end` among the trials that learn, upwards from 0.3 */
    double noise;      /* of an epoch */
    double fold_noise; /* of a trial's fold: what is left when trial and fold are taken out */
    double chance;     /* share of the trials that never leave 1 */
    double late;       /* share that stay at 1 for a part of the fold before they learn */
    double cross;      /* 0: good trials learn as fast as bad ones; 1: the better, the slower */
    double cosine;     /* share of the gain that comes only as the rate is annealed, at most */
    bool budgets;      /* trials train 3 epochs or more, up to all */
};

static const struct family families[] = {
    {"smooth", 0.5, 0.003, 0.005, 0.1, 0, 0, 0, false},
    {"noisy", 0.5, 0.03, 0.02, 0.1, 0, 0, 0, false},
    {"crossing", 0.5, 0.005, 0.01, 0.1, 0, 1, 0, false},
    {"late", 0.5, 0.005, 0.01, 0.1, 0.3, 0, 0, false},
    {"cosine", 0.5, 0.01, 0.01, 0.1, 0, 0, 0.8, false},
    {"budgets", 0.5, 0.01, 0.01, 0.1, 0, 0, 0.8, true},
    {"close", 0.05, 0.01, 0.02, 0, 0, 0, 0.3, false},
};
#define FAMILIES (int)(sizeof(families) / sizeof(families[0]))

static inline void make_trial(const struct family *m, const struct curves *c,
                              const double *fold_effect, struct hpo_rng *r, struct hpo_trial *t,
                              struct hpo_point *p)
{
    double u = hpo_rng_uniform(r), end = 0.3 + m->spread * u + 0.02 * fabs(hpo_rng_normal(r));
    double speed = exp(0.5 * hpo_rng_normal(r)) * 4 / (1 + m->cross * 5 * (1 - u));
    double anneal = m->cosine * hpo_rng_uniform(r), total = 0;
    double onset = hpo_rng_uniform(r) < m->late ? 0.6 * hpo_rng_uniform(r) : 0;
    int epochs = c->fold_steps;

    if (hpo_rng_uniform(r) < m->chance)
        end = 1;
    if (m->budgets) {
        epochs = 3 + (int)hpo_rng_below(r, (uint64_t)epochs - 2);
        end += (1 - end) * 0.15 * (c->fold_steps - epochs) / c->fold_steps;
    }
    for (int f = 0; f < c->folds; f++) {
        double at = end + (end < 1) * (fold_effect[f] + m->fold_noise * hpo_rng_normal(r));
        double best = INFINITY;

        for (int e = 0; e < epochs; e++) {
            double part = (e + 1.0) / epochs, left;

            left = part <= onset ? 1 : exp(-speed * (part - onset) / (1 - onset) * epochs / 10);
            left = (1 - anneal) * left + anneal * (1 + cos(M_PI * part)) / 2;
            p[t->n_points] = (struct hpo_point){(int64_t)f * c->fold_steps + e,
                                                at + (1 - at) * left +
                                                    m->noise * hpo_rng_normal(r) * (0.3 + left)};
            best = fmin(best, p[t->n_points++].value);
        }
        total += best;
    }
    t->points = p;
    t->value = total / c->folds;
}

static inline void make_study(const struct family *m, uint64_t seed, struct curves *c)
{
    struct hpo_rng r = hpo_rng_for(seed, -1, -1, m->name, 0);
    double fold_effect[5];

    arena_release(&c->arena);
    snprintf(c->name, sizeof(c->name), "%s", m->name);
    c->n = 40;
    c->maximize = false;
    c->folds = 5;
    c->fold_steps = 10;
    for (int i = 0; i < c->folds; i++)
        fold_effect[i] = 0.02 * hpo_rng_normal(&r);
    for (int i = 0; i < c->n; i++) {
        c->trial[i] = (struct hpo_trial){.state = HPO_TRIAL_COMPLETE};
        make_trial(m, c, fold_effect, &r, &c->trial[i],
                   ARENA_ARRAY(&c->arena, struct hpo_point, c->folds * c->fold_steps));
    }
}

#endif
