#include "kernels/cpu/dnnl_compat.h"

#include <string.h>

#define V3 (DNNL_VERSION_MAJOR >= 3)

int dn_fail(struct hpo_err *err, dnnl_status_t st, const char *what)
{
    static const char *const text[] = {"success", "out of memory", "invalid arguments",
                                       "unimplemented"};
    const char *t = (unsigned)st < HPO_LEN(text) ? text[st] : "runtime error";

    if (st == dnnl_out_of_memory)
        return hpo_fail(err, HPO_ENOMEM, "oneDNN: %s: out of host memory", what);
    return hpo_fail(err, HPO_EDEVICE, "oneDNN: %s: %s (%d)", what, t, (int)st);
}

/* ---- memory descriptors that this file makes: released by md_release ---- */

static dnnl_status_t md_init(struct dn_layout *l, int ndims, const int64_t *dims,
                             dnnl_format_tag_t tag)
{
    dnnl_dims_t d;

    memset(d, 0, sizeof(d));
    for (int i = 0; i < ndims; i++)
        d[i] = dims[i];
#if V3
    return dnnl_memory_desc_create_with_tag(&l->md, ndims, d, dnnl_f32, tag);
#else
    return dnnl_memory_desc_init_by_tag(l->md, ndims, d, dnnl_f32, tag);
#endif
}

static void md_copy(struct dn_layout *l, dn_md from)
{
#if V3
    if (dnnl_memory_desc_clone(&l->md, from) != dnnl_success)
        l->md = NULL;
#else
    l->md[0] = *from;
#endif
}

void dn_layout_release(struct dn_layout *l)
{
#if V3
    if (l->md)
        dnnl_memory_desc_destroy(l->md);
    l->md = NULL;
#else
    memset(l, 0, sizeof(*l));
#endif
}

int dn_layout_init(struct dn_layout *l, int oc, int ic, int kernel, struct hpo_err *err)
{
    int64_t dims[4] = {oc, ic, kernel, kernel};
    dnnl_status_t st = md_init(l, kernel ? 4 : 2, dims, kernel ? dnnl_oihw : dnnl_oi);

    return st == dnnl_success ? HPO_OK : dn_fail(err, st, "a weight's layout");
}

size_t dn_md_bytes(dn_md md)
{
    return dnnl_memory_desc_get_size(md);
}

bool dn_md_equal(dn_md a, dn_md b)
{
    return dnnl_memory_desc_equal(a, b) != 0;
}

/* ---- choosing an implementation ---- */

struct mds {
    struct dn_layout src, weight, bias, dst;
};

static void mds_release(struct mds *m)
{
    dn_layout_release(&m->src);
    dn_layout_release(&m->weight);
    dn_layout_release(&m->bias);
    dn_layout_release(&m->dst);
}

static dnnl_status_t mds_init(struct mds *m, const struct dn_shape *s, dn_md weight)
{
    dnnl_format_tag_t blocked = s->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;
    int64_t src[4] = {s->n, s->ic, s->ih, s->iw}, dst[4] = {s->n, s->oc, s->oh, s->ow};
    int64_t w[4] = {s->oc, s->ic, s->kernel, s->kernel}, bias[1] = {s->oc};
    int nd = s->kernel ? 4 : 2;
    dnnl_status_t st;

    memset(m, 0, sizeof(*m));
    st = md_init(&m->src, nd, src, !s->kernel ? dnnl_nc : s->plain_src ? dnnl_nchw : blocked);
    if (st == dnnl_success)
        st = md_init(&m->dst, nd, dst, s->kernel ? blocked : dnnl_nc);
    if (st == dnnl_success)
        st = md_init(&m->bias, 1, bias, dnnl_a);
    if (st == dnnl_success && weight)
        md_copy(&m->weight, weight);
    else if (st == dnnl_success)
        st = md_init(&m->weight, nd, w, dnnl_format_tag_any);
    return st;
}

#if V3
#define BIAS(m, s) ((s)->bias ? (m)->bias.md : NULL)

