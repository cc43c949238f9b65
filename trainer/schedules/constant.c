/* The same rate throughout: torch.optim.lr_scheduler.ConstantLR with factor 1. */
#include "trainer/schedule.h"
#include "trainer/schedules/warmup.h"

struct constant {
    double warmup_epochs;
};

static double factor(const void *opts, double t, double epochs)
{
    const struct constant *o = opts;
    double f;

    (void)epochs;
    return warmup(o->warmup_epochs, t, &f) ? f : 1.0;
}

static const struct hpo_opt options[] = {
    WARMUP_OPT(struct constant),
    {0},
};

const struct schedule_ops schedule_constant = {
    .plugin = {"constant", "the same learning rate throughout", sizeof(struct constant), options},
    .factor = factor,
};
