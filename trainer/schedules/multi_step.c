/* The rate times gamma at each milestone: torch.optim.lr_scheduler.MultiStepLR. As in every
 * schedule here, epochs count from the end of the warm-up. */
#include <math.h>

#include "trainer/schedule.h"
#include "trainer/schedules/warmup.h"

#define MAX_MILESTONES 64

struct multi_step {
    double warmup_epochs, gamma;
    const char *milestones;
};

static double factor(const void *opts, const struct schedule_at *at)
{
    const struct multi_step *o = opts;
    double f, milestone[MAX_MILESTONES];
    int n, passed = 0;

    if (warmup(o->warmup_epochs, at, &f))
        return f;
    n = hpo_numbers(o->milestones, milestone, MAX_MILESTONES);
    for (int i = 0; i < n && i < MAX_MILESTONES; i++)
        passed += at->t - o->warmup_epochs >= milestone[i];
    return pow(o->gamma, passed);
}

static const struct hpo_opt options[] = {
    HPO_OPT_NUMBERS_OR(struct multi_step, milestones, "milestones", "30,60,80", NULL, 0, 1e6,
                       HPO_OPT_FIXED,
                       "epochs at which the rate falls, at most 64 of them (PyTorch has no default "
                       "for it)"),
    HPO_OPT(REAL, struct multi_step, gamma, "gamma", "0.1", 0, 1, HPO_OPT_MIN_OPEN,
            "what the rate is multiplied by at a milestone"),
    WARMUP_OPT(struct multi_step),
    {0},
};

const struct schedule_ops schedule_multi_step = {
    .plugin = {"multi_step", "the learning rate falls by a factor at given epochs (MultiStepLR)",
               sizeof(struct multi_step), options},
    .factor = factor,
};
