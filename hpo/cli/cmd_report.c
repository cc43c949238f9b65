/* hpo report: results of a study, running or not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/cli/args.h"
#include "hpo/cli/command.h"
#include "hpo/cli/paths.h"
#include "hpo/cli/report_oof.h"
#include "hpo/cli/study_data.h"
#include "hpo/cli/view.h"
#include "hpo/core/report.h"

struct report_args {
    const char *runs;
    bool best, importance, labels, json, csv;
    int top, trial; /* -1: not given */
};

static const struct arg table[] = {
    {"--best", ARG_FLAG, offsetof(struct report_args, best)},
    {"--importance", ARG_FLAG, offsetof(struct report_args, importance)},
    {"--labels", ARG_FLAG, offsetof(struct report_args, labels)},
    {"--top", ARG_INT, offsetof(struct report_args, top)},
    {"--trial", ARG_INT, offsetof(struct report_args, trial)},
    {"--json", ARG_FLAG, offsetof(struct report_args, json)},
    {"--csv", ARG_FLAG, offsetof(struct report_args, csv)},
    {"--dir", ARG_TEXT, offsetof(struct report_args, runs)},
    {NULL, ARG_FLAG, 0},
};

/* The learning curve of one trial, collected from the storage. */
struct curve {
    struct arena *arena;
    struct hpo_epoch_report *epoch;
    int n, cap;
};

static void on_epoch(void *arg, const struct hpo_epoch_report *r)
{
    struct curve *c = arg;
    struct hpo_epoch_report *e;
    const char **names;

    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 64;
        c->epoch = xrealloc(c->epoch, sizeof(*c->epoch) * (size_t)c->cap);
    }
    e = &c->epoch[c->n++];
    *e = *r;
    names = ARENA_ARRAY(c->arena, const char *, r->n_metrics);
    for (int i = 0; i < r->n_metrics; i++)
        names[i] = arena_strdup(c->arena, r->names[i]);
    e->names = names;
    e->values = arena_dup(c->arena, r->values, sizeof(double) * (size_t)r->n_metrics);
}

static const char *const *rung_names(const struct study_config *c, struct arena *a)
{
    const char **ret = ARENA_ARRAY(a, const char *, c->n_rungs + 1);

    for (int i = 0; i < c->n_rungs; i++)
        ret[i] = c->rungs[i].says;
    return ret;
}

static int pick_trial(const struct report_args *a, struct report *r, struct hpo_err *err)
{
    if (a->trial >= 0) {
        r->view = REPORT_TRIAL;
        if (a->trial >= r->history->n)
            return hpo_fail(err, HPO_ECONFIG, "there is no trial %d: the study has %d", a->trial,
                            r->history->n);
        r->trial = r->history->trials[a->trial];
    } else if (a->importance) {
        r->view = REPORT_IMPORTANCE;
    } else if (a->labels) {
        r->view = REPORT_LABELS;
    } else if (a->best) {
        r->view = REPORT_BEST;
        r->trial = hpo_history_best(r->history);
    }
    return 0;
}

/* What the predictions say, where the view has a place for it. */
static int add_predictions(const char *dir, struct report *r, struct arena *arena,
                           struct oof_study **ret, struct hpo_err *err)
{
    int rc;

    if (r->view == REPORT_LABELS) {
        rc = oof_study_open(ret, dir, r->history, err);
        return rc ? rc : oof_study_labels(*ret, &r->labels, err);
    }
    if (!r->trial || r->trial->state != HPO_TRIAL_COMPLETE || r->steps)
        return 0;
    return report_read_classes(dir, r->trial->number, arena, &r->classes, err);
}

static int print(const struct report_args *a, const char *dir, struct arena *arena,
                 struct hpo_err *err)
{
    const struct report_ops *ops =
        hpo_registry_find((const void *const *)report_registry, a->json  ? "json"
                                                                : a->csv ? "csv"
                                                                         : "text");
    struct storage storage = {storage_registry[0], NULL, arena};
    struct study_config config = {0};
    struct hpo_study_info info;
    struct hpo_history history = {0};
    struct curve curve = {.arena = arena};
    struct str single = {0}, text = {0};
    struct oof_study *oof = NULL;
    struct hpo_trial *trials = NULL;
    const struct hpo_trial **view = NULL;
    struct report r = {.study = &info,
                       .history = &history,
                       .top = a->top > 0 ? a->top : 0,
                       .color = terminal_color(STDOUT_FILENO),
                       .width = terminal_width(STDOUT_FILENO)};
    int rc;

