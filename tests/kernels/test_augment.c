/* What augmentation draws, and what it makes of an image: through the CPU backend's own eyes, as
 * the network would see it. Values against torchvision are in tests/trainer/parity_augment.py. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>

#include "kernels/math/sample.h"
#include "tests/kernels/cpu/fixture.h"

#define DRAWS 4000

static struct kn_placement place(const struct kn_augment *a, uint32_t epoch, uint32_t image)
{
    return kn_place(a, 42, 1, epoch, image, 24, 32);
}

static void numbers(void **state)
{
    for (double x = -9.5; x < 9.5; x += 0.37)
        assert_true(fabs(kn_exp_double(x) / exp(x) - 1) < 1e-13);
    for (double x = -3.14; x < 3.15; x += 0.01) {
        assert_true(fabs(kn_circle(x, 0) - cos(x)) < 1e-13);
        assert_true(fabs(kn_circle(x, 1) - sin(x)) < 1e-13);
    }
    assert_int_equal(kn_round_even(2.5), 2);
    assert_int_equal(kn_round_even(3.5), 4);
    assert_int_equal(kn_round_even(3.4999), 3);
    for (int i = -9; i < 14; i++) /* 3 2 1 0 1 2 3 4 3 2 1 0 ... */
        assert_int_equal(kn_reflect(i, 5), abs(abs(i) % 8 > 4 ? 8 - abs(i) % 8 : abs(i) % 8));
    assert_int_equal(kn_reflect(-3, 1), 0);
    assert_float_equal(kn_reflect_real(-0.25f, 4), 0.25, 1e-7);
    assert_float_equal(kn_reflect_real(3.5f, 4), 2.5, 1e-7);
}

/* The half that is mirrored is drawn once; then everybody is mirrored in every other epoch. */
static void alternating(void **state)
{
    const struct kn_augment a = {.flip = KN_FLIP_ALTERNATING};
    int first = 0;

    for (uint32_t i = 0; i < DRAWS; i++) {
        int side = place(&a, 0, i).flip;

        first += side;
        for (uint32_t epoch = 1; epoch < 6; epoch++)
            assert_int_equal(place(&a, epoch, i).flip, side ^ (int)(epoch & 1));
    }
    assert_true(abs(first - DRAWS / 2) < 5 * 32);
}

static void vertical(void **state)
{
    const struct kn_augment a = {.flip = KN_FLIP_RANDOM, .vertical_flip = 1};
    int both[4] = {0};

    for (uint32_t i = 0; i < DRAWS; i++) {
        struct kn_placement p = place(&a, 0, i);

        both[2 * p.flip + p.vertical_flip]++;
    }
    for (int i = 0; i < 4; i++)
        assert_true(abs(both[i] - DRAWS / 4) < 5 * 28);
}

/* Area and ratio in their ranges, to the rounding of the sides; every place about as often. */
static void resized(void **state)
{
    const struct kn_augment a = {.resized_crop = 1,
                                 .crop = {0.25f, 0.75f, (float)log(0.75), (float)log(4.0 / 3.0)}};
    double area = 0;

    for (uint32_t i = 0; i < DRAWS; i++) {
        struct kn_placement p = place(&a, 0, i);

        assert_true(p.resampled && !p.turned);
        assert_true(p.dx >= 0 && p.dx + p.width <= 32 && p.dy >= 0 && p.dy + p.height <= 24);
        assert_true((p.width + 0.5) / (p.height - 0.5) >= 0.75);
        assert_true((p.width - 0.5) / (p.height + 0.5) <= 4.0 / 3.0);
        area += p.width * p.height / (24.0 * 32.0) / DRAWS;
    }
    assert_true(area > 0.44 && area < 0.51); /* the largest of them do not always fit */
}

/* A range that never fits ends in the middle, as torchvision's does. */
static void never_fits(void **state)
{
    struct kn_augment a = {.resized_crop = 1, .crop = {1, 1, (float)log(0.5), (float)log(0.5)}};
    struct kn_placement p = place(&a, 0, 7);

    assert_int_equal(p.height, 24);
    assert_int_equal(p.width, 12);
    assert_int_equal(p.dx, 10);
    assert_int_equal(p.dy, 0);
    a.crop = (struct kn_shape){1, 1, (float)log(2), (float)log(2)};
    p = place(&a, 0, 7);
    assert_int_equal(p.width, 32);
    assert_int_equal(p.height, 16);
    assert_int_equal(p.dy, 4);
}

