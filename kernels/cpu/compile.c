/* From a description to a plan, and back to nothing. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/check.h"
#include "kernels/cpu/plan.h"

static int check_desc(const struct kn_plan_desc *d, const struct kn_images *im, struct hpo_err *err)
{
    if (d->precision == KN_BF16 || d->precision == KN_FP16)
        return hpo_fail(err, HPO_ECONFIG,
                        "%s on the CPU: it trains in fp32 (precision: auto, fp32)",
                        d->precision == KN_BF16 ? "bf16" : "fp16");
    return kn_check_desc(d, im ? im->h : 0, im ? im->w : 0, im ? im->classes : 0, err);
}

/* Everything but memory and machine code. */
static int plan_draft(struct cpu_dev *d, const struct kn_plan_desc *desc, struct cpu_plan **ret,
                      struct hpo_err *err)
{
    struct cpu_plan *p = xcalloc(1, sizeof(*p));
    struct cpu_team team;
    int rc;

    p->base = (struct kn_plan){&kn_backend_cpu, desc->net,   desc->batch,    desc->eval_batch,
                               desc->models,    desc->optim, desc->averaged, desc->accumulate};
    p->dev = d;
    p->exact = desc->exact;
    p->freeze = desc->freeze;
    p->threads = desc->threads ? desc->threads : d->threads;
    p->n_runners = d->threads / p->threads;
    p->n_runners = p->n_runners < 1 ? 1 : p->n_runners;
    p->n_runners = p->n_runners > desc->models ? desc->models : p->n_runners;
    p->model = xcalloc((size_t)desc->models, sizeof(*p->model));
    p->runner = xcalloc((size_t)p->n_runners, sizeof(*p->runner));
    team = cpu_team_enter(p->threads);
    rc = cpu_lower(p, desc, err);
    if (!rc)
        rc = cpu_choose(p, err);
    cpu_team_leave(team);
    if (rc) {
        cpu_plan_free(&p->base);
        return rc;
    }
    cpu_plan_memory(p);
    p->memory_bytes = cpu_memory_bytes(p, NULL);
    *ret = p;
    return HPO_OK;
}

double cpu_estimate(struct kn_dev *dev, const struct kn_plan_desc *desc)
{
    struct cpu_plan *p;
    struct hpo_err err;
    double bytes;

    if (check_desc(desc, NULL, &err) || plan_draft((struct cpu_dev *)dev, desc, &p, &err))
        return NAN;
    bytes = (double)p->memory_bytes;
    cpu_plan_free(&p->base);
    return bytes;
}

