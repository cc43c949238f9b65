#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hpo/config_impl.h"

static const char *folder_of(struct arena *a, const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *folder = !slash          ? "."
                         : slash == file ? "/"
                                         : arena_strndup(a, file, (size_t)(slash - file));
    char *real = realpath(folder, NULL);

    if (real) {
        folder = arena_strdup(a, real);
        free(real);
    }
    return folder;
}

int config_max_epochs(const struct study_config *c)
{
    int i = config_space_find(&c->space, "epochs");
    double most = c->trainer.epochs, v;
    const struct hpo_param *p;

    if (i < 0)
        return c->trainer.epochs;
    p = &c->space.params[i];
    if (p->n_when == 0)
        most = 0;
    if (p->kind != HPO_PARAM_CATEGORICAL)
        most = fmax(most, p->high);
    for (int k = 0; k < p->n_choices; k++)
        if (str_to_double(p->choices[k].text, &v))
            most = fmax(most, v);
    return (int)most;
}

/* The sections that the file can have. */
static const struct hpo_section *sections_here(const struct config_reader *r,
                                               const struct hpo_section *all)
{
    struct hpo_section *ret;
    int n = 0;

    if (!r->objective || r->objective->trains)
        return all;
    while (all[n].path)
        n++;
    ret = ARENA_ARRAY(r->a, struct hpo_section, n + 1);
    n = 0;
    for (; all->path; all++)
        if (!config_space_path(all))
            ret[n++] = *all;
    return ret;
}

static int mistakes(const struct config_reader *r)
{
    return r->d->n + r->d->dropped;
}

/* Everything, in the order that config_impl.h tells. before: the mistakes of other files. */
static void check(struct config_reader *r, int before)
{
    struct study_config *c = r->c;
    bool sound;
    int at;

    config_check_top(r);
    at = mistakes(r);
    config_read_space(r);
    config_read_whens(r);
    sound = mistakes(r) == at;
    for (const struct hpo_section *s = c->sections; s->path; s++)
        config_check_section(r, s);
    config_check_study(r);
    at = mistakes(r);
    config_check_space(r);
    config_finish_space(r);
    if (sound && mistakes(r) == at) /* else it is not known what values there are */
        config_read_enqueue(r);
    if (mistakes(r) == before && r->objective->trains)
        c->max_epochs = config_max_epochs(c);
    config_read_fidelity(r, mistakes(r) == before);
    config_check_parts(r, mistakes(r) == before);
}

/* The tree lives as long as the config; its mistakes live with the others. */
static struct yaml_node *parse_tree(struct config_reader *r, const char *text, size_t n)
{
    struct diags mine = {.arena = r->a};
    struct yaml_node *root = yaml_parse(text, n, r->c->file, &mine);

    for (int i = 0; i < mine.n; i++)
        diag_add(r->d, mine.item[i].file, mine.item[i].line, mine.item[i].column, "%s",
                 mine.item[i].text);
    r->d->dropped += mine.dropped;
    r->partial = root && root->cut;
    return root;
}

int study_config_parse(struct study_config *ret, const char *text, size_t n, const char *file,
                       const char *const *sets, int n_sets, struct diags *diags)
{
    struct config_reader r = {.c = ret, .a = &ret->arena, .d = diags};
    int before = mistakes(&r);

    *ret = (struct study_config){0};
    ret->file = arena_strdup(r.a, file);
    ret->folder = folder_of(r.a, file);
    ret->sections = study_sections(r.a);
    r.root = parse_tree(&r, text, n);
    if (!r.root)
        return HPO_ECONFIG;
    ret->tree = r.root;
    if (r.root->kind != YAML_MAP) {
        config_mistake(&r, r.root,
                       "%s stands here: a study file is a mapping with the keys data, "
                       "trainer, space, ...",
                       config_kind_name(r.root));
        return HPO_ECONFIG;
    }
    config_normalise(ret->sections, r.root, r.a);
    for (int i = 0; i < n_sets; i++)
        config_apply_set(&r, sets[i]);
    r.objective = config_objective(r.root);
    ret->sections = sections_here(&r, ret->sections);
    check(&r, before);
    return mistakes(&r) > before ? HPO_ECONFIG : 0;
}

int study_config_read(struct study_config *ret, const char *path, const char *const *sets,
                      int n_sets, struct diags *diags, struct hpo_err *err)
{
    struct hpo_err why;
    char *text = NULL;
    size_t n;
    int rc = file_read(path, YAML_MAX_BYTES, &text, &n, &why);

    *ret = (struct study_config){0};
    if (rc == HPO_EFORMAT) {
        diag_add(diags, path, 1, 1, "the file is too large: 1 MiB is allowed");
        return HPO_ECONFIG;
    }
    if (rc)
        return hpo_fail(err, rc, "%s", why.msg);
    rc = study_config_parse(ret, text, n, path, sets, n_sets, diags);
    free(text);
    return rc;
}

void study_config_release(struct study_config *c)
{
    arena_release(&c->arena);
    *c = (struct study_config){0};
}
