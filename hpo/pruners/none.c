#include "hpo/core/pruner.h"

static bool should_stop(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t)
{
    return false;
}

const struct pruner_ops pruner_none = {
    .plugin = {.name = "none", .help = "never stops a trial"},
    .should_stop = should_stop,
};
