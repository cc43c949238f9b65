/* hpo/config_impl.h - shared by hpo/config_*.c and by nobody else.
 *
 * The way of a file: text -> tree -> (--set) -> the distributions of `space`, as they stand -> the
 * types that each typed section can have in this study -> every section checked and bound -> the
 * distributions checked against the options they search. */
#ifndef HPO_CONFIG_IMPL_H
#define HPO_CONFIG_IMPL_H

#include "hpo/config.h"

struct config_reader {
    struct study_config *c;
    struct arena *a;  /* &c->arena */
    struct diags *d;
    struct yaml_node *root;
    bool partial;     /* the text broke off: what is missing is no mistake of its own */
    struct draft *drafts; /* c->space.n of them */
    struct hpo_param *params; /* c->space.params, still writable */
};

/* --- config_words.c: what messages are made of --- */
struct words {
    struct arena *a;
    const char **w;
    int n, cap;
};
void words_add(struct words *w, const char *word); /* once */
void words_add_options(struct words *w, const struct hpo_opt *opts);
void words_add_registry(struct words *w, const void *const *registry);
const char *words_join(const struct words *w);
/* The text for a message: no control characters, not longer than 60 characters. */
const char *config_show(struct arena *a, const char *text);
/* "unknown WHAT 'TEXT'WHERE, did you mean 'NEAR'? LIST: a, b, c" at the node. */
void config_unknown(struct config_reader *r, const struct yaml_node *at, const char *what,
                    const char *text, const char *where, const char *list,
                    const struct words *known);
void config_mistake(struct config_reader *r, const struct yaml_node *at, const char *fmt, ...)
    HPO_PRINTF(3, 4);
const char *config_kind_name(const struct yaml_node *n); /* "a mapping", "a list", "a value" */

/* --- config_sections.c --- */
const struct hpo_section *config_section(const struct hpo_section *all, const char *path);
/* The option that a path of `space` names. */
struct config_target {
    const struct hpo_section *section; /* NULL: there is none */
    const char *key;                   /* in the section; "type" of a typed one too */
    bool is_type;
};
struct config_target config_target_of(const struct hpo_section *all, const char *path);
/* Is n, a value in `space`, a section with mappings in it instead of a distribution? */
bool config_is_nested(const struct yaml_node *n);
/* The path in `space` of a section of the file: "optimizer" for "trainer.optimizer", "" for
 * "trainer" and "data"; NULL when nothing in it can be searched. */
const char *config_space_path(const struct hpo_section *s);
void config_add_searchable(const struct hpo_section *all, struct words *ret);
/* The registry whose names are the only values of a text option (study.metric), or NULL. */
const void *const *config_names_of(const struct hpo_section *s, const struct hpo_opt *o);

/* --- config_bind.c --- */
/* The types that a typed section can have in this study. */
struct config_types {
    const void **ops;
    int n;
    const void *base; /* one of them: where `space` has no say */
    int param;        /* SECTION.type in space, -1 when it is not searched */
};
/* base: what the file or the default says, NULL when that is not known. */
struct config_types config_types_of(const struct hpo_space *s, const struct hpo_section *section,
                                    const void *base, struct arena *a);
/* Put the value of a node into the option's field. Strict about kinds and quotes. */
int config_set(const struct hpo_opt *o, void *base, const struct yaml_node *value, struct arena *a,
               struct hpo_err *err);
/* Defaults, then what the map (NULL: nothing) says of these options. The first failure is passed
 * on; the others keep what they have. */
int config_bind(const struct hpo_opt *opts, void *base, const struct yaml_node *map,
                struct arena *a, struct hpo_err *err);
/* The struct of a type's options, bound. */
void *config_bind_type(const void *ops, const struct yaml_node *map, struct arena *a);

/* --- config_set.c --- */
void config_normalise(const struct hpo_section *all, struct yaml_node *root, struct arena *a);
void config_apply_set(struct config_reader *r, const char *set);

/* --- config_check.c --- */
void config_check_top(struct config_reader *r);
void config_check_section(struct config_reader *r, const struct hpo_section *s);
/* After every section: what involves more than one option. */
void config_check_study(struct config_reader *r);

/* --- config_space.c: the distributions as they stand --- */
struct draft {
    struct yaml_node *key, *node;
    struct yaml_node *type, *low, *high, *when; /* NULL: not there, or wrong */
    struct yaml_node **choices;                 /* params[i].n_choices of them */
    bool ok; /* bounds or choices can be relied on */
};
void config_read_space(struct config_reader *r);
struct hpo_choice config_choice(const struct yaml_node *n, struct arena *a);
bool config_choice_equal(const struct hpo_choice *a, const struct hpo_choice *b);
int config_space_find(const struct hpo_space *s, const char *name); /* -1: not there */

/* --- config_when.c --- */
void config_read_whens(struct config_reader *r);
void config_add_when(struct config_reader *r, int param, struct hpo_when when);
void config_finish_space(struct config_reader *r);

/* --- config_trial.c --- */
/* The section's keys with a trial's values in place (values NULL: as in the file); its own keys and
 * nodes are shared with c->tree. */
struct yaml_node *config_section_map(const struct study_config *c, const struct hpo_section *s,
                                     const double *values, struct arena *a);
/* The type that such a mapping stands for. */
const void *config_section_type(const struct study_config *c, const struct hpo_section *s,
                                const struct yaml_node *map, const double *values);

/* --- config_write.c --- */
/* May this section or option change between two runs of one study? */
bool config_may_change(const char *path);

/* --- config_range.c: the distributions against the options --- */
void config_check_space(struct config_reader *r);

#endif
