/* `fidelity`: the rungs of a study, from cheap to expensive, and what the study file says on each
 * of them. */
#include <math.h>
#include <string.h>

#include "hpo/config_impl.h"

#define MAX_RUNGS 16
#define DEF_PROMOTE 0.25

#define N_SETTINGS 4

const char *const config_fidelity_settings[N_SETTINGS + 1] = {"limit", "image_size", "folds.run",
                                                              "epochs", NULL};

struct rung_draft {
    const struct yaml_node *set[N_SETTINGS]; /* NULL: as the study says */
    double promote;
    int explore;
};

/* The setting of a key: `epochs`, or in full `trainer.epochs`. -1: it is none. */
static int setting_of(const struct hpo_section *all, const char *key)
{
    for (int i = 0; i < N_SETTINGS; i++) {
        struct config_target t = config_target_of(all, config_fidelity_settings[i]);
        size_t n = t.section ? strlen(t.section->path) : 0;

        if (!strcmp(key, config_fidelity_settings[i]) ||
            (n && !strncmp(key, t.section->path, n) && key[n] == '.' &&
             !strcmp(key + n + 1, t.key)))
            return i;
    }
    return -1;
}

static void unknown_key(struct config_reader *r, const struct yaml_node *key)
{
    struct words known = {.a = r->a};

    for (int i = 0; i < N_SETTINGS; i++)
        words_add(&known, config_fidelity_settings[i]);
    words_add(&known, "promote");
    words_add(&known, "explore");
    config_unknown(r, key, "key", key->text, " in fidelity", "known", &known);
}

static void read_promote(struct config_reader *r, const struct yaml_node *n, struct rung_draft *d)
{
    double v;

    if (n->kind != YAML_SCALAR || n->quoted || !str_to_double(n->text, &v) || !(v > 0) || v > 1e7 ||
        (v >= 1 && v != floor(v)))
        config_mistake(r, n,
                       "fidelity: promote: a share above 0 and below 1, or a whole number of "
                       "trials from 1, is needed");
    else
        d->promote = v;
}

static void read_explore(struct config_reader *r, const struct yaml_node *n, struct rung_draft *d)
{
    int64_t v;

    if (n->kind != YAML_SCALAR || n->quoted || !str_to_int(n->text, &v) || v < 0 || v > 10000000)
        config_mistake(r, n, "fidelity: explore: a whole number of trials from 0 is needed");
    else
        d->explore = (int)v;
}

static void read_setting(struct config_reader *r, int i, const struct yaml_node *key,
                         const struct yaml_node *n, struct rung_draft *d)
{
    struct config_target t = config_target_of(r->c->sections, config_fidelity_settings[i]);

    if (d->set[i]) {
        config_mistake(r, key, "fidelity: %s is said twice", config_fidelity_settings[i]);
        return;
    }
    if (config_space_find(&r->c->space, config_fidelity_settings[i]) >= 0) {
        config_mistake(r, key, "fidelity: %s is searched in `space`: a rung cannot say what it is",
                       config_fidelity_settings[i]);
        return;
    }
    d->set[i] = n;
    config_check_option(r, t.section->path, hpo_opt_find(t.section->opts, t.key), n, 0);
}

static void read_rung(struct config_reader *r, const struct yaml_node *n, bool last,
                      struct rung_draft *d)
{
    *d = (struct rung_draft){.promote = DEF_PROMOTE};
    if (yaml_is_null(n))
        return;
    if (n->kind != YAML_MAP) {
        config_mistake(r, n, "fidelity: %s stands here: a mapping such as {epochs: 3} is needed",
                       config_kind_name(n));
        return;
    }
    for (int i = 0; i < n->n; i++) {
        const char *key = n->key[i]->text;
        bool onward = !strcmp(key, "promote") || !strcmp(key, "explore");
        int k = setting_of(r->c->sections, key);

        if (k >= 0)
            read_setting(r, k, n->key[i], n->val[i], d);
        else if (onward && last)
            config_mistake(r, n->key[i], "fidelity: %s: nothing comes after the last rung", key);
        else if (onward && *key == 'p')
            read_promote(r, n->val[i], d);
        else if (onward)
            read_explore(r, n->val[i], d);
        else
            unknown_key(r, n->key[i]);
    }
}

