/* Values that a person, or another program, gives a trial: as KEY=VALUE, as JSON, in the file. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "hpo/config_impl.h"

/* ---------------------------------------------------------------- one value */

static const char *choices_text(const struct hpo_param *p, struct arena *a)
{
    struct words w = {.a = a};

    for (int i = 0; i < p->n_choices; i++)
        words_add(&w, config_show(a, p->choices[i].text));
    return words_join(&w);
}

static const char *allowed(const struct hpo_param *p, struct arena *a)
{
    char lo[HPO_DOUBLE_TEXT], hi[HPO_DOUBLE_TEXT], step[HPO_DOUBLE_TEXT];
    bool whole = p->kind == HPO_PARAM_INT;
    const char *ret;

    if (p->kind == HPO_PARAM_CATEGORICAL)
        return arena_printf(a, "one of %s", choices_text(p, a));
    ret = arena_printf(a, "%s from %s to %s", whole ? "a whole number" : "a number",
                       str_double(lo, p->low), str_double(hi, p->high));
    if (p->step > 0 && !(whole && p->step == 1))
        ret = arena_printf(a, "%s in steps of %s", ret, str_double(step, p->step));
    return ret;
}

static int refuse(const struct hpo_param *p, const struct hpo_choice *text, struct arena *a,
                  struct hpo_err *err)
{
    struct words w = {.a = a};
    const char *near;

    for (int i = 0; i < p->n_choices; i++)
        words_add(&w, p->choices[i].text);
    near = str_nearest(text->text, w.w, w.n);
    return hpo_fail(err, HPO_ECONFIG, "'%s' is not allowed here%s%s%s %s",
                    config_show(a, text->text), near ? ", did you mean '" : ":",
                    near ? config_show(a, near) : "", near ? "'?" : "", allowed(p, a));
}

/* By value and type; failing that, by the text alone. -1: there is no such choice. */
static int find_choice(const struct hpo_param *p, const struct hpo_choice *text)
{
    for (int i = 0; i < p->n_choices; i++)
        if (config_choice_equal(&p->choices[i], text))
            return i;
    for (int i = 0; i < p->n_choices; i++)
        if (!strcmp(p->choices[i].text, text->text))
            return i;
    return -1;
}

int config_value(const struct hpo_param *p, const struct hpo_choice *text, struct arena *a,
                 double *ret, struct hpo_err *err)
{
    int64_t whole, k;
    double v;

    if (p->kind == HPO_PARAM_CATEGORICAL) {
        int i = find_choice(p, text);

        if (i < 0)
            return refuse(p, text, a, err);
        *ret = i;
        return 0;
    }
    if (text->kind != HPO_CHOICE_INT && (text->kind != HPO_CHOICE_REAL || p->kind == HPO_PARAM_INT))
        return refuse(p, text, a, err);
    if (p->kind == HPO_PARAM_INT ? !str_to_int(text->text, &whole) : !str_to_double(text->text, &v))
        return refuse(p, text, a, err);
    if (p->kind == HPO_PARAM_INT)
        v = (double)whole;
    if (!(v >= p->low && v <= p->high))
        return refuse(p, text, a, err);
    if (p->step > 0) {
        k = hpo_param_index(p, v);
        if (k < 0)
            return refuse(p, text, a, err);
        v = hpo_param_at(p, k);
    }
    *ret = v;
    return 0;
}

/* ---------------------------------------------------------------- the row */

static const char *when_text(const struct hpo_space *s, const struct hpo_when *w, struct arena *a)
{
    const struct hpo_param *parent = &s->params[w->param];
    char buf[HPO_DOUBLE_TEXT];
    struct words words = {.a = a};

    for (int i = 0; i < w->n_values; i++)
        words_add(&words,
                  arena_strdup(a, config_show(a, hpo_param_text(parent, w->values[i], buf))));
    return words_join(&words);
}

static bool holds(const struct hpo_when *w, double v)
{
    for (int i = 0; i < w->n_values; i++)
        if (w->values[i] == v)
            return true;
    return false;
}

