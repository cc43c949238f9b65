/* The JSON Schema of an option's value. */
#include <math.h>
#include <string.h>

#include "hpo/config_schema.h"

cJSON *schema_words(const struct words *w)
{
    return cJSON_CreateStringArray(w->w, w->n);
}

cJSON *schema_typed(const char *type)
{
    cJSON *j = cJSON_CreateObject();

    json_put_string(j, "type", type);
    return j;
}

cJSON *schema_constant(const char *text)
{
    cJSON *j = cJSON_CreateObject();

    json_put_string(j, "const", text);
    return j;
}

cJSON *schema_any_of(cJSON *forms)
{
    cJSON *j;

    if (cJSON_GetArraySize(forms) == 1) {
        j = cJSON_DetachItemFromArray(forms, 0);
        cJSON_Delete(forms);
        return j;
    }
    j = cJSON_CreateObject();
    cJSON_AddItemToObject(j, "anyOf", forms);
    return j;
}

cJSON *schema_closed(bool may_be_empty, cJSON **ret_properties)
{
    static const char *const both[] = {"object", "null"};
    cJSON *j = cJSON_CreateObject();

    if (may_be_empty)
        cJSON_AddItemToObject(j, "type", cJSON_CreateStringArray(both, 2));
    else
        json_put_string(j, "type", "object");
    cJSON_AddBoolToObject(j, "additionalProperties", false);
    *ret_properties = cJSON_AddObjectToObject(j, "properties");
    return j;
}

cJSON *schema_required(const struct hpo_opt *opts, const char *first)
{
    cJSON *ret = cJSON_CreateArray();

    if (first)
        cJSON_AddItemToArray(ret, cJSON_CreateString(first));
    for (; opts && opts->name; opts++)
        if (opts->flags & HPO_OPT_REQUIRED)
            cJSON_AddItemToArray(ret, cJSON_CreateString(opts->name));
    if (cJSON_GetArraySize(ret))
        return ret;
    cJSON_Delete(ret);
    return NULL;
}

static void add_range(cJSON *j, const struct hpo_opt *o)
{
    if (o->min == o->max)
        return;
    if (isfinite(o->min))
        json_put_number(j, o->flags & HPO_OPT_MIN_OPEN ? "exclusiveMinimum" : "minimum", o->min);
    if (isfinite(o->max))
        json_put_number(j, o->flags & HPO_OPT_MAX_OPEN ? "exclusiveMaximum" : "maximum", o->max);
}

static struct words choice_words(const struct hpo_opt *o, struct arena *a)
{
    char *all = arena_strdup(a, o->choices), *save = NULL;
    struct words w = {.a = a};

    for (char *p = strtok_r(all, "|", &save); p; p = strtok_r(NULL, "|", &save))
        words_add(&w, p);
    return w;
}

/* A part is what its section is, except that a mapping says its type: the section's default is not
 * the option's. */
static void add_part(cJSON *forms, struct schema *c, const struct hpo_opt *o)
{
    static const char *const type[] = {"type"};
    const struct hpo_section *s = config_section_of_kinds(c->all, o->kinds);
    cJSON *j = cJSON_CreateObject(), *both = cJSON_AddArrayToObject(j, "allOf"), *rule;

    rule = cJSON_CreateObject();
    json_put_string(rule, "$ref", arena_printf(c->a, "#/definitions/%s", s ? s->path : "part"));
    cJSON_AddItemToArray(both, rule);
    rule = cJSON_CreateObject();
    cJSON_AddItemToObject(rule, "if", schema_typed("object"));
    cJSON_AddItemToObject(cJSON_AddObjectToObject(rule, "then"), "required",
                          cJSON_CreateStringArray(type, 1));
    cJSON_AddItemToArray(both, rule);
    if (o->def)
        cJSON_AddItemToObject(j, "not", schema_typed("null"));
    cJSON_AddItemToArray(forms, j);
}

static void add_argv(cJSON *forms)
{
    static const char *const scalar[] = {"string", "number", "boolean"};
    cJSON *j = schema_typed("array");

    json_put_number(j, "minItems", 1);
    cJSON_AddItemToObject(cJSON_AddObjectToObject(j, "items"), "type",
                          cJSON_CreateStringArray(scalar, 3));
    cJSON_AddItemToArray(forms, j);
}

