/* hpo enqueue STUDY KEY=VALUE...: ask for a trial. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/cli/args.h"
#include "hpo/cli/command.h"
#include "hpo/cli/paths.h"
#include "hpo/cli/study_data.h"
#include "hpo/control.h"
#include "hpo/core/storage.h"

#define PATIENCE_S 30 /* with a study that is just starting, or ending, or with many that ask */

struct enqueue_args {
    const char *runs;
};

static const struct arg table[] = {
    {"--dir", ARG_TEXT, offsetof(struct enqueue_args, runs)},
    {NULL, ARG_FLAG, 0},
};

/* What became of it. */
struct asked {
    int trial, finished, trials;
};

/* The study runs: it takes the trial itself. HPO_EMISSING: it does not. */
static int ask_running(const char *dir, const char *const *pairs, int n, struct asked *ret,
                       struct hpo_err *err)
{
    cJSON *m = message_new("enqueue"), *set = cJSON_AddArrayToObject(m, "set"), *answer = NULL;
    int rc;

    for (int i = 0; i < n; i++)
        cJSON_AddItemToArray(set, cJSON_CreateString(pairs[i]));
    rc = control_ask(dir, m, &answer, err);
    if (rc)
        return rc;
    if (!strcmp(json_get_string(answer, "op"), "enqueued")) {
        *ret = (struct asked){message_int(answer, "trial", -1), message_int(answer, "finished", 0),
                              message_int(answer, "trials", 0)};
    } else {
        const char *reason = json_get_string(answer, "reason");

        rc = message_int(answer, "rc", HPO_EIO);
        hpo_fail(err, rc, "%s", reason ? reason : "the study refused");
    }
    cJSON_Delete(answer);
    return rc;
}

static int store(struct storage *s, const struct study_config *c, const double *values,
                 struct asked *ret, struct hpo_err *err)
{
    struct hpo_trial *all = NULL;
    struct hpo_trial t = {.state = HPO_TRIAL_WAITING, .values = values, .cheap = c->n_rungs > 1};
    struct hpo_study_info info;
    int rc;

    rc = s->ops->load_study(s, &info, err);
    if (!rc)
        rc = s->ops->load_trials(s, NULL, s->arena, &all, &t.number, err);
    if (!rc)
        rc = s->ops->enqueue(s, &c->space, &t, err);
    if (rc)
        return rc;
    *ret = (struct asked){.trial = t.number, .trials = c->study.trials};
    for (int i = 0; i < t.number; i++)
        ret->finished += !all[i].rung &&
                         (all[i].state == HPO_TRIAL_COMPLETE || all[i].state == HPO_TRIAL_PRUNED);
    return 0;
}

/* Nobody runs it: its lock is ours. */
static int ask_storage(const char *dir, const struct study_config *c, const double *values,
                       struct asked *ret, struct hpo_err *err)
{
    struct arena a = {0};
    struct storage s = {storage_registry[0], NULL, &a};
    int rc = s.ops->open(&s, arena_printf(&a, "%s/study.db", dir), STORAGE_WRITE, err);

    if (!rc)
        rc = store(&s, c, values, ret, err);
    s.ops->close(&s);
    arena_release(&a);
    return rc;
}

static int ask(const char *dir, const struct study_config *c, const char *const *pairs, int n,
               struct asked *ret, struct hpo_err *err)
{
    double *values = xmalloc(sizeof(*values) * (size_t)(c->space.n + 1));
    double limit = clock_monotonic() + PATIENCE_S;
    int rc = study_config_values(c, pairs, n, values, err);

    while (!rc) {
        struct file_lock lock = FILE_LOCK_INIT;
        struct arena a = {0};

        rc = ask_running(dir, pairs, n, ret, err);
        if (rc != HPO_EMISSING && rc != HPO_EIO)
            break;
        rc = file_lock(&lock, arena_printf(&a, "%s/lock", dir), err);
        arena_release(&a);
        if (!rc) {
            rc = ask_storage(dir, c, values, ret, err);
            file_unlock(&lock);
            break;
        }
        if (rc != HPO_EBUSY || clock_monotonic() > limit)
            break;
        usleep(10000);
        rc = 0;
    }
    free(values);
    return rc;
}

static void tell(const char *name, const struct asked *asked)
{
    printf("trial %d of study %s is waiting to be run\n", asked->trial, name);
    if (asked->finished >= asked->trials)
        printf("The study has finished its %d trials: hpo run %s --set study.trials=%d runs it\n",
               asked->trials, name, asked->finished + 1);
}

static int run(int argc, char **argv, struct hpo_err *err)
{
    struct enqueue_args args = {.runs = DEFAULT_RUNS};
    const char **rest = xcalloc((size_t)argc, sizeof(*rest)), *dir;
    struct study_config config = {0};
    struct asked asked = {0};
    struct arena a = {0};
    int n, rc;

    rc = args_parse(table, &args, argc, argv, argc, rest, &n, err);
    if (!rc && n < 2)
        rc = hpo_fail(
            err, HPO_ECONFIG,
            "enqueue: which study, and which values? usage: hpo enqueue STUDY KEY=VALUE...");
    if (!rc)
        rc = study_folder_find(rest[0], args.runs, &a, &dir, err);
    if (!rc)
        rc = study_read(&config, arena_printf(&a, "%s/study.yaml", dir), NULL, 0, err);
    if (!rc)
        rc = ask(dir, &config, rest + 1, n - 1, &asked, err);
    if (!rc)
        tell(config.study.name, &asked);
    study_config_release(&config);
    arena_release(&a);
    free(rest);
    return !rc ? EXIT_DONE : rc == HPO_ECONFIG ? EXIT_MISTAKE : EXIT_FAILED;
}

const struct command_ops command_enqueue = {
    .plugin = {.name = "enqueue", .help = "Ask a study for a trial with values of your own."},
    .usage =
        "enqueue STUDY KEY=VALUE... [--dir DIR]\n\n"
        "  STUDY      the name, folder or file of a study that was run before, or is running\n"
        "  KEY=VALUE  a parameter of its space, as in the study file; those that are left\n"
        "             out are sampled, e.g. hpo enqueue cifar10 optimizer.lr=0.1 batch_size=64\n"
        "  --dir DIR  where studies are kept (runs)\n\n"
        "  A running study takes it up as the next trial; otherwise the next hpo run does.\n",
    .main = run,
};