static void rotation(void **state)
{
    const struct kn_augment a = {.rotation = 30};
    double sum = 0, most = 0;

    for (uint32_t i = 0; i < DRAWS; i++) {
        struct kn_placement p = place(&a, 0, i);
        double angle = atan2((double)p.sine, (double)p.cosine) * 180 / 3.14159265358979323846;

        assert_float_equal(p.sine * p.sine + p.cosine * p.cosine, 1, 1e-6);
        sum += angle;
        most = fmax(most, fabs(angle));
    }
    assert_true(most < 30.0001 && most > 29.8);
    assert_true(fabs(sum / DRAWS) < 5 * 17.3 / sqrt(DRAWS));
}

static void colour_factors(void **state)
{
    const struct kn_augment a = {.brightness = 0.4f, .contrast = 1.5f, .hue = 0.25f};
    double low = 9, high = 0, least = 9, hue = 0;

    for (uint32_t i = 0; i < DRAWS; i++) {
        struct kn_colour c = place(&a, 0, i).colour;

        low = fmin(low, (double)c.brightness);
        high = fmax(high, (double)c.brightness);
        least = fmin(least, (double)c.contrast);
        hue = fmax(hue, fabs((double)c.hue));
        assert_true(c.saturation == 1.0f && c.contrast <= 2.5f);
    }
    assert_true(low >= 0.5999 && low < 0.605 && high <= 1.4001 && high > 1.395);
    assert_true(least >= 0 && least < 0.005 && hue <= 0.25 && hue > 0.249);
}

static void erased(void **state)
{
    const struct kn_augment a = {
        .erasing = 0.3f, .erase = {0.05f, 0.2f, (float)log(0.5), (float)log(2)}, .cutout = 7};
    int count = 0;

    for (uint32_t i = 0; i < DRAWS; i++) {
        struct kn_placement p = place(&a, 3, i);
        struct kn_hole q = p.erased, cut = p.cut;
        int high = q.y1 - q.y0, wide = q.x1 - q.x0;

        assert_true(cut.x0 >= 0 && cut.y0 >= 0 && cut.x1 <= 32 && cut.y1 <= 24);
        assert_true(cut.x1 - cut.x0 >= 4 && cut.x1 - cut.x0 <= 7 && cut.y1 - cut.y0 >= 4);
        if (!high)
            continue;
        count++;
        assert_true(q.x0 >= 0 && q.x1 <= 32 && q.y0 >= 0 && q.y1 <= 24);
        assert_true((high + 0.5) * (wide + 0.5) >= 0.05 * 24 * 32);
        assert_true((high - 0.5) * (wide - 0.5) <= 0.2 * 24 * 32);
        assert_true((high + 0.5) / (wide - 0.5) >= 0.5 && (high - 0.5) / (wide + 0.5) <= 2);
    }
    assert_true(fabs(count - 0.3 * DRAWS) < 5 * sqrt(0.21 * DRAWS));
}

/* Identity in every part of the colour. */
static void colour_identity(void **state)
{
    const struct kn_colour c = {1, 1, 1, 1, 0}, half = {1, 1, 1, 1, 0.5f};

    for (int i = 0; i < 1000; i++) {
        struct kn_rgb p = {(float)(i % 10) / 9, (float)(i / 10 % 10) / 9, (float)(i / 100) / 9};
        struct kn_rgb q = kn_jitter(&c, p, 0.3f);
        struct kn_rgb turned = kn_jitter(&half, kn_jitter(&half, p, 0.3f), 0.3f);

        assert_true(p.r == q.r && p.g == q.g && p.b == q.b);
        assert_float_equal(turned.r, p.r, 1e-5);
        assert_float_equal(turned.g, p.g, 1e-5);
        assert_float_equal(turned.b, p.b, 1e-5);
    }
}

