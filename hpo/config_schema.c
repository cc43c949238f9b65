/* The JSON Schema (draft-07, the one that editors know best) from the tables. */
#include <string.h>

#include "hpo/config_schema.h"

/* A typed section whose keys may be those of any type. */
static cJSON *loose_schema(struct schema *c, const struct hpo_section *s)
{
    cJSON *forms = cJSON_CreateArray(), *j, *properties;
    struct words keys = {.a = c->a};

    cJSON_AddItemToArray(forms, schema_type_names(c, s));
    cJSON_AddItemToArray(forms, schema_closed(true, &properties));
    cJSON_AddItemToObject(properties, "type", schema_type_names(c, s));
    schema_put_options(c, s->opts, properties);
    for (const void *const *k = s->kinds; *k; k++)
        words_add_options(&keys, hpo_plugin_of(*k)->opts);
    for (int i = 0; i < keys.n; i++)
        cJSON_AddItemToObject(properties, keys.w[i], schema_union(c, s, keys.w[i]));
    j = schema_any_of(forms);
    json_put_string(j, "description", s->help);
    return j;
}

/* The types that need nothing more than their name. */
static cJSON *short_names(struct schema *c, const struct hpo_section *s)
{
    struct words w = {.a = c->a};
    cJSON *j = cJSON_CreateObject();

    for (const void *const *k = s->kinds; *k; k++) {
        cJSON *required = schema_required(hpo_plugin_of(*k)->opts, NULL);

        if (!required)
            words_add(&w, hpo_plugin_of(*k)->name);
        cJSON_Delete(required);
    }
    cJSON_AddItemToObject(j, "enum", schema_words(&w));
    json_put_string(j, "default", s->def_type);
    return j;
}

/* A typed section whose keys must be those of its type: for sections that are not searched. */
static cJSON *strict_schema(struct schema *c, const struct hpo_section *s)
{
    cJSON *j = cJSON_CreateObject(), *all;

    json_put_string(j, "description", s->help);
    all = cJSON_AddArrayToObject(j, "oneOf");
    cJSON_AddItemToArray(all, short_names(c, s));
    cJSON_AddItemToArray(all, schema_typed("null"));
    for (const void *const *k = s->kinds; *k; k++) {
        const struct hpo_plugin *p = hpo_plugin_of(*k);
        bool is_default = !strcmp(p->name, s->def_type);
        cJSON *properties, *one = schema_closed(false, &properties),
                           *required = schema_required(p->opts, is_default ? NULL : "type");

        json_put_string(one, "description", p->help);
        cJSON_AddItemToObject(properties, "type", schema_constant(p->name));
        schema_put_options(c, p->opts, properties);
        schema_put_options(c, s->opts, properties);
        if (required)
            cJSON_AddItemToObject(one, "required", required);
        cJSON_AddItemToArray(all, one);
    }
    return j;
}

static void put_section(struct schema *c, const struct hpo_section *s, cJSON *into);

/* The sections directly under `path`. */
static void put_children(struct schema *c, const char *path, cJSON *properties)
{
    size_t n = strlen(path);

    for (const struct hpo_section *s = c->all; s->path; s++) {
        const char *tail = s->path + (n ? n + 1 : 0);

        if ((!n || (!strncmp(s->path, path, n) && s->path[n] == '.')) && !strchr(tail, '.'))
            put_section(c, s, properties);
    }
}

static void put_section(struct schema *c, const struct hpo_section *s, cJSON *into)
{
    cJSON *j, *properties, *required = s->kinds ? NULL : schema_required(s->opts, NULL);

    if (s->kinds && config_space_path(s)) {
        j = loose_schema(c, s); /* what space searches; a rule makes the others strict */
    } else if (s->kinds && s->opts) {
        j = strict_schema(c, s);
    } else if (s->kinds) {
        j = cJSON_CreateObject();
        json_put_string(j, "$ref", arena_printf(c->a, "#/definitions/%s", s->path));
    } else {
        j = schema_closed(!required, &properties);
        json_put_string(j, "description", s->help);
        schema_put_options(c, s->opts, properties);
        if (!strcmp(s->path, "study"))
            cJSON_AddItemToObject(properties, "enqueue", schema_enqueue());
        put_children(c, s->path, properties);
    }
    if (required)
        cJSON_AddItemToObject(j, "required", required);
    cJSON_AddItemToObject(into, config_noun(s), j);
}

/* Down the object to properties.A.properties.B of "A.B". */
static cJSON *descend(struct schema *c, cJSON *at, const char *path)
{
    for (const char *p = path; p;) {
        const char *dot = strchr(p, '.');
        char *word = arena_strndup(c->a, p, dot ? (size_t)(dot - p) : strlen(p));
        cJSON *properties = cJSON_GetObjectItemCaseSensitive(at, "properties");

        if (!properties)
            properties = cJSON_AddObjectToObject(at, "properties");
        at = cJSON_AddObjectToObject(properties, word);
        p = dot ? dot + 1 : NULL;
    }
    return at;
}

static void require(cJSON *at, const char *const *keys, int n)
{
    cJSON_AddItemToObject(at, "required", cJSON_CreateStringArray(keys, n));
}

