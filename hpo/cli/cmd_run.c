/* hpo run STUDY.yaml: start a study, or go on with it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "hpo/cli/args.h"
#include "hpo/cli/command.h"
#include "hpo/cli/paths.h"
#include "hpo/cli/study_data.h"
#include "hpo/cli/view.h"

struct run_args {
    struct arg_texts sets;
    const char *runs;
    bool fresh, json;
};

static const struct arg table[] = {
    {"--set", ARG_TEXTS, offsetof(struct run_args, sets)},
    {"--dir", ARG_TEXT, offsetof(struct run_args, runs)},
    {"--fresh", ARG_FLAG, offsetof(struct run_args, fresh)},
    {"--json", ARG_FLAG, offsetof(struct run_args, json)},
    {NULL, ARG_FLAG, 0},
};

struct session {
    struct run_args args;
    struct arena arena;
    struct study_config config;
    const char *dir; /* runs/<name> */
    struct file_lock lock;
    struct view view;
    int signal_fd;
    int signal; /* that arrived before the run began */
};

static int open_signals(struct session *s, struct hpo_err *err)
{
    struct sigaction hup;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    /* nohup: a signalfd would see what is ignored, too. */
    if (sigaction(SIGHUP, NULL, &hup) || hup.sa_handler != SIG_IGN)
        sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signal_fd < 0)
        return hpo_fail(err, HPO_EIO, "signals: %s", strerror(errno));
    return 0;
}

static bool on_decode(void *arg, int64_t done, int64_t total)
{
    struct session *s = arg;
    struct signalfd_siginfo info;

    if (s->signal_fd >= 0 && read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        s->signal = (int)info.ssi_signo;
        return false;
    }
    s->view.ops->decoding(&s->view, done, total);
    return true;
}

