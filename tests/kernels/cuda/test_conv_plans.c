/* Without a GPU: every convolution of every model has a deterministic, precompiled plan on
 * described devices, in every precision, on tensor cores where the type allows; and what is
 * remembered of plans survives only what it should. */
#include "tests/kernels/cuda/conv_fixture.h"
#include "tests/trainer/parts.h"
#include "trainer/model.h"

enum { MAX_SHAPES = 1024, MAX_ENGINES = 64 };

/* ---- the convolutions of the models ---- */

struct layer {
    int c, h, w, k, kernel, stride, pad; /* channels of the network */
    bool first;
};

struct layers {
    struct layer at[MAX_SHAPES];
    int n;
};

static void collect(struct layers *l, const char *name, const char *options, int side)
{
    const struct model_ops *ops = hpo_registry_find((const void *const *)model_registry, name);
    struct model_input in = {3, side, side, 10};
    struct arena a = {0};
    struct kn_net net;
    struct hpo_err err = {0};

    assert_non_null(ops);
    kn_net_init(&net, 3, side, side, 10);
    ops->build(make_priv(&a, &ops->plugin, options), &in, &net);
    if (kn_net_finish(&net, &err))
        fail_msg("%s %s: %s", name, options, err.msg);
    for (int i = 0; i < net.n_ops; i++) {
        const struct kn_op *o = &net.op[i];
        const struct kn_tensor *x = &net.tensor[o->in], *y = &net.tensor[o->out];
        struct layer new = {x->c, x->h, x->w, y->c, o->kernel, o->stride, o->pad, o->in == 0};
        int k = 0;

        if (o->kind != KN_CONV2D)
            continue;
        while (k < l->n && memcmp(&l->at[k], &new, sizeof(new)))
            k++;
        assert_true(k < MAX_SHAPES);
        if (k == l->n)
            l->at[l->n++] = new;
    }
    kn_net_release(&net);
    arena_release(&a);
}

static void collect_all(struct layers *l)
{
    static const char *const variants[][2] = {
        {"convnet", "width=16"}, {"convnet", "width=64"},          {"convnet", "width=256"},
        {"convnet", "width=12"}, {"resnet", "depth=20"},           {"resnet", "depth=20 width=64"},
        {"resnet", "depth=8"},   {"resnet", "depth=110 width=32"},
    };

    l->n = 0;
    for (int side = 32; side <= 64; side *= 2) {
        for (int i = 0; model_registry[i]; i++)
            collect(l, model_registry[i]->plugin.name, "", side);
        for (size_t i = 0; i < HPO_LEN(variants); i++)
            collect(l, variants[i][0], variants[i][1], side);
    }
    /* Those that are made for 224 pixels, at that size. */
    for (int i = 0; model_registry[i]; i++)
        if (hpo_opt_find(model_registry[i]->plugin.opts, "stem"))
            collect(l, model_registry[i]->plugin.name, "", 224);
    collect(l, "wide_resnet", "", 224);
    assert_true(l->n > 300);
}

/* ---- what a plan must be ---- */

static int64_t out_size(const struct cu_conv_shape *s, int in)
{
    return (in + 2 * s->pad - s->kernel) / s->stride + 1;
}

/* Workspaces stay within this: 16-bit types need next to none, fp32 and TF32 at most a copy of all
 * that is read and written. */
static size_t limit_of(const struct cu_conv_shape *s)
{
    int64_t x = (int64_t)s->n * s->h * s->w * s->c;
    int64_t y = s->n * out_size(s, s->h) * out_size(s, s->w) * s->k;
    int64_t w = (int64_t)s->k * s->kernel * s->kernel * s->c;

    return s->type != CU_F32 ? (size_t)4 << 20
                             : (size_t)(x + y + w) * 4 * (size_t)s->models + ((size_t)1 << 20);
}