/* Unless `space` searches the section's type, its keys must fit the one type. */
static cJSON *unless_searched(struct schema *c, const struct hpo_section *s)
{
    const char *type = arena_printf(c->a, "%s.type", config_space_path(s)), *space = "space";
    cJSON *rule = cJSON_CreateObject(), *cond = cJSON_AddObjectToObject(rule, "if"), *at;

    require(cond, &space, 1);
    at = descend(c, cond, "space");
    json_put_string(at, "type", "object");
    require(at, &type, 1);
    at = descend(c, cJSON_AddObjectToObject(rule, "else"), s->path);
    json_put_string(at, "$ref", arena_printf(c->a, "#/definitions/%s", s->path));
    return rule;
}

/* {if: objective.type is one of the words}, to be gone on with. */
static cJSON *if_objective(struct schema *c, const struct words *w)
{
    const char *objective = "objective", *type = "type";
    cJSON *rule = cJSON_CreateObject(), *cond = cJSON_AddObjectToObject(rule, "if"), *at, *forms,
          *form;

    require(cond, &objective, 1);
    at = descend(c, cond, objective);
    forms = cJSON_AddArrayToObject(at, "anyOf");
    form = cJSON_CreateObject(); /* the short form */
    cJSON_AddItemToObject(form, "enum", schema_words(w));
    cJSON_AddItemToArray(forms, form);
    form = schema_typed("object");
    require(form, &type, 1);
    cJSON_AddItemToObject(descend(c, form, type), "enum", schema_words(w));
    cJSON_AddItemToArray(forms, form);
    return rule;
}

/* Texts that are the names of a registry. */
static void put_names(struct schema *c, const struct hpo_section *s, cJSON *at)
{
    cJSON *properties = cJSON_AddObjectToObject(descend(c, at, s->path), "properties");

    for (const struct hpo_opt *o = s->opts; o->name; o++) {
        struct words names = {.a = c->a};

        if (config_names_of(s, o, &names))
            cJSON_AddItemToObject(properties, o->name, schema_option(c, o, &names));
    }
}

static void refer(cJSON *at, const char *definition)
{
    json_put_string(at, "$ref", definition);
}

/* What is trained has `data`, and a space of options; what is not, neither. */
static void put_objective_rules(struct schema *c, cJSON *rules)
{
    static const char *const data = "data", *const trainer = "trainer", *const space = "space",
                             *const study = "study", *const direction = "direction",
                             *const fidelity = "fidelity";
    const struct hpo_section *s = config_section(c->all, study);
    struct words free_ones = {.a = c->a}, needy = {.a = c->a};
    const struct objective_ops *const *o;
    cJSON *rule, *at, *none;

    for (o = objective_registry; *o; o++) {
        if (!(*o)->trains)
            words_add(&free_ones, (*o)->plugin.name);
        if ((*o)->needs_direction)
            words_add(&needy, (*o)->plugin.name);
    }
    rule = if_objective(c, &free_ones);
    cJSON_AddItemToArray(rules, rule);
    at = cJSON_AddObjectToObject(rule, "then");
    require(at, &space, 1);
    refer(descend(c, at, space), "#/definitions/free_space");
    none = cJSON_AddArrayToObject(cJSON_AddObjectToObject(at, "not"), "anyOf");
    for (int i = 0; i < 3; i++) {
        cJSON *one = cJSON_CreateObject();

        require(one, i == 2 ? &fidelity : i ? &data : &trainer, 1);
        cJSON_AddItemToArray(none, one);
    }
    at = cJSON_AddObjectToObject(rule, "else");
    require(at, &data, 1);
    refer(descend(c, at, space), "#/definitions/space");
    put_names(c, s, at);
    rule = if_objective(c, &needy);
    cJSON_AddItemToArray(rules, rule);
    at = cJSON_AddObjectToObject(rule, "then");
    require(at, &study, 1);
    at = descend(c, at, study);
    require(at, &direction, 1);
}

static void put_definitions(struct schema *c, cJSON *definitions)
{
    cJSON_AddItemToObject(definitions, "when", schema_when(c, false));
    cJSON_AddItemToObject(definitions, "free_when", schema_when(c, true));
    cJSON_AddItemToObject(definitions, "space", schema_space(c));
    cJSON_AddItemToObject(definitions, "free_space", schema_free_space());
    for (const struct hpo_section *s = c->all; s->path; s++)
        if (s->kinds && (!s->opts || config_space_path(s)))
            cJSON_AddItemToObject(definitions, s->path, strict_schema(c, s));
}

void study_schema_write(struct str *ret)
{
    struct arena a = {0};
    struct schema c = {.a = &a, .all = study_sections(&a), .searchable = {.a = &a}};
    cJSON *properties, *root = schema_closed(false, &properties), *rules;
    char *text;

    json_put_string(root, "$schema", "http://json-schema.org/draft-07/schema#");
    json_put_string(root, "title", "study file of hpo");
    config_add_searchable(c.all, &c.searchable);
    put_children(&c, "", properties);
    json_put_string(cJSON_AddObjectToObject(properties, "space"), "description",
                    "what is searched");
    cJSON_AddItemToObject(properties, "fidelity", schema_fidelity(&c));
    rules = cJSON_AddArrayToObject(root, "allOf");
    put_objective_rules(&c, rules);
    for (const struct hpo_section *s = c.all; s->path; s++)
        if (s->kinds && config_space_path(s))
            cJSON_AddItemToArray(rules, unless_searched(&c, s));
    put_definitions(&c, cJSON_AddObjectToObject(root, "definitions"));
    text = cJSON_Print(root);
    str_add(ret, text ? text : "{}");
    str_addc(ret, '\n');
    cJSON_free(text);
    cJSON_Delete(root);
    arena_release(&a);
}
