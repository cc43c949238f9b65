/* Convolutions in plain loops, and the engines that are said to run them. */
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/cuda/emu/fake_cudnn.h"

/* In the order of the heuristics: those that may not be taken come first. */
static const struct fake_engine engines[] = {
    {.index = 10, .tensor_core = true, .compiled = true},
    {.index = 15, .tensor_core = true, .fails = true},
    {.index = 11, .tensor_core = true, .nondeterministic = true},
    {.index = 16, .tensor_core = true, .rounds = true},
    {.index = 12, .tensor_core = true, .workspace = FAKE_COPIES},
    {.index = 17, .tensor_core = true, .workspace = FAKE_SOME_ROOM},
    {.index = 13, .tensor_core = true},
    {.index = 14},
};
#define N_ENGINES ((int)(sizeof(engines) / sizeof(engines[0])))

static long runs[N_ENGINES + 1];

long fake_engine_runs(int engine)
{
    return fake_engine(engine) ? runs[fake_engine(engine) - engines] : 0;
}

void fake_count_engine(int engine)
{
    runs[fake_engine(engine) - engines]++;
}

const struct fake_engine *fake_engine(int index)
{
    for (int i = 0; i < N_ENGINES; i++)
        if (engines[i].index == index)
            return &engines[i];
    return NULL;
}

int fake_engines(const struct fake_conv *c, bool fallback, int *ret, int max)
{
    int n = 0;

    /* As the real ones, which may know nothing of a grouped convolution. */
    if (!fallback && c->g > 1 && c->r == 1)
        return 0;
    for (int i = fallback ? N_ENGINES - 1 : 0; i < N_ENGINES && n < max; i++)
        ret[n++] = engines[i].index;
    return n;
}

static int64_t bytes_of(const struct fake_conv *c)
{
    return c->type == FAKE_F32 ? 4 : 2;
}

int64_t fake_workspace(const struct fake_engine *e, const struct fake_conv *c)
{
    if (e->workspace == FAKE_SOME_ROOM)
        return 4096;
    return e->workspace == FAKE_NO_ROOM
               ? 0
               : c->g * c->n * (c->c * c->h * c->w + c->k * c->p * c->q) * bytes_of(c);
}

/* A tensor as floats without gaps, dimensions in the order of fake_tensor, channels last. */
struct dense {
    int64_t dims[5];
    float *v;
};

static struct dense dense_of(const struct fake_conv *c, int which)
{
    struct dense d = {.dims = {c->g, c->n, c->c, c->h, c->w}};
    size_t count = 1;

    if (which == FAKE_W) {
        d.dims[1] = c->k;
        d.dims[3] = d.dims[4] = c->r;
    }
    if (which == FAKE_Y) {
        d.dims[2] = c->k;
        d.dims[3] = c->p;
        d.dims[4] = c->q;
    }
    for (int i = 0; i < 5; i++)
        count *= (size_t)d.dims[i];
    d.v = calloc(count, sizeof(*d.v));
    return d;
}

static float *dense_at(const struct dense *d, int64_t g, int64_t n, int64_t h, int64_t w)
{
    return d->v + (((g * d->dims[1] + n) * d->dims[3] + h) * d->dims[4] + w) * d->dims[2];
}

enum move { READ, WRITE, ADD };

static void move(const struct fake_conv *c, int which, void *at, struct dense *d, enum move how,
                 bool tf32)
{
    const int64_t *s = c->t[which].stride;

    for (int64_t g = 0; g < d->dims[0]; g++)
        for (int64_t n = 0; n < d->dims[1]; n++)
            for (int64_t h = 0; h < d->dims[3]; h++)
                for (int64_t w = 0; w < d->dims[4]; w++) {
                    float *row = dense_at(d, g, n, h, w);
                    int64_t base = g * s[0] + n * s[1] + h * s[3] + w * s[4];

                    for (int64_t k = 0; k < d->dims[2]; k++) {
                        int64_t i = base + k * s[2];

                        if (how == READ) {
                            row[k] = fake_load(c->type, at, i);
                            row[k] = tf32 ? fake_to_tf32(row[k]) : row[k];
                        } else {
                            float old = how == ADD ? c->beta * fake_load(c->type, at, i) : 0;

                            fake_store(c->type, at, i, row[k] + old);
                        }
                    }
                }
}

/* One window's share: row of x, row of weights, y or its gradient. */
static void meet(int pass, float *x, float *w, float *y, int64_t channels)
{
    float sum = 0;

    for (int64_t c = 0; c < channels; c++) {
        if (pass == FAKE_FORWARD)
            sum += x[c] * w[c];
        else if (pass == FAKE_DATA)
            x[c] += *y * w[c];
        else
            w[c] += *y * x[c];
    }
    *y += sum;
}

cudaError_t fake_convolve(void *data)
{
    const struct fake_run *run = data;
    const struct fake_conv *c = &run->conv;
    const struct fake_engine *e = fake_engine(run->engine);
    bool tf32 = c->type == FAKE_F32 && e->tensor_core;
    int out = c->pass == FAKE_FORWARD ? FAKE_Y : c->pass == FAKE_DATA ? FAKE_X : FAKE_W;
    struct dense d[3];

    if (run->workspace)
        memset(run->workspace, 0xff, (size_t)fake_workspace(e, c));
    for (int i = 0; i < 3; i++) {
        d[i] = dense_of(c, i);
        if (i != out)
            move(c, i, run->at[i], &d[i], READ, tf32);
    }
    for (int64_t g = 0; g < c->g; g++)
        for (int64_t n = 0; n < c->n; n++)
            for (int64_t p = 0; p < c->p; p++)
                for (int64_t q = 0; q < c->q; q++)
                    for (int64_t k = 0; k < c->k; k++)
                        for (int64_t r = 0; r < c->r; r++)
                            for (int64_t s = 0; s < c->r; s++) {
                                int64_t y = p * c->stride + r - c->pad;
                                int64_t x = q * c->stride + s - c->pad;

                                if (y >= 0 && y < c->h && x >= 0 && x < c->w)
                                    meet(c->pass, dense_at(&d[FAKE_X], g, n, y, x),
                                         dense_at(&d[FAKE_W], g, k, r, s),
                                         dense_at(&d[FAKE_Y], g, n, p, q) + k, c->c);
                            }
    move(c, out, run->at[out], &d[out], c->beta != 0.0f ? ADD : WRITE, false);
    for (int i = 0; i < 3; i++)
        free(d[i].v);
    fake_count_engine(run->engine);
    /* What a measurement finds: copying costs, and nothing is slower than loops without cores. */
    fake_takes(e->workspace == FAKE_COPIES ? 0.3 : e->tensor_core ? 0.1 : 0.2);
    return cudaSuccess;
}
