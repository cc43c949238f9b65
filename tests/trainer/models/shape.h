/* tests/trainer/models/shape.h - a model's network with its options set. */
#ifndef TESTS_TRAINER_SHAPE_H
#define TESTS_TRAINER_SHAPE_H

#include "tests/trainer/parts.h"
#include "trainer/model.h"

static inline int build_net(const struct model_ops *ops, const char *sets, int side, int classes,
                            struct kn_net *ret, struct hpo_err *err)
{
    struct arena a = {0};
    struct model_input in = {3, side, side, classes};
    int rc;

    kn_net_init(ret, 3, side, side, classes);
    ops->build(make_priv(&a, &ops->plugin, sets), &in, ret);
    rc = kn_net_finish(ret, err);
    arena_release(&a);
    return rc;
}

static inline const struct kn_param *find_param(const struct kn_net *n, const char *name)
{
    for (int i = 0; i < n->n_params; i++)
        if (!strcmp(n->param[i].name, name))
            return &n->param[i];
    fail_msg("there is no parameter %s", name);
    return NULL;
}

static inline int count_ops(const struct kn_net *n, enum kn_kind kind)
{
    int count = 0;

    for (int i = 0; i < n->n_ops; i++)
        count += n->op[i].kind == kind;
    return count;
}

#endif
