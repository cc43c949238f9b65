/* `space:` read as it stands: kinds, bounds and choices, without a look at what they search. */
#include <math.h>
#include <string.h>

#include "hpo/config_impl.h"

#define MAX_PARAMS 1000
#define MAX_CHOICES 1000
#define MAX_WHOLE 9007199254740992.0 /* 2^53: whole numbers beyond are not all doubles */

int config_space_find(const struct hpo_space *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->params[i].name, name))
            return i;
    return -1;
}

/* Numbers are kept in a form that is JSON as well. */
struct hpo_choice config_choice(const struct yaml_node *n, struct arena *a)
{
    char buf[HPO_DOUBLE_TEXT];
    int64_t i;
    double v;

    if (n->quoted)
        return (struct hpo_choice){HPO_CHOICE_STR, n->text};
    if (yaml_is_null(n))
        return (struct hpo_choice){HPO_CHOICE_NULL, "null"};
    if (!strcmp(n->text, "true") || !strcmp(n->text, "false"))
        return (struct hpo_choice){HPO_CHOICE_BOOL, n->text};
    if (str_to_int(n->text, &i))
        return (struct hpo_choice){HPO_CHOICE_INT, arena_printf(a, "%lld", (long long)i)};
    if (str_to_double(n->text, &v)) {
        bool looks_whole = !strpbrk(str_double(buf, v), ".e");

        return (struct hpo_choice){HPO_CHOICE_REAL,
                                   arena_printf(a, "%s%s", buf, looks_whole ? ".0" : "")};
    }
    return (struct hpo_choice){HPO_CHOICE_STR, n->text};
}

static bool is_number(const struct hpo_choice *c)
{
    return c->kind == HPO_CHOICE_INT || c->kind == HPO_CHOICE_REAL;
}

bool config_choice_equal(const struct hpo_choice *a, const struct hpo_choice *b)
{
    double x, y;

    if (is_number(a) && is_number(b) && str_to_double(a->text, &x) && str_to_double(b->text, &y))
        return x == y;
    return a->kind == b->kind && !strcmp(a->text, b->text);
}

/* A number of the distribution; *ok turns false when it is there but wrong. */
static bool get_number(struct config_reader *r, struct yaml_node *n, const char *key, bool whole,
                       double *ret, bool *ok)
{
    const char *need = whole ? "a whole number" : "a number";
    double v;
    int64_t i;

    if (!n)
        return false;
    if (n->kind != YAML_SCALAR)
        config_mistake(r, n, "%s: %s stands here: %s is needed", key, config_kind_name(n), need);
    else if (n->quoted)
        config_mistake(r, n, "%s: '%s' in quotes is a text: %s is needed", key,
                       config_show(r->a, n->text), need);
    else if (whole ? !str_to_int(n->text, &i) : !str_to_double(n->text, &v))
        config_mistake(r, n, "%s: '%s' is not %s", key, config_show(r->a, n->text), need);
    else if (whole && fabs((double)i) > MAX_WHOLE)
        config_mistake(r, n, "%s: '%s' is too large", key, config_show(r->a, n->text));
    else {
        *ret = whole ? (double)i : v;
        return true;
    }
    *ok = false;
    return false;
}

static bool get_log(struct config_reader *r, struct yaml_node *n, bool *ok)
{
    if (!n)
        return false;
    if (n->kind == YAML_SCALAR && !n->quoted &&
        (!strcmp(n->text, "true") || !strcmp(n->text, "false")))
        return *n->text == 't';
    config_mistake(r, n, "log: true or false is needed");
    *ok = false;
    return false;
}

/* What the numbers must be to one another. */
static bool check_bounds(struct config_reader *r, const struct draft *d, const struct hpo_param *p,
                         bool has_step)
{
    const struct yaml_node *step = yaml_get(d->node, "step");

    if (p->low > p->high)
        config_mistake(r, d->low, "low is above high: %s, %s", config_show(r->a, d->low->text),
                       config_show(r->a, d->high->text));
    else if (!isfinite(p->high - p->low))
        config_mistake(r, d->high, "low and high are too far apart");
    else if (p->log && p->low <= 0)
        config_mistake(r, d->low, "low must be above 0 with log, and is %s",
                       config_show(r->a, d->low->text));
    else if (has_step && p->step <= 0)
        config_mistake(r, step, "step must be above 0, and is %s", config_show(r->a, step->text));
    else if (has_step && p->log && !(p->kind == HPO_PARAM_INT && p->step == 1))
        config_mistake(r, step, "step and log exclude each other");
    else if (has_step && (p->high - p->low) / p->step > MAX_WHOLE)
        config_mistake(r, step, "step is too small for the way from low to high");
    else
        return true;
    return false;
}

static void read_numeric(struct config_reader *r, struct draft *d, struct hpo_param *p)
{
    bool whole = p->kind == HPO_PARAM_INT, has_step, ok = true;

    d->low = yaml_get(d->node, "low");
    d->high = yaml_get(d->node, "high");
    for (int i = 0; i < 2; i++) {
        if (i ? d->high : d->low)
            continue;
        config_mistake(r, d->key, "'%s' has no %s: {type, low, high} are needed", p->name,
                       i ? "high" : "low");
        ok = false;
    }
    get_number(r, d->low, "low", whole, &p->low, &ok);
    get_number(r, d->high, "high", whole, &p->high, &ok);
    has_step = get_number(r, yaml_get(d->node, "step"), "step", whole, &p->step, &ok);
    p->log = get_log(r, yaml_get(d->node, "log"), &ok);
    d->ok = ok && check_bounds(r, d, p, has_step);
    if (whole && !has_step)
        p->step = 1;
    if (d->ok && p->step > 0 && !p->log)
        p->high = hpo_grid_high(p->low, p->high, p->step);
}

