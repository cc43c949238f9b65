/* Convolutions as cuDNN's operation graphs, and the engines that its heuristics propose. */
#include "kernels/cuda/conv_priv.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cu_dnn_fail(struct hpo_err *err, cudnnStatus_t st, const char *what)
{
    char why[512] = "";
    bool memory = st == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
                  st == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;

    cudnnGetLastErrorString(why, sizeof(why));
    why[sizeof(why) - 1] = 0;
    return hpo_fail(err, memory ? HPO_ENOMEM : HPO_EDEVICE, "cuDNN: %s: %s%s%s", what,
                    cudnnGetErrorString(st), why[0] ? ": " : "", why);
}

/* ---- descriptors ---- */

cudnnBackendDescriptor_t cu_make(struct cu_made *m, cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t d = NULL;
    cudnnStatus_t st;

    if (m->rc)
        return NULL;
    if ((size_t)m->n >= HPO_LEN(m->d)) {
        m->rc = hpo_fail(m->err, HPO_EDEVICE, "too many descriptors at once");
        return NULL;
    }
    st = cudnnBackendCreateDescriptor(type, &d);
    if (st) {
        m->rc = cu_dnn_fail(m->err, st, "a descriptor");
        return NULL;
    }
    return m->d[m->n++] = d;
}

void cu_set(struct cu_made *m, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
            cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    cudnnStatus_t st;
    char what[48];

    if (m->rc)
        return;
    st = cudnnBackendSetAttribute(d, name, type, count, values);
    if (st) {
        snprintf(what, sizeof(what), "setting attribute %d", (int)name);
        m->rc = cu_dnn_fail(m->err, st, what);
    }
}

void cu_finalize(struct cu_made *m, cudnnBackendDescriptor_t d, const char *what)
{
    cudnnStatus_t st;

    if (m->rc)
        return;
    st = cudnnBackendFinalize(d);
    if (st)
        m->rc = cu_dnn_fail(m->err, st, what);
}

cudnnBackendDescriptor_t cu_made_keep_last(struct cu_made *m)
{
    return m->d[--m->n];
}

void cu_made_release(struct cu_made *m)
{
    while (m->n)
        cudnnBackendDestroyDescriptor(m->d[--m->n]);
}

/* ---- a described device ---- */

int cu_dnn_describe(struct cu_dnn *d, const char *json, struct hpo_err *err)
{
    struct cu_made m = {.err = err};
    cudnnBackendDescriptor_t p = cu_make(&m, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    cJSON *j = json_parse(json, strlen(json));
    double version = j ? json_get_number(j, "deviceVer") : 0;

    cu_set(&m, p, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(json),
           json);
    cu_finalize(&m, p, "the description of a device");
    if (!m.rc) {
        d->described = cu_made_keep_last(&m);
        d->capability = version > 0 && version < 10000 ? (int)(version / 10) : 0;
    }
    cJSON_Delete(j);
    cu_made_release(&m);
    return m.rc;
}

void cu_dnn_release(struct cu_dnn *d)
{
    if (d->described)
        cudnnBackendDestroyDescriptor(d->described);
    d->described = NULL;
}

/* ---- shapes ---- */

/* The operation of each pass, and its attributes by role. */
static const struct {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t alpha, beta, conv, x, w, y;
    int64_t id_x, id_w, id_y;
} ops[] = {
    [CU_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CU_ID_A, CU_ID_B, CU_ID_RET},
    [CU_BACKWARD_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CU_ID_RET, CU_ID_B,
                          CU_ID_A},
    [CU_BACKWARD_FILTER] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
                            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CU_ID_A, CU_ID_RET,
                            CU_ID_B},
};

static const char *const pass_names[] = {"forward", "backward data", "backward filter"};
static const char *const type_names[] = {"fp32", "bf16", "fp16"};
static const int type_bytes[] = {4, 2, 2};

static int out_size(const struct cu_conv_shape *s, int in)
{
    return (in + 2 * s->pad - s->kernel) / s->stride + 1;
}

