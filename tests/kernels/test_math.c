#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "kernels/math/act.h"
#include "kernels/math/augment.h"
#include "kernels/math/dropout.h"
#include "kernels/math/hash.h"
#include "kernels/math/loss.h"
#include "kernels/math/optim.h"

/* Values of PyTorch 1.13 on these logits and targets. */
static const float logits[4][3] = {{1, 2, 3}, {.5f, -1, .25f}, {-2, 0, 1.5f}, {3, .1f, -.4f}};
static const int target[4] = {2, 0, 1, 0};

static double mean_loss(struct kn_loss l)
{
    float dz[3];
    double s = 0;

    for (int i = 0; i < 4; i++)
        s += (double)kn_loss_row(&l, NULL, logits[i], 3, (struct kn_label){target[i], 0, 1}, 1, dz);
    return s / 4;
}

static void test_losses(void **s)
{
    static const struct {
        struct kn_loss loss;
        double want;
    } golden[] = {
        {{KN_CROSS_ENTROPY, 0, 0, 0}, 0.7280564257744283},
        {{KN_CROSS_ENTROPY, 0.1f, 0, 0}, 0.8243064257744284},
        {{KN_FOCAL, 0, 0.5f, 1}, 0.5789195694055937},
        {{KN_FOCAL, 0, 2, 1}, 0.34652765684215164},
        {{KN_FOCAL, 0, 5, 1}, 0.16776379061073532},
        {{KN_FOCAL, 0, 2, 0.25f}, 0.25 * 0.34652765684215164},
        {{KN_FOCAL, 0, 0, 1}, 0.7280564257744283}, /* gamma 0 is cross entropy */
        {{KN_FOCAL, 0.1f, 0, 1}, 0.8243064257744284},
    };

    for (size_t i = 0; i < HPO_LEN(golden); i++)
        assert_float_equal(mean_loss(golden[i].loss), golden[i].want, 3e-7);
}

/* dz against differences of the loss, and its scale. */
static void test_loss_gradients(void **s)
{
    static const struct kn_loss kinds[] = {
        {KN_CROSS_ENTROPY, 0, 0, 0}, {KN_CROSS_ENTROPY, 0.2f, 0, 0}, {KN_FOCAL, 0, 2, 0.7f},
        {KN_FOCAL, 0, 0.5f, 1},      {KN_FOCAL, 0.2f, 1.5f, 1},      {KN_FOCAL, 0.1f, 0, 1}};

    for (size_t k = 0; k < HPO_LEN(kinds); k++)
        for (int i = 0; i < 4; i++) {
            float dz[3], waste[3], z[3];

            kn_loss_row(&kinds[k], NULL, logits[i], 3, (struct kn_label){target[i], 0, 1}, 0.5f,
                        dz);
            for (int j = 0; j < 3; j++) {
                double up, down;

                memcpy(z, logits[i], sizeof(z));
                z[j] += 0.01f;
                up = (double)kn_loss_row(&kinds[k], NULL, z, 3, (struct kn_label){target[i], 0, 1},
                                         1, waste);
                z[j] -= 0.02f;
                down = (double)kn_loss_row(&kinds[k], NULL, z, 3,
                                           (struct kn_label){target[i], 0, 1}, 1, waste);
                assert_float_equal(dz[j], 0.5 * (up - down) / 0.02, 1e-4);
            }
        }
}

/* Logits far apart: probabilities round to 0 and 1, and nothing becomes NaN. */
static void test_loss_extremes(void **s)
{
    static const float z[3] = {200, -200, 0};

    for (int kind = 0; kind < 2; kind++)
        for (int gamma = 0; gamma < 3; gamma++)
            for (int t = 0; t < 3; t++) {
                struct kn_loss l = {kind ? KN_FOCAL : KN_CROSS_ENTROPY, 0.1f, 0.5f * (float)gamma,
                                    1};
                float dz[3], v = kn_loss_row(&l, NULL, z, 3, (struct kn_label){t, 0, 1}, 1, dz);

                assert_true(isfinite(v) && v >= 0);
                for (int j = 0; j < 3; j++)
                    assert_true(isfinite(dz[j]));
            }
}

/* f = (3 a^2 + b^2) / 2 from (1, -2); parameters after each step, from torch.optim. */
static void descend(struct kn_optim o, double lr, const double (*want)[2], int steps)
{
    float w[2] = {1, -2}, slot[2][2] = {{0}};

    for (int t = 0; t < steps; t++) {
        struct kn_optim_step s = kn_optim_begin(&o, (float)lr, (uint32_t)t);
        float g[2] = {3 * w[0], w[1]};

        for (int i = 0; i < 2; i++) {
            if (o.kind == KN_SGD)
                kn_sgd(&s, g[i], &w[i], &slot[0][i]);
            else
                kn_adamw(&s, g[i], &w[i], &slot[0][i], &slot[1][i]);
            assert_float_equal(w[i], want[t][i], 5e-7);
        }
    }
}

