/* The sections of the file against their tables. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/config_impl.h"
#include "trainer/metric.h"

#define MAX_NAME 128
#define MAX_DEVICES 64

/* If `path` lies directly under `parent` ("" is the top), its last word, else NULL. */
static const char *child_name(const char *parent, const char *path)
{
    size_t n = strlen(parent);

    if (n && (strncmp(path, parent, n) || path[n] != '.'))
        return NULL;
    path += n ? n + 1 : 0;
    return *path && !strchr(path, '.') ? path : NULL;
}

static void add_children(const struct hpo_section *all, const char *parent, struct words *ret)
{
    for (; all->path; all++)
        if (child_name(parent, all->path))
            words_add(ret, child_name(parent, all->path));
}

static bool knows(const struct words *w, const char *word)
{
    for (int i = 0; i < w->n; i++)
        if (!strcmp(w->w[i], word))
            return true;
    return false;
}

/* Unknown keys of a mapping. where: " in trainer" or nothing. */
static void check_keys(struct config_reader *r, const struct yaml_node *map, const char *where,
                       const struct words *known)
{
    for (int i = 0; i < map->n; i++)
        if (!knows(known, map->key[i]->text))
            config_unknown(r, map->key[i], "key", map->key[i]->text, where, "known keys", known);
}

void config_check_top(struct config_reader *r)
{
    struct words known = {.a = r->a};

    add_children(r->c->sections, "", &known);
    words_add(&known, "space");
    check_keys(r, r->root, "", &known);
}

/* A known option's value against each of the tables that have it; one message a value. */
static void check_value(struct config_reader *r, const struct hpo_section *s,
                        const struct config_types *t, const char *key,
                        const struct yaml_node *value)
{
    for (int k = 0; k < (s->kinds ? t->n : 1); k++) {
        const struct hpo_plugin *p = s->kinds ? hpo_plugin_of(t->ops[k]) : NULL;
        const struct hpo_opt *o = hpo_opt_find(p ? p->opts : s->opts, key);
        struct hpo_err why;

        if (!o ||
            !config_set(o, arena_alloc(r->a, p ? p->priv_size : sizeof(*r->c)), value, r->a, &why))
            continue;
        config_mistake(r, value, "%s.%s: %s", s->path, key, why.msg);
        return;
    }
}

static void check_required(struct config_reader *r, const struct hpo_section *s,
                           const struct yaml_node *map)
{
    for (const struct hpo_opt *o = s->opts; o && o->name; o++) {
        if (!(o->flags & HPO_OPT_REQUIRED) || yaml_get(map, o->name) || r->partial)
            continue;
        config_mistake(r, map ? map : r->root, "%s.%s is missing: %s", s->path, o->name, o->help);
    }
}

/* The type that the file or the default names; NULL after a mistake. */
static const void *base_type(struct config_reader *r, const struct hpo_section *s,
                             const struct yaml_node *map)
{
    const struct yaml_node *n = yaml_get(map, "type");
    const char *what = strrchr(s->path, '.') ? strrchr(s->path, '.') + 1 : s->path;
    const char *name = !n ? s->def_type : n->kind == YAML_SCALAR ? n->text : config_kind_name(n);
    const void *ops = hpo_registry_find(s->kinds, name);
    struct words known = {.a = r->a};

    if (!ops) {
        words_add_registry(&known, s->kinds);
        config_unknown(r, n ? n : r->root, what, name, "", "known", &known);
    }
    return ops;
}

static void bind(struct config_reader *r, const struct hpo_section *s, const struct config_types *t,
                 const struct yaml_node *map)
{
    void *field = (char *)r->c + s->offset;

    if (s->kinds && t->base)
        *(struct hpo_part *)field =
            (struct hpo_part){t->base, config_bind_type(t->base, map, r->a)};
    else if (!s->kinds)
        config_bind(s->opts, field, map, r->a, NULL);
}