    storage.priv = arena_alloc(arena, storage.ops->plugin.priv_size);
    rc = study_read(&config, arena_printf(arena, "%s/study.yaml", dir), NULL, 0, err);
    if (!rc)
        rc =
            storage.ops->open(&storage, arena_printf(arena, "%s/study.db", dir), STORAGE_READ, err);
    if (!rc)
        rc = storage.ops->load_study(&storage, &info, err);
    if (!rc)
        rc = storage.ops->load_trials(&storage, &config.space, arena, &trials, &history.n, err);
    if (rc)
        goto out;
    /* A run says so at its end; until then it is not done, but not interrupted either. */
    if (info.interrupted && file_is_locked(arena_printf(arena, "%s/lock", dir)))
        info.interrupted = false;
    view = xcalloc((size_t)history.n + 1, sizeof(*view));
    for (int i = 0; i < history.n; i++) {
        int last = config.n_rungs ? config.n_rungs - 1 : 0;

        if (trials[i].rung > last) /* the database is not this study's */
            trials[i].rung = last;
        trials[i].cheap = trials[i].rung < last;
        view[i] = &trials[i];
    }
    history.trials = view;
    history.space = &config.space;
    r.target = config.n_rungs ? 0 : config.study.trials; /* how many go on depends on the results */
    r.n_rungs = config.n_rungs;
    r.rungs = rung_names(&config, arena);
    r.steps = config.metric < 0;
    r.folds = study_config_folds_run(&config);
    r.seeds = config.metric < 0 ? 1 : config.trainer.seeds;
    rc = pick_trial(a, &r, err);
    if (!rc && r.trial) {
        study_config_single(study_config_rung(&config, r.trial->rung), r.trial->values, &single);
        r.single = str_c(&single);
        rc = storage.ops->each_epoch(&storage, r.trial->id, on_epoch, &curve, err);
        r.epochs = curve.epoch;
        r.n_epochs = curve.n;
    }
    if (!rc)
        rc = add_predictions(dir, &r, arena, &oof, err);
    if (!rc)
        rc = ops->print(&r, &text, err);
    if (!rc)
        fputs(str_c(&text), stdout);
out:
    storage.ops->close(&storage);
    study_config_release(&config);
    str_release(&single);
    str_release(&text);
    oof_study_close(oof);
    free(curve.epoch);
    free(view);
    return rc;
}

static int run(int argc, char **argv, struct hpo_err *err)
{
    struct report_args a = {.runs = DEFAULT_RUNS, .top = -1, .trial = -1};
    const char **rest = xcalloc((size_t)argc, sizeof(*rest)), *dir;
    struct arena arena = {0};
    int n, rc;

    rc = args_parse(table, &a, argc, argv, 1, rest, &n, err);
    if (!rc && a.json && a.csv)
        rc = hpo_fail(err, HPO_ECONFIG, "report: --json or --csv, not both");
    if (!rc && a.top == 0)
        rc = hpo_fail(err, HPO_ECONFIG, "report: --top takes a whole number from 1, not '0'");
    if (!rc && a.best + a.importance + a.labels + (a.top > 0 && !a.labels) + (a.trial >= 0) > 1)
        rc = hpo_fail(err, HPO_ECONFIG,
                      "report: one of --best, --top, --trial, --importance and --labels (which "
                      "takes --top)");
    if (!rc)
        rc = study_folder_find(n ? rest[0] : NULL, a.runs, &arena, &dir, err);
    if (!rc)
        rc = print(&a, dir, &arena, err);
    arena_release(&arena);
    free(rest);
    return !rc ? EXIT_DONE : rc == HPO_ECONFIG ? EXIT_MISTAKE : EXIT_FAILED;
}

const struct command_ops command_report = {
    .plugin = {.name = "report", .help = "Show the results of a study, also while it runs."},
    .usage =
        "report [STUDY] [--best | --top N | --trial N | --importance | --labels [--top N]]\n"
        "           [--json | --csv] [--dir DIR]\n\n"
        "  STUDY         the study file, its folder, or its name; none: the one last run here\n"
        "  --best        the best trial in full, with the study file that repeats it\n"
        "  --top N       only the N best trials\n"
        "  --trial N     one trial in full: its learning curve, and from its out-of-fold\n"
        "                predictions each class's results and which are taken for which\n"
        "  --importance  how much the best trials depend on each parameter\n"
        "  --labels      images whose label is probably wrong, by what all complete trials say of\n"
        "                images they did not train on, the worst first; --top N: how many\n"
        "  --json        as one JSON document; --csv: a row a trial, or an image\n"
        "  --dir DIR     where studies are kept (runs)\n",
    .main = run,
};
