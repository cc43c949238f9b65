/* Any program as a trial. It gets the values by placeholder or in its environment, prints reports
 * and its result as lines of JSON, and is stopped by SIGTERM.
 *
 * A command that has to begin anew (its worker was killed) repeats its reports; what was stored
 * stays. It may keep checkpoints of its own in $HPO_TRIAL_DIR. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/objectives/command_impl.h"

#define POLL_MS 40
#define PAUSE_GRACE_S 1.0   /* an interrupt of the study ends within two seconds */
#define LOG_MAX (64L << 20) /* bytes of output that are kept */

static const struct command_options *options(const struct study_config *c)
{
    return c->objective.priv;
}

/* One trial. */
struct run {
    const struct study_config *config;
    const struct objective_trial *trial;
    struct objective_result *ret;
    struct command_process process;
    struct command_lines out, report;
    struct arena a; /* of the lines at hand */
    FILE *log;
    char last[160]; /* line of output that is no report: the reason when it fails */
    char wrong[160]; /* what it said that cannot be; "": nothing */
    enum objective_verdict verdict;
    double told; /* when it was sent SIGTERM; 0: it was not */
    double best, latest;
    bool any, has_value;
    double value; /* that it printed without a step */
    int64_t step; /* of the last report; -1: none */
};

static void steps(const struct study_config *c, int *ret_folds, int *ret_fold_steps)
{
    *ret_folds = options(c)->folds;
    *ret_fold_steps = options(c)->steps;
}

static bool keeps_dirs(const struct study_config *c)
{
    return options(c)->keep == 0;
}

static int check(const struct study_config *c, struct hpo_err *err)
{
    if (options(c)->folds > 1 && options(c)->steps == 0)
        return hpo_fail(err, HPO_ECONFIG,
                        "folds: with more than one fold, steps has to say how many a fold has");
    return program_check(c, err);
}

/* ---------------------------------------------------------------- what it says */

static bool better(const struct study_config *c, double a, double b)
{
    return isnan(b) || (c->study.direction == 1 ? a > b : a < b);
}

static void set_fold(struct run *r, int fold, int epoch, double value, bool is_result)
{
    bool last_counts = r->config->study.epoch == 1;
    int i = 0;

    while (i < r->ret->n_folds && r->ret->folds[i].fold != fold)
        i++;
    if (i == OBJECTIVE_MAX_FOLDS)
        return;
    if (i == r->ret->n_folds)
        r->ret->folds[r->ret->n_folds++] = (struct hpo_fold){fold, value, epoch, 0};
    else if (is_result || last_counts || better(r->config, value, r->ret->folds[i].value))
        r->ret->folds[i] = (struct hpo_fold){fold, value, epoch, 0};
}

/* What the trial has shown so far. */
static void count_in(struct run *r, int fold, int epoch, double value)
{
    if (!r->any || better(r->config, value, r->best))
        r->best = value;
    r->latest = value;
    r->any = true;
    if (options(r->config)->folds > 1)
        set_fold(r, fold, epoch, value, false);
}

/* Reports of earlier attempts count: the program may go on from a checkpoint of its own. */
static void count_past(struct run *r)
{
    const struct command_options *o = options(r->config);

    for (int i = 0; i < r->trial->n_past; i++) {
        int64_t step = r->trial->past[i].step;
        int fold = o->folds > 1 ? (int)(step / o->steps) : 0;

        if (fold < o->folds)
            count_in(r, fold, (int)fmin((double)(step - (int64_t)fold * o->steps), 2147483647.0),
                     r->trial->past[i].value);
    }
}

static void send_report(struct run *r, const struct command_word *w)
{
    const struct command_options *o = options(r->config);
    const char *names[OBJECTIVE_MAX_METRICS] = {r->config->study.metric_name};
    double values[OBJECTIVE_MAX_METRICS] = {w->value};
    struct hpo_epoch_report row = {w->fold, (int)fmin((double)w->step, 2147483647.0), w->n + 1,
                                   names, values};
    struct objective_report report = {.step = (int64_t)w->fold * o->steps + w->step,
                                      .value = w->value,
                                      .n_rows = 1,
                                      .rows = &row};

    for (int i = 0; i < w->n; i++) {
        names[i + 1] = w->names[i];
        values[i + 1] = w->values[i];
    }
    if (o->folds > 1 && w->step >= o->steps) { /* it would count for the next fold */
        snprintf(r->wrong, sizeof(r->wrong),
                 "it reported step %lld of a fold, and with objective.steps %d the last one is %d",
                 (long long)w->step, o->steps, o->steps - 1);
        return;
    }
    if (report.step <= r->step) /* it said that already */
        return;
    r->step = report.step;
    count_in(r, w->fold, row.epoch, w->value);
    r->verdict = r->trial->report(r->trial->arg, &report);
}