static void test_optimizers(void **s)
{
    static const double momentum[3][2] = {
        {.699, -1.798}, {.217701, -1.434602}, {-.280996101, -.962648998}};
    static const double nesterov[3][2] = {
        {.4281, -1.6162}, {-.06054039, -1.14243122}, {-.349721402, -.6437193469}};
    static const double adamw[3][2] = {
        {.8990000003, -1.8980000005}, {.7985190268, -1.7962725892}, {.6989111826, -1.6949445152}};
    static const double plain[2][2] = {{.7, -1.8}, {.49, -1.62}};
    struct kn_optim o = {.kind = KN_SGD, .momentum = 0.9f, .weight_decay = 0.01f};

    descend(o, 0.1, momentum, 3);
    o.nesterov = 1;
    descend(o, 0.1, nesterov, 3);
    o = (struct kn_optim){.kind = KN_SGD};
    descend(o, 0.1, plain, 2);
    o = (struct kn_optim){
        .kind = KN_ADAMW, .weight_decay = 0.01f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f};
    descend(o, 0.1, adamw, 3);
    assert_int_equal(kn_optim_slots(KN_SGD), 1);
    assert_int_equal(kn_optim_slots(KN_ADAMW), 2);
}

static void test_pcg4d(void **s)
{
    struct kn_u4 a = kn_pcg4d((struct kn_u4){0, 0, 0, 0});
    struct kn_u4 b = kn_pcg4d((struct kn_u4){1, 2, 3, 4});

    assert_true(a.x == 0x0f02f829 && a.y == 0x2d568769 && a.z == 0x32b0c43b && a.w == 0xd32548ea);
    assert_true(b.x == 0x3622cd16 && b.y == 0xf11471d8 && b.z == 0xe1109b3f && b.w == 0x02b94c2f);
}

static void test_hash_use(void **s)
{
    assert_int_equal(kn_below(0, 5), 0);
    assert_int_equal(kn_below(0xffffffffu, 5), 4);
    assert_int_equal(kn_threshold(0), 0);
    assert_int_equal(kn_threshold(0.5f), 0x80000000u);
    assert_int_equal(kn_threshold(1), 0xffffffffu);
}

/* Each offset and each side about equally often, and nothing outside the padding. */
static void test_placement(void **s)
{
    struct kn_augment a = {.flip = KN_FLIP_RANDOM, .crop_padding = 2};
    int flips = 0, dx[5] = {0}, dy[5] = {0}, n = 5000;

    for (int i = 0; i < n; i++) {
        struct kn_placement p = kn_place(&a, 42, 1, (uint32_t)i / 100, (uint32_t)i, 8, 8);

        assert_true(p.dx >= -2 && p.dx <= 2 && p.dy >= -2 && p.dy <= 2);
        flips += p.flip;
        dx[p.dx + 2]++;
        dy[p.dy + 2]++;
    }
    assert_true(abs(flips - n / 2) < 5 * 36); /* five deviations */
    for (int i = 0; i < 5; i++)
        assert_true(abs(dx[i] - n / 5) < 5 * 29 && abs(dy[i] - n / 5) < 5 * 29);
    a = (struct kn_augment){0, 0};
    assert_int_equal(kn_place(&a, 42, 1, 0, 3, 8, 8).flip, 0);
    assert_int_equal(kn_place(&a, 42, 1, 0, 3, 8, 8).dx, 0);
    assert_float_equal(kn_normalise(255, 0.5f, 0.25f), 2, 1e-7);
}

static void test_dropout_words(void **s)
{
    uint32_t threshold = kn_dropout_threshold(0.3f);
    int dropped = 0, n = 20000, same_layers = 0;

    for (int i = 0; i < n / 4; i++) {
        struct kn_u4 a = kn_dropout_words(1, 0, 0, 7, (uint32_t)i);
        struct kn_u4 b = kn_dropout_words(1, 0, 1, 7, (uint32_t)i);

        dropped += (a.x < threshold) + (a.y < threshold) + (a.z < threshold) + (a.w < threshold);
        same_layers += a.x == b.x;
    }
    assert_true(abs(dropped - (int)(0.3 * n)) < 5 * 65);
    assert_int_equal(same_layers, 0);
}

/* GELU and its slope against libm's erfc, and at what is no number. */
static void test_gelu(void **state)
{
    (void)state;
    for (int i = -12000; i <= 12000; i++) {
        float x = (float)i / 1000;
        double below = 0.5 * erfc(-(double)x / sqrt(2));
        double slope = below + (double)x * exp(-0.5 * (double)x * (double)x) / sqrt(2 * M_PI);

        assert_true(fabs((double)kn_act(KN_GELU, x) - (double)x * below) <=
                    1e-7 * fmax(1, fabs((double)x)) * 2);
        assert_true(fabs((double)kn_act_slope(KN_GELU, x) - slope) <= 3e-7);
    }
    assert_true(kn_act(KN_GELU, 0.0f) == 0.0f);
    assert_true(isnan(kn_act(KN_GELU, NAN)));
    assert_true(isnan(kn_act_slope(KN_GELU, NAN)));
    assert_true(kn_act(KN_GELU, 1e30f) == 1e30f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),        cmocka_unit_test(test_loss_gradients),
        cmocka_unit_test(test_loss_extremes), cmocka_unit_test(test_optimizers),
        cmocka_unit_test(test_pcg4d),         cmocka_unit_test(test_hash_use),
        cmocka_unit_test(test_placement),     cmocka_unit_test(test_dropout_words),
        cmocka_unit_test(test_gelu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