/* The values that parameter i needs. */
static int complete_one(const struct hpo_space *s, int i, double *values, struct hpo_err *err)
{
    struct arena a = {0};
    int rc = 0;

    for (int k = 0; !rc && k < s->params[i].n_when; k++) {
        const struct hpo_when *w = &s->params[i].when[k];
        const struct hpo_param *parent = &s->params[w->param];
        double *v = &values[w->param];
        char buf[HPO_DOUBLE_TEXT];

        if (isnan(*v) && w->n_values == 1)
            *v = w->values[0];
        else if (isnan(*v))
            rc = hpo_fail(err, HPO_ECONFIG, "'%s' is active only when %s is one of %s: say which",
                          s->params[i].name, parent->name, when_text(s, w, &a));
        else if (!holds(w, *v))
            rc =
                hpo_fail(err, HPO_ECONFIG, "'%s' is active only when %s is %s%s, and here it is %s",
                         s->params[i].name, parent->name, w->n_values > 1 ? "one of " : "",
                         when_text(s, w, &a), config_show(&a, hpo_param_text(parent, *v, buf)));
    }
    arena_release(&a);
    return rc;
}

int config_complete(const struct hpo_space *s, double *values, int *ret_param, struct hpo_err *err)
{
    /* Children first: what one asks of its parent, the parent may have to ask of its own. */
    for (int k = s->n - 1; k >= 0; k--) {
        int i = s->order[k];

        if (!isnan(values[i]) && complete_one(s, i, values, err)) {
            *ret_param = i;
            return HPO_ECONFIG;
        }
    }
    return 0;
}

/* A row in the making. */
struct row {
    const struct study_config *c;
    struct arena a;
    double *values;
};

static void row_begin(struct row *r, const struct study_config *c)
{
    *r = (struct row){.c = c};
    r->values = ARENA_ARRAY(&r->a, double, c->space.n + 1);
    for (int i = 0; i < c->space.n; i++)
        r->values[i] = NAN;
}

static int row_put(struct row *r, const char *name, const struct hpo_choice *text,
                   struct hpo_err *err)
{
    const struct hpo_space *s = &r->c->space;
    int i = config_space_find(s, name);
    struct hpo_err why;

    if (i < 0) {
        struct words known = {.a = &r->a};
        const char *near;

        for (int k = 0; k < s->n; k++)
            words_add(&known, s->params[k].name);
        near = str_nearest(name, known.w, known.n);
        return hpo_fail(err, HPO_ECONFIG, "unknown parameter '%s'%s%s%s searched: %s",
                        config_show(&r->a, name), near ? ", did you mean '" : ";", near ? near : "",
                        near ? "'?" : "", words_join(&known));
    }
    if (!isnan(r->values[i]))
        return hpo_fail(err, HPO_ECONFIG, "%s is given a second time", name);
    if (config_value(&s->params[i], text, &r->a, &r->values[i], &why))
        return hpo_fail(err, HPO_ECONFIG, "%s: %s", name, why.msg);
    return 0;
}

/* Takes the row apart; the values come out when rc is 0 and they go together. */
static int row_end(struct row *r, int rc, double *ret_values, struct hpo_err *err)
{
    int param;

    if (!rc)
        rc = config_complete(&r->c->space, r->values, &param, err);
    for (int i = 0; !rc && i < r->c->space.n; i++)
        ret_values[i] = r->values[i];
    arena_release(&r->a);
    return rc;
}

/* ---------------------------------------------------------------- KEY=VALUE */