static void hear_line(struct run *r, const char *line)
{
    struct command_word w;

    if (!program_parse(line, r->config->study.metric_name, &w, &r->a)) {
        if (*line)
            snprintf(r->last, sizeof(r->last), "%.*s", (int)sizeof(r->last) - 1, line);
        return;
    }
    if (w.fold >= options(r->config)->folds)
        return; /* a number of its own, that happens to be called fold */
    if (w.has_step) {
        if (r->verdict == OBJECTIVE_GO)
            send_report(r, &w);
    } else if (w.has_fold && options(r->config)->folds > 1) {
        set_fold(r, w.fold, 0, w.value, true);
    } else {
        r->has_value = true;
        r->value = w.value;
    }
}

static void keep(struct run *r, const char *bytes, size_t n)
{
    long at = r->log ? ftell(r->log) : LOG_MAX;

    if (at >= LOG_MAX)
        return;
    fwrite(bytes, 1, n, r->log);
    if (at + (long)n >= LOG_MAX)
        fputs("\n[hpo: what follows is not kept]\n", r->log);
    fflush(r->log);
}

/* Read what is there. false: the end. */
static bool hear(struct run *r, int fd, struct command_lines *lines, bool is_output)
{
    char chunk[16384];
    const char *line;
    ssize_t n = read(fd, chunk, sizeof(chunk));

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    if (is_output)
        keep(r, chunk, (size_t)n);
    str_addn(&lines->buf, chunk, (size_t)n);
    while ((line = program_next_line(lines, &r->a)))
        hear_line(r, line);
    arena_release(&r->a);
    return true;
}

static void hear_the_rest(struct run *r)
{
    for (int i = 0; i < 4096 && hear(r, r->process.out, &r->out, true); i++) {
        struct pollfd p = {.fd = r->process.out, .events = POLLIN};

        if (poll(&p, 1, 0) <= 0)
            break;
    }
    for (int i = 0; i < 4096 && hear(r, r->process.report, &r->report, false); i++) {
        struct pollfd p = {.fd = r->process.report, .events = POLLIN};

        if (poll(&p, 1, 0) <= 0)
            break;
    }
    /* A last line without an end. */
    str_addc(&r->out.buf, '\n');
    for (const char *line; (line = program_next_line(&r->out, &r->a));)
        hear_line(r, line);
}

/* ---------------------------------------------------------------- its life */

/* Ask it to stop, and when it has had its time, do not ask. */
static void stop(struct run *r)
{
    double now = clock_monotonic();
    double grace = options(r->config)->grace;

    if (r->verdict == OBJECTIVE_PAUSE)
        grace = fmin(grace, PAUSE_GRACE_S);
    if (r->told <= 0) {
        program_signal(&r->process, SIGTERM);
        r->told = now;
    } else if (now - r->told > grace) {
        program_signal(&r->process, SIGKILL);
    }
}

static int serve(struct run *r)
{
    bool out = true, report = true;
    int status = 0;

    while (!program_ended(&r->process, &status)) {
        struct pollfd fds[3] = {
            {.fd = out ? r->process.out : -1, .events = POLLIN},
            {.fd = report ? r->process.report : -1, .events = POLLIN},
            {.fd = r->process.status, .events = POLLIN},
        };
        struct objective_progress progress = {.epoch = (int)fmin((double)r->step + 1, 2e9),
                                              .loss = NAN};
        enum objective_verdict v;

        poll(fds, 3, POLL_MS);
        if (fds[0].revents)
            out = hear(r, r->process.out, &r->out, true);
        if (fds[1].revents)
            report = hear(r, r->process.report, &r->report, false);
        v = r->trial->poll(r->trial->arg, &progress);
        if (v == OBJECTIVE_PAUSE || r->verdict == OBJECTIVE_GO)
            r->verdict = v;
        if (r->verdict != OBJECTIVE_GO || *r->wrong)
            stop(r);
    }
    hear_the_rest(r);
    return status;
}

