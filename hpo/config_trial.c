/* A configuration: the file's sections with the values of a trial in place. */
#include <math.h>
#include <string.h>

#include "hpo/config_impl.h"

struct yaml_node *config_value_node(const struct hpo_param *p, double v, struct arena *a)
{
    char buf[HPO_DOUBLE_TEXT];
    struct yaml_node *n;

    if (p->kind == HPO_PARAM_CATEGORICAL) {
        const struct hpo_choice *c = &p->choices[(int)v];

        n = yaml_new_scalar(a, c->text);
        n->quoted = c->kind == HPO_CHOICE_STR && yaml_looks_special(c->text);
        return n;
    }
    return yaml_new_scalar(a, p->kind == HPO_PARAM_INT ? arena_printf(a, "%.0f", v)
                                                       : config_number_text(str_double(buf, v), a));
}

struct yaml_node *config_section_map(const struct study_config *c, const struct hpo_section *s,
                                     const double *values, struct arena *a)
{
    const struct yaml_node *file = yaml_get_path(c->tree, s->path);
    struct yaml_node *map = yaml_new_map(a);

    for (int i = 0; file && file->kind == YAML_MAP && i < file->n; i++)
        yaml_append_pair(a, map, file->key[i], file->val[i]);
    for (int i = 0; values && i < c->space.n; i++) {
        const struct hpo_param *p = &c->space.params[i];
        struct config_target t;

        if (isnan(values[i]))
            continue;
        t = config_target_of(c->sections, p->name);
        if (t.section == s)
            yaml_put(a, map, t.key, config_value_node(p, values[i], a));
    }
    return map;
}

const void *config_section_type(const struct study_config *c, const struct hpo_section *s,
                                const struct yaml_node *map, const double *values)
{
    const struct yaml_node *type = yaml_get(map, "type");
    const void *base = ((const struct hpo_part *)((const char *)c + s->offset))->ops;
    const char *head = config_space_path(s);

    /* The file's own type may be one that `space` leaves no room for. */
    for (int i = 0; values && head && i < c->space.n; i++) {
        struct config_target t = config_target_of(c->sections, c->space.params[i].name);

        if (t.section == s && t.is_type && !isnan(values[i]))
            return hpo_registry_find(s->kinds, type->text);
    }
    return base;
}

int study_config_trial(const struct study_config *c, const double *values, struct arena *a,
                       struct trial_config *ret, struct hpo_err *err)
{
    struct study_config bound = {0};
    int rc = 0;

    if (!hpo_space_contains(&c->space, values))
        return hpo_fail(err, HPO_ECONFIG, "the values do not lie in the study's space");
    for (const struct hpo_section *s = c->sections; !rc && s->path; s++) {
        const char *head = config_space_path(s);
        char *field = (char *)&bound + s->offset;
        struct hpo_err why = {0};
        struct yaml_node *map;

        if (!head)
            continue;
        map = config_section_map(c, s, values, a);
        rc = config_bind(s->opts, field, map, a, &why);
        if (s->kinds && !rc) {
            struct hpo_part *part = (struct hpo_part *)field;
            const struct hpo_plugin *p;

            part->ops = config_section_type(c, s, map, values);
            p = hpo_plugin_of(part->ops);
            part->priv = arena_alloc(a, p->priv_size ? p->priv_size : 1);
            rc = config_bind(p->opts, part->priv, map, a, &why);
        }
        if (rc)
            rc = hpo_fail(err, rc, "%s.%s", s->path, why.msg);
    }
    if (rc)
        return rc;
    ret->trainer = bound.trainer;
    ret->image_size = bound.data.image_size;
    return 0;
}

struct pruner study_config_pruner(const struct study_config *c)
{
    const struct objective_ops *objective = c->objective.ops;
    struct pruner p = {
        .ops = c->pruner.ops,
        .priv = c->pruner.priv,
        .maximize = c->study.direction == 1,
        .study = c->study.name,
        .folds = 1,
    };

    objective->steps(c, &p.folds, &p.fold_steps);
    return p;
}
