/* cuDNN's handles and backend descriptors, as far as the backend uses them: attributes are kept as
 * they were set, and looked at when a descriptor is finalised, as strictly as cuDNN does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/cuda/emu/fake_cudnn.h"

#define MAX_ATTRIBUTES 16
#define MAX_BYTES 4096

struct attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    void *bytes;
};

struct descriptor {
    cudnnBackendDescriptorType_t type;
    bool final;
    struct attribute attribute[MAX_ATTRIBUTES];
    int n;

    /* What finalising made of it. */
    struct fake_conv conv; /* operations, graphs, heuristics, configurations, plans */
    int engine;            /* engines, configurations, plans */
    bool fallback;         /* heuristics */
    char *text;            /* plans */
};

struct cudnnContext {
    cudaStream_t stream;
};

static char last_error[256];

static cudnnStatus_t fail(cudnnStatus_t st, const char *why)
{
    snprintf(last_error, sizeof(last_error), "%s", why);
    return st;
}

void cudnnGetLastErrorString(char *message, size_t max)
{
    fake_lock();
    snprintf(message, max, "%s", last_error);
    last_error[0] = 0;
    fake_unlock();
}

const char *cudnnGetErrorString(cudnnStatus_t st)
{
    return st == CUDNN_STATUS_SUCCESS ? "CUDNN_STATUS_SUCCESS" : "CUDNN_STATUS_OF_THE_FAKE";
}

size_t cudnnGetVersion(void)
{
    return CUDNN_VERSION;
}

/* ---- handles ---- */

cudnnStatus_t cudnnCreate(cudnnHandle_t *ret)
{
    cudnnStatus_t st = CUDNN_STATUS_SUCCESS;
    int n = 0;

    fake_lock();
    if (!fake_capture_allows("cudnnCreate") || fake_lost() || fake_fails("cudnnCreate"))
        st = fail(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, "no room for a handle");
    else if (cudaGetDeviceCount(&n) || !n)
        st = fail(CUDNN_STATUS_NOT_INITIALIZED, "no device");
    if (!st) {
        *ret = calloc(1, sizeof(**ret));
        fake_born(FAKE_DNN, *ret);
    }
    fake_unlock();
    return st;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t h)
{
    fake_lock();
    if (fake_dies(FAKE_DNN, h, "cudnnDestroy"))
        free(h);
    fake_unlock();
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t h, cudaStream_t stream)
{
    cudnnStatus_t st = CUDNN_STATUS_SUCCESS;

    fake_lock();
    if (!fake_known(FAKE_DNN, h, "cudnnSetStream") || fake_fails("cudnnSetStream") ||
        !fake_stream_ok(stream, "cudnnSetStream"))
        st = fail(CUDNN_STATUS_BAD_PARAM, "a stream");
    else
        h->stream = stream;
    fake_unlock();
    return st;
}

cudnnStatus_t cudnnGetStream(cudnnHandle_t h, cudaStream_t *ret)
{
    cudnnStatus_t st = CUDNN_STATUS_SUCCESS;

    fake_lock();
    if (!fake_known(FAKE_DNN, h, "cudnnGetStream") || fake_fails("cudnnGetStream"))
        st = fail(CUDNN_STATUS_BAD_PARAM, "a stream");
    else
        *ret = h->stream;
    fake_unlock();
    return st;
}

/* ---- attributes ---- */

static size_t size_of(cudnnBackendAttributeType_t t)
{
    switch (t) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
        return 8;
    case CUDNN_TYPE_CHAR:
        return 1;
    default: /* floats and enumerations */
        return 4;
    }
}

static const struct attribute *find(const struct descriptor *d, cudnnBackendAttributeName_t name)
{
    for (int i = 0; i < d->n; i++)
        if (d->attribute[i].name == name)
            return &d->attribute[i];
    return NULL;
}

/* The values of an attribute of that type: `count` of them, -1: any number. NULL: there are none.
 */
