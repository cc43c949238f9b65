#include "hpo/cli/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"

bool terminal_color(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fd) && !(no && *no) && term && strcmp(term, "dumb");
}

int terminal_width(int fd)
{
    struct winsize w;

    if (!isatty(fd))
        return 0;
    return ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

void view_init(struct view *v, bool json)
{
    const char *term = getenv("TERM");
    bool live = isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) && term && strcmp(term, "dumb");

    *v = (struct view){.ops = json   ? &view_json
                              : live ? &view_live
                                     : &view_plain,
                       .color = terminal_color(STDERR_FILENO),
                       .started = clock_monotonic()};
}

void view_params(const struct study *s, const struct hpo_trial *t, struct str *ret)
{
    const struct hpo_space *space = &s->config->space;
    char buf[HPO_DOUBLE_TEXT];

    for (int i = 0; i < space->n; i++) {
        const struct hpo_param *p = &space->params[i];

        if (isnan(t->values[i]))
            continue;
        str_addf(ret, "%s%s=", ret->n ? " " : "", p->name);
        /* A draw from a range has 17 digits; nobody reads more than a few. */
        if (p->kind == HPO_PARAM_FLOAT && p->step == 0)
            str_addf(ret, "%.4g", t->values[i]);
        else
            str_add(ret, hpo_param_text(p, t->values[i], buf));
    }
}

void view_result(const struct study *s, const struct hpo_trial *t, struct str *ret)
{
    /* Metrics lie between 0 and 1; what a function or a command finds may be of any size. */
    str_addf(ret, objective_of(s->config)->trains ? "%s %.4f" : "%s %.6g",
             s->config->study.metric_name, study_value(s, t->value));
    if (t->n_folds > 1)
        str_addf(ret, " +- %.4f over %d %s", hpo_trial_std(t), t->n_folds,
                 objective_of(s->config)->trains && s->config->trainer.seeds > 1 ? "trainings"
                                                                                 : "folds");
}

const char *view_fold(char *buf, const struct study_config *c, int fold)
{
    int folds = study_config_folds_run(c);

    if (c->trainer.seeds > 1)
        snprintf(buf, VIEW_FOLD, "fold %d seed %d", fold % folds, fold / folds);
    else
        snprintf(buf, VIEW_FOLD, "fold %d", fold);
    return buf;
}

void view_rung(const struct study *s, const struct hpo_trial *t, struct str *ret)
{
    if (s->n_rungs < 2)
        return;
    str_addf(ret, "(rung %d", t->rung);
    if (t->rung)
        str_addf(ret, ", trial %d %s", t->promoted_from, t->explored ? "drawn" : "promoted");
    str_add(ret, ") ");
}

void view_trial_end(const struct study *s, const struct hpo_trial *t, struct str *ret)
{
    const struct hpo_trial *best = s->best;
    char buf[HPO_DOUBLE_TEXT];

    str_addf(ret, "trial %d ", t->number);
    if (t->retry)
        str_addf(ret, "(trial %d again) ", t->retry_of);
    view_rung(s, t, ret);
    if (t->state == HPO_TRIAL_FAIL) {
        str_addf(ret, "failed: %s", t->reason ? t->reason : "unknown reason");
    } else {
        str_add(ret, t->state == HPO_TRIAL_PRUNED ? "pruned: " : "complete: ");
        view_result(s, t, ret);
        str_addf(ret, " in %s", str_seconds(buf, t->seconds));
    }
    if (best == t)
        str_add(ret, ", the best so far");
    else if (best)
        str_addf(ret,
                 objective_of(s->config)->trains ? "%s best is trial %d with %.4f"
                                                 : "%s best is trial %d with %.6g",
                 t->state == HPO_TRIAL_FAIL ? ";" : ",", best->number, study_value(s, best->value));
}

void view_summary(const struct study *s, enum run_end end, struct str *ret)
{
    const struct hpo_trial *best = s->best;
    int failed = s->count[HPO_TRIAL_FAIL], wanted = study_wanted(s);

    str_addf(ret, "study %s: ", s->config->study.name);
    switch (end) {
    case RUN_DONE:
        str_addf(ret, "done, %d trials finished", study_finished(s));
        break;
    case RUN_EXHAUSTED:
        str_addf(ret, "done after %d of %d trials: %s", study_finished(s), wanted,
                 s->exhausted_why);
        break;
    case RUN_TARGET:
        str_addf(ret, "study.target is reached after %d of %d trials", study_finished(s), wanted);
        break;
    case RUN_PATIENCE:
        str_addf(ret,
                 "stopped after %d of %d trials: %d in a row brought nothing better "
                 "(study.patience)",
                 study_finished(s), wanted, s->config->study.patience);
        break;
    case RUN_TIMEOUT:
        str_addf(ret, "stopped by study.timeout after %d of %d trials; the same command goes on",
                 study_finished(s), wanted);
        break;
    case RUN_FAILURES:
        str_addf(ret, "stopped: %d trials in a row failed (study.max_failures)",
                 s->failures_in_a_row);
        break;
    case RUN_INTERRUPTED:
        str_addf(ret,
                 "interrupted after %d of %d trials, everything is saved; the same command "
                 "goes on",
                 study_finished(s), wanted);
        break;
    }
    if (failed)
        str_addf(ret, ", %d failed", failed);
    if (best) {
        str_addf(ret, "\nbest: trial %d, ", best->number);
        view_result(s, best, ret);
        if (s->n_rungs > 1 && best->cheap)
            str_addf(ret, " on rung %d, which is not the last: no trial has come to that yet",
                     best->rung);
        str_addf(ret, "\nhpo report %s --best shows it in full", s->dir);
    } else if (s->count[HPO_TRIAL_PRUNED]) {
        str_addf(ret, "\nno trial came to its end: all that finished were pruned (pruner %s)",
                 hpo_plugin_of(s->config->pruner.ops)->name);
    }
    str_addc(ret, '\n');
}