static dnnl_status_t choose(dnnl_primitive_desc_t *ret, dnnl_engine_t e, const struct dn_shape *s,
                            const struct mds *m, enum dn_pass pass, dnnl_alg_kind_t alg,
                            const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_dims_t st = {s->stride, s->stride}, dil = {0, 0}, pad = {s->pad, s->pad}, pr;
    dnnl_prop_kind_t prop = pass == DN_INFER ? dnnl_forward_inference : dnnl_forward_training;

    memcpy(pr, pad, sizeof(pr));
    pr[0] = (int64_t)(s->oh - 1) * s->stride + s->kernel - s->ih - s->pad;
    pr[1] = (int64_t)(s->ow - 1) * s->stride + s->kernel - s->iw - s->pad;
    if (!s->kernel) {
        if (pass == DN_DATA)
            return dnnl_inner_product_backward_data_primitive_desc_create(
                ret, e, m->src.md, m->weight.md, m->dst.md, hint, attr);
        if (pass == DN_WEIGHTS)
            return dnnl_inner_product_backward_weights_primitive_desc_create(
                ret, e, m->src.md, m->weight.md, BIAS(m, s), m->dst.md, hint, attr);
        return dnnl_inner_product_forward_primitive_desc_create(
            ret, e, prop, m->src.md, m->weight.md, BIAS(m, s), m->dst.md, attr);
    }
    if (pass == DN_DATA)
        return dnnl_convolution_backward_data_primitive_desc_create(
            ret, e, alg, m->src.md, m->weight.md, m->dst.md, st, dil, pad, pr, hint, attr);
    if (pass == DN_WEIGHTS)
        return dnnl_convolution_backward_weights_primitive_desc_create(
            ret, e, alg, m->src.md, m->weight.md, BIAS(m, s), m->dst.md, st, dil, pad, pr, hint,
            attr);
    return dnnl_convolution_forward_primitive_desc_create(ret, e, prop, alg, m->src.md, m->weight.md,
                                                          BIAS(m, s), m->dst.md, st, dil, pad, pr,
                                                          attr);
}
#else
#define BIAS(m, s) ((s)->bias ? (m)->bias.md : NULL)

static dnnl_status_t choose(dnnl_primitive_desc_t *ret, dnnl_engine_t e, const struct dn_shape *s,
                            const struct mds *m, enum dn_pass pass, dnnl_alg_kind_t alg,
                            const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_dims_t st = {s->stride, s->stride}, pad = {s->pad, s->pad}, pr = {0};
    dnnl_prop_kind_t prop = pass == DN_INFER ? dnnl_forward_inference : dnnl_forward_training;
    dnnl_status_t rc;

    pr[0] = (int64_t)(s->oh - 1) * s->stride + s->kernel - s->ih - s->pad;
    pr[1] = (int64_t)(s->ow - 1) * s->stride + s->kernel - s->iw - s->pad;
    if (!s->kernel) {
        dnnl_inner_product_desc_t d;

        if (pass == DN_DATA)
            rc = dnnl_inner_product_backward_data_desc_init(&d, m->src.md, m->weight.md, m->dst.md);
        else if (pass == DN_WEIGHTS)
            rc = dnnl_inner_product_backward_weights_desc_init(&d, m->src.md, m->weight.md,
                                                               BIAS(m, s), m->dst.md);
        else
            rc = dnnl_inner_product_forward_desc_init(&d, prop, m->src.md, m->weight.md, BIAS(m, s),
                                                      m->dst.md);
        return rc == dnnl_success ? dnnl_primitive_desc_create(ret, &d, attr, e, hint) : rc;
    } else {
        dnnl_convolution_desc_t d;

        if (pass == DN_DATA)
            rc = dnnl_convolution_backward_data_desc_init(&d, alg, m->src.md, m->weight.md,
                                                          m->dst.md, st, pad, pr);
        else if (pass == DN_WEIGHTS)
            rc = dnnl_convolution_backward_weights_desc_init(
                &d, alg, m->src.md, m->weight.md, BIAS(m, s), m->dst.md, st, pad, pr);
        else
            rc = dnnl_convolution_forward_desc_init(&d, prop, alg, m->src.md, m->weight.md,
                                                    BIAS(m, s), m->dst.md, st, pad, pr);
        return rc == dnnl_success ? dnnl_primitive_desc_create(ret, &d, attr, e, hint) : rc;
    }
}
#endif

/* One attempt with one algorithm. A backward pass needs a forward one as a hint. */
static dnnl_status_t attempt(dnnl_primitive_desc_t *ret, dnnl_engine_t e, const struct dn_shape *s,
                             enum dn_pass pass, dnnl_alg_kind_t alg, dn_md weight)
{
    struct mds any, given;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t st;

    memset(&given, 0, sizeof(given));
    st = mds_init(&any, s, NULL);
    if (st == dnnl_success)
        st = mds_init(&given, s, weight);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_create(&attr);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success && (pass == DN_DATA || pass == DN_WEIGHTS))
        st = choose(&hint, e, s, &any, DN_TRAIN, alg, NULL, attr);
    if (st == dnnl_success)
        st = choose(ret, e, s, &given, pass, alg, hint, attr);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    mds_release(&any);
    mds_release(&given);
    return st;
}

