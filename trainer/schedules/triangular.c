/* Two straight lines: up from lr * start_factor to lr, then down to lr * end_factor at the end of
 * the training. airbench (Jordan 2024), whose numbers are the defaults; as there, the peak is at a
 * whole step. A warm-up comes before and shortens it. */
#include <math.h>

#include "trainer/schedule.h"
#include "trainer/schedules/warmup.h"

struct triangular {
    double warmup_epochs, start_factor, pct_start, end_factor;
};

static double factor(const void *opts, const struct schedule_at *at)
{
    const struct triangular *o = opts;
    double t = at->t - o->warmup_epochs, total = at->epochs - o->warmup_epochs, f;
    double up = floor(o->pct_start * total / at->step + 1e-9) * at->step;

    if (warmup(o->warmup_epochs, at, &f))
        return f;
    if (t < up)
        return o->start_factor + (1.0 - o->start_factor) * t / up;
    return total > up ? 1.0 + (o->end_factor - 1.0) * (t - up) / (total - up) : 1.0;
}

static const struct hpo_opt options[] = {
    HPO_OPT(REAL, struct triangular, start_factor, "start_factor", "0.2", 0, 1, 0,
            "the rate begins at lr * start_factor"),
    HPO_OPT(REAL, struct triangular, pct_start, "pct_start", "0.23", 0, 1, 0,
            "share of the training in which the rate climbs"),
    HPO_OPT(REAL, struct triangular, end_factor, "end_factor", "0.07", 0, 1, 0,
            "the rate ends at lr * end_factor"),
    WARMUP_OPT(struct triangular),
    {0},
};

const struct schedule_ops schedule_triangular = {
    .plugin = {"triangular", "up in a straight line, then down in another (as airbench)",
               sizeof(struct triangular), options},
    .factor = factor,
};
