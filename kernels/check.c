#include "kernels/check.h"

#include <math.h>

int kn_check_desc(const struct kn_plan_desc *d, int h, int w, int classes, struct hpo_err *err)
{
    const struct kn_tensor *in = &d->net->tensor[0];

    if (d->batch < 1 || d->eval_batch < 1 || d->models < 1 || d->threads < 0 ||
        d->batch > 1 << 16 || d->eval_batch > 1 << 16 || d->models > 1 << 12)
        return hpo_fail(err, HPO_ECONFIG,
                        "batch %d, evaluation batch %d, %d models, %d threads: out of range",
                        d->batch, d->eval_batch, d->models, d->threads);
    if ((unsigned)d->optim >= KN_N_OPTIMS)
        return hpo_fail(err, HPO_ECONFIG, "unknown optimizer %d", (int)d->optim);
    if (d->freeze < 0 || d->freeze >= d->net->n_ops)
        return hpo_fail(err, HPO_ECONFIG, "%d of %d operations cannot be frozen", d->freeze,
                        d->net->n_ops);
    if (d->net->rc || !d->net->n_weights)
        return hpo_fail(err, HPO_ECONFIG, "the network has nothing to train");
    if (h && (in->c != 3 || in->h != h || in->w != w || d->net->classes != classes))
        return hpo_fail(err, HPO_ECONFIG,
                        "the network is for %d x %d x %d images of %d classes, the data are "
                        "3 x %d x %d of %d",
                        in->c, in->h, in->w, d->net->classes, h, w, classes);
    return HPO_OK;
}

int kn_check_model(const struct kn_plan *p, int model, struct hpo_err *err)
{
    if (model < 0 || model >= p->models)
        return hpo_fail(err, HPO_ECONFIG, "model %d of %d", model, p->models);
    return HPO_OK;
}

static bool within(float v, float low, float high)
{
    return v >= low && v <= high; /* NaN is not */
}

static int check_shape(const struct kn_shape *s, const char *what, struct hpo_err *err)
{
    if (!within(s->scale_min, 0, s->scale_max) || !within(s->scale_max, 0, 1))
        return hpo_fail(err, HPO_ECONFIG, "%s of %g to %g of the area", what, (double)s->scale_min,
                        (double)s->scale_max);
    if (!within(s->log_ratio_min, -9, s->log_ratio_max) || !within(s->log_ratio_max, -9, 9))
        return hpo_fail(err, HPO_ECONFIG, "%s of a ratio of e^%g to e^%g", what,
                        (double)s->log_ratio_min, (double)s->log_ratio_max);
    return HPO_OK;
}

static int check_augment(const struct kn_augment *a, struct hpo_err *err)
{
    int rc = HPO_OK;

    if (a->crop_padding < 0 || a->crop_padding > 1 << 14 || a->cutout < 0 || a->cutout > 1 << 14)
        return hpo_fail(err, HPO_ECONFIG, "a crop padding of %d, a cutout of %d", a->crop_padding,
                        a->cutout);
    if ((unsigned)a->flip > KN_FLIP_ALTERNATING || (unsigned)a->fill > KN_FILL_REFLECT)
        return hpo_fail(err, HPO_ECONFIG, "flip %d, fill %d", a->flip, a->fill);
    if (!within(a->rotation, 0, 180) || !within(a->brightness, 0, 100) ||
        !within(a->contrast, 0, 100) || !within(a->saturation, 0, 100) || !within(a->hue, 0, 0.5f))
        return hpo_fail(err, HPO_ECONFIG,
                        "a rotation of %g, brightness %g, contrast %g, saturation %g, hue %g",
                        (double)a->rotation, (double)a->brightness, (double)a->contrast,
                        (double)a->saturation, (double)a->hue);
    if (!within(a->erasing, 0, 1))
        return hpo_fail(err, HPO_ECONFIG, "erasing with probability %g", (double)a->erasing);
    if (a->resized_crop)
        rc = check_shape(&a->crop, "a crop", err);
    if (!rc && a->erasing > 0)
        rc = check_shape(&a->erase, "an erased rectangle", err);
    return rc;
}

