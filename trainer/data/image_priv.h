/* trainer/data/image_priv.h - between the files of the image loader; included by nobody else. */
#ifndef HPO_TRAINER_DATA_IMAGE_PRIV_H
#define HPO_TRAINER_DATA_IMAGE_PRIV_H

#include <stdbool.h>

#include "trainer/data/image.h"

struct tr_decoder {
    void *tj;       /* tjhandle */
    uint8_t *pixel; /* the decoded image before resizing */
    size_t pixel_cap;
    uint8_t *work; /* scratch of resize_rgb and of the orientation */
    size_t work_cap;
};

/* At least n bytes behind *buf; what was there is lost. */
int decoder_reserve(uint8_t **buf, size_t *cap, size_t n, struct hpo_err *err);

/* One axis of the way from the stored image to the square: resize `full` pixels long, keep `size`
 * of them from `first` on. */
struct frame_axis {
    int64_t full, first;
};
struct frame {
    struct frame_axis x, y;
};

/* torchvision's Resize(size) + CenterCrop(size) of a w x h image, or a squash to the square. */
struct frame frame_of(int w, int h, int size, enum tr_resize resize);

/* A w x h image, decoded at a scale of 1/denominator: src (ceil(h / denominator), ceil(w /
 * denominator), 3) -> ret (size, size, 3). Shrinking an axis averages areas, enlarging it is
 * bilinear (half-pixel centres, clamped at the edges); all in integers, rounded once, so the result
 * does not depend on the machine. */
int resize_rgb(struct tr_decoder *d, const uint8_t *src, int w, int h, int denominator,
               const struct frame *f, int size, uint8_t *ret, struct hpo_err *err);

/* What TurboJPEG does not tell: found by walking the markers in front of the first scan. */
struct jpeg_notes {
    int orientation; /* EXIF 1 .. 8; 1 when absent or nonsense */
    bool adobe;      /* an Adobe marker: CMYK values are inverted */
};
struct jpeg_notes jpeg_notes_read(const uint8_t *bytes, size_t n);
/* A copy without stray bytes between the segments in front of the first scan, and with a JFIF
 * version that is known. ret has room for n bytes; returns the length. */
size_t jpeg_mend_header(const uint8_t *bytes, size_t n, uint8_t *ret);

/* EXIF orientation. */
static inline bool orientation_swaps(int o)
{
    return o >= 5;
}
/* The frame of the upright image as seen from the stored one. */
struct frame frame_stored(const struct frame *upright, int orientation, int size);
/* Turn a stored square upright, in place. */
int orientation_apply(struct tr_decoder *d, uint8_t *square, int size, int orientation,
                      struct hpo_err *err);

/* The box of an upright image as it lies in the stored one, which is w x h. */
struct tr_box box_stored(const struct tr_box *upright, int orientation, int w, int h);

int check_claim(int64_t w, int64_t h, struct hpo_err *err);
int check_box(const struct tr_box *box, int w, int h, struct hpo_err *err);
/* Of an image w pixels wide leave the box alone, (box->h, box->w, 3) at its beginning. */
void crop_rgb(uint8_t *p, int w, const struct tr_box *box);

int jpeg_size(struct tr_decoder *d, const uint8_t *bytes, size_t n, int *ret_w, int *ret_h,
              struct hpo_err *err);
int jpeg_decode(struct tr_decoder *d, const uint8_t *bytes, size_t n, const struct tr_box *box,
                int size, enum tr_resize resize, uint8_t *ret, struct hpo_err *err);
int png_size(const uint8_t *bytes, size_t n, int *ret_w, int *ret_h, struct hpo_err *err);
int png_decode(struct tr_decoder *d, const uint8_t *bytes, size_t n, const struct tr_box *box,
               int size, enum tr_resize resize, uint8_t *ret, struct hpo_err *err);

#endif
