/* Muon's orthogonalisation: Newton-Schulz iterations towards U V^T of a matrix U S V^T (Jordan et
 * al. 2024), of one matrix of all models at a time.
 *
 * A weight is taken as it lies, (o, k k i) or (o, k k) with channels padded: another order of
 * columns gives the result in that order, and rows and columns of zeros stay zeros. Products are
 * fp32 where the network's are, and TF32 where they are less: PyTorch's are bfloat16. */
#include "kernels/cuda/plan.h"

/* Of the arena, when the gradients are there: the matrix a second time, and what is squared. */
struct room {
    float *x, *gram, *square;
    double *partial;
};

static size_t side_of(const struct cu_param *in)
{
    size_t rows = (size_t)in->rows, cols = in->count / rows;

    return rows < cols ? rows : cols;
}

static size_t take(const struct cu_plan *p, const struct cu_param *in, char *base, struct room *ret)
{
    size_t models = (size_t)p->base.models, side = side_of(in), at = 0;

    ret->x = kn_take(base, &at, models * in->count * sizeof(float), CU_ALIGN);
    ret->gram = kn_take(base, &at, models * side * side * sizeof(float), CU_ALIGN);
    ret->square = kn_take(base, &at, models * side * side * sizeof(float), CU_ALIGN);
    ret->partial =
        kn_take(base, &at, models * (size_t)cu_flat_blocks(in->count) * sizeof(double), CU_ALIGN);
    return at;
}

size_t cu_muon_bytes(const struct cu_plan *p)
{
    struct room ignored;
    size_t bytes = 0;

    for (int i = 0; i < p->base.net->n_params; i++) {
        size_t need = cu_is_matrix(p, i) ? take(p, &p->param[i], NULL, &ignored) : 0;

        bytes = need > bytes ? need : bytes;
    }
    return bytes;
}

/* A product in cuBLAS's terms, m x k by k x n, no gaps in a column; strides from model to model. */
struct product {
    cublasOperation_t op_a, op_b;
    size_t m, n, k;
    const float *a, *b;
    float *c;
    size_t lda, ldb, stride_a, stride_b, stride_c;
};

static int multiply(struct cu_plan *p, const struct product *g, struct hpo_err *err)
{
    const float one = 1, zero = 0;
    bool full = p->type == CU_F32 && !p->tf32;

    return cu_blas_check(cublasGemmStridedBatchedEx(
                             p->blas, g->op_a, g->op_b, (int)g->m, (int)g->n, (int)g->k, &one, g->a,
                             CUDA_R_32F, (int)g->lda, (long long)g->stride_a, g->b, CUDA_R_32F,
                             (int)g->ldb, (long long)g->stride_b, &zero, g->c, CUDA_R_32F,
                             (int)g->m, (long long)g->stride_c, p->base.models,
                             full ? CUBLAS_COMPUTE_32F_PEDANTIC : CUBLAS_COMPUTE_32F_FAST_TF32,
                             CUBLAS_GEMM_DEFAULT),
                         "Muon's iteration", err);
}

/* A = X X^T of the shorter side, B = a I + b A + c A A, y = B X (or X B). cuBLAS sees the
 * transposes of our matrices: X as (cols, rows); A and B are symmetric. */
static int iterate(struct cu_plan *p, const struct cu_param *in, const struct room *r,
                   const float *x, size_t stride_x, float *y, size_t stride_y, struct hpo_err *err)
{
    size_t rows = (size_t)in->rows, cols = in->count / rows, s = side_of(in);
    bool wide = rows <= cols;
    const struct product gram = {wide ? CUBLAS_OP_T : CUBLAS_OP_N,
                                 wide ? CUBLAS_OP_N : CUBLAS_OP_T,
                                 s,
                                 s,
                                 wide ? cols : rows,
                                 x,
                                 x,
                                 r->gram,
                                 cols,
                                 cols,
                                 stride_x,
                                 stride_x,
                                 s * s};
    const struct product square = {CUBLAS_OP_N, CUBLAS_OP_N, s, s,     s,     r->gram, r->gram,
                                   r->square,   s,           s, s * s, s * s, s * s};
    const struct product after = {CUBLAS_OP_N, CUBLAS_OP_N, cols,    rows, s,
                                  x,           r->square,   y,       cols, s,
                                  stride_x,    s * s,       stride_y};
    const struct product before = {CUBLAS_OP_N, CUBLAS_OP_N, cols, rows,  s,        r->square, x,
                                   y,           s,           cols, s * s, stride_x, stride_y};
    int rc = multiply(p, &gram, err);

    if (!rc)
        rc = multiply(p, &square, err);
    if (!rc)
        rc = cu_muon_polynomial(&p->train.array, (int)s, r->gram, r->square, err);
    return rc ? rc : multiply(p, wide ? &after : &before, err);
}

static bool ends_after(const struct cu_plan *p, int iterations)
{
    bool ends = false;

    for (int m = 0; m < p->base.models; m++)
        ends = ends || p->optim[m].ns_steps == iterations;
    return ends;
}

static int step_matrix(struct cu_plan *p, const struct cu_flat *f, int param, int iterations,
                       struct hpo_err *err)
{
    const struct kn_param *q = &p->base.net->param[param];
    const struct cu_param *in = &p->param[param];
    const struct cu_matrix m = {in->offset, in->count, q->dims[0],
                                (int)(q->count / (size_t)q->dims[0]), param};
    float *g = f->g + in->offset;
    struct room r;
    int rc;

    take(p, in, p->m.arena, &r);
    rc = cu_muon_begin(&p->train.array, f, &m, r.partial, err);
    for (int i = 0; i <= iterations && !rc; i++) {
        bool there = i % 2 == 0; /* in the gradient's place */
        size_t stride = there ? p->n_w : in->count, other = there ? in->count : p->n_w;

        if (ends_after(p, i))
            rc = cu_muon_end(&p->train.array, f, &m, there ? g : r.x, stride, i, err);
        if (!rc && i < iterations)
            rc = iterate(p, in, &r, there ? g : r.x, stride, there ? r.x : g, other, err);
    }
    return rc;
}

int cu_muon(struct cu_plan *p, const struct cu_flat *f, struct hpo_err *err)
{
    int iterations = 0, rc = HPO_OK;

    for (int m = 0; m < p->base.models; m++)
        if (p->optim[m].ns_steps > iterations)
            iterations = p->optim[m].ns_steps;
    for (int i = 0; i < p->base.net->n_params && !rc; i++)
        if (cu_is_matrix(p, i))
            rc = step_matrix(p, f, i, iterations, err);
    return rc;
}
