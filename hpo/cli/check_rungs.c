#include "hpo/cli/check_rungs.h"

#include "hpo/cli/study_data.h"

/* What a trial costs on a rung. */
static int cost_of(const struct study_config *c, const struct kn_backend_ops *backend,
                   struct arena *a, struct rung_cost *ret, struct hpo_err *err)
{
    double *values = ARENA_ARRAY(a, double, c->space.n + 1);
    struct tr_dataset data = {0};
    struct tr_folds folds = {0};
    struct trial_config middle;
    struct tr_cost cost;
    int rc = study_data_open(c, &data, NULL, NULL, err);

    study_middle(&c->space, values);
    if (!rc)
        rc = study_config_trial(c, values, a, &middle, err);
    if (!rc)
        rc = tr_cost(backend, &middle.trainer, &data, &cost, err);
    if (!rc)
        rc = study_config_make_folds(c, &data, &folds, err);
    if (!rc) {
        ret->images = study_images_trained(c, &folds) * middle.trainer.epochs;
        ret->macs = cost.macs;
    }
    tr_folds_release(&folds);
    tr_dataset_close(&data);
    return rc;
}

int check_rungs_find(const struct study_config *c, const struct kn_backend_ops *backend,
                     int64_t trials, struct arena *a, struct check_rungs *ret, struct hpo_err *err)
{
    int n = (int)trials, rc = 0;

    *ret = (struct check_rungs){ARENA_ARRAY(a, struct rung_cost, c->n_rungs + 1), c->n_rungs};
    for (int i = 0; i < c->n_rungs && !rc; i++) {
        const struct study_rung *rung = &c->rungs[i];
        int on;

        ret->rung[i].says = rung->says;
        ret->rung[i].trials = n;
        rc = cost_of(rung->config, backend, a, &ret->rung[i], err);
        on = study_rung_quota(rung, n) + rung->explore;
        n = on < n ? on : n;
    }
    return rc;
}

static double trial_cost(const struct rung_cost *r)
{
    return r->images * r->macs;
}

double check_rungs_images(const struct check_rungs *r)
{
    double sum = 0;

    for (int i = 0; i < r->n; i++)
        sum += r->rung[i].images * r->rung[i].trials;
    return sum;
}

/* Of all rungs, as a part of what all trials would cost on the last one. */
static double part_of_full(const struct check_rungs *r)
{
    double sum = 0;

    for (int i = 0; i < r->n; i++)
        sum += trial_cost(&r->rung[i]) * r->rung[i].trials;
    return sum / (trial_cost(&r->rung[r->n - 1]) * r->rung[0].trials);
}

void check_rungs_print(const struct check_rungs *r, struct str *ret)
{
    if (!r->n)
        return;
    str_add(ret, "\nrungs      trials  images a trial  cost of a trial\n");
    for (int i = 0; i < r->n; i++)
        str_addf(ret, "  %-8d %6d  %14.0f  %14.1f%%  %s\n", i, r->rung[i].trials, r->rung[i].images,
                 100 * trial_cost(&r->rung[i]) / trial_cost(&r->rung[r->n - 1]), r->rung[i].says);
    str_addf(ret,
             "  All rungs together cost %.1f%% of %d trials on the last one, in multiply-adds\n"
             "  (%.0f images trained on); what pruning saves is not counted.\n",
             100 * part_of_full(r), r->rung[0].trials, check_rungs_images(r));
}

void check_rungs_json(const struct check_rungs *r, cJSON *into)
{
    cJSON *list;

    if (!r->n)
        return;
    list = cJSON_AddArrayToObject(into, "rungs");
    for (int i = 0; i < r->n; i++) {
        cJSON *j = cJSON_CreateObject();

        json_put_number(j, "rung", i);
        json_put_string(j, "settings", r->rung[i].says);
        json_put_number(j, "trials", r->rung[i].trials);
        json_put_number(j, "train_images_per_trial", r->rung[i].images);
        json_put_number(j, "macs", r->rung[i].macs);
        cJSON_AddItemToArray(list, j);
    }
    json_put_number(into, "cost_of_full_fidelity", part_of_full(r));
}