static const void *values(const struct descriptor *d, cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type, int64_t count)
{
    const struct attribute *a = find(d, name);

    return a && a->type == type && (count < 0 || a->count == count) ? a->bytes : NULL;
}

static int64_t integer(const struct descriptor *d, cudnnBackendAttributeName_t name, int64_t other)
{
    const int64_t *v = values(d, name, CUDNN_TYPE_INT64, 1);

    return v ? *v : other;
}

/* A finalised descriptor of that type that an attribute names. */
static const struct descriptor *named(const struct descriptor *d, cudnnBackendAttributeName_t name,
                                      cudnnBackendDescriptorType_t type)
{
    void *const *p = values(d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1);
    const struct descriptor *other = p ? *p : NULL;

    if (!other || !fake_known(FAKE_DESCRIPTOR, other, "cudnnBackendFinalize") || !other->final ||
        other->type != type)
        return NULL;
    return other;
}

/* ---- tensors and operations ---- */

static cudnnStatus_t finalize_tensor(const struct descriptor *d)
{
    const struct attribute *dims = find(d, CUDNN_ATTR_TENSOR_DIMENSIONS);
    const struct attribute *strides = find(d, CUDNN_ATTR_TENSOR_STRIDES);

    if (!dims || !strides || dims->type != CUDNN_TYPE_INT64 || strides->type != CUDNN_TYPE_INT64 ||
        dims->count != strides->count || dims->count < 4 || dims->count > 5)
        return fail(CUDNN_STATUS_BAD_PARAM, "a tensor without dimensions or strides");
    for (int64_t i = 0; i < dims->count; i++)
        if (((int64_t *)dims->bytes)[i] < 1 || ((int64_t *)strides->bytes)[i] < 1)
            return fail(CUDNN_STATUS_BAD_PARAM, "a tensor of no size");
    if (!values(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1) ||
        integer(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, -1) < 0 ||
        integer(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 0) != 16)
        return fail(CUDNN_STATUS_BAD_PARAM, "a tensor without type, id or alignment");
    return CUDNN_STATUS_SUCCESS;
}

/* Dimensions {n, g, c, h, w} of activations, {g, k, c, r, s} of weights; without g: 1. */
static int64_t read_tensor(const struct descriptor *d, bool weights, int64_t dims[5],
                           struct fake_tensor *ret)
{
    const struct attribute *a = find(d, CUDNN_ATTR_TENSOR_DIMENSIONS);
    const int64_t *from = a->bytes;
    const int64_t *stride = values(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, -1);
    int g = a->count == 4 ? -1 : weights ? 0 : 1, k = 1;

    dims[0] = g < 0 ? 1 : from[g];
    ret->stride[0] = g < 0 ? 0 : stride[g];
    for (int i = 0; i < a->count; i++)
        if (i != g) {
            dims[k] = from[i];
            ret->stride[k++] = stride[i];
        }
    ret->id = integer(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, -1);
    return *(const int *)values(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1);
}

struct names {
    cudnnBackendAttributeName_t conv, x, w, y, alpha, beta;
};

