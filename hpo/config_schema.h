/* hpo/config_schema.h - shared by hpo/config_schema*.c: the pieces of the JSON Schema. */
#ifndef HPO_CONFIG_SCHEMA_H
#define HPO_CONFIG_SCHEMA_H

#include "base/json.h"
#include "hpo/config_impl.h"

struct schema {
    struct arena *a;
    const struct hpo_section *all;
    struct words searchable;
};

/* --- config_schema_option.c --- */
cJSON *schema_typed(const char *type);
cJSON *schema_constant(const char *text);
cJSON *schema_words(const struct words *w); /* an array */
/* One form as itself, several under anyOf. Takes the array. */
cJSON *schema_any_of(cJSON *forms);
/* {type: object, additionalProperties: false}; *ret_properties to be filled. */
cJSON *schema_closed(bool may_be_empty, cJSON **ret_properties);
/* names: the only values of a text, or NULL. A PART refers to a definition of its section. */
cJSON *schema_option(struct schema *c, const struct hpo_opt *o, const struct words *names);
void schema_put_options(struct schema *c, const struct hpo_opt *opts, cJSON *properties);
/* Every value that an option of this name can have in any of the types. */
cJSON *schema_union(struct schema *c, const struct hpo_section *s, const char *key);
cJSON *schema_type_names(struct schema *c, const struct hpo_section *s);
/* The required options of a table, behind `first` (or NULL); NULL when that is nothing. */
cJSON *schema_required(const struct hpo_opt *opts, const char *first);

/* --- config_schema_space.c --- */
cJSON *schema_space(struct schema *c);
cJSON *schema_free_space(void); /* parameters of any name */
cJSON *schema_when(const struct schema *c, bool any_name);
cJSON *schema_enqueue(void);
cJSON *schema_fidelity(struct schema *c);

#endif
