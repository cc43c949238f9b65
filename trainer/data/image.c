#include "trainer/data/image.h"

#include <assert.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "trainer/data/image_priv.h"

/* A decoder that met one huge image does not keep its memory for all the small ones. */
#define KEEP_BYTES ((size_t)64 << 20)

struct tr_decoder *tr_decoder_new(void)
{
    struct tr_decoder *d = calloc(1, sizeof(*d));

    if (d)
        d->tj = tjInitDecompress();
    if (d && !d->tj) {
        free(d);
        d = NULL;
    }
    return d;
}

void tr_decoder_free(struct tr_decoder *d)
{
    if (!d)
        return;
    tjDestroy(d->tj);
    free(d->pixel);
    free(d->work);
    free(d);
}

int decoder_reserve(uint8_t **buf, size_t *cap, size_t n, struct hpo_err *err)
{
    uint8_t *p;

    if (n <= *cap)
        return 0;
    p = malloc(n);
    if (!p)
        return hpo_fail(err, HPO_ENOMEM, "cannot be decoded: out of memory (%zu bytes)", n);
    free(*buf);
    *buf = p;
    *cap = n;
    return 0;
}

int check_claim(int64_t w, int64_t h, struct hpo_err *err)
{
    if (w < 1 || h < 1)
        return hpo_fail(err, HPO_EFORMAT, "claims %lld x %lld pixels", (long long)w, (long long)h);
    if (w > TR_IMAGE_MAX_SIDE || h > TR_IMAGE_MAX_SIDE || w * h > TR_IMAGE_MAX_PIXELS)
        return hpo_fail(err, HPO_EFORMAT, "claims %lld x %lld pixels, at most 100 million are read",
                        (long long)w, (long long)h);
    return 0;
}

enum kind { JPEG, PNG, OTHER };

struct signature {
    size_t at, n;
    const char *bytes, *name;
};

/* Formats that people have in data folders and that are not read: worth naming. */
static const struct signature known[] = {
    {0, 4, "GIF8", "GIF"},
    {8, 4, "WEBP", "WebP"},
    {0, 2, "BM", "BMP"},
    {0, 4, "II*\0", "TIFF"},
    {0, 4, "MM\0*", "TIFF"},
    {4, 8, "ftypheic", "HEIC"},
    {4, 8, "ftypavif", "AVIF"},
    {0, 4, "\0\0\1\0", "an icon"},
    {0, 2, "\xff\x0a", "JPEG XL"},
    {0, 8, "\0\0\0\x0cJXL ", "JPEG XL"},
    {0, 8, "\0\0\0\x0cjP  ", "JPEG 2000"},
    {0, 5, "<?xml", "XML"},
    {0, 5, "<html", "HTML"},
    {0, 5, "<!DOC", "HTML"},
    {0, 4, "%PDF", "PDF"},
};

static int kind_of(const uint8_t *bytes, size_t n, enum kind *ret, struct hpo_err *err)
{
    if (n == 0)
        return hpo_fail(err, HPO_EFORMAT, "is empty");
    if (n > TR_IMAGE_MAX_BYTES)
        return hpo_fail(err, HPO_EFORMAT, "is too large (%zu bytes, at most %zu are read)", n,
                        TR_IMAGE_MAX_BYTES);
    if (n >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3)) {
        *ret = JPEG;
        return 0;
    }
    if (n >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8)) {
        *ret = PNG;
        return 0;
    }
    for (size_t i = 0; i < HPO_LEN(known); i++) {
        const struct signature *s = &known[i];

        if (n >= s->at + s->n && !memcmp(bytes + s->at, s->bytes, s->n))
            return hpo_fail(err, HPO_EFORMAT, "is neither JPEG nor PNG (it looks like %s)",
                            s->name);
    }
    return hpo_fail(err, HPO_EFORMAT, "is neither JPEG nor PNG");
}

int check_box(const struct tr_box *box, int w, int h, struct hpo_err *err)
{
    if (box->x < 0 || box->y < 0 || box->w < 1 || box->h < 1 || box->w > w || box->h > h ||
        box->x > w - box->w || box->y > h - box->h)
        return hpo_fail(err, HPO_EFORMAT,
                        TR_BOX_OUTSIDE " (x,y,w,h are %d,%d,%d,%d of %d x %d pixels)", box->x,
                        box->y, box->w, box->h, w, h);
    return 0;
}

void crop_rgb(uint8_t *p, int w, const struct tr_box *box)
{
    size_t line = (size_t)box->w * 3;

    for (int y = 0; y < box->h; y++)
        memmove(p + (size_t)y * line, p + ((size_t)(box->y + y) * (size_t)w + (size_t)box->x) * 3,
                line);
}

int tr_image_decode_box(struct tr_decoder *d, const uint8_t *bytes, size_t n,
                        const struct tr_box *box, int size, enum tr_resize resize, uint8_t *ret,
                        struct hpo_err *err)
{
    enum kind kind = OTHER;
    int rc;

    assert(size >= 1 && size <= TR_IMAGE_MAX_SIZE);
    rc = kind_of(bytes, n, &kind, err);
    if (!rc)
        rc = kind == JPEG ? jpeg_decode(d, bytes, n, box, size, resize, ret, err)
                          : png_decode(d, bytes, n, box, size, resize, ret, err);
    if (d->pixel_cap > KEEP_BYTES) {
        free(d->pixel);
        d->pixel = NULL;
        d->pixel_cap = 0;
    }
    return rc;
}

int tr_image_decode(struct tr_decoder *d, const uint8_t *bytes, size_t n, int size,
                    enum tr_resize resize, uint8_t *ret, struct hpo_err *err)
{
    return tr_image_decode_box(d, bytes, n, &(struct tr_box){0}, size, resize, ret, err);
}

int tr_image_size(struct tr_decoder *d, const uint8_t *bytes, size_t n, int *ret_w, int *ret_h,
                  struct hpo_err *err)
{
    enum kind kind = OTHER;
    int rc = kind_of(bytes, n, &kind, err);

    if (rc)
        return rc;
    return kind == JPEG ? jpeg_size(d, bytes, n, ret_w, ret_h, err)
                        : png_size(bytes, n, ret_w, ret_h, err);
}

uint64_t tr_image_libraries(void)
{
    /* turbojpeg.h names its version only in later releases of 3.x; TJ_NUMINIT came with 3.0. */
#if defined(TURBOJPEG_VERSION_NUMBER)
    uint64_t jpeg = TURBOJPEG_VERSION_NUMBER / 1000000;
#elif defined(TJ_NUMINIT)
    uint64_t jpeg = 3;
#else
    uint64_t jpeg = 2;
#endif

    return jpeg << 32 | png_access_version_number() / 100;
}
