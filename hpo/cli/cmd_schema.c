/* hpo schema [--docs]: the study file described, from the option tables. */
#include <stdio.h>

#include "hpo/cli/args.h"
#include "hpo/cli/command.h"
#include "hpo/config.h"

struct schema_args {
    bool docs;
};

static const struct arg table[] = {
    {"--docs", ARG_FLAG, offsetof(struct schema_args, docs)},
    {NULL, ARG_FLAG, 0},
};

static int schema_main(int argc, char **argv, struct hpo_err *err)
{
    struct schema_args args = {0};
    struct str text = {0};
    const char *rest[1];
    int n;

    if (args_parse(table, &args, argc, argv, 0, rest, &n, err))
        return EXIT_MISTAKE;
    if (args.docs)
        study_docs_write(&text);
    else
        study_schema_write(&text);
    fwrite(text.s, 1, text.n, stdout);
    str_release(&text);
    return EXIT_DONE;
}

const struct command_ops command_schema = {
    .plugin = {"schema", "Print the JSON Schema of the study file, for editors.", 0, NULL},
    .usage = "schema [--docs]\n\n"
             "  --docs    the description of every key instead, as Markdown\n",
    .main = schema_main,
};
