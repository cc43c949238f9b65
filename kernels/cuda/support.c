/* What the CPU backend does and this one does not do yet: refused, with its name, where it would
 * first make a difference. */
#include "kernels/cuda/plan.h"

static int refuse(struct hpo_err *err, const char *what)
{
    return hpo_fail(err, HPO_ECONFIG, "%s cannot be trained on a GPU yet (devices.use: cpu)", what);
}

int cu_check_support(const struct kn_plan_desc *d, struct hpo_err *err)
{
    for (int i = 0; i < d->net->n_ops; i++)
        if (d->net->op[i].kind == KN_MULTIPLY)
            return refuse(err, "a network with a factor between layers");
    return HPO_OK;
}

int cu_check_hyper_support(const struct kn_hyper *h, struct hpo_err *err)
{
    if (h->mirror)
        return refuse(err, "evaluation on mirrored images");
    return HPO_OK;
}