void cu_conv_describe(const struct cu_conv_shape *s, enum cu_pass pass, struct str *ret)
{
    str_addf(ret, "%s of %d x (%d, %d, %d, %d) -> %d, kernel %d, stride %d, pad %d, %s",
             pass_names[pass], s->models, s->n, s->h, s->w, s->c, s->k, s->kernel, s->stride,
             s->pad, s->type == CU_F32 && s->tf32 ? "tf32" : type_names[s->type]);
    if (pass == CU_BACKWARD_DATA && s->accumulate)
        str_add(ret, ", added");
}

void cu_conv_sizes(const struct cu_conv_shape *s, enum cu_pass pass, size_t ret[3])
{
    size_t n = (size_t)s->n * (size_t)type_bytes[s->type], c = (size_t)s->c, k = (size_t)s->k;
    size_t p = (size_t)out_size(s, s->h), q = (size_t)out_size(s, s->w), r = (size_t)s->kernel;

    ret[ops[pass].id_x - CU_ID_A] = n * (size_t)s->h * (size_t)s->w * c;
    ret[ops[pass].id_w - CU_ID_A] = k * r * r * c * (size_t)type_bytes[s->type];
    ret[ops[pass].id_y - CU_ID_A] = n * p * q * k;
}

int cu_conv_check(const struct cu_conv_shape *s, enum cu_pass pass, struct hpo_err *err)
{
    struct str text = {0};
    int rc = HPO_OK;

    if (s->models < 1 || s->n < 1 || s->c < 1 || s->h < 1 || s->w < 1 || s->k < 1 ||
        s->kernel < 1 || s->stride < 1 || s->pad < 0 || s->h + 2 * s->pad < s->kernel ||
        s->w + 2 * s->pad < s->kernel) {
        cu_conv_describe(s, pass, &text);
        rc = hpo_fail(err, HPO_EDEVICE, "%s: there is no such convolution", str_c(&text));
        str_release(&text);
    }
    return rc;
}

/* ---- the graph ---- */

/* One tensor, of which each model's part is contiguous with channels last; `apart` is from one
 * model's part to the next. To cuDNN the models are the groups of a grouped convolution: of the
 * dimensions {n, g, c, h, w} with the activations, {g, k, c, r, s} with the weights. */
