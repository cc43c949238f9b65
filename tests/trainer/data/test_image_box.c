#include "tests/trainer/data/make_images.h"

#include "trainer/data/image.h"

/* A box of the upright picture, however it is stored: the ramp's part, and the very pixels when
 * nothing is resized. */
static void test_box(void **state)
{
    static const struct tr_box box = {9, 5, 16, 16}, wide = {3, 4, 40, 24};
    const int w = 61, h = 47;
    struct tr_decoder *d = tr_decoder_new();
    uint8_t got[16 * 16 * 3];

    for (int o = 1; o <= 8; o++) {
        int sw = o >= 5 ? h : w, sh = o >= 5 ? w : h;
        uint8_t *p = xmalloc((size_t)(sw * sh * 3));
        struct bytes b;

        for (int y = 0; y < sh; y++) {
            for (int x = 0; x < sw; x++) {
                int r = o == 3 || o == 4 || o == 6 || o == 7 ? sh - 1 - y : y;
                int c = o == 2 || o == 3 || o == 7 || o == 8 ? sw - 1 - x : x;

                ramp_at(w, h, o >= 5 ? r : c, o >= 5 ? c : r, p + (y * sw + x) * 3);
            }
        }
        b = jpeg_of(p, sw, sh, TJPF_RGB, TJSAMP_444, 0);
        add_orientation(&b, o, o & 1);
        assert_int_equal(tr_image_decode_box(d, b.p, b.n, &box, 16, TR_RESIZE_CROP, got, NULL), 0);
        for (int y = 0; y < 16; y++) {
            for (int x = 0; x < 16; x++) {
                uint8_t want[3];

                ramp_at(w, h, box.x + x, box.y + y, want);
                assert_near(got + (y * 16 + x) * 3, want, 3, 4);
            }
        }
        /* Cropped to its middle: 24 x 24 from (11, 4), shrunk to 12. */
        assert_int_equal(tr_image_decode_box(d, b.p, b.n, &wide, 12, TR_RESIZE_CROP, got, NULL), 0);
        for (int y = 0; y < 12; y++) {
            for (int x = 0; x < 12; x++) {
                uint8_t want[3];

                ramp_at(w, h, 11 + 2 * x, 4 + 2 * y, want);
                assert_near(got + (y * 12 + x) * 3, want, 3, 6);
            }
        }
        bytes_free(&b);
        free(p);
    }
    tr_decoder_free(d);
}

static void test_box_outside(void **state)
{
    static const struct tr_box outside[] = {
        {0, 0, 31, 1},  {0, 0, 1, 51},        {30, 0, 1, 1},         {29, 0, 2, 1},
        {0, 49, 1, 2},  {-1, 0, 5, 5},        {0, -1, 5, 5},         {0, 0, 5, 0},
        {5, 5, -5, -5}, {INT32_MAX, 0, 5, 5}, {0, 0, INT32_MAX, 50}, {0, INT32_MAX, 5, INT32_MAX}};
    struct bytes b = ramp_jpeg(30, 50);
    struct tr_decoder *d = tr_decoder_new();
    uint8_t got[8 * 8 * 3];

    for (size_t i = 0; i < HPO_LEN(outside); i++) {
        struct hpo_err err = {0};

        assert_int_equal(
            tr_image_decode_box(d, b.p, b.n, &outside[i], 8, TR_RESIZE_CROP, got, &err),
            HPO_EFORMAT);
        assert_int_equal(strncmp(err.msg, TR_BOX_OUTSIDE, strlen(TR_BOX_OUTSIDE)), 0);
        assert_contains(err.msg, "of 30 x 50 pixels");
    }
    assert_int_equal(tr_image_decode_box(d, b.p, b.n, &(struct tr_box){29, 49, 1, 1}, 8,
                                         TR_RESIZE_CROP, got, NULL),
                     0);
    tr_decoder_free(d);
    bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_box),
        cmocka_unit_test(test_box_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
