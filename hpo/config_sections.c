/* The tables of the study file: the options of hpo/ itself, and the list of all sections. */
#include <math.h>
#include <string.h>

#include "hpo/config_impl.h"
#include "trainer/metric.h"

static const struct hpo_opt study_options[] = {
    HPO_OPT(STR, struct study_opts, name, "name", NULL, 0, 0, 0,
            "names the study and its folder: letters, digits, '-', '_' and '.'; without it, the "
            "name of the file"),
    HPO_OPT_WORDS(
        struct study_opts, direction, "direction", NULL, "minimize|maximize", 0,
        "what is better; without it, what the metric says, and it cannot say otherwise; a "
        "command must say, a function is minimized"),
    HPO_OPT(STR, struct study_opts, metric_name, "metric", "accuracy", 0, 0, 0,
            "what a trial is judged by; where no network is trained any word, and `value` without "
            "one"),
    HPO_OPT(INT, struct study_opts, trials, "trials", "20", 1, 10000000, 0,
            "finished trials (complete and pruned) of the whole study, over every run of it; with "
            "`fidelity`, of its first rung"),
    HPO_OPT(TIME, struct study_opts, timeout, "timeout", NULL, 1, 1e9, 0,
            "a run ends after this time; what it had begun goes on with the next run"),
    HPO_OPT(INT, struct study_opts, seed, "seed", "0", 0, 2147483647, 0,
            "every random number of the study comes from it"),
    HPO_OPT_WORDS(struct study_opts, epoch, "epoch", "best", "best|last", 0,
                  "the epoch of a fold that counts"),
    HPO_OPT(INT, struct study_opts, max_failures, "max_failures", "5", 0, 1000000, 0,
            "this many failed trials in a row stop the study; 0: nothing does"),
    HPO_OPT(
        REAL, struct study_opts, target, "target", NULL, 0, 0, 0,
        "the study ends when a trial (of the last rung) is as good as this; without it, nothing is "
        "good enough"),
    HPO_OPT(
        INT, struct study_opts, patience, "patience", "0", 0, 10000000, 0,
        "the study ends after this many finished trials in a row (of the last rung) that are no "
        "better than the best before them; 0: never"),
    HPO_OPT(REAL, struct study_opts, min_delta, "min_delta", "0", 0, HUGE_VAL, 0,
            "to count as better for `patience`, a trial is better by more than this"),
    HPO_OPT(TIME, struct study_opts, max_seconds, "max_seconds", NULL, 0, 1e9, HPO_OPT_MIN_OPEN,
            "a trial that takes longer is stopped: it is pruned with its last report as its value, "
            "or fails when it has made none; without it, it may take any time"),
    HPO_OPT(INT, struct study_opts, retries, "retries", "0", 0, 100, 0,
            "a trial that fails is tried again this often, with the same values"),
    HPO_OPT(STR, struct study_opts, warm_start, "warm_start", NULL, 0, 0, HPO_OPT_FIXED,
            "the folder or the name of another study of the same parameters: the sampler learns "
            "from its trials too"),
    {0},
};

static const struct hpo_opt sampler_options[] = {
    HPO_OPT(
        INT, struct sampler_opts, lag, "lag", "0", 0, 1024, 0,
        "N: trial n is sampled and pruned on the results of the trials below n - N + 1 alone, so "
        "that N trials at once come out the same in every run; 0: on whatever has ended"),
    HPO_OPT_WORDS(struct sampler_opts, duplicates, "duplicates", "resample", "resample|allow", 0,
                  "a configuration that was tried already: draw another, or try it again"),
    {0},
};

static const struct hpo_opt devices_options[] = {
    HPO_OPT(LIST, struct devices_opts, use, "use", "auto", 0, 0, 0,
            "auto, a device, or a list of devices; a device named twice runs two workers"),
    HPO_OPT(
        INT, struct devices_opts, trials_per_device, "trials_per_device", "auto", 1, 64,
        HPO_OPT_AUTO,
        "concurrent trials on one device; auto: where a network is trained on the CPU a core a "
        "trial, up to 8 at once; on a GPU measured while they run: one more at a time, up to 16, "
        "as long as more gets done and memory lasts; else 1"),
    HPO_OPT(INT, struct devices_opts, threads, "threads", "auto", 1, 1024, HPO_OPT_AUTO,
            "CPU threads of a trial; auto shares the cores out"),
    {0},
};

