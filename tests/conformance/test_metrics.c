/* Every metric: finite for any predictions, best for perfect ones, and the same when samples change
 * places. */
#include "tests/trainer/metrics/golden.h"
#include "base/rng.h"

#define N 12
#define K 4

static void draw(struct hpo_rng *rng, float *probs, int32_t *labels, int32_t *pred)
{
    for (int i = 0; i < N; i++) {
        float sum = 0;

        labels[i] = (int32_t)hpo_rng_below(rng, K);
        for (int c = 0; c < K; c++)
            sum += probs[i * K + c] = (float)hpo_rng_uniform(rng);
        pred[i] = 0;
        for (int c = 0; c < K; c++) {
            probs[i * K + c] /= sum;
            if (probs[i * K + c] > probs[i * K + pred[i]])
                pred[i] = c;
        }
    }
}

static void reverse(float *probs, int32_t *labels, int32_t *pred)
{
    for (int i = 0; i < N / 2; i++) {
        int j = N - 1 - i;
        int32_t l = labels[i], p = pred[i];

        labels[i] = labels[j];
        labels[j] = l;
        pred[i] = pred[j];
        pred[j] = p;
        for (int c = 0; c < K; c++) {
            float v = probs[i * K + c];

            probs[i * K + c] = probs[j * K + c];
            probs[j * K + c] = v;
        }
    }
}

static void every_metric(void **state)
{
    struct hpo_rng rng = hpo_rng_for(2, -1, -1, "metrics", 0);

    (void)state;
    for (int m = 0; metric_registry[m]; m++)
        for (int round = 0; round < 100; round++) {
            const struct metric_ops *ops = metric_registry[m];
            int32_t labels[N], pred[N];
            float probs[N * K];
            double value, perfect;

            draw(&rng, probs, labels, pred);
            value = metric_of(ops, N, K, labels, pred, probs);
            perfect = metric_of(ops, N, K, labels, labels, NULL);
            assert_true(isfinite(value));
            assert_true(ops->maximize ? perfect >= value : perfect <= value);
            assert_near(perfect, ops->maximize ? 1 : 0, 1e-5);
            reverse(probs, labels, pred);
            assert_near(metric_of(ops, N, K, labels, pred, probs), value, 1e-12);
        }
}

/* One class of many among the labels, none of it predicted: still a number. */
static void degenerate(void **state)
{
    const int32_t labels[N] = {0}, pred[N] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

    (void)state;
    for (int m = 0; metric_registry[m]; m++)
        assert_true(isfinite(metric_of(metric_registry[m], N, K, labels, pred, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_metric),
                                       cmocka_unit_test(degenerate)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
