/* Which of cuDNN's engines may be taken, their plans, plans as text, and running them. */
#include "kernels/cuda/conv_priv.h"

#include <stdlib.h>
#include <string.h>

/* A launch's pointers: a, b, ret, workspace. */
struct bound {
    cudnnBackendDescriptor_t pack; /* NULL: none yet */
    void *at[4];
};

struct cu_conv_own {
    cudnnBackendDescriptor_t config; /* NULL: the plan came from text */
    size_t step[3];                  /* bytes from one launch's a, b, ret to the next one's */
    struct bound bound[];            /* parts of them */
};

/* Engines that are not what their notes say, from the version on that has the fault to the one that
 * does not. Versions are CUDNN_VERSION's. */
static const struct denied {
    size_t from, to;
    int capability; /* 0: every device */
    enum cu_pass pass;
    int64_t engine;
} denied[] = {
    /* Results differ from run to run: PyTorch's issue 188288 and pull request 189207. */
    {92300, 92400, 86, CU_FORWARD, 5},
};

static bool is_denied(const struct cu_dnn *d, enum cu_pass pass, int64_t engine)
{
    size_t version = cudnnGetVersion();

    for (size_t i = 0; i < HPO_LEN(denied); i++) {
        const struct denied *e = &denied[i];

        if (version >= e->from && version < e->to && pass == e->pass && engine == e->engine &&
            (!e->capability || !d->capability || e->capability == d->capability))
            return true;
    }
    return false;
}

/* ---- what an engine says of itself ---- */

struct notes {
    int64_t engine;
    bool tensor_core, nondeterministic, compiled;
    bool rounds; /* reads or sums in less than the types that were asked for */
};

