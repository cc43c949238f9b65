/* Executing primitives; the same calls in oneDNN 2.x and 3.x. */
#include "kernels/cpu/dnnl_compat.h"

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
