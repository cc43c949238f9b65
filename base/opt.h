/* base/opt.h - one table row declares an option everywhere: YAML key, range, default, help text,
 * `hpo list`, the generated documentation, the JSON Schema and the resolved study.
 *
 * The table stands in the file of the part that owns the option. A part that is chosen by name
 * (`type:`) starts its const struct with a struct hpo_plugin; a registry is a NULL-ended array of
 * pointers to them. */
#ifndef HPO_BASE_OPT_H
#define HPO_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

enum hpo_opt_type {
    HPO_OPT_BOOL,   /* bool */
    HPO_OPT_INT,    /* int */
    HPO_OPT_REAL,   /* double */
    HPO_OPT_STR,    /* const char *, NULL when absent and the default is "" */
    HPO_OPT_CHOICE, /* int: the index of the word in `choices` */
    HPO_OPT_TIME,   /* double, seconds; text "90s", "15m", "2h", "1h30m" */
    HPO_OPT_LIST,   /* const char *: a word, or a sequence joined by ',' */
    HPO_OPT_NUMBERS, /* const char *: one of the words of `choices`, or numbers joined by ',', each in
                        the range; hpo_numbers reads them */
    HPO_OPT_ARGV,   /* const char *const *: a sequence of texts, NULL ends it; NULL when absent. As
                       text a JSON array */
    HPO_OPT_PART,   /* struct hpo_part: a mapping with a `type:` of `kinds` and its options; ops
                       NULL when absent and there is no default. As text {type: NAME, KEY: VALUE} */
};

enum hpo_opt_flags {
    HPO_OPT_AUTO = 1,     /* the word "auto" is allowed: INT -1, REAL and TIME NaN */
    HPO_OPT_MIN_OPEN = 2, /* min itself is not allowed */
    HPO_OPT_MAX_OPEN = 4, /* max itself is not allowed */
    HPO_OPT_REQUIRED = 8, /* no default: the key must be there */
    HPO_OPT_FIXED = 16,   /* may not stand in `space:` */
    HPO_OPT_PATH = 32,    /* STR: a path that starts at the study file's folder; of an objective it is
                             the default too */
};

struct hpo_opt {
    const char *name; /* NULL ends the table */
    enum hpo_opt_type type;
    size_t offset;   /* of the field in the owner's struct */
    double min, max; /* inclusive unless flagged; equal means unbounded */
    const char *def; /* as text, through the same parser; NULL: unset (0, NULL; REAL, TIME: NaN) */
    const char *choices; /* "a|b|c" when type is HPO_OPT_CHOICE */
    unsigned flags;
    const char *help;         /* one sentence without a full stop */
    const void *const *kinds; /* PART: the registry */
};

/* HPO_OPT(REAL, struct priv, lr, "lr", "0.1", 0, 10, HPO_OPT_MIN_OPEN, "learning rate") */
#define HPO_OPT(T, S, F, NAME, DEF, LO, HI, FLAGS, HELP)                  \
    {                                                                     \
        NAME, HPO_OPT_##T, offsetof(S, F), LO, HI, DEF, NULL, FLAGS, HELP \
    }
#define HPO_OPT_WORDS(S, F, NAME, DEF, WORDS, FLAGS, HELP)                  \
    {                                                                       \
        NAME, HPO_OPT_CHOICE, offsetof(S, F), 0, 0, DEF, WORDS, FLAGS, HELP \
    }
#define HPO_OPT_NUMBERS_OR(S, F, NAME, DEF, WORDS, LO, HI, FLAGS, HELP)         \
    {                                                                           \
        NAME, HPO_OPT_NUMBERS, offsetof(S, F), LO, HI, DEF, WORDS, FLAGS, HELP \
    }
#define HPO_OPT_NESTED(S, F, NAME, DEF, KINDS, FLAGS, HELP)                     \
    {                                                                           \
        NAME, HPO_OPT_PART, offsetof(S, F), 0, 0, DEF, NULL, FLAGS, HELP, KINDS \
    }

/* The head of every plug-in. */
struct hpo_plugin {
    const char *name, *help;
    size_t priv_size;           /* of the struct that `opts` fills; 0: no options */
    const struct hpo_opt *opts; /* NULL: none */
};

/* A part of a file: a mapping whose keys are `opts`, or (kinds not NULL) one with a `type:` key
 * that picks a plug-in, whose options are the other keys. */
struct hpo_section {
    const char *path; /* "trainer.optimizer"; "" is the top level */
    const char *help;
    const struct hpo_opt *opts;
    const void *const *kinds; /* a registry, each entry starting with a struct hpo_plugin */
    const char *def_type;     /* the type taken when the section is absent or has no `type` */
    size_t offset;            /* in the owner's struct: of the struct that opts fills. With kinds it
                                 begins with a struct hpo_part; opts, if any, are options that stand
                                 beside those of every type */
};

/* A chosen plug-in with its options filled in. */
struct hpo_part {
    const void *ops; /* the registry's entry; cast to the kind's ops */
    void *priv;      /* priv_size bytes, options set */
};

static inline const struct hpo_plugin *hpo_plugin_of(const void *ops)
{
    return (const struct hpo_plugin *)ops;
}

/* Parse text into the field at base + o->offset. Strings are copied into a. On failure *err says
 * what is wrong and what is allowed ("0 is below the lowest allowed value, 1"); the caller adds
 * the place. */
int hpo_opt_set(const struct hpo_opt *o, void *base, const char *text, struct arena *a,
                struct hpo_err *err);
/* Every default of the table. A default that does not parse is a programmer's mistake (assert). */
void hpo_opt_defaults(const struct hpo_opt *opts, void *base, struct arena *a);
/* The field as the text that parses back to it; NULL: unset. */
const char *hpo_opt_get(const struct hpo_opt *o, const void *base, struct arena *a);
const struct hpo_opt *hpo_opt_find(const struct hpo_opt *opts, const char *name);
/* What is allowed, for messages and documentation: "a number above 0 and at most 10". */
const char *hpo_opt_allowed(const struct hpo_opt *o, struct arena *a);

/* The numbers of a NUMBERS option, at most max of them; returns how many there are. NULL, a word: 0. */
int hpo_numbers(const char *text, double *ret, int max);

/* NULL when no entry has that name. */
const void *hpo_registry_find(const void *const *registry, const char *name);

#endif
