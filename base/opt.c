#include "base/opt.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

const struct hpo_opt *hpo_opt_find(const struct hpo_opt *opts, const char *name)
{
    for (; opts && opts->name; opts++)
        if (!strcmp(opts->name, name))
            return opts;
    return NULL;
}

const void *hpo_registry_find(const void *const *registry, const char *name)
{
    for (; *registry; registry++)
        if (!strcmp(hpo_plugin_of(*registry)->name, name))
            return *registry;
    return NULL;
}

static bool bounded(const struct hpo_opt *o)
{
    return o->min != o->max;
}

static const char *number(const struct hpo_opt *o, double v, char *buf)
{
    if (o->type == HPO_OPT_TIME)
        return strcat((char *)str_double(buf, v), "s");
    return str_double(buf, v);
}

const char *hpo_opt_allowed(const struct hpo_opt *o, struct arena *a)
{
    static const char *const what[] = {
        [HPO_OPT_BOOL] = "true or false",
        [HPO_OPT_INT] = "a whole number",
        [HPO_OPT_REAL] = "a number",
        [HPO_OPT_STR] = "a text",
        [HPO_OPT_CHOICE] = "one of",
        [HPO_OPT_TIME] = "a time such as 90s, 15m or 2h",
        [HPO_OPT_LIST] = "a word or a list of words",
        [HPO_OPT_NUMBERS] = "a list of numbers",
        [HPO_OPT_ARGV] = "a list of texts such as [python3, train.py]",
        [HPO_OPT_PART] = "a mapping with a type, one of",
    };
    char lo[HPO_DOUBLE_TEXT + 1], hi[HPO_DOUBLE_TEXT + 1];
    struct str s = {0}, words = {0};
    const char *ret;

    str_add(&s, what[o->type]);
    if (o->type == HPO_OPT_CHOICE) {
        str_addc(&s, ' ');
        for (const char *p = o->choices; *p; p++)
            if (*p == '|')
                str_add(&s, ", ");
            else
                str_addc(&s, *p);
    }
    for (const char *p = o->type == HPO_OPT_NUMBERS ? o->choices : NULL; p;
         p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        str_addf(&words, "%.*s, ", (int)strcspn(p, "|"), p);
    for (const void *const *k = o->kinds; k && *k; k++)
        str_addf(&s, "%s%s", k == o->kinds ? " " : ", ", hpo_plugin_of(*k)->name);
    if (bounded(o)) {
        bool has_min = o->min > -HUGE_VAL, min_open = o->flags & HPO_OPT_MIN_OPEN;

        if (has_min)
            str_addf(&s, " %s %s", min_open ? "above" : "from", number(o, o->min, lo));
        if (o->max < HUGE_VAL && has_min && !min_open && !(o->flags & HPO_OPT_MAX_OPEN))
            str_addf(&s, " to %s", number(o, o->max, hi));
        else if (o->max < HUGE_VAL)
            str_addf(&s, "%s %s %s", has_min ? " and" : "",
                     o->flags & HPO_OPT_MAX_OPEN ? "below" : "at most", number(o, o->max, hi));
    }
    if (o->flags & HPO_OPT_AUTO)
        str_add(&s, ", or auto");
    ret = words.n ? arena_printf(a, "%sor %s", str_c(&words), str_c(&s))
                  : arena_strdup(a, str_c(&s));
    str_release(&words);
    str_release(&s);
    return ret;
}

static int bad(const struct hpo_opt *o, const char *text, struct arena *a, struct hpo_err *err)
{
    /* What is allowed must fit behind it, however long the text. */
    return hpo_fail(err, HPO_ECONFIG, "'%.80s%s' is not allowed here: %s", text,
                    strlen(text) > 80 ? "..." : "", hpo_opt_allowed(o, a));
}

static bool in_range(const struct hpo_opt *o, double v)
{
    if (!bounded(o))
        return true;
    if (v < o->min || (v == o->min && o->flags & HPO_OPT_MIN_OPEN))
        return false;
    return !(v > o->max || (v == o->max && o->flags & HPO_OPT_MAX_OPEN));
}

static int choice_index(const char *choices, const char *text)
{
    size_t n = strlen(text);
    int i = 0;

    for (const char *p = choices; p; i++) {
        const char *end = strchr(p, '|');
        size_t len = end ? (size_t)(end - p) : strlen(p);

        if (len == n && !memcmp(p, text, n))
            return i;
        p = end ? end + 1 : NULL;
    }
    return -1;
}

/* INT, REAL and TIME, through one range check. */
static int set_number(const struct hpo_opt *o, void *field, const char *text, struct arena *a,
                      struct hpo_err *err)
{
    bool is_auto = o->flags & HPO_OPT_AUTO && !strcmp(text, "auto");
    double v = NAN;
    int64_t i = -1;

    if (!is_auto) {
        bool ok = o->type == HPO_OPT_INT    ? str_to_int(text, &i)
                  : o->type == HPO_OPT_TIME ? str_to_seconds(text, &v)
                                            : str_to_double(text, &v);

        if (o->type == HPO_OPT_INT)
            v = (double)i;
        if (!ok || (o->type == HPO_OPT_INT && (i < INT_MIN || i > INT_MAX)) || !in_range(o, v))
            return bad(o, text, a, err);
    }
    if (o->type == HPO_OPT_INT)
        *(int *)field = (int)i;
    else
        *(double *)field = v;
    return 0;
}

/* Numbers joined by commas, or a word. */
static int set_numbers(const struct hpo_opt *o, const char **field, const char *text,
                       struct arena *a, struct hpo_err *err)
{
    char *all = arena_strdup(a, text), *save = NULL;
    double v;
    int n = 0;

    if (!*text || (o->choices && choice_index(o->choices, text) >= 0)) {
        *field = *text ? all : NULL;
        return 0;
    }
    for (char *p = strtok_r(all, ",", &save); p; p = strtok_r(NULL, ",", &save), n++)
        if (!str_to_double(p, &v) || !in_range(o, v))
            return bad(o, p, a, err);
    if (!n)
        return bad(o, text, a, err);
    *field = arena_strdup(a, text);
    return 0;
}

/* A JSON array of strings. */
static int set_argv(const struct hpo_opt *o, const char ***field, const char *text, struct arena *a,
                    struct hpo_err *err)
{
    cJSON *json = cJSON_Parse(text);
    const char **argv;
    int n = 0;

    if (!cJSON_IsArray(json) || !cJSON_GetArraySize(json)) {
        cJSON_Delete(json);
        return bad(o, text, a, err);
    }
    argv = ARENA_ARRAY(a, const char *, cJSON_GetArraySize(json) + 1);
    for (const cJSON *item = json->child; item; item = item->next) {
        if (!cJSON_IsString(item)) {
            cJSON_Delete(json);
            return bad(o, text, a, err);
        }
        argv[n++] = arena_strdup(a, item->valuestring);
    }
    cJSON_Delete(json);
    *field = argv;
    return 0;
}

/* A type with its defaults; with other options it is bound from a mapping. */
static int set_part(const struct hpo_opt *o, struct hpo_part *field, const char *text,
                    struct arena *a, struct hpo_err *err)
{
    const void *ops = hpo_registry_find(o->kinds, text);
    const struct hpo_plugin *p;

    if (!ops)
        return bad(o, text, a, err);
    p = hpo_plugin_of(ops);
    *field = (struct hpo_part){ops, arena_alloc(a, p->priv_size ? p->priv_size : 1)};
    hpo_opt_defaults(p->opts, field->priv, a);
    return 0;
}

int hpo_opt_set(const struct hpo_opt *o, void *base, const char *text, struct arena *a,
                struct hpo_err *err)
{
    void *field = (char *)base + o->offset;
    int i;

    switch (o->type) {
    case HPO_OPT_BOOL:
        if (strcmp(text, "true") && strcmp(text, "false"))
            return bad(o, text, a, err);
        *(bool *)field = *text == 't';
        return 0;
    case HPO_OPT_INT:
    case HPO_OPT_REAL:
    case HPO_OPT_TIME:
        return set_number(o, field, text, a, err);
    case HPO_OPT_STR:
    case HPO_OPT_LIST:
        *(const char **)field = *text ? arena_strdup(a, text) : NULL;
        return 0;
    case HPO_OPT_CHOICE:
        i = choice_index(o->choices, text);
        if (i < 0)
            return bad(o, text, a, err);
        *(int *)field = i;
        return 0;
    case HPO_OPT_NUMBERS:
        return set_numbers(o, field, text, a, err);
    case HPO_OPT_ARGV:
        return set_argv(o, field, text, a, err);
    case HPO_OPT_PART:
        return set_part(o, field, text, a, err);
    }
    return hpo_fail(err, HPO_ECONFIG, "%s has an unknown type", o->name);
}

int hpo_numbers(const char *text, double *ret, int max)
{
    int n = 0;

    while (text && *text) {
        char buf[64];
        size_t len = strcspn(text, ",");
        double v;

        snprintf(buf, sizeof(buf), "%.*s", (int)len, text);
        if (!str_to_double(buf, &v))
            return 0;
        if (n < max)
            ret[n] = v;
        n++;
        text += len + (text[len] == ',');
    }
    return n;
}

void hpo_opt_defaults(const struct hpo_opt *opts, void *base, struct arena *a)
{
    for (; opts && opts->name; opts++) {
        if (opts->def) {
            int rc = hpo_opt_set(opts, base, opts->def, a, NULL);

            assert(!rc);
            (void)rc;
        } else if (opts->type == HPO_OPT_TIME || opts->type == HPO_OPT_REAL) {
            *(double *)((char *)base + opts->offset) = NAN;
        }
    }
}

static const char *get_argv(const char *const *argv, struct arena *a)
{
    cJSON *json = cJSON_CreateArray();
    struct str s = {0};
    const char *ret;

    for (; *argv; argv++)
        cJSON_AddItemToArray(json, cJSON_CreateString(*argv));
    json_write(json, &s);
    cJSON_Delete(json);
    ret = arena_strdup(a, str_c(&s));
    str_release(&s);
    return ret;
}

static const char *get_part(const struct hpo_part *part, struct arena *a)
{
    const struct hpo_plugin *p = hpo_plugin_of(part->ops);
    struct str s = {0};
    const char *ret;

    str_addf(&s, "{type: %s", p->name);
    for (const struct hpo_opt *o = p->opts; o && o->name; o++) {
        const char *text = hpo_opt_get(o, part->priv, a);

        str_addf(&s, ", %s: %s", o->name, text ? text : "null");
    }
    str_addc(&s, '}');
    ret = arena_strdup(a, str_c(&s));
    str_release(&s);
    return ret;
}

const char *hpo_opt_get(const struct hpo_opt *o, const void *base, struct arena *a)
{
    const void *field = (const char *)base + o->offset;
    char buf[HPO_DOUBLE_TEXT + 1];
    const char *p;
    double v;
    int i;

    switch (o->type) {
    case HPO_OPT_BOOL:
        return *(const bool *)field ? "true" : "false";
    case HPO_OPT_INT:
        i = *(const int *)field;
        return o->flags & HPO_OPT_AUTO && i == -1 ? "auto" : arena_printf(a, "%d", i);
    case HPO_OPT_REAL:
    case HPO_OPT_TIME:
        v = *(const double *)field;
        if (isnan(v))
            return o->flags & HPO_OPT_AUTO ? "auto" : NULL;
        return arena_strdup(a, number(o, v, buf));
    case HPO_OPT_STR:
    case HPO_OPT_LIST:
    case HPO_OPT_NUMBERS:
        return *(const char *const *)field;
    case HPO_OPT_CHOICE:
        p = o->choices;
        for (i = *(const int *)field; i > 0 && p; i--)
            p = strchr(p, '|') + 1;
        return arena_strndup(a, p, strcspn(p, "|"));
    case HPO_OPT_ARGV:
        return *(const char *const *const *)field ? get_argv(*(const char *const *const *)field, a)
                                                  : NULL;
    case HPO_OPT_PART:
        return ((const struct hpo_part *)field)->ops ? get_part(field, a) : NULL;
    }
    return NULL;
}
