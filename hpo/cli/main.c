/* The program: finds the command, prints what failed, and exits. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "hpo/cli/command.h"

static void print_help(FILE *to)
{
    fprintf(to, "hpo %s: tunes image classifiers\n\nusage: hpo COMMAND ...\n\n", HPO_VERSION);
    for (int i = 0; command_registry[i]; i++)
        if (!command_registry[i]->hidden)
            fprintf(to, "  %-8s %s\n", command_registry[i]->plugin.name,
                    command_registry[i]->plugin.help);
    fprintf(to,
            "\n  hpo COMMAND --help says more. Exit status: 0 done, 1 it could not be done, 2 the\n"
            "  study file or the command line is wrong, 130 / 143 interrupted and saved.\n");
}

static int unknown_command(const char *word)
{
    const char *names[64], *near;
    int n = 0;

    for (int i = 0; command_registry[i] && n < 64; i++)
        if (!command_registry[i]->hidden)
            names[n++] = command_registry[i]->plugin.name;
    near = str_nearest(word, names, n);
    fprintf(stderr, "hpo: unknown command '%s'", word);
    if (near)
        fprintf(stderr, ", did you mean '%s'?", near);
    fprintf(stderr, " Known commands:");
    for (int i = 0; i < n; i++)
        fprintf(stderr, " %s", names[i]);
    fprintf(stderr, "\n");
    return EXIT_MISTAKE;
}

static bool asks_for(int argc, char **argv, const char *word)
{
    for (int i = 2; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], word))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    const struct command_ops *c;
    struct hpo_err err = {0};
    int status;

    if (argc < 2) {
        print_help(stderr);
        return EXIT_MISTAKE;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
        printf("hpo %s\n", HPO_VERSION);
        return EXIT_DONE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_help(stdout);
        return EXIT_DONE;
    }
    c = hpo_registry_find((const void *const *)command_registry, argv[1]);
    if (!c)
        return unknown_command(argv[1]);
    if (asks_for(argc, argv, "--help") || asks_for(argc, argv, "-h")) {
        printf("%s\n\nusage: hpo %s", c->plugin.help, c->usage);
        return EXIT_DONE;
    }
    status = c->main(argc - 1, argv + 1, &err);
    if (status != EXIT_DONE && err.rc && *err.msg)
        fprintf(stderr, "hpo: %s\n", err.msg);
    /* What was written but did not arrive (a full disk, a closed pipe) is a failure too. */
    if (fflush(stdout) && status == EXIT_DONE) {
        fprintf(stderr, "hpo: writing the output failed\n");
        status = EXIT_FAILED;
    }
    return status;
}