/* ---------------------------------------------------------------- the study on a rung */

/* A mapping of the tree that may be changed: the others go on to share theirs. */
static struct yaml_node *own_map(struct arena *a, struct yaml_node *parent, const char *key)
{
    const struct yaml_node *was = yaml_get(parent, key);
    struct yaml_node *map = yaml_new_map(a);

    for (int i = 0; was && was->kind == YAML_MAP && i < was->n; i++)
        yaml_append_pair(a, map, was->key[i], was->val[i]);
    yaml_put(a, parent, key, map);
    return map;
}

/* The file's pairs without `fidelity`, with what the rung sets in place. */
static struct yaml_node *rung_tree(struct config_reader *r, const struct rung_draft *d)
{
    struct yaml_node *root = yaml_new_map(r->a), *data, *folds, *trainer;

    for (int i = 0; i < r->root->n; i++)
        if (strcmp(r->root->key[i]->text, "fidelity"))
            yaml_append_pair(r->a, root, r->root->key[i], r->root->val[i]);
    data = own_map(r->a, root, "data");
    folds = own_map(r->a, data, "folds");
    trainer = own_map(r->a, root, "trainer");
    for (int i = 0; i < N_SETTINGS; i++) {
        struct config_target t = config_target_of(r->c->sections, config_fidelity_settings[i]);

        if (d->set[i])
            yaml_put(r->a,
                     !strcmp(t.section->path, "data")         ? data
                     : !strcmp(t.section->path, "data.folds") ? folds
                                                              : trainer,
                     t.key, yaml_clone(r->a, d->set[i]));
    }
    return root;
}

static struct study_config *rung_config(struct config_reader *r, const struct rung_draft *d)
{
    struct study_config *c = arena_dup(r->a, r->c, sizeof(*r->c));

    /* What it points to is the study's own; the arena stays with the study. */
    c->arena = (struct arena){0};
    c->rungs = NULL;
    c->n_rungs = 0;
    c->tree = rung_tree(r, d);
    for (int i = 0; i < N_SETTINGS; i++) {
        struct config_target t = config_target_of(r->c->sections, config_fidelity_settings[i]);

        if (d->set[i])
            config_set(hpo_opt_find(t.section->opts, t.key), (char *)c + t.section->offset,
                       d->set[i], r->a, NULL);
    }
    c->max_epochs = config_max_epochs(c);
    return c;
}

/* "epochs 3, limit 2000": what sets it apart, for people. */
static const char *rung_says(struct config_reader *r, const struct rung_draft *d)
{
    struct str s = {0};
    const char *ret;

    for (int i = 0; i < N_SETTINGS; i++)
        if (d->set[i])
            str_addf(&s, "%s%s %s", s.n ? ", " : "", config_fidelity_settings[i], d->set[i]->text);
    ret = s.n ? arena_strdup(r->a, str_c(&s)) : "the study as it is written";
    str_release(&s);
    return ret;
}

static bool same_settings(const struct study_config *a, const struct study_config *b)
{
    return a->data.limit == b->data.limit && a->data.image_size == b->data.image_size &&
           study_config_folds_run(a) == study_config_folds_run(b) && a->trainer.epochs == b->trainer.epochs;
}

static void make_rungs(struct config_reader *r, const struct yaml_node *list,
                       const struct rung_draft *d)
{
    struct study_rung *rungs = ARENA_ARRAY(r->a, struct study_rung, list->n);

    for (int i = 0; i < list->n; i++) {
        struct study_config *c = rung_config(r, &d[i]);

        rungs[i] = (struct study_rung){c, d[i].promote, d[i].explore, rung_says(r, &d[i])};
        if (!c->folds.auto_k && c->folds.run > study_config_folds(c))
            config_mistake(r, d[i].set[2] ? d[i].set[2] : list->val[i],
                           "fidelity: folds.run: %d is more than the %d folds there are",
                           c->folds.run, study_config_folds(c));
        if (i && same_settings(c, rungs[i - 1].config))
            config_mistake(r, list->val[i],
                           "fidelity: rung %d is the same as rung %d: nothing would be learnt", i,
                           i - 1);
    }
    r->c->rungs = rungs;
    r->c->n_rungs = list->n;
}

