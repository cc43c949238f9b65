/* Conditions: which parameters are active, given the values of others. */
#include <math.h>
#include <string.h>

#include "hpo/config_impl.h"

#define MAX_VALUES 1000

void config_add_when(struct config_reader *r, int param, struct hpo_when when)
{
    struct hpo_param *p = &r->params[param];
    struct hpo_when *w = ARENA_ARRAY(r->a, struct hpo_when, p->n_when + 1);

    if (p->n_when)
        memcpy(w, p->when, sizeof(*w) * (size_t)p->n_when);
    w[p->n_when++] = when;
    p->when = w;
}

/* The value in the parent's internal representation; false after a mistake. */
static bool value_of(struct config_reader *r, const struct hpo_param *parent,
                     const struct yaml_node *n, double *ret)
{
    struct hpo_choice c;
    int64_t v;

    if (n->kind != YAML_SCALAR) {
        config_mistake(r, n, "when: %s stands here: a value of '%s', or a list of them, is needed",
                       config_kind_name(n), parent->name);
        return false;
    }
    c = config_choice(n, r->a);
    if (parent->kind == HPO_PARAM_CATEGORICAL) {
        struct words known = {.a = r->a};

        for (int i = 0; i < parent->n_choices; i++) {
            if (config_choice_equal(&parent->choices[i], &c)) {
                *ret = i;
                return true;
            }
            words_add(&known, config_show(r->a, parent->choices[i].text));
        }
        config_unknown(r, n, "choice", n->text, arena_printf(r->a, " of %s", parent->name),
                       "its choices", &known);
        return false;
    }
    if (c.kind != HPO_CHOICE_INT || !str_to_int(n->text, &v) || (double)v < parent->low ||
        (double)v > parent->high || fmod((double)v - parent->low, parent->step) != 0) {
        char lo[HPO_DOUBLE_TEXT], hi[HPO_DOUBLE_TEXT], step[HPO_DOUBLE_TEXT];

        config_mistake(r, n,
                       "when: '%s' is no value of '%s', which goes from %s to %s in steps "
                       "of %s",
                       config_show(r->a, n->text), parent->name, str_double(lo, parent->low),
                       str_double(hi, parent->high), str_double(step, parent->step));
        return false;
    }
    *ret = (double)v;
    return true;
}

static void read_condition(struct config_reader *r, int param, const struct yaml_node *key,
                           struct yaml_node *val)
{
    int parent = config_space_find(&r->c->space, key->text);
    struct yaml_node **item = val->kind == YAML_SEQ ? val->val : &val;
    int n = val->kind == YAML_SEQ ? val->n : 1, n_values = 0;
    double *values;

    if (parent < 0) {
        struct words known = {.a = r->a};

        if (r->d->n == DIAG_MAX) {
            r->d->dropped++;
            return;
        }
        for (int i = 0; i < r->c->space.n; i++)
            if (i != param)
                words_add(&known, config_show(r->a, r->params[i].name));
        config_unknown(r, key, "parameter", key->text, "",
                       "when can only name what is searched too", &known);
        return;
    }
    if (!r->drafts[parent].ok)
        return; /* reported already */
    if (r->params[parent].kind == HPO_PARAM_FLOAT) {
        config_mistake(r, key, "when: '%s' is a float: a condition needs a categorical or an int",
                       key->text);
        return;
    }
    if (n == 0 || n > MAX_VALUES) {
        config_mistake(r, val, "when: a list of 1 to %d values is needed", MAX_VALUES);
        return;
    }
    values = ARENA_ARRAY(r->a, double, n);
    for (int i = 0; i < n; i++) {
        bool again = false;
        double v;

        if (!value_of(r, &r->params[parent], item[i], &v))
            continue;
        for (int k = 0; k < n_values && !again; k++)
            again = values[k] == v;
        if (again)
            config_mistake(r, item[i], "when: '%s' stands here a second time",
                           config_show(r->a, item[i]->text));
        else
            values[n_values++] = v;
    }
    if (n_values > 0)
        config_add_when(r, param, (struct hpo_when){parent, n_values, values});
}

void config_read_whens(struct config_reader *r)
{
    for (int i = 0; i < r->c->space.n; i++) {
        struct yaml_node *when = r->drafts[i].when;

        if (!when)
            continue;
        if (when->kind != YAML_MAP || when->n == 0) {
            config_mistake(r, when,
                           "when: a mapping from another parameter to its value or "
                           "values is needed, such as {optimizer.type: sgd}");
            continue;
        }
        for (int k = 0; k < when->n; k++)
            read_condition(r, i, when->key[k], when->val[k]);
    }
}

/* Does `from` depend on `to`? seen: n flags. */
static bool depends(const struct config_reader *r, int from, int to, bool *seen)
{
    const struct hpo_param *p = &r->params[from];

    if (seen[from])
        return false;
    seen[from] = true;
    for (int i = 0; i < p->n_when; i++)
        if (p->when[i].param == to || depends(r, p->when[i].param, to, seen))
            return true;
    return false;
}

void config_finish_space(struct config_reader *r)
{
    struct hpo_space *s = &r->c->space;
    struct hpo_err err;
    int at = -1;

    if (!hpo_space_finish(s, r->a, &err))
        return;
    for (int i = 0; i < s->n && at < 0; i++)
        if (depends(r, i, i, ARENA_ARRAY(r->a, bool, s->n)))
            at = i;
    if (at < 0)
        at = 0;
    config_mistake(r, r->drafts[at].when ? r->drafts[at].when : r->drafts[at].key, "%s", err.msg);
}
