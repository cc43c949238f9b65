#include "tests/trainer/data/make_images.h"

#include <math.h>

#include "trainer/data/image.h"

#define SIZE 24

static void decode(const struct bytes *b, int size, enum tr_resize resize, uint8_t *ret)
{
    struct tr_decoder *d = tr_decoder_new();
    struct hpo_err err;

    if (tr_image_decode(d, b->p, b->n, size, resize, ret, &err))
        fail_msg("%s", err.msg);
    tr_decoder_free(d);
}

/* Decoding fails with a message that has this part. */
static void refuse_rc(const struct bytes *b, const char *part)
{
    struct tr_decoder *d = tr_decoder_new();
    struct hpo_err err = {0};
    uint8_t ret[SIZE * SIZE * 3];

    assert_int_equal(tr_image_decode(d, b->p, b->n, SIZE, TR_RESIZE_CROP, ret, &err), HPO_EFORMAT);
    assert_contains(err.msg, part);
    tr_decoder_free(d);
}

/* What the ramp of w x h looks like after the resize, straight from its formula. */
static void expect_ramp(const struct bytes *b, int w, int h, enum tr_resize resize, int tolerance)
{
    uint8_t got[SIZE * SIZE * 3], want[3];
    /* torchvision: the longer side is rounded down, the crop's offset to the nearest even. */
    int crop = resize == TR_RESIZE_CROP;
    int fx = crop && w > h ? SIZE * w / h : SIZE, fy = crop && h > w ? SIZE * h / w : SIZE;
    double sx = (double)w / fx, sy = (double)h / fy;
    double left = nearbyint((fx - SIZE) / 2.0) * sx, top = nearbyint((fy - SIZE) / 2.0) * sy;
    double shift[3] = {0};

    decode(b, SIZE, resize, got);
    for (int y = 0; y < SIZE; y++) {
        for (int x = 0; x < SIZE; x++) {
            /* A pixel's value is that of its upper left corner: half a pixel back. */
            ramp_at(w * 64, h * 64, (int)(fmax(left + (x + 0.5) * sx - 0.5, 0) * 64),
                    (int)(fmax(top + (y + 0.5) * sy - 0.5, 0) * 64), want);
            assert_near(got + (y * SIZE + x) * 3, want, 3, tolerance);
            for (int c = 0; c < 3; c++)
                shift[c] += (got[(y * SIZE + x) * 3 + c] - want[c]) / (double)(SIZE * SIZE);
        }
    }
    for (int c = 0; c < 3; c++) /* a crop that is one pixel off */
        assert_true(fabs(shift[c]) < 1.5);
}

static void test_jpeg_kinds(void **state)
{
    static const struct {
        int subsampling, flags;
    } kinds[] = {{TJSAMP_444, 0},
                 {TJSAMP_420, 0},
                 {TJSAMP_422, 0},
                 {TJSAMP_440, 0},
                 {TJSAMP_411, 0},
                 {TJSAMP_444, TJFLAG_PROGRESSIVE},
                 {TJSAMP_420, TJFLAG_PROGRESSIVE}};
    static const int sizes[][2] = {{SIZE, SIZE}, {30, 50},   {50, 31},
                                   {200, 200},   {201, 133}, {64, 640}};

    for (size_t k = 0; k < HPO_LEN(kinds); k++) {
        for (size_t s = 0; s < HPO_LEN(sizes); s++) {
            int w = sizes[s][0], h = sizes[s][1];
            uint8_t *p = ramp(w, h);
            struct bytes b = jpeg_of(p, w, h, TJPF_RGB, kinds[k].subsampling, kinds[k].flags);

            /* Colour at a quarter of the resolution smears a ramp of 8 a pixel. */
            int tolerance = kinds[k].subsampling == TJSAMP_444 ? 8 : 30;

            expect_ramp(&b, w, h, TR_RESIZE_CROP, tolerance);
            expect_ramp(&b, w, h, TR_RESIZE_STRETCH, tolerance);
            bytes_free(&b);
            free(p);
        }
    }
}