dn_md dn_prim_weight(const struct dn_prim *p)
{
    return dnnl_primitive_desc_query_md(
        p->pd, p->pass == DN_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
}

const char *dn_prim_impl(const struct dn_prim *p)
{
    const char *name = "";

    dnnl_primitive_desc_query(p->pd, dnnl_query_impl_info_str, 0, &name);
    return name;
}

int dn_prim_choose(struct dn_prim *ret, dnnl_engine_t engine, const struct dn_shape *s,
                   enum dn_pass pass, enum dn_alg alg, bool exact, dn_md weight,
                   struct hpo_err *err)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t st = dnnl_unimplemented;

    if (alg == DN_WINOGRAD && !exact)
        st = attempt(&pd, engine, s, pass, dnnl_convolution_winograd, weight);
    if (st == dnnl_unimplemented)
        st = attempt(&pd, engine, s, pass, dnnl_convolution_direct, weight);
    if (st != dnnl_success)
        return dn_fail(err, st, s->kernel ? "a convolution" : "a linear layer");
    *ret = (struct dn_prim){.pd = pd, .pass = pass, .bias = s->bias && pass != DN_DATA};
    ret->scratch = dn_md_bytes(dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0));
    return HPO_OK;
}

int dn_prim_compile(struct dn_prim *p, struct hpo_err *err)
{
    dnnl_status_t st = dnnl_primitive_create(&p->prim, p->pd);

    return st == dnnl_success ? HPO_OK : dn_fail(err, st, "compiling a primitive");
}

void dn_prim_release(struct dn_prim *p)
{
    if (p->prim)
        dnnl_primitive_destroy(p->prim);
    if (p->pd)
        dnnl_primitive_desc_destroy(p->pd);
    *p = (struct dn_prim){0};
}

int dn_reorder_choose(struct dn_reorder *ret, dnnl_engine_t engine, dn_md from, dn_md to,
                      struct hpo_err *err)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t st = dnnl_primitive_attr_create(&attr);

    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, attr);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    if (st != dnnl_success)
        return dn_fail(err, st, "a reorder of weights");
    *ret = (struct dn_reorder){.pd = pd};
    ret->scratch = dn_md_bytes(dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0));
    return HPO_OK;
}

int dn_reorder_compile(struct dn_reorder *r, struct hpo_err *err)
{
    dnnl_status_t st = dnnl_primitive_create(&r->prim, r->pd);

    return st == dnnl_success ? HPO_OK : dn_fail(err, st, "compiling a reorder");
}

void dn_reorder_release(struct dn_reorder *r)
{
    if (r->prim)
        dnnl_primitive_destroy(r->prim);
    if (r->pd)
        dnnl_primitive_desc_destroy(r->pd);
    *r = (struct dn_reorder){0};
}

/* ---- executing ---- */

/* DNNL_ARG_ and the query of its descriptor, by pass. */
struct arg_info {
    int arg;
    dnnl_query_t query;
    int index;
};

static struct arg_info arg_info(enum dn_pass pass, enum dn_arg a)
{
    switch (a) {
    case DN_SRC:
        return pass == DN_DATA ? (struct arg_info){DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0}
                               : (struct arg_info){DNNL_ARG_SRC, dnnl_query_src_md, 0};
    case DN_WEIGHT:
        return pass == DN_WEIGHTS
                   ? (struct arg_info){DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, 0}
                   : (struct arg_info){DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0};
    case DN_BIAS:
        return pass == DN_WEIGHTS
                   ? (struct arg_info){DNNL_ARG_DIFF_BIAS, dnnl_query_diff_weights_md, 1}
                   : (struct arg_info){DNNL_ARG_BIAS, dnnl_query_weights_md, 1};
    case DN_DST:
        return pass == DN_DATA || pass == DN_WEIGHTS
                   ? (struct arg_info){DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0}
                   : (struct arg_info){DNNL_ARG_DST, dnnl_query_dst_md, 0};
    default:
        return (struct arg_info){DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0};
    }
}

static int mem_new(dnnl_memory_t *ret, dnnl_engine_t e, dn_md md, struct hpo_err *err)
{
    dnnl_status_t st = dnnl_memory_create(ret, md, e, DNNL_MEMORY_NONE);

    return st == dnnl_success ? HPO_OK : dn_fail(err, st, "a memory object");
}