/* The notes as cuDNN tells them of the finished plan, read here once more. */
static void check_notes(const struct cu_conv *c, bool may_use_tensor_cores)
{
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendBehaviorNote_t behavior[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    cudnnBackendDescriptor_t config, engine;
    bool tensor_core = false;
    int64_t n, id;

    assert_int_equal(cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config), 0);
    assert_int_equal(cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine), 0);
    assert_int_equal(cudnnBackendGetAttribute(c->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &config),
                     0);
    assert_int_equal(cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine),
                     0);
    assert_int_equal(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX,
                                              CUDNN_TYPE_INT64, 1, &n, &id),
                     0);
    assert_int_equal(id, c->engine);
    assert_int_equal(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                              CUDNN_TYPE_NUMERICAL_NOTE, HPO_LEN(notes), &n, notes),
                     0);
    for (int64_t i = 0; i < n; i++) {
        assert_int_not_equal(notes[i], CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
        tensor_core |= notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
    }
    assert_true(tensor_core == c->tensor_core);
    assert_true(may_use_tensor_cores || !tensor_core);
    assert_int_equal(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                                              CUDNN_TYPE_BEHAVIOR_NOTE, HPO_LEN(behavior), &n,
                                              behavior),
                     0);
    for (int64_t i = 0; i < n; i++)
        assert_int_not_equal(behavior[i], CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION);
    cudnnBackendDestroyDescriptor(engine);
    cudnnBackendDestroyDescriptor(config);
}

struct row {
    int plans, in_turn; /* in_turn: a launch a model */
    double largest;     /* workspace, bytes */
    int64_t engine[MAX_ENGINES];
    int count[MAX_ENGINES], n_engines;
};

static void tell(struct row *r, const struct cu_conv *c)
{
    int i = 0;

    r->plans++;
    r->in_turn += c->parts > 1;
    if ((double)c->workspace > r->largest)
        r->largest = (double)c->workspace;
    while (i < r->n_engines && r->engine[i] != c->engine)
        i++;
    assert_true(i < MAX_ENGINES);
    r->engine[i] = c->engine;
    r->count[i]++;
    if (i == r->n_engines)
        r->n_engines++;
}

static void print_row(const char *device, const char *type, int models, const char *pass,
                      const struct row *r)
{
    printf("%-6s %-5s %6d  %-15s %5d %7d %10.2f  ", device, type, models, pass, r->plans,
           r->in_turn, r->largest / (1 << 20));
    for (int i = 0; i < r->n_engines; i++)
        printf(" %lld:%d", (long long)r->engine[i], r->count[i]);
    printf("\n");
}

static void check_plan(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                       struct row *r)
{
    bool tensor_cores = s->type != CU_F32 || s->tf32;
    struct hpo_err err = {0};
    struct cu_conv c = {0};

    if (cu_conv_choose(d, s, pass, limit_of(s), &c, &err))
        fail_msg("%s: %s", d->device, err.msg);
    if (c.workspace > limit_of(s) || c.tensor_core != tensor_cores) {
        struct str text = {0};

        cu_conv_describe(s, pass, &text);
        fail_msg("%s: %s: engine %lld, %s tensor cores, %zu bytes of workspace, limit %zu",
                 d->device, text.s, (long long)c.engine, c.tensor_core ? "on" : "no", c.workspace,
                 limit_of(s));
    }
    assert_true(c.parts == 1 || c.parts == s->models);
    check_notes(&c, tensor_cores);
    tell(r, &c);
    cu_conv_release(&c);
}

