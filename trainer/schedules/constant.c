/* The same rate throughout: torch.optim.lr_scheduler.ConstantLR with factor 1. */
#include "trainer/schedule.h"
#include "trainer/schedules/warmup.h"

struct constant {
    double warmup_epochs;
};

static double factor(const void *opts, const struct schedule_at *at)
{
    const struct constant *o = opts;
    double f;

    return warmup(o->warmup_epochs, at, &f) ? f : 1.0;
}

static const struct hpo_opt options[] = {
    WARMUP_OPT(struct constant),
    {0},
};

const struct schedule_ops schedule_constant = {
    .plugin = {"constant", "the same learning rate throughout", sizeof(struct constant), options},
    .factor = factor,
};
