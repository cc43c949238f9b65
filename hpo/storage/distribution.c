#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "hpo/storage/columns.h"

#define CHOICES_MAX 65536 /* that are read; none that we write has near as many */

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

void param_write(const struct hpo_param *p, double v, struct str *ret)
{
    if (p->kind == HPO_PARAM_FLOAT)
        add_float(v, ret);
    else if (p->kind == HPO_PARAM_INT)
        str_addf(ret, "%.0f", v + 0.0); /* no "-0" */
    else if (v >= 0 && v < p->n_choices)
        add_choice(&p->choices[(int)v], ret);
    else
        str_add(ret, "null");
}

/* Where a choice stands now, -1: nowhere. Mostly where it stood before. */
static int find_choice(const struct hpo_param *p, const cJSON *j, int stood)
{
    if (stood < p->n_choices && same_choice(&p->choices[stood], j))
        return stood;
    for (int i = 0; i < p->n_choices; i++)
        if (same_choice(&p->choices[i], j))
            return i;
    return -1;
}

double param_read(const struct hpo_param *p, const cJSON *j)
{
    double v = NAN;

    if (p->kind == HPO_PARAM_CATEGORICAL) {
        int i = find_choice(p, j, 0);

        return i < 0 ? NAN : i;
    }
    if (cJSON_IsNumber(j))
        v = j->valuedouble;
    return distribution_contains(p, v) ? v : NAN;
}

static bool read_choices(const struct hpo_param *p, const cJSON *choices, struct distribution *ret)
{
    const cJSON *j;
    int n = 0;

    if (!cJSON_IsArray(choices) || cJSON_GetArraySize(choices) > CHOICES_MAX)
        return false;
    ret->choice = xcalloc((size_t)cJSON_GetArraySize(choices) + 1, sizeof(*ret->choice));
    cJSON_ArrayForEach(j, choices)
    {
        ret->choice[n] = find_choice(p, j, n);
        n++;
    }
    ret->n = n;
    return true;
}

void distribution_read(const struct hpo_param *p, const char *json, size_t n,
                       struct distribution *ret)
{
    cJSON *j = json_parse(json, n);
    const char *name = j ? json_get_string(j, "name") : NULL;
    const cJSON *attributes = j ? cJSON_GetObjectItemCaseSensitive(j, "attributes") : NULL;
    bool ok = name && !strcmp(name, classes[p->kind]) && cJSON_IsObject(attributes);

    *ret = (struct distribution){0};
    if (ok && p->kind == HPO_PARAM_CATEGORICAL)
        ok = read_choices(p, cJSON_GetObjectItemCaseSensitive(attributes, "choices"), ret);
    else if (ok) /* an absent "log" is its default, false */
        ok = p->log == cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(attributes, "log"));
    ret->compatible = ok;
    cJSON_Delete(j);
}

void distribution_release(struct distribution *d)
{
    free(d->choice);
    *d = (struct distribution){0};
}

double distribution_value(const struct hpo_param *p, const struct distribution *d, double stored)
{
    if (!d->compatible)
        return NAN;
    if (p->kind == HPO_PARAM_CATEGORICAL) {
        if (!(stored >= 0 && stored < d->n) || stored != floor(stored))
            return NAN;
        stored = d->choice[(int)stored];
    }
    return distribution_contains(p, stored) ? stored : NAN;
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
