/* The JSON Schema of `space`, and of the values that are drawn from it. */
#include <string.h>

#include "hpo/config_schema.h"

/* An option's value without the words around it. */
static cJSON *value_schema(struct schema *c, const struct config_target *t)
{
    const struct hpo_opt *o = hpo_opt_find(t->section->opts, t->key);

    if (t->is_type)
        return schema_type_names(c, t->section);
    return o ? schema_option(c, o, NULL) : schema_union(c, t->section, t->key);
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

static cJSON *scalar_schema(void)
{
    static const char *const scalar[] = {"string", "number", "boolean", "null"};
    cJSON *j = cJSON_CreateObject();

    cJSON_AddItemToObject(j, "type", cJSON_CreateStringArray(scalar, 4));
    return j;
}

/* t: what is searched; NULL: anything. */
static cJSON *distribution(struct schema *c, const char *type, const struct config_target *t)
{
    static const char *const numeric[] = {"type", "low", "high"};
    static const char *const list[] = {"type", "choices"};
    cJSON *properties, *j = schema_closed(false, &properties), *step, *choices, *when;
    const char *number = !strcmp(type, "int") ? "integer" : "number";
    bool is_list = !strcmp(type, "categorical");

    cJSON_AddItemToObject(properties, "type", schema_constant(type));
    if (is_list) {
        choices = schema_typed("array");
        json_put_number(choices, "minItems", 1);
        json_put_number(choices, "maxItems", 1000);
        cJSON_AddBoolToObject(choices, "uniqueItems", true);
        cJSON_AddItemToObject(choices, "items", t ? value_schema(c, t) : scalar_schema());
        cJSON_AddItemToObject(properties, "choices", choices);
    } else {
        step = schema_typed(number);
        json_put_number(step, "exclusiveMinimum", 0);
        cJSON_AddItemToObject(properties, "low", t ? value_schema(c, t) : schema_typed(number));
        cJSON_AddItemToObject(properties, "high", t ? value_schema(c, t) : schema_typed(number));
        cJSON_AddItemToObject(properties, "step", step);
        cJSON_AddItemToObject(properties, "log", schema_typed("boolean"));
    }
    when = cJSON_AddObjectToObject(properties, "when");
    json_put_string(when, "$ref", t ? "#/definitions/when" : "#/definitions/free_when");
    cJSON_AddItemToObject(j, "required",
                          is_list ? cJSON_CreateStringArray(list, 2)
                                  : cJSON_CreateStringArray(numeric, 3));
    return j;
}

cJSON *schema_space(struct schema *c)
{
    cJSON *properties, *j = schema_closed(true, &properties);

    json_put_string(j, "description", "what is searched: a dotted path and its distribution");
    for (int i = 0; i < c->searchable.n; i++) {
        struct config_target t = config_target_of(c->all, c->searchable.w[i]);
        enum hpo_opt_type type = value_type(&t);
        cJSON *forms = cJSON_CreateArray();

        if (type == HPO_OPT_REAL || type == HPO_OPT_TIME)
            cJSON_AddItemToArray(forms, distribution(c, "float", &t));
        if (type == HPO_OPT_REAL || type == HPO_OPT_TIME || type == HPO_OPT_INT)
            cJSON_AddItemToArray(forms, distribution(c, "int", &t));
        cJSON_AddItemToArray(forms, distribution(c, "categorical", &t));
        cJSON_AddItemToObject(properties, c->searchable.w[i], schema_any_of(forms));
    }
    return j;
}

cJSON *schema_free_space(void)
{
    cJSON *j = schema_typed("object"), *forms = cJSON_CreateArray(),
          *names = cJSON_AddObjectToObject(j, "propertyNames");

    json_put_string(j, "description", "what is searched: a name and its distribution");
    json_put_string(names, "pattern", "^[A-Za-z0-9._-]{1,128}$");
    json_put_number(j, "minProperties", 1);
    cJSON_AddItemToArray(forms, distribution(NULL, "float", NULL));
    cJSON_AddItemToArray(forms, distribution(NULL, "int", NULL));
    cJSON_AddItemToArray(forms, distribution(NULL, "categorical", NULL));
    cJSON_AddItemToObject(j, "additionalProperties", schema_any_of(forms));
    return j;
}

cJSON *schema_when(const struct schema *c, bool any_name)
{
    cJSON *j = schema_typed("object"), *forms = cJSON_CreateArray(), *list = schema_typed("array");

    json_put_string(j, "description", "active only while other parameters have these values");
    json_put_number(j, "minProperties", 1);
    if (!any_name)
        cJSON_AddItemToObject(cJSON_AddObjectToObject(j, "propertyNames"), "enum",
                              schema_words(&c->searchable));
    json_put_number(list, "minItems", 1);
    cJSON_AddItemToObject(list, "items", scalar_schema());
    cJSON_AddItemToArray(forms, scalar_schema());
    cJSON_AddItemToArray(forms, list);
    cJSON_AddItemToObject(j, "additionalProperties", schema_any_of(forms));
    return j;
}

cJSON *schema_fidelity(struct schema *c)
{
    static const char *const both[] = {"array", "null"}, *const or_null[] = {"object", "null"};
    cJSON *j = cJSON_CreateObject(), *rung = cJSON_CreateObject(), *properties, *n;

    json_put_string(j, "description",
                    "rungs from cheap to expensive: the best trials of one go on "
                    "to the next");
    cJSON_AddItemToObject(j, "type", cJSON_CreateStringArray(both, 2));
    json_put_number(j, "minItems", 2);
    json_put_number(j, "maxItems", 16);
    cJSON_AddItemToObject(rung, "type", cJSON_CreateStringArray(or_null, 2));
    cJSON_AddBoolToObject(rung, "additionalProperties", false);
    properties = cJSON_AddObjectToObject(rung, "properties");
    for (int i = 0; config_fidelity_settings[i]; i++) {
        struct config_target t = config_target_of(c->all, config_fidelity_settings[i]);
        const struct hpo_opt *o = hpo_opt_find(t.section->opts, t.key);
        const char *whole = arena_printf(c->a, "%s.%s", t.section->path, t.key);

        cJSON_AddItemToObject(properties, config_fidelity_settings[i], schema_option(c, o, NULL));
        cJSON_AddItemToObject(properties, whole, schema_option(c, o, NULL));
    }
    n = schema_typed("number");
    json_put_number(n, "exclusiveMinimum", 0);
    json_put_string(n, "description", "to the next rung: a share below 1, or how many");
    cJSON_AddItemToObject(properties, "promote", n);
    n = schema_typed("integer");
    json_put_number(n, "minimum", 0);
    json_put_string(n, "description", "others, drawn at random, that go on as well");
    cJSON_AddItemToObject(properties, "explore", n);
    cJSON_AddItemToObject(j, "items", rung);
    return j;
}

cJSON *schema_enqueue(void)
{
    static const char *const both[] = {"array", "null"};
    cJSON *j = cJSON_CreateObject(), *row = schema_typed("object");

    json_put_string(j, "description", "tried first, in this order: parameters and their values");
    cJSON_AddItemToObject(j, "type", cJSON_CreateStringArray(both, 2));
    json_put_number(j, "maxItems", 10000);
    json_put_number(row, "minProperties", 1);
    cJSON_AddItemToObject(row, "additionalProperties", scalar_schema());
    cJSON_AddItemToObject(j, "items", row);
    return j;
}
