/* A model of the registry on given weights and images, for a comparison with torchvision in another
 * program (parity_torchvision.py):
 *
 *   parity_model MODEL "KEY=VALUE ..." SIZE CLASSES BATCH STEPS WEIGHTS IN OUT
 *   parity_model --names MODEL "KEY=VALUE ..." SIZE CLASSES
 *
 * --names prints "w|b NAME DIMS..." a line. WEIGHTS: a state dict in safetensors format, taken as
 * model.pretrained takes it. IN: BATCH images (uint8), labels (int32). OUT, all fp32: the logits in
 * evaluation, STEPS losses of SGD on the same batch, the gradients of the first step, the buffers
 * at the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "kernels/backend.h"
#include "trainer/model.h"
#include "trainer/pretrained.h"

static int die(const char *what, const char *why)
{
    fprintf(stderr, "parity_model: %s: %s\n", what, why);
    return 1;
}

static int build(struct kn_net *net, char **argv, struct hpo_err *err)
{
    const struct model_ops *m = hpo_registry_find((const void *const *)model_registry, argv[0]);
    int size = atoi(argv[2]), classes = atoi(argv[3]);
    struct model_input in = {3, size, size, classes};
    struct arena a = {0};
    char *save = NULL;
    void *priv;
    int rc;

    if (!m)
        return hpo_fail(err, HPO_ECONFIG, "unknown model");
    priv = arena_alloc(&a, m->plugin.priv_size + 1);
    hpo_opt_defaults(m->plugin.opts, priv, &a);
    for (char *w = strtok_r(argv[1], " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        char *eq = strchr(w, '=');
        const struct hpo_opt *o;

        if (eq)
            *eq = 0;
        o = eq ? hpo_opt_find(m->plugin.opts, w) : NULL;
        rc = o ? hpo_opt_set(o, priv, eq + 1, &a, err) : hpo_fail(err, HPO_ECONFIG, "option %s", w);
        if (rc)
            return rc;
    }
    kn_net_init(net, 3, size, size, classes);
    m->build(priv, &in, net);
    rc = kn_net_finish(net, err);
    arena_release(&a);
    return rc;
}

static void print_names(const struct kn_net *net)
{
    for (int i = 0; i < net->n_params; i++) {
        printf("%c %s", net->param[i].trained ? 'w' : 'b', net->param[i].name);
        for (int d = 0; d < net->param[i].n_dims; d++)
            printf(" %d", net->param[i].dims[d]);
        putchar('\n');
    }
}

struct job {
    struct kn_net net;
    int batch, steps;
    struct kn_images images;
    uint8_t *pixels;
    int32_t *labels, *index;
    struct kn_state state;
    float *loss, *gradient, *logits;
};

static bool transfer(struct job *j, const char *path, bool in)
{
    size_t n = (size_t)j->batch, image = (size_t)j->images.h * (size_t)j->images.w * 3;
    struct {
        void *p;
        size_t size, count;
    } parts[2][4] = {{{j->logits, 4, n * (size_t)j->net.classes},
                      {j->loss, 4, (size_t)j->steps},
                      {j->gradient, 4, j->net.n_weights},
                      {j->state.buffers, 4, j->net.n_buffers}},
                     {{j->pixels, image, n}, {j->labels, 4, n}}};
    FILE *f = fopen(path, in ? "rb" : "wb");
    bool ok = f;

    for (int i = 0; i < 4 && ok && parts[in][i].p; i++)
        ok = parts[in][i].count ==
             (in ? fread(parts[in][i].p, parts[in][i].size, parts[in][i].count, f)
                 : fwrite(parts[in][i].p, parts[in][i].size, parts[in][i].count, f));
    if (f)
        ok = !fclose(f) && ok;
    return ok;
}

static int load(struct job *j, const char *model, const char *path, struct hpo_err *err)
{
    struct tr_config c = {
        .model = {.part.ops = hpo_registry_find((const void *const *)model_registry, model),
                  .pretrained = path}};
    struct tr_pretrained p = {0};
    int rc = tr_pretrained_open(&p, &c, &j->net, err);

    for (int i = 0; i < p.n_params && !rc; i++)
        if (!p.tensor[i])
            rc = hpo_fail(err, HPO_ECONFIG, "%s is not taken", j->net.param[i].name);
    if (!rc)
        tr_pretrained_load(&p, &j->net, &j->state);
    tr_pretrained_close(&p);
    return rc;
}

static int run(struct job *j, struct hpo_err *err)
{
    const struct kn_backend_ops *ops = kn_backend_registry[0];
    struct kn_plan_desc desc = {.net = &j->net,
                                .batch = j->batch,
                                .eval_batch = j->batch,
                                .models = 1,
                                .threads = 2,
                                .optim = KN_SGD,
                                .exact = true};
    struct kn_hyper h = {.mean = {0.485f, 0.456f, 0.406f},
                         .std = {0.229f, 0.224f, 0.225f},
                         .loss = {.kind = KN_CROSS_ENTROPY},
                         .optim = {.kind = KN_SGD}};
    struct kn_dev *dev = NULL;
    struct kn_plan *plan = NULL;
    const int32_t *rows = j->index;
    void *data = NULL;
    int rc = ops->open(0, 0, &dev, err);

    rc = rc ? rc : ops->data_open(dev, &j->images, &data, err);
    rc = rc ? rc : ops->compile(dev, &desc, data, &plan, err);
    rc = rc ? rc : ops->set_hyper(plan, 0, &h, err);
    rc = rc ? rc : ops->set_state(plan, 0, &j->state, err);
    rc = rc ? rc : ops->eval(plan, &rows, &j->batch, &j->logits, err);
    for (int s = 0; s < j->steps && !rc; s++) {
        struct kn_batch b = {.index = rows, .n = j->batch, .step = (uint32_t)s, .lr = 0.01f};
        double loss;

        rc = ops->train(plan, &b, NULL, &loss, err);
        j->loss[s] = (float)loss;
        if (!rc && !s)
            rc = ops->get_gradients(plan, 0, j->gradient, err);
    }
    rc = rc ? rc : ops->get_state(plan, 0, &j->state, err);
    if (plan)
        ops->plan_free(plan);
    if (dev)
        ops->close(dev);
    return rc;
}

int main(int argc, char **argv)
{
    struct job j = {0};
    struct hpo_err err = {0};
    size_t side;

    if (argc == 6 && !strcmp(argv[1], "--names")) {
        if (build(&j.net, argv + 2, &err))
            return die(argv[2], err.msg);
        print_names(&j.net);
        kn_net_release(&j.net);
        return 0;
    }
    if (argc != 10)
        return die("arguments", "MODEL OPTIONS SIZE CLASSES BATCH STEPS WEIGHTS IN OUT");
    if (build(&j.net, argv + 1, &err))
        return die(argv[1], err.msg);
    side = (size_t)atoi(argv[3]);
    j.batch = atoi(argv[5]);
    j.steps = atoi(argv[6]);
    j.pixels = xcalloc((size_t)j.batch, side * side * 3);
    j.labels = xcalloc((size_t)j.batch, sizeof(int32_t));
    j.index = xcalloc((size_t)j.batch, sizeof(int32_t));
    for (int i = 0; i < j.batch; i++)
        j.index[i] = i;
    j.images = (struct kn_images){j.pixels, j.labels, j.batch, (int)side, (int)side, j.net.classes};
    j.state.weights = xcalloc(j.net.n_weights, 4);
    j.state.buffers = xcalloc(j.net.n_buffers + 1, 4);
    for (int i = 0; i < KN_MAX_SLOTS; i++)
        j.state.slots[i] = xcalloc(j.net.n_weights, 4);
    j.gradient = xcalloc(j.net.n_weights, 4);
    j.loss = xcalloc((size_t)j.steps + 1, 4);
    j.logits = xcalloc((size_t)j.batch * (size_t)j.net.classes, 4);
    if (load(&j, argv[1], argv[7], &err))
        return die(argv[7], err.msg);
    if (!transfer(&j, argv[8], true))
        return die(argv[8], "cannot be read");
    if (run(&j, &err))
        return die("running", err.msg);
    if (!transfer(&j, argv[9], false))
        return die(argv[9], "cannot be written");
    for (int i = 0; i < KN_MAX_SLOTS; i++)
        free(j.state.slots[i]);
    free(j.state.weights);
    free(j.state.buffers);
    free(j.pixels);
    free(j.labels);
    free(j.index);
    free(j.gradient);
    free(j.loss);
    free(j.logits);
    kn_net_release(&j.net);
    return 0;
}
