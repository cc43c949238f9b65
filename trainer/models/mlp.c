/* A multi-layer perceptron on the pixels: linear layers with ReLU and dropout, then one without. */
#include <stdio.h>

#include "trainer/model.h"

struct mlp {
    int layers, width;
    double dropout;
};

static void build(const void *opts, const struct model_input *in, struct kn_net *ret)
{
    const struct mlp *o = opts;
    char name[KN_NAME];
    int t = kn_flatten(ret, "flatten", 0);

    for (int i = 0; i < o->layers; i++) {
        snprintf(name, sizeof(name), "fc%d", i);
        t = kn_linear(ret, name, t, o->width, true);
        snprintf(name, sizeof(name), "relu%d", i);
        t = kn_relu(ret, name, t);
        snprintf(name, sizeof(name), "dropout%d", i);
        t = kn_dropout(ret, name, t, (float)o->dropout);
    }
    kn_linear(ret, "fc", t, in->classes, true);
}

static const struct hpo_opt options[] = {
    /* A dropout follows each layer, and a network has at most KN_MAX_RATES of them. */
    HPO_OPT(INT, struct mlp, layers, "layers", "2", 0, KN_MAX_RATES, 0,
            "hidden layers; 0 is a linear classifier"),
    HPO_OPT(INT, struct mlp, width, "width", "256", 1, 65536, 0, "units of a hidden layer"),
    HPO_OPT(REAL, struct mlp, dropout, "dropout", "0.0", 0, 1, HPO_OPT_MAX_OPEN,
            "share of the units dropped after each hidden layer"),
    {0},
};

const struct model_ops model_mlp = {
    .plugin = {"mlp", "multi-layer perceptron on the pixels", sizeof(struct mlp), options},
    .build = build,
};
