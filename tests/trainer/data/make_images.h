/* tests/trainer/data/make_images.h - images and folders that tests make themselves. */
#ifndef HPO_TESTS_TRAINER_DATA_MAKE_IMAGES_H
#define HPO_TESTS_TRAINER_DATA_MAKE_IMAGES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/rng.h"

struct bytes {
    uint8_t *p;
    size_t n;
};

HPO_UNUSED static void bytes_free(struct bytes *b)
{
    free(b->p);
    *b = (struct bytes){0};
}

/* Smooth in both directions, so that JPEG keeps it nearly as it is, and alike in none: a mirrored
 * or shifted picture differs. */
HPO_UNUSED static void ramp_at(int w, int h, int x, int y, uint8_t ret[3])
{
    ret[0] = (uint8_t)(20 + 200 * x / w);
    ret[1] = (uint8_t)(20 + 200 * y / h);
    ret[2] = (uint8_t)(230 - 100 * (x + 2 * y) / (w + 2 * h));
}

HPO_UNUSED static uint8_t *ramp(int w, int h)
{
    uint8_t *p = xmalloc((size_t)w * (size_t)h * 3);

    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            ramp_at(w, h, x, y, p + ((size_t)y * (size_t)w + (size_t)x) * 3);
    return p;
}

HPO_UNUSED static uint8_t *noise(int w, int h, int channels, uint64_t seed)
{
    size_t n = (size_t)w * (size_t)h * (size_t)channels;
    uint8_t *p = xmalloc(n);
    struct hpo_rng r = hpo_rng_for(seed, -1, -1, "test", 0);

    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)hpo_rng_next(&r);
    return p;
}

HPO_UNUSED static struct bytes jpeg_of(const uint8_t *pixels, int w, int h, int format,
                                       int subsampling, int flags)
{
    tjhandle tj = tjInitCompress();
    unsigned char *jpeg = NULL;
    unsigned long n = 0;
    struct bytes b;

    assert_non_null(tj);
    if (tjCompress2(tj, pixels, w, 0, h, format, &jpeg, &n, subsampling, 95,
                    flags | TJFLAG_ACCURATEDCT))
        fail_msg("tjCompress2: %s", tjGetErrorStr2(tj));
    b = (struct bytes){xmalloc(n), n};
    memcpy(b.p, jpeg, n);
    tjFree(jpeg);
    tjDestroy(tj);
    return b;
}

HPO_UNUSED static struct bytes ramp_jpeg(int w, int h)
{
    uint8_t *p = ramp(w, h);
    struct bytes b = jpeg_of(p, w, h, TJPF_RGB, TJSAMP_444, 0);

    free(p);
    return b;
}

/* Put raw bytes at an offset. */
HPO_UNUSED static void bytes_insert(struct bytes *b, size_t at, const void *p, size_t n)
{
    b->p = xrealloc(b->p, b->n + n);
    memmove(b->p + at + n, b->p + at, b->n - at);
    memcpy(b->p + at, p, n);
    b->n += n;
}

/* An EXIF segment, after JFIF's. */
HPO_UNUSED static void add_orientation(struct bytes *jpeg, int orientation, bool big_endian)
{
    uint8_t o = (uint8_t)orientation;
    const uint8_t little[] = {0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0,    0, 'I', 'I',
                              '*',  0,    8, 0,  0,   0,   1,   0,   0x12, 1, 3,   0,
                              1,    0,    0, 0,  o,   0,   0,   0,   0,    0, 0,   0};
    const uint8_t big[] = {0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0,    'M', 'M',
                           0,    '*',  0, 0,  0,   8,   0,   1,   1, 0x12, 0,   3,
                           0,    0,    0, 1,  0,   o,   0,   0,   0, 0,    0,   0};

    bytes_insert(jpeg, 20, big_endian ? big : little, 36);
}

/* The payload of the first segment with this marker, or NULL. */
HPO_UNUSED static uint8_t *segment(struct bytes *jpeg, uint8_t marker)
{
    for (size_t i = 2; i + 4 <= jpeg->n && jpeg->p[i] == 0xff;
         i += 2 + ((size_t)jpeg->p[i + 2] << 8 | jpeg->p[i + 3]))
        if (jpeg->p[i + 1] == marker)
            return jpeg->p + i + 4;
    return NULL;
}

/* Rows of a PNG as libpng packs them. */
HPO_UNUSED static void png_write_to(png_structp png, png_bytep p, size_t n)
{
    struct bytes *b = png_get_io_ptr(png);

    bytes_insert(b, b->n, p, n);
}

HPO_UNUSED static struct bytes png_of(const uint8_t *rows, size_t stride, int w, int h, int depth,
                                      int type, bool interlaced, const png_color *palette,
                                      int n_palette, const uint8_t *alpha, int n_alpha)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_bytep *row = xcalloc((size_t)h, sizeof(*row));
    struct bytes b = {0};

    if (setjmp(png_jmpbuf(png)))
        fail_msg("libpng");
    png_set_write_fn(png, &b, png_write_to, NULL);
    png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, depth, type,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (palette)
        png_set_PLTE(png, info, palette, n_palette);
    if (alpha)
        png_set_tRNS(png, info, alpha, n_alpha, NULL);
    png_write_info(png, info);
    for (int y = 0; y < h; y++)
        row[y] = (png_bytep)(uintptr_t)(rows + (size_t)y * stride);
    png_write_image(png, row);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    free(row);
    return b;
}

/* A temporary folder; the test removes it with file_remove_tree. */
HPO_UNUSED static char *temp_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    char *path = xmalloc(512);

    snprintf(path, 512, "%s/hpo-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

HPO_UNUSED static void remove_dir(char *path)
{
    assert_int_equal(file_remove_tree(path, NULL), 0);
    free(path);
}

/* dir/name, folders made as needed. */
HPO_UNUSED static void put_file(const char *dir, const char *name, const void *p, size_t n)
{
    struct hpo_err err;
    char path[2048], *slash;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    slash = strrchr(path, '/');
    *slash = 0;
    if (file_mkdirs(path, &err))
        fail_msg("%s", err.msg);
    *slash = '/';
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

HPO_UNUSED static void put_text(const char *dir, const char *name, const char *text)
{
    put_file(dir, name, text, strlen(text));
}

HPO_UNUSED static void put_ramp(const char *dir, const char *name, int w, int h)
{
    struct bytes b = ramp_jpeg(w, h);

    put_file(dir, name, b.p, b.n);
    bytes_free(&b);
}

HPO_UNUSED static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

/* Two squares of RGB. */
HPO_UNUSED static void assert_near(const uint8_t *a, const uint8_t *b, size_t n, int tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (abs(a[i] - b[i]) > tolerance)
            fail_msg("byte %zu: %d and %d differ by more than %d", i, a[i], b[i], tolerance);
}

#endif
