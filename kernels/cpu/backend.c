/* The cpu backend: oneDNN for convolutions and linear layers, our own loops for the rest. */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/cpu/plan.h"

/* ---- the device ---- */

static int cpu_threads(void)
{
    cpu_set_t set;
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    if (!sched_getaffinity(0, sizeof(set), &set))
        n = CPU_COUNT(&set);
    return n < 1 ? 1 : (int)n;
}

/* The value of the first line "key ... : value" of a file like /proc/cpuinfo. */
static bool proc_line(const char *path, const char *key, char *ret, size_t size)
{
    FILE *f = fopen(path, "r");
    char line[512];
    bool found = false;

    while (f && !found && fgets(line, sizeof(line), f)) {
        const char *colon = strchr(line, ':');

        if (strncmp(line, key, strlen(key)) || !colon)
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(ret, size, "%.*s", (int)strcspn(colon, "\n"), colon);
        found = true;
    }
    if (f)
        fclose(f);
    return found;
}

static double memory_free(void)
{
    char text[64], *end;
    double kib;

    if (!proc_line("/proc/meminfo", "MemAvailable", text, sizeof(text)))
        return 0;
    kib = strtod(text, &end);
    return end == text ? 0 : kib * 1024;
}

static int device_count(const char **ret_why)
{
    *ret_why = "";
    return 1;
}

static int device_check(int index, struct hpo_err *err)
{
    if (index)
        return hpo_fail(err, HPO_ECONFIG, "cpu:%d: there is one device of this kind, cpu:0", index);
    return HPO_OK;
}

static int device_describe(int index, struct kn_device_info *ret, struct hpo_err *err)
{
    const dnnl_version_t *v = dnnl_version();
    char model[80] = "CPU";
    int rc = device_check(index, err);

    if (rc)
        return rc;
    proc_line("/proc/cpuinfo", "model name", model, sizeof(model));
    *ret = (struct kn_device_info){0};
    snprintf(ret->name, sizeof(ret->name), "%s (%d thread%s, %s)", model, cpu_threads(),
             cpu_threads() == 1 ? "" : "s", dn_isa_name());
    snprintf(ret->detail, sizeof(ret->detail), "oneDNN %d.%d.%d, %s loops, fp32", v->major, v->minor,
             v->patch, cpu_vec_pick(dn_block())->name);
    ret->memory_total = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    ret->memory_free = memory_free();
    return HPO_OK;
}

static int device_open(int index, int threads, struct kn_dev **ret, struct hpo_err *err)
{
    struct cpu_dev *d;
    dnnl_engine_t engine;
    dnnl_status_t st;
    int rc = device_check(index, err);

    if (rc)
        return rc;
    if (threads < 0)
        return hpo_fail(err, HPO_ECONFIG, "%d threads", threads);
    st = dnnl_engine_create(&engine, dnnl_cpu, 0);
    if (st != dnnl_success)
        return dn_fail(err, st, "the CPU engine");
    d = xcalloc(1, sizeof(*d));
    d->base.ops = &kn_backend_cpu;
    d->threads = threads ? threads : cpu_threads();
    d->engine = engine;
    d->block = dn_block();
    d->vec = cpu_vec_pick(d->block);
    *ret = &d->base;
    return HPO_OK;
}

static void device_close(struct kn_dev *dev)
{
    struct cpu_dev *d = (struct cpu_dev *)dev;

    if (!d)
        return;
    dnnl_engine_destroy(d->engine);
    free(d);
}

/* The data set stays where it is. */
static int data_open(struct kn_dev *d HPO_UNUSED, const struct kn_images *images, void **ret,
                     struct hpo_err *err)
{
    for (int64_t i = 0; i < images->n; i++)
        if (images->labels[i] < 0 || images->labels[i] >= images->classes)
            return hpo_fail(err, HPO_ECONFIG, "image %lld has label %d of %d classes", (long long)i,
                            (int)images->labels[i], images->classes);
    *ret = (void *)images;
    return HPO_OK;
}

static void data_close(struct kn_dev *d HPO_UNUSED, void *data HPO_UNUSED)
{
}

/* ---- plans ---- */

static int check_desc(const struct kn_plan_desc *d, const struct kn_images *im, struct hpo_err *err)
{
    const struct kn_tensor *in = &d->net->tensor[0];

    if (d->precision == KN_BF16 || d->precision == KN_FP16)
        return hpo_fail(err, HPO_ECONFIG, "%s on the CPU: it trains in fp32 (precision: auto, fp32)",
                        d->precision == KN_BF16 ? "bf16" : "fp16");
    if (d->batch < 1 || d->eval_batch < 1 || d->models < 1 || d->threads < 0 || d->batch > 1 << 16 ||
        d->eval_batch > 1 << 16)
        return hpo_fail(err, HPO_ECONFIG,
                        "batch %d, evaluation batch %d, %d models, %d threads: out of range",
                        d->batch, d->eval_batch, d->models, d->threads);
    if ((unsigned)d->optim >= KN_N_OPTIMS)
        return hpo_fail(err, HPO_ECONFIG, "unknown optimizer %d", (int)d->optim);
    if (d->net->rc || !d->net->n_weights)
        return hpo_fail(err, HPO_ECONFIG, "the network has nothing to train");
    if (im && (in->c != 3 || in->h != im->h || in->w != im->w || d->net->classes != im->classes))
        return hpo_fail(err, HPO_ECONFIG,
                        "the network is for %d x %d x %d images of %d classes, the data are "
                        "3 x %d x %d of %d", in->c, in->h, in->w, d->net->classes, im->h, im->w,
                        im->classes);
    return HPO_OK;
}

