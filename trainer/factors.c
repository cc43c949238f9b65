/* Parameters with rates of their own, and those that are trained for some of the epochs only. */
#include "trainer/job.h"

static bool is_frozen(const struct kn_param *p, int epoch)
{
    return p->trained && p->epochs != KN_ALWAYS && epoch >= p->epochs;
}

const struct kn_factor *run_factors(struct tr_run *r, int epoch)
{
    const struct kn_net *net = r->plan->net;
    double set = r->config->optimizer.bias_scaler;
    float scaler = set > 0 ? (float)set : 1;
    float backbone = (float)r->config->model.backbone_lr;
    int head = kn_net_head(net);
    bool any = false;

    for (int i = 0; i < net->n_params; i++) {
        const struct kn_op *op = &net->op[net->param[i].op];
        struct kn_factor *f = &r->factors[i];

        *f = (struct kn_factor){1, 1};
        /* What decays in a step is rate times decay: that stays (airbench). */
        if (op->kind == KN_BATCH_NORM && op->bias == i)
            *f = (struct kn_factor){scaler, 1 / scaler};
        if (net->param[i].op < head)
            f->lr *= backbone;
        if (is_frozen(&net->param[i], epoch))
            f->lr = 0;
        any = any || f->lr != 1 || f->decay != 1;
    }
    return any ? r->factors : NULL;
}

bool run_factors_change(const struct tr_run *r, int epoch)
{
    const struct kn_net *net = r->plan->net;
    bool change = false;

    for (int i = 0; i < net->n_params && epoch; i++)
        change = change || is_frozen(&net->param[i], epoch) != is_frozen(&net->param[i], epoch - 1);
    return change;
}