/* ---- whole images ---- */

#define SIDE 12
#define PLANE (SIDE * SIDE)
#define ROWS 6

static void begin(struct fixture *f, struct kn_hyper *h)
{
    kn_net_init(&f->net, 3, SIDE, SIDE, 2);
    kn_linear(&f->net, "fc", kn_flatten(&f->net, "flatten", 0), 2, true);
    open_with(f, SIDE, 2, 2);
    compile(f, ROWS, 1, 2, KN_SGD);
    *h = hyper(0, KN_SGD);
    h->augment = (struct kn_augment){0};
}

static void look(struct fixture *f, const struct kn_hyper *h, const struct kn_batch *b, float *ret)
{
    assert_int_equal(ops->set_hyper(f->plan, 0, h, &f->err), 0);
    assert_int_equal(ops->show(f->plan, 0, b, ret, &f->err), 0);
}

static float seen(const struct fixture *f, const struct kn_hyper *h, int row, int c, int y, int x)
{
    return kn_normalise(f->pixels[((row * SIDE + y) * SIDE + x) * 3 + c], h->mean[c], h->std[c]);
}

/* Methods that are on, with parameters that change nothing: a copy, up to the rounding of what goes
 * through arithmetic. */
static void identity(void **state)
{
    static const struct kn_augment none[] = {
        {0},
        {.resized_crop = 1, .crop = {1, 1, 0, 0}},
        {.rotation = 1e-6f},
        {.brightness = 1e-9f, .contrast = 1e-9f, .saturation = 1e-9f, .hue = 1e-9f},
    };
    struct fixture f = {0};
    struct kn_hyper h;
    float got[ROWS * 3 * PLANE];
    struct kn_batch b = {.n = ROWS, .index = f.order};

    begin(&f, &h);
    for (size_t k = 0; k < HPO_LEN(none); k++) {
        h.augment = none[k];
        look(&f, &h, &b, got);
        for (int i = 0; i < ROWS * 3 * PLANE; i++) {
            double want = (double)seen(&f, &h, f.order[i / (3 * PLANE)], i / PLANE % 3,
                                       i / SIDE % SIDE, i % SIDE);

            assert_float_equal(got[i], want, k < 2 ? 0 : 1e-4);
        }
    }
    close_all(&f);
}

static void reflected(void **state)
{
    struct fixture f = {0};
    struct kn_hyper h;
    float got[ROWS * 3 * PLANE];
    struct kn_batch b = {.n = ROWS, .index = f.order};

    begin(&f, &h);
    for (int padding = 3; padding < 40; padding += 17) {
        h.augment = (struct kn_augment){
            .flip = 1, .vertical_flip = 1, .crop_padding = padding, .fill = KN_FILL_REFLECT};
        for (b.epoch = 0; b.epoch < 5; b.epoch++) {
            look(&f, &h, &b, got);
            for (int i = 0; i < ROWS * 3 * PLANE; i++) {
                int row = i / (3 * PLANE), y = i / SIDE % SIDE, x = i % SIDE;
                struct kn_placement p = kn_place(&h.augment, h.seed, h.fold, b.epoch,
                                                 (uint32_t)f.order[row], SIDE, SIDE);

                y = kn_reflect((p.vertical_flip ? SIDE - 1 - y : y) + p.dy, SIDE);
                x = kn_reflect((p.flip ? SIDE - 1 - x : x) + p.dx, SIDE);
                assert_true(got[i] == seen(&f, &h, f.order[row], i / PLANE % 3, y, x));
            }
        }
    }
    close_all(&f);
}