static cudnnBackendDescriptor_t tensor(struct cu_made *m, const struct cu_conv_shape *s, int64_t id,
                                       bool weights, int64_t n, int64_t c, int64_t h, int64_t w,
                                       int64_t apart)
{
    static const cudnnDataType_t types[] = {CUDNN_DATA_FLOAT, CUDNN_DATA_BFLOAT16, CUDNN_DATA_HALF};
    cudnnBackendDescriptor_t t = cu_make(m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    int64_t dims[5], strides[5], align = 16;
    int nd = 0, group = s->models == 1 ? -1 : weights ? 0 : 1;

    for (int i = 0; i < 4; i++) {
        const int64_t dim[] = {n, c, h, w}, stride[] = {h * w * c, 1, w * c, c};

        if (nd == group) {
            dims[nd] = s->models;
            strides[nd++] = apart;
        }
        dims[nd] = dim[i];
        strides[nd++] = stride[i];
    }
    cu_set(m, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &types[s->type]);
    cu_set(m, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, nd, dims);
    cu_set(m, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, nd, strides);
    cu_set(m, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    cu_set(m, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align);
    cu_finalize(m, t, "a tensor");
    return t;
}

static cudnnBackendDescriptor_t convolution(struct cu_made *m, const struct cu_conv_shape *s)
{
    cudnnBackendDescriptor_t c = cu_make(m, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    int64_t nd = 2, pad[2] = {s->pad, s->pad}, stride[2] = {s->stride, s->stride};
    int64_t dilation[2] = {1, 1};

    cu_set(m, c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
    cu_set(m, c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    cu_set(m, c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &nd);
    cu_set(m, c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, nd, pad);
    cu_set(m, c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, nd, pad);
    cu_set(m, c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, nd, stride);
    cu_set(m, c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, nd, dilation);
    cu_finalize(m, c, "a convolution");
    return c;
}

static cudnnBackendDescriptor_t make_operation(struct cu_made *m, const struct cu_conv_shape *s,
                                               enum cu_pass pass)
{
    int64_t n = s->n, c = s->c, h = s->h, w = s->w, k = s->k, r = s->kernel;
    int64_t p = out_size(s, s->h), q = out_size(s, s->w);
    cudnnBackendDescriptor_t x = tensor(m, s, ops[pass].id_x, false, n, c, h, w, n * h * w * c);
    cudnnBackendDescriptor_t f = tensor(m, s, ops[pass].id_w, true, k, c, r, r, k * r * r * c);
    cudnnBackendDescriptor_t y = tensor(m, s, ops[pass].id_y, false, n, k, p, q, n * p * q * k);
    cudnnBackendDescriptor_t conv = convolution(m, s), op = cu_make(m, ops[pass].type);
    float alpha = 1, beta = pass == CU_BACKWARD_DATA && s->accumulate ? 1 : 0;

    cu_set(m, op, ops[pass].conv, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &conv);
    cu_set(m, op, ops[pass].x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
    cu_set(m, op, ops[pass].w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &f);
    cu_set(m, op, ops[pass].y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y);
    cu_set(m, op, ops[pass].alpha, CUDNN_TYPE_FLOAT, 1, &alpha);
    cu_set(m, op, ops[pass].beta, CUDNN_TYPE_FLOAT, 1, &beta);
    cu_finalize(m, op, "an operation");
    return op;
}

/* The last one made is the graph. */
static void make_graph(struct cu_made *m, const struct cu_dnn *d, const struct cu_conv_op *op)
{
    struct cu_conv_shape s = op->s;
    cudnnBackendDescriptor_t operation, graph;

    if (op->parts > 1)
        s.models = 1;
    operation = make_operation(m, &s, op->pass);
    graph = cu_make(m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    /* Needed before cuDNN 9.8. */
    if (!d->described)
        cu_set(m, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->handle);
    cu_set(m, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operation);
    cu_finalize(m, graph, "an operation graph");
}

/* ---- heuristics ---- */

static int fetch(struct cu_configs *c, cudnnBackendDescriptor_t heur, struct hpo_err *err)
{
    int64_t n = 0, got = 0;
    cudnnStatus_t st = cudnnBackendGetAttribute(heur, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &n, NULL);

    if (st || n < 1)
        return st ? cu_dnn_fail(err, st, "the heuristics' results") : HPO_OK;
    c->d = xcalloc((size_t)n, sizeof(*c->d));
    for (; c->n < n; c->n++) {
        st = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &c->d[c->n]);
        if (st)
            return cu_dnn_fail(err, st, "a descriptor");
    }
    st = cudnnBackendGetAttribute(heur, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, n, &got, c->d);
    if (st)
        return cu_dnn_fail(err, st, "the heuristics' results");
    while (c->n > got) /* fewer than it promised: these stayed empty */
        cudnnBackendDestroyDescriptor(c->d[--c->n]);
    return HPO_OK;
}

int cu_configs_init(struct cu_configs *c, const struct cu_dnn *d, const struct cu_conv_op *op,
                    cudnnBackendHeurMode_t mode, struct hpo_err *err)
{
    struct cu_made m = {.err = err};
    cudnnBackendDescriptor_t heur, graph;
    int rc;

    *c = (struct cu_configs){0};
    make_graph(&m, d, op);
    graph = m.n ? m.d[m.n - 1] : NULL;
    heur = cu_make(&m, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    cu_set(&m, heur, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
           &graph);
    cu_set(&m, heur, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (d->described)
        cu_set(&m, heur, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
               &d->described);
    cu_finalize(&m, heur, "the heuristics");
    rc = m.rc ? m.rc : fetch(c, heur, err);
    c->made = m;
    if (rc)
        cu_configs_release(c);
    return rc;
}

void cu_configs_release(struct cu_configs *c)
{
    for (int i = 0; i < c->n; i++)
        if (c->d[i])
            cudnnBackendDestroyDescriptor(c->d[i]);
    free(c->d);
    cu_made_release(&c->made);
    *c = (struct cu_configs){0};
}