static void every_convolution(void **state)
{
    static const char *const devices[] = {"sm_90", "sm_80"};
    static const char *const passes[] = {"forward", "backward data", "backward filter"};
    static const struct {
        const char *name;
        enum cu_type type;
        bool tf32;
    } types[] = {{"fp32", CU_F32, false},
                 {"tf32", CU_F32, true},
                 {"bf16", CU_BF16, false},
                 {"fp16", CU_F16, false}};
    static struct layers layers;

    (void)state;
    collect_all(&layers);
    printf("cuDNN %zu, %d convolutions, batches of 64 and 128; engines as number:plans\n",
           cudnnGetVersion(), layers.n);
    printf("%-6s %-5s %6s  %-15s %5s %7s %10s   %s\n", "device", "type", "models", "pass", "plans",
           "in turn", "workspace", "engines (largest workspace in MiB)");
    for (size_t dev = 0; dev < HPO_LEN(devices); dev++) {
        struct cu_dnn d;

        describe(&d, devices[dev]);
        assert_int_equal(d.capability, dev ? 80 : 90);
        for (size_t t = 0; t < HPO_LEN(types); t++)
            for (int models = 1; models <= 5; models += 4)
                for (int pass = 0; pass < 3; pass++) {
                    int many = types[t].type == CU_F32 ? 4 : 8;
                    struct row r = {0};

                    for (int i = 0; i < 2 * layers.n; i++) {
                        const struct layer *l = &layers.at[i / 2];
                        struct cu_conv_shape s = {models,
                                                  i % 2 ? 128 : 64,
                                                  (l->c + many - 1) / many * many,
                                                  l->h,
                                                  l->w,
                                                  (l->k + many - 1) / many * many,
                                                  l->kernel,
                                                  l->stride,
                                                  l->pad,
                                                  types[t].type,
                                                  types[t].tf32,
                                                  false};

                        if (pass == CU_BACKWARD_DATA && l->first)
                            continue;
                        check_plan(&d, &s, pass, &r);
                        s.accumulate = true;
                        if (pass == CU_BACKWARD_DATA)
                            check_plan(&d, &s, pass, &r);
                    }
                    print_row(devices[dev], types[t].name, models, passes[pass], &r);
                }
        cu_dnn_release(&d);
    }
}

/* ---- what cannot be ---- */

static const struct cu_conv_shape usual = {.models = 1,
                                           .n = 64,
                                           .c = 16,
                                           .h = 32,
                                           .w = 32,
                                           .k = 32,
                                           .kernel = 3,
                                           .stride = 1,
                                           .pad = 1,
                                           .type = CU_BF16};

static void refused(void **state)
{
    struct cu_conv_shape s = usual;
    struct hpo_err err = {0};
    struct cu_conv c = {0};
    struct cu_dnn d = {0};

    (void)state;
    assert_int_equal(cu_dnn_describe(&d, "{\"deviceVer\": 900}", &err), HPO_EDEVICE);
    assert_non_null(strstr(err.msg, "cuDNN: the description of a device"));
    assert_null(d.described);
    assert_int_equal(cu_dnn_describe(&d, "not json", NULL), HPO_EDEVICE);
    cu_dnn_release(&d);

    describe(&d, "sm_90");
    s.h = 1, s.pad = 0;
    assert_int_equal(cu_conv_choose(&d, &s, CU_FORWARD, 0, &c, &err), HPO_EDEVICE);
    assert_non_null(strstr(err.msg, "forward of 1 x (64, 1, 32, 16) -> 32, kernel 3"));
    /* More elements than any engine counts. */
    s = usual;
    s.n = 1 << 20, s.h = s.w = 1 << 14;
    assert_int_equal(cu_conv_choose(&d, &s, CU_FORWARD, 0, &c, &err), HPO_EDEVICE);
    assert_non_null(strstr(err.msg, "has no plan"));
    assert_null(c.plan);
    assert_int_equal(cu_conv_choose(&d, &usual, CU_FORWARD, 1 << 20, &c, &err), 0);
    assert_int_equal(cu_conv_run(&d, &c, NULL, NULL, NULL, NULL, &err), HPO_EDEVICE);
    assert_non_null(strstr(err.msg, "needs a device"));
    cu_conv_release(&c);
    cu_conv_release(&c);
    cu_dnn_release(&d);
    cu_dnn_release(&d);
}

