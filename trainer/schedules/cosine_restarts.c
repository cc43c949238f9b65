/* Half a cosine from the full rate down, again and again, each time t_mult times as long:
 * torch.optim.lr_scheduler.CosineAnnealingWarmRestarts; SGDR, Loshchilov and Hutter, 2016. */
#include <math.h>

#include "trainer/schedule.h"
#include "trainer/schedules/warmup.h"

struct cosine_restarts {
    double warmup_epochs, min_factor;
    int t_0, t_mult;
};

static double factor(const void *opts, const struct schedule_at *at)
{
    const struct cosine_restarts *o = opts;
    double f, t = at->t - o->warmup_epochs, period = o->t_0;

    if (warmup(o->warmup_epochs, at, &f))
        return f;
    if (o->t_mult == 1)
        t = fmod(t, period);
    else
        for (; t >= period; period *= o->t_mult)
            t -= period;
    return o->min_factor + (1.0 - o->min_factor) * (1.0 + cos(M_PI * t / period)) / 2.0;
}

static const struct hpo_opt options[] = {
    HPO_OPT(INT, struct cosine_restarts, t_0, "t_0", "10", 1, 1000000, 0,
            "epochs until the first restart (PyTorch has no default for it)"),
    HPO_OPT(INT, struct cosine_restarts, t_mult, "t_mult", "1", 1, 1000, 0,
            "how many times as long each period is as the one before"),
    HPO_OPT(REAL, struct cosine_restarts, min_factor, "min_factor", "0.0", 0, 1, 0,
            "share of the learning rate that is left before a restart (eta_min / lr)"),
    WARMUP_OPT(struct cosine_restarts),
    {0},
};

const struct schedule_ops schedule_cosine_restarts = {
    .plugin = {"cosine_restarts", "half cosines with warm restarts (CosineAnnealingWarmRestarts)",
               sizeof(struct cosine_restarts), options},
    .factor = factor,
};
