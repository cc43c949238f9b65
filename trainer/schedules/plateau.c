/* The rate times `factor` when nothing got better for more than `patience` epochs:
 * torch.optim.lr_scheduler.ReduceLROnPlateau, stepped once an epoch with what is watched; worked
 * out anew from the finished epochs at every step, so there is nothing to save. */
#include <math.h>

#include "trainer/schedule.h"
#include "trainer/schedules/warmup.h"

enum watch { OBJECTIVE, TRAIN_LOSS };
enum threshold { REL, ABS };

struct plateau {
    double warmup_epochs, gamma, threshold, min_factor;
    int patience, cooldown, watch, mode;
};

static bool better(const struct plateau *o, double v, double best, bool maximize)
{
    if (isnan(best))
        return true;
    if (o->mode == REL)
        return maximize ? v > best * (1.0 + o->threshold) : v < best * (1.0 - o->threshold);
    return maximize ? v > best + o->threshold : v < best - o->threshold;
}

static double factor(const void *opts, const struct schedule_at *at)
{
    const struct plateau *o = opts;
    const double *watched = o->watch == OBJECTIVE ? at->objective : at->train_loss;
    bool maximize = o->watch == OBJECTIVE && at->maximize;
    double f = 1.0, best = NAN;
    int bad = 0, cooldown = 0;

    if (warmup(o->warmup_epochs, at, &f))
        return f;
    f = 1.0;
    for (int i = (int)ceil(o->warmup_epochs); i < (int)at->t; i++) {
        double v = watched[(size_t)i * at->stride];

        if (better(o, v, best, maximize)) {
            best = v;
            bad = 0;
        } else {
            bad++;
        }
        if (cooldown > 0) {
            cooldown--;
            bad = 0;
        }
        if (bad > o->patience) {
            f = fmax(f * o->gamma, o->min_factor);
            cooldown = o->cooldown;
            bad = 0;
        }
    }
    return f;
}

static const struct hpo_opt options[] = {
    HPO_OPT_WORDS(struct plateau, watch, "watch", "objective", "objective|train_loss", 0,
                  "what has to get better: the study's metric on the validation part, or the mean "
                  "training loss"),
    HPO_OPT(REAL, struct plateau, gamma, "factor", "0.1", 0, 1, HPO_OPT_MIN_OPEN | HPO_OPT_MAX_OPEN,
            "what the rate is multiplied by"),
    HPO_OPT(INT, struct plateau, patience, "patience", "10", 0, 1000000, 0,
            "epochs without improvement that are let pass"),
    HPO_OPT(REAL, struct plateau, threshold, "threshold", "1e-4", 0, 1e9, 0,
            "how much better counts as better"),
    HPO_OPT_WORDS(struct plateau, mode, "threshold_mode", "rel", "rel|abs", 0,
                  "threshold as a share of the best value, or as it is"),
    HPO_OPT(INT, struct plateau, cooldown, "cooldown", "0", 0, 1000000, 0,
            "epochs after a reduction in which none is counted"),
    HPO_OPT(REAL, struct plateau, min_factor, "min_factor", "0.0", 0, 1, 0,
            "share of the learning rate that is always left (min_lr / lr)"),
    WARMUP_OPT(struct plateau),
    {0},
};

const struct schedule_ops schedule_plateau = {
    .plugin = {"plateau", "the learning rate falls when nothing gets better (ReduceLROnPlateau)",
               sizeof(struct plateau), options},
    .factor = factor,
};
