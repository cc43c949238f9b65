/* The curves of classes, and what metrics share. */
#include <stdlib.h>

#include "base/rng.h"
#include "tests/trainer/metrics/golden.h"
#include "trainer/trainer.h"

static double sum_of_thresholds(const struct tr_curve *c)
{
    double sum = 0;

    for (int i = 0; i < c->n; i++)
        sum += (double)c->threshold[i];
    return sum;
}

static double is_a_curve(const struct tr_curve *c)
{
    bool ok = c->n >= 1 && c->tp[c->n - 1] == c->positives && c->fp[c->n - 1] == c->negatives;

    for (int i = 1; i < c->n; i++)
        ok = ok && c->threshold[i] < c->threshold[i - 1] && c->tp[i] >= c->tp[i - 1] &&
             c->fp[i] >= c->fp[i - 1] && c->tp[i] + c->fp[i] > c->tp[i - 1] + c->fp[i - 1];
    return ok;
}

static double undefined(const struct tr_curve *c)
{
    return c->positives == 2 ? 7 : NAN;
}

static const struct metric_ops sums = {.plugin = {.name = "sums"}, .of_class = sum_of_thresholds};
static const struct metric_ops curve = {.plugin = {.name = "curve"}, .of_class = is_a_curve};
static const struct metric_ops partly = {
    .plugin = {.name = "partly"}, .of_class = undefined, .otherwise = -1};

/* Thresholds are the different probabilities, whatever their bits are: 0, 1, denormal, neighbours.
 */
static void thresholds(void **state)
{
    const float p[] = {0, 1, 0x1p-149f, 0.5f, 0x1.000002p-1f, 0.5f, 1, 0x1.fffffep-1f};
    const int32_t labels[] = {0, 1, 0, 1, 1, 0, 0, 1}, pred[8] = {0};
    float probs[16];

    (void)state;
    for (int i = 0; i < 8; i++) {
        probs[2 * i] = 1 - p[i];
        probs[2 * i + 1] = p[i];
    }
    assert_near(metric_of(&curve, 8, 2, labels, pred, probs), 1, 0);
    assert_near(metric_of(&sums, 8, 2, labels, pred, probs),
                1 + 0x1.fffffep-1 + 0x1.000002p-1 + 0.5 + 0x1p-149, 0);
}

/* As many rows as take every pass of the sort; the same room for fewer rows after that. */
static void many_rows(void **state)
{
    enum { N = 5000, K = 3 };
    const struct metric_ops *const metrics[] = {&curve, NULL};
    struct hpo_rng rng = hpo_rng_for(3, -1, -1, "metric", 0);
    float *probs = calloc(N * K, sizeof(*probs));
    int32_t *labels = calloc(N, sizeof(*labels));
    int64_t confusion[K * K] = {0};
    struct tr_predictions p = {
        .probs = probs, .labels = labels, .pred = labels, .confusion = confusion, .classes = K};
    struct tr_metric_room room = {0};

    (void)state;
    assert_true(probs && labels);
    for (int i = 0; i < N; i++) {
        for (int c = 0; c < K; c++)
            probs[i * K + c] = (float)ldexp(hpo_rng_uniform(&rng), -(i % 140));
        labels[i] = (int32_t)hpo_rng_below(&rng, K);
    }
    assert_int_equal(tr_metric_room_init(&room, N, K, NULL), 0);
    for (p.n = N; p.n; p.n /= 3) {
        double ok = 0;

        tr_metrics(metrics, &p, &room, &ok);
        assert_near(ok, 1, 0);
    }
    tr_metric_room_release(&room);
    free(probs);
    free(labels);
}

/* The mean over the classes that have a value, or what the metric says otherwise. */
static void mean_over_classes(void **state)
{
    const int32_t labels[] = {0, 0, 1, 1}, others[] = {0, 0, 0, 1};

    (void)state;
    assert_near(metric_of(&partly, 4, 3, labels, labels, NULL), 7, 0);
    assert_near(metric_of(&partly, 4, 2, others, others, NULL), -1, 0);
}

/* What does not apply is NaN, also beside what does. */
static void applies(void **state)
{
    struct metric_ops for_three = partly;
    const int32_t labels[] = {0, 1};

    (void)state;
    for_three.min_classes = for_three.max_classes = 3;
    assert_true(isnan(metric_of(&for_three, 2, 2, labels, labels, NULL)));
    assert_false(isnan(metric_of(&for_three, 2, 3, labels, labels, NULL)));
    assert_true(isnan(metric_of(&for_three, 2, 4, labels, labels, NULL)));
    assert_true(tr_metric_judges(&for_three, 3));
    assert_false(tr_metric_judges(&for_three, 2));
    for_three.describes = true;
    assert_false(tr_metric_judges(&for_three, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(thresholds), cmocka_unit_test(many_rows),
                                       cmocka_unit_test(mean_over_classes),
                                       cmocka_unit_test(applies)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