static const struct hpo_opt data_options[] = {
    HPO_OPT(STR, struct data_opts, path, "path", NULL, 0, 0, HPO_OPT_REQUIRED | HPO_OPT_FIXED,
            "a folder with a folder a class, or a CSV manifest; relative to the study file"),
    HPO_OPT(STR, struct data_opts, cache, "cache", NULL, 0, 0, HPO_OPT_FIXED,
            "folder of the decoded images; without it, hpo in $XDG_CACHE_HOME or ~/.cache"),
    HPO_OPT(INT, struct data_opts, image_size, "image_size", "32", 8, 1024, 0,
            "images are resized to squares of this many pixels a side"),
    HPO_OPT(INT, struct data_opts, limit, "limit", "0", 0, 2147483647, HPO_OPT_FIXED,
            "use a stratified subset of this many images; 0: all"),
    HPO_OPT_WORDS(struct data_opts, resize, "resize", "crop", "crop|stretch", HPO_OPT_FIXED,
                  "images that are not square: cut the centre out, or squash"),
    HPO_OPT_WORDS(struct data_opts, on_error, "on_error", "fail", "fail|skip", HPO_OPT_FIXED,
                  "an image that cannot be read: stop, or go on without it"),
    {0},
};

static const struct hpo_opt folds_options[] = {
    HPO_OPT(INT, struct folds_opts, k, "k", "auto", 1, TR_MAX_FOLDS,
            HPO_OPT_AUTO | HPO_OPT_FIXED,
            "parts that the images are split into; each validates once. 1: a holdout, `valid` of the "
            "images validate. auto: as many as the manifest's column `fold` has, or 5"),
    HPO_OPT(BOOL, struct folds_opts, stratified, "stratified", "true", 0, 0, HPO_OPT_FIXED,
            "every fold has the same share of each class (StratifiedKFold); false: KFold"),
    HPO_OPT(BOOL, struct folds_opts, group, "group", "false", 0, 0, HPO_OPT_FIXED,
            "no group of the manifest's column `group` is in two folds (StratifiedGroupKFold, or "
            "GroupKFold with stratified: false): several pictures of one person, say"),
    HPO_OPT(INT, struct folds_opts, repeats, "repeats", "1", 1, TR_MAX_FOLDS, HPO_OPT_FIXED,
            "split so many times, in other ways (RepeatedStratifiedKFold): repeats x k folds, 64 at "
            "most, the k of the first split first"),
    HPO_OPT(REAL, struct folds_opts, valid, "valid", "auto", 0, 1,
            HPO_OPT_AUTO | HPO_OPT_FIXED | HPO_OPT_MIN_OPEN | HPO_OPT_MAX_OPEN,
            "the share of the images that validates when k is 1; auto: 0.2"),
    HPO_OPT(INT, struct folds_opts, run, "run", "auto", 1, TR_MAX_FOLDS,
            HPO_OPT_AUTO | HPO_OPT_FIXED, "how many of the folds are trained; auto: all"),
    HPO_OPT_WORDS(struct folds_opts, order, "order", "fold_first", "fold_first|epoch_first",
                  HPO_OPT_FIXED, "fold after fold through all epochs, or all folds an epoch each"),
    HPO_OPT(
        INT, struct folds_opts, parallel, "parallel", "auto", 1, TR_MAX_FOLDS,
        HPO_OPT_AUTO | HPO_OPT_FIXED,
        "folds of a trial that train side by side, at most; results do not depend on it (a GPU may "
        "round otherwise). auto: with "
        "epoch_first all that memory holds; with fold_first 1, or, on a GPU with "
        "`devices.trials_per_device: 1`, as many small networks as keep it busy"),
    {0},
};

#define KINDS(registry) ((const void *const *)(registry))

static const struct hpo_section own_sections[] = {
    {"study", "what is looked for, and how long", study_options, NULL, NULL,
     offsetof(struct study_config, study)},
    {"objective", "what a trial is: values in, a value out", NULL, KINDS(objective_registry),
     CONFIG_DEF_OBJECTIVE, offsetof(struct study_config, objective)},
    {"sampler", "proposes the values of the next trial", sampler_options, KINDS(sampler_registry),
     "auto", offsetof(struct study_config, sampler)},
    {"pruner", "stops trials that are not worth going on with", NULL, KINDS(pruner_registry),
     "fold", offsetof(struct study_config, pruner)},
    {"devices", "what trials run on", devices_options, NULL, NULL,
     offsetof(struct study_config, devices)},
    {"data", "the labelled images", data_options, NULL, NULL, offsetof(struct study_config, data)},
    {"data.folds", "k-fold cross validation, the same split for every trial", folds_options, NULL,
     NULL, offsetof(struct study_config, folds)},
};

