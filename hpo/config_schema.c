/* The JSON Schema (draft-07, the one that editors know best) from the tables. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "hpo/config_impl.h"

static cJSON *child(cJSON *parent, const char *key)
{
    return cJSON_AddObjectToObject(parent, key);
}

static cJSON *string_list(const struct words *w)
{
    return cJSON_CreateStringArray(w->w, w->n);
}

static cJSON *typed(const char *type)
{
    cJSON *j = cJSON_CreateObject();

    json_put_string(j, "type", type);
    return j;
}

static cJSON *constant(const char *text)
{
    cJSON *j = cJSON_CreateObject();

    json_put_string(j, "const", text);
    return j;
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

/* The forms that a value may have, into the array. */
static void add_forms(cJSON *forms, const struct hpo_opt *o, const void *const *names,
                      struct arena *a)
{
    static const char *const type[] = {
        [HPO_OPT_BOOL] = "boolean", [HPO_OPT_INT] = "integer",   [HPO_OPT_REAL] = "number",
        [HPO_OPT_STR] = "string",   [HPO_OPT_CHOICE] = "string", [HPO_OPT_TIME] = "number",
        [HPO_OPT_LIST] = "string",
    };
    cJSON *j = typed(type[o->type]), *more = NULL;
    struct words w = {.a = a};

    add_range(j, o);
    if (names)
        words_add_registry(&w, names);
    if (o->type == HPO_OPT_CHOICE)
        w = choice_words(o, a);
    if (w.n)
        cJSON_AddItemToObject(j, "enum", string_list(&w));
    cJSON_AddItemToArray(forms, j);
    if (o->type == HPO_OPT_TIME) {
        more = typed("string");
        json_put_string(more, "pattern", "^([0-9.]+[smhd])*[0-9.]+[smhd]?$");
    } else if (o->type == HPO_OPT_LIST) {
        more = typed("array");
        json_put_number(more, "minItems", 1);
        cJSON_AddItemToObject(more, "items", typed("string"));
    }
    if (more)
        cJSON_AddItemToArray(forms, more);
    if (o->flags & HPO_OPT_AUTO)
        cJSON_AddItemToArray(forms, constant("auto"));
    if (!o->def && !(o->flags & HPO_OPT_REQUIRED))
        cJSON_AddItemToArray(forms, typed("null"));
}

/* One form as itself, several under anyOf. Takes the array. */
static cJSON *any_of(cJSON *forms)
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

