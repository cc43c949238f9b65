/* hpo/config_impl.h - shared by hpo/config_*.c and by nobody else.
 *
 * The way of a file: text -> tree -> (--set) -> the objective, and with it the sections that there
 * can be -> the distributions of `space`, as they stand -> the types that each typed section can
 * have in this study -> every section checked and bound -> the distributions checked against the
 * options they search -> `study.enqueue` -> what the parts themselves say of it all. */
#ifndef HPO_CONFIG_IMPL_H
#define HPO_CONFIG_IMPL_H

#include "hpo/config.h"
#include "hpo/objective.h"

struct config_reader {
    struct study_config *c;
    const struct objective_ops *objective; /* NULL: of an unknown type, and so little can be said */
    struct arena *a;                       /* &c->arena */
    struct diags *d;
    struct yaml_node *root;
    bool partial;             /* the text broke off: what is missing is no mistake of its own */
    struct draft *drafts;     /* c->space.n of them */
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
bool words_have(const struct words *w, const char *word);
/* Every key of the map that is not known. where: " in trainer", or nothing. */
void config_check_keys(struct config_reader *r, const struct yaml_node *map, const char *where,
                       const struct words *known);
const char *config_kind_name(const struct yaml_node *n); /* "a mapping", "a list", "a value" */

/* --- config_sections.c --- */
#define CONFIG_DEF_OBJECTIVE "training"
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
/* Is it a text option (study.metric) whose only values are the names of a registry? They are added
 * to *ret. */
bool config_names_of(const struct hpo_section *s, const struct hpo_opt *o, struct words *ret);
/* The metrics that a trial can be judged by. */
void config_add_metrics(struct words *ret);
bool config_can_search(const struct hpo_opt *o);
/* "optimizer" for "trainer.optimizer": what one of its types is. */
const char *config_noun(const struct hpo_section *s);
/* The section whose types are these, or NULL. */
const struct hpo_section *config_section_of_kinds(const struct hpo_section *all,
                                                  const void *const *kinds);

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
/* Zeroed memory that the option can be put into. */
void *config_scratch(const struct hpo_opt *o, struct arena *a);
/* Put the value of a node into the option's field. Strict about kinds and quotes; of a PART what
 * config_check_option finds is passed over. */
int config_set(const struct hpo_opt *o, void *base, const struct yaml_node *value, struct arena *a,
               struct hpo_err *err);
/* Defaults, then what the map (NULL: nothing) says of these options. The first failure is passed
 * on; the others keep what they have. */
int config_bind(const struct hpo_opt *opts, void *base, const struct yaml_node *map,
                struct arena *a, struct hpo_err *err);
/* The struct of a type's options, bound. */
void *config_bind_type(const void *ops, const struct yaml_node *map, struct arena *a);

/* --- config_part.c: values that are more than one word --- */
#define CONFIG_MAX_PARTS 8 /* levels of parts in parts */
int config_set_argv(const struct hpo_opt *o, void *base, const struct yaml_node *value,
                    struct arena *a, struct hpo_err *err);
int config_set_part(const struct hpo_opt *o, void *base, const struct yaml_node *value,
                    struct arena *a, struct hpo_err *err);
/* `x: median` is short for `x: {type: median}`, in the parts of a typed mapping at any depth. */
void config_normalise_parts(const void *const *kinds, const struct hpo_opt *beside,
                            struct yaml_node *map, struct arena *a);
void config_to_typed(struct yaml_node *n, struct arena *a);
/* All mistakes of an option's value. path: of what it is an option; depth: 0 in a section. */
bool config_check_option(struct config_reader *r, const char *path, const struct hpo_opt *o,
                         const struct yaml_node *value, int depth);
void config_check_required(struct config_reader *r, const char *path, const struct hpo_opt *opts,
                           const struct yaml_node *map);

/* --- config_set.c --- */
void config_normalise(const struct hpo_section *all, struct yaml_node *root, struct arena *a);
void config_apply_set(struct config_reader *r, const char *set);

/* --- config_check.c --- */
void config_check_top(struct config_reader *r);
void config_check_section(struct config_reader *r, const struct hpo_section *s);

/* --- config_check_study.c --- */
const struct objective_ops *config_objective(const struct yaml_node *root);
/* After every section: what involves more than one option. */
void config_check_study(struct config_reader *r);
/* At the end. fine: no mistake was found so far. */
void config_check_parts(struct config_reader *r, bool fine);

/* --- config_space.c: the distributions as they stand --- */
struct draft {
    struct yaml_node *key, *node;
    struct yaml_node *type, *low, *high, *when; /* NULL: not there, or wrong */
    struct yaml_node **choices;                 /* params[i].n_choices of them */
    bool ok;                                    /* bounds or choices can be relied on */
};
void config_read_space(struct config_reader *r);
struct hpo_choice config_choice(const struct yaml_node *n, struct arena *a);
bool config_choice_equal(const struct hpo_choice *a, const struct hpo_choice *b);
int config_space_find(const struct hpo_space *s, const char *name); /* -1: not there */

/* --- config_when.c --- */
void config_read_whens(struct config_reader *r);
void config_add_when(struct config_reader *r, int param, struct hpo_when when);
void config_finish_space(struct config_reader *r);

/* --- config_values.c: what a row of values says --- */
/* As the file would write it -> the internal representation. HPO_ECONFIG: what is allowed. */
int config_value(const struct hpo_param *p, const struct hpo_choice *text, struct arena *a,
                 double *ret, struct hpo_err *err);
/* Fill in the values that a row needs for what it gives to be active. HPO_ECONFIG: there are none,
 * or several; *ret_param is the parameter that asks for them. */
int config_complete(const struct hpo_space *s, double *values, int *ret_param, struct hpo_err *err);

/* --- config_enqueue.c --- */
void config_read_enqueue(struct config_reader *r);
struct yaml_node *config_enqueue_node(const struct hpo_space *s, const double *rows, int n,
                                      struct arena *a);

/* --- config_fidelity.c --- */
/* fine: no mistake was found so far, and the rungs can be made. */
void config_read_fidelity(struct config_reader *r, bool fine);
/* The settings of a rung, as paths in `space`; NULL ends them. */
extern const char *const config_fidelity_settings[];
struct yaml_node *config_fidelity_node(const struct study_config *c, struct arena *a);
void config_identify_fidelity(const struct study_config *c, struct str *ret);

/* --- config_read.c --- */
/* The most epochs of any trial. */
int config_max_epochs(const struct study_config *c);

/* --- config_trial.c --- */
/* A value as the file would say it. */
struct yaml_node *config_value_node(const struct hpo_param *p, double v, struct arena *a);
/* The section's keys with a trial's values in place (values NULL: as in the file); its own keys and
 * nodes are shared with c->tree. */
struct yaml_node *config_section_map(const struct study_config *c, const struct hpo_section *s,
                                     const double *values, struct arena *a);
/* The type that such a mapping stands for. */
const void *config_section_type(const struct study_config *c, const struct hpo_section *s,
                                const struct yaml_node *map, const double *values);

/* --- config_write.c --- */
/* "1e-05" is a number in YAML 1.2 and in a study file, but a text to readers of YAML 1.1; "1.0e-05"
 * is a number to all. */
const char *config_number_text(const char *text, struct arena *a);
/* Does the section go without saying? An objective without options that is the default. */
bool config_left_out(const struct study_config *c, const struct hpo_section *s);
/* The types of a section: all of the study's, or (values) the one of a trial. */
struct config_types config_types_in(const struct study_config *c, const struct hpo_section *s,
                                    const struct yaml_node *map, const double *values,
                                    struct arena *a);
struct yaml_node *config_param_node(const struct hpo_space *s, const struct hpo_param *p,
                                    struct arena *a);

/* --- config_identity.c --- */
/* May this section or option change between two runs of one study? */
bool config_may_change(const char *path);

/* --- config_range.c: the distributions against the options --- */
void config_check_space(struct config_reader *r);

#endif
