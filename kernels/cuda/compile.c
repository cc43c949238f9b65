/* From a description to a plan, and back to nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/check.h"
#include "kernels/cuda/plan.h"

static int check_desc(const struct kn_plan_desc *d, const struct cu_data *data, struct hpo_err *err)
{
    const struct kn_tensor *in = &d->net->tensor[0];
    int rc = data ? kn_check_desc(d, data->h, data->w, data->classes, err)
                  : kn_check_desc(d, 0, 0, 0, err);

    if (rc)
        return rc;
    if (in->c != 3)
        return hpo_fail(err, HPO_ECONFIG, "the network is for images of %d channels, not 3", in->c);
    return HPO_OK;
}

/* auto is bf16 where tensor cores know it: 8 bits of exponent need no loss scaling. */
static int pick_precision(struct cu_plan *p, enum kn_precision precision, struct hpo_err *err)
{
    bool has_bf16 = p->dev->capability >= 80;

    if (precision == KN_PRECISION_AUTO)
        precision = has_bf16 ? KN_BF16 : KN_FP32;
    if (!has_bf16 && (precision == KN_BF16 || precision == KN_TF32))
        return hpo_fail(err, HPO_ECONFIG,
                        "%s needs compute capability 8.0, the device has %d.%d (precision: auto, "
                        "fp32, fp16)",
                        precision == KN_BF16 ? "bf16" : "tf32", p->dev->capability / 10,
                        p->dev->capability % 10);
    p->type = precision == KN_BF16 ? CU_BF16 : precision == KN_FP16 ? CU_F16 : CU_F32;
    p->tf32 = precision == KN_TF32;
    return HPO_OK;
}

static bool env_is(const char *name, const char *value)
{
    const char *v = getenv(name);

    return v && !strcmp(v, value);
}

/* Measuring the likely algorithms of every convolution takes about as long as some hundred training
 * steps (a dozen launches of a few candidates each), and wins a few per cent of each; it is done
 * once for a shape on a kind of device. */
#define TUNE_FROM 5000

/* Everything that needs no device, with workspaces at their limits. */
static int plan_draft(struct cu_dev *d, const struct kn_plan_desc *desc, struct cu_plan **ret,
                      struct hpo_err *err)
{
    struct cu_plan *p = xcalloc(1, sizeof(*p));
    size_t tensors = (size_t)desc->net->n_tensors;
    int rc;

    p->base = (struct kn_plan){d->base.ops,  desc->net,   desc->batch,    desc->eval_batch,
                               desc->models, desc->optim, desc->averaged, desc->accumulate};
    p->freeze = desc->freeze;
    p->dev = d;
    /* Replaying graphs always pays off, but hides from a debugger which launch failed. */
    p->tune =
        env_is("HPO_CUDA_TUNE", "1") || (desc->steps >= TUNE_FROM && !env_is("HPO_CUDA_TUNE", "0"));
    p->graphs = !env_is("HPO_CUDA_GRAPH", "0");
    p->act = xcalloc(tensors, sizeof(int));
    p->grad = xcalloc(tensors, sizeof(int));
    p->eval_act = xcalloc(tensors, sizeof(int));
    p->optim = xcalloc((size_t)desc->models, sizeof(*p->optim));
    p->mirror = xcalloc((size_t)desc->models, sizeof(*p->mirror));
    rc = pick_precision(p, desc->precision, err);
    if (!rc)
        rc = cu_lower(p, err);
    if (rc) {
        cu_plan_free(&p->base);
        return rc;
    }
    p->train = (struct cu_pass_view){
        .array = {.models = desc->models, .rows = desc->batch, .type = p->type},
        .bufs = &p->train_bufs,
        .act = p->act,
        .train = true};
    p->estimate = p->train;
    p->estimate.estimate = true;
    p->eval = (struct cu_pass_view){
        .array = {.models = desc->models, .rows = desc->eval_batch, .type = p->type},
        .bufs = &p->eval_bufs,
        .act = p->eval_act};
    cu_limit_workspaces(p);
    cu_plan_memory(p);
    *ret = p;
    return HPO_OK;
}

double cu_estimate(struct kn_dev *dev, const struct kn_plan_desc *desc)
{
    struct cu_plan *p;
    struct hpo_err err;
    double bytes;

    if (check_desc(desc, NULL, &err) || plan_draft((struct cu_dev *)dev, desc, &p, &err))
        return NAN;
    bytes = (double)p->bytes;
    cu_plan_free(&p->base);
    return bytes;
}

