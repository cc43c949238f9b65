/* libFuzzer: the bytes of an image file, through the size and both ways of resizing. The checksums
 * of a PNG's chunks are put right first: nothing but libpng's CRC would be tested without. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/data/image.h"

#define SIZE 24
#define MAX_PIXELS ((int64_t)1 << 20) /* what is larger is slow, and no different */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* CRC-32 as in the PNG specification, annex D. */
static uint32_t crc_of(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? 0xedb88320 ^ crc >> 1 : crc >> 1;
    }
    return ~crc;
}

static void mend_png(uint8_t *p, size_t n)
{
    for (size_t i = 8; i + 12 <= n;) {
        size_t len = (size_t)p[i] << 24 | (size_t)p[i + 1] << 16 | (size_t)p[i + 2] << 8 | p[i + 3];
        uint32_t crc;

        if (len > n - i - 12)
            return;
        crc = crc_of(p + i + 4, len + 4);
        for (int k = 0; k < 4; k++)
            p[i + 8 + len + (size_t)k] = (uint8_t)(crc >> (24 - 8 * k));
        i += 12 + len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct tr_decoder *decoder;
    uint8_t square[SIZE * SIZE * 3], *copy = malloc(n);
    int w, h;

    if (!decoder)
        decoder = tr_decoder_new();
    if (n)
        memcpy(copy, data, n);
    if (n > 8 && !memcmp(data, "\x89PNG", 4))
        mend_png(copy, n);
    if (!tr_image_size(decoder, copy, n, &w, &h, NULL) && (int64_t)w * h <= MAX_PIXELS) {
        tr_image_decode(decoder, copy, n, SIZE, TR_RESIZE_CROP, square, NULL);
        tr_image_decode(decoder, copy, n, SIZE, TR_RESIZE_STRETCH, square, NULL);
        tr_image_decode_box(decoder, copy, n, &(struct tr_box){w / 3, h / 2, (w + 1) / 2, (h + 1) / 2},
                            SIZE, TR_RESIZE_CROP, square, NULL);
    }
    free(copy);
    return 0;
}
