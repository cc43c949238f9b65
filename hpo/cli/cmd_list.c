/* hpo list [KIND]...: what can be chosen by name, with its options. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "hpo/cli/args.h"
#include "hpo/cli/command.h"
#include "hpo/config.h"
#include "hpo/core/pruner.h"
#include "hpo/core/sampler.h"
#include "hpo/objective.h"
#include "trainer/config.h"
#include "trainer/data/reader.h"
#include "trainer/metric.h"

#define REGISTRY(r) ((const void *const *)(r))

/* A registry, and what it says of an entry beyond its options, as text or into JSON (either may be
 * NULL); or a section of the study file that has nothing to choose but options. */
struct kind {
    const char *name;
    const void *const *registry;
    void (*text)(const void *ops, struct str *ret);
    void (*json)(const void *ops, cJSON *ret);
};

static void metric_text(const void *ops, struct str *ret)
{
    const struct metric_ops *m = ops;

    str_addf(ret, "      %s",
             m->describes  ? "no trial can be judged by it"
             : m->maximize ? "larger is better"
                           : "smaller is better");
    if (m->max_classes && m->max_classes == m->min_classes)
        str_addf(ret, "; of %d classes", m->min_classes);
    else if (m->min_classes)
        str_addf(ret, "; of %d classes or more", m->min_classes);
    str_addc(ret, '\n');
}

static void metric_json(const void *ops, cJSON *ret)
{
    const struct metric_ops *m = ops;

    json_put_string(ret, "direction", m->describes ? NULL : m->maximize ? "maximize" : "minimize");
    json_put_number(ret, "min_classes", m->min_classes ? m->min_classes : NAN);
    json_put_number(ret, "max_classes", m->max_classes ? m->max_classes : NAN);
}

/* ", 139.8 GiB, 138.2 of them free"; nothing when it is unknown. */
static void memory_text(const struct kn_device_info *info, struct str *ret)
{
    const double gib = 1 << 30;

    if (info->memory_total > 0)
        str_addf(ret, ", %.1f GiB", info->memory_total / gib);
    if (info->memory_total > 0 && info->memory_free > 0)
        str_addf(ret, ", %.1f of them free", info->memory_free / gib);
}

static void device_text(const void *ops, struct str *ret)
{
    const struct kn_backend_ops *b = ops;
    const char *why = NULL;
    int n = b->count(&why);

    if (n == 0)
        str_addf(ret, "      none%s%s\n", why ? ": " : "", why ? why : "");
    for (int i = 0; i < n; i++) {
        struct kn_device_info info = {0};
        struct hpo_err err;

        if (b->describe(i, &info, &err)) {
            str_addf(ret, "      %s:%d  %s\n", b->plugin.name, i, err.msg);
            continue;
        }
        str_addf(ret, "      %s:%d  %s", b->plugin.name, i, info.name);
        memory_text(&info, ret);
        str_addf(ret, "\n      %*s  %s\n", (int)strlen(b->plugin.name) + 2, "", info.detail);
    }
}

static void device_json(const void *ops, cJSON *ret)
{
    const struct kn_backend_ops *b = ops;
    cJSON *devices = cJSON_AddArrayToObject(ret, "devices");
    const char *why = NULL;
    int n = b->count(&why);

    if (n == 0)
        json_put_string(ret, "none_because", why);
    for (int i = 0; i < n; i++) {
        cJSON *j = cJSON_CreateObject();
        struct kn_device_info info = {0};
        struct hpo_err err;

        cJSON_AddItemToArray(devices, j);
        json_put_number(j, "index", i);
        if (b->describe(i, &info, &err)) {
            json_put_string(j, "error", err.msg);
            continue;
        }
        json_put_string(j, "name", info.name);
        json_put_string(j, "detail", info.detail);
        json_put_number(j, "memory_total", info.memory_total);
        json_put_number(j, "memory_free", info.memory_free);
    }
}

static const struct kind kinds[] = {
    {"samplers", REGISTRY(sampler_registry), NULL, NULL},
    {"pruners", REGISTRY(pruner_registry), NULL, NULL},
    {"objectives", REGISTRY(objective_registry), NULL, NULL},
    {"models", REGISTRY(model_registry), NULL, NULL},
    {"losses", REGISTRY(loss_registry), NULL, NULL},
    {"optimizers", REGISTRY(optimizer_registry), NULL, NULL},
    {"schedules", REGISTRY(schedule_registry), NULL, NULL},
    {"averages", REGISTRY(averaging_registry), NULL, NULL},
    {"augment", NULL, NULL, NULL},
    {"metrics", REGISTRY(metric_registry), metric_text, metric_json},
    {"devices", REGISTRY(kn_backend_registry), device_text, device_json},
    {"readers", REGISTRY(reader_registry), NULL, NULL},
};
#define N_KINDS ((int)HPO_LEN(kinds))

/* The options that stand in the kind's section beside those of its entries; NULL: none. */
static const struct hpo_opt *section_options(const struct kind *k, struct arena *a)
{
    for (const struct hpo_section *s = study_sections(a); s->path; s++) {
        const char *dot = strrchr(s->path, '.');

        if (k->registry ? s->kinds == k->registry : !strcmp(dot ? dot + 1 : s->path, k->name))
            return s->opts;
    }
    return NULL;
}

static void put_options(const struct hpo_opt *o, struct arena *a, struct str *ret)
{
    for (; o && o->name; o++)
        str_addf(ret, "      %-16s %s%s%s\n      %-16s %s\n", o->name, hpo_opt_allowed(o, a),
                 o->def ? "; default " : "", o->def ? o->def : "", "", o->help);
}

