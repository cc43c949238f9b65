#include <stdio.h>
#include <string.h>
#include <turbojpeg.h>

#include "trainer/data/image_priv.h"

#define FLAGS (TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS)

/* "tjDecompress2(): Premature end of JPEG file" -> "Premature end of JPEG file". */
static const char *message_of(tjhandle tj)
{
    const char *s = tjGetErrorStr2(tj), *p = strstr(s, "(): ");

    return p ? p + 4 : s;
}

static int fail_decode(tjhandle tj, struct hpo_err *err)
{
    const char *what = message_of(tj);

    if (strstr(what, "Premature end of JPEG"))
        return hpo_fail(err, HPO_EFORMAT, "is cut off (%s)", what);
    return hpo_fail(err, HPO_EFORMAT, "%s (%s)",
                    tjGetErrorCode(tj) == TJERR_WARNING ? "is damaged" : "cannot be decoded", what);
}

/* Warnings that do not touch the picture, seen in files of careless writers. */
static bool is_harmless(const char *message)
{
    return strstr(message, "extraneous bytes before marker") ||
           strstr(message, "unknown JFIF revision") ||
           strstr(message, "Unknown Adobe color transform");
}

static int header(struct tr_decoder *d, const uint8_t *bytes, size_t n, int *ret_w, int *ret_h,
                  int *ret_space, struct hpo_err *err)
{
    int w = 0, h = 0, subsampling = -1, space = -1, rc;

    /* It also fails for unusual subsampling, which tjDecompress2 reads all the same, and for mere
     * warnings: what counts is whether it got as far as the size. */
    if (tjDecompressHeader3(d->tj, bytes, (unsigned long)n, &w, &h, &subsampling, &space) &&
        (w < 1 || h < 1))
        return fail_decode(d->tj, err);
    rc = check_claim(w, h, err);
    if (rc)
        return rc;
    *ret_w = w;
    *ret_h = h;
    *ret_space = space;
    return 0;
}

int jpeg_size(struct tr_decoder *d, const uint8_t *bytes, size_t n, int *ret_w, int *ret_h,
              struct hpo_err *err)
{
    int w, h, space, rc = header(d, bytes, n, &w, &h, &space, err);
    bool swap;

    if (rc)
        return rc;
    swap = orientation_swaps(jpeg_notes_read(bytes, n).orientation);
    *ret_w = swap ? h : w;
    *ret_h = swap ? w : h;
    return 0;
}

static int decode_to(struct tr_decoder *d, const uint8_t *bytes, size_t n, int w, int h, int format,
                     uint8_t *pixels, struct hpo_err *err)
{
    char last[256];

    if (!tjDecompress2(d->tj, bytes, (unsigned long)n, pixels, w, 0, h, format, FLAGS))
        return 0;
    if (tjGetErrorCode(d->tj) != TJERR_WARNING || !is_harmless(message_of(d->tj)))
        return fail_decode(d->tj, err);
    /* Only the last of the warnings can be asked for, and it may hide a worse one. Stopping at the
     * first and comparing tells whether there was only this one. */
    snprintf(last, sizeof(last), "%s", message_of(d->tj));
    if (tjDecompress2(d->tj, bytes, (unsigned long)n, pixels, w, 0, h, format,
                      FLAGS | TJFLAG_STOPONWARNING) &&
        strcmp(last, message_of(d->tj)))
        return fail_decode(d->tj, err);
    /* That run ended early: once more for the pixels. */
    tjDecompress2(d->tj, bytes, (unsigned long)n, pixels, w, 0, h, format, FLAGS);
    return 0;
}

/* In place, 4 bytes to 3. Adobe's writers store the values inverted. */
static void cmyk_to_rgb(uint8_t *p, size_t n, bool adobe)
{
    unsigned flip = adobe ? 0 : 255;
    const uint8_t *from = p;

    for (size_t i = 0; i < n; i++, from += 4, p += 3) {
        unsigned k = from[3] ^ flip;
        unsigned c = from[0] ^ flip, m = from[1] ^ flip, y = from[2] ^ flip;

        p[0] = (uint8_t)((c * k + 127) / 255);
        p[1] = (uint8_t)((m * k + 127) / 255);
        p[2] = (uint8_t)((y * k + 127) / 255);
    }
}

/* The smallest of 1/8, 1/4, 1/2, 1 that leaves the image as large as what it is resized to. The
 * scales between those have no SIMD inverse DCT and are slower than what they save. */
static void scaled_down(int w, int h, const struct frame *f, int *ret_w, int *ret_h)
{
    int denominator = 8;

    for (; denominator > 1; denominator /= 2) {
        tjscalingfactor s = {1, denominator};

        if (TJSCALED(w, s) >= f->x.full && TJSCALED(h, s) >= f->y.full)
            break;
    }
    *ret_w = TJSCALED(w, ((tjscalingfactor){1, denominator}));
    *ret_h = TJSCALED(h, ((tjscalingfactor){1, denominator}));
}

int jpeg_decode(struct tr_decoder *d, const uint8_t *bytes, size_t n, int size,
                enum tr_resize resize, uint8_t *ret, struct hpo_err *err)
{
    int w, h, sw, sh, space, rc = header(d, bytes, n, &w, &h, &space, err);
    struct jpeg_notes notes;
    struct frame upright, f;
    bool swap, cmyk;

    if (rc)
        return rc;
    notes = jpeg_notes_read(bytes, n);
    swap = orientation_swaps(notes.orientation);
    upright = swap ? frame_of(h, w, size, resize) : frame_of(w, h, size, resize);
    f = frame_stored(&upright, notes.orientation, size);
    scaled_down(w, h, &f, &sw, &sh);
    cmyk = space == TJCS_CMYK || space == TJCS_YCCK;
    if (!cmyk && sw == size && sh == size && f.x.full == size && f.y.full == size) {
        rc = decode_to(d, bytes, n, sw, sh, TJPF_RGB, ret, err);
    } else {
        rc = decoder_reserve(&d->pixel, &d->pixel_cap,
                             (size_t)sw * (size_t)sh * (cmyk ? 4 : 3), err);
        if (!rc)
            rc = decode_to(d, bytes, n, sw, sh, cmyk ? TJPF_CMYK : TJPF_RGB, d->pixel, err);
        if (!rc && cmyk)
            cmyk_to_rgb(d->pixel, (size_t)sw * (size_t)sh, notes.adobe);
        if (!rc)
            rc = resize_rgb(d, d->pixel, sw, sh, &f, size, ret, err);
    }
    return rc ? rc : orientation_apply(d, ret, size, notes.orientation, err);
}
