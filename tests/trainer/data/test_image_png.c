#include "tests/trainer/data/make_images.h"

#include "trainer/data/image.h"

#define SIZE 20

static int decode_rc(const struct bytes *b, uint8_t *ret, struct hpo_err *err)
{
    struct tr_decoder *d = tr_decoder_new();
    int rc = tr_image_decode(d, b->p, b->n, SIZE, TR_RESIZE_STRETCH, ret, err);

    tr_decoder_free(d);
    return rc;
}

static void expect(struct bytes *b, const uint8_t *want)
{
    struct hpo_err err;
    uint8_t got[SIZE * SIZE * 3];

    if (decode_rc(b, got, &err))
        fail_msg("%s", err.msg);
    assert_memory_equal(got, want, sizeof(got));
    bytes_free(b);
}

static void refuse(const struct bytes *b, const char *part)
{
    struct hpo_err err = {0};
    uint8_t got[SIZE * SIZE * 3];

    assert_int_equal(decode_rc(b, got, &err), HPO_EFORMAT);
    assert_contains(err.msg, part);
}

static void test_rgb(void **state)
{
    uint8_t *p = noise(SIZE, SIZE, 3, 1);

    for (int interlaced = 0; interlaced < 2; interlaced++) {
        struct bytes b =
            png_of(p, SIZE * 3, SIZE, SIZE, 8, PNG_COLOR_TYPE_RGB, interlaced, NULL, 0, NULL, 0);

        expect(&b, p);
    }
    free(p);
}

/* A box of the picture's own pixels: nothing is resized. */
static void test_box(void **state)
{
    const int w = SIZE + 9, h = SIZE + 4;
    const struct tr_box box = {7, 3, SIZE, SIZE};
    uint8_t *p = noise(w, h, 3, 8), got[SIZE * SIZE * 3];
    struct bytes b = png_of(p, w * 3, w, h, 8, PNG_COLOR_TYPE_RGB, false, NULL, 0, NULL, 0);
    struct tr_decoder *d = tr_decoder_new();
    struct hpo_err err = {0};

    assert_int_equal(tr_image_decode_box(d, b.p, b.n, &box, SIZE, TR_RESIZE_CROP, got, NULL), 0);
    for (int y = 0; y < SIZE; y++)
        assert_memory_equal(got + y * SIZE * 3, p + ((y + 3) * w + 7) * 3, SIZE * 3);
    assert_int_equal(tr_image_decode_box(d, b.p, b.n, &(struct tr_box){10, 3, SIZE, SIZE}, SIZE,
                                         TR_RESIZE_CROP, got, &err),
                     HPO_EFORMAT);
    assert_contains(err.msg, TR_BOX_OUTSIDE);
    tr_decoder_free(d);
    bytes_free(&b);
    free(p);
}

static void test_16_bit(void **state)
{
    uint8_t *p = noise(SIZE, SIZE, 6, 2), want[SIZE * SIZE * 3];
    struct bytes b =
        png_of(p, SIZE * 6, SIZE, SIZE, 16, PNG_COLOR_TYPE_RGB, false, NULL, 0, NULL, 0);

    for (int i = 0; i < SIZE * SIZE * 3; i++)
        want[i] = (uint8_t)(((p[2 * i] << 8 | p[2 * i + 1]) * 255 + 32767) / 65535);
    expect(&b, want);
    free(p);
}

static void test_gray_depths(void **state)
{
    static const int depths[] = {1, 2, 4, 8, 16};

    for (size_t k = 0; k < HPO_LEN(depths); k++) {
        int depth = depths[k], per_byte = depth < 8 ? 8 / depth : 1;
        size_t stride = depth == 16 ? SIZE * 2 : (size_t)((SIZE + per_byte - 1) / per_byte);
        uint8_t *p = noise((int)stride, SIZE, 1, 3 + k), want[SIZE * SIZE * 3];
        struct bytes b;

        for (int y = 0; y < SIZE; y++) {
            for (int x = 0; x < SIZE; x++) {
                const uint8_t *row = p + (size_t)y * stride;
                int v;

                if (depth == 16)
                    v = ((row[2 * x] << 8 | row[2 * x + 1]) * 255 + 32767) / 65535;
                else
                    v = (row[x / per_byte] >> (8 - depth - x % per_byte * depth) &
                         ((1 << depth) - 1)) *
                        255 / ((1 << depth) - 1);
                memset(want + (y * SIZE + x) * 3, v, 3);
            }
        }
        b = png_of(p, stride, SIZE, SIZE, depth, PNG_COLOR_TYPE_GRAY, k & 1, NULL, 0, NULL, 0);
        expect(&b, want);
        free(p);
    }
}

