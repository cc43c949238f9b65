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

/* A weight's dimensions; returns how many. To oneDNN a depthwise convolution has a group a channel.
 */
static int weight_dims(const struct dn_shape *s, int64_t ret[5])
{
    if (s->depthwise) {
        ret[0] = s->oc;
        ret[1] = ret[2] = 1;
        ret[3] = ret[4] = s->kernel;
        return 5;
    }
    ret[0] = s->oc;
    ret[1] = s->ic;
    ret[2] = ret[3] = s->kernel;
    return s->kernel ? 4 : 2;
}

int dn_layout_init(struct dn_layout *l, const struct dn_shape *s, struct hpo_err *err)
{
    int64_t dims[5];
    int n = weight_dims(s, dims);
    dnnl_status_t st = md_init(l, n, dims, n == 5 ? dnnl_goihw : n == 4 ? dnnl_oihw : dnnl_oi);

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
    int64_t w[5], bias[1] = {s->oc};
    int nd = s->kernel ? 4 : 2, nw = weight_dims(s, w);
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
        st = md_init(&m->weight, nw, w, dnnl_format_tag_any);
    return st;
}

#if V3
#define BIAS(m, s) ((s)->bias ? (m)->bias.md : NULL)

static dnnl_status_t choose(dnnl_primitive_desc_t *ret, dnnl_engine_t e, const struct dn_shape *s,
                            const struct mds *m, enum dn_pass pass, dnnl_alg_kind_t alg,
                            const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_dims_t st = {s->stride, s->stride}, dil = {0, 0}, pad = {s->pad, s->pad}, pr;
    dnnl_prop_kind_t prop = dnnl_forward_training; /* for DN_INFER too, see dnnl_compat.h */

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
    return dnnl_convolution_forward_primitive_desc_create(
        ret, e, prop, alg, m->src.md, m->weight.md, BIAS(m, s), m->dst.md, st, dil, pad, pr, attr);
}
#else
#define BIAS(m, s) ((s)->bias ? (m)->bias.md : NULL)

static dnnl_status_t choose(dnnl_primitive_desc_t *ret, dnnl_engine_t e, const struct dn_shape *s,
                            const struct mds *m, enum dn_pass pass, dnnl_alg_kind_t alg,
                            const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_dims_t st = {s->stride, s->stride}, pad = {s->pad, s->pad}, pr = {0};
    dnnl_prop_kind_t prop = dnnl_forward_training; /* for DN_INFER too, see dnnl_compat.h */
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
            rc = dnnl_convolution_backward_weights_desc_init(&d, alg, m->src.md, m->weight.md,
                                                             BIAS(m, s), m->dst.md, st, pad, pr);
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

/* ---- the machine ---- */

#if defined(__x86_64__) || defined(__i386__)
static unsigned isa(void)
{
    return (unsigned)dnnl_get_effective_cpu_isa();
}

int dn_lanes(void)
{
    unsigned i = isa(), avx512 = (unsigned)dnnl_cpu_isa_avx512_core;
    unsigned avx2 = (unsigned)dnnl_cpu_isa_avx2;

    return (i & avx512) == avx512 ? 16 : (i & avx2) == avx2 ? 8 : 4;
}

const char *dn_isa_name(void)
{
    unsigned avx = (unsigned)dnnl_cpu_isa_avx;

    switch (dn_lanes()) {
    case 16:
        return "AVX-512";
    case 8:
        return "AVX2";
    default:
        return (isa() & avx) == avx ? "AVX" : "SSE4.1";
    }
}
#else
int dn_lanes(void)
{
    return 4;
}

const char *dn_isa_name(void)
{
    return "portable";
}
#endif

int dn_block(void)
{
    return dn_lanes() == 16 ? 16 : 8;
}
