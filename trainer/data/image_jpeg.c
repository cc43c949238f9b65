#include <string.h>
#include <turbojpeg.h>

#include "trainer/data/image_priv.h"

#define FLAGS (TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS)

struct complaint {
    bool warning;     /* the image was decoded, but is suspect */
    const char *what; /* valid until the next call with the handle */
};

#define IN_HEADER "in the header"

/* To be asked once: a handle forgets what it said. */
static struct complaint complaint_of(tjhandle tj)
{
    bool warning = tjGetErrorCode(tj) == TJERR_WARNING;
    const char *s = tjGetErrorStr2(tj), *p = strstr(s, "(): ");

    /* TurboJPEG 3 loses the words of a warning about the header on the way to this interface. */
    if (warning && !strcmp(s, "No error"))
        return (struct complaint){true, IN_HEADER};
    /* "tjDecompress2(): Premature end of JPEG file" -> "Premature end of JPEG file". */
    return (struct complaint){warning, p ? p + 4 : s};
}

static int fail_decode(const struct complaint *c, struct hpo_err *err)
{
    if (strstr(c->what, "Premature end of JPEG"))
        return hpo_fail(err, HPO_EFORMAT, "is cut off (%s)", c->what);
    return hpo_fail(err, HPO_EFORMAT, "%s (%s)", c->warning ? "is damaged" : "cannot be decoded",
                    c->what);
}

/* libjpeg tells the first warning of a file and keeps the others to itself. These two come from
 * careless writers and do not touch the picture, but one in the header may hide damage behind it;
 * stray bytes in front of EOI hide nothing. */
static bool is_harmless_at_the_end(const struct complaint *c)
{
    return c->warning && strstr(c->what, "extraneous bytes before marker 0xd9");
}
static bool is_harmless_in_the_header(const struct complaint *c)
{
    return c->warning &&
           (!strcmp(c->what, IN_HEADER) || strstr(c->what, "extraneous bytes before marker") ||
            strstr(c->what, "unknown JFIF revision"));
}

/* A Huffman code has at least one bit, and each 8 x 8 block of the luminance takes one: 1/512 byte
 * a pixel. A large claim over less than half of that is cut off for certain, and would cost
 * gigabytes to find out (a progressive file's coefficients are all held at once). */
#define LARGE_CLAIM ((int64_t)4 * 1000 * 1000)

static int check_bytes(int w, int h, size_t n, struct hpo_err *err)
{
    int64_t pixels = (int64_t)w * h;

    if (pixels <= LARGE_CLAIM || (int64_t)n >= pixels / 1024)
        return 0;
    return hpo_fail(err, HPO_EFORMAT, "is cut off (it claims %d x %d pixels in %zu bytes)", w, h,
                    n);
}

