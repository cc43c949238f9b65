/* airbench's network from its initial weights through some steps of its recipe, for a comparison
 * with PyTorch in another program (parity_airbench.py):
 *
 *   parity_airbench "KEY=VALUE ..." SIZE CLASSES IMAGES STEPS K IN OUT
 *
 * IN: the images (uint8), labels (int32); all of them are the batch of every step, and what the
 * whitening filters come from. OUT, all fp32: mean and deviation of the colours, the initial
 * weights; the logits in evaluation, then those of images and their mirror images; STEPS losses;
 * the weights and the buffers at the end. Lookahead every K steps; from step STEPS / 2 on the
 * whitening layer's bias is frozen. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "kernels/backend.h"
#include "trainer/averaging.h"
#include "trainer/init.h"
#include "trainer/model.h"
#include "trainer/schedule.h"
#include "trainer/whiten.h"

extern const struct model_ops model_airbench;
extern const struct averaging_ops averaging_lookahead;
extern const struct schedule_ops schedule_triangular;

/* As studies/airbench.yaml has them. */
#define LR_PER_IMAGE (11.5 / (1024 * (1 + 1 / (1 - 0.85))))
#define WEIGHT_DECAY (0.0153 / 11.5)
#define BIAS_SCALER 64

struct job {
    struct kn_net net;
    struct kn_images images;
    struct kn_state state;
    int32_t *index;
    float *logits;
    int steps, k;
    FILE *out;
};

static int die(const char *what, const char *why)
{
    fprintf(stderr, "parity_airbench: %s: %s\n", what, why);
    return 1;
}

