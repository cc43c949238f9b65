/* Half a cosine from the full rate down to min_factor of it at the end of the training:
 * torch.optim.lr_scheduler.CosineAnnealingLR with T_max = the epochs after the warm-up. */
#include <math.h>

#include "trainer/schedule.h"
#include "trainer/schedules/warmup.h"

struct cosine {
    double warmup_epochs, min_factor;
};

static double factor(const void *opts, const struct schedule_at *at)
{
    const struct cosine *o = opts;
    double f, whole = at->epochs - o->warmup_epochs;

    if (warmup(o->warmup_epochs, at, &f))
        return f;
    if (whole <= 0) /* t is the end of a training that was all warm-up */
        return 1.0;
    return o->min_factor +
           (1.0 - o->min_factor) * (1.0 + cos(M_PI * (at->t - o->warmup_epochs) / whole)) / 2.0;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct cosine, min_factor, "min_factor", "0.0", 0, 1, 0,
            "share of the learning rate that is left at the end (eta_min / lr)"),
    WARMUP_OPT(struct cosine),
    {0},
};

const struct schedule_ops schedule_cosine = {
    .plugin = {"cosine", "the learning rate falls along half a cosine (CosineAnnealingLR)",
               sizeof(struct cosine), options},
    .factor = factor,
};