static void read_choices(struct config_reader *r, struct draft *d, struct hpo_param *p)
{
    struct yaml_node *list = yaml_get(d->node, "choices");
    struct hpo_choice *choice;

    if (!list) {
        config_mistake(r, d->key,
                       "'%s' has no choices: {type: categorical, choices: [...]} is "
                       "needed",
                       p->name);
        return;
    }
    if (list->kind != YAML_SEQ || list->n == 0 || list->n > MAX_CHOICES) {
        config_mistake(r, list, "choices: a list of 1 to %d values is needed", MAX_CHOICES);
        return;
    }
    d->ok = true;
    d->choices = list->val;
    choice = ARENA_ARRAY(r->a, struct hpo_choice, list->n);
    for (int i = 0; i < list->n; i++) {
        if (list->val[i]->kind != YAML_SCALAR) {
            config_mistake(r, list->val[i], "choices: %s stands here: single values are needed",
                           config_kind_name(list->val[i]));
            d->ok = false;
            choice[i] = (struct hpo_choice){HPO_CHOICE_NULL, "null"};
            continue;
        }
        choice[i] = config_choice(list->val[i], r->a);
        for (int k = 0; k < i; k++) {
            if (list->val[k]->kind == YAML_SCALAR && config_choice_equal(&choice[i], &choice[k])) {
                config_mistake(r, list->val[i], "choices: '%s' stands here a second time",
                               config_show(r->a, choice[i].text));
                d->ok = false;
                break;
            }
        }
    }
    p->choices = choice;
    p->n_choices = list->n;
    p->high = list->n - 1;
}

static void check_keys(struct config_reader *r, const struct draft *d, enum hpo_param_kind kind)
{
    static const char *const common[] = {"type", "when"};
    static const char *const numeric[] = {"low", "high", "log", "step"};
    struct words known = {.a = r->a};

    for (size_t i = 0; i < HPO_LEN(common); i++)
        words_add(&known, common[i]);
    if (kind == HPO_PARAM_CATEGORICAL)
        words_add(&known, "choices");
    else
        for (size_t i = 0; i < HPO_LEN(numeric); i++)
            words_add(&known, numeric[i]);
    for (int i = 0; i < d->node->n; i++) {
        const char *key = d->node->key[i]->text;
        bool found = false;

        for (int k = 0; k < known.n; k++)
            found = found || !strcmp(known.w[k], key);
        if (!found)
            config_unknown(r, d->node->key[i], "key", key,
                           kind == HPO_PARAM_CATEGORICAL ? " of a categorical" : " of a number",
                           "known keys", &known);
    }
}

static bool read_kind(struct config_reader *r, struct draft *d, struct hpo_param *p)
{
    static const char *const kinds[] = {"float", "int", "categorical"};
    struct words known = {.a = r->a};

    for (int i = 0; i < 3; i++)
        words_add(&known, kinds[i]);
    d->type = yaml_get(d->node, "type");
    /* {optimizer: {lr: {type: ...}}} is told of when its name is found to be unknown. */
    if (!d->type && config_is_nested(d->node) && !config_target_of(r->c->sections, p->name).section)
        return false;
    if (!d->type) {
        config_mistake(r, d->key, "'%s' has no type: float, int or categorical", p->name);
        return false;
    }
    for (int i = 0; d->type->kind == YAML_SCALAR && i < 3; i++) {
        if (!strcmp(d->type->text, kinds[i])) {
            p->kind = (enum hpo_param_kind)i;
            return true;
        }
    }
    config_unknown(r, d->type, "distribution",
                   d->type->kind == YAML_SCALAR ? d->type->text : config_kind_name(d->type), "",
                   "known", &known);
    return false;
}

void config_read_space(struct config_reader *r)
{
    struct yaml_node *space = yaml_get(r->root, "space");
    int n;

    if (!space || yaml_is_null(space))
        return;
    if (space->kind != YAML_MAP) {
        config_mistake(r, space,
                       "space: %s stands here: a mapping from a dotted path to a "
                       "distribution is needed",
                       config_kind_name(space));
        return;
    }
    n = space->n;
    if (n > MAX_PARAMS) {
        config_mistake(r, space, "space: %d parameters stand here: %d are allowed", n, MAX_PARAMS);
        return;
    }
    r->drafts = ARENA_ARRAY(r->a, struct draft, n);
    r->params = ARENA_ARRAY(r->a, struct hpo_param, n);
    r->c->space = (struct hpo_space){.params = r->params, .n = n};
    for (int i = 0; i < n; i++) {
        struct draft *d = &r->drafts[i];
        struct hpo_param *p = &r->params[i];

        d->key = space->key[i];
        d->node = space->val[i];
        p->name = d->key->text;
        if (d->node->kind != YAML_MAP) {
            config_mistake(r, d->node,
                           "'%s': %s stands here: a distribution such as {type: "
                           "float, low: 0, high: 1} is needed",
                           config_show(r->a, p->name), config_kind_name(d->node));
            continue;
        }
        if (!read_kind(r, d, p))
            continue;
        check_keys(r, d, p->kind);
        if (p->kind == HPO_PARAM_CATEGORICAL)
            read_choices(r, d, p);
        else
            read_numeric(r, d, p);
        d->when = yaml_get(d->node, "when");
    }
}
