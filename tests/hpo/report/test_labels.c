/* Which labels are flagged, in which order, and what counts; on probabilities made by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "hpo/report/labels.h"

#define IMAGES 400
#define CLASSES 4
#define TRIALS 5

struct world {
    int32_t given[IMAGES], truth[IMAGES];
    double value[TRIALS];
    float p[TRIALS][IMAGES][CLASSES];
    bool has[TRIALS][IMAGES];
    struct labels_input in;
    struct report_labels found;
};

static bool predict(void *arg, int trial, int64_t image, float *ret)
{
    const struct world *w = arg;

    if (w->has[trial][image])
        memcpy(ret, w->p[trial][image], sizeof(w->p[trial][image]));
    return w->has[trial][image];
}

/* Every network is right about the truth, more or less surely; some labels are wrong. */
static void make(struct world *w, double wrong, double noise)
{
    struct hpo_rng rng = hpo_rng_for(11, -1, -1, "labels", 0);

    *w = (struct world){.in = {IMAGES, CLASSES, w->given, TRIALS, w->value, predict, w}};
    for (int t = 0; t < TRIALS; t++)
        w->value[t] = t == 2 ? -0.9 : -0.5 - 0.01 * t;
    for (int i = 0; i < IMAGES; i++) {
        w->truth[i] = w->given[i] = i % CLASSES;
        if (hpo_rng_uniform(&rng) < wrong)
            w->given[i] = (i + 1 + (int)hpo_rng_below(&rng, CLASSES - 1)) % CLASSES;
        for (int t = 0; t < TRIALS; t++) {
            double z[CLASSES], sum = 0;

            for (int c = 0; c < CLASSES; c++)
                sum += z[c] = exp(3 * (c == w->truth[i]) + noise * hpo_rng_normal(&rng));
            for (int c = 0; c < CLASSES; c++)
                w->p[t][i][c] = (float)(z[c] / sum);
            w->has[t][i] = true;
        }
    }
}

static void find(struct world *w)
{
    free((void *)w->found.flagged);
    w->found = (struct report_labels){0};
    assert_int_equal(labels_find(&w->in, &w->found, NULL), 0);
}

static void wrong_ones(void **state)
{
    static struct world w;
    int wrong = 0, hits = 0, right_class = 0;

    make(&w, 0.05, 0.5);
    find(&w);
    for (int i = 0; i < IMAGES; i++)
        wrong += w.given[i] != w.truth[i];
    for (int64_t i = 0; i < w.found.n; i++) {
        const struct report_label *f = &w.found.flagged[i];

        assert_int_equal(f->given, w.given[f->image]);
        assert_int_not_equal(f->given, f->suggested);
        assert_true(f->p_suggested > f->p_given);
        assert_in_range(f->doubt, 0, f->trials);
        assert_int_equal(f->trials, TRIALS);
        if (i)
            assert_true(f[-1].score <= f->score);
        hits += w.given[f->image] != w.truth[f->image];
        right_class += f->suggested == w.truth[f->image];
    }
    assert_true(wrong > 10);
    assert_int_equal(hits, wrong);
    assert_int_equal(right_class, wrong);
    assert_true(w.found.n - hits <= 2);
    assert_int_equal(w.found.covered, IMAGES);
    assert_int_equal(w.found.trials, TRIALS);
    free((void *)w.found.flagged);
}

static void none_wrong(void **state)
{
    static struct world w;

    make(&w, 0, 0.1);
    find(&w);
    assert_int_equal(w.found.n, 0);
    free((void *)w.found.flagged);
}

/* The median and better: what the worse half says shows in the doubt alone. */
static void better_half(void **state)
{
    static struct world w;

    make(&w, 0, 0.1);
    find(&w);
    assert_int_equal(w.found.better, 3); /* -0.9, -0.54, -0.53 of five */
    for (int t = 0; t < 2; t++)
        for (int c = 0; c < CLASSES; c++)
            w.p[t][7][c] = c == 0;
    find(&w);
    assert_int_equal(w.found.n, 0);
    for (int t = 2; t < TRIALS; t++)
        for (int c = 0; c < CLASSES; c++)
            w.p[t][7][c] = c == 0;
    find(&w);
    assert_int_equal(w.found.n, 1);
    assert_int_equal(w.found.flagged[0].image, 7);
    assert_int_equal(w.found.flagged[0].suggested, 0);
    assert_int_equal(w.found.flagged[0].doubt, 5);
    assert_true(w.found.flagged[0].score < 1e-6f);
    /* Trials that are alike are all among the better ones. */
    for (int t = 0; t < TRIALS; t++)
        w.value[t] = 1;
    find(&w);
    assert_int_equal(w.found.better, TRIALS);
    free((void *)w.found.flagged);
}

/* Images that no trial, or only some, have a prediction of; a label that nobody bears. */
static void gaps(void **state)
{
    static struct world w;

    make(&w, 0.05, 0.3);
    for (int i = 0; i < IMAGES; i++)
        for (int t = 0; t < TRIALS; t++)
            w.has[t][i] = i % 3 && (i % 3 == 1 || t == 4);
    for (int i = 0; i < IMAGES; i++)
        w.given[i] = w.given[i] == 3 ? 0 : w.given[i];
    find(&w);
    assert_int_equal(w.found.covered, IMAGES - (IMAGES + 2) / 3);
    assert_true(w.found.n > 0);
    for (int64_t i = 0; i < w.found.n; i++) {
        const struct report_label *f = &w.found.flagged[i];

        assert_int_not_equal(f->image % 3, 0);
        assert_int_equal(f->trials, f->image % 3 == 1 ? TRIALS : 1);
    }
    memset(w.has, 0, sizeof(w.has));
    find(&w);
    assert_int_equal(w.found.covered, 0);
    assert_int_equal(w.found.n, 0);
    free((void *)w.found.flagged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_ones),
        cmocka_unit_test(none_wrong),
        cmocka_unit_test(better_half),
        cmocka_unit_test(gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
