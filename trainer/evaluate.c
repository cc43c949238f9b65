/* Evaluation: logits of the validation rows -> probabilities -> every metric. */
#include <math.h>
#include <string.h>

#include "trainer/job.h"

/* In double, because a sum over a thousand classes loses digits that log loss shows. Returns the
 * largest logit's class, the lowest of equals; -1 when the row is not finite. */
static int softmax(float *z, int k)
{
    double sum = 0;
    int best = 0;

    for (int c = 0; c < k; c++) {
        if (!isfinite(z[c]))
            return -1;
        best = z[c] > z[best] ? c : best;
    }
    double top = z[best];

    for (int c = 0; c < k; c++)
        sum += exp((double)z[c] - top);
    for (int c = 0; c < k; c++)
        z[c] = (float)(exp((double)z[c] - top) / sum);
    return best;
}

static int measure(struct tr_run *r, const struct tr_member *m, double *ret, struct hpo_err *err)
{
    const struct kn_images *images = &r->job->data->images;
    int k = images->classes;
    struct tr_predictions p = {
        .probs = m->probs,
        .labels = r->labels,
        .pred = r->pred,
        .confusion = r->confusion,
        .n = m->n_valid,
        .classes = k,
    };

    memset(r->confusion, 0, (size_t)k * (size_t)k * sizeof(*r->confusion));
    for (int i = 0; i < m->n_valid; i++) {
        int pred = softmax(m->probs + (size_t)i * (size_t)k, k);

        if (pred < 0)
            return hpo_fail(err, HPO_ENUMERIC,
                            "the outputs became NaN or infinite in fold %d, epoch %d of %d",
                            m->fold, r->place.epoch + 1, r->config->epochs);
        r->pred[i] = pred;
        r->labels[i] = images->labels[m->valid[i]];
        r->confusion[(size_t)r->labels[i] * (size_t)k + (size_t)pred]++;
    }
    tr_metrics(metric_registry, &p, &r->metric_room, ret);
    for (int i = 0; i < r->n_metrics; i++)
        if (!isfinite(ret[i]) && tr_metric_applies(metric_registry[i], k))
            return hpo_fail(err, HPO_ENUMERIC, "%s is not a number in fold %d, epoch %d of %d",
                            metric_registry[i]->plugin.name, m->fold, r->place.epoch + 1,
                            r->config->epochs);
    return 0;
}

/* The next rows of every member, from `from` on. Returns how many in all. */
static int next_rows(const struct tr_run *r, int from, const int32_t **index, int *n,
                     float **logits)
{
    size_t k = (size_t)r->job->data->images.classes;
    int all = 0;

    for (int i = 0; i < r->models; i++) {
        const struct tr_member *m = &r->member[i < r->members ? i : 0];
        int left = i < r->members ? m->n_valid - from : 0;

        n[i] = left < 0 ? 0 : left < r->plan->eval_batch ? left : r->plan->eval_batch;
        index[i] = n[i] ? m->valid + from : m->valid;
        logits[i] = n[i] ? m->probs + (size_t)from * k : m->probs;
        all += n[i];
    }
    return all;
}

int run_evaluate(struct tr_run *r, struct hpo_err *err)
{
    const int32_t *index[TR_MAX_FOLDS];
    float *logits[TR_MAX_FOLDS];
    int n[TR_MAX_FOLDS], rc = 0, most = 0;
    double loss = 0, views = r->config->tta == TR_TTA_FLIP ? 2 : 1;

    for (int i = 0; i < r->members; i++) {
        const struct tr_member *m = &r->member[i];

        most = m->n_valid > most ? m->n_valid : most;
        loss += r->at.loss_sum[m->fold] / m->steps / r->members;
    }
    for (int from = 0; from < most && !rc; from += r->plan->eval_batch) {
        r->work += next_rows(r, from, index, n, logits) * TR_EVAL_WORK * views;
        rc = r->plan->ops->eval(r->plan, index, n, logits, err);
        /* A pause here forgets the evaluation: the place is still the end of the last step. */
        if (!rc && from + r->plan->eval_batch < most)
            rc = run_poll(r, loss, err);
    }
    for (int i = 0; i < r->members && !rc; i++)
        rc = measure(r, &r->member[i], run_row(r, r->member[i].fold, r->place.epoch), err);
    return rc;
}
