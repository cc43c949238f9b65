#include <math.h>
#include <string.h>

#include "base/json.h"
#include "hpo/storage/columns.h"

static const char *const classes[] = {
    [HPO_PARAM_FLOAT] = "FloatDistribution",
    [HPO_PARAM_INT] = "IntDistribution",
    [HPO_PARAM_CATEGORICAL] = "CategoricalDistribution",
};

/* A float stays one in JSON ("1.0"): Python would make an int of "1". */
static void add_float(double v, struct str *ret)
{
    char buf[HPO_DOUBLE_TEXT];

    str_add(ret, str_double(buf, v));
    if (!strpbrk(buf, ".en"))
        str_add(ret, ".0");
}

static void add_choice(const struct hpo_choice *c, struct str *ret)
{
    int64_t i;
    double d;

    switch (c->kind) {
    case HPO_CHOICE_INT:
        if (str_to_int(c->text, &i)) {
            str_addf(ret, "%lld", (long long)i);
            return;
        }
        break;
    case HPO_CHOICE_REAL:
        if (str_to_double(c->text, &d)) {
            add_float(d, ret);
            return;
        }
        break;
    case HPO_CHOICE_BOOL:
        str_add(ret, c->text[0] == 't' ? "true" : "false");
        return;
    case HPO_CHOICE_NULL:
        str_add(ret, "null");
        return;
    case HPO_CHOICE_STR:
        break;
    }
    column_json_string(c->text, ret);
}

void distribution_write(const struct hpo_param *p, struct str *ret)
{
    str_addf(ret, "{\"name\": \"%s\", \"attributes\": {", classes[p->kind]);
    switch (p->kind) {
    case HPO_PARAM_FLOAT:
        str_add(ret, "\"step\": ");
        if (p->step > 0)
            add_float(p->step, ret);
        else
            str_add(ret, "null");
        str_add(ret, ", \"low\": ");
        add_float(p->low, ret);
        str_add(ret, ", \"high\": ");
        add_float(p->high, ret);
        str_addf(ret, ", \"log\": %s}}", p->log ? "true" : "false");
        return;
    case HPO_PARAM_INT:
        str_addf(ret, "\"log\": %s, \"step\": %.0f, \"low\": %.0f, \"high\": %.0f}}",
                 p->log ? "true" : "false", p->step > 0 ? p->step : 1.0, p->low + 0.0,
                 p->high + 0.0); /* no "-0" */
        return;
    case HPO_PARAM_CATEGORICAL:
        str_add(ret, "\"choices\": [");
        for (int i = 0; i < p->n_choices; i++) {
            str_add(ret, i ? ", " : "");
            add_choice(&p->choices[i], ret);
        }
        str_add(ret, "]}}");
        return;
    }
}

static bool same_choice(const struct hpo_choice *c, const cJSON *j)
{
    double d;

    switch (c->kind) {
    case HPO_CHOICE_STR:
        return cJSON_IsString(j) && !strcmp(j->valuestring, c->text);
    case HPO_CHOICE_INT:
    case HPO_CHOICE_REAL:
        return cJSON_IsNumber(j) && str_to_double(c->text, &d) && d == j->valuedouble;
    case HPO_CHOICE_BOOL:
        return c->text[0] == 't' ? cJSON_IsTrue(j) : cJSON_IsFalse(j);
    case HPO_CHOICE_NULL:
        return cJSON_IsNull(j);
    }
    return false;
}

static bool same_choices(const struct hpo_param *p, const cJSON *choices)
{
    const cJSON *j;
    int i = 0;

    if (!cJSON_IsArray(choices))
        return false;
    cJSON_ArrayForEach(j, choices)
    {
        if (i >= p->n_choices || !same_choice(&p->choices[i], j))
            return false;
        i++;
    }
    return i == p->n_choices;
}

bool distribution_compatible(const struct hpo_param *p, const char *json, size_t n)
{
    cJSON *j = json_parse(json, n);
    const char *name = j ? json_get_string(j, "name") : NULL;
    const cJSON *attributes = j ? cJSON_GetObjectItemCaseSensitive(j, "attributes") : NULL;
    bool ok = name && !strcmp(name, classes[p->kind]) && cJSON_IsObject(attributes);

    if (ok && p->kind == HPO_PARAM_CATEGORICAL)
        ok = same_choices(p, cJSON_GetObjectItemCaseSensitive(attributes, "choices"));
    else if (ok) /* an absent "log" is its default, false */
        ok = p->log == cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(attributes, "log"));
    cJSON_Delete(j);
    return ok;
}

bool distribution_contains(const struct hpo_param *p, double v)
{
    double k;

    if (!(v >= p->low && v <= p->high))
        return false;
    if (p->kind == HPO_PARAM_CATEGORICAL)
        return v == floor(v) && v >= 0 && v < p->n_choices;
    if (p->kind == HPO_PARAM_INT && v != floor(v))
        return false;
    if (p->log || p->step <= 0)
        return true;
    k = (v - p->low) / p->step;
    return fabs(k - round(k)) < 1e-8; /* Optuna's tolerance */
}
