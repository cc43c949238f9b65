/* The rate times gamma every step_size epochs: torch.optim.lr_scheduler.StepLR. */
#include <math.h>

#include "trainer/schedule.h"
#include "trainer/schedules/warmup.h"

struct step {
    double warmup_epochs, gamma;
    int step_size;
};

static double factor(const void *opts, const struct schedule_at *at)
{
    const struct step *o = opts;
    double f;

    if (warmup(o->warmup_epochs, at, &f))
        return f;
    return pow(o->gamma, floor((at->t - o->warmup_epochs) / o->step_size));
}

static const struct hpo_opt options[] = {
    HPO_OPT(INT, struct step, step_size, "step_size", "10", 1, 1000000, 0,
            "epochs between two steps (PyTorch has no default for it)"),
    HPO_OPT(REAL, struct step, gamma, "gamma", "0.1", 0, 1, HPO_OPT_MIN_OPEN,
            "what the rate is multiplied by at a step"),
    WARMUP_OPT(struct step),
    {0},
};

const struct schedule_ops schedule_step = {
    .plugin = {"step", "the learning rate falls by a factor every few epochs (StepLR)",
               sizeof(struct step), options},
    .factor = factor,
};