static void test_exact_size_is_turbojpegs(void **state)
{
    struct bytes b = ramp_jpeg(SIZE, SIZE);
    uint8_t got[SIZE * SIZE * 3], want[SIZE * SIZE * 3];
    tjhandle tj = tjInitDecompress();

    decode(&b, SIZE, TR_RESIZE_CROP, got);
    assert_int_equal(tjDecompress2(tj, b.p, b.n, want, SIZE, 0, SIZE, TJPF_RGB, TJFLAG_ACCURATEDCT),
                     0);
    assert_memory_equal(got, want, sizeof(got));
    tjDestroy(tj);
    bytes_free(&b);
}

static void test_gray(void **state)
{
    uint8_t gray[40 * 40], got[SIZE * SIZE * 3];
    struct bytes b;

    for (int i = 0; i < 40 * 40; i++)
        gray[i] = (uint8_t)(10 + 5 * (i % 40));
    b = jpeg_of(gray, 40, 40, TJPF_GRAY, TJSAMP_GRAY, 0);
    decode(&b, SIZE, TR_RESIZE_CROP, got);
    for (int i = 0; i < SIZE * SIZE; i++) {
        assert_int_equal(got[3 * i], got[3 * i + 1]);
        assert_int_equal(got[3 * i], got[3 * i + 2]);
    }
    assert_in_range(got[3 * 12], 10 + 5 * 19, 10 + 5 * 22);
    bytes_free(&b);
}

/* A flat colour, stored as CMYK the way Adobe does (inverted), or as everybody else does. */
static struct bytes cmyk(int r, int g, int b, bool inverted)
{
    uint8_t p[40 * 40 * 4];

    for (int i = 0; i < 40 * 40; i++) {
        p[4 * i] = (uint8_t)(inverted ? r : 255 - r);
        p[4 * i + 1] = (uint8_t)(inverted ? g : 255 - g);
        p[4 * i + 2] = (uint8_t)(inverted ? b : 255 - b);
        p[4 * i + 3] = inverted ? 255 : 0;
    }
    return jpeg_of(p, 40, 40, TJPF_CMYK, TJSAMP_444, 0);
}

static void expect_flat(const struct bytes *b, int r, int g, int blue, int tolerance)
{
    uint8_t got[SIZE * SIZE * 3];
    const uint8_t want[3] = {(uint8_t)r, (uint8_t)g, (uint8_t)blue};

    decode(b, SIZE, TR_RESIZE_STRETCH, got);
    for (int i = 0; i < SIZE * SIZE; i++)
        assert_near(got + 3 * i, want, 3, tolerance);
}

static void test_cmyk(void **state)
{
    struct bytes b = cmyk(200, 90, 30, true);
    uint8_t *adobe = segment(&b, 0xee);

    /* TurboJPEG writes YCCK with an Adobe marker. */
    assert_non_null(adobe);
    assert_int_equal(adobe[11], 2);
    expect_flat(&b, 200, 90, 30, 4);
    bytes_free(&b);

    /* The Adobe marker turned into one that nobody knows: CMYK, not inverted. What lies in the
     * components is then the YCCK of the pixels, so neutral ones are taken: Y = C, Cb = Cr = 128.
     */
    b = cmyk(100, 100, 100, false);
    memcpy(segment(&b, 0xee), "Nobody", 6);
    expect_flat(&b, 255 - (255 - 155), 127, 127, 4);
    bytes_free(&b);
}