int cu_enter(const struct cu_plan *p, struct hpo_err *err)
{
    return cu_check(cudaSetDevice(p->dev->index), "choosing the device", err);
}

int cu_blas_check(cublasStatus_t st, const char *what, struct hpo_err *err)
{
    if (st == CUBLAS_STATUS_SUCCESS)
        return HPO_OK;
    return hpo_fail(err, st == CUBLAS_STATUS_ALLOC_FAILED ? HPO_ENOMEM : HPO_EDEVICE,
                    "cuBLAS, %s: %s", what, cublasGetStatusString(st));
}

static int dnn_check(cudnnStatus_t st, const char *what, struct hpo_err *err)
{
    if (st == CUDNN_STATUS_SUCCESS)
        return HPO_OK;
    return hpo_fail(err,
                    st == CUDNN_STATUS_ALLOC_FAILED ||
                            st == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
                        ? HPO_ENOMEM
                        : HPO_EDEVICE,
                    "cuDNN, %s: %s", what, cudnnGetErrorString(st));
}

/* A handle of either library for each plan: plans of different threads share nothing. Both take
 * some tens of megabytes of the device for themselves at first use, which no estimate knows. */
static int open_libraries(struct cu_plan *p, struct hpo_err *err)
{
    int rc =
        cu_check(cudaStreamCreateWithFlags(&p->stream, cudaStreamNonBlocking), "a stream", err);

    for (int i = 0; i < CU_SLOTS && !rc; i++)
        rc = cu_check(
            cudaEventCreateWithFlags(&p->sent[i], cudaEventDisableTiming | cudaEventBlockingSync),
            "an event", err);
    if (!rc)
        rc = dnn_check(cudnnCreate(&p->dnn.handle), "opening it", err);
    if (!rc)
        rc = dnn_check(cudnnSetStream(p->dnn.handle, p->stream), "its stream", err);
    p->dnn.cache = p->dev->cache;
    p->dnn.device = p->dev->key;
    p->dnn.capability = p->dev->capability;
    if (!rc)
        rc = cu_blas_check(cublasCreate(&p->blas), "opening it", err);
    if (!rc)
        rc = cu_blas_check(cublasSetStream(p->blas, p->stream), "its stream", err);
    if (!rc)
        rc = cu_blas_check(
            cublasSetMathMode(p->blas, CUBLAS_DEFAULT_MATH |
                                           CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
            "its arithmetic", err);
    if (!rc)
        rc = cu_blas_check(cublasSetAtomicsMode(p->blas, CUBLAS_ATOMICS_NOT_ALLOWED),
                           "its arithmetic", err);
    return rc;
}

#define GIB 1073741824.0

static int no_memory(const struct cu_plan *p, size_t free_bytes, size_t total, struct hpo_err *err)
{
    return hpo_fail(err, HPO_ENOMEM,
                    "%d network%s with batches of %d, %d in evaluation: %.2f GiB of device memory "
                    "are needed, %.2f of %.2f GiB are free",
                    p->base.models, p->base.models == 1 ? "" : "s", p->base.batch,
                    p->base.eval_batch, (double)p->bytes / GIB, (double)free_bytes / GIB,
                    (double)total / GIB);
}

/* Asked before, because a device that is nearly full fails in other plans' hands as well; and
 * answered after, because others may have been quicker. */
static int allocate(struct cu_plan *p, struct hpo_err *err)
{
    size_t free_bytes = 0, total = 0;
    cudaError_t e = cudaMemGetInfo(&free_bytes, &total);
    int rc = cu_check(e, "asking for free memory", err);

    if (rc)
        return rc;
    if (p->bytes > free_bytes)
        return no_memory(p, free_bytes, total, err);
    e = cudaMalloc(&p->memory, p->bytes);
    if (e == cudaErrorMemoryAllocation) {
        p->memory = NULL;
        cudaGetLastError(); /* not one that stays */
        return no_memory(p, free_bytes, total, err);
    }
    rc = cu_check(e, "device memory", err);
    if (!rc)
        rc = cu_check(cudaHostAlloc(&p->pinned, cu_pinned_bytes(p, NULL), cudaHostAllocDefault),
                      "pinned host memory", err);
    if (rc)
        return rc;
    cu_memory_bytes(p, p->memory);
    cu_pinned_bytes(p, p->pinned);
    /* Zero is what padding must be, and what no garbage in a model that sits out can be slower
     * than. */
    return cu_check(cudaMemsetAsync(p->memory, 0, p->bytes, p->stream), "clearing memory", err);
}

static void connect(struct cu_plan *p)
{
    p->train.array.stream = p->estimate.array.stream = p->eval.array.stream = p->stream;
    p->train.array.hyper = p->estimate.array.hyper = p->eval.array.hyper = p->m.hyper;
    p->train.array.step = p->m.step;
    p->estimate.array.step = p->m.step_estimate;
    p->eval.array.count = p->m.count;
}

/* Which parameter a piece belongs to; the plan's alone, as cu_parts are the models'. */
static int send_which(struct cu_plan *p, struct hpo_err *err)
{
    int32_t *which = (int32_t *)p->h.flat;
    size_t pieces = p->n_w / CU_PIECE;

    for (size_t i = 0; i < pieces; i++)
        which[i] = p->base.net->n_params;
    for (int i = 0; i < p->base.net->n_params; i++) {
        size_t at = p->param[i].offset / CU_PIECE;

        for (size_t k = 0; p->base.net->param[i].trained && k * CU_PIECE < p->param[i].count; k++)
            which[at + k] = i;
    }
    return cu_check(cudaMemcpyAsync(p->m.which, which, pieces * sizeof(*which),
                                    cudaMemcpyHostToDevice, p->stream),
                    "sending parts", err);
}

int cu_compile(struct kn_dev *dev, const struct kn_plan_desc *desc, void *data,
               struct kn_plan **ret, struct hpo_err *err)
{
    struct cu_plan *p = NULL;
    int rc = check_desc(desc, data, err);

    if (!rc)
        rc = plan_draft((struct cu_dev *)dev, desc, &p, err);
    if (rc)
        return rc;
    p->data = data;
    rc = cu_enter(p, err);
    if (!rc)
        rc = open_libraries(p, err);
    if (!rc)
        rc = cu_choose(p, err);
    if (!rc) {
        cu_plan_memory(p);
        rc = allocate(p, err);
    }
    if (!rc)
        rc = cu_blas_check(cublasSetWorkspace(p->blas, p->m.blas, CU_BLAS_WORKSPACE),
                           "its workspace", err);
    if (!rc)
        rc = send_which(p, err);
    if (!rc) {
        connect(p);
        if (p->tune)
            rc = cu_tune(p, err);
    }
    if (!rc)
        rc = cu_check(cudaStreamSynchronize(p->stream), "preparing memory", err);
    if (rc) {
        cu_plan_free(&p->base);
        return rc;
    }
    *ret = &p->base;
    return HPO_OK;
}

/* Nothing here can be refused usefully: what fails has failed before. */
void cu_plan_free(struct kn_plan *plan)
{
    struct cu_plan *p = (struct cu_plan *)plan;

    if (!p)
        return;
    if (p->stream) {
        cudaSetDevice(p->dev->index);
        cudaStreamSynchronize(p->stream);
    }
    for (int i = 0; i < CU_N_WORKS; i++)
        cu_graph_release(&p->step_graph[i]);
    for (int i = 0; i <= CU_MIXES; i++)
        cu_graph_release(&p->estimate_graph[i]);
    for (int i = 0; i < 2; i++)
        cu_graph_release(&p->eval_graph[i]);
    for (int i = 0; i < p->n_layers; i++)
        for (int u = 0; u < CU_N_USES; u++)
            cu_conv_release(&p->layer[i].conv[u]);
    if (p->blas)
        cublasDestroy(p->blas);
    if (p->dnn.handle)
        cudnnDestroy(p->dnn.handle);
    for (int i = 0; i < CU_SLOTS; i++)
        if (p->sent[i])
            cudaEventDestroy(p->sent[i]);
    if (p->stream)
        cudaStreamDestroy(p->stream);
    if (p->pinned)
        cudaFreeHost(p->pinned);
    if (p->memory)
        cudaFree(p->memory);
    kn_bufs_release(&p->train_bufs);
    kn_bufs_release(&p->eval_bufs);
    free(p->act);
    free(p->grad);
    free(p->eval_act);
    free(p->tensor);
    free(p->node);
    free(p->layer);
    free(p->param);
    free(p->optim);
    free(p->mirror);
    free(p);
}
