/* The best of a convolution's plans by heuristics. */
#include "kernels/cuda/conv_priv.h"

int cu_conv_rank(const struct cu_conv *c, const struct cu_conv_shape *s, size_t limit)
{
    bool tensor_cores = s->type != CU_F32 || s->tf32;
    size_t bytes[3], all;

    if (c->workspace > limit)
        return CU_RANK_MISFIT;
    cu_conv_sizes(s, c->pass, bytes);
    all = (bytes[0] + bytes[1] + bytes[2]) * (c->parts > 1 ? 1 : (size_t)s->models);
    /* Sums of a split reduction need little. What needs much copies what it reads or writes first:
     * another pass over the activations. The heuristics seem not to count those. */
    return (tensor_cores && !c->tensor_core ? 2 : 0) + (c->workspace > all / 8 ? 1 : 0);
}

static int fail_none(const struct cu_conv_shape *s, enum cu_pass pass, const struct cu_tally *t,
                     struct hpo_err *err)
{
    int rc = t->last.rc == HPO_ENOMEM ? HPO_ENOMEM : HPO_EDEVICE;
    struct str text = {0};

    cu_conv_describe(s, pass, &text);
    str_addf(&text,
             ": cuDNN %zu has no plan (of %d engine configurations %d nondeterministic, %d "
             "compiled at run time, %d less exact than asked for, %d known as faulty, %d refused)",
             cudnnGetVersion(), t->seen, t->nondeterministic, t->compiled, t->rounding, t->denied,
             t->refused);
    if (t->last.rc)
        str_addf(&text, "; %s", t->last.msg);
    hpo_fail(err, rc, "%s", str_c(&text));
    str_release(&text);
    return rc;
}

/* The better one of *best and what this mode proposes; best->plan is NULL while there is
 * none. */
static void improve(const struct cu_dnn *d, const struct cu_conv_op *op,
                    cudnnBackendHeurMode_t mode, size_t limit, struct cu_tally *t,
                    struct cu_conv *best)
{
    int rank = best->plan ? cu_conv_rank(best, &op->s, limit) : CU_RANK_MISFIT + 1;
    struct cu_configs configs;
    struct cu_conv c;

    if (rank == CU_RANK_BEST || cu_configs_init(&configs, d, op, mode, &t->last))
        return;
    for (int i = 0; i < configs.n && rank > CU_RANK_BEST; i++) {
        int r;

        if (!cu_conv_take(d, op, &configs.d[i], t, &c))
            continue;
        r = cu_conv_rank(&c, &op->s, limit);
        if (r < rank || (r == CU_RANK_MISFIT && c.workspace < best->workspace)) {
            cu_conv_release(best);
            *best = c;
            rank = r;
        } else {
            cu_conv_release(&c);
        }
    }
    cu_configs_release(&configs);
}

int cu_conv_choose(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                   size_t limit, struct cu_conv *ret, struct hpo_err *err)
{
    /* The fallbacks are slow engines that take any shape: only where nothing else fits. */
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    struct cu_conv_op all = {*s, pass, 1}, each = {*s, pass, s->models};
    struct cu_tally tally = {0};
    struct cu_conv best = {0};
    int rc = cu_conv_check(s, pass, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < HPO_LEN(modes) && (!best.plan || best.workspace > limit); i++) {
        improve(d, &all, modes[i], limit, &tally, &best);
        if (s->models > 1)
            improve(d, &each, modes[i], limit, &tally, &best);
    }
    if (!best.plan)
        return fail_none(s, pass, &tally, err);
    *ret = best;
    return HPO_OK;
}
