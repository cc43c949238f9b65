/* From the decoded image to the square, in exact integers.
 *
 * Each axis is separable: an output pixel is a run of input pixels k0 .. k1 with weights whose sum
 * `total` is the same for every output pixel of the axis. Both passes keep the unrounded sums; the
 * one division at the end rounds to nearest. */
#include <string.h>

#include "trainer/data/image_priv.h"

struct tap {
    int64_t k0, k1;
    uint64_t w0, mid, w1; /* of k0, of those between, of k1 (unused when k1 == k0) */
};

/* Python's round(x / 2): halves go to the even neighbour. */
static int64_t half_to_even(int64_t x)
{
    return x / 2 + (x & 1 && (x / 2) & 1);
}

struct frame frame_of(int w, int h, int size, enum tr_resize resize)
{
    struct frame f = {.x = {size, 0}, .y = {size, 0}};

    if (resize == TR_RESIZE_STRETCH)
        return f;
    if (w > h) {
        f.x.full = (int64_t)size * w / h;
        f.x.first = half_to_even(f.x.full - size);
    } else {
        f.y.full = (int64_t)size * h / w;
        f.y.first = half_to_even(f.y.full - size);
    }
    return f;
}

/* Output pixel j covers [j * in, (j + 1) * in) and input pixel k, which stands for `scale` pixels
 * of the whole image, [k * scale * full, (k + 1) * scale * full) of the same line: the overlaps are
 * integers and sum to `in`. The last input pixel may reach over the image's end; what is there is
 * not used. (To take the scaled image's size for the image's would stretch small ones by percents.)
 */
static struct tap area_tap(int64_t in, int64_t scale, int64_t full, int64_t j)
{
    int64_t a = j * in, b = a + in, unit = scale * full;
    struct tap t = {.k0 = a / unit, .k1 = (b - 1) / unit, .mid = (uint64_t)unit};

    if (t.k0 == t.k1) {
        t.w0 = (uint64_t)in;
    } else {
        t.w0 = (uint64_t)((t.k0 + 1) * unit - a);
        t.w1 = (uint64_t)(b - t.k1 * unit);
    }
    return t;
}

/* Half-pixel centres: the position (j + 0.5) * in / full - 0.5, times 2 * full. */
static struct tap bilinear_tap(int64_t in, int64_t full, int64_t j)
{
    int64_t unit = 2 * full, pos = (2 * j + 1) * in - full, k, f;
    struct tap t = {0};

    if (pos <= 0 || pos >= (in - 1) * unit) {
        t.k0 = t.k1 = pos <= 0 ? 0 : in - 1;
        t.w0 = (uint64_t)unit;
        return t;
    }
    k = pos / unit;
    f = pos - k * unit;
    t.k0 = k;
    t.k1 = f ? k + 1 : k;
    t.w0 = (uint64_t)(unit - f);
    t.w1 = (uint64_t)f;
    return t;
}

/* Taps of the kept pixels; returns their total. What was decoded smaller is larger than the target.
 */
static uint64_t axis_taps(int in, int scale, const struct frame_axis *a, int size, struct tap *ret)
{
    for (int j = 0; j < size; j++)
        ret[j] = in > a->full ? area_tap(in, scale, a->full, a->first + j)
                              : bilinear_tap(in, a->full, a->first + j);
    return in > a->full ? (uint64_t)in : 2 * (uint64_t)a->full;
}

static void resample_row(const uint8_t *row, const struct tap *tap, int size, uint64_t *ret)
{
    for (int j = 0; j < size; j++, ret += 3) {
        const struct tap *t = &tap[j];
        const uint8_t *p = row + t->k0 * 3, *end = row + t->k1 * 3;
        uint64_t r = t->w0 * p[0], g = t->w0 * p[1], b = t->w0 * p[2];
        uint32_t mid[3] = {0, 0, 0};

        if (p != end) {
            for (p += 3; p < end; p += 3) {
                mid[0] += p[0];
                mid[1] += p[1];
                mid[2] += p[2];
            }
            r += t->mid * mid[0] + t->w1 * p[0];
            g += t->mid * mid[1] + t->w1 * p[1];
            b += t->mid * mid[2] + t->w1 * p[2];
        }
        ret[0] = r;
        ret[1] = g;
        ret[2] = b;
    }
}

/* round(v / total): the floating quotient is off by one at most, and put right. */
static uint8_t divide(uint64_t v, uint64_t total, double inverse)
{
    uint64_t q;

    v += total / 2;
    q = (uint64_t)((double)v * inverse);
    if (q * total > v)
        q--;
    else if ((q + 1) * total <= v)
        q++;
    return (uint8_t)q;
}

int resize_rgb(struct tr_decoder *d, const uint8_t *src, int w, int h, int denominator,
               const struct frame *f, int size, uint8_t *ret, struct hpo_err *err)
{
    size_t side = (size_t)size, line = side * 3;
    size_t stride = ((size_t)w + (size_t)denominator - 1) / (size_t)denominator * 3;
    struct tap *xt, *yt;
    uint64_t *acc, *row[2], total;
    int64_t have[2] = {-1, -1};
    double inverse;
    int rc;

    if (w == size * denominator && h == size * denominator && f->x.full == size &&
        f->y.full == size) {
        memcpy(ret, src, side * line);
        return 0;
    }
    rc = decoder_reserve(&d->work, &d->work_cap,
                         2 * side * sizeof(struct tap) + 3 * line * sizeof(uint64_t), err);
    if (rc)
        return rc;
    xt = (struct tap *)(void *)d->work;
    yt = xt + side;
    acc = (uint64_t *)(yt + side);
    row[0] = acc + line;
    row[1] = row[0] + line;
    total = axis_taps(w, denominator, &f->x, size, xt) * axis_taps(h, denominator, &f->y, size, yt);
    inverse = 1.0 / (double)total;
    for (int i = 0; i < size; i++) {
        memset(acc, 0, line * sizeof(*acc));
        for (int64_t k = yt[i].k0; k <= yt[i].k1; k++) {
            uint64_t weight = k == yt[i].k0 ? yt[i].w0 : k == yt[i].k1 ? yt[i].w1 : yt[i].mid;
            uint64_t *r = row[k & 1];

            /* Neighbouring output rows share input rows: the last two are kept. */
            if (have[k & 1] != k) {
                resample_row(src + (size_t)k * stride, xt, size, r);
                have[k & 1] = k;
            }
            for (size_t c = 0; c < line; c++)
                acc[c] += weight * r[c];
        }
        for (size_t c = 0; c < line; c++)
            *ret++ = divide(acc[c], total, inverse);
    }
    return 0;
}