static int bad_end(const struct run *r, int status, struct hpo_err *err)
{
    const char *word = options(r->config)->run[0];

    if (status < 0)
        return hpo_fail(err, HPO_ECONFIG, "%s could not be started: %s", word, strerror(-status));
    if (WIFSIGNALED(status))
        return hpo_fail(err, HPO_ENUMERIC, "%s was killed by signal %d (%s)%s%s", word,
                        WTERMSIG(status), strsignal(WTERMSIG(status)),
                        *r->last ? "; its last line: " : "", r->last);
    return hpo_fail(err, HPO_ENUMERIC, "%s ended with status %d%s%s", word, WEXITSTATUS(status),
                    *r->last ? ": " : "", r->last);
}

/* The value of a trial that came to its end: what it printed as such, else the mean over its folds,
 * else its best or last report. */
static int result(struct run *r, struct hpo_err *err)
{
    const struct study_config *c = r->config;
    double sum = 0;

    for (int i = 0; i < r->ret->n_folds; i++)
        sum += r->ret->folds[i].value / r->ret->n_folds;
    if (r->has_value)
        r->ret->value = r->value;
    else if (r->ret->n_folds)
        r->ret->value = sum;
    else if (r->any)
        r->ret->value = c->study.epoch == 1 ? r->latest : r->best;
    else
        return hpo_fail(err, HPO_ENUMERIC,
                        "%s ended without a value: a line {\"value\": 0.9} on its stdout is needed",
                        options(c)->run[0]);
    return 0;
}

static FILE *open_log(const char *dir)
{
    struct arena a = {0};
    /* Not a reason to fail a trial: its output is for people. */
    FILE *log = fopen(arena_printf(&a, "%s/output.log", dir), "ae");

    if (log)
        fseek(log, 0, SEEK_END);
    arena_release(&a);
    return log;
}

static int run_trial(struct objective *o, void *slot, const struct objective_trial *t,
                     struct objective_result *ret, struct hpo_err *err)
{
    struct run r = {.config = o->config, .trial = t, .ret = ret, .step = -1};
    double begun = clock_monotonic();
    struct arena a = {0};
    int status, rc;

    (void)slot;
    count_past(&r);
    rc = program_start(&r.process, program_words(o, t, &a), program_environment(o, t, &a),
                       options(o->config)->folder, err);
    if (!rc) {
        r.log = open_log(t->dir);
        status = serve(&r);
        program_finish(&r.process);
        if (r.verdict != OBJECTIVE_GO) {
            ret->pruned = r.verdict == OBJECTIVE_PRUNE;
            rc = HPO_ESTOPPED;
        } else if (*r.wrong) {
            rc = hpo_fail(err, HPO_ENUMERIC, "%s", r.wrong);
        } else if (status) {
            rc = bad_end(&r, status, err);
        } else {
            rc = result(&r, err);
        }
    }
    ret->seconds = clock_monotonic() - begun;
    if (r.log)
        fclose(r.log);
    str_release(&r.out.buf);
    str_release(&r.report.buf);
    arena_release(&r.a);
    arena_release(&a);
    return rc;
}

static const struct hpo_opt opts[] = {
    HPO_OPT(ARGV, struct command_options, run, "run", NULL, 0, 0, HPO_OPT_REQUIRED,
            "the program and its arguments; {PARAMETER} stands for a value, {trial}, {dir} and "
            "{device} for the trial's number, folder and device"),
    HPO_OPT(STR, struct command_options, folder, "folder", NULL, 0, 0, HPO_OPT_PATH,
            "where it runs; without it, the folder of the study file"),
    HPO_OPT(INT, struct command_options, steps, "steps", "0", 0, 2147483647, 0,
            "how many reports a trial (or each of its folds) makes at most; 0: nobody knows, and "
            "pruners that need to know cannot be used"),
    HPO_OPT(INT, struct command_options, folds, "folds", "1", 1, OBJECTIVE_MAX_FOLDS, 0,
            "folds of a trial; a report says which with \"fold\""),
    HPO_OPT_WORDS(struct command_options, keep, "keep", "all", "all|best", 0,
                  "the folders of finished trials, with their output and what the program left "
                  "there: keep them all, or the best trial's"),
    HPO_OPT(TIME, struct command_options, grace, "grace", "10s", 0, 1e6, 0,
            "how long a trial that is to stop may take after SIGTERM, before SIGKILL"),
    {0},
};

const struct objective_ops objective_command = {
    .plugin = {.name = "command",
               .help = "run a program of yours, which prints its reports and its result",
               .priv_size = sizeof(struct command_options),
               .opts = opts},
    .needs_direction = true,
    .needs_dir = true,
    .wants_past = true,
    .keeps_dirs = keeps_dirs,
    .check = check,
    .steps = steps,
    .run = run_trial,
};