int kn_check_hyper(const struct kn_plan *p, const struct kn_hyper *h, struct hpo_err *err)
{
    if (h->optim.kind != p->optim)
        return hpo_fail(err, HPO_ECONFIG, "the optimizer is not the plan's");
    for (int i = 0; i < p->net->n_rates; i++)
        if (!(h->rates[i] >= 0 && h->rates[i] < 1))
            return hpo_fail(err, HPO_ECONFIG, "a dropout rate is 0 or more and below 1, not %g",
                            (double)h->rates[i]);
    for (int c = 0; c < 3; c++)
        if (!(h->std[c] > 0) || !isfinite(h->mean[c]))
            return hpo_fail(err, HPO_ECONFIG, "channel %d: mean %g, deviation %g", c,
                            (double)h->mean[c], (double)h->std[c]);
    for (int c = 0; h->class_weights && c < p->net->classes; c++)
        if (!(h->class_weights[c] > 0) || !isfinite(h->class_weights[c]))
            return hpo_fail(err, HPO_ECONFIG, "class %d has the weight %g", c,
                            (double)h->class_weights[c]);
    for (int i = 0; h->factors && i < p->net->n_params; i++)
        if (!(h->factors[i].lr >= 0 && h->factors[i].decay >= 0) || !isfinite(h->factors[i].lr) ||
            !isfinite(h->factors[i].decay))
            return hpo_fail(err, HPO_ECONFIG, "%s: factors %g on rate and %g on decay",
                            p->net->param[i].name, (double)h->factors[i].lr,
                            (double)h->factors[i].decay);
    return check_augment(&h->augment, err);
}

static int check_rows(const int32_t *index, int n, int64_t images, struct hpo_err *err)
{
    for (int i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= images)
            return hpo_fail(err, HPO_ECONFIG, "row %d of a data set of %lld images", (int)index[i],
                            (long long)images);
    return HPO_OK;
}

static int check_step(const struct kn_plan *p, const struct kn_batch *b, struct hpo_err *err)
{
    const struct kn_tensor *in = &p->net->tensor[0];
    const struct kn_mix *x = &b->mix;

    if (b->micros < 0 || b->micro < 0 || b->micro > b->micros ||
        (b->micros && b->micro == b->micros) || (b->micros > 1 && !p->accumulate))
        return hpo_fail(err, HPO_ECONFIG, "batch %d of %d of a step", b->micro, b->micros);
    if (!(b->average >= 0 && b->average <= 1) || b->estimate < 0 ||
        ((b->estimate || b->adopt) && !p->averaged))
        return hpo_fail(err, HPO_ECONFIG, "an average of decay %g, estimate %d, adopt %d",
                        (double)b->average, b->estimate, b->adopt);
    if (x->kind != KN_MIX_NONE && !(x->lambda >= 0 && x->lambda <= 1))
        return hpo_fail(err, HPO_ECONFIG, "images mixed by %g", (double)x->lambda);
    if (x->kind == KN_CUTMIX && (x->y0 < 0 || x->y0 > x->y1 || x->y1 > in->h || x->x0 < 0 ||
                                 x->x0 > x->x1 || x->x1 > in->w))
        return hpo_fail(err, HPO_ECONFIG, "a box outside of the image");
    return HPO_OK;
}

int kn_check_batch(const struct kn_plan *p, const struct kn_batch *b, int64_t images,
                   struct hpo_err *err)
{
    int rc;

    if (b->n && b->n != p->batch)
        return hpo_fail(err, HPO_ECONFIG, "a training batch of %d rows in a plan for %d", b->n,
                        p->batch);
    rc = check_rows(b->index, b->n, images, err);
    return rc || !b->n ? rc : check_step(p, b, err);
}

int kn_check_train(const struct kn_plan *p, const struct kn_batch *batch, int64_t images,
                   struct hpo_err *err)
{
    int rc = HPO_OK;

    for (int m = 0; m < p->models && !rc; m++)
        rc = kn_check_batch(p, &batch[m], images, err);
    return rc;
}

int kn_check_eval(const struct kn_plan *p, const int32_t *const *index, const int *n,
                  int64_t images, struct hpo_err *err)
{
    int rc = HPO_OK;

    for (int m = 0; m < p->models && !rc; m++) {
        if (n[m] < 0 || n[m] > p->eval_batch)
            rc = hpo_fail(err, HPO_ECONFIG, "an evaluation batch of %d rows in a plan for %d", n[m],
                          p->eval_batch);
        else
            rc = check_rows(index[m], n[m], images, err);
    }
    return rc;
}
