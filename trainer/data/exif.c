/* The markers in front of a JPEG's first scan, and the orientation that EXIF puts there.
 * Layout: ITU-T T.81 annex B; EXIF 2.3 (CIPA DC-008) 4.5, 4.6.4; Adobe Technical Note 5116. */
#include <string.h>

#include "trainer/data/image_priv.h"

struct tiff {
    const uint8_t *p;
    size_t n;
    bool big_endian;
};

static uint32_t get16(const struct tiff *t, size_t at)
{
    const uint8_t *p = t->p + at;

    return t->big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t get32(const struct tiff *t, size_t at)
{
    return t->big_endian ? get16(t, at) << 16 | get16(t, at + 2)
                         : get16(t, at + 2) << 16 | get16(t, at);
}

/* 0: this TIFF block does not tell. */
static int tiff_orientation(const uint8_t *p, size_t n)
{
    struct tiff t = {.p = p, .n = n};
    size_t ifd, entries;

    if (n < 8)
        return 0;
    if (!memcmp(p, "MM\0*", 4))
        t.big_endian = true;
    else if (memcmp(p, "II*\0", 4))
        return 0;
    ifd = get32(&t, 4);
    if (ifd > n - 2)
        return 0;
    entries = get16(&t, ifd);
    ifd += 2;
    for (size_t i = 0; i < entries && ifd + 12 <= n; i++, ifd += 12) {
        if (get16(&t, ifd) != 0x0112)
            continue;
        if (get16(&t, ifd + 2) == 3 && get32(&t, ifd + 4) == 1) {
            uint32_t o = get16(&t, ifd + 8);

            return o >= 1 && o <= 8 ? (int)o : 0;
        }
        return 0;
    }
    return 0;
}

struct segment {
    size_t at, end; /* from the marker's 0xff to behind the body */
    uint8_t marker;
    const uint8_t *body;
    size_t len; /* of the body */
};

/* The next segment with a length at or behind `at`; false at the first scan, and where the file
 * does not go on like a JPEG. Stray bytes are skipped, as the decoder does. */
static bool next_segment(const uint8_t *bytes, size_t n, size_t at, struct segment *ret)
{
    while (at + 4 <= n) {
        uint8_t marker = bytes[at + 1];
        size_t len;

        if (bytes[at] != 0xff || marker == 0xff) {
            at++;
            continue;
        }
        if (marker == 0 || marker == 1 || (marker >= 0xd0 && marker <= 0xd8)) { /* no length */
            at += 2;
            continue;
        }
        if (marker == 0xda || marker == 0xd9)
            return false;
        len = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (len < 2 || len > n - at - 2)
            return false;
        *ret = (struct segment){at, at + 2 + len, marker, bytes + at + 4, len - 2};
        return true;
    }
    return false;
}

struct jpeg_notes jpeg_notes_read(const uint8_t *bytes, size_t n)
{
    struct jpeg_notes notes = {.orientation = 1};
    bool seen_exif = false;
    struct segment s = {.end = 2};

    while (next_segment(bytes, n, s.end, &s)) {
        if (s.marker == 0xe1 && !seen_exif && s.len >= 6 && !memcmp(s.body, "Exif\0\0", 6)) {
            int o = tiff_orientation(s.body + 6, s.len - 6);

            seen_exif = true;
            notes.orientation = o ? o : 1;
        } else if (s.marker == 0xee && s.len >= 12 && !memcmp(s.body, "Adobe", 5)) {
            notes.adobe = true;
        }
    }
    return notes;
}

size_t jpeg_mend_header(const uint8_t *bytes, size_t n, uint8_t *ret)
{
    struct segment s = {.end = 2};
    size_t to = n < 2 ? n : 2;

    memcpy(ret, bytes, to);
    while (next_segment(bytes, n, s.end, &s)) {
        memcpy(ret + to, bytes + s.at, s.end - s.at);
        if (s.marker == 0xe0 && s.len >= 7 && !memcmp(s.body, "JFIF", 5))
            ret[to + 4 + 5] = 1;
        to += s.end - s.at;
    }
    /* Stray bytes in front of the scan itself. */
    while (s.end + 2 <= n &&
           !(bytes[s.end] == 0xff && bytes[s.end + 1] >= 0xc0 && bytes[s.end + 1] < 0xff))
        s.end++;
    if (n > s.end)
        memcpy(ret + to, bytes + s.end, n - s.end);
    return to + (n > s.end ? n - s.end : 0);
}

static struct frame_axis mirrored(struct frame_axis a, int size)
{
    a.first = a.full - size - a.first;
    return a;
}

struct frame frame_stored(const struct frame *upright, int orientation, int size)
{
    struct frame f = *upright;

    if (orientation_swaps(orientation))
        f = (struct frame){.x = upright->y, .y = upright->x};
    /* An odd remainder puts the crop one pixel off the middle: on the upright image's side. */
    if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
        f.x = mirrored(f.x, size);
    if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
        f.y = mirrored(f.y, size);
    return f;
}

struct tr_box box_stored(const struct tr_box *upright, int orientation, int w, int h)
{
    struct tr_box b = *upright;

    if (orientation_swaps(orientation))
        b = (struct tr_box){upright->y, upright->x, upright->h, upright->w};
    if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
        b.x = w - b.w - b.x;
    if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
        b.y = h - b.h - b.y;
    return b;
}

int orientation_apply(struct tr_decoder *d, uint8_t *square, int size, int orientation,
                      struct hpo_err *err)
{
    size_t bytes = (size_t)size * (size_t)size * 3;
    int last = size - 1, rc;

    if (orientation <= 1)
        return 0;
    rc = decoder_reserve(&d->work, &d->work_cap, bytes, err);
    if (rc)
        return rc;
    memcpy(d->work, square, bytes);
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            int sy = y, sx = x;

            switch (orientation) { /* where the upright pixel (y, x) is stored */
            case 2:
                sx = last - x;
                break;
            case 3:
                sy = last - y, sx = last - x;
                break;
            case 4:
                sy = last - y;
                break;
            case 5:
                sy = x, sx = y;
                break;
            case 6:
                sy = last - x, sx = y;
                break;
            case 7:
                sy = last - x, sx = last - y;
                break;
            case 8:
                sy = x, sx = last - y;
                break;
            }
            memcpy(square + ((size_t)y * (size_t)size + (size_t)x) * 3,
                   d->work + ((size_t)sy * (size_t)size + (size_t)sx) * 3, 3);
        }
    }
    return 0;
}