static cJSON *option_schema(const struct hpo_opt *o, const void *const *names, struct arena *a)
{
    cJSON *forms = cJSON_CreateArray(), *j;
    double v;

    add_forms(forms, o, names, a);
    j = any_of(forms);
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

/* {type: object, additionalProperties: false}; *ret_properties to be filled. */
static cJSON *closed_object(bool may_be_empty, cJSON **ret_properties)
{
    cJSON *j = cJSON_CreateObject();

    if (may_be_empty) {
        static const char *const both[] = {"object", "null"};

        cJSON_AddItemToObject(j, "type", cJSON_CreateStringArray(both, 2));
    } else {
        json_put_string(j, "type", "object");
    }
    cJSON_AddBoolToObject(j, "additionalProperties", false);
    *ret_properties = child(j, "properties");
    return j;
}

/* Every value that an option of this name can have in any of the types. */
static cJSON *union_schema(const struct hpo_section *s, const char *key, struct arena *a)
{
    cJSON *forms = cJSON_CreateArray();

    for (const void *const *k = s->kinds; *k; k++) {
        const struct hpo_opt *o = hpo_opt_find(hpo_plugin_of(*k)->opts, key);
        bool known = false;
        cJSON *j, *old;

        if (!o)
            continue;
        j = option_schema(o, NULL, a);
        cJSON_ArrayForEach(old, forms) known = known || cJSON_Compare(old, j, true);
        if (known)
            cJSON_Delete(j);
        else
            cJSON_AddItemToArray(forms, j);
    }
    return any_of(forms);
}

static cJSON *type_names(const struct hpo_section *s, struct arena *a)
{
    struct words w = {.a = a};
    cJSON *j = cJSON_CreateObject();

    words_add_registry(&w, s->kinds);
    cJSON_AddItemToObject(j, "enum", string_list(&w));
    json_put_string(j, "default", s->def_type);
    return j;
}

/* A typed section whose keys may be those of any type. */
static cJSON *loose_schema(const struct hpo_section *s, struct arena *a)
{
    cJSON *forms = cJSON_CreateArray(), *j, *properties;
    struct words keys = {.a = a};

    cJSON_AddItemToArray(forms, type_names(s, a));
    cJSON_AddItemToArray(forms, closed_object(true, &properties));
    cJSON_AddItemToObject(properties, "type", type_names(s, a));
    for (const void *const *k = s->kinds; *k; k++)
        words_add_options(&keys, hpo_plugin_of(*k)->opts);
    for (int i = 0; i < keys.n; i++)
        cJSON_AddItemToObject(properties, keys.w[i], union_schema(s, keys.w[i], a));
    j = any_of(forms);
    json_put_string(j, "description", s->help);
    return j;
}

/* A typed section whose keys must be those of its type: for sections that are not searched. */
static cJSON *strict_schema(const struct hpo_section *s, struct arena *a)
{
    cJSON *j = cJSON_CreateObject(), *all = cJSON_AddArrayToObject(j, "oneOf");

    cJSON_AddItemToArray(all, type_names(s, a));
    cJSON_AddItemToArray(all, typed("null"));
    for (const void *const *k = s->kinds; *k; k++) {
        const struct hpo_plugin *p = hpo_plugin_of(*k);
        cJSON *properties, *one = closed_object(false, &properties), *type = constant(p->name);

        json_put_string(one, "description", p->help);
        cJSON_AddItemToObject(properties, "type", type);
        for (const struct hpo_opt *o = p->opts; o && o->name; o++)
            cJSON_AddItemToObject(properties, o->name, option_schema(o, NULL, a));
        if (strcmp(p->name, s->def_type)) {
            static const char *const required[] = {"type"};

            cJSON_AddItemToObject(one, "required", cJSON_CreateStringArray(required, 1));
        }
        cJSON_AddItemToArray(all, one);
    }
    return j;
}

static void put_section(const struct hpo_section *all, const struct hpo_section *s, cJSON *into,
                        struct arena *a);

/* The sections directly under `path`. */
static void put_children(const struct hpo_section *all, const char *path, cJSON *properties,
                         struct arena *a)
{
    size_t n = strlen(path);

    for (const struct hpo_section *s = all; s->path; s++) {
        const char *tail = s->path + (n ? n + 1 : 0);

        if ((!n || (!strncmp(s->path, path, n) && s->path[n] == '.')) && !strchr(tail, '.'))
            put_section(all, s, properties, a);
    }
}

static void put_section(const struct hpo_section *all, const struct hpo_section *s, cJSON *into,
                        struct arena *a)
{
    const char *name = strrchr(s->path, '.') ? strrchr(s->path, '.') + 1 : s->path;
    cJSON *j, *properties, *required = cJSON_CreateArray();

    for (const struct hpo_opt *o = s->opts; o && o->name; o++)
        if (o->flags & HPO_OPT_REQUIRED)
            cJSON_AddItemToArray(required, cJSON_CreateString(o->name));
    if (s->kinds) {
        /* What space searches must be loose here; the root makes the others strict. */
        j = config_space_path(s) ? loose_schema(s, a) : strict_schema(s, a);
    } else {
        j = closed_object(cJSON_GetArraySize(required) == 0, &properties);
        json_put_string(j, "description", s->help);
        for (const struct hpo_opt *o = s->opts; o && o->name; o++)
            cJSON_AddItemToObject(properties, o->name, option_schema(o, config_names_of(s, o), a));
        put_children(all, s->path, properties, a);
    }
    if (cJSON_GetArraySize(required) > 0)
        cJSON_AddItemToObject(j, "required", required);
    else
        cJSON_Delete(required);
    cJSON_AddItemToObject(into, name, j);
}

/* An option's value without the words around it. */
static cJSON *value_schema(const struct config_target *t, struct arena *a)
{
    const struct hpo_opt *o = hpo_opt_find(t->section->opts, t->key);

    if (t->is_type)
        return type_names(t->section, a);
    return o ? option_schema(o, NULL, a) : union_schema(t->section, t->key, a);
}

static enum hpo_opt_type value_type(const struct config_target *t)
{
    const struct hpo_opt *o = hpo_opt_find(t->section->opts, t->key);

    if (t->is_type)
        return HPO_OPT_CHOICE;
    for (const void *const *k = t->section->kinds; !o && k && *k; k++)
        o = hpo_opt_find(hpo_plugin_of(*k)->opts, t->key);
    return o->type;
}

static cJSON *distribution(const char *type, const struct config_target *t, struct arena *a)
{
    static const char *const numeric[] = {"type", "low", "high"};
    static const char *const list[] = {"type", "choices"};
    cJSON *properties, *j = closed_object(false, &properties), *step, *choices, *when;
    bool is_list = !strcmp(type, "categorical");

    cJSON_AddItemToObject(properties, "type", constant(type));
    if (is_list) {
        choices = typed("array");
        json_put_number(choices, "minItems", 1);
        json_put_number(choices, "maxItems", 1000);
        cJSON_AddBoolToObject(choices, "uniqueItems", true);
        cJSON_AddItemToObject(choices, "items", value_schema(t, a));
        cJSON_AddItemToObject(properties, "choices", choices);
    } else {
        step = typed(!strcmp(type, "int") ? "integer" : "number");
        json_put_number(step, "exclusiveMinimum", 0);
        cJSON_AddItemToObject(properties, "low", value_schema(t, a));
        cJSON_AddItemToObject(properties, "high", value_schema(t, a));
        cJSON_AddItemToObject(properties, "step", step);
        cJSON_AddItemToObject(properties, "log", typed("boolean"));
    }
    when = child(properties, "when");
    json_put_string(when, "$ref", "#/definitions/when");
    cJSON_AddItemToObject(j, "required",
                          is_list ? cJSON_CreateStringArray(list, 2)
                                  : cJSON_CreateStringArray(numeric, 3));
    return j;
}

static cJSON *space_schema(const struct words *searchable, const struct hpo_section *all,
                           struct arena *a)
{
    cJSON *properties, *j = closed_object(true, &properties);

    json_put_string(j, "description", "what is searched: a dotted path and its distribution");
    for (int i = 0; i < searchable->n; i++) {
        struct config_target t = config_target_of(all, searchable->w[i]);
        enum hpo_opt_type type = value_type(&t);
        cJSON *forms = cJSON_CreateArray();

        if (type == HPO_OPT_REAL || type == HPO_OPT_TIME)
            cJSON_AddItemToArray(forms, distribution("float", &t, a));
        if (type == HPO_OPT_REAL || type == HPO_OPT_TIME || type == HPO_OPT_INT)
            cJSON_AddItemToArray(forms, distribution("int", &t, a));
        cJSON_AddItemToArray(forms, distribution("categorical", &t, a));
        cJSON_AddItemToObject(properties, searchable->w[i], any_of(forms));
    }
    return j;
}

static cJSON *when_schema(const struct words *searchable)
{
    static const char *const scalar[] = {"string", "number", "boolean", "null"};
    cJSON *j = typed("object"), *forms = cJSON_CreateArray(), *one = cJSON_CreateObject(),
          *list = typed("array"), *names = cJSON_CreateObject();

    json_put_string(j, "description", "active only while other parameters have these values");
    json_put_number(j, "minProperties", 1);
    cJSON_AddItemToObject(names, "enum", string_list(searchable));
    cJSON_AddItemToObject(j, "propertyNames", names);
    cJSON_AddItemToObject(one, "type", cJSON_CreateStringArray(scalar, 4));
    json_put_number(list, "minItems", 1);
    cJSON_AddItemToObject(list, "items", cJSON_Duplicate(one, true));
    cJSON_AddItemToArray(forms, one);
    cJSON_AddItemToArray(forms, list);
    cJSON_AddItemToObject(j, "additionalProperties", any_of(forms));
    return j;
}

/* Unless `space` searches the section's type, its keys must fit the one type. */
static cJSON *unless_searched(const struct hpo_section *s, struct arena *a)
{
    const char *type = arena_printf(a, "%s.type", config_space_path(s));
    const char *first[] = {"space"}, *second[] = {type};
    cJSON *rule = cJSON_CreateObject(), *cond = child(rule, "if"), *at;

    cJSON_AddItemToObject(cond, "required", cJSON_CreateStringArray(first, 1));
    at = child(child(cond, "properties"), "space");
    json_put_string(at, "type", "object");
    cJSON_AddItemToObject(at, "required", cJSON_CreateStringArray(second, 1));
    at = child(rule, "else");
    for (const char *p = s->path; p;) { /* down to the section */
        const char *dot = strchr(p, '.');
        char *word = arena_strndup(a, p, dot ? (size_t)(dot - p) : strlen(p));

        at = child(child(at, "properties"), word);
        p = dot ? dot + 1 : NULL;
    }
    cJSON_AddItemToObject(at, "$ref",
                          cJSON_CreateString(arena_printf(a, "#/definitions/%s", s->path)));
    return rule;
}

void study_schema_write(struct str *ret)
{
    static const char *const required[] = {"data"};
    struct arena a = {0};
    const struct hpo_section *all = study_sections(&a);
    struct words searchable = {.a = &a};
    cJSON *properties, *root = closed_object(false, &properties), *rules, *definitions;
    char *text;

    json_put_string(root, "$schema", "http://json-schema.org/draft-07/schema#");
    json_put_string(root, "title", "study file of hpo");
    config_add_searchable(all, &searchable);
    put_children(all, "", properties, &a);
    cJSON_AddItemToObject(properties, "space", space_schema(&searchable, all, &a));
    cJSON_AddItemToObject(root, "required", cJSON_CreateStringArray(required, 1));
    rules = cJSON_AddArrayToObject(root, "allOf");
    definitions = child(root, "definitions");
    cJSON_AddItemToObject(definitions, "when", when_schema(&searchable));
    for (const struct hpo_section *s = all; s->path; s++) {
        if (!s->kinds || !config_space_path(s))
            continue;
        cJSON_AddItemToArray(rules, unless_searched(s, &a));
        cJSON_AddItemToObject(definitions, s->path, strict_schema(s, &a));
    }
    text = cJSON_Print(root);
    str_add(ret, text ? text : "{}");
    str_addc(ret, '\n');
    cJSON_free(text);
    cJSON_Delete(root);
    arena_release(&a);
}