static void put_text(const struct kind *k, struct arena *a, struct str *ret)
{
    const struct hpo_opt *beside = section_options(k, a);

    str_addf(ret, "%s\n", k->name);
    for (const void *const *e = k->registry; e && *e; e++) {
        const struct hpo_plugin *p = hpo_plugin_of(*e);

        str_addf(ret, "  %-18s %s\n", p->name, p->help);
        put_options(p->opts, a, ret);
        if (k->text)
            k->text(*e, ret);
    }
    if (beside && k->registry)
        str_add(ret, "  beside the options of each type\n");
    put_options(beside, a, ret);
    if (k->registry && !*k->registry)
        str_add(ret, "  none in this build\n");
}

static cJSON *option_json(const struct hpo_opt *o, struct arena *a)
{
    static const char *const types[] = {
        [HPO_OPT_BOOL] = "bool", [HPO_OPT_INT] = "int",        [HPO_OPT_REAL] = "float",
        [HPO_OPT_STR] = "str",   [HPO_OPT_CHOICE] = "choice",  [HPO_OPT_TIME] = "time",
        [HPO_OPT_LIST] = "list", [HPO_OPT_NUMBERS] = "floats", [HPO_OPT_ARGV] = "argv",
        [HPO_OPT_PART] = "part",
    };
    cJSON *j = cJSON_CreateObject();

    json_put_string(j, "name", o->name);
    json_put_string(j, "type", types[o->type]);
    json_put_string(j, "default", o->def);
    json_put_string(j, "allowed", hpo_opt_allowed(o, a));
    json_put_string(j, "help", o->help);
    if (o->kinds) {
        cJSON *kinds_of = cJSON_AddArrayToObject(j, "kinds");

        for (const void *const *k = o->kinds; *k; k++)
            cJSON_AddItemToArray(kinds_of, cJSON_CreateString(hpo_plugin_of(*k)->name));
    }
    return j;
}

static void add_options_json(const struct hpo_opt *o, struct arena *a, cJSON *ret)
{
    for (; o && o->name; o++)
        cJSON_AddItemToArray(ret, option_json(o, a));
}

static void put_json(const struct kind *k, struct arena *a, cJSON *root)
{
    const struct hpo_opt *beside = section_options(k, a);
    cJSON *all = cJSON_AddArrayToObject(root, k->name);
    char key[64];

    if (k->registry && beside) { /* "all" holds types */
        snprintf(key, sizeof(key), "%s_options", k->name);
        add_options_json(beside, a, cJSON_AddArrayToObject(root, key));
    } else {
        add_options_json(beside, a, all);
    }
    for (const void *const *e = k->registry; e && *e; e++) {
        const struct hpo_plugin *p = hpo_plugin_of(*e);
        cJSON *j = cJSON_CreateObject(), *options;

        cJSON_AddItemToArray(all, j);
        json_put_string(j, "name", p->name);
        json_put_string(j, "help", p->help);
        options = cJSON_AddArrayToObject(j, "options");
        add_options_json(p->opts, a, options);
        if (k->json)
            k->json(*e, j);
    }
}

struct list_args {
    bool json;
};

static const struct arg table[] = {
    {"--json", ARG_FLAG, offsetof(struct list_args, json)},
    {NULL, ARG_FLAG, 0},
};

/* NULL: *err says which kinds there are. */
static const struct kind *find_kind(const char *word, struct hpo_err *err)
{
    const char *names[N_KINDS], *near;
    struct str known = {0};

    for (int i = 0; i < N_KINDS; i++)
        if (!strcmp(kinds[i].name, word))
            return &kinds[i];
    for (int i = 0; i < N_KINDS; i++) {
        names[i] = kinds[i].name;
        str_addf(&known, "%s%s", i ? ", " : "", names[i]);
    }
    near = str_nearest(word, names, N_KINDS);
    hpo_fail(err, HPO_ECONFIG, "list: unknown kind '%s'%s%s%s known: %s", word,
             near ? ", did you mean '" : ";", near ? near : "", near ? "'?" : "", str_c(&known));
    str_release(&known);
    return NULL;
}

static int list_main(int argc, char **argv, struct hpo_err *err)
{
    const struct kind *chosen[N_KINDS];
    const char *rest[N_KINDS];
    struct list_args args = {0};
    struct arena a = {0};
    struct str text = {0};
    cJSON *root;
    int n;

    if (args_parse(table, &args, argc, argv, N_KINDS, rest, &n, err))
        return EXIT_MISTAKE;
    for (int i = 0; i < n; i++) {
        chosen[i] = find_kind(rest[i], err);
        if (!chosen[i])
            return EXIT_MISTAKE;
    }
    if (n == 0) {
        n = N_KINDS;
        for (int i = 0; i < n; i++)
            chosen[i] = &kinds[i];
    }
    root = cJSON_CreateObject();
    for (int i = 0; i < n; i++) {
        if (args.json)
            put_json(chosen[i], &a, root);
        else
            put_text(chosen[i], &a, &text);
        if (!args.json && i + 1 < n)
            str_addc(&text, '\n');
    }
    if (args.json) {
        json_write(root, &text);
        str_addc(&text, '\n');
    }
    fwrite(text.s, 1, text.n, stdout);
    cJSON_Delete(root);
    str_release(&text);
    arena_release(&a);
    return EXIT_DONE;
}

const struct command_ops command_list = {
    .plugin = {"list", "Show what there is to choose from, with options.", 0, NULL},
    .usage =
        "list [KIND]... [--json]\n\n"
        "  KIND: samplers, pruners, objectives, models, losses, optimizers, schedules, averages,\n"
        "  augment, metrics, devices, readers; none: all of them\n"
        "  --json    for programs\n",
    .main = list_main,
};