/* What EXIF says the first stored row and column are on the upright picture. */
static void test_orientation(void **state)
{
    static const bool row_from_end[9] = {0, 0, 0, 1, 1, 0, 1, 1, 0};
    static const bool col_from_end[9] = {0, 0, 1, 1, 0, 0, 0, 1, 1};
    static const int sizes[][2] = {{37, 24}, {24, 37}, {24, 24}, {150, 97}};
    struct tr_decoder *d = tr_decoder_new();

    for (size_t s = 0; s < HPO_LEN(sizes); s++) {
        int w = sizes[s][0], h = sizes[s][1]; /* upright */

        for (int o = 1; o <= 8; o++) {
            int sw = o >= 5 ? h : w, sh = o >= 5 ? w : h, got_w, got_h;
            uint8_t *p = xmalloc((size_t)(sw * sh * 3));
            struct bytes b;

            for (int r = 0; r < sh; r++) {
                for (int c = 0; c < sw; c++) {
                    int along_row = row_from_end[o] ? sh - 1 - r : r;
                    int along_col = col_from_end[o] ? sw - 1 - c : c;

                    ramp_at(w, h, o >= 5 ? along_row : along_col, o >= 5 ? along_col : along_row,
                            p + (r * sw + c) * 3);
                }
            }
            b = jpeg_of(p, sw, sh, TJPF_RGB, TJSAMP_444, 0);
            add_orientation(&b, o, o & 1);
            expect_ramp(&b, w, h, TR_RESIZE_STRETCH, 8);
            expect_ramp(&b, w, h, TR_RESIZE_CROP, 8);
            assert_int_equal(tr_image_size(d, b.p, b.n, &got_w, &got_h, NULL), 0);
            assert_int_equal(got_w, w);
            assert_int_equal(got_h, h);
            bytes_free(&b);
            free(p);
        }
    }
    tr_decoder_free(d);
}

/* Cropping a rotated picture takes the same pixels as cropping the upright one. */
static void test_orientation_crop(void **state)
{
    uint8_t upright[SIZE * SIZE * 3], turned[SIZE * SIZE * 3];
    int w = SIZE + 13; /* an odd remainder */
    double shift = 0;
    uint8_t *p = ramp(w, SIZE), *q = xmalloc((size_t)(w * SIZE * 3));
    struct bytes a = jpeg_of(p, w, SIZE, TJPF_RGB, TJSAMP_444, 0), b;

    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < w; x++)
            memcpy(q + (y * w + x) * 3, p + ((SIZE - 1 - y) * w + w - 1 - x) * 3, 3);
    b = jpeg_of(q, w, SIZE, TJPF_RGB, TJSAMP_444, 0);
    add_orientation(&b, 3, false);
    decode(&a, SIZE, TR_RESIZE_CROP, upright);
    decode(&b, SIZE, TR_RESIZE_CROP, turned);
    for (int i = 0; i < SIZE * SIZE; i++)
        shift += (upright[3 * i] - turned[3 * i]) / (double)(SIZE * SIZE);
    assert_true(fabs(shift) < 0.5); /* one pixel would be 5.4 */
    bytes_free(&a);
    bytes_free(&b);
    free(p);
    free(q);
}

static void test_broken_exif_is_ignored(void **state)
{
    for (int cut = 0; cut < 34; cut++) {
        struct bytes b = ramp_jpeg(30, 50);

        add_orientation(&b, 6, false);
        /* Garbage from here on inside the segment. */
        memset(b.p + 24 + cut, 0xf3, (size_t)(32 - (cut < 32 ? cut : 32)));
        if (cut < 26)
            expect_ramp(&b, 30, 50, TR_RESIZE_STRETCH, 5);
        else
            decode(&b, SIZE, TR_RESIZE_CROP, (uint8_t[SIZE * SIZE * 3]){0});
        bytes_free(&b);
    }
}

static void test_tiny_and_large(void **state)
{
    const uint8_t one[3] = {200, 100, 50};
    struct bytes b = jpeg_of(one, 1, 1, TJPF_RGB, TJSAMP_444, 0);

    expect_flat(&b, 200, 100, 50, 4);
    bytes_free(&b);
    b = ramp_jpeg(3000, 2000);
    expect_ramp(&b, 3000, 2000, TR_RESIZE_CROP, 3);
    bytes_free(&b);
    b = ramp_jpeg(3000, 1);
    decode(&b, SIZE, TR_RESIZE_CROP, (uint8_t[SIZE * SIZE * 3]){0});
    bytes_free(&b);
}