static cudnnStatus_t finalize_convolution(const struct descriptor *d)
{
    static const cudnnBackendAttributeName_t pairs[] = {
        CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS,
        CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_ATTR_CONVOLUTION_DILATIONS};
    const int *type = values(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1);

    if (!type || *type != CUDNN_DATA_FLOAT ||
        !values(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1) ||
        integer(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 0) != 2)
        return fail(CUDNN_STATUS_BAD_PARAM, "a convolution that lacks something");
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (!values(d, pairs[i], CUDNN_TYPE_INT64, 2))
            return fail(CUDNN_STATUS_BAD_PARAM, "a convolution without a pair");
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t read_operation(const struct descriptor *d, const struct names *name,
                                    struct fake_conv *ret)
{
    const struct descriptor *conv = named(d, name->conv, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    const struct descriptor *x = named(d, name->x, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    const struct descriptor *w = named(d, name->w, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    const struct descriptor *y = named(d, name->y, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    const float *alpha = values(d, name->alpha, CUDNN_TYPE_FLOAT, 1);
    const float *beta = values(d, name->beta, CUDNN_TYPE_FLOAT, 1);
    int64_t dx[5], dw[5], dy[5], type, pad, stride;

    if (!conv || !x || !w || !y || !alpha || !beta || *alpha != 1.0f)
        return fail(CUDNN_STATUS_BAD_PARAM, "an operation that lacks something");
    type = read_tensor(x, false, dx, &ret->t[FAKE_X]);
    if (read_tensor(w, true, dw, &ret->t[FAKE_W]) != type ||
        read_tensor(y, false, dy, &ret->t[FAKE_Y]) != type)
        return fail(CUDNN_STATUS_NOT_SUPPORTED, "tensors of several types");
    pad = *(const int64_t *)values(conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2);
    stride =
        *(const int64_t *)values(conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2);
    if (dx[0] != dw[0] || dx[0] != dy[0] || dx[1] != dy[1] || dx[2] != dw[2] || dw[1] != dy[2] ||
        dw[3] != dw[4] || (dx[3] + 2 * pad - dw[3]) / stride + 1 != dy[3] ||
        (dx[4] + 2 * pad - dw[4]) / stride + 1 != dy[4])
        return fail(CUDNN_STATUS_BAD_PARAM, "shapes that are no convolution");
    if (dw[0] > 1 && ret->t[FAKE_W].stride[0] != dw[1] * dw[2] * dw[3] * dw[4])
        return fail(CUDNN_STATUS_NOT_SUPPORTED, "weights of groups with gaps between them");
    ret->type = type == CUDNN_DATA_FLOAT  ? FAKE_F32
                : type == CUDNN_DATA_HALF ? FAKE_F16
                                          : FAKE_BF16;
    ret->g = dx[0];
    ret->n = dx[1];
    ret->c = dx[2];
    ret->h = dx[3];
    ret->w = dx[4];
    ret->k = dw[1];
    ret->r = dw[3];
    ret->p = dy[3];
    ret->q = dy[4];
    ret->stride = stride;
    ret->pad = pad;
    ret->beta = *beta;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finalize_operation(struct descriptor *d)
{
    static const struct names names[] = {
        [FAKE_FORWARD] = {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
        [FAKE_DATA] = {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
        [FAKE_FILTER] = {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};

    d->conv.pass = d->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR ? FAKE_FORWARD
                   : d->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR
                       ? FAKE_DATA
                       : FAKE_FILTER;
    return read_operation(d, &names[d->conv.pass], &d->conv);
}

/* ---- graphs, heuristics, plans ---- */

static cudnnStatus_t finalize_graph(struct descriptor *d)
{
    void *const *ops = values(d, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1);
    const struct descriptor *op = ops ? *ops : NULL;

    if (!op || !fake_known(FAKE_DESCRIPTOR, op, "cudnnBackendFinalize") || !op->final)
        return fail(CUDNN_STATUS_BAD_PARAM, "a graph without an operation");
    d->conv = op->conv;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finalize_heuristics(struct descriptor *d)
{
    const struct descriptor *graph =
        named(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    const int *mode = values(d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1);

    if (!graph || !mode)
        return fail(CUDNN_STATUS_BAD_PARAM, "heuristics without a graph or a mode");
    d->conv = graph->conv;
    d->fallback = *mode == CUDNN_HEUR_MODE_FALLBACK;
    return CUDNN_STATUS_SUCCESS;
}

/* A plan as text and back: the operation's bytes as digits, for who only keeps it. */
static void write_text(struct descriptor *d)
{
    const unsigned char *bytes = (const unsigned char *)&d->conv;
    size_t n = sizeof(d->conv), at;

    d->text = malloc(2 * n + 64);
    at = (size_t)sprintf(d->text, "{\"engine\":%d,\"conv\":\"", d->engine);
    for (size_t i = 0; i < n; i++)
        at += (size_t)sprintf(d->text + at, "%02x", bytes[i]);
    sprintf(d->text + at, "\"}");
}

static cudnnStatus_t read_text(struct descriptor *d, const char *text, int64_t n)
{
    unsigned char *bytes = (unsigned char *)&d->conv;
    char *copy = malloc((size_t)n + 1), *at;
    bool ok;

    memcpy(copy, text, (size_t)n);
    copy[n] = 0;
    ok = sscanf(copy, "{\"engine\":%d,", &d->engine) == 1 && fake_engine(d->engine) &&
         (at = strstr(copy, "\"conv\":\"")) && strlen(at + 8) == 2 * sizeof(d->conv) + 2;
    for (size_t i = 0; ok && i < sizeof(d->conv); i++) {
        unsigned v;

        ok = sscanf(at + 8 + 2 * i, "%2x", &v) == 1;
        bytes[i] = (unsigned char)v;
    }
    free(copy);
    return ok ? CUDNN_STATUS_SUCCESS : fail(CUDNN_STATUS_BAD_PARAM, "not a plan's text");
}

static cudnnStatus_t finalize_plan(struct descriptor *d)
{
    const struct descriptor *config =
        named(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    const struct attribute *text = find(d, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
    void *const *handle = values(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1);
    cudnnStatus_t st = CUDNN_STATUS_SUCCESS;

    if (!handle || !fake_known(FAKE_DNN, *handle, "cudnnBackendFinalize"))
        return fail(CUDNN_STATUS_BAD_PARAM, "a plan without a handle");
    if (!config == !text)
        return fail(CUDNN_STATUS_BAD_PARAM, "a plan of nothing, or of two things");
    if (text)
        st = read_text(d, text->bytes, text->count);
    if (config) {
        d->conv = config->conv;
        d->engine = config->engine;
    }
    if (!st && fake_engine(d->engine)->fails)
        st = fail(CUDNN_STATUS_NOT_SUPPORTED, "this engine never works");
    if (!st)
        write_text(d);
    return st;
}

static cudnnStatus_t finalize_pack(const struct descriptor *d)
{
    if (!values(d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3) ||
        !values(d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3) ||
        !values(d, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1))
        return fail(CUDNN_STATUS_BAD_PARAM, "pointers are missing");
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finalize(struct descriptor *d)
{
    switch ((int)d->type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
        return finalize_tensor(d);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
        return finalize_convolution(d);
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
        return finalize_operation(d);
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
        return finalize_graph(d);
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
        return finalize_heuristics(d);
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
        return finalize_plan(d);
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
        return finalize_pack(d);
    default:
        return fail(CUDNN_STATUS_NOT_SUPPORTED, "the fake has no such descriptor");
    }
}

/* ---- descriptors ---- */

static struct descriptor *open(cudnnBackendDescriptor_t p, const char *function, cudnnStatus_t *ret)
{
    *ret = CUDNN_STATUS_SUCCESS;
    if (!fake_known(FAKE_DESCRIPTOR, p, function))
        *ret = CUDNN_STATUS_BAD_PARAM;
    else if (fake_fails(function))
        *ret = fail(CUDNN_STATUS_INTERNAL_ERROR, "on request");
    return p;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t *ret)
{
    cudnnStatus_t st = CUDNN_STATUS_SUCCESS;
    struct descriptor *d;

    fake_lock();
    if (fake_fails("cudnnBackendCreateDescriptor")) {
        st = fail(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "on request");
    } else {
        d = calloc(1, sizeof(*d));
        d->type = type;
        fake_born(FAKE_DESCRIPTOR, d);
        *ret = d;
    }
    fake_unlock();
    return st;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t p)
{
    struct descriptor *d = p;

    fake_lock();
    if (fake_dies(FAKE_DESCRIPTOR, p, "cudnnBackendDestroyDescriptor")) {
        for (int i = 0; i < d->n; i++)
            free(d->attribute[i].bytes);
        free(d->text);
        free(d);
    }
    fake_unlock();
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t p, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void *from)
{
    cudnnStatus_t st;
    struct descriptor *d;

    fake_lock();
    d = open(p, "cudnnBackendSetAttribute", &st);
    if (!st && d->final)
        st = fail(CUDNN_STATUS_NOT_INITIALIZED, "it was finalised");
    if (!st && (find(d, name) || d->n == MAX_ATTRIBUTES || count < 1 || !from ||
                (size_t)count * size_of(type) > 16 * MAX_BYTES))
        st = fail(CUDNN_STATUS_BAD_PARAM, "an attribute twice, or of no size");
    if (!st) {
        struct attribute *a = &d->attribute[d->n++];
        size_t bytes = (size_t)count * size_of(type);

        *a = (struct attribute){name, type, count, malloc(bytes)};
        memcpy(a->bytes, from, bytes);
    }
    fake_unlock();
    return st;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t p)
{
    cudnnStatus_t st;
    struct descriptor *d;

    fake_lock();
    d = open(p, "cudnnBackendFinalize", &st);
    if (!st && d->final)
        st = fail(CUDNN_STATUS_BAD_PARAM, "it was finalised");
    if (!st)
        st = finalize(d);
    if (!st)
        d->final = true;
    fake_unlock();
    return st;
}

/* ---- what is asked of descriptors ---- */

/* Descriptors of that type that the caller made become what is asked for. */
static cudnnStatus_t fill(const struct descriptor *from, const int *engines, int n,
                          cudnnBackendDescriptorType_t type, int64_t room, int64_t *ret_n,
                          void *ret)
{
    void **to = ret;

    if (!room || !to) {
        *ret_n = n;
        return CUDNN_STATUS_SUCCESS;
    }
    *ret_n = n < room ? n : room;
    for (int64_t i = 0; i < *ret_n; i++) {
        struct descriptor *d = to[i];

        if (!fake_known(FAKE_DESCRIPTOR, d, "cudnnBackendGetAttribute") || d->type != type)
            return fail(CUDNN_STATUS_BAD_PARAM, "no descriptor to put the answer into");
        d->conv = from->conv;
        d->engine = engines[i];
        d->final = true;
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t put_notes(const int *notes, int n, int64_t room, int64_t *ret_n, void *ret)
{
    *ret_n = n;
    for (int i = 0; i < n && i < room; i++)
        ((int *)ret)[i] = notes[i];
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t get_of_engine(const struct descriptor *d, cudnnBackendAttributeName_t name,
                                   int64_t room, int64_t *ret_n, void *ret)
{
    const struct fake_engine *e = fake_engine(d->engine);
    int notes[3], n = 0;

    switch ((int)name) {
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
        *(int64_t *)ret = e->index;
        *ret_n = 1;
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
        if (e->tensor_core)
            notes[n++] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
        if (e->nondeterministic)
            notes[n++] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
        if (e->rounds)
            notes[n++] = CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
        return put_notes(notes, n, room, ret_n, ret);
    case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE:
        if (e->compiled)
            notes[n++] = CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
        return put_notes(notes, n, room, ret_n, ret);
    default:
        return fail(CUDNN_STATUS_NOT_SUPPORTED, "the fake's engines do not say that");
    }
}

static cudnnStatus_t get_of_plan(const struct descriptor *d, cudnnBackendAttributeName_t name,
                                 int64_t room, int64_t *ret_n, void *ret)
{
    switch ((int)name) {
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
        *(int64_t *)ret = fake_workspace(fake_engine(d->engine), &d->conv);
        *ret_n = 1;
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION:
        *ret_n = (int64_t)strlen(d->text) + 1;
        if (ret)
            memcpy(ret, d->text, (size_t)(*ret_n < room ? *ret_n : room));
        return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG:
        return fill(d, &d->engine, 1, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, room, ret_n, ret);
    default:
        return fail(CUDNN_STATUS_NOT_SUPPORTED, "the fake's plans do not say that");
    }
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const p,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t room,
                                       int64_t *ret_n, void *ret)
{
    cudnnStatus_t st;
    const struct descriptor *d;
    int engines[16], n;

    (void)type;
    fake_lock();
    d = open(p, "cudnnBackendGetAttribute", &st);
    if (!st && !d->final)
        st = fail(CUDNN_STATUS_NOT_INITIALIZED, "it was not finalised");
    if (!st)
        switch ((int)d->type) {
        case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
            n = fake_engines(&d->conv, d->fallback, engines, 16);
            st = fill(d, engines, n, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, room, ret_n, ret);
            break;
        case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR:
            st = fill(d, &d->engine, 1, CUDNN_BACKEND_ENGINE_DESCRIPTOR, room, ret_n, ret);
            break;
        case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
            st = get_of_engine(d, name, room, ret_n, ret);
            break;
        case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
            st = get_of_plan(d, name, room, ret_n, ret);
            break;
        default:
            st = fail(CUDNN_STATUS_NOT_SUPPORTED, "nothing is asked of these");
        }
    fake_unlock();
    return st;
}

/* ---- running ---- */

static cudnnStatus_t bind(const struct descriptor *plan, const struct descriptor *pack,
                          struct fake_run *ret)
{
    const int64_t *ids = values(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3);
    void *const *at = values(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3);
    void *const *room = values(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1);
    const struct fake_conv *c = &plan->conv;
    int64_t size = c->type == FAKE_F32 ? 4 : 2;
    const int64_t count[3] = {c->g * c->n * c->c * c->h * c->w, c->g * c->k * c->c * c->r * c->r,
                              c->g * c->n * c->k * c->p * c->q};
    int64_t workspace = fake_workspace(fake_engine(plan->engine), c);

    *ret = (struct fake_run){.conv = *c, .engine = plan->engine, .workspace = *room};
    for (int t = 0; t < 3; t++)
        for (int i = 0; i < 3; i++)
            if (ids[i] == c->t[t].id)
                ret->at[t] = at[i];
    for (int t = 0; t < 3; t++)
        if (!ret->at[t] || (uintptr_t)ret->at[t] % 16 ||
            !fake_on_device(ret->at[t], (size_t)(count[t] * size), "a convolution's tensor"))
            return fail(CUDNN_STATUS_BAD_PARAM, "a pointer that is none, or lies badly");
    if (workspace && (!*room || !fake_on_device(*room, (size_t)workspace, "a workspace")))
        return fail(CUDNN_STATUS_BAD_PARAM, "no workspace");
    if (!workspace)
        ret->workspace = NULL;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t h, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack)
{
    struct descriptor *p, *v;
    struct fake_run run;
    cudnnStatus_t st;

    fake_lock();
    p = open(plan, "cudnnBackendExecute", &st);
    v = pack;
    if (!st && (!fake_known(FAKE_DNN, h, "cudnnBackendExecute") ||
                !fake_known(FAKE_DESCRIPTOR, v, "cudnnBackendExecute") || !p->final || !v->final))
        st = CUDNN_STATUS_BAD_PARAM;
    if (!st && fake_lost())
        st = fail(CUDNN_STATUS_EXECUTION_FAILED, "the device is lost");
    if (!st)
        st = bind(p, v, &run);
    if (!st && fake_enqueue(h->stream, fake_convolve, &run, sizeof(run)))
        st = fail(CUDNN_STATUS_EXECUTION_FAILED, "it could not be given to the stream");
    fake_unlock();
    return st;
}