static void test_alpha_over_black(void **state)
{
    uint8_t *p = noise(SIZE, SIZE, 4, 4), *g = noise(SIZE, SIZE, 2, 5), want[SIZE * SIZE * 3];
    struct bytes b =
        png_of(p, SIZE * 4, SIZE, SIZE, 8, PNG_COLOR_TYPE_RGBA, false, NULL, 0, NULL, 0);

    for (int i = 0; i < SIZE * SIZE; i++)
        for (int c = 0; c < 3; c++)
            want[3 * i + c] = (uint8_t)((p[4 * i + c] * p[4 * i + 3] + 127) / 255);
    expect(&b, want);
    b = png_of(g, SIZE * 2, SIZE, SIZE, 8, PNG_COLOR_TYPE_GRAY_ALPHA, true, NULL, 0, NULL, 0);
    for (int i = 0; i < SIZE * SIZE; i++)
        memset(want + 3 * i, (g[2 * i] * g[2 * i + 1] + 127) / 255, 3);
    expect(&b, want);
    free(p);
    free(g);
}

static void test_palette(void **state)
{
    static const png_color palette[4] = {{1, 2, 3}, {200, 100, 50}, {255, 255, 255}, {9, 90, 190}};
    static const uint8_t alpha[2] = {255, 51};
    uint8_t *p = noise(SIZE / 4, SIZE, 1, 6), want[SIZE * SIZE * 3];

    for (int transparent = 0; transparent < 2; transparent++) {
        struct bytes b = png_of(p, SIZE / 4, SIZE, SIZE, 2, PNG_COLOR_TYPE_PALETTE, transparent,
                                palette, 4, transparent ? alpha : NULL, 2);

        for (int i = 0; i < SIZE * SIZE; i++) {
            int v = p[i / 4] >> (6 - i % 4 * 2) & 3, a = transparent && v < 2 ? alpha[v] : 255;

            want[3 * i] = (uint8_t)((palette[v].red * a + 127) / 255);
            want[3 * i + 1] = (uint8_t)((palette[v].green * a + 127) / 255);
            want[3 * i + 2] = (uint8_t)((palette[v].blue * a + 127) / 255);
        }
        expect(&b, want);
    }
    free(p);
}

static void test_broken(void **state)
{
    uint8_t *p = noise(64, 64, 3, 7);
    struct bytes b = png_of(p, 64 * 3, 64, 64, 8, PNG_COLOR_TYPE_RGB, false, NULL, 0, NULL, 0);
    size_t whole = b.n;

    for (size_t n = 8; n < whole; n += n < 64 || n > whole - 100 ? 1 : 67) {
        struct bytes cut = {xmalloc(n), n};

        memcpy(cut.p, b.p, n);
        refuse(&cut, "is cut off");
        bytes_free(&cut);
    }
    b.p[whole / 2] ^= 1;
    refuse(&b, "is damaged (IDAT: CRC error)");
    b.p[whole / 2] ^= 1;
    b.p[16] = 0x7f; /* a width of 2^31 */
    refuse(&b, "pixels, at most 100 million are read");
    b.p[16] = 0;
    b.p[18] = 1; /* a width that the header's checksum does not know */
    refuse(&b, "is damaged");
    memcpy(b.p + 12, "IHDX", 4);
    refuse(&b, "is damaged");
    bytes_free(&b);
    free(p);
}

static void test_resized(void **state)
{
    uint8_t *p = ramp(200, 120), got[SIZE * SIZE * 3], want[3];
    struct bytes b = png_of(p, 600, 200, 120, 8, PNG_COLOR_TYPE_RGB, true, NULL, 0, NULL, 0);
    struct tr_decoder *d = tr_decoder_new();
    int w, h;

    assert_int_equal(tr_image_size(d, b.p, b.n, &w, &h, NULL), 0);
    assert_int_equal(w, 200);
    assert_int_equal(h, 120);
    assert_int_equal(tr_image_decode(d, b.p, b.n, SIZE, TR_RESIZE_CROP, got, NULL), 0);
    for (int y = 0; y < SIZE; y++) {
        for (int x = 0; x < SIZE; x++) {
            /* 33 columns, of which 6 .. 25 are kept (round half to even of 6.5) */
            ramp_at(200, 120, (int)((6 + x + 0.5) * 200 / 33), (int)((y + 0.5) * 6), want);
            assert_near(got + (y * SIZE + x) * 3, want, 3, 2);
        }
    }
    tr_decoder_free(d);
    bytes_free(&b);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rgb),         cmocka_unit_test(test_16_bit),
        cmocka_unit_test(test_gray_depths), cmocka_unit_test(test_alpha_over_black),
        cmocka_unit_test(test_palette),     cmocka_unit_test(test_broken),
        cmocka_unit_test(test_resized),     cmocka_unit_test(test_box),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
