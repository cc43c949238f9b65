/* hpo/cli/command.h - a command of the program: one file each. */
#ifndef HPO_CLI_COMMAND_H
#define HPO_CLI_COMMAND_H

#include "base/err.h"
#include "base/opt.h"

/* The exit statuses of the program. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISTAKE = 2, EXIT_INT = 130, EXIT_TERM = 143 };

struct command_ops {
    struct hpo_plugin plugin; /* name and one line of help; no options table */
    const char *usage;        /* "run STUDY.yaml [--set KEY=VALUE]..." and its options, lines */
    bool hidden;              /* not in the help: for the program's own use */
    /* argv[0] is the command's name. Returns an exit status; err is printed by main when its rc is
     * set. */
    int (*main)(int argc, char **argv, struct hpo_err *err);
};

extern const struct command_ops *const command_registry[]; /* NULL ends it */

#endif