/* With no plan within the limit the least needy one is taken. */
static void least_needy(void **state)
{
    struct cu_conv_shape s = {.models = 1,
                              .n = 128,
                              .c = 256,
                              .h = 16,
                              .w = 16,
                              .k = 256,
                              .kernel = 3,
                              .stride = 1,
                              .pad = 1,
                              .type = CU_F32,
                              .tf32 = true};
    struct cu_conv wide = {0}, narrow = {0};
    struct cu_dnn d;

    (void)state;
    describe(&d, "sm_80");
    assert_int_equal(cu_conv_choose(&d, &s, CU_BACKWARD_FILTER, (size_t)1 << 30, &wide, NULL), 0);
    assert_int_equal(cu_conv_choose(&d, &s, CU_BACKWARD_FILTER, 0, &narrow, NULL), 0);
    assert_true(wide.tensor_core);
    assert_true(narrow.workspace <= wide.workspace);
    cu_conv_release(&wide);
    cu_conv_release(&narrow);
    cu_dnn_release(&d);
}

/* ---- the memory of measured choices ---- */

struct memory {
    struct cu_dnn d;
    char folder[32];
    struct cu_conv chosen;
};

static void memory_init(struct memory *m, const struct cu_conv_shape *s)
{
    describe(&m->d, "sm_90");
    make_folder(m->folder);
    m->d.cache = m->folder;
    memset(&m->chosen, 0, sizeof(m->chosen));
    assert_int_equal(cu_conv_choose(&m->d, s, CU_FORWARD, (size_t)1 << 30, &m->chosen, NULL), 0);
}

static void memory_release(struct memory *m)
{
    cu_conv_release(&m->chosen);
    cu_dnn_release(&m->d);
    assert_int_equal(file_remove_tree(m->folder, NULL), 0);
}

/* The one file in the folder. */
static void only_file(const struct memory *m, char path[512])
{
    struct str command = {0};
    FILE *f;

    str_addf(&command, "ls %s/*", m->folder);
    f = popen(command.s, "r");
    assert_non_null(f);
    assert_non_null(fgets(path, 512, f));
    path[strcspn(path, "\n")] = 0;
    pclose(f);
    str_release(&command);
}

static int load(struct memory *m, const struct cu_conv_shape *s, enum cu_pass pass, size_t limit)
{
    struct cu_conv c = {0};
    int rc = cu_cache_load(&m->d, s, pass, limit, &c);

    if (!rc) {
        assert_int_equal(c.engine, m->chosen.engine);
        assert_int_equal(c.workspace, m->chosen.workspace);
        assert_int_equal(c.parts, m->chosen.parts);
        assert_true(c.tensor_core == m->chosen.tensor_core);
    } else {
        assert_null(c.plan);
    }
    cu_conv_release(&c);
    return rc;
}

static void remembered(void **state)
{
    struct cu_conv_shape tf32 = usual, other = usual;
    struct memory m;

    (void)state;
    memory_init(&m, &usual);
    assert_int_equal(load(&m, &usual, CU_FORWARD, 1 << 20), HPO_EMISSING);
    cu_cache_store(&m.d, &usual, CU_FORWARD, &m.chosen, 12.5);
    assert_int_equal(load(&m, &usual, CU_FORWARD, 1 << 20), 0);
    /* Another pass, shape, device: nothing. */
    assert_int_equal(load(&m, &usual, CU_BACKWARD_DATA, 1 << 20), HPO_EMISSING);
    other.n++;
    assert_int_equal(load(&m, &other, CU_FORWARD, 1 << 20), HPO_EMISSING);
    m.d.device = "another";
    assert_int_equal(load(&m, &usual, CU_FORWARD, 1 << 20), HPO_EMISSING);
    m.d.cache = NULL;
    cu_cache_store(&m.d, &usual, CU_FORWARD, &m.chosen, 1);
    assert_int_equal(load(&m, &usual, CU_FORWARD, 1 << 20), HPO_EMISSING);
    memory_release(&m);

    /* A plan that is launched model by model, and needs more than the limit. */
    tf32.models = 5, tf32.type = CU_F32, tf32.tf32 = true;
    memory_init(&m, &tf32);
    assert_int_equal(m.chosen.parts, 5);
    cu_cache_store(&m.d, &tf32, CU_FORWARD, &m.chosen, 12.5);
    assert_int_equal(load(&m, &tf32, CU_FORWARD, 1 << 20), 0);
    if (m.chosen.workspace)
        assert_int_equal(load(&m, &tf32, CU_FORWARD, m.chosen.workspace - 1), HPO_EMISSING);
    memory_release(&m);
}