/* A value that is one word, or a list of them. */
static void add_word(cJSON *forms, const struct hpo_opt *o, const struct words *names,
                     struct arena *a)
{
    static const char *const type[] = {
        [HPO_OPT_BOOL] = "boolean", [HPO_OPT_INT] = "integer",   [HPO_OPT_REAL] = "number",
        [HPO_OPT_STR] = "string",   [HPO_OPT_CHOICE] = "string", [HPO_OPT_TIME] = "number",
        [HPO_OPT_LIST] = "string",  [HPO_OPT_NUMBERS] = "number",
    };
    cJSON *j = schema_typed(type[o->type]), *more = NULL;
    struct words w = {.a = a};

    add_range(j, o);
    if (names)
        w = *names;
    if (o->type == HPO_OPT_CHOICE)
        w = choice_words(o, a);
    if (w.n)
        cJSON_AddItemToObject(j, "enum", schema_words(&w));
    cJSON_AddItemToArray(forms, j);
    if (o->type == HPO_OPT_TIME) {
        more = schema_typed("string");
        json_put_string(more, "pattern", "^([0-9.]+[smhd])*[0-9.]+[smhd]?$");
    } else if (o->type == HPO_OPT_LIST) {
        more = schema_typed("array");
        json_put_number(more, "minItems", 1);
        cJSON_AddItemToObject(more, "items", schema_typed("string"));
    } else if (o->type == HPO_OPT_NUMBERS) {
        cJSON *items = schema_typed("number"), *words = schema_typed("string");

        add_range(items, o);
        more = schema_typed("array");
        json_put_number(more, "minItems", 1);
        cJSON_AddItemToObject(more, "items", items);
        if (o->choices) {
            w = choice_words(o, a);
            cJSON_AddItemToObject(words, "enum", schema_words(&w));
            cJSON_AddItemToArray(forms, words);
        } else {
            cJSON_Delete(words);
        }
    }
    if (more)
        cJSON_AddItemToArray(forms, more);
    if (o->flags & HPO_OPT_AUTO)
        cJSON_AddItemToArray(forms, schema_constant("auto"));
}

cJSON *schema_option(struct schema *c, const struct hpo_opt *o, const struct words *names)
{
    cJSON *forms = cJSON_CreateArray(), *j;
    double v;

    if (o->type == HPO_OPT_PART)
        add_part(forms, c, o);
    else if (o->type == HPO_OPT_ARGV)
        add_argv(forms);
    else
        add_word(forms, o, names, c->a);
    if (o->type != HPO_OPT_PART && !o->def && !(o->flags & HPO_OPT_REQUIRED))
        cJSON_AddItemToArray(forms, schema_typed("null"));
    j = schema_any_of(forms);
    json_put_string(j, "description", o->help);
    if (!o->def)
        return j;
    if (o->type == HPO_OPT_BOOL)
        cJSON_AddBoolToObject(j, "default", *o->def == 't');
    else if ((o->type == HPO_OPT_INT || o->type == HPO_OPT_REAL) && str_to_double(o->def, &v))
        json_put_number(j, "default", v);
    else
        json_put_string(j, "default", o->def);
    return j;
}

void schema_put_options(struct schema *c, const struct hpo_opt *opts, cJSON *properties)
{
    for (; opts && opts->name; opts++)
        cJSON_AddItemToObject(properties, opts->name, schema_option(c, opts, NULL));
}

cJSON *schema_union(struct schema *c, const struct hpo_section *s, const char *key)
{
    cJSON *forms = cJSON_CreateArray();

    for (const void *const *k = s->kinds; *k; k++) {
        const struct hpo_opt *o = hpo_opt_find(hpo_plugin_of(*k)->opts, key);
        bool known = false;
        cJSON *j, *old;

        if (!o)
            continue;
        j = schema_option(c, o, NULL);
        cJSON_ArrayForEach(old, forms) known = known || cJSON_Compare(old, j, true);
        if (known)
            cJSON_Delete(j);
        else
            cJSON_AddItemToArray(forms, j);
    }
    return schema_any_of(forms);
}

cJSON *schema_type_names(struct schema *c, const struct hpo_section *s)
{
    struct words w = {.a = c->a};
    cJSON *j = cJSON_CreateObject();

    words_add_registry(&w, s->kinds);
    cJSON_AddItemToObject(j, "enum", schema_words(&w));
    json_put_string(j, "default", s->def_type);
    return j;
}
