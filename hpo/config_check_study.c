/* What involves more than one option of the file, or something outside it. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/config_impl.h"
#include "trainer/metric.h"

#define MAX_NAME 128
#define MAX_DEVICES 64
#define DEFAULT_K 5

/* The node of an option, or the file itself. */
static const struct yaml_node *place(const struct config_reader *r, const char *path)
{
    const struct yaml_node *n = yaml_get_path(r->root, path);

    return n ? n : r->root;
}

static struct yaml_node *put_plain(struct config_reader *r, const char *path, const char *text)
{
    struct yaml_node *n = yaml_get_path(r->root, path);

    if (n) {
        n->text = text;
    } else {
        n = yaml_new_scalar(r->a, text);
        yaml_put_path(r->a, r->root, path, n);
    }
    n->kind = YAML_SCALAR;
    n->quoted = false;
    return n;
}

static void put_text(struct config_reader *r, const char *path, const char *text)
{
    put_plain(r, path, text)->quoted = yaml_looks_special(text);
}

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

static void check_name(struct config_reader *r)
{
    const char *name = r->c->study.name, *slash, *dot;
    char *made;

    if (name) {
        bool ok = strlen(name) <= MAX_NAME && *name != '.' && *name != '-';

        for (const char *p = name; *p; p++)
            ok = ok && name_char(*p);
        if (!ok)
            config_mistake(r, place(r, "study.name"),
                           "study.name: '%s' is not allowed here: letters, digits, '-', '_' and "
                           "'.', beginning with neither '-' nor '.', at most %d",
                           config_show(r->a, name), MAX_NAME);
        return;
    }
    slash = strrchr(r->c->file, '/');
    name = slash ? slash + 1 : r->c->file;
    dot = strrchr(name, '.');
    made = arena_strndup(r->a, name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
    if (strlen(made) > MAX_NAME)
        made[MAX_NAME] = 0;
    for (char *p = made; *p; p++)
        if (!name_char(*p) || (p == made && (*p == '.' || *p == '-')))
            *p = '_';
    r->c->study.name = *made ? made : "study";
    put_text(r, "study.name", r->c->study.name);
}

static void check_trained_metric(struct config_reader *r)
{
    const struct yaml_node *direction = yaml_get_path(r->root, "study.direction");
    const char *name = r->c->study.metric_name;
    struct words known = {.a = r->a};
    bool maximize;
    int i = 0;

    while (metric_registry[i] && strcmp(metric_registry[i]->plugin.name, name))
        i++;
    if (!metric_registry[i]) {
        config_add_metrics(&known);
        config_unknown(r, place(r, "study.metric"), "metric", name, "", "known", &known);
        return;
    }
    if (metric_registry[i]->describes) {
        config_add_metrics(&known);
        config_mistake(r, place(r, "study.metric"),
                       "study.metric: %s is neither better nor worse: one of %s is needed", name,
                       words_join(&known));
        return;
    }
    r->c->metric = i;
    maximize = metric_registry[i]->maximize;
    if (direction && !yaml_is_null(direction) && r->c->study.direction != maximize)
        config_mistake(r, direction,
                       "study.direction: %s is better when it is %s: %s is needed, "
                       "or leave the key out",
                       name, maximize ? "larger" : "smaller", maximize ? "maximize" : "minimize");
    r->c->study.direction = maximize;
    put_text(r, "study.metric", name);
    put_text(r, "study.direction", maximize ? "maximize" : "minimize");
}

/* A word: the metric is whatever the objective calls it. */
static void check_free_metric(struct config_reader *r)
{
    const char *name = r->c->study.metric_name;
    bool ok = name && strlen(name) <= MAX_NAME;

    if (!yaml_get_path(r->root, "study.metric")) {
        r->c->study.metric_name = name = "value";
        ok = true;
    }
    for (const char *p = ok ? name : ""; *p; p++)
        ok = ok && (unsigned char)*p > ' ' && *p != 0x7F;
    if (!ok)
        config_mistake(r, place(r, "study.metric"),
                       "study.metric: a word without spaces is needed, at most %d bytes long",
                       MAX_NAME);
    else
        put_text(r, "study.metric", name);
}

static void check_free_direction(struct config_reader *r)
{
    const struct yaml_node *direction = yaml_get_path(r->root, "study.direction");

    if (direction && !yaml_is_null(direction))
        return;
    if (r->objective->needs_direction && !r->partial)
        config_mistake(r, direction ? direction : place(r, "objective"),
                       "study.direction is missing: minimize or maximize, only you know what is "
                       "better with objective.type %s",
                       r->objective->plugin.name);
    put_text(r, "study.direction", "minimize");
}

static void check_metric(struct config_reader *r)
{
    if (!r->objective)
        return;
    if (r->objective->trains) {
        check_trained_metric(r);
        return;
    }
    r->c->metric = -1;
    check_free_metric(r);
    check_free_direction(r);
}

/* auto, or BACKEND, or BACKEND:INDEX. */
static void check_device(struct config_reader *r, const struct yaml_node *at, const char *word)
{
    size_t n = strcspn(word, ":");
    bool trains = r->objective && r->objective->trains;
    struct words known = {.a = r->a};
    const char *name = arena_strndup(r->a, word, n);
    int64_t index = 0;

    words_add(&known, "auto");
    words_add_registry(&known, (const void *const *)kn_backend_registry);
    if (!trains) /* who uses the GPU is not this program */
        words_add(&known, "cuda");
    if (!words_have(&known, name))
        config_unknown(r, at, "device", word, "", trains ? "known in this build" : "known", &known);
    else if (word[n] && (!strcmp(name, "auto") || !isdigit((unsigned char)word[n + 1]) ||
                         !str_to_int(word + n + 1, &index) || index > 1023))
        config_mistake(r, at,
                       "devices.use: '%s' is not a device: a name and an index are needed, "
                       "such as %s:0",
                       config_show(r->a, word),
                       kn_backend_registry[0] ? kn_backend_registry[0]->plugin.name : "cpu");
}

static void check_devices(struct config_reader *r)
{
    const struct yaml_node *at = place(r, "devices.use");
    const char *p = r->c->devices.use ? r->c->devices.use : "auto";
    bool has_auto = false, more = true;
    int n = 0;

    for (; more && n <= MAX_DEVICES; n++) {
        size_t len = strcspn(p, ",");
        const char *word = arena_strndup(r->a, p, len);

        has_auto = has_auto || !strcmp(word, "auto");
        check_device(r, at->kind == YAML_SEQ && n < at->n ? at->val[n] : at, word);
        more = p[len];
        p += len + 1;
    }
    if (n > MAX_DEVICES)
        config_mistake(r, at, "devices.use: at most %d devices", MAX_DEVICES);
    else if (has_auto && n > 1)
        config_mistake(r, at, "devices.use: auto stands alone");
}

/* A path in the file starts at the file's folder, one of the command line at the working
 * directory. The tree keeps the absolute path, so that the study can be written elsewhere. */
static void resolve(struct config_reader *r, const char *path, const char **field)
{
    const struct yaml_node *n = yaml_get_path(r->root, path);
    const char *text = *field, *folder = r->c->folder;
    char *here = NULL;

    if (!text || !n)
        return;
    if (*text != '/') {
        if (n->line == 0 || *folder != '/')
            here = realpath(n->line == 0 ? "." : folder, NULL);
        if (here)
            folder = here;
        while (text[0] == '.' && text[1] == '/')
            text += 2 + strspn(text + 2, "/");
        text = !strcmp(text, ".")
                   ? arena_strdup(r->a, folder)
                   : arena_printf(r->a, "%s/%s", strcmp(folder, "/") ? folder : "", text);
        free(here);
    }
    *field = text;
    put_text(r, path, text);
}

/* Those among the options of the sections. */
static void resolve_sections(struct config_reader *r)
{
    for (const struct hpo_section *s = r->c->sections; s->path; s++)
        for (const struct hpo_opt *o = s->opts; o && o->name; o++)
            if (o->flags & HPO_OPT_PATH)
                resolve(r, arena_printf(r->a, "%s.%s", s->path, o->name),
                        (const char **)((char *)r->c + s->offset + o->offset));
}

/* Paths among the options of the objective. */
static void resolve_objective(struct config_reader *r)
{
    const struct hpo_plugin *p = r->objective ? &r->objective->plugin : NULL;

    for (const struct hpo_opt *o = p ? p->opts : NULL; o && o->name; o++) {
        const char *path = arena_printf(r->a, "objective.%s", o->name), **field;

        if (!(o->flags & HPO_OPT_PATH) || r->c->objective.ops != r->objective)
            continue;
        field = (const char **)((char *)r->c->objective.priv + o->offset);
        if (*field) {
            resolve(r, path, field);
        } else {
            *field = r->c->folder;
            put_text(r, path, r->c->folder);
        }
    }
}

/* A name is one as it stands; a path must be found again from elsewhere. */
static void check_warm_start(struct config_reader *r)
{
    const char *from = r->c->study.warm_start;

    if (from && strchr(from, '/'))
        resolve(r, "study.warm_start", &r->c->study.warm_start);
    else if (from && r->c->study.name && !strcmp(from, r->c->study.name))
        config_mistake(r, place(r, "study.warm_start"),
                       "study.warm_start: '%s' is this study itself: another one is needed",
                       config_show(r->a, from));
}

static void check_folds(struct config_reader *r)
{
    struct folds_opts *f = &r->c->folds;
    int all;

    if (!r->objective || !r->objective->trains) /* it has no such section */
        return;
    f->auto_k = f->k < 0;
    if (f->auto_k)
        f->k = DEFAULT_K;
    all = study_config_folds(r->c);
    if (f->auto_k && !r->partial)
        put_plain(r, "data.folds.k", arena_printf(r->a, "%d", f->k));
    if (all > TR_MAX_FOLDS)
        config_mistake(r, place(r, "data.folds.repeats"),
                       "data.folds.repeats: %d times %d folds are %d, at most %d are allowed",
                       f->repeats, f->k, all, TR_MAX_FOLDS);
    if (!isnan(f->valid) && f->k != 1)
        config_mistake(r, place(r, "data.folds.valid"),
                       "data.folds.valid: the share of a holdout (k: 1), and k is %d%s", f->k,
                       f->auto_k ? " when it is left out" : "");
    if (!f->auto_k && f->run > all) /* what auto means, the data say */
        config_mistake(r, place(r, "data.folds.run"),
                       "data.folds.run: %d is more than the %d folds there are", f->run, all);
    else if (all <= TR_MAX_FOLDS && study_config_trainings(r->c) > TR_MAX_FOLDS)
        config_mistake(r, place(r, "trainer.seeds"),
                       "trainer.seeds: %d folds with %d seeds are %d trainings: at most %d are "
                       "allowed in a trial",
                       study_config_folds_run(r->c), r->c->trainer.seeds,
                       study_config_trainings(r->c), TR_MAX_FOLDS);
}

const struct objective_ops *config_objective(const struct yaml_node *root)
{
    const struct yaml_node *n = yaml_get(root, "objective"), *type = yaml_get(n, "type");
    const char *name = type && type->kind == YAML_SCALAR ? type->text : CONFIG_DEF_OBJECTIVE;

    if ((n && n->kind != YAML_MAP && !yaml_is_null(n)) || (type && type->kind != YAML_SCALAR))
        return NULL;
    return hpo_registry_find((const void *const *)objective_registry, name);
}

void config_check_study(struct config_reader *r)
{
    const struct yaml_node *space = yaml_get(r->root, "space");

    check_name(r);
    check_metric(r);
    check_devices(r);
    check_warm_start(r);
    resolve(r, "data.path", &r->c->data.path);
    resolve(r, "data.cache", &r->c->data.cache);
    resolve_sections(r);
    resolve_objective(r);
    if (!r->objective || r->objective->trains)
        check_folds(r);
    if (r->objective && !r->objective->trains && !r->partial &&
        (!space || yaml_is_null(space) || (space->kind == YAML_MAP && !space->n)))
        config_mistake(r, space ? space : r->root,
                       "space is missing: what objective.type %s is tried with",
                       r->objective->plugin.name);
}

static void check_pruner(struct config_reader *r, bool fine)
{
    struct pruner p = {.ops = r->c->pruner.ops,
                       .priv = r->c->pruner.priv,
                       .maximize = r->c->study.direction == 1,
                       .study = r->c->study.name,
                       .folds = 1};
    int rung = 0;
    struct hpo_err why;

    if (!p.ops || !p.ops->check)
        return;
    do {
        if (fine) /* else nobody knows of steps */
            p = study_config_pruner(study_config_rung(r->c, rung));
        if (p.ops->check(&p, &why)) {
            if (rung)
                hpo_fail_at(&why, "on rung %d", rung);
            config_mistake(r, place(r, "pruner"), "pruner: %s", why.msg);
            return;
        }
    } while (++rung < r->c->n_rungs);
}

/* "run: the first word ..." is said where `run` stands. */
static void check_objective(struct config_reader *r)
{
    const struct hpo_opt *opts = r->objective->plugin.opts;
    const struct yaml_node *at = place(r, "objective");
    struct hpo_err why;
    const char *key;

    if (!r->objective->check || !r->objective->check(r->c, &why))
        return;
    key = arena_strndup(r->a, why.msg, strcspn(why.msg, ":"));
    if (!hpo_opt_find(opts, key)) {
        config_mistake(r, at, "objective: %s", why.msg);
        return;
    }
    if (yaml_get(at, key))
        at = yaml_get(at, key);
    config_mistake(r, at, "objective.%s", why.msg);
}

void config_check_parts(struct config_reader *r, bool fine)
{
    check_pruner(r, fine);
    if (fine)
        check_objective(r);
}