static void test_cut_off(void **state)
{
    uint8_t *p = noise(100, 80, 3, 1);

    for (int progressive = 0; progressive < 2; progressive++) {
        struct bytes b =
            jpeg_of(p, 100, 80, TJPF_RGB, TJSAMP_420, progressive ? TJFLAG_PROGRESSIVE : 0);
        size_t whole = b.n;

        b.n = whole * 2 / 3;
        refuse_rc(&b, "is cut off (Premature end of JPEG file)");
        b.n = whole - 100;
        refuse_rc(&b, "is cut off");
        b.n = 20;
        refuse_rc(&b, "");
        b.n = 3;
        refuse_rc(&b, "");
        bytes_free(&b);
    }
    free(p);
}

static void test_not_an_image(void **state)
{
    struct bytes b = {(uint8_t *)(uintptr_t) "", 0};

    refuse_rc(&b, "is empty");
    b = (struct bytes){(uint8_t *)(uintptr_t) "this is no picture", 18};
    refuse_rc(&b, "is neither JPEG nor PNG");
    b = (struct bytes){(uint8_t *)(uintptr_t) "RIFF\1\2\3\4WEBPVP8 ", 16};
    refuse_rc(&b, "it looks like WebP");
    b = (struct bytes){(uint8_t *)(uintptr_t) "GIF89a......", 12};
    refuse_rc(&b, "it looks like GIF");
}

static void test_absurd_size(void **state)
{
    struct bytes b = ramp_jpeg(30, 30);
    uint8_t *sof = segment(&b, 0xc0);

    sof[1] = sof[3] = 65500 >> 8;
    sof[2] = sof[4] = 65500 & 255;
    refuse_rc(&b, "claims 65500 x 65500 pixels, at most 100 million are read");
    sof[1] = sof[3] = 9000 >> 8; /* allowed, but a few hundred bytes cannot hold it */
    sof[2] = sof[4] = 9000 & 255;
    refuse_rc(&b, "is cut off (it claims 9000 x 9000 pixels in");
    bytes_free(&b);
}

static void test_damaged(void **state)
{
    uint8_t *p = noise(60, 60, 3, 2);
    struct bytes b = jpeg_of(p, 60, 60, TJPF_RGB, TJSAMP_444, 0);

    /* A marker in the middle of the data ends it early. */
    b.p[b.n / 2] = 0xff;
    b.p[b.n / 2 + 1] = 0xd9;
    refuse_rc(&b, "is damaged (Corrupt JPEG data");
    bytes_free(&b);
    free(p);
}

/* Where the first scan begins. */
static size_t scan_of(const struct bytes *b)
{
    size_t i = 2;

    while (b->p[i + 1] != 0xda)
        i += 2 + ((size_t)b->p[i + 2] << 8 | b->p[i + 3]);
    return i;
}

/* Some writers leave bytes between the segments; the picture is whole. */
static void test_harmless_warning(void **state)
{
    struct bytes b = ramp_jpeg(30, 50);

    bytes_insert(&b, b.n - 2, "\1\2\3", 3);
    expect_ramp(&b, 30, 50, TR_RESIZE_STRETCH, 5);
    bytes_free(&b);
    b = ramp_jpeg(30, 50);
    bytes_insert(&b, 20, "\1\2\3", 3); /* behind JFIF's segment */
    expect_ramp(&b, 30, 50, TR_RESIZE_STRETCH, 5);
    bytes_free(&b);
    b = ramp_jpeg(30, 50);
    segment(&b, 0xe0)[5] = 7; /* JFIF 7.1 */
    bytes_insert(&b, scan_of(&b), "\1\2\3", 3);
    expect_ramp(&b, 30, 50, TR_RESIZE_STRETCH, 5);
    bytes_free(&b);
}

