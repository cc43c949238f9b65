/* kernels/cpu/vec.h - the inner loops that are not oneDNN's, compiled once per instruction set and
 * picked at run time, so that one program serves every CPU of its architecture.
 *
 * Layout of a tensor: (n, c / block, h, w, block), oneDNN's nChw16c or nChw8c; lanes of a last
 * block beyond c are zero and stay zero. A 1 x 1 tensor is therefore a row-major matrix.
 * Each function works on images n0 .. n1 (or on elements) on one thread; who calls them partitions
 * the work in a way that depends on the number of threads alone. */
#ifndef HPO_KERNELS_CPU_VEC_H
#define HPO_KERNELS_CPU_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/math/act.h"
#include "kernels/math/optim.h"

/* What follows batch norm (and its ReLU) in the same pass. */
enum cpu_tail { CPU_TAIL_NONE, CPU_TAIL_POOL2, CPU_TAIL_GAP, CPU_N_TAILS };

struct cpu_shape {
    int blocks, block, h, w;
};

/* y = tail(relu(x * scale + shift + res)), and its gradients. */
struct cpu_norm {
    struct cpu_shape s; /* of x */
    bool relu;
    enum cpu_tail tail;
    const float *x, *res;       /* res NULL: no residual */
    const float *scale, *shift; /* a channel each */
    float *y;                   /* forward */
    const float *dy;            /* backward: gradient of y */
    float *dx, *dres;           /* dx may be dy when there is no tail; dres NULL: not wanted */
    const float *mean, *ca, *cb, *cc; /* dx = ca * g + cb * (x - mean) + cc */
};

/* Max pooling by itself; out is recomputed against in to find the maximum. */
struct cpu_pool_args {
    struct cpu_shape s; /* of x */
    int oh, ow, kernel, stride, pad;
    const float *x;
    float *y;
    const float *dy;
    float *dx;
};

struct cpu_dropout {
    struct cpu_shape s;
    int c, samples; /* rows of y for each of x */
    float rate;
    uint64_t seed;
    int fold, layer;
    uint32_t step;
};

struct cpu_vec {
    const char *name;

    /* sum[c] += sum of x - origin, square[c] += sum of its square, over images n0 .. n1 */
    void (*norm_sums)(const struct cpu_norm *a, const float *origin, int n0, int n1, double *sum,
                      double *square);
    void (*norm_apply)(const struct cpu_norm *a, int n0, int n1);
    /* dbeta[c] += sum of g, dgamma[c] += sum of g * (x - mean), g the gradient before scale, shift
     */
    void (*norm_grad_sums)(const struct cpu_norm *a, int n0, int n1, double *dbeta, double *dgamma);
    void (*norm_grad)(const struct cpu_norm *a, int n0, int n1);

    /* Element-wise, over any counts. */
    void (*relu)(const float *x, float *y, size_t n);
    void (*relu_grad)(const float *y, const float *dy, float *dx, size_t n); /* dx may be dy */
    void (*add)(const float *a, const float *b, float *y, bool relu, size_t n);
    /* dx may be dy. */
    void (*act)(enum kn_act_kind kind, const float *x, float *y, size_t n);
    void (*act_grad)(enum kn_act_kind kind, const float *x, const float *dy, float *dx, size_t n);
    void (*times)(const float *x, float factor, float *y, size_t n);
    void (*accumulate)(const float *x, float *y, size_t n); /* y += x */
    /* By kn_optim_kind; slots that the kind does not have are not looked at. KN_MUON: what it does
     * to weights that are no matrix. */
    void (*optim[KN_N_OPTIMS])(const struct kn_optim_step *s, const float *g, float *w, float *slot,
                               float *slot2, size_t n);

    void (*pool)(const struct cpu_pool_args *a, int n0, int n1);
    void (*pool_grad)(const struct cpu_pool_args *a, int n0, int n1);
    void (*gap)(const struct cpu_shape *s, const float *x, float *y, int n0, int n1);
    void (*gap_grad)(const struct cpu_shape *s, const float *dy, float *dx, int n0, int n1);
    /* y = x * s, s a number for each row and channel; dx = dy * s, ds = the sum of dy * x. */
    void (*scale)(const struct cpu_shape *shape, const float *x, const float *s, float *y, int n0,
                  int n1);
    void (*scale_grad)(const struct cpu_shape *shape, const float *x, const float *dy, float *ds,
                       int n0, int n1);
    /* Rows n0 .. n1 of y. */
    void (*dropout)(const struct cpu_dropout *a, const float *x, float *y, int n0, int n1);
    /* Rows n0 .. n1 of dx, which may be dy with one sample. */
    void (*dropout_grad)(const struct cpu_dropout *a, const float *dy, float *dx, int n0, int n1);
};

/* The best one for this CPU whose vectors have at most so many floats; a block must be a multiple
 * of them. */
const struct cpu_vec *cpu_vec_pick(int lanes);

extern const struct cpu_vec cpu_vec_portable;
#if defined(__x86_64__)
extern const struct cpu_vec cpu_vec_avx2, cpu_vec_avx512;
#endif

#endif