const struct hpo_section *study_sections(struct arena *a)
{
    int n_own = (int)HPO_LEN(own_sections), n = 0;
    struct hpo_section *ret;

    while (tr_sections[n].path)
        n++;
    ret = ARENA_ARRAY(a, struct hpo_section, n_own + n + 1);
    memcpy(ret, own_sections, sizeof(own_sections));
    for (int i = 0; i < n; i++) {
        struct hpo_section *s = &ret[n_own + i];

        *s = tr_sections[i];
        s->path = *s->path ? arena_printf(a, "trainer.%s", s->path) : "trainer";
        s->offset += offsetof(struct study_config, trainer);
    }
    return ret;
}

const struct hpo_section *config_section(const struct hpo_section *all, const char *path)
{
    for (; all->path; all++)
        if (!strcmp(all->path, path))
            return all;
    return NULL;
}

const char *config_space_path(const struct hpo_section *s)
{
    static const char *const roots[] = {"trainer", "data"};

    for (size_t i = 0; i < HPO_LEN(roots); i++) {
        size_t n = strlen(roots[i]);

        if (!strncmp(s->path, roots[i], n) && (!s->path[n] || s->path[n] == '.'))
            return s->path[n] ? s->path + n + 1 : "";
    }
    return NULL;
}

const struct hpo_section *config_section_of_kinds(const struct hpo_section *all,
                                                  const void *const *kinds)
{
    for (; all->path; all++)
        if (all->kinds == kinds)
            return all;
    return NULL;
}

const char *config_noun(const struct hpo_section *s)
{
    const char *dot = strrchr(s->path, '.');

    return dot ? dot + 1 : s->path;
}

bool config_can_search(const struct hpo_opt *o)
{
    return !(o->flags & HPO_OPT_FIXED) && o->type != HPO_OPT_ARGV && o->type != HPO_OPT_PART;
}

/* Has any of the section's types, or the section itself, this option? */
static bool section_has(const struct hpo_section *s, const char *key)
{
    if (hpo_opt_find(s->opts, key))
        return true;
    for (const void *const *k = s->kinds; k && *k; k++)
        if (hpo_opt_find(hpo_plugin_of(*k)->opts, key))
            return true;
    return s->kinds && !strcmp(key, "type");
}

struct config_target config_target_of(const struct hpo_section *all, const char *path)
{
    const char *dot = strrchr(path, '.'), *key = dot ? dot + 1 : path;
    size_t n = dot ? (size_t)(dot - path) : 0;

    for (; all->path; all++) {
        const char *head = config_space_path(all);

        if (head && strlen(head) == n && !memcmp(head, path, n) && section_has(all, key))
            return (struct config_target){all, key, all->kinds && !strcmp(key, "type")};
    }
    return (struct config_target){NULL, key, false};
}

static void add_searchable(const char *head, const struct hpo_opt *opts, struct words *ret)
{
    for (; opts && opts->name; opts++)
        if (config_can_search(opts))
            words_add(ret, *head ? arena_printf(ret->a, "%s.%s", head, opts->name) : opts->name);
}

void config_add_searchable(const struct hpo_section *all, struct words *ret)
{
    for (; all->path; all++) {
        const char *head = config_space_path(all);

        if (!head)
            continue;
        add_searchable(head, all->opts, ret);
        if (all->kinds)
            words_add(ret, arena_printf(ret->a, "%s.type", head));
        for (const void *const *k = all->kinds; k && *k; k++)
            add_searchable(head, hpo_plugin_of(*k)->opts, ret);
    }
}

void config_add_metrics(struct words *ret)
{
    for (int i = 0; metric_registry[i]; i++)
        if (!metric_registry[i]->describes)
            words_add(ret, metric_registry[i]->plugin.name);
}

bool config_names_of(const struct hpo_section *s, const struct hpo_opt *o, struct words *ret)
{
    if (s->opts != study_options || strcmp(o->name, "metric"))
        return false;
    config_add_metrics(ret);
    return true;
}
