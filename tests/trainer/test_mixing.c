/* Which batches are mixed, how, and by how much; and what the options become. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/mixing.h"

#define STEPS 4000

static struct tr_augment_opts defaults(void)
{
    struct tr_augment_opts o;
    struct arena a = {0};

    for (const struct hpo_section *s = tr_sections; s->path; s++)
        if (!strcmp(s->path, "augment"))
            hpo_opt_defaults(s->opts, &o, &a);
    arena_release(&a);
    return o;
}

static void off_by_default(void **state)
{
    struct tr_augment_opts o = defaults();
    struct kn_augment a;

    assert_int_equal(tr_mix(&o, 1, 0, 5, 32, 32).kind, KN_MIX_NONE);
    assert_int_equal(tr_augment_lower(&o, &a, NULL), 0);
    assert_int_equal(a.flip, KN_FLIP_RANDOM);
    assert_int_equal(a.crop_padding, 4);
    assert_int_equal(a.fill, KN_FILL_ZERO);
    a.flip = a.crop_padding = 0;
    assert_memory_equal(&a, &(struct kn_augment){0}, sizeof(a));
}

static void ranges(void **state)
{
    struct tr_augment_opts o = defaults();
    struct hpo_err err = {0};
    struct kn_augment a;

    o.scale_min = 0.5;
    o.scale_max = 0.25;
    assert_int_equal(tr_augment_lower(&o, &a, &err), 0); /* of a crop that is off */
    o.random_resized_crop = true;
    assert_int_equal(tr_augment_lower(&o, &a, &err), HPO_ECONFIG);
    assert_string_equal(err.msg, "augment: scale_min, 0.5, is above scale_max, 0.25");
    o.scale_max = 0.75;
    assert_int_equal(tr_augment_lower(&o, &a, &err), 0);
    assert_float_equal(exp((double)a.crop.log_ratio_max), 4.0 / 3.0, 1e-6);
    o.erasing = 0.1;
    o.erasing_ratio_min = 4;
    assert_int_equal(tr_augment_lower(&o, &a, &err), HPO_ECONFIG);
    assert_string_equal(err.msg, "augment: erasing_ratio_min, 4, is above erasing_ratio_max, 3.3");
}

/* A batch is named by its step alone: asked in any order, it is mixed in the same way. */
static void is_pure(void **state)
{
    struct tr_augment_opts o = defaults();
    struct kn_mix first[50];

    o.mixup = 0.4;
    o.cutmix = 1;
    for (uint32_t i = 0; i < 50; i++)
        first[i] = tr_mix(&o, 3, 1, i, 20, 30);
    for (uint32_t i = 50; i-- > 0;) {
        struct kn_mix again = tr_mix(&o, 3, 1, i, 20, 30), fold = tr_mix(&o, 3, 0, i, 20, 30);

        assert_memory_equal(&first[i], &again, sizeof(again));
        assert_memory_not_equal(&first[i], &fold, sizeof(fold));
    }
}

/* timm: mixup_prob of the batches, mixup_switch_prob of those by CutMix. */
static void shares(void **state)
{
    struct tr_augment_opts o = defaults();
    int count[3] = {0};

    o.mixup = 0.2;
    o.cutmix = 1;
    o.mix_probability = 0.6;
    o.cutmix_share = 0.25;
    for (uint32_t i = 0; i < STEPS; i++)
        count[tr_mix(&o, 3, 0, i, 32, 32).kind]++;
    assert_true(fabs(count[KN_MIX_NONE] - 0.4 * STEPS) < 5 * sqrt(0.24 * STEPS));
    assert_true(fabs(count[KN_CUTMIX] - 0.15 * STEPS) < 5 * sqrt(0.1275 * STEPS));
    o.cutmix = 0; /* the share is of both */
    for (uint32_t i = 0; i < STEPS; i++)
        assert_int_not_equal(tr_mix(&o, 3, 0, i, 32, 32).kind, KN_CUTMIX);
    o.mixup = 0;
    assert_int_equal(tr_mix(&o, 3, 0, 0, 32, 32).kind, KN_MIX_NONE);
}

/* Lambda of mixup is Beta(alpha, alpha): mean 1/2, variance 1 / (4 (2 alpha + 1)). */
static void mixup_weights(void **state)
{
    struct tr_augment_opts o = defaults();
    double sum = 0, squares = 0;

    o.mixup = 0.5;
    for (uint32_t i = 0; i < STEPS; i++) {
        double l = (double)tr_mix(&o, 3, 0, i, 32, 32).lambda;

        assert_true(l >= 0 && l <= 1);
        sum += l;
        squares += (l - 0.5) * (l - 0.5);
    }
    assert_true(fabs(sum / STEPS - 0.5) < 5 * sqrt(0.125 / STEPS));
    assert_true(fabs(squares / STEPS - 0.125) < 5 * 0.09 / sqrt(STEPS));
}

/* The box lies in the image, and lambda is the share of what is not in it, to the pixel. */
static void cutmix_boxes(void **state)
{
    struct tr_augment_opts o = defaults();
    int edge = 0, h = 24, w = 31;

    o.cutmix = 1;
    for (uint32_t i = 0; i < STEPS; i++) {
        struct kn_mix m = tr_mix(&o, 3, 0, i, h, w);
        int area = (m.y1 - m.y0) * (m.x1 - m.x0);

        assert_true(0 <= m.y0 && m.y0 <= m.y1 && m.y1 <= h);
        assert_true(0 <= m.x0 && m.x0 <= m.x1 && m.x1 <= w);
        assert_float_equal(m.lambda, 1 - (double)area / (h * w), 1e-6);
        edge += m.y0 == 0 || m.x0 == 0 || m.y1 == h || m.x1 == w;
    }
    assert_true(edge > STEPS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_by_default), cmocka_unit_test(ranges),
        cmocka_unit_test(is_pure),        cmocka_unit_test(shares),
        cmocka_unit_test(mixup_weights),  cmocka_unit_test(cutmix_boxes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
