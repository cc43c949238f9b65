/* cuBLAS as far as the backend uses it: one batched product, in plain loops. */
#include <stdlib.h>

#include <cublas_v2.h>

#include "tests/kernels/cuda/emu/fake_priv.h"

struct cublasContext {
    cudaStream_t stream;
    void *workspace;
    size_t workspace_bytes;
};

const char *cublasGetStatusString(cublasStatus_t st)
{
    return st == CUBLAS_STATUS_SUCCESS ? "success" : "a fake failure";
}

/* What every function begins with. */
static cublasStatus_t begin(cublasHandle_t h, const char *function)
{
    if (!fake_known(FAKE_BLAS, h, function))
        return CUBLAS_STATUS_NOT_INITIALIZED;
    if (fake_lost())
        return CUBLAS_STATUS_EXECUTION_FAILED;
    return fake_fails(function) ? CUBLAS_STATUS_INTERNAL_ERROR : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasCreate_v2(cublasHandle_t *ret)
{
    cublasStatus_t st = CUBLAS_STATUS_SUCCESS;

    fake_lock();
    if (!fake_capture_allows("cublasCreate") || fake_lost() || fake_fails("cublasCreate"))
        st = CUBLAS_STATUS_ALLOC_FAILED;
    if (!st) {
        *ret = calloc(1, sizeof(**ret));
        fake_born(FAKE_BLAS, *ret);
    }
    fake_unlock();
    return st;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t h)
{
    fake_lock();
    if (fake_dies(FAKE_BLAS, h, "cublasDestroy"))
        free(h);
    fake_unlock();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t h, cudaStream_t stream)
{
    cublasStatus_t st;

    fake_lock();
    st = begin(h, "cublasSetStream");
    if (!st && !fake_stream_ok(stream, "cublasSetStream"))
        st = CUBLAS_STATUS_INVALID_VALUE;
    if (!st) {
        h->stream = stream;
        h->workspace = NULL; /* as the documentation says */
    }
    fake_unlock();
    return st;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t h, void *workspace, size_t bytes)
{
    cublasStatus_t st;

    fake_lock();
    st = begin(h, "cublasSetWorkspace");
    if (!st && ((uintptr_t)workspace % 256 || !fake_on_device(workspace, bytes, "a workspace")))
        st = CUBLAS_STATUS_INVALID_VALUE;
    if (!st) {
        h->workspace = workspace;
        h->workspace_bytes = bytes;
    }
    fake_unlock();
    return st;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t h, cublasMath_t mode)
{
    cublasStatus_t st;

    (void)mode;
    fake_lock();
    st = begin(h, "cublasSetMathMode");
    fake_unlock();
    return st;
}

cublasStatus_t cublasSetAtomicsMode(cublasHandle_t h, cublasAtomicsMode_t mode)
{
    cublasStatus_t st;

    fake_lock();
    st = begin(h, "cublasSetAtomicsMode");
    if (!st && mode != CUBLAS_ATOMICS_NOT_ALLOWED)
        fake_complain("cublasSetAtomicsMode: results would depend on timing");
    fake_unlock();
    return st;
}

struct product {
    bool ta, tb, tf32;
    int m, n, k, count;
    float alpha, beta;
    const void *a, *b;
    void *c;
    enum fake_type type, type_c;
    int lda, ldb, ldc;
    long long stride_a, stride_b, stride_c;
    void *workspace;
    size_t workspace_bytes;
};

static int bytes_of(enum fake_type t)
{
    return t == FAKE_F32 ? 4 : 2;
}

static float element(const struct product *p, const void *from, long long at)
{
    float v = fake_load(p->type, from, at);

    return p->tf32 ? fake_to_tf32(v) : v;
}

/* Columns of c first, as everything of cuBLAS. */
static cudaError_t multiply(void *data)
{
    const struct product *p = data;
    size_t n = (size_t)p->m * (size_t)p->n;
    float *sum = malloc(n * sizeof(*sum));

    for (size_t i = 0; i < p->workspace_bytes; i++)
        ((unsigned char *)p->workspace)[i] =
            0xff; /* it may be used, so nothing else may be there */
    for (int g = 0; g < p->count; g++) {
        long long a = g * p->stride_a, b = g * p->stride_b, c = g * p->stride_c;

        for (int j = 0; j < p->n; j++)
            for (int i = 0; i < p->m; i++) {
                float s = 0;

                for (int k = 0; k < p->k; k++)
                    s += element(
                             p, p->a,
                             a + (p->ta ? (long long)i * p->lda + k : (long long)k * p->lda + i)) *
                         element(
                             p, p->b,
                             b + (p->tb ? (long long)k * p->ldb + j : (long long)j * p->ldb + k));
                sum[(size_t)j * (size_t)p->m + (size_t)i] = s;
            }
        for (int j = 0; j < p->n; j++)
            for (int i = 0; i < p->m; i++) {
                long long at = c + (long long)j * p->ldc + i;
                float v = p->alpha * sum[(size_t)j * (size_t)p->m + (size_t)i];

                if (p->beta != 0.0f)
                    v += p->beta * fake_load(p->type_c, p->c, at);
                fake_store(p->type_c, p->c, at, v);
            }
    }
    free(sum);
    return cudaSuccess;
}

static bool type_of(cudaDataType t, enum fake_type *ret)
{
    *ret = t == CUDA_R_32F ? FAKE_F32 : t == CUDA_R_16BF ? FAKE_BF16 : FAKE_F16;
    return t == CUDA_R_32F || t == CUDA_R_16BF || t == CUDA_R_16F;
}

/* rows x cols of a matrix with its leading dimension, of all of the batch. */
static bool lies_well(const void *p, long long ld, long long rows, long long cols, long long stride,
                      int count, enum fake_type t, const char *what)
{
    long long last = (count - 1) * stride + (cols - 1) * ld + rows;

    return ld >= rows && (count == 1 || stride >= (cols - 1) * ld + rows) &&
           !((uintptr_t)p % (uintptr_t)bytes_of(t)) &&
           fake_on_device(p, (size_t)last * (size_t)bytes_of(t), what);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t h, cublasOperation_t ta,
                                          cublasOperation_t tb, int m, int n, int k,
                                          const void *alpha, const void *a, cudaDataType type_a,
                                          int lda, long long int stride_a, const void *b,
                                          cudaDataType type_b, int ldb, long long int stride_b,
                                          const void *beta, void *c, cudaDataType type_c, int ldc,
                                          long long int stride_c, int count,
                                          cublasComputeType_t compute, cublasGemmAlgo_t algo)
{
    struct product p = {.ta = ta == CUBLAS_OP_T,
                        .tb = tb == CUBLAS_OP_T,
                        .tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32,
                        .m = m,
                        .n = n,
                        .k = k,
                        .count = count,
                        .alpha = *(const float *)alpha,
                        .beta = *(const float *)beta,
                        .a = a,
                        .b = b,
                        .c = c,
                        .lda = lda,
                        .ldb = ldb,
                        .ldc = ldc,
                        .stride_a = stride_a,
                        .stride_b = stride_b,
                        .stride_c = stride_c};
    cublasStatus_t st;

    (void)algo;
    fake_lock();
    st = begin(h, "cublasGemmStridedBatchedEx");
    if (!st && (type_a != type_b || !type_of(type_a, &p.type) || !type_of(type_c, &p.type_c) ||
                (p.type == FAKE_F32 && p.type_c != FAKE_F32) || m < 1 || n < 1 || k < 1 ||
                count < 1 || (compute == CUBLAS_COMPUTE_32F && p.type == FAKE_F32)))
        st = CUBLAS_STATUS_NOT_SUPPORTED;
    if (!st && (!lies_well(a, lda, p.ta ? k : m, p.ta ? m : k, stride_a, count, p.type, "a") ||
                !lies_well(b, ldb, p.tb ? n : k, p.tb ? k : n, stride_b, count, p.type, "b") ||
                !lies_well(c, ldc, m, n, stride_c, count, p.type_c, "c")))
        st = CUBLAS_STATUS_INVALID_VALUE;
    if (!st) {
        p.workspace = h->workspace;
        p.workspace_bytes =
            h->workspace ? (h->workspace_bytes < 4096 ? h->workspace_bytes : 4096) : 0;
        if (!h->workspace)
            fake_complain("a matrix product without a workspace: cuBLAS would allocate one");
        if (fake_enqueue(h->stream, multiply, &p, sizeof(p)))
            st = CUBLAS_STATUS_EXECUTION_FAILED;
    }
    fake_unlock();
    return st;
}