/* The value is YAML, as in the file: "64" in quotes is a text. */
static int pair_put(struct row *r, const char *pair, struct hpo_err *err)
{
    const char *eq = strchr(pair, '=');
    struct diags d = {.arena = &r->a};
    const struct yaml_node *n;
    struct hpo_choice text;

    if (!eq || eq == pair)
        return hpo_fail(err, HPO_ECONFIG, "'%s': PARAMETER=VALUE is needed",
                        config_show(&r->a, pair));
    n = eq[1] ? yaml_parse(eq + 1, strlen(eq + 1), "", &d) : NULL;
    if (!n || d.n || n->kind != YAML_SCALAR || (yaml_is_null(n) && !*n->text))
        return hpo_fail(err, HPO_ECONFIG, "'%s': a single value is needed behind '='",
                        config_show(&r->a, pair));
    text = config_choice(n, &r->a);
    return row_put(r, arena_strndup(&r->a, pair, (size_t)(eq - pair)), &text, err);
}

int study_config_values(const struct study_config *c, const char *const *pairs, int n,
                        double *ret_values, struct hpo_err *err)
{
    struct row r;
    int rc = 0;

    row_begin(&r, c);
    for (int i = 0; !rc && i < n; i++)
        rc = pair_put(&r, pairs[i], err);
    return row_end(&r, rc, ret_values, err);
}

/* ---------------------------------------------------------------- JSON */

/* In JSON 64 and 64.0 are one number. */
static int json_put(struct row *r, const cJSON *item, struct hpo_err *err)
{
    struct hpo_choice text = {HPO_CHOICE_NULL, "null"};
    char buf[HPO_DOUBLE_TEXT];

    if (cJSON_IsString(item))
        text = (struct hpo_choice){HPO_CHOICE_STR, item->valuestring};
    else if (cJSON_IsBool(item))
        text = (struct hpo_choice){HPO_CHOICE_BOOL, cJSON_IsTrue(item) ? "true" : "false"};
    else if (cJSON_IsNumber(item) && item->valuedouble == floor(item->valuedouble) &&
             fabs(item->valuedouble) < 1e15)
        text = (struct hpo_choice){HPO_CHOICE_INT, arena_printf(&r->a, "%.0f", item->valuedouble)};
    else if (cJSON_IsNumber(item))
        text = (struct hpo_choice){HPO_CHOICE_REAL, str_double(buf, item->valuedouble)};
    else if (!cJSON_IsNull(item))
        return hpo_fail(err, HPO_ECONFIG, "%s: a single value is needed",
                        config_show(&r->a, item->string));
    return row_put(r, item->string, &text, err);
}

int study_config_values_read(const struct study_config *c, const char *json, double *ret_values,
                             struct hpo_err *err)
{
    cJSON *root = json_parse(json, strlen(json));
    struct row r;
    int rc = 0;

    row_begin(&r, c);
    if (!cJSON_IsObject(root))
        rc = hpo_fail(err, HPO_ECONFIG, "'%s' is not JSON such as {\"PARAMETER\": VALUE}",
                      config_show(&r.a, json));
    for (const cJSON *item = rc ? NULL : root->child; !rc && item; item = item->next)
        rc = json_put(&r, item, err);
    rc = row_end(&r, rc, ret_values, err);
    cJSON_Delete(root);
    return rc;
}

static cJSON *choice_json(const struct hpo_choice *c)
{
    double v;

    switch (c->kind) {
    case HPO_CHOICE_INT:
    case HPO_CHOICE_REAL:
        return json_number(str_to_double(c->text, &v) ? v : NAN);
    case HPO_CHOICE_BOOL:
        return cJSON_CreateBool(*c->text == 't');
    case HPO_CHOICE_NULL:
        return cJSON_CreateNull();
    case HPO_CHOICE_STR:
        break;
    }
    return cJSON_CreateString(c->text);
}

void study_config_values_write(const struct study_config *c, const double *values, struct str *ret)
{
    cJSON *root = cJSON_CreateObject();

    for (int i = 0; i < c->space.n; i++) {
        const struct hpo_param *p = &c->space.params[i];

        if (isnan(values[i]))
            continue;
        if (p->kind == HPO_PARAM_CATEGORICAL)
            cJSON_AddItemToObject(root, p->name, choice_json(&p->choices[(int)values[i]]));
        else
            json_put_number(root, p->name, values[i]);
    }
    json_write(root, ret);
    cJSON_Delete(root);
}
