#include "tests/trainer/data/make_images.h"

#include <math.h>

#include "trainer/data/image_priv.h"

/* The plain way, in double precision, pixel by pixel. */
static double overlap(double a0, double a1, double b0, double b1)
{
    double lo = a0 > b0 ? a0 : b0, hi = a1 < b1 ? a1 : b1;

    return hi > lo ? hi - lo : 0;
}

static double axis_weight(int in, double full, double j, int k)
{
    double step = in / full;

    if (in > full)
        return overlap(j * step, (j + 1) * step, k, k + 1) / step;
    double at = (j + 0.5) * step - 0.5, w;

    at = at < 0 ? 0 : at > in - 1 ? in - 1 : at;
    w = 1 - fabs(at - k);
    return w > 0 ? w : 0;
}

static double reference(const uint8_t *src, int w, int h, const struct frame *f, int x, int y,
                        int c)
{
    double sum = 0;

    for (int sy = 0; sy < h; sy++) {
        double wy = axis_weight(h, (double)f->y.full, (double)f->y.first + y, sy);

        for (int sx = 0; sx < w && wy > 0; sx++)
            sum += wy * axis_weight(w, (double)f->x.full, (double)f->x.first + x, sx) *
                   src[(sy * w + sx) * 3 + c];
    }
    return sum;
}

static void compare(int w, int h, int size, enum tr_resize resize)
{
    uint8_t *src = noise(w, h, 3, (uint64_t)(w * 1000 + h));
    uint8_t *got = xmalloc((size_t)(size * size * 3));
    struct frame f = frame_of(w, h, size, resize);
    struct tr_decoder *d = tr_decoder_new();

    assert_int_equal(resize_rgb(d, src, w, h, 1, &f, size, got, NULL), 0);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++)
            for (int c = 0; c < 3; c++) {
                double want = reference(src, w, h, &f, x, y, c);

                if (fabs(got[(y * size + x) * 3 + c] - want) > 0.5 + 1e-6)
                    fail_msg("%dx%d to %d, pixel %d,%d: %d, expected %.6f", w, h, size, x, y,
                             got[(y * size + x) * 3 + c], want);
            }
    tr_decoder_free(d);
    free(got);
    free(src);
}

static void test_against_reference(void **state)
{
    static const int sizes[][3] = {{32, 32, 32},  {64, 64, 32},  {33, 33, 32}, {47, 63, 32},
                                   {100, 37, 16}, {5, 7, 16},    {1, 1, 8},    {1, 40, 8},
                                   {16, 17, 16},  {31, 200, 32}, {90, 20, 32}, {20, 90, 32},
                                   {2, 3, 1}};

    for (size_t i = 0; i < HPO_LEN(sizes); i++) {
        compare(sizes[i][0], sizes[i][1], sizes[i][2], TR_RESIZE_CROP);
        compare(sizes[i][0], sizes[i][1], sizes[i][2], TR_RESIZE_STRETCH);
    }
}

/* torchvision.transforms.functional.resize and center_crop: sizes and offsets computed with it. */
static void test_frames(void **state)
{
    static const struct {
        int w, h, size;
        int64_t x_full, x_first, y_full, y_first;
    } want[] = {
        {500, 375, 32, 42, 5, 32, 0},  {375, 500, 32, 32, 0, 42, 5}, {43, 32, 32, 43, 6, 32, 0},
        {41, 32, 32, 41, 4, 32, 0},    {32, 32, 32, 32, 0, 32, 0},   {100, 101, 10, 10, 0, 10, 0},
        {10, 100, 20, 20, 0, 200, 90},
    };

    for (size_t i = 0; i < HPO_LEN(want); i++) {
        struct frame f = frame_of(want[i].w, want[i].h, want[i].size, TR_RESIZE_CROP);

        assert_int_equal(f.x.full, want[i].x_full);
        assert_int_equal(f.x.first, want[i].x_first);
        assert_int_equal(f.y.full, want[i].y_full);
        assert_int_equal(f.y.first, want[i].y_first);
    }
}

static void test_constant_stays(void **state)
{
    struct tr_decoder *d = tr_decoder_new();

    for (int v = 0; v < 256; v += 51) {
        uint8_t src[71 * 53 * 3], got[17 * 17 * 3];
        struct frame f = frame_of(71, 53, 17, TR_RESIZE_CROP);

        memset(src, v, sizeof(src));
        assert_int_equal(resize_rgb(d, src, 71, 53, 1, &f, 17, got, NULL), 0);
        for (size_t i = 0; i < sizeof(got); i++)
            assert_int_equal(got[i], v);
    }
    tr_decoder_free(d);
}

/* The most extreme sides: sums stay in 64 bits. */
static void test_extremes(void **state)
{
    struct tr_decoder *d = tr_decoder_new();
    int n = 1000000;
    uint8_t *src = xmalloc((size_t)n * 3), *got = xmalloc((size_t)4096 * 4096 * 3);
    struct frame f = frame_of(n, 1, 4096, TR_RESIZE_CROP);

    memset(src, 255, (size_t)n * 3);
    assert_int_equal(resize_rgb(d, src, n, 1, 1, &f, 4096, got, NULL), 0);
    assert_int_equal(got[0], 255);
    assert_int_equal(got[(size_t)4096 * 4096 * 3 - 1], 255);
    f = frame_of(1, n, 4, TR_RESIZE_STRETCH);
    assert_int_equal(resize_rgb(d, src, 1, n, 1, &f, 4, got, NULL), 0);
    for (int i = 0; i < 4 * 4 * 3; i++)
        assert_int_equal(got[i], 255);
    free(got);
    free(src);
    tr_decoder_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_reference),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_constant_stays),
        cmocka_unit_test(test_extremes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
