/* kernels/cpu/vec_norm.h - the batch norm loops of vec.h; a part of vec_body.h, which includes it
 * once per instruction set. */

/* fp32 sums are moved into double after this many pixels. */
#define FLUSH 1024

static void norm_sums(const struct cpu_norm *a, const float *origin, int n0, int n1, double *sum,
                      double *square)
{
    int block = a->s.block;
    size_t pixels = (size_t)a->s.h * (size_t)a->s.w;

    for (int n = n0; n < n1; n++)
        for (int k = 0; k < a->s.blocks * block; k += VEC_LANES) {
            int cb = k / block, lane = k % block;
            const float *x = a->x + ((size_t)n * a->s.blocks + cb) * pixels * block + lane;
            vf o = load(origin + k);

            for (size_t p0 = 0; p0 < pixels; p0 += FLUSH) {
                size_t p1 = p0 + FLUSH < pixels ? p0 + FLUSH : pixels, p = p0;
                vf s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
                vf q0 = zero(), q1 = zero(), q2 = zero(), q3 = zero();

                for (; p + 4 <= p1; p += 4) {
                    vf v0 = load(x + p * block) - o, v1 = load(x + (p + 1) * block) - o;
                    vf v2 = load(x + (p + 2) * block) - o, v3 = load(x + (p + 3) * block) - o;

                    s0 += v0;
                    s1 += v1;
                    s2 += v2;
                    s3 += v3;
                    q0 += v0 * v0;
                    q1 += v1 * v1;
                    q2 += v2 * v2;
                    q3 += v3 * v3;
                }
                for (; p < p1; p++) {
                    vf v = load(x + p * block) - o;

                    s0 += v;
                    q0 += v * v;
                }
                add_double(sum + k, (s0 + s1) + (s2 + s3));
                add_double(square + k, (q0 + q1) + (q2 + q3));
            }
        }
}

/* One lane group of one image: where its parts are. */
struct place {
    const float *x, *res, *dy;
    float *y, *dx, *dres;
    int w, oh, ow;
    size_t step; /* floats from a pixel to the next */
    size_t pixels;
    vf scale, shift;
};

INLINE struct place place(const struct cpu_norm *a, int n, int k)
{
    struct place p;
    int block = a->s.block, cb = k / block, lane = k % block;
    size_t row = (size_t)n * a->s.blocks + cb, at, out;

    p.pixels = (size_t)a->s.h * (size_t)a->s.w;
    p.step = (size_t)block;
    p.w = a->s.w;
    p.oh = a->s.h / 2;
    p.ow = a->s.w / 2;
    at = row * p.pixels * block + lane;
    out = (a->tail == CPU_TAIL_NONE    ? row * p.pixels
           : a->tail == CPU_TAIL_POOL2 ? row * ((size_t)p.oh * p.ow)
                                       : row) * block + lane;
    p.x = a->x + at;
    p.res = a->res ? a->res + at : NULL;
    p.dx = a->dx ? a->dx + at : NULL;
    p.dres = a->dres ? a->dres + at : NULL;
    p.y = a->y ? a->y + out : NULL;
    p.dy = a->dy ? a->dy + out : NULL;
    p.scale = load(a->scale + k);
    p.shift = load(a->shift + k);
    return p;
}

/* The value before ReLU at pixel i. */
INLINE vf before(const struct place *p, size_t i, bool res)
{
    vf v = load(p->x + i * p->step) * p->scale + p->shift;

    return res ? v + load(p->res + i * p->step) : v;
}

/* The larger of two, the first when equal, NaN when either is. *ret_from: where b was taken. */
INLINE vf larger(vf a, vf b, vi *ret_from)
{
    *ret_from = (b > a) | (b != b);
    return blend(a, b, *ret_from);
}

