/* The program: finds the command, prints what failed, and exits. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
    const char *names[64] = {NULL}, *near;
    int n = 0;

    for (int i = 0; command_registry[i] && n < 64; i++)
        if (!command_registry[i]->hidden)
            names[n++] = command_registry[i]->plugin.name;
    near = str_nearest(word, names, n);
    fprintf(stderr, "hpo: unknown command '%s'", word);
    if (near)
        fprintf(stderr, ", did you mean '%s'?", near);
    fprintf(stderr, "%s known commands:", near ? "" : ";");
    for (int i = 0; i < n; i++)
        fprintf(stderr, " %s", names[i]);
    fprintf(stderr, "\n");
    return EXIT_MISTAKE;
}

static int print_usage(const struct command_ops *c)
{
    printf("%s\n\nusage: hpo %s", c->plugin.help, c->usage);
    return EXIT_DONE;
}

static const struct command_ops *find_command(const char *name)
{
    return hpo_registry_find((const void *const *)command_registry, name);
}

/* hpo --help, hpo help [COMMAND] */
static int help(int argc, char **argv)
{
    const struct command_ops *c = argc > 2 ? find_command(argv[2]) : NULL;

    if (c)
        return print_usage(c);
    if (argc > 2)
        return unknown_command(argv[2]);
    print_help(stdout);
    return EXIT_DONE;
}

static bool asks_for(int argc, char **argv, const char *word)
{
    for (int i = 2; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], word))
            return true;
    return false;
}

/* A descriptor 0, 1 or 2 that came closed would be given to the next file that is opened, the lock
 * or a worker's socket, and what is printed would go there. Opened the wrong way round, it fails as
 * a closed one does. */
static void open_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
            return;
}

int main(int argc, char **argv)
{
    const struct command_ops *c;
    struct hpo_err err = {0};
    int status;

    open_standard_files();
    if (argc < 2) {
        print_help(stderr);
        return EXIT_MISTAKE;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
        printf("hpo %s\n", HPO_VERSION);
        return EXIT_DONE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return help(argc, argv);
    c = find_command(argv[1]);
    if (!c)
        return unknown_command(argv[1]);
    if (asks_for(argc, argv, "--help") || asks_for(argc, argv, "-h"))
        return print_usage(c);
    status = c->main(argc - 1, argv + 1, &err);
    if (status != EXIT_DONE && err.rc && *err.msg)
        fprintf(stderr, "hpo: %s\n", err.msg);
    /* What was written but did not arrive (a full disk, a closed pipe) is a failure too. */
    if ((fflush(stdout) || ferror(stdout)) && status == EXIT_DONE) {
        fprintf(stderr, "hpo: writing the output failed\n");
        status = EXIT_FAILED;
    }
    return status;
}
