#include "hpo/cli/args.h"

#include <limits.h>
#include <string.h>

#include "base/str.h"

static int unknown(const struct arg *table, const char *command, const char *word,
                   struct hpo_err *err)
{
    const char *names[32], *near;
    int n = 0;

    for (; table->name && n < 32; table++)
        names[n++] = table->name;
    near = str_nearest(word, names, n);
    if (near)
        return hpo_fail(err, HPO_ECONFIG, "%s: unknown option %s, did you mean %s?", command, word,
                        near);
    return hpo_fail(err, HPO_ECONFIG, "%s: unknown option %s (hpo %s --help lists them)", command,
                    word, command);
}

static int set_value(const struct arg *a, void *base, const char *command, const char *value,
                     struct hpo_err *err)
{
    void *field = (char *)base + a->offset;
    struct arg_texts *texts = field;
    int64_t i;

    switch (a->kind) {
    case ARG_TEXT:
        if (!*value) /* --dir "$UNSET": "" + "/name" would be in the root folder */
            return hpo_fail(err, HPO_ECONFIG, "%s: %s needs a value, not ''", command, a->name);
        *(const char **)field = value;
        return 0;
    case ARG_INT:
        if (!str_to_int(value, &i) || i < 0 || i > INT_MAX)
            return hpo_fail(err, HPO_ECONFIG, "%s: %s takes a whole number from 0, not '%s'",
                            command, a->name, value);
        *(int *)field = (int)i;
        return 0;
    case ARG_REAL:
        if (!str_to_double(value, field))
            return hpo_fail(err, HPO_ECONFIG, "%s: %s takes a number, not '%s'", command, a->name,
                            value);
        return 0;
    case ARG_TEXTS:
        if (texts->n == (int)HPO_LEN(texts->item))
            return hpo_fail(err, HPO_ECONFIG, "%s: %s stands there more than %d times", command,
                            a->name, texts->n);
        texts->item[texts->n++] = value;
        return 0;
    case ARG_FLAG:
        break;
    }
    *(bool *)field = true;
    return 0;
}

int args_parse(const struct arg *table, void *base, int argc, char **argv, int max_rest,
               const char **ret_rest, int *ret_n, struct hpo_err *err)
{
    bool options = true;

    *ret_n = 0;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = strchr(word, '=');
        size_t n = value ? (size_t)(value - word) : strlen(word);
        const struct arg *a = table;
        int rc;

        if (options && !strcmp(word, "--")) {
            options = false;
            continue;
        }
        if (!options || word[0] != '-' || !word[1]) {
            if (*ret_n == max_rest)
                return hpo_fail(err, HPO_ECONFIG, "%s: '%s' is one word too many", argv[0], word);
            ret_rest[(*ret_n)++] = word;
            continue;
        }
        while (a->name && (strlen(a->name) != n || memcmp(a->name, word, n)))
            a++;
        if (!a->name)
            return unknown(table, argv[0], word, err);
        if (a->kind == ARG_FLAG) {
            if (value)
                return hpo_fail(err, HPO_ECONFIG, "%s: %s takes no value", argv[0], a->name);
        } else if (value) {
            value++;
        } else if (i + 1 < argc) {
            value = argv[++i];
        } else {
            return hpo_fail(err, HPO_ECONFIG, "%s: %s needs a value", argv[0], a->name);
        }
        rc = set_value(a, base, argv[0], value, err);
        if (rc)
            return rc;
    }
    return 0;
}