/* Any byte changed, any length cut: ignored, and then replaced. */
static void damaged(void **state)
{
    struct cu_conv_shape other = usual;
    char path[512], *text, *copy;
    struct memory m;
    struct cu_conv c;
    size_t n;

    (void)state;
    memory_init(&m, &usual);
    cu_cache_store(&m.d, &usual, CU_FORWARD, &m.chosen, 1);
    only_file(&m, path);
    assert_int_equal(file_read(path, 1 << 20, &text, &n, NULL), 0);
    copy = malloc(n);
    assert_non_null(copy);
    for (size_t i = 0; i < n; i += 7) {
        int rc;

        memcpy(copy, text, n);
        copy[i] ^= 1;
        assert_int_equal(file_replace(path, copy, n, NULL), 0);
        rc = load(&m, &usual, CU_FORWARD, 1 << 20); /* what people read may differ */
        assert_true(!rc || rc == HPO_EMISSING);
        assert_int_equal(file_replace(path, text, i, NULL), 0);
        assert_int_equal(load(&m, &usual, CU_FORWARD, 1 << 20), HPO_EMISSING);
    }
    /* The file of another convolution under this one's name. */
    other.k = 64;
    assert_int_equal(file_remove_tree(path, NULL), 0);
    memset(&c, 0, sizeof(c));
    assert_int_equal(cu_conv_choose(&m.d, &other, CU_FORWARD, 1 << 20, &c, NULL), 0);
    cu_cache_store(&m.d, &other, CU_FORWARD, &c, 1);
    cu_conv_release(&c);
    free(copy);
    {
        char name[512];

        only_file(&m, name);
        assert_int_equal(rename(name, path), 0);
    }
    assert_int_equal(load(&m, &usual, CU_FORWARD, 1 << 20), HPO_EMISSING);
    cu_cache_store(&m.d, &usual, CU_FORWARD, &m.chosen, 1);
    assert_int_equal(load(&m, &usual, CU_FORWARD, 1 << 20), 0);
    free(text);
    memory_release(&m);
}

/* A plan's text is taken only when its engine may be taken for what is asked. */
static void text_of_another(void **state)
{
    struct cu_conv_shape tf32 = usual;
    struct cu_conv_op op = {usual, CU_FORWARD, 1};
    struct cu_conv c = {0}, back = {0};
    struct str text = {0};
    struct hpo_err err = {0};
    struct cu_dnn d;

    (void)state;
    describe(&d, "sm_90");
    tf32.type = CU_F32;
    op.s = tf32;
    tf32.tf32 = true;
    assert_int_equal(cu_conv_choose(&d, &tf32, CU_FORWARD, 1 << 20, &c, NULL), 0);
    assert_int_equal(cu_conv_text(&c, &text, NULL), 0);
    assert_int_equal(cu_conv_from_text(&d, &op, text.s, text.n, &back, &err), HPO_EDEVICE);
    assert_non_null(strstr(err.msg, "may not be taken"));
    op.s.tf32 = true;
    assert_int_equal(cu_conv_from_text(&d, &op, text.s, text.n, &back, &err), 0);
    cu_conv_release(&back);
    assert_int_equal(cu_conv_from_text(&d, &op, "{}", 2, &back, &err), HPO_EDEVICE);
    str_release(&text);
    cu_conv_release(&c);
    cu_dnn_release(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_convolution), cmocka_unit_test(refused),
        cmocka_unit_test(least_needy),       cmocka_unit_test(remembered),
        cmocka_unit_test(damaged),           cmocka_unit_test(text_of_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
