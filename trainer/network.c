/* The network of a configuration: built, told apart, weighed. */
#include <string.h>
#include <xxhash.h>

#include "base/str.h"
#include "trainer/mixing.h"
#include "trainer/session.h"
#include "trainer/trainer.h"

int tr_build_net(const struct tr_config *c, const struct kn_images *images, struct kn_net *ret,
                 struct hpo_err *err)
{
    const struct model_ops *model = c->model.part.ops;
    struct model_input in = {3, images->h, images->w, images->classes};
    int rc;

    kn_net_init(ret, in.channels, in.height, in.width, in.classes);
    model->build(c->model.part.priv, &in, ret);
    rc = kn_net_finish(ret, err);
    if (rc)
        hpo_fail_at(err, "model %s", model->plugin.name);
    return rc;
}

/* Field by field, because structs have padding. */
struct tr_net_hash tr_hash_net(const struct kn_net *n)
{
    const int head[] = {n->classes, n->n_tensors, n->n_ops};
    struct str bytes = {0};
    XXH128_hash_t sum;

    str_addn(&bytes, (const char *)head, sizeof(head));
    for (int i = 0; i < n->n_tensors; i++) {
        const int shape[] = {n->tensor[i].c, n->tensor[i].h, n->tensor[i].w};

        str_addn(&bytes, (const char *)shape, sizeof(shape));
    }
    for (int i = 0; i < n->n_ops; i++) {
        const struct kn_op *o = &n->op[i];
        const int ints[] = {(int)o->kind,
                            o->in,
                            o->in2,
                            o->out,
                            o->kernel,
                            o->stride,
                            o->pad,
                            o->rate,
                            o->layer,
                            (int)o->act,
                            n->tensor[o->out].samples,
                            o->weight,
                            o->bias,
                            o->mean,
                            o->var};
        const float floats[] = {o->eps, o->momentum, o->fraction, o->factor};

        str_addn(&bytes, o->name, strlen(o->name) + 1);
        str_addn(&bytes, (const char *)ints, sizeof(ints));
        str_addn(&bytes, (const char *)floats, sizeof(floats));
    }
    /* Initial values and what is frozen when are the plan's network's, too. */
    for (int i = 0; i < n->n_params; i++) {
        const int ints[] = {(int)n->param[i].init, n->param[i].epochs};

        str_addn(&bytes, (const char *)ints, sizeof(ints));
    }
    sum = XXH3_128bits(bytes.s, bytes.n);
    str_release(&bytes);
    return (struct tr_net_hash){sum.low64, sum.high64};
}

void tr_normalization(const struct tr_config *c, const struct tr_dataset *data, const int32_t *rows,
                      int64_t n, float ret_mean[3], float ret_std[3])
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};

    if (c->normalize == TR_NORMALIZE_DATASET ||
        (c->normalize == TR_NORMALIZE_AUTO && !c->model.pretrained)) {
        tr_dataset_stats(data, rows, n, ret_mean, ret_std);
        return;
    }
    memcpy(ret_mean, mean, sizeof(mean));
    memcpy(ret_std, std, sizeof(std));
}

int tr_check(const struct kn_backend_ops *backend, const struct tr_config *c,
             const struct tr_dataset *data, struct hpo_err *err)
{
    static const char *const words[] = {"auto", "fp32", "tf32", "bf16", "fp16"};
    struct kn_net net = {0};
    struct str offers = {0};
    struct kn_augment augment;
    int rc = tr_build_net(c, &data->images, &net, err);

    kn_net_release(&net);
    if (!rc)
        rc = tr_augment_lower(&c->augment, &augment, err);
    if (!rc && !(backend->precisions >> c->precision & 1)) {
        for (size_t i = 0; i < HPO_LEN(words); i++)
            if (backend->precisions >> i & 1)
                str_addf(&offers, "%s%s", offers.n ? ", " : "", words[i]);
        rc = hpo_fail(err, HPO_ECONFIG, "precision: %s does not train in %s; it offers %s",
                      backend->plugin.name, words[c->precision], str_c(&offers));
        str_release(&offers);
    }
    return rc;
}

int tr_cost(const struct kn_backend_ops *backend, const struct tr_config *c,
            const struct tr_dataset *data, struct tr_cost *ret, struct hpo_err *err)
{
    const struct optimizer_ops *optimizer = c->optimizer.part.ops;
    int batch = data->images.n < c->batch_size ? (int)data->images.n : c->batch_size;
    struct kn_dev *dev = NULL;
    struct kn_net net = {0};
    int rc = tr_build_net(c, &data->images, &net, err);

    if (!rc)
        rc = backend->open(0, 0, &dev, err);
    if (!rc) {
        struct kn_plan_desc desc = {
            .net = &net,
            .batch = batch,
            .eval_batch = tr_eval_batch(backend, batch, 0),
            .models = 1,
            .threads = 1,
            .precision = (enum kn_precision)c->precision,
            .optim = optimizer->kind,
            .averaged = ((const struct averaging_ops *)c->average.ops)->averages,
            .accumulate = c->optimizer.accumulate > 1,
            .freeze = c->model.freeze && !c->model.unfreeze_epoch ? kn_net_head(&net) : 0,
        };

        *ret = (struct tr_cost){
            .macs = kn_net_macs(&net),
            .weights = (double)net.n_weights,
            .bytes = backend->estimate(dev, &desc),
        };
        backend->close(dev);
    }
    kn_net_release(&net);
    return rc;
}
