/* Every metric: finite for any predictions, best for perfect ones, and the same when samples change
 * places. */
#include "tests/trainer/metrics/golden.h"
#include "base/rng.h"
#include "trainer/trainer.h"

#define N 12
#define K 7

static void draw(struct hpo_rng *rng, int k, float *probs, int32_t *labels, int32_t *pred)
{
    for (int i = 0; i < N; i++) {
        float sum = 0;

        /* of one class alone some metrics say that chance explains it */
        labels[i] = i < 2 ? i : (int32_t)hpo_rng_below(rng, (uint32_t)k);
        for (int c = 0; c < k; c++)
            sum += probs[i * k + c] = (float)hpo_rng_uniform(rng);
        pred[i] = 0;
        for (int c = 0; c < k; c++) {
            probs[i * k + c] /= sum;
            if (probs[i * k + c] > probs[i * k + pred[i]])
                pred[i] = c;
        }
    }
}

static void reverse(int k, float *probs, int32_t *labels, int32_t *pred)
{
    for (int i = 0; i < N / 2; i++) {
        int j = N - 1 - i;
        int32_t l = labels[i], p = pred[i];

        labels[i] = labels[j];
        labels[j] = l;
        pred[i] = pred[j];
        pred[j] = p;
        for (int c = 0; c < k; c++) {
            float v = probs[i * k + c];

            probs[i * k + c] = probs[j * k + c];
            probs[j * k + c] = v;
        }
    }
}

static void check(const struct metric_ops *ops, int k, struct hpo_rng *rng)
{
    double best = ops->maximize ? 1 : 0;
    int32_t labels[N], pred[N];
    float probs[N * K];
    double value, perfect;

    draw(rng, k, probs, labels, pred);
    value = metric_of(ops, N, k, labels, pred, probs);
    if (!tr_metric_applies(ops, k)) {
        assert_true(isnan(value));
        return;
    }
    assert_true(isfinite(value));
    perfect = metric_of(ops, N, k, labels, labels, NULL);
    if (ops->describes) {
        assert_true(isfinite(perfect));
    } else {
        assert_true(ops->maximize ? perfect >= value : perfect <= value);
        assert_near(perfect, best, 1e-5);
    }
    reverse(k, probs, labels, pred);
    assert_near(metric_of(ops, N, k, labels, pred, probs), value, 1e-12);
}

static void every_metric(void **state)
{
    struct hpo_rng rng = hpo_rng_for(2, -1, -1, "metrics", 0);

    (void)state;
    for (int m = 0; metric_registry[m]; m++)
        for (int round = 0; round < 200; round++)
            check(metric_registry[m], round % 2 ? 2 + round / 2 % (K - 1) : 2, &rng);
}

/* One class of many among the labels, none of it predicted: still a number. */
static void degenerate(void **state)
{
    const int32_t labels[N] = {0}, pred[N] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

    (void)state;
    for (int m = 0; metric_registry[m]; m++)
        for (int k = 2; k <= K; k++)
            for (int n = 1; n <= N; n += N - 1)
                assert_int_equal(isfinite(metric_of(metric_registry[m], n, k, labels, pred, NULL)),
                                 tr_metric_applies(metric_registry[m], k));
}

/* An entry is of one of the two kinds, and they fit where values are kept. */
static void entries(void **state)
{
    int n = 0;

    (void)state;
    for (; metric_registry[n]; n++) {
        const struct metric_ops *m = metric_registry[n];

        assert_true(!m->compute != !m->of_class);
        assert_true(!m->max_classes || m->min_classes <= m->max_classes);
    }
    assert_true(n <= TR_MAX_METRICS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_metric),
                                       cmocka_unit_test(degenerate), cmocka_unit_test(entries)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