/* Holes are 0 after normalisation, and all else is as without them. */
static void holes(void **state)
{
    struct fixture f = {0};
    struct kn_hyper h;
    float got[ROWS * 3 * PLANE];
    struct kn_batch b = {.n = ROWS, .index = f.order, .epoch = 2};
    int empty = 0;

    begin(&f, &h);
    h.augment = (struct kn_augment){.erasing = 1, .erase = {0.1f, 0.4f, -0.5f, 0.5f}, .cutout = 4};
    look(&f, &h, &b, got);
    for (int i = 0; i < ROWS * 3 * PLANE; i++) {
        int row = i / (3 * PLANE), y = i / SIDE % SIDE, x = i % SIDE;
        struct kn_placement p =
            kn_place(&h.augment, h.seed, h.fold, b.epoch, (uint32_t)f.order[row], SIDE, SIDE);
        bool hole = kn_in_hole(p.erased, x, y) || kn_in_hole(p.cut, x, y);

        assert_true(got[i] == (hole ? 0 : seen(&f, &h, f.order[row], i / PLANE % 3, y, x)));
        empty += hole;
    }
    assert_true(empty > ROWS * 3 * PLANE / 10);
    close_all(&f);
}

/* What is shown is what is mixed: a row and its partner add up to what they were. */
static void mixed(void **state)
{
    struct fixture f = {0};
    struct kn_hyper h;
    float plain[ROWS * 3 * PLANE], got[ROWS * 3 * PLANE];
    struct kn_batch b = {.n = ROWS, .index = f.order, .epoch = 1};

    begin(&f, &h);
    h.augment = (struct kn_augment){.flip = 1, .rotation = 20};
    look(&f, &h, &b, plain);
    b.mix = (struct kn_mix){.kind = KN_MIXUP, .lambda = 0.7f};
    look(&f, &h, &b, got);
    for (int i = 0; i < ROWS * 3 * PLANE; i++) {
        int other = (ROWS - 1 - i / (3 * PLANE)) * 3 * PLANE + i % (3 * PLANE);

        assert_float_equal(got[i] + got[other], plain[i] + plain[other], 1e-5);
        assert_float_equal(got[i], 0.7 * (double)plain[i] + 0.3 * (double)plain[other], 1e-5);
    }
    b.mix = (struct kn_mix){.kind = KN_CUTMIX, .lambda = 0.5f, .y0 = 2, .y1 = 9, .x0 = 3, .x1 = 12};
    look(&f, &h, &b, got);
    for (int i = 0; i < ROWS * 3 * PLANE; i++) {
        int other = (ROWS - 1 - i / (3 * PLANE)) * 3 * PLANE + i % (3 * PLANE);
        int y = i / SIDE % SIDE, x = i % SIDE;
        bool in = y >= 2 && y < 9 && x >= 3;

        assert_true(got[i] == (in ? plain[other] : plain[i]));
    }
    close_all(&f);
}

static void refusals(void **state)
{
    static const struct kn_augment wrong[] = {
        {.flip = 3},
        {.fill = -1},
        {.rotation = NAN},
        {.hue = 0.6f},
        {.brightness = -1},
        {.erasing = 1.5f},
        {.cutout = -1},
        {.resized_crop = 1, .crop = {0.9f, 0.2f, 0, 0}},
        {.resized_crop = 1, .crop = {0.2f, 0.9f, 1, 0}},
        {.erasing = 0.5f, .erase = {0.2f, 1.9f, 0, 0}},
    };
    struct fixture f = {0};
    struct kn_hyper h;
    float got[ROWS * 3 * PLANE];
    struct kn_batch b = {.n = ROWS - 1, .index = f.order};

    begin(&f, &h);
    for (size_t i = 0; i < HPO_LEN(wrong); i++) {
        h.augment = wrong[i];
        assert_int_equal(ops->set_hyper(f.plan, 0, &h, &f.err), HPO_ECONFIG);
    }
    assert_int_equal(ops->show(f.plan, 0, &b, got, &f.err), HPO_ECONFIG);
    assert_int_equal(ops->show(f.plan, 1, &b, got, &f.err), HPO_ECONFIG);
    close_all(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),         cmocka_unit_test(alternating),
        cmocka_unit_test(vertical),        cmocka_unit_test(resized),
        cmocka_unit_test(never_fits),      cmocka_unit_test(rotation),
        cmocka_unit_test(colour_factors),  cmocka_unit_test(erased),
        cmocka_unit_test(colour_identity), cmocka_unit_test(identity),
        cmocka_unit_test(reflected),       cmocka_unit_test(holes),
        cmocka_unit_test(mixed),           cmocka_unit_test(refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