/* The owner's line of a lock starts "pid N on HOST". Is that process alive here? */
static bool owner_alive(const char *line)
{
    char host[128] = "", mine[128] = "";
    long pid = 0;

    if (sscanf(line, "pid %ld on %127s", &pid, host) != 2 || pid <= 0)
        return true;
    gethostname(mine, sizeof(mine) - 1);
    return strcmp(host, mine) || kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

/* Is what we locked still the study's lock? Another run's --fresh may have moved it aside after we
 * opened it. */
static bool lock_in_place(const struct file_lock *l, const char *path)
{
    struct stat held, named;

    return !fstat(l->fd, &held) && !stat(path, &named) && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

/* The lock of a killed run is held by its workers for the moment that they need to die; one that
 * `hpo enqueue` holds is free in a moment too. */
static int take_lock(struct session *s, struct hpo_err *err)
{
    const char *path = arena_printf(&s->arena, "%s/lock", s->dir);
    double begun = clock_monotonic();
    int rc;

    while ((rc = file_lock(&s->lock, path, err)) == HPO_EBUSY &&
           clock_monotonic() - begun < (owner_alive(err->msg) ? 0.5 : 10))
        usleep(5000);
    if (!rc && !lock_in_place(&s->lock, path)) {
        file_unlock(&s->lock);
        return hpo_fail(err, HPO_EBUSY, "the study %s is being started anew by another process",
                        s->config.study.name);
    }
    if (rc == HPO_EBUSY) {
        char owner[256];

        snprintf(owner, sizeof(owner), "%.255s", err->msg);
        hpo_fail(err, rc, "the study %s is being run by %s", s->config.study.name, owner);
    }
    return rc;
}

/* --fresh: what is there is kept under another name. */
static int move_aside(struct session *s, struct hpo_err *err)
{
    time_t now = time(NULL);
    struct tm tm;
    char when[32];
    const char *aside;

    localtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
    aside = arena_printf(&s->arena, "%s.%s", s->dir, when);
    for (int i = 2; file_exists(aside); i++)
        aside = arena_printf(&s->arena, "%s.%s-%d", s->dir, when, i);
    if (rename(s->dir, aside))
        return hpo_fail(err, HPO_EIO, "%s: renaming to %s: %s", s->dir, aside, strerror(errno));
    fprintf(stderr, "hpo: the old study was moved to %s\n", aside);
    file_unlock(&s->lock);
    if (file_mkdirs(s->dir, err))
        return err->rc;
    return take_lock(s, err);
}

static int prepare_folder(struct session *s, struct hpo_err *err)
{
    int rc;

    s->dir = arena_printf(&s->arena, "%s/%s", s->args.runs, s->config.study.name);
    rc = file_mkdirs(arena_printf(&s->arena, "%s/trials", s->dir), err);
    if (!rc)
        rc = take_lock(s, err);
    if (!rc && s->args.fresh && file_exists(arena_printf(&s->arena, "%s/study.db", s->dir))) {
        rc = move_aside(s, err);
        if (!rc)
            rc = file_mkdirs(arena_printf(&s->arena, "%s/trials", s->dir), err);
    }
    return rc;
}

static int write_resolved(struct session *s, const char **ret, struct hpo_err *err)
{
    struct str text = {0};
    int rc;

    *ret = arena_printf(&s->arena, "%s/study.yaml", s->dir);
    study_config_write(&s->config, &text);
    rc = file_replace(*ret, text.s, text.n, err);
    str_release(&text);
    return rc;
}

static void on_event(void *arg, const struct run_event *e, const struct run_view *v)
{
    struct session *s = arg;

    s->view.ops->event(&s->view, e, v);
}

/* Decode, check the folds, and let go of the pixels again: the workers map them. */
static int prepare_data(struct session *s, struct str *content, struct hpo_err *err)
{
    /* The last rung's data are the study's: their content is what must not change. */
    const struct study_config *c = study_config_rung(&s->config, s->config.n_rungs - 1);
    struct tr_dataset data = {0};
    struct tr_folds folds = {0};
    struct tr_audit audit;
    int rc;

    if (!objective_of(c)->trains)
        return 0;
    rc = study_rungs_check(&s->config, on_decode, s, err);
    if (!rc)
        rc = study_data_open(c, &data, on_decode, s, err);
    if (!rc)
        rc = study_data_check(&s->config, &data, &s->arena, &folds, &audit, err);
    if (!rc)
        rc = study_space_check(c, &data, err);
    if (!rc)
        rc = study_weights_check(c, &data, err);
    if (!rc)
        rc = study_content(c, &data, content, err);
    if (!rc)
        s->view.ops->data(&s->view, &data);
    tr_folds_release(&folds);
    tr_dataset_close(&data);
    return rc;
}

/* nothing: it ended, and not one trial has a value. */
static int status_of(enum run_end end, int signal, bool nothing)
{
    if (end == RUN_INTERRUPTED)
        return 128 + signal;
    return end == RUN_FAILURES || nothing ? EXIT_FAILED : EXIT_DONE;
}

static int run_session(struct session *s, int *ret_status, struct hpo_err *err)
{
    struct device_spec *device;
    struct study study = {0};
    struct run_options o;
    enum run_end end = RUN_DONE;
    const char *resolved;
    struct str content = {0};
    int n = 0, signal = 0, rc;

    rc = devices_resolve(&s->config, &s->arena, &device, &n, err);
    if (!rc)
        rc = prepare_data(s, &content, err);
    if (!rc && s->config.study.warm_start) /* before there is a folder of a study that never was */
        rc = study_warm_start_find(&s->config, s->args.runs, &s->arena, &resolved, err);
    if (!rc)
        rc = prepare_folder(s, err);
    if (!rc)
        rc = study_open(&study, &s->config, s->dir, str_c(&content), devices_slots(device, n), err);
    if (!rc)
        rc = write_resolved(s, &resolved, err);
    if (rc)
        goto out;
    study_remember(s->args.runs, s->config.study.name);
    o = (struct run_options){
        .study = &study,
        .program = "/proc/self/exe",
        .study_file = resolved,
        .device = device,
        .n_devices = n,
        .lock_fd = s->lock.fd,
        .signal_fd = s->signal_fd,
        .event = on_event,
        .arg = s,
    };
    rc = run_study(&o, &end, &signal, err);
    s->view.ops->close(&s->view);
    if (!rc) {
        struct str text = {0};

        view_summary(&study, end, &text);
        if (!s->args.json)
            fputs(str_c(&text), stdout);
        str_release(&text);
        *ret_status = status_of(end, signal, end == RUN_EXHAUSTED && !study_finished(&study));
    }
out:
    str_release(&content);
    study_close(&study);
    return rc;
}

static int run(int argc, char **argv, struct hpo_err *err)
{
    struct session s = {.args = {.runs = DEFAULT_RUNS}, .lock = FILE_LOCK_INIT, .signal_fd = -1};
    const char **rest = xcalloc((size_t)argc, sizeof(*rest)), *file;
    int n, status = EXIT_MISTAKE, rc;

    rc = args_parse(table, &s.args, argc, argv, 1, rest, &n, err);
    if (!rc && n != 1)
        rc = hpo_fail(err, HPO_ECONFIG, "run: which study? usage: hpo run STUDY.yaml");
    if (!rc)
        rc = study_file_find(rest[0], s.args.runs, &s.arena, &file, err);
    if (!rc)
        rc = study_read(&s.config, file, s.args.sets.item, s.args.sets.n, err);
    if (rc)
        goto out;
    view_init(&s.view, s.args.json);
    rc = open_signals(&s, err);
    if (!rc)
        rc = run_session(&s, &status, err);
    if (s.view.ops)
        s.view.ops->close(&s.view);
    if (rc == HPO_ESTOPPED && s.signal) {
        err->rc = 0;
        fprintf(stderr,
                "hpo: interrupted while images were decoded; the same command starts over\n");
        status = 128 + s.signal;
    } else if (rc) {
        status = rc == HPO_ECONFIG ? EXIT_MISTAKE : EXIT_FAILED;
    }
out:
    file_unlock(&s.lock);
    if (s.signal_fd >= 0)
        close(s.signal_fd);
    study_config_release(&s.config);
    arena_release(&s.arena);
    free(rest);
    return status;
}

const struct command_ops command_run = {
    .plugin = {.name = "run", .help = "Start a study, or go on with it where it stopped."},
    .usage =
        "run STUDY.yaml [--set KEY=VALUE]... [--dir DIR] [--fresh] [--json]\n\n"
        "  STUDY.yaml       the study file; of a study that was run: its folder or name\n"
        "  --set KEY=VALUE  override a key of the study file, e.g. --set study.trials=4\n"
        "  --dir DIR        where studies are kept (runs)\n"
        "  --fresh          start anew; the old results are kept beside the new ones\n"
        "  --json           one JSON object a line for every event\n\n"
        "  Ctrl-C writes checkpoints and ends; the same command goes on. A second one ends at\n"
        "  once, and loses at most the epoch that was running.\n",
    .main = run,
};