INLINE void apply_lane(const struct place *p, bool res, bool relu, enum cpu_tail tail)
{
    if (tail == CPU_TAIL_NONE) {
        for (size_t i = 0; i < p->pixels; i++) {
            vf v = before(p, i, res);

            store(p->y + i * p->step, relu ? relu1(v) : v);
        }
    } else if (tail == CPU_TAIL_POOL2) {
        for (int oy = 0; oy < p->oh; oy++)
            for (int ox = 0; ox < p->ow; ox++) {
                size_t i = (size_t)(2 * oy) * p->w + 2 * ox;
                vi f;
                vf v = larger(before(p, i, res), before(p, i + 1, res), &f);

                v = larger(v, larger(before(p, i + p->w, res), before(p, i + p->w + 1, res), &f),
                           &f);
                store(p->y + ((size_t)oy * p->ow + ox) * p->step, relu ? relu1(v) : v);
            }
    } else {
        vf s = zero();

        for (size_t i = 0; i < p->pixels; i++) {
            vf v = before(p, i, res);

            s += relu ? relu1(v) : v;
        }
        store(p->y, s / (float)p->pixels);
    }
}

/* Gradients at the four pixels of a pooling window. Ties go to the first in row-major order. */
INLINE void window_grad(const struct place *p, size_t i, vf dy, bool res, bool relu, vf *g)
{
    vi from1, from3, low;
    vf v = larger(before(p, i, res), before(p, i + 1, res), &from1);
    vf u = larger(before(p, i + p->w, res), before(p, i + p->w + 1, res), &from3);
    vf m = larger(v, u, &low);

    if (relu)
        dy = clear(dy, m <= zero());
    g[0] = clear(dy, low | from1);
    g[1] = clear(dy, low | ~from1);
    g[2] = clear(dy, ~low | from3);
    g[3] = clear(dy, ~low | ~from3);
}

INLINE vf pixel_grad(const struct place *p, size_t i, vf dy, bool res, bool relu)
{
    return relu ? clear(dy, before(p, i, res) <= zero()) : dy;
}

INLINE void grad_sums_lane(const struct place *p, vf mean, bool res, bool relu, enum cpu_tail tail,
                           double *dbeta, double *dgamma)
{
    vf b0 = zero(), b1 = zero(), g0 = zero(), g1 = zero();

    if (tail == CPU_TAIL_POOL2) {
        for (int oy = 0; oy < p->oh; oy++) {
            for (int ox = 0; ox < p->ow; ox++) {
                size_t i = (size_t)(2 * oy) * p->w + 2 * ox;
                vf g[4];

                window_grad(p, i, load(p->dy + ((size_t)oy * p->ow + ox) * p->step), res, relu, g);
                b0 += (g[0] + g[1]) + (g[2] + g[3]);
                g0 += g[0] * (load(p->x + i * p->step) - mean) +
                      g[1] * (load(p->x + (i + 1) * p->step) - mean);
                g1 += g[2] * (load(p->x + (i + p->w) * p->step) - mean) +
                      g[3] * (load(p->x + (i + p->w + 1) * p->step) - mean);
            }
        }
        add_double(dbeta, b0);
        add_double(dgamma, g0 + g1);
        return;
    }
    for (size_t p0 = 0; p0 < p->pixels; p0 += FLUSH) {
        size_t p1 = p0 + FLUSH < p->pixels ? p0 + FLUSH : p->pixels, i = p0;
        vf same = tail == CPU_TAIL_GAP ? load(p->dy) / (float)p->pixels : zero();

        b0 = b1 = g0 = g1 = zero();
        for (; i + 2 <= p1; i += 2) {
            vf d0 = tail == CPU_TAIL_GAP ? same : load(p->dy + i * p->step);
            vf d1 = tail == CPU_TAIL_GAP ? same : load(p->dy + (i + 1) * p->step);

            d0 = pixel_grad(p, i, d0, res, relu);
            d1 = pixel_grad(p, i + 1, d1, res, relu);
            b0 += d0;
            b1 += d1;
            g0 += d0 * (load(p->x + i * p->step) - mean);
            g1 += d1 * (load(p->x + (i + 1) * p->step) - mean);
        }
        if (i < p1) {
            vf d = tail == CPU_TAIL_GAP ? same : load(p->dy + i * p->step);

            d = pixel_grad(p, i, d, res, relu);
            b0 += d;
            g0 += d * (load(p->x + i * p->step) - mean);
        }
        add_double(dbeta, b0 + b1);
        add_double(dgamma, g0 + g1);
    }
}

struct coef {
    vf mean, a, b, c;
};