void config_read_fidelity(struct config_reader *r, bool fine)
{
    const struct yaml_node *list = yaml_get(r->root, "fidelity");
    int before = r->d->n + r->d->dropped;
    struct rung_draft *d;

    /* Beside an objective that trains nothing, the key itself is the mistake. */
    if (!list || yaml_is_null(list) || !r->objective || !r->objective->trains)
        return;
    if (list->kind != YAML_SEQ || list->n < 2 || list->n > MAX_RUNGS) {
        config_mistake(r, list,
                       "fidelity: a list of 2 to %d rungs is needed, from cheap to expensive, such "
                       "as [{epochs: 3, promote: 0.25}, {}]",
                       MAX_RUNGS);
        return;
    }
    d = ARENA_ARRAY(r->a, struct rung_draft, list->n);
    for (int i = 0; i < list->n; i++)
        read_rung(r, list->val[i], i == list->n - 1, &d[i]);
    if (fine && r->d->n + r->d->dropped == before)
        make_rungs(r, list, d);
}

const struct study_config *study_config_rung(const struct study_config *c, int rung)
{
    return rung >= 0 && rung < c->n_rungs ? c->rungs[rung].config : c;
}

int study_rung_quota(const struct study_rung *r, int finished)
{
    /* A share as people write it: 0.29 of 100 are 29. */
    double n = r->promote < 1 ? fmax(1, floor(r->promote * finished + 1e-9)) : r->promote;

    return n < finished ? (int)n : finished;
}

/* ---------------------------------------------------------------- writing it down */

/* The values that set a rung apart, as options of the study. */
static void put_settings(const struct study_config *c, const struct study_config *rung,
                         struct yaml_node *ret, struct arena *a)
{
    for (int i = 0; i < N_SETTINGS; i++) {
        struct config_target t = config_target_of(c->sections, config_fidelity_settings[i]);
        const struct hpo_opt *o = hpo_opt_find(t.section->opts, t.key);
        const char *was = hpo_opt_get(o, (const char *)c + t.section->offset, a);
        const char *is = hpo_opt_get(o, (const char *)rung + t.section->offset, a);

        if (strcmp(was, is))
            yaml_put(a, ret, config_fidelity_settings[i], yaml_new_scalar(a, is));
    }
}

struct yaml_node *config_fidelity_node(const struct study_config *c, struct arena *a)
{
    struct yaml_node *ret = yaml_new_seq(a);
    char buf[HPO_DOUBLE_TEXT];

    for (int i = 0; i < c->n_rungs; i++) {
        const struct study_rung *rung = &c->rungs[i];
        struct yaml_node *n = yaml_new_map(a);

        put_settings(c, rung->config, n, a);
        if (i < c->n_rungs - 1) {
            yaml_put(a, n, "promote",
                     yaml_new_scalar(a, config_number_text(str_double(buf, rung->promote), a)));
            yaml_put(a, n, "explore", yaml_new_scalar(a, arena_printf(a, "%d", rung->explore)));
        }
        yaml_append(a, ret, n);
    }
    return ret;
}

void config_identify_fidelity(const struct study_config *c, struct str *ret)
{
    struct arena a = {0};
    struct yaml_node *list = config_fidelity_node(c, &a);

    for (int i = 0; i < list->n; i++) {
        const struct yaml_node *n = list->val[i];
        bool any = false;

        /* Each key of its own: a message shows what has changed. */
        for (int k = 0; k < n->n; k++) {
            any = true;
            str_addf(ret, "fidelity.%d.%s: %s\n", i, n->key[k]->text, n->val[k]->text);
        }
        if (!any)
            str_addf(ret, "fidelity.%d: the study as it is written\n", i);
    }
    arena_release(&a);
}
