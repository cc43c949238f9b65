/* trainer/data/image.h - one image file's bytes -> a small square of RGB.
 *
 * JPEG (baseline, progressive, grayscale, CMYK/YCCK, EXIF orientation) through TurboJPEG, decoded
 * at the smallest scale that is still as large as the target; PNG (any depth, palette, alpha over
 * black) through libpng. Shrinking averages areas; enlarging is bilinear with half-pixel centres
 * (align_corners=False). Accurate DCT: the same bytes give the same pixels. Untrusted input: sizes
 * are checked before anything is allocated. */
#ifndef HPO_TRAINER_DATA_IMAGE_H
#define HPO_TRAINER_DATA_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "trainer/data/dataset.h"
#include "trainer/data/reader.h"

#define TR_IMAGE_MAX_PIXELS ((int64_t)100 * 1000 * 1000)
#define TR_IMAGE_MAX_BYTES ((size_t)256 << 20)
#define TR_IMAGE_MAX_SIDE 1000000 /* pixels, of what is read */
#define TR_IMAGE_MAX_SIZE 4096    /* pixels, of the square that is made */

/* A decoder with its buffers; one per thread. */
struct tr_decoder;
struct tr_decoder *tr_decoder_new(void); /* NULL: out of memory */
void tr_decoder_free(struct tr_decoder *d);

/* bytes -> ret (size, size, 3); size is 1 .. TR_IMAGE_MAX_SIZE. HPO_EFORMAT with the reason, in
 * words that follow the file's name ("is empty", "is neither JPEG nor PNG", "is cut off ...",
 * "claims 65500 x 65500 pixels, at most 100 million are read"), HPO_ENOMEM. On failure ret may be
 * partly written. */
int tr_image_decode(struct tr_decoder *d, const uint8_t *bytes, size_t n, int size,
                    enum tr_resize resize, uint8_t *ret, struct hpo_err *err);
/* The same of a part of the upright image (box->w 0: of all of it), cut out at full scale before it
 * is resized. HPO_EFORMAT also when the box reaches outside; the reason begins with TR_BOX_OUTSIDE. */
int tr_image_decode_box(struct tr_decoder *d, const uint8_t *bytes, size_t n,
                        const struct tr_box *box, int size, enum tr_resize resize, uint8_t *ret,
                        struct hpo_err *err);
#define TR_BOX_OUTSIDE "has its box outside"
/* Width and height after EXIF orientation, without decoding. */
int tr_image_size(struct tr_decoder *d, const uint8_t *bytes, size_t n, int *ret_w, int *ret_h,
                  struct hpo_err *err);

/* Changes when the decoding libraries' major versions do: pixels may differ then. */
uint64_t tr_image_libraries(void);

#endif