static const void *options_of(const struct hpo_plugin *plugin, char *sets, struct arena *a)
{
    void *priv = arena_alloc(a, plugin->priv_size + 1);
    char *save = NULL;

    hpo_opt_defaults(plugin->opts, priv, a);
    for (char *w = strtok_r(sets, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        char *eq = strchr(w, '=');

        *eq = 0;
        if (hpo_opt_set(hpo_opt_find(plugin->opts, w), priv, eq + 1, a, NULL))
            exit(die(w, "is no such option"));
    }
    return priv;
}

static void put(struct job *j, const float *p, size_t n)
{
    if (fwrite(p, sizeof(*p), n, j->out) != n)
        exit(die("writing", "failed"));
}

static void colours(const struct kn_images *im, float mean[3], float std[3])
{
    size_t n = (size_t)im->n * (size_t)im->h * (size_t)im->w;

    for (int c = 0; c < 3; c++) {
        double s = 0, q = 0;

        for (size_t i = 0; i < n; i++) {
            s += im->pixels[3 * i + (size_t)c] / 255.0;
            q += im->pixels[3 * i + (size_t)c] / 255.0 * im->pixels[3 * i + (size_t)c] / 255.0;
        }
        mean[c] = (float)(s / (double)n);
        std[c] = (float)sqrt(q / (double)n - s / (double)n * s / (double)n);
    }
}

static void set_factors(const struct kn_net *n, bool bias, struct kn_factor *ret)
{
    for (int i = 0; i < n->n_params; i++) {
        const struct kn_param *p = &n->param[i];
        const struct kn_op *op = &n->op[p->op];

        ret[i] = op->kind == KN_BATCH_NORM && op->bias == i
                     ? (struct kn_factor){BIAS_SCALER, 1.0f / BIAS_SCALER}
                     : (struct kn_factor){1, 1};
        if (!p->epochs || (p->epochs != KN_ALWAYS && !bias))
            ret[i].lr = 0;
    }
}

static struct kn_batch batch_at(const struct job *j, int step, struct arena *a)
{
    char sets[64];
    const struct schedule_at at = {.t = step, .epochs = j->steps, .step = 1};
    const struct averaging_at slow = {.updates = step + 1, .total = j->steps};
    const void *schedule = options_of(&schedule_triangular.plugin, (char[]){""}, a), *average;

    snprintf(sets, sizeof(sets), "alpha=0.2262190625 power=3 k=%d", j->k);
    average = options_of(&averaging_lookahead.plugin, sets, a);
    return (struct kn_batch){
        .index = j->index,
        .n = (int)j->images.n,
        .step = (uint32_t)step,
        .lr =
            (float)(LR_PER_IMAGE * (double)j->images.n * schedule_triangular.factor(schedule, &at)),
        .average = (float)averaging_lookahead.decay(average, &slow),
        .adopt = averaging_lookahead.adopts(average, &slow),
    };
}

static int run(struct job *j, struct hpo_err *err)
{
    const struct kn_backend_ops *ops = kn_backend_registry[0];
    int n = (int)j->images.n, rc;
    struct kn_plan_desc desc = {.net = &j->net,
                                .batch = n,
                                .eval_batch = n,
                                .models = 1,
                                .threads = 2,
                                .optim = KN_SGD,
                                .averaged = true,
                                .exact = true};
    struct kn_factor *factors = xcalloc((size_t)j->net.n_params, sizeof(*factors));
    struct kn_hyper h = {.loss = {.kind = KN_CROSS_ENTROPY, .smoothing = 0.2f},
                         .optim = {.kind = KN_SGD,
                                   .momentum = 0.85f,
                                   .nesterov = 1,
                                   .weight_decay = (float)WEIGHT_DECAY},
                         .factors = factors};
    const int32_t *rows = j->index;
    struct kn_dev *dev = NULL;
    struct kn_plan *plan = NULL;
    struct arena a = {0};
    void *data = NULL;

    colours(&j->images, h.mean, h.std);
    put(j, h.mean, 3);
    put(j, h.std, 3);
    tr_init_state(&j->net, 1, 0, 1, &j->state);
    rc = tr_whiten(&j->net, &j->images, rows, n, h.mean, h.std, j->state.weights, err);
    put(j, j->state.weights, j->net.n_weights);
    memcpy(j->state.average_weights, j->state.weights, j->net.n_weights * sizeof(float));
    memcpy(j->state.average_buffers, j->state.buffers, j->net.n_buffers * sizeof(float));
    set_factors(&j->net, true, factors);
    rc = rc ? rc : ops->open(0, 0, &dev, err);
    rc = rc ? rc : ops->data_open(dev, &j->images, &data, err);
    rc = rc ? rc : ops->compile(dev, &desc, data, &plan, err);
    for (h.mirror = 0; h.mirror < 2 && !rc; h.mirror++) {
        rc = ops->set_hyper(plan, 0, &h, err);
        rc = rc ? rc : ops->set_state(plan, 0, &j->state, err);
        rc = rc ? rc : ops->eval(plan, &rows, &n, &j->logits, err);
        put(j, j->logits, (size_t)n * (size_t)j->net.classes);
    }
    for (int s = 0; s < j->steps && !rc; s++) {
        struct kn_batch b = batch_at(j, s, &a);
        double loss = 0;
        float f;

        set_factors(&j->net, s < j->steps / 2, factors);
        rc = ops->set_hyper(plan, 0, &h, err);
        rc = rc ? rc : ops->train(plan, &b, NULL, &loss, err);
        f = (float)loss;
        put(j, &f, 1);
    }
    rc = rc ? rc : ops->get_state(plan, 0, &j->state, err);
    put(j, j->state.weights, j->net.n_weights);
    put(j, j->state.buffers, j->net.n_buffers);
    if (plan)
        ops->plan_free(plan);
    if (dev)
        ops->close(dev);
    arena_release(&a);
    free(factors);
    return rc;
}

int main(int argc, char **argv)
{
    struct job j = {0};
    struct hpo_err err = {0};
    struct arena a = {0};
    uint8_t *pixels;
    int32_t *labels;
    size_t n, image;
    int side, rc;
    FILE *in;

    if (argc != 9)
        return die("arguments", "OPTIONS SIZE CLASSES IMAGES STEPS K IN OUT");
    side = atoi(argv[2]);
    n = (size_t)atoi(argv[4]);
    j.steps = atoi(argv[5]);
    j.k = atoi(argv[6]);
    kn_net_init(&j.net, 3, side, side, atoi(argv[3]));
    model_airbench.build(options_of(&model_airbench.plugin, argv[1], &a),
                         &(struct model_input){3, side, side, atoi(argv[3])}, &j.net);
    if (kn_net_finish(&j.net, &err))
        return die("the network", err.msg);
    image = (size_t)side * (size_t)side * 3;
    pixels = xcalloc(n, image);
    labels = xcalloc(n, sizeof(*labels));
    j.index = xcalloc(n, sizeof(*j.index));
    for (size_t i = 0; i < n; i++)
        j.index[i] = (int32_t)i;
    j.images = (struct kn_images){pixels, labels, (int64_t)n, side, side, j.net.classes};
    j.logits = xcalloc(n * (size_t)j.net.classes, sizeof(float));
    j.state.weights = xcalloc(2 * j.net.n_weights, sizeof(float));
    j.state.average_weights = j.state.weights + j.net.n_weights;
    j.state.buffers = xcalloc(2 * j.net.n_buffers, sizeof(float));
    j.state.average_buffers = j.state.buffers + j.net.n_buffers;
    j.state.slots[0] = xcalloc(j.net.n_weights, sizeof(float));
    in = fopen(argv[7], "rb");
    if (!in || fread(pixels, image, n, in) != n || fread(labels, sizeof(*labels), n, in) != n)
        return die(argv[7], "cannot be read");
    fclose(in);
    j.out = fopen(argv[8], "wb");
    if (!j.out)
        return die(argv[8], "cannot be written");
    rc = run(&j, &err);
    if (rc || fclose(j.out))
        return die("running", err.msg);
    free(j.state.slots[0]);
    free(j.state.weights);
    free(j.state.buffers);
    free(j.logits);
    free(j.index);
    free(labels);
    free(pixels);
    kn_net_release(&j.net);
    arena_release(&a);
    return 0;
}
