/* `study.enqueue`: the configurations that are tried before the sampler is asked. */
#include <math.h>
#include <string.h>

#include "hpo/config_impl.h"

#define MAX_ROWS 10000

static void unknown_param(struct config_reader *r, const struct yaml_node *key)
{
    struct words known = {.a = r->a};

    if (r->d->n == DIAG_MAX) {
        r->d->dropped++;
        return;
    }
    for (int i = 0; i < r->c->space.n; i++)
        words_add(&known, r->params[i].name);
    config_unknown(r, key, "parameter", key->text, " in study.enqueue", "searched", &known);
}

static void read_value(struct config_reader *r, const struct yaml_node *key,
                       const struct yaml_node *val, double *values)
{
    int i = config_space_find(&r->c->space, key->text);
    struct hpo_choice text;
    struct hpo_err why;

    if (i < 0) {
        unknown_param(r, key);
        return;
    }
    if (val->kind != YAML_SCALAR) {
        config_mistake(r, val, "study.enqueue: %s stands here: a value of '%s' is needed",
                       config_kind_name(val), r->params[i].name);
        return;
    }
    text = config_choice(val, r->a);
    if (config_value(&r->params[i], &text, r->a, &values[i], &why))
        config_mistake(r, val, "study.enqueue: %s: %s", r->params[i].name, why.msg);
}

static void read_row(struct config_reader *r, const struct yaml_node *row, double *values)
{
    int before = r->d->n + r->d->dropped, param;
    const struct yaml_node *at;
    struct hpo_err why;

    for (int i = 0; i < r->c->space.n; i++)
        values[i] = NAN;
    if (row->kind != YAML_MAP || !row->n) {
        config_mistake(
            r, row, "study.enqueue: %s stands here: a mapping such as {%s: ...} is needed",
            row->kind == YAML_MAP ? "an empty mapping" : config_kind_name(row), r->params[0].name);
        return;
    }
    for (int i = 0; i < row->n; i++)
        read_value(r, row->key[i], row->val[i], values);
    if (r->d->n + r->d->dropped > before || !config_complete(&r->c->space, values, &param, &why))
        return;
    at = yaml_get(row, r->params[param].name);
    config_mistake(r, at ? at : row, "study.enqueue: %s", why.msg);
}

void config_read_enqueue(struct config_reader *r)
{
    const struct yaml_node *list = yaml_get_path(r->root, "study.enqueue");
    int n_params = r->c->space.n;
    double *values;

    if (!list || yaml_is_null(list))
        return;
    if (list->kind != YAML_SEQ) {
        config_mistake(r, list,
                       "study.enqueue: %s stands here: a list of mappings from parameters to "
                       "values is needed",
                       config_kind_name(list));
        return;
    }
    if (list->n > MAX_ROWS) {
        config_mistake(r, list, "study.enqueue: %d rows stand here: %d are allowed", list->n,
                       MAX_ROWS);
        return;
    }
    if (!list->n)
        return;
    if (!n_params) {
        config_mistake(r, list, "study.enqueue: there is no space, and so nothing to give values");
        return;
    }
    values = ARENA_ARRAY(r->a, double, (size_t)list->n *(size_t)n_params);
    for (int i = 0; i < list->n; i++)
        read_row(r, list->val[i], values + (size_t)i * (size_t)n_params);
    r->c->enqueue = values;
    r->c->n_enqueue = list->n;
}

struct yaml_node *config_enqueue_node(const struct hpo_space *s, const double *rows, int n,
                                      struct arena *a)
{
    struct yaml_node *ret = yaml_new_seq(a);

    for (int i = 0; i < n; i++, rows += s->n) {
        struct yaml_node *row = yaml_new_map(a);

        for (int k = 0; k < s->n; k++)
            if (!isnan(rows[k]))
                yaml_append_pair(a, row, yaml_new_scalar(a, s->params[k].name),
                                 config_value_node(&s->params[k], rows[k], a));
        yaml_append(a, ret, row);
    }
    return ret;
}