void config_check_section(struct config_reader *r, const struct hpo_section *s)
{
    struct yaml_node *map = yaml_get_path(r->root, s->path);
    struct words known = {.a = r->a};
    struct config_types t = {.param = -1};
    bool sure = true;

    if (map && yaml_is_null(map))
        map = NULL; /* a section whose keys are all commented out */
    if (map && map->kind != YAML_MAP) {
        config_mistake(r, map, "%s: %s stands here: a mapping is needed", s->path,
                       config_kind_name(map));
        map = NULL;
        sure = false;
    }
    if (s->kinds) {
        const void *base = base_type(r, s, map);

        t = config_types_of(&r->c->space, s, base, r->a);
        sure = sure && base;
    }
    if (s->kinds)
        words_add(&known, "type");
    words_add_options(&known, s->opts);
    for (int i = 0; i < t.n; i++)
        words_add_options(&known, hpo_plugin_of(t.ops[i])->opts);
    add_children(r->c->sections, s->path, &known);
    if (map && sure) { /* of an unknown type no key can be judged */
        check_keys(
            r, map,
            t.n == 1 ? arena_printf(r->a, " in %s of type %s", s->path, hpo_plugin_of(t.base)->name)
                     : arena_printf(r->a, " in %s", s->path),
            &known);
        for (int i = 0; i < map->n; i++)
            check_value(r, s, &t, map->key[i]->text, map->val[i]);
    }
    if (sure)
        check_required(r, s, map);
    bind(r, s, &t, map);
}

/* The node of an option, or the file itself. */
static const struct yaml_node *place(const struct config_reader *r, const char *path)
{
    const struct yaml_node *n = yaml_get_path(r->root, path);

    return n ? n : r->root;
}

static void put_text(struct config_reader *r, const char *path, const char *text)
{
    struct yaml_node *n = yaml_get_path(r->root, path);

    if (n) {
        n->text = text;
    } else {
        n = yaml_new_scalar(r->a, text);
        yaml_put_path(r->a, r->root, path, n);
    }
    n->kind = YAML_SCALAR;
    n->quoted = yaml_looks_special(text);
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

static void check_metric(struct config_reader *r)
{
    const struct yaml_node *direction = yaml_get_path(r->root, "study.direction");
    const char *name = r->c->study.metric_name;
    struct words known = {.a = r->a};
    bool maximize;
    int i = 0;

    while (metric_registry[i] && strcmp(metric_registry[i]->plugin.name, name))
        i++;
    if (!metric_registry[i]) {
        words_add_registry(&known, (const void *const *)metric_registry);
        config_unknown(r, place(r, "study.metric"), "metric", name, "", "known", &known);
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

/* auto, or BACKEND, or BACKEND:INDEX. */
static void check_device(struct config_reader *r, const struct yaml_node *at, const char *word)
{
    size_t n = strcspn(word, ":");
    struct words known = {.a = r->a};
    const char *name = arena_strndup(r->a, word, n);
    int64_t index = 0;

    words_add(&known, "auto");
    words_add_registry(&known, (const void *const *)kn_backend_registry);
    if (!knows(&known, name))
        config_unknown(r, at, "device", word, "", "known in this build", &known);
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

static void check_pruner(struct config_reader *r)
{
    const struct pruner p = study_config_pruner(r->c);
    struct hpo_err why;

    if (p.ops && p.ops->check && p.ops->check(&p, &why))
        config_mistake(r, place(r, "pruner"), "pruner: %s", why.msg);
}

void config_check_study(struct config_reader *r)
{
    const struct folds_opts *f = &r->c->folds;

    check_name(r);
    check_metric(r);
    check_pruner(r);
    check_devices(r);
    resolve(r, "data.path", &r->c->data.path);
    resolve(r, "data.cache", &r->c->data.cache);
    if (f->run > f->k)
        config_mistake(r, place(r, "data.folds.run"),
                       "data.folds.run: %d is more than the %d folds there are", f->run, f->k);
}
