/* What holds of `fold` in every study, tried on random ones. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/rng.h"
#include "curves.h"

static void open_fold(struct curves *c, int folds, int fold_steps)
{
    curves_open(c, "fold", (const char *const[]){"error_rate", "0.2", NULL});
    c->pruner.folds = folds;
    c->pruner.fold_steps = fold_steps;
}

/* Folds of random walks downwards. */
static struct hpo_trial *walk(struct curves *c, struct hpo_rng *r, int epochs)
{
    const struct pruner *p = &c->pruner;
    struct hpo_trial *t = past_add(&c->past, &c->space, NULL, HPO_TRIAL_COMPLETE);
    struct hpo_point *x = ARENA_ARRAY(&c->arena, struct hpo_point, p->folds * p->fold_steps);
    double level = 1 + hpo_rng_uniform(r);

    t->value = 0;
    for (int f = 0; f < p->folds; f++) {
        double at = level + 1, best = INFINITY;

        for (int e = 0; e < epochs; e++) {
            at -= (at - level) * 0.5 * hpo_rng_uniform(r) - 0.02 * hpo_rng_normal(r);
            x[t->n_points++] = (struct hpo_point){f * p->fold_steps + e, at};
            best = fmin(best, at);
        }
        t->value += best / p->folds;
    }
    t->points = x;
    return t;
}

/* The mean of the best reports of its folds so far, the last one's counted by its share. */
static double standing(const struct pruner *p, const struct hpo_trial *t, int n)
{
    double best[8], sum = 0;
    int last = (int)t->points[n - 1].step / p->fold_steps;
    double share = (double)(t->points[n - 1].step % p->fold_steps + 1) / p->fold_steps;

    for (int f = 0; f <= last; f++)
        best[f] = INFINITY;
    for (int i = 0; i < n; i++)
        best[t->points[i].step / p->fold_steps] =
            fmin(best[t->points[i].step / p->fold_steps], t->points[i].value);
    for (int f = 0; f < last; f++)
        sum += best[f];
    return last ? (sum + share * best[last]) / (last + share) : best[0];
}

/* The same trial in another unit. */
static struct hpo_trial *add_scaled(struct curves *c, const struct hpo_trial *from)
{
    struct hpo_trial *t = past_add(&c->past, &c->space, NULL, from->state);
    struct hpo_point *x = ARENA_ARRAY(&c->arena, struct hpo_point, from->n_points);

    for (int i = 0; i < from->n_points; i++)
        x[i] = (struct hpo_point){from->points[i].step, from->points[i].value * 8 + 16};
    t->n_points = from->n_points;
    t->points = x;
    t->value = from->value * 8 + 16;
    return t;
}

/* In random studies: a trial that at its last report is at least as good as the best one was there
 * goes on; the direction does not matter, points come flipped; unit and offset do not; it takes two
 * reports and five complete trials. */
static void test_properties(void **state)
{
    int stopped = 0, asked = 0;

    for (uint64_t round = 0; round < 300; round++) {
        struct hpo_rng r = hpo_rng_for(round, -1, -1, "fold", 0);
        int folds = 1 + (int)hpo_rng_below(&r, 4), epochs = 2 + (int)hpo_rng_below(&r, 5);
        int others = 3 + (int)hpo_rng_below(&r, 20);
        const struct hpo_trial *best;
        struct hpo_trial *t, *scaled;
        struct curves c, twin;

        open_fold(&c, folds, epochs);
        open_fold(&twin, folds, epochs);
        twin.pruner.maximize = true;
        for (int i = 0; i < others; i++)
            add_scaled(&twin, walk(&c, &r, epochs));
        best = hpo_history_best(&c.past.h);
        t = walk(&c, &r, epochs);
        t->state = HPO_TRIAL_RUNNING;
        scaled = add_scaled(&twin, t);
        for (int n = 1; n <= folds * epochs; n++) {
            t->n_points = scaled->n_points = n;
            asked++;
            if (curves_ask(&c, t) != curves_ask(&twin, scaled))
                fail();
            if (!curves_ask(&c, t))
                continue;
            stopped++;
            assert_true(others >= 5 && n >= 2 && n < folds * epochs);
            assert_true(standing(&c.pruner, t, n) > standing(&c.pruner, best, n));
            assert_true(standing(&c.pruner, t, n - 1) > standing(&c.pruner, best, n - 1));
        }
        curves_close(&c);
        curves_close(&twin);
    }
    assert_true(stopped > 200 && asked - stopped > 200); /* both do come up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_properties),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
