#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/data/image_priv.h"

/* libpng leaves its functions by longjmp. Everything that must survive that lies in here, in the
 * caller's frame: no local of the function that calls setjmp is read after a jump. */
struct png_job {
    struct tr_decoder *d;
    const uint8_t *bytes;
    size_t n, at;
    png_structp png;
    png_infop info;
    png_bytep *row;
    int w, h, channels;
    bool cut, no_memory;
    char what[128];
    struct hpo_err *err;
};

static void on_read(png_structp png, png_bytep to, size_t n)
{
    struct png_job *job = png_get_io_ptr(png);

    if (n > job->n - job->at) {
        job->cut = true;
        png_error(png, "unexpected end of file");
    }
    memcpy(to, job->bytes + job->at, n);
    job->at += n;
}

static void on_error(png_structp png, png_const_charp what)
{
    struct png_job *job = png_get_error_ptr(png);

    snprintf(job->what, sizeof(job->what), "%s", what);
    png_longjmp(png, 1);
}

/* Warnings are about text and colour profiles, which are not used. */
static void on_warning(png_structp png, png_const_charp what)
{
    (void)png;
    (void)what;
}

int png_size(const uint8_t *bytes, size_t n, int *ret_w, int *ret_h, struct hpo_err *err)
{
    uint32_t w, h;
    int rc;

    if (n < 33 || memcmp(bytes + 12, "IHDR", 4))
        return hpo_fail(err, HPO_EFORMAT, "%s",
                        n < 33 ? "is cut off (no PNG header)" : "is damaged (no PNG header)");
    w = (uint32_t)bytes[16] << 24 | (uint32_t)bytes[17] << 16 | (uint32_t)bytes[18] << 8 |
        bytes[19];
    h = (uint32_t)bytes[20] << 24 | (uint32_t)bytes[21] << 16 | (uint32_t)bytes[22] << 8 |
        bytes[23];
    rc = check_claim(w, h, err);
    if (rc)
        return rc;
    *ret_w = (int)w;
    *ret_h = (int)h;
    return 0;
}

/* Whatever the file holds -> 8-bit RGB, with A when there is any transparency. */
static void ask_for_rgb(struct png_job *job)
{
    png_set_expand(job->png); /* palettes, 1, 2 and 4 bits, tRNS to alpha */
    png_set_scale_16(job->png);
    png_set_gray_to_rgb(job->png);
    png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
    job->channels = png_get_channels(job->png, job->info);
}

static void read_all(struct png_job *job)
{
    size_t stride;

    png_set_read_fn(job->png, job, on_read);
    png_set_user_limits(job->png, TR_IMAGE_MAX_SIDE, TR_IMAGE_MAX_SIDE);
    png_set_chunk_cache_max(job->png, 64);
    png_set_chunk_malloc_max(job->png, 8 << 20);
    png_read_info(job->png, job->info);
    /* The size that was checked is the size that libpng will write. */
    if (png_get_image_width(job->png, job->info) != (png_uint_32)job->w ||
        png_get_image_height(job->png, job->info) != (png_uint_32)job->h)
        png_error(job->png, "two headers");
    ask_for_rgb(job);
    stride = png_get_rowbytes(job->png, job->info);
    if ((job->channels != 3 && job->channels != 4) ||
        stride != (size_t)job->w * (size_t)job->channels)
        png_error(job->png, "unexpected layout");
    job->row = malloc((size_t)job->h * sizeof(*job->row));
    if (!job->row ||
        decoder_reserve(&job->d->pixel, &job->d->pixel_cap, stride * (size_t)job->h, job->err)) {
        job->no_memory = true;
        png_error(job->png, "out of memory");
    }
    for (int y = 0; y < job->h; y++)
        job->row[y] = job->d->pixel + (size_t)y * stride;
    png_read_image(job->png, job->row);
    png_read_end(job->png, NULL);
}

static int run(struct png_job *job)
{
    if (setjmp(png_jmpbuf(job->png)))
        return -1;
    read_all(job);
    return 0;
}

/* In place, 4 bytes to 3: c * alpha / 255, rounded. */
static void over_black(uint8_t *p, size_t n)
{
    const uint8_t *from = p;

    for (size_t i = 0; i < n; i++, from += 4, p += 3) {
        unsigned a = from[3];

        for (int c = 0; c < 3; c++)
            p[c] = (uint8_t)((from[c] * a + 127) / 255);
    }
}

static int fail_job(const struct png_job *job)
{
    if (job->no_memory)
        return hpo_fail(job->err, HPO_ENOMEM, "cannot be decoded: out of memory");
    if (job->cut)
        return hpo_fail(job->err, HPO_EFORMAT, "is cut off (unexpected end of the PNG file)");
    return hpo_fail(job->err, HPO_EFORMAT, "is damaged (%s)", job->what);
}

int png_decode(struct tr_decoder *d, const uint8_t *bytes, size_t n, const struct tr_box *box,
               int size, enum tr_resize resize, uint8_t *ret, struct hpo_err *err)
{
    struct png_job job = {.d = d, .bytes = bytes, .n = n, .err = err};
    int rc = png_size(bytes, n, &job.w, &job.h, err);

    if (!rc && box->w)
        rc = check_box(box, job.w, job.h, err);
    if (rc)
        return rc;
    job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    if (!job.info)
        job.no_memory = true;
    if (!job.info || run(&job)) {
        rc = fail_job(&job);
    } else {
        int w = box->w ? box->w : job.w, h = box->w ? box->h : job.h;
        struct frame f = frame_of(w, h, size, resize);

        if (job.channels == 4)
            over_black(d->pixel, (size_t)job.w * (size_t)job.h);
        if (box->w)
            crop_rgb(d->pixel, job.w, box);
        rc = resize_rgb(d, d->pixel, w, h, 1, &f, size, ret, err);
    }
    png_destroy_read_struct(&job.png, &job.info, NULL);
    free(job.row);
    return rc;
}