int dn_call_init(struct dn_call *c, dnnl_engine_t engine, const struct dn_prim *p,
                 struct hpo_err *err)
{
    int rc = HPO_OK;

    for (int a = 0; a < DN_N_ARGS && !rc; a++) {
        struct arg_info i = arg_info(p->pass, (enum dn_arg)a);

        if (a != DN_BIAS || p->bias)
            rc = mem_new(&c->mem[a], engine, dnnl_primitive_desc_query_md(p->pd, i.query, i.index),
                         err);
    }
    return rc;
}

int dn_call_init_reorder(struct dn_call *c, dnnl_engine_t engine, const struct dn_reorder *r,
                         struct hpo_err *err)
{
    int rc = mem_new(&c->mem[DN_SRC], engine,
                     dnnl_primitive_desc_query_md(r->pd, dnnl_query_src_md, 0), err);

    if (!rc)
        rc = mem_new(&c->mem[DN_DST], engine,
                     dnnl_primitive_desc_query_md(r->pd, dnnl_query_dst_md, 0), err);
    if (!rc)
        rc = mem_new(&c->mem[DN_SCRATCH], engine,
                     dnnl_primitive_desc_query_md(r->pd, dnnl_query_scratchpad_md, 0), err);
    return rc;
}

void dn_call_release(struct dn_call *c)
{
    for (int a = 0; a < DN_N_ARGS; a++)
        if (c->mem[a])
            dnnl_memory_destroy(c->mem[a]);
    *c = (struct dn_call){0};
}

static int execute(dnnl_primitive_t prim, dnnl_stream_t stream, int n, const dnnl_exec_arg_t *args,
                   struct hpo_err *err)
{
    dnnl_status_t st = dnnl_primitive_execute(prim, stream, n, args);

    if (st == dnnl_success)
        st = dnnl_stream_wait(stream);
    return st == dnnl_success ? HPO_OK : dn_fail(err, st, "executing a primitive");
}

int dn_run(const struct dn_prim *p, const struct dn_call *c, dnnl_stream_t stream, void *const *ptr,
           struct hpo_err *err)
{
    dnnl_exec_arg_t args[DN_N_ARGS];
    int n = 0;

    for (int a = 0; a < DN_N_ARGS; a++) {
        if (!c->mem[a] || (a == DN_SCRATCH && !p->scratch))
            continue;
        dnnl_memory_set_data_handle(c->mem[a], ptr[a]);
        args[n].arg = arg_info(p->pass, (enum dn_arg)a).arg;
        args[n++].memory = c->mem[a];
    }
    return execute(p->prim, stream, n, args, err);
}

int dn_run_reorder(const struct dn_reorder *r, const struct dn_call *c, dnnl_stream_t stream,
                   const void *from, void *to, void *scratch, struct hpo_err *err)
{
    dnnl_exec_arg_t args[3] = {{DNNL_ARG_FROM, c->mem[DN_SRC]},
                               {DNNL_ARG_TO, c->mem[DN_DST]},
                               {DNNL_ARG_SCRATCHPAD, c->mem[DN_SCRATCH]}};

    /* The C API has one type for what is read and what is written. */
    dnnl_memory_set_data_handle(c->mem[DN_SRC], (void *)from);
    dnnl_memory_set_data_handle(c->mem[DN_DST], to);
    if (r->scratch)
        dnnl_memory_set_data_handle(c->mem[DN_SCRATCH], scratch);
    return execute(r->prim, stream, r->scratch ? 3 : 2, args, err);
}

/* ---- the machine ---- */

#if defined(__x86_64__) || defined(__i386__)
static unsigned isa(void)
{
    return (unsigned)dnnl_get_effective_cpu_isa();
}

int dn_block(void)
{
    unsigned avx512 = (unsigned)dnnl_cpu_isa_avx512_core;

    return (isa() & avx512) == avx512 ? 16 : 8;
}

const char *dn_isa_name(void)
{
    unsigned i = isa(), avx512 = (unsigned)dnnl_cpu_isa_avx512_core;
    unsigned avx2 = (unsigned)dnnl_cpu_isa_avx2, avx = (unsigned)dnnl_cpu_isa_avx;

    return (i & avx512) == avx512 ? "AVX-512" : (i & avx2) == avx2 ? "AVX2"
           : (i & avx) == avx     ? "AVX"                           : "SSE4.1";
}
#else
int dn_block(void)
{
    return 8;
}

const char *dn_isa_name(void)
{
    return "portable";
}
#endif
