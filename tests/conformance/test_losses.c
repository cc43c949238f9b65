/* Every loss: zero or more, finite at extreme logits, and its gradient is that of finite
 * differences and sums to zero (softmax does not see a shift of all logits). */
#include "tests/trainer/parts.h"
#include "base/rng.h"
#include "trainer/loss.h"

#define K 5

static void check_row(const struct kn_loss *l, const float *z, int target)
{
    float dz[K], ignored[K];
    double value = (double)kn_loss_row(l, NULL, z, K, (struct kn_label){target, 0, 1}, 1.0f, dz),
           sum = 0;

    assert_true(isfinite(value) && value >= -1e-6);
    for (int j = 0; j < K; j++) {
        const float h = 1e-2f;
        float moved[K];
        double up, down;

        assert_true(isfinite(dz[j]));
        sum += (double)dz[j];
        memcpy(moved, z, sizeof(moved));
        moved[j] += h;
        up = (double)kn_loss_row(l, NULL, moved, K, (struct kn_label){target, 0, 1}, 1.0f, ignored);
        moved[j] -= 2 * h;
        down =
            (double)kn_loss_row(l, NULL, moved, K, (struct kn_label){target, 0, 1}, 1.0f, ignored);
        assert_near((double)dz[j], (up - down) / (2 * (double)h), 1e-3);
    }
    assert_near(sum, 0, 1e-5);
}

static void every_loss(void **state)
{
    (void)state;
    for (int i = 0; loss_registry[i]; i++) {
        struct hpo_rng rng = hpo_rng_for(1, -1, -1, "losses", 0);
        struct arena a = {0};
        struct kn_loss l;

        for (int smooth = 0; smooth < 2; smooth++) {
            loss_registry[i]->lower(
                make_priv(&a, &loss_registry[i]->plugin, smooth ? "label_smoothing=0.2" : ""), &l);
            for (int row = 0; row < 50; row++) {
                float z[K];

                for (int j = 0; j < K; j++)
                    z[j] = 2 * (float)hpo_rng_normal(&rng);
                check_row(&l, z, row % K);
            }
        }
        arena_release(&a);
    }
}

static void extremes(void **state)
{
    static const float logits[][K] = {
        {0, 0, 0, 0, 0}, {80, -80, 0, 0, 0}, {-80, 80, 0, 0, 0}, {1e4f, -1e4f, 0, 0, 0}};

    (void)state;
    for (int i = 0; loss_registry[i]; i++) {
        struct arena a = {0};
        struct kn_loss l;

        loss_registry[i]->lower(make_priv(&a, &loss_registry[i]->plugin, ""), &l);
        for (size_t row = 0; row < HPO_LEN(logits); row++)
            for (int target = 0; target < K; target++) {
                float dz[K];

                assert_true(isfinite(kn_loss_row(&l, NULL, logits[row], K,
                                                 (struct kn_label){target, 0, 1}, 1.0f, dz)));
                for (int j = 0; j < K; j++)
                    assert_true(isfinite(dz[j]));
            }
        arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_loss), cmocka_unit_test(extremes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