static int header(struct tr_decoder *d, const uint8_t *bytes, size_t n, int *ret_w, int *ret_h,
                  int *ret_space, struct hpo_err *err)
{
    int w = 0, h = 0, subsampling = -1, space = -1, rc;

    /* It also fails for unusual subsampling, which tjDecompress2 reads all the same, and for mere
     * warnings: what counts is whether it got as far as the size. */
    if (tjDecompressHeader3(d->tj, bytes, (unsigned long)n, &w, &h, &subsampling, &space) &&
        (w < 1 || h < 1)) {
        struct complaint c = complaint_of(d->tj);

        rc = fail_decode(&c, err);
        /* A header that ends in the middle leaves the handle in the middle of it: the next image
         * would be read as its rest. */
        tjDestroy(d->tj);
        d->tj = tjInitDecompress();
        return d->tj ? rc : hpo_fail(err, HPO_ENOMEM, "there is no memory for a decoder");
    }
    rc = check_claim(w, h, err);
    if (!rc)
        rc = check_bytes(w, h, n, err);
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
    for (bool mended = false;; mended = true) {
        struct complaint c;
        int rc;

        if (!tjDecompress2(d->tj, bytes, (unsigned long)n, pixels, w, 0, h, format, FLAGS))
            return 0;
        c = complaint_of(d->tj);
        if (is_harmless_at_the_end(&c))
            return 0;
        if (mended || !is_harmless_in_the_header(&c))
            return fail_decode(&c, err);
        /* Without what it warned about, it tells what else there is. */
        rc = decoder_reserve(&d->work, &d->work_cap, n, err);
        if (rc)
            return rc;
        n = jpeg_mend_header(bytes, n, d->work);
        bytes = d->work;
    }
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
static int scale_of(int w, int h, const struct frame *f, int *ret_w, int *ret_h)
{
    tjscalingfactor s = {1, 8};

    while (s.denom > 1 && (TJSCALED(w, s) < f->x.full || TJSCALED(h, s) < f->y.full))
        s.denom /= 2;
    *ret_w = TJSCALED(w, s);
    *ret_h = TJSCALED(h, s);
    return s.denom;
}

/* What is decoded, and what becomes of it. */
struct jpeg_job {
    int w, h, sw, sh, scale; /* stored, and decoded at 1 / scale */
    struct jpeg_notes notes;
    bool cmyk;
    struct tr_box box; /* stored; w 0: everything */
    struct frame frame;
};

static int plan(struct jpeg_job *job, const struct tr_box *box, int size, enum tr_resize resize,
                struct hpo_err *err)
{
    bool swap = orientation_swaps(job->notes.orientation);
    int w = swap ? job->h : job->w, h = swap ? job->w : job->h; /* upright */
    struct frame upright;

    job->sw = job->w;
    job->sh = job->h;
    job->scale = 1;
    if (box->w) {
        int rc = check_box(box, w, h, err);

        if (rc)
            return rc;
        job->box = box_stored(box, job->notes.orientation, job->w, job->h);
        w = box->w;
        h = box->h;
    }
    upright = frame_of(w, h, size, resize);
    job->frame = frame_stored(&upright, job->notes.orientation, size);
    if (!box->w) /* of a scaled image the pixels do not end where the box does */
        job->scale = scale_of(job->w, job->h, &job->frame, &job->sw, &job->sh);
    return 0;
}

int jpeg_decode(struct tr_decoder *d, const uint8_t *bytes, size_t n, const struct tr_box *box,
                int size, enum tr_resize resize, uint8_t *ret, struct hpo_err *err)
{
    struct jpeg_job j = {0};
    int space, rc = header(d, bytes, n, &j.w, &j.h, &space, err);

    if (rc)
        return rc;
    j.notes = jpeg_notes_read(bytes, n);
    j.cmyk = space == TJCS_CMYK || space == TJCS_YCCK;
    rc = plan(&j, box, size, resize, err);
    if (rc)
        return rc;
    if (!j.cmyk && !j.box.w && j.w == size * j.scale && j.h == size * j.scale) {
        rc = decode_to(d, bytes, n, j.sw, j.sh, TJPF_RGB, ret, err);
    } else {
        rc = decoder_reserve(&d->pixel, &d->pixel_cap,
                             (size_t)j.sw * (size_t)j.sh * (j.cmyk ? 4 : 3), err);
        if (!rc)
            rc = decode_to(d, bytes, n, j.sw, j.sh, j.cmyk ? TJPF_CMYK : TJPF_RGB, d->pixel, err);
        if (!rc && j.cmyk)
            cmyk_to_rgb(d->pixel, (size_t)j.sw * (size_t)j.sh, j.notes.adobe);
        if (!rc && j.box.w)
            crop_rgb(d->pixel, j.sw, &j.box);
        if (!rc)
            rc = resize_rgb(d, d->pixel, j.box.w ? j.box.w : j.w, j.box.w ? j.box.h : j.h, j.scale,
                            &j.frame, size, ret, err);
    }
    return rc ? rc : orientation_apply(d, ret, size, j.notes.orientation, err);
}