static cudnnStatus_t read_notes(cudnnBackendDescriptor_t engine, struct notes *ret)
{
    /* Room for notes that came after this header. */
    cudnnBackendNumericalNote_t numerical[4 * CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendBehaviorNote_t behavior[4 * CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    int64_t n_numerical = 0, n_behavior = 0, n = 0;
    cudnnStatus_t st;

    st = cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &n,
                                  &ret->engine);
    if (!st)
        st = cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                      CUDNN_TYPE_NUMERICAL_NOTE, HPO_LEN(numerical), &n_numerical,
                                      numerical);
    if (!st)
        st = cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                                      CUDNN_TYPE_BEHAVIOR_NOTE, HPO_LEN(behavior), &n_behavior,
                                      behavior);
    if (st)
        return st;
    if (n_numerical > (int64_t)HPO_LEN(numerical) || n_behavior > (int64_t)HPO_LEN(behavior))
        return CUDNN_STATUS_NOT_SUPPORTED;
    for (int64_t i = 0; i < n_numerical; i++) {
        ret->tensor_core |= numerical[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
        ret->nondeterministic |= numerical[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
        ret->rounds |= numerical[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
                       numerical[i] == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION;
    }
    for (int64_t i = 0; i < n_behavior; i++)
        ret->compiled |= behavior[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return CUDNN_STATUS_SUCCESS;
}

static int notes_of(cudnnBackendDescriptor_t config, struct notes *ret, struct hpo_err *err)
{
    struct cu_made m = {.err = err};
    cudnnBackendDescriptor_t engine = cu_make(&m, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnStatus_t st;
    int64_t n = 0;

    *ret = (struct notes){.engine = -1};
    if (m.rc)
        return m.rc;
    st = cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine);
    if (!st)
        st = read_notes(engine, ret);
    cu_made_release(&m);
    return st ? cu_dnn_fail(err, st, "an engine's notes") : HPO_OK;
}

/* Count and say whether an engine of these notes may be taken. */
static bool may_take(const struct cu_dnn *d, const struct cu_conv_op *op, const struct notes *n,
                     struct cu_tally *t)
{
    int *why = NULL;

    if (n->nondeterministic)
        why = &t->nondeterministic;
    else if (n->compiled)
        why = &t->compiled;
    else if (n->rounds || (n->tensor_core && op->s.type == CU_F32 && !op->s.tf32))
        why = &t->rounding;
    else if (is_denied(d, op->pass, n->engine))
        why = &t->denied;
    if (why)
        ++*why;
    return !why;
}

/* ---- plans ---- */

/* Of a configuration, or (config NULL) of a text. */
static int finalize(const struct cu_dnn *d, cudnnBackendDescriptor_t config, const char *text,
                    size_t n, cudnnBackendDescriptor_t *ret, struct hpo_err *err)
{
    struct cu_made m = {.err = err};
    cudnnBackendDescriptor_t plan = cu_make(&m, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);

    if (d->described)
        cu_set(&m, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
               &d->described);
    else
        cu_set(&m, plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->handle);
    if (config)
        cu_set(&m, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
               &config);
    else
        cu_set(&m, plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)n,
               text);
    cu_finalize(&m, plan, "a plan");
    if (!m.rc)
        *ret = cu_made_keep_last(&m);
    cu_made_release(&m);
    return m.rc;
}

static int workspace_of(cudnnBackendDescriptor_t plan, size_t *ret, struct hpo_err *err)
{
    int64_t bytes = 0, n = 0;
    cudnnStatus_t st = cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                                CUDNN_TYPE_INT64, 1, &n, &bytes);

    if (st)
        return cu_dnn_fail(err, st, "a plan's workspace");
    if (bytes < 0)
        return hpo_fail(err, HPO_EDEVICE, "cuDNN: a plan needs %lld bytes of workspace",
                        (long long)bytes);
    *ret = (size_t)bytes;
    return HPO_OK;
}

static struct cu_conv_own *own_new(const struct cu_conv_op *op, cudnnBackendDescriptor_t config)
{
    struct cu_conv_own *own = xcalloc(1, sizeof(*own) + (size_t)op->parts * sizeof(own->bound[0]));

    own->config = config;
    cu_conv_sizes(&op->s, op->pass, own->step);
    return own;
}

bool cu_conv_take(const struct cu_dnn *d, const struct cu_conv_op *op,
                  cudnnBackendDescriptor_t *config, struct cu_tally *t, struct cu_conv *ret)
{
    struct cu_conv c = {.pass = op->pass, .parts = op->parts};
    struct notes n;

    t->seen++;
    if (notes_of(*config, &n, &t->last)) {
        t->refused++;
        return false;
    }
    if (!may_take(d, op, &n, t))
        return false;
    if (finalize(d, *config, NULL, 0, &c.plan, &t->last) ||
        workspace_of(c.plan, &c.workspace, &t->last)) {
        cu_conv_release(&c);
        t->refused++;
        return false;
    }
    c.engine = n.engine;
    c.tensor_core = n.tensor_core;
    c.own = own_new(op, *config);
    *config = NULL;
    *ret = c;
    return true;
}

int cu_conv_text(const struct cu_conv *c, struct str *ret, struct hpo_err *err)
{
    const cudnnBackendAttributeName_t name = CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION;
    int64_t n = 0, got = 0;
    cudnnStatus_t st = cudnnBackendGetAttribute(c->plan, name, CUDNN_TYPE_CHAR, 0, &n, NULL);
    char *text;

    if (st)
        return cu_dnn_fail(err, st, "a plan as text");
    if (n < 1)
        return hpo_fail(err, HPO_EDEVICE, "cuDNN: a plan as text: it is empty");
    text = xcalloc((size_t)n + 1, 1);
    st = cudnnBackendGetAttribute(c->plan, name, CUDNN_TYPE_CHAR, n, &got, text);
    if (!st)
        str_add(ret, text);
    free(text);
    return st ? cu_dnn_fail(err, st, "a plan as text") : HPO_OK;
}

/* What a finalised plan says of the engine that it uses. */
static int notes_of_plan(cudnnBackendDescriptor_t plan, struct notes *ret, struct hpo_err *err)
{
    struct cu_made m = {.err = err};
    cudnnBackendDescriptor_t config = cu_make(&m, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    cudnnStatus_t st;
    int64_t n = 0;
    int rc = m.rc;

    if (!rc) {
        st = cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                      CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &config);
        rc = st ? cu_dnn_fail(err, st, "a plan's engine") : notes_of(config, ret, err);
    }
    cu_made_release(&m);
    return rc;
}

int cu_conv_from_text(const struct cu_dnn *d, const struct cu_conv_op *op, const char *text,
                      size_t n, struct cu_conv *ret, struct hpo_err *err)
{
    struct cu_conv c = {.pass = op->pass, .parts = op->parts};
    struct cu_tally tally = {0};
    struct notes notes;
    int rc = finalize(d, NULL, text, n, &c.plan, err);

    if (!rc)
        rc = workspace_of(c.plan, &c.workspace, err);
    if (!rc)
        rc = notes_of_plan(c.plan, &notes, err);
    if (!rc && !may_take(d, op, &notes, &tally))
        rc = hpo_fail(err, HPO_EDEVICE, "engine %lld may not be taken", (long long)notes.engine);
    if (rc) {
        cu_conv_release(&c);
        return rc;
    }
    c.engine = notes.engine;
    c.tensor_core = notes.tensor_core;
    c.own = own_new(op, NULL);
    *ret = c;
    return HPO_OK;
}

void cu_conv_release(struct cu_conv *c)
{
    for (int i = 0; c->own && i < c->parts; i++)
        if (c->own->bound[i].pack)
            cudnnBackendDestroyDescriptor(c->own->bound[i].pack);
    if (c->plan)
        cudnnBackendDestroyDescriptor(c->plan);
    if (c->own && c->own->config)
        cudnnBackendDestroyDescriptor(c->own->config);
    free(c->own);
    *c = (struct cu_conv){0};
}

/* ---- running ---- */

static int bind(struct bound *b, void *const at[4], struct hpo_err *err)
{
    static const int64_t ids[3] = {CU_ID_A, CU_ID_B, CU_ID_RET};
    struct cu_made m = {.err = err};
    cudnnBackendDescriptor_t pack = cu_make(&m, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);

    cu_set(&m, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids);
    cu_set(&m, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, at);
    cu_set(&m, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &at[3]);
    cu_finalize(&m, pack, "a plan's pointers");
    if (!m.rc) {
        if (b->pack)
            cudnnBackendDestroyDescriptor(b->pack);
        b->pack = cu_made_keep_last(&m);
        memcpy(b->at, at, sizeof(b->at));
    }
    cu_made_release(&m);
    return m.rc;
}

int cu_conv_run(const struct cu_dnn *d, const struct cu_conv *c, const void *a, const void *b,
                void *ret, void *workspace, struct hpo_err *err)
{
    const size_t *step = c->own->step;
    cudnnStatus_t st = CUDNN_STATUS_SUCCESS;

    if (!d->handle)
        return hpo_fail(err, HPO_EDEVICE, "a convolution needs a device to run on");
    for (int i = 0; i < c->parts && !st; i++) {
        struct bound *bound = &c->own->bound[i];
        size_t k = (size_t)i;
        /* cuDNN's C API has one type for what is read and what is written. */
        void *const at[4] = {(char *)a + k * step[0], (char *)b + k * step[1],
                             (char *)ret + k * step[2], c->workspace ? workspace : NULL};

        /* A pack cannot be changed once it is finalised. Pointers seldom change. */
        if (!bound->pack || memcmp(bound->at, at, sizeof(at))) {
            int rc = bind(bound, at, err);

            if (rc)
                return rc;
        }
        st = cudnnBackendExecute(d->handle, c->plan, bound->pack);
    }
    return st ? cu_dnn_fail(err, st, "a convolution") : HPO_OK;
}