/* A harmless warning does not hide a bad one, be it in front of it or behind. */
static void test_harmless_does_not_hide(void **state)
{
    uint8_t *p = noise(60, 60, 3, 2);
    struct bytes b = jpeg_of(p, 60, 60, TJPF_RGB, TJSAMP_444, 0);

    bytes_insert(&b, 20, "\1\2\3", 3);
    b.n -= 300;
    refuse_rc(&b, "is cut off");
    b.n += 300;
    segment(&b, 0xe0)[5] = 7;
    b.n -= 300;
    refuse_rc(&b, "is cut off");
    bytes_free(&b);
    b = jpeg_of(p, 60, 60, TJPF_RGB, TJSAMP_444, 0);
    b.p[b.n / 2] = 0xff;
    b.p[b.n / 2 + 1] = 0xe5; /* "a segment" of 2 bytes, then stray ones up to EOI */
    b.p[b.n / 2 + 2] = 0;
    b.p[b.n / 2 + 3] = 2;
    refuse_rc(&b, "is damaged");
    bytes_free(&b);
    free(p);
}

/* Between the scans of a progressive file there is no telling: named, not repaired. */
static void test_stray_bytes_between_scans(void **state)
{
    uint8_t *p = ramp(64, 64);
    struct bytes b = jpeg_of(p, 64, 64, TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE);
    size_t last = b.n - 2;

    while (!(b.p[last] == 0xff && b.p[last + 1] == 0xda))
        last--;
    bytes_insert(&b, last, "\1\2\3\4\5\6\7\1\2\3\4\5\6\7", 14);
    refuse_rc(&b, "is damaged (Corrupt JPEG data");
    bytes_free(&b);
    free(p);
}

static void test_scan_bomb(void **state)
{
    uint8_t *p = ramp(64, 64);
    struct bytes b = jpeg_of(p, 64, 64, TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE);
    size_t last = b.n - 2;
    uint8_t scan[4096];
    size_t n;

    /* The last scan again and again. */
    while (!(b.p[last] == 0xff && b.p[last + 1] == 0xda))
        last--;
    n = b.n - 2 - last;
    assert_true(n < sizeof(scan));
    memcpy(scan, b.p + last, n);
    for (int i = 0; i < 600; i++)
        bytes_insert(&b, b.n - 2, scan, n);
    refuse_rc(&b, "scans");
    bytes_free(&b);
    free(p);
}

static void test_no_byte_read_past_the_end(void **state)
{
    /* Exact heap blocks: the address sanitizer sees a read behind them. */
    struct bytes whole = ramp_jpeg(20, 20);
    struct tr_decoder *d = tr_decoder_new();
    uint8_t ret[SIZE * SIZE * 3];

    add_orientation(&whole, 5, true);
    for (size_t n = 0; n < whole.n; n++) {
        uint8_t *p = xmalloc(n);
        int w, h;

        memcpy(p, whole.p, n);
        assert_int_not_equal(tr_image_decode(d, p, n, SIZE, TR_RESIZE_CROP, ret, NULL), HPO_ENOMEM);
        tr_image_size(d, p, n, &w, &h, NULL);
        free(p);
    }
    tr_decoder_free(d);
    bytes_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jpeg_kinds),
        cmocka_unit_test(test_exact_size_is_turbojpegs),
        cmocka_unit_test(test_gray),
        cmocka_unit_test(test_cmyk),
        cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_orientation_crop),
        cmocka_unit_test(test_broken_exif_is_ignored),
        cmocka_unit_test(test_tiny_and_large),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_not_an_image),
        cmocka_unit_test(test_absurd_size),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_harmless_warning),
        cmocka_unit_test(test_harmless_does_not_hide),
        cmocka_unit_test(test_stray_bytes_between_scans),
        cmocka_unit_test(test_scan_bomb),
        cmocka_unit_test(test_no_byte_read_past_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