static int map_memory(struct cpu_plan *p, struct hpo_err *err)
{
    void *m =
        mmap(NULL, p->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (m == MAP_FAILED)
        return hpo_fail(err, HPO_ENOMEM, "%zu bytes (%.1f MiB) of memory for the network: %s",
                        p->memory_bytes, (double)p->memory_bytes / 1048576.0, strerror(errno));
    p->memory = m;
    /* Fewer TLB misses; not a failure where the kernel has it switched off. */
    madvise(m, p->memory_bytes, MADV_HUGEPAGE);
    cpu_memory_bytes(p, p->memory);
    return HPO_OK;
}

static int compile_prims(struct cpu_plan *p, struct hpo_err *err)
{
    int rc = HPO_OK;

    for (int i = 0; i < p->n_convs && !rc; i++) {
        struct cpu_conv *c = &p->conv[i];

        rc = dn_prim_compile(&c->train, err);
        rc = rc ? rc : dn_prim_compile(&c->infer, err);
        rc = rc ? rc : dn_prim_compile(&c->weights, err);
        rc = rc ? rc : dn_reorder_compile(&c->pack, err);
        rc = rc ? rc : dn_reorder_compile(&c->unpack, err);
        if (!rc && c->has_data)
            rc = dn_prim_compile(&c->data, err);
        if (!rc && c->has_back)
            rc = dn_reorder_compile(&c->back, err);
        if (!rc && c->has_diff)
            rc = dn_reorder_compile(&c->diff, err);
    }
    return rc;
}

static int runner_init(struct cpu_plan *p, struct cpu_runner *r, int id, struct hpo_err *err)
{
    dnnl_engine_t e = p->dev->engine;
    dnnl_status_t st;
    int rc = HPO_OK;

    r->p = p;
    r->id = id;
    r->calls = xcalloc((size_t)p->n_convs + 1, sizeof(*r->calls));
    st = dnnl_stream_create(&r->stream, e, dnnl_stream_default_flags);
    if (st != dnnl_success)
        return dn_fail(err, st, "a stream");
    for (int i = 0; i < p->n_convs && !rc; i++) {
        const struct cpu_conv *c = &p->conv[i];
        struct cpu_calls *k = &r->calls[i];

        rc = dn_call_init(&k->train, e, &c->train, err);
        rc = rc ? rc : dn_call_init(&k->infer, e, &c->infer, err);
        rc = rc ? rc : dn_call_init(&k->weights, e, &c->weights, err);
        rc = rc ? rc : dn_call_init_reorder(&k->pack, e, &c->pack, err);
        rc = rc ? rc : dn_call_init_reorder(&k->unpack, e, &c->unpack, err);
        if (!rc && c->has_data)
            rc = dn_call_init(&k->data, e, &c->data, err);
        if (!rc && c->has_back)
            rc = dn_call_init_reorder(&k->back, e, &c->back, err);
        if (!rc && c->has_diff)
            rc = dn_call_init_reorder(&k->diff, e, &c->diff, err);
    }
    return rc;
}

static void runner_release(struct cpu_plan *p, struct cpu_runner *r)
{
    for (int i = 0; r->calls && i < p->n_convs; i++) {
        struct cpu_calls *k = &r->calls[i];

        dn_call_release(&k->train);
        dn_call_release(&k->infer);
        dn_call_release(&k->data);
        dn_call_release(&k->weights);
        dn_call_release(&k->pack);
        dn_call_release(&k->unpack);
        dn_call_release(&k->back);
        dn_call_release(&k->diff);
    }
    if (r->stream)
        dnnl_stream_destroy(r->stream);
    free(r->calls);
}

int cpu_compile(struct kn_dev *dev, const struct kn_plan_desc *desc, void *data,
                struct kn_plan **ret, struct hpo_err *err)
{
    struct cpu_plan *p = NULL;
    struct cpu_team team;
    int rc = check_desc(desc, data, err);

    if (!rc)
        rc = plan_draft((struct cpu_dev *)dev, desc, &p, err);
    if (rc)
        return rc;
    p->images = data;
    rc = map_memory(p, err);
    if (!rc) {
        team = cpu_team_enter(p->threads);
        rc = compile_prims(p, err);
        cpu_team_leave(team);
    }
    for (int i = 0; i < p->n_runners && !rc; i++)
        rc = runner_init(p, &p->runner[i], i, err);
    if (!rc)
        rc = cpu_pool_start(p, err);
    if (!rc)
        rc = cpu_fetch_start(p, err);
    if (rc) {
        cpu_plan_free(&p->base);
        return rc;
    }
    *ret = &p->base;
    return HPO_OK;
}

void cpu_plan_free(struct kn_plan *plan)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;

    if (!p)
        return;
    cpu_fetch_stop(p);
    cpu_pool_stop(p);
    for (int i = 0; i < p->n_runners; i++)
        runner_release(p, &p->runner[i]);
    cpu_convs_release(p);
    if (p->memory)
        munmap(p->memory, p->memory_bytes);
    free(p->fetch.todo);
    free(p->model);
    free(p->runner);
    kn_bufs_release(&p->train);
    kn_bufs_release(&p->eval);
    free(p->act);
    free(p->grad);
    free(p->eval_act);
    free(p->tensor);
    free(p->node);
    free(p->conv);
    free(p->param);
    free(p);
}
