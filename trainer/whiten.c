#include "trainer/whiten.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define EPS 5e-4
#define MAX_SWEEPS 64
#define MAX_KERNEL 7

/* ---- eigenvectors ---- */

/* A rotation in the plane of p and q that makes a[p][q] zero. */
static void rotate(double *a, double *v, int n, int p, int q)
{
    double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
    double t = copysign(1.0, theta) / (fabs(theta) + sqrt(theta * theta + 1));
    double c = 1 / sqrt(t * t + 1), s = t * c;

    for (int k = 0; k < n; k++) {
        double x = a[k * n + p], y = a[k * n + q];

        a[k * n + p] = c * x - s * y;
        a[k * n + q] = s * x + c * y;
    }
    for (int k = 0; k < n; k++) {
        double x = a[p * n + k], y = a[q * n + k];

        a[p * n + k] = c * x - s * y;
        a[q * n + k] = s * x + c * y;
    }
    for (int k = 0; k < n; k++) {
        double x = v[p * n + k], y = v[q * n + k];

        v[p * n + k] = c * x - s * y;
        v[q * n + k] = s * x + c * y;
    }
}

static bool is_diagonal(const double *a, int n)
{
    double off = 0, all = 0;

    for (int i = 0; i < n * n; i++) {
        all += a[i] * a[i];
        off += i / n == i % n ? 0 : a[i] * a[i];
    }
    return off <= 1e-30 * all;
}

static void swap(double *a, double *b, int n)
{
    for (int i = 0; i < n; i++) {
        double x = a[i];

        a[i] = b[i];
        b[i] = x;
    }
}

void tr_eigen(double *a, int n, double *value, double *v)
{
    for (int i = 0; i < n * n; i++)
        v[i] = i / n == i % n;
    for (int sweep = 0; sweep < MAX_SWEEPS && !is_diagonal(a, n); sweep++)
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++)
                if (a[p * n + q] != 0)
                    rotate(a, v, n, p, q);
    for (int i = 0; i < n; i++)
        value[i] = a[i * n + i];
    for (int i = 0; i < n; i++) {
        int top = i;

        for (int k = i + 1; k < n; k++)
            top = value[k] > value[top] ? k : top;
        swap(&value[i], &value[top], top == i ? 0 : 1);
        swap(&v[i * n], &v[top * n], top == i ? 0 : n);
    }
}

/* ---- second moments of patches ---- */

/* Exact sums over patches of bytes; element (c, y, x) of a patch is number (c k + y) k + x. */
struct moments {
    int k, size; /* 3 k k */
    uint64_t *one, *two;
    double count;
};

static uint64_t dot(const uint16_t *a, const uint16_t *b, int n)
{
    uint32_t sum = 0; /* rows of at most 2^14 pixels, 2^16 each */

    for (int i = 0; i < n; i++)
        sum += (uint32_t)a[i] * b[i];
    return sum;
}

static void add_row(struct moments *m, const uint16_t *const *from, int across)
{
    for (int i = 0; i < m->size; i++) {
        for (int x = 0; x < across; x++)
            m->one[i] += from[i][x];
        for (int j = i; j < m->size; j++)
            m->two[i * m->size + j] += dot(from[i], from[j], across);
    }
}

/* planes: (3, h, w), room for one image. */
static void add_image(struct moments *m, const struct kn_images *im, int32_t row, uint16_t *planes)
{
    const uint16_t *from[3 * MAX_KERNEL * MAX_KERNEL];
    size_t pixels = (size_t)im->h * (size_t)im->w, k = (size_t)m->k;
    const uint8_t *p = im->pixels + (size_t)row * pixels * 3;

    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++)
            planes[c * pixels + i] = p[3 * i + c];
    for (size_t y = 0; y + k <= (size_t)im->h; y++) {
        for (size_t i = 0; i < (size_t)m->size; i++)
            from[i] = planes + i / (k * k) * pixels + (y + i / k % k) * (size_t)im->w + i % k;
        add_row(m, from, im->w - m->k + 1);
    }
    m->count += (double)(im->h - m->k + 1) * (im->w - m->k + 1);
}

static void add_images(struct moments *m, const struct kn_images *im, const int32_t *rows, int n)
{
    uint16_t *planes = xcalloc((size_t)im->h * (size_t)im->w * 3, sizeof(*planes));
    double patches = (double)(im->h - m->k + 1) * (im->w - m->k + 1);
    int take = (int)fmin(TR_WHITEN_IMAGES, fmax(TR_WHITEN_LEAST, TR_WHITEN_PATCHES / patches));

    take = take < n ? take : n;
    for (int i = 0; i < take; i++)
        add_image(m, im, rows[(int64_t)i * n / take], planes);
    free(planes);
}

/* Of the normalised values x = (byte / 255 - mean) / std: the mean of x_i x_j. */
static void second_moments(const struct moments *m, const float mean[3], const float std[3],
                           double *ret)
{
    int plane = m->k * m->k;

    for (int i = 0; i < m->size; i++)
        for (int j = i; j < m->size; j++) {
            double a = (double)mean[i / plane], b = (double)mean[j / plane];
            double one_i = (double)m->one[i] / m->count / 255;
            double one_j = (double)m->one[j] / m->count / 255;
            double two = (double)m->two[i * m->size + j] / m->count / (255.0 * 255.0);

            ret[i * m->size + j] = ret[j * m->size + i] =
                (two - a * one_j - b * one_i + a * b) /
                ((double)std[i / plane] * (double)std[j / plane]);
        }
}

static void fill(const double *value, const double *v, int size, float *ret)
{
    for (int i = 0; i < size; i++) {
        const double *row = v + (size_t)i * (size_t)size;
        double top = 0, scale = 1 / sqrt(fmax(value[i], 0) + EPS);

        for (int k = 0; k < size; k++)
            top = fabs(row[k]) > fabs(top) ? row[k] : top;
        scale = top < 0 ? -scale : scale;
        for (int k = 0; k < size; k++) {
            ret[i * size + k] = (float)(scale * row[k]);
            ret[(size + i) * size + k] = (float)(-scale * row[k]);
        }
    }
}

int tr_whiten(const struct kn_net *net, const struct kn_images *images, const int32_t *rows, int n,
              const float mean[3], const float std[3], float *weights, struct hpo_err *err)
{
    for (int i = 0; i < net->n_params; i++) {
        const struct kn_param *p = &net->param[i];
        struct moments m = {.k = p->dims[2]};
        double *c, *v, *value;
        size_t size;

        if (p->init != KN_INIT_WHITEN || !p->trained || net->op[p->op].weight != i)
            continue;
        m.size = 3 * m.k * m.k;
        if (net->op[p->op].in != 0 || p->dims[1] != 3 || p->dims[0] != 2 * m.size ||
            m.k > MAX_KERNEL || n < 1)
            return hpo_fail(err, HPO_ECONFIG, "%s: no filters that could whiten patches", p->name);
        size = (size_t)m.size;
        m.one = xcalloc(size, sizeof(*m.one));
        m.two = xcalloc(size * size, sizeof(*m.two));
        c = xcalloc(size * (2 * size + 1), sizeof(*c));
        v = c + size * size;
        value = v + size * size;
        add_images(&m, images, rows, n);
        second_moments(&m, mean, std, c);
        tr_eigen(c, m.size, value, v);
        fill(value, v, m.size, weights + p->offset);
        free(m.one);
        free(m.two);
        free(c);
    }
    return HPO_OK;
}
