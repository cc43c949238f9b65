/* Up from lr / div_factor to lr, then down to lr / div_factor / final_div_factor:
 * torch.optim.lr_scheduler.OneCycleLR, stepped once a batch, with lr as its max_lr; Smith and
 * Topin, "Super-Convergence", 2018. A warm-up comes before the cycle and shortens it. */
#include <math.h>

#include "trainer/schedule.h"
#include "trainer/schedules/warmup.h"

enum anneal { COS, LINEAR };

struct one_cycle {
    double warmup_epochs, pct_start, div_factor, final_div_factor;
    int anneal;
    bool three_phase, cycle_momentum;
    double base_momentum, max_momentum;
};

static double between(const struct one_cycle *o, double from, double to, double share)
{
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    if (o->anneal == LINEAR)
        return from + (to - from) * share;
    return to + (from - to) * (1.0 + cos(M_PI * share)) / 2.0;
}

/* From low to high, and on to last. PyTorch counts steps from 0 and lets the phases end at step
 * pct * total - 1 and total - 1. */
static double cycle(const struct one_cycle *o, const struct schedule_at *at, double low,
                    double high, double last)
{
    double t = at->t - o->warmup_epochs, total = at->epochs - o->warmup_epochs;
    double share = o->three_phase ? fmin(o->pct_start, 0.5) : o->pct_start;
    double up = share * total - at->step, end = total - at->step;

    if (t <= up)
        return between(o, low, high, up > 0 ? t / up : 1.0);
    if (o->three_phase) {
        double down = 2.0 * share * total - 2.0 * at->step;

        if (t <= down)
            return between(o, high, low, (t - up) / (down - up));
        return between(o, low, last, end > down ? (t - down) / (end - down) : 1.0);
    }
    return between(o, high, last, end > up ? (t - up) / (end - up) : 1.0);
}

static double factor(const void *opts, const struct schedule_at *at)
{
    const struct one_cycle *o = opts;
    double f, low = 1.0 / o->div_factor;

    return warmup(o->warmup_epochs, at, &f) ? f : cycle(o, at, low, 1.0, low / o->final_div_factor);
}

static double momentum(const void *opts, const struct schedule_at *at)
{
    const struct one_cycle *o = opts;

    if (!o->cycle_momentum)
        return 0;
    return at->t < o->warmup_epochs
               ? o->max_momentum
               : cycle(o, at, o->max_momentum, o->base_momentum, o->max_momentum);
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct one_cycle, pct_start, "pct_start", "0.3", 0, 1, 0,
            "share of the training in which the rate climbs; with three_phase at most a half"),
    HPO_OPT(REAL, struct one_cycle, div_factor, "div_factor", "25", 1, 1e9, 0,
            "the rate begins at lr / div_factor"),
    HPO_OPT(REAL, struct one_cycle, final_div_factor, "final_div_factor", "1e4", 1, 1e12, 0,
            "the rate ends at lr / div_factor / final_div_factor"),
    HPO_OPT_WORDS(struct one_cycle, anneal, "anneal", "cos", "cos|linear", 0,
                  "along half a cosine, or in a straight line"),
    HPO_OPT(BOOL, struct one_cycle, three_phase, "three_phase", "false", 0, 0, 0,
            "down to where it began, as long as it climbed, then to the end; instead of at once"),
    HPO_OPT(BOOL, struct one_cycle, cycle_momentum, "cycle_momentum", "true", 0, 0, 0,
            "let the optimizer's momentum (beta1 of Adam and its kin) go the other way: down while "
            "the rate climbs, and up again; not where it is 0"),
    HPO_OPT(REAL, struct one_cycle, base_momentum, "base_momentum", "0.85", 0, 1,
            HPO_OPT_MIN_OPEN | HPO_OPT_MAX_OPEN, "the momentum where the rate is highest"),
    HPO_OPT(REAL, struct one_cycle, max_momentum, "max_momentum", "0.95", 0, 1,
            HPO_OPT_MIN_OPEN | HPO_OPT_MAX_OPEN, "the momentum at the beginning and the end"),
    WARMUP_OPT(struct one_cycle),
    {0},
};

const struct schedule_ops schedule_one_cycle = {
    .plugin = {"one_cycle", "up to the full learning rate, then down to almost none (OneCycleLR)",
               sizeof(struct one_cycle), options},
    .factor = factor,
    .momentum = momentum,
};