INLINE void put_grad(const struct place *p, size_t i, vf g, const struct coef *c)
{
    vf x = load(p->x + i * p->step);

    if (p->dx)
        store(p->dx + i * p->step, c->a * g + c->b * (x - c->mean) + c->c);
    if (p->dres)
        store(p->dres + i * p->step, g);
}

INLINE void grad_lane(const struct place *p, const struct coef *c, bool res, bool relu,
                      enum cpu_tail tail)
{
    if (tail == CPU_TAIL_POOL2) {
        int h = (int)(p->pixels / (size_t)p->w);

        for (int oy = 0; oy < p->oh; oy++)
            for (int ox = 0; ox < p->ow; ox++) {
                size_t i = (size_t)(2 * oy) * p->w + 2 * ox;
                vf g[4];

                window_grad(p, i, load(p->dy + ((size_t)oy * p->ow + ox) * p->step), res, relu, g);
                put_grad(p, i, g[0], c);
                put_grad(p, i + 1, g[1], c);
                put_grad(p, i + p->w, g[2], c);
                put_grad(p, i + p->w + 1, g[3], c);
            }
        /* An odd last column or row is in no window, but still in the batch statistics. */
        if (p->w & 1)
            for (int y = 0; y < h; y++)
                put_grad(p, (size_t)y * p->w + p->w - 1, zero(), c);
        if (h & 1)
            for (int x = 0; x < p->w; x++)
                put_grad(p, (size_t)(h - 1) * p->w + x, zero(), c);
        return;
    }
    for (size_t i = 0; i < p->pixels; i++) {
        vf d = tail == CPU_TAIL_GAP ? load(p->dy) / (float)p->pixels : load(p->dy + i * p->step);

        put_grad(p, i, pixel_grad(p, i, d, res, relu), c);
    }
}

/* One call with constant flags for each combination, so that each gets a loop of its own. */
#define EACH_TAIL(a, CALL, res, relu)                                                              \
    do {                                                                                           \
        if ((a)->tail == CPU_TAIL_NONE)                                                            \
            CALL(res, relu, CPU_TAIL_NONE);                                                        \
        else if ((a)->tail == CPU_TAIL_POOL2)                                                      \
            CALL(res, relu, CPU_TAIL_POOL2);                                                       \
        else                                                                                       \
            CALL(res, relu, CPU_TAIL_GAP);                                                         \
    } while (0)
#define EACH_VARIANT(a, CALL)                                                                      \
    do {                                                                                           \
        if ((a)->res && (a)->relu)                                                                 \
            EACH_TAIL(a, CALL, true, true);                                                        \
        else if ((a)->res)                                                                         \
            EACH_TAIL(a, CALL, true, false);                                                       \
        else if ((a)->relu)                                                                        \
            EACH_TAIL(a, CALL, false, true);                                                       \
        else                                                                                       \
            EACH_TAIL(a, CALL, false, false);                                                      \
    } while (0)

static void norm_apply(const struct cpu_norm *a, int n0, int n1)
{
    for (int n = n0; n < n1; n++)
        for (int k = 0; k < a->s.blocks * a->s.block; k += VEC_LANES) {
            struct place p = place(a, n, k);

#define CALL(res, relu, tail) apply_lane(&p, res, relu, tail)
            EACH_VARIANT(a, CALL);
#undef CALL
        }
}

static void norm_grad_sums(const struct cpu_norm *a, int n0, int n1, double *dbeta, double *dgamma)
{
    for (int n = n0; n < n1; n++)
        for (int k = 0; k < a->s.blocks * a->s.block; k += VEC_LANES) {
            struct place p = place(a, n, k);
            vf mean = load(a->mean + k);

#define CALL(res, relu, tail) grad_sums_lane(&p, mean, res, relu, tail, dbeta + k, dgamma + k)
            EACH_VARIANT(a, CALL);
#undef CALL
        }
}

static void norm_grad(const struct cpu_norm *a, int n0, int n1)
{
    for (int n = n0; n < n1; n++)
        for (int k = 0; k < a->s.blocks * a->s.block; k += VEC_LANES) {
            struct place p = place(a, n, k);
            struct coef c = {load(a->mean + k), load(a->ca + k), load(a->cb + k), load(a->cc + k)};

#define CALL(res, relu, tail) grad_lane(&p, &c, res, relu, tail)
            EACH_VARIANT(a, CALL);
#undef CALL
        }
}
