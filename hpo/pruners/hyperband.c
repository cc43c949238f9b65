/* Hyperband (Li et al., JMLR 18, 2018) as Optuna's HyperbandPruner has it: several successive
 * halvings side by side, the brackets, which leave out more and more of the early rungs. A trial is
 * put into a bracket by a hash of the study's name and its number, and competes there alone.
 *
 * Where Optuna waits for a complete trial to learn how long one is, the study knows. */
#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "hpo/pruners/rungs.h"

#define BRACKETS_MAX 32 /* floor(log2(INT_MAX)) + 1 is 31 */

struct priv {
    int min_resource, max_resource, reduction_factor, bootstrap_count;
};

struct brackets {
    int n; /* 0: the longest trial is too short for any */
    int64_t budget[BRACKETS_MAX], total;
};

/* 0: nobody knows. */
static int max_resource(const struct pruner *p)
{
    const struct priv *o = p->priv;
    int64_t steps = (int64_t)p->folds * p->fold_steps;

    if (o->max_resource != -1)
        return o->max_resource;
    return steps < 0 ? 0 : steps > INT_MAX ? INT_MAX : (int)steps;
}

static struct brackets brackets_of(const struct pruner *p)
{
    const struct priv *o = p->priv;
    double resource = max_resource(p), power = 1;
    struct brackets b = {0};

    if (resource < o->min_resource)
        return b;
    /* The quotient of two rounded logarithms is Optuna's: of 243 and 3 it is less than 5. */
    b.n = (int)floor(log(resource / o->min_resource) / log(o->reduction_factor)) + 1;
    /* Its share of the trials: about the same work for each of them. Bracket 0, with all the rungs,
     * has the most; all of these are whole numbers that a double holds. */
    for (int s = 0; s < b.n; s++, power *= o->reduction_factor) {
        b.budget[b.n - 1 - s] = (int64_t)ceil(b.n * power / (s + 1));
        b.total += b.budget[b.n - 1 - s];
    }
    return b;
}

/* The CRC-32 of zlib, PNG and Python's binascii. */
static uint32_t crc32(uint32_t crc, const char *text)
{
    crc = ~crc;
    for (; *text; text++) {
        crc ^= (unsigned char)*text;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
    }
    return ~crc;
}

static int bracket(const struct pruner *p, int number)
{
    const struct brackets b = brackets_of(p);
    char text[16];
    int64_t at;
    int i = 0;

    if (b.n == 0)
        return 0;
    snprintf(text, sizeof(text), "_%d", number);
    at = crc32(crc32(0, p->study ? p->study : ""), text) % b.total;
    for (; at >= b.budget[i]; i++)
        at -= b.budget[i];
    return i;
}

static bool should_stop(const struct pruner *p, const struct hpo_history *h,
                        const struct hpo_trial *t)
{
    const struct priv *o = p->priv;
    const struct rungs rungs = {o->min_resource, o->reduction_factor, bracket(p, t->number),
                                o->bootstrap_count};

    return brackets_of(p).n > 0 && rungs_stop(&rungs, p, h, t);
}

static int check(const struct pruner *p, struct hpo_err *err)
{
    const struct priv *o = p->priv;
    int resource = max_resource(p);

    if (resource == 0)
        return hpo_fail(err, HPO_ECONFIG,
                        "max_resource: how many steps a trial takes is not known here; give the "
                        "number");
    if (resource < o->min_resource)
        return hpo_fail(err, HPO_ECONFIG, "max_resource is below min_resource: %d, %d", resource,
                        o->min_resource);
    return 0;
}

static const struct hpo_opt opts[] = {
    HPO_OPT(INT, struct priv, min_resource, "min_resource", "1", 1, 2147483647, 0,
            "the step of the first rung of the first bracket; steps count from 0, so 1 is the "
            "second epoch"),
    HPO_OPT(INT, struct priv, max_resource, "max_resource", "auto", 1, 2147483647, HPO_OPT_AUTO,
            "how many steps the longest trial takes; auto: the most epochs that the study allows, "
            "times its folds when they are trained one after the other"),
    HPO_OPT(INT, struct priv, reduction_factor, "reduction_factor", "3", 2, 2147483647, 0,
            "of the trials that reach a rung one in so many goes on, the next rung is at so many "
            "times the step, and so is the first rung of the next bracket"),
    HPO_OPT(INT, struct priv, bootstrap_count, "bootstrap_count", "0", 0, 10000000, 0,
            "until more than so many trials of its bracket have reached a rung, each one that "
            "reaches it is stopped there"),
    {0},
};

const struct pruner_ops pruner_hyperband = {
    .plugin = {.name = "hyperband",
               .help = "several asha pruners side by side, from one that stops early to one that "
                       "hardly stops; each has trials, and a sampler's history, of its own",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .check = check,
    .should_stop = should_stop,
    .bracket = bracket,
};