static void plan_free(struct kn_plan *plan);

/* Everything but memory and machine code. */
static int plan_draft(struct cpu_dev *d, const struct kn_plan_desc *desc, struct cpu_plan **ret,
                      struct hpo_err *err)
{
    struct cpu_plan *p = xcalloc(1, sizeof(*p));
    struct cpu_team team;
    int rc;

    p->base = (struct kn_plan){&kn_backend_cpu, desc->net, desc->batch, desc->eval_batch,
                               desc->models, desc->optim};
    p->dev = d;
    p->exact = desc->exact;
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
        plan_free(&p->base);
        return rc;
    }
    cpu_plan_memory(p);
    p->memory_bytes = cpu_memory_bytes(p, NULL);
    *ret = p;
    return HPO_OK;
}

static double estimate(struct kn_dev *dev, const struct kn_plan_desc *desc)
{
    struct cpu_plan *p;
    struct hpo_err err;
    double bytes;

    if (check_desc(desc, NULL, &err) || plan_draft((struct cpu_dev *)dev, desc, &p, &err))
        return NAN;
    bytes = (double)p->memory_bytes;
    plan_free(&p->base);
    return bytes;
}

static int map_memory(struct cpu_plan *p, struct hpo_err *err)
{
    void *m = mmap(NULL, p->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

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

static int compile(struct kn_dev *dev, const struct kn_plan_desc *desc, void *data,
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
        plan_free(&p->base);
        return rc;
    }
    *ret = &p->base;
    return HPO_OK;
}

static void plan_free(struct kn_plan *plan)
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
    free(p->train.item);
    free(p->eval.item);
    free(p->act);
    free(p->grad);
    free(p->eval_act);
    free(p->tensor);
    free(p->node);
    free(p->conv);
    free(p->param);
    free(p);
}

/* ---- models ---- */

static struct cpu_model *model_at(struct kn_plan *plan, int model, struct hpo_err *err)
{
    if (model < 0 || model >= plan->models) {
        hpo_fail(err, HPO_ECONFIG, "model %d of %d", model, plan->models);
        return NULL;
    }
    return &((struct cpu_plan *)plan)->model[model];
}

static int set_hyper(struct kn_plan *plan, int model, const struct kn_hyper *h, struct hpo_err *err)
{
    struct cpu_model *m = model_at(plan, model, err);

    if (!m)
        return HPO_ECONFIG;
    if (h->optim.kind != plan->optim)
        return hpo_fail(err, HPO_ECONFIG, "the optimizer is not the plan's");
    for (int i = 0; i < plan->net->n_rates; i++)
        if (!(h->rates[i] >= 0 && h->rates[i] < 1))
            return hpo_fail(err, HPO_ECONFIG, "a dropout rate is 0 or more and below 1, not %g",
                            (double)h->rates[i]);
    for (int c = 0; c < 3; c++)
        if (!(h->std[c] > 0) || !isfinite(h->mean[c]))
            return hpo_fail(err, HPO_ECONFIG, "channel %d: mean %g, deviation %g", c,
                            (double)h->mean[c], (double)h->std[c]);
    if (h->augment.crop_padding < 0 || h->augment.crop_padding > 1 << 14)
        return hpo_fail(err, HPO_ECONFIG, "a crop padding of %d", h->augment.crop_padding);
    m->hyper = *h;
    m->version++;
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            m->lut[c][v] = kn_normalise(v, h->mean[c], h->std[c]);
    return HPO_OK;
}

static int set_state(struct kn_plan *plan, int model, const struct kn_state *s, struct hpo_err *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    struct cpu_model *m = model_at(plan, model, err);
    struct cpu_team team;
    int rc;

    if (!m)
        return HPO_ECONFIG;
    team = cpu_team_enter(p->threads);
    rc = cpu_set_state(&p->runner[0], m, s, err);
    cpu_team_leave(team);
    return rc;
}

static int get_state(struct kn_plan *plan, int model, struct kn_state *ret, struct hpo_err *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    struct cpu_model *m = model_at(plan, model, err);
    struct cpu_team team;
    int rc;

    if (!m)
        return HPO_ECONFIG;
    team = cpu_team_enter(p->threads);
    rc = cpu_get_state(&p->runner[0], m, ret, err);
    cpu_team_leave(team);
    return rc;
}

static int get_gradients(struct kn_plan *plan, int model, float *ret, struct hpo_err *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    struct cpu_model *m = model_at(plan, model, err);
    struct cpu_team team;
    int rc;

    if (!m)
        return HPO_ECONFIG;
    team = cpu_team_enter(p->threads);
    rc = cpu_get_gradients(&p->runner[0], m, ret, err);
    cpu_team_leave(team);
    return rc;
}

const struct kn_backend_ops kn_backend_cpu = {
    .plugin = {.name = "cpu", .help = "oneDNN and OpenMP on the host's processor, in fp32"},
    .count = device_count,
    .describe = device_describe,
    .open = device_open,
    .close = device_close,
    .data_open = data_open,
    .data_close = data_close,
    .estimate = estimate,
    .compile = compile,
    .plan_free = plan_free,
    .set_hyper = set_hyper,
    .set_state = set_state,
    .get_state = get_state,
    .train = cpu_train,
    .eval = cpu_eval,
    .get_gradients = get_gradients,
};
