/* Linear layers: matrix products of all models in one call of cuBLAS.
 *
 * cuBLAS counts columns first; a row-major (r, c) matrix is a column-major (c, r) one with leading
 * dimension c. So y (rows, out) = x (rows, in) w (out, in)^T is y' = w'^T x' in its terms.
 *
 * fp32 is fp32 whatever the environment says (pedantic: neither TF32 nor emulation); TF32 rounds
 * what it reads; 16-bit products are summed in fp32, split sums too (compile.c sets the handle so).
 */
#include "kernels/cuda/plan.h"

struct gemm {
    cublasOperation_t op_a, op_b;
    int m, n, k;
    const void *a, *b;
    void *c;
    int lda, ldb;
    size_t stride_a, stride_b, stride_c; /* elements from model to model */
    bool add, wide;                      /* c += ; c is fp32 whatever the type */
};

static const cudaDataType_t data_type[] = {
    [CU_F32] = CUDA_R_32F, [CU_BF16] = CUDA_R_16BF, [CU_F16] = CUDA_R_16F};

static int run(struct cu_plan *p, const struct gemm *g, struct hpo_err *err)
{
    const float one = 1, beta = g->add ? 1.0f : 0.0f;
    cudaDataType_t type = data_type[p->type];
    cublasComputeType_t compute = CUBLAS_COMPUTE_32F;

    if (p->type == CU_F32)
        compute = p->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F_PEDANTIC;
    return cu_blas_check(cublasGemmStridedBatchedEx(
                             p->blas, g->op_a, g->op_b, g->m, g->n, g->k, &one, g->a, type, g->lda,
                             (long long)g->stride_a, g->b, type, g->ldb, (long long)g->stride_b,
                             &beta, g->c, g->wide ? CUDA_R_32F : type, g->m, (long long)g->stride_c,
                             p->base.models, compute, CUBLAS_GEMM_DEFAULT),
                         "a matrix product", err);
}

int cu_linear(struct cu_plan *p, const struct cu_node *n, int rows, const void *x, void *y,
              struct hpo_err *err)
{
    int in = p->tensor[n->in].stored, out = p->tensor[n->out].stored;

    return run(p,
               &(struct gemm){.op_a = CUBLAS_OP_T,
                              .op_b = CUBLAS_OP_N,
                              .m = out,
                              .n = rows,
                              .k = in,
                              .a = cu_weights(p, n->weight),
                              .b = x,
                              .c = y,
                              .lda = in,
                              .ldb = in,
                              .stride_a = p->n_w,
                              .stride_b = (size_t)rows * (size_t)in,
                              .stride_c = (size_t)rows * (size_t)out},
               err);
}

int cu_linear_backward(struct cu_plan *p, const struct cu_node *n, int rows, const void *x,
                       const void *dy, void *dx, struct hpo_err *err)
{
    int in = p->tensor[n->in].stored, out = p->tensor[n->out].stored;
    /* dw (out, in) = dy^T x */
    const struct gemm weights = {.op_a = CUBLAS_OP_N,
                                 .op_b = CUBLAS_OP_T,
                                 .m = in,
                                 .n = out,
                                 .k = rows,
                                 .a = x,
                                 .b = dy,
                                 .c = p->m.g + n->weight,
                                 .lda = in,
                                 .ldb = out,
                                 .stride_a = (size_t)rows * (size_t)in,
                                 .stride_b = (size_t)rows * (size_t)out,
                                 .stride_c = p->n_w,
                                 .wide = true};
    /* dx (rows, in) = dy w */
    const struct gemm data = {.op_a = CUBLAS_OP_N,
                              .op_b = CUBLAS_OP_N,
                              .m = in,
                              .n = rows,
                              .k = out,
                              .a = cu_weights(p, n->weight),
                              .b = dy,
                              .c = dx,
                              .lda = in,
                              .ldb = out,
                              .stride_a = p->n_w,
                              .stride_b = (size_t)rows * (size_t)out,
                              .stride_c = (size_t)rows * (size_t)in,
                              .add = n->in_add};
    int rc = run(p, &weights, err);

    return rc || !dx ? rc : run(p, &data, err);
}
