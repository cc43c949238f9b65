/* A test function in place of a training: thousands of trials a second, for those who want to see
 * what a sampler, a pruner or the scheduler does before they spend a night on it.
 *
 * A trial is a pure function of its values, the study's seed and its number, so a study of them is
 * the same every time. With `curves` it reports `steps` points a fold. */
#include <math.h>
#include <time.h>

#include "base/file.h"
#include "hpo/objective.h"
#include "hpo/objectives/curves.h"
#include "hpo/objectives/functions.h"

struct priv {
    int name; /* index into test_functions */
    double noise, delay, fold_spread, wobble;
    bool curves;
    int steps, folds;
};

#define NAMES                                                                                      \
    "branin|six_hump_camel|goldstein_price|beale|hartmann3|hartmann6|sphere|rosenbrock|rastrigin|" \
    "ackley|griewank|levy|styblinski_tang|zakharov|valley|mixed|conditional"

#define POLL_S 0.02

static const struct priv *options(const struct study_config *c)
{
    return c->objective.priv;
}

static int check(const struct study_config *c, struct hpo_err *err)
{
    struct hpo_err why = {0};
    int rc = functions_fit(&test_functions[options(c)->name], &c->space, &why);

    return rc ? hpo_fail(err, rc, "name: %s", why.msg) : 0;
}

static void steps(const struct study_config *c, int *ret_folds, int *ret_fold_steps)
{
    *ret_folds = options(c)->folds;
    *ret_fold_steps = options(c)->curves ? options(c)->steps : 0;
}

/* What a trial is in the middle of. */
struct run {
    const struct study_config *config;
    const struct objective_trial *trial;
    struct objective_result *ret;
    struct objective_progress progress;
};

static int obey(struct run *run, enum objective_verdict v)
{
    run->ret->pruned = v == OBJECTIVE_PRUNE;
    return v == OBJECTIVE_GO ? 0 : HPO_ESTOPPED;
}

/* Wait, and listen. */
static int wait_for(struct run *run, double seconds)
{
    double end = clock_monotonic() + seconds;
    int rc = obey(run, run->trial->poll(run->trial->arg, &run->progress));

    for (double left = seconds; !rc && left > 0; left = end - clock_monotonic()) {
        double nap = fmin(left, POLL_S);
        struct timespec t = {.tv_nsec = (long)(nap * 1e9)};

        nanosleep(&t, NULL);
        rc = obey(run, run->trial->poll(run->trial->arg, &run->progress));
    }
    return rc;
}

static int show_curve(struct run *run, int fold, double value)
{
    const struct study_config *c = run->config;
    const struct priv *o = options(c);
    bool negative = c->study.direction == 1;
    struct function_curve curve =
        function_curve_of(&c->space, run->trial->values, value, o->steps, o->wobble,
                          (uint64_t)c->study.seed, run->trial->number, fold);
    int rc = 0;

    for (int i = 0; i < o->steps && !rc; i++) {
        double v = hpo_value_flip(function_curve_at(&curve, i), negative);
        const char *name = c->study.metric_name;
        struct hpo_epoch_report row = {fold, i, 1, &name, &v};
        struct objective_report r = {
            .step = (int64_t)fold * o->steps + i, .value = v, .n_rows = 1, .rows = &row};

        run->progress = (struct objective_progress){.fold = fold, .epoch = i, .loss = NAN};
        rc = wait_for(run, o->delay / ((double)o->steps * o->folds));
        if (!rc)
            rc = obey(run, run->trial->report(run->trial->arg, &r));
    }
    return rc;
}

static int run_trial(struct objective *objective, void *slot, const struct objective_trial *t,
                     struct objective_result *ret, struct hpo_err *err)
{
    const struct study_config *c = objective->config;
    const struct priv *o = options(c);
    uint64_t seed = (uint64_t)c->study.seed;
    double begun = clock_monotonic(), sum = 0;
    double value = functions_value(&test_functions[o->name], &c->space, t->values);
    struct run run = {.config = c, .trial = t, .ret = ret, .progress.loss = NAN};
    int rc = o->curves ? 0 : wait_for(&run, o->delay);

    (void)slot;
    (void)err;
    for (int i = 0; i < o->folds && !rc; i++) {
        double v = value + function_fold_offset(o->fold_spread, seed, i, o->folds) +
                   function_noise(o->noise, seed, t->number, o->folds > 1 ? i : -1);

        if (o->curves)
            rc = show_curve(&run, i, v);
        sum += v;
        ret->folds[i] = (struct hpo_fold){i, hpo_value_flip(v, c->study.direction == 1),
                                          o->curves ? o->steps - 1 : 0, 0};
    }
    ret->seconds = clock_monotonic() - begun;
    ret->n_folds = o->folds > 1 ? o->folds : 0;
    ret->value = hpo_value_flip(sum / o->folds, c->study.direction == 1);
    return rc;
}

static const struct hpo_opt opts[] = {
    HPO_OPT_WORDS(struct priv, name, "name", NULL, NAMES, HPO_OPT_REQUIRED,
                  "the function; its inputs are the numeric parameters of `space:` in file order "
                  "(valley, mixed and conditional fit every space); with study.direction maximize "
                  "its negative is maximised"),
    HPO_OPT(REAL, struct priv, noise, "noise", "0", 0, 1e300, 0,
            "standard deviation of normal noise on the result"),
    HPO_OPT(TIME, struct priv, delay, "delay", "0s", 0, 1e9, 0, "how long a trial takes"),
    HPO_OPT(BOOL, struct priv, curves, "curves", "false", 0, 0, 0,
            "report a learning curve down to the result, for pruners"),
    HPO_OPT(INT, struct priv, steps, "steps", "20", 1, 100000, 0, "reports of a curve"),
    HPO_OPT(REAL, struct priv, wobble, "wobble", "0", 0, 1e300, 0,
            "standard deviation of normal noise on every report of a curve but the last"),
    HPO_OPT(INT, struct priv, folds, "folds", "1", 1, OBJECTIVE_MAX_FOLDS, 0,
            "folds of a trial, each with a curve of its own; their mean is the result"),
    HPO_OPT(REAL, struct priv, fold_spread, "fold_spread", "0", 0, 1e300, 0,
            "standard deviation of how hard the folds are"),
    {0},
};

const struct objective_ops objective_function = {
    .plugin = {.name = "function",
               .help = "compute a test function: for trying samplers, pruners and schedules",
               .priv_size = sizeof(struct priv),
               .opts = opts},
    .check = check,
    .steps = steps,
    .run = run_trial,
};
