/* hpo worker: what the controller starts; not for people. */
#include <stdio.h>
#include <sys/socket.h>

#include "hpo/cli/command.h"
#include "hpo/spawn.h"
#include "hpo/worker.h"

static int run(int argc, char **argv, struct hpo_err *err)
{
    int kind;
    socklen_t n = sizeof(kind);

    (void)argc;
    (void)argv;
    if (getsockopt(WORKER_FD, SOL_SOCKET, SO_TYPE, &kind, &n)) {
        hpo_fail(err, HPO_ECONFIG, "worker is started by hpo run, not by hand");
        return EXIT_MISTAKE;
    }
    if (worker_main(WORKER_FD, err)) {
        err->rc = 0; /* the controller was told, or is gone */
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

const struct command_ops command_worker = {
    .plugin = {.name = "worker", .help = "Trains what hpo run tells it to; not for people."},
    .usage = "worker\n",
    .hidden = true,
    .main = run,
};
