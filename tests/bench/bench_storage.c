/* What storing a trial costs, as the controller does it. bench_storage [TRIALS [FOLDER]] prints a
 * JSON line for trials that train (add, one attempt, 5 reports, finish), and one for each of some
 * group sizes for five times as many trials of a function (add, finish), that many in a durable
 * transaction. bench_storage.py puts Optuna's beside it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "hpo/core/storage.h"

#define PARAMS 5
#define REPORTS 5

static const struct hpo_choice choices[] = {{HPO_CHOICE_STR, "sgd"}, {HPO_CHOICE_STR, "adamw"}};
static const struct hpo_param params[PARAMS] = {
    {.name = "optimizer.lr", .kind = HPO_PARAM_FLOAT, .low = 1e-5, .high = 0.1, .log = true},
    {.name = "model.dropout", .kind = HPO_PARAM_FLOAT, .low = 0, .high = 0.5, .step = 0.1},
    {.name = "batch_size", .kind = HPO_PARAM_INT, .low = 16, .high = 256, .step = 16},
    {.name = "optimizer.momentum", .kind = HPO_PARAM_FLOAT, .low = 0.8, .high = 0.99},
    {.name = "optimizer.type", .kind = HPO_PARAM_CATEGORICAL, .high = 1, .n_choices = 2,
     .choices = choices},
};
static const int order[PARAMS] = {0, 1, 2, 3, 4};
static const struct hpo_space space = {params, PARAMS, order};

static int store_plain(struct storage *s, int number, struct hpo_err *err)
{
    const double values[PARAMS] = {1e-4 * (1 + number % 900), 0.1 * (number % 6), 16, 0.9,
                                   number % 2};
    struct hpo_trial t = {.number = number, .values = values, .started = clock_wall()};
    int rc = s->ops->add_trial(s, &space, &t, err);

    t.state = HPO_TRIAL_COMPLETE;
    t.value = -0.001 * number;
    return rc ? rc : s->ops->finish(s, &t, err);
}

/* n trials of a function, `group` in a transaction (1: each on its own). */
static int store_groups(struct storage *s, int n, int group, struct hpo_err *err)
{
    int rc = 0;

    for (int i = 0; i < n && !rc; i++) {
        if (group > 1 && i % group == 0 && (rc = s->ops->begin(s, err)))
            break;
        rc = store_plain(s, i, err);
        if (!rc && group > 1 && (i % group == group - 1 || i == n - 1))
            rc = s->ops->commit(s, err);
    }
    return rc;
}

static int store_trial(struct storage *s, int number, struct hpo_err *err)
{
    static const char *const names[] = {"accuracy", "train_loss"};
    static const struct hpo_fold folds[] = {{0, 0.5, 1, 1}, {1, 0.25, 2, 1}, {2, 0.75, 3, 1}};
    const double values[PARAMS] = {1e-4 * (1 + number % 900), 0.1 * (number % 6), 16, 0.9,
                                   number % 2};
    const double metrics[] = {0.5, 1.25};
    struct hpo_trial t = {.number = number, .values = values, .started = clock_wall()};
    int rc = s->ops->add_trial(s, &space, &t, err);

    if (!rc)
        rc = s->ops->start_attempt(s, t.id, 1, "cpu", 1, err);
    for (int e = 0; e < REPORTS && !rc; e++) {
        const struct hpo_epoch_report r = {0, e, 2, names, metrics};
        const struct hpo_point p = {e, -0.5 - 0.01 * e};

        rc = s->ops->report(s, t.id, &r, &p, err);
    }
    t.state = HPO_TRIAL_COMPLETE;
    t.value = -0.5;
    t.folds = folds;
    t.n_folds = 3;
    t.seconds = 1;
    t.attempts = 1;
    t.device = "cpu";
    return rc ? rc : s->ops->finish(s, &t, err);
}

/* group 0: trials that train. */
static int measure(const char *path, int n, int group, struct hpo_err *err)
{
    const struct hpo_study_info info = {.name = "bench", .maximize = true, .metric = "accuracy",
                                        .config = "", .digest = "", .created = 1};
    struct arena arena = {0};
    struct storage s = {storage_registry[0], NULL, &arena};
    struct hpo_trial *trials;
    double started, stored = 0, loaded = 0;
    int loaded_n = 0, rc;
    struct stat st = {0};

    if (!(rc = s.ops->open(&s, path, STORAGE_CREATE, err)))
        rc = s.ops->create_study(&s, &info, err);
    started = clock_monotonic();
    if (!rc && group)
        rc = store_groups(&s, n, group, err);
    for (int i = 0; i < n && !rc && !group; i++)
        rc = store_trial(&s, i, err);
    stored = clock_monotonic() - started;
    s.ops->close(&s);
    stat(path, &st);
    if (!rc && !(rc = s.ops->open(&s, path, STORAGE_READ, err))) {
        started = clock_monotonic();
        rc = s.ops->load_trials(&s, &space, &arena, &trials, &loaded_n, err);
        loaded = clock_monotonic() - started;
        s.ops->close(&s);
    }
    if (!rc)
        printf("{\"group\": %d, \"trials\": %d, \"trials_per_s\": %.1f, \"ms_per_trial\": %.3f, "
               "\"bytes_per_trial\": %.0f, \"load_s\": %.4f}\n",
               group, loaded_n, n / stored, 1e3 * stored / n, (double)st.st_size / n, loaded);
    arena_release(&arena);
    return rc;
}

int main(int argc, char **argv)
{
    static const int groups[] = {0, 1, 4, 16};
    int n = argc > 1 ? atoi(argv[1]) : 2000, rc = 0;
    char folder[512], path[640];
    struct hpo_err err;

    snprintf(folder, sizeof(folder), "%s/bench_storage.XXXXXX", argc > 2 ? argv[2] : ".");
    if (n < 1 || !mkdtemp(folder)) {
        fprintf(stderr, "usage: bench_storage [TRIALS [FOLDER]]\n");
        return 2;
    }
    for (size_t i = 0; i < HPO_LEN(groups) && !rc; i++) {
        snprintf(path, sizeof(path), "%s/%d.db", folder, groups[i]);
        rc = measure(path, groups[i] ? 5 * n : n, groups[i], &err);
    }
    file_remove_tree(folder, NULL);
    if (rc)
        fprintf(stderr, "%s\n", err.msg);
    return rc ? 1 : 0;
}
