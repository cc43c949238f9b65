/* hpo/objectives/command_impl.h - inside the objective `command`: command.c has its options and the
 * life of a trial, command_line.c what is run, command_process.c the process, command_reports.c
 * what it says. */
#ifndef HPO_OBJECTIVES_COMMAND_IMPL_H
#define HPO_OBJECTIVES_COMMAND_IMPL_H

#include <sys/types.h>

#include "hpo/objective.h"

struct command_options {
    const char *const *run;
    const char *folder; /* absolute: where it runs */
    int steps, folds;   /* steps 0: nobody knows */
    int keep;           /* folders of finished trials: 0 all, 1 the best one's */
    double grace;       /* seconds between SIGTERM and SIGKILL */
};

/* ---- what is run */

/* HPO_ECONFIG, "run: ...": an unknown placeholder, a program that is not there. */
int program_check(const struct study_config *c, struct hpo_err *err);
/* The words with the trial's values in place, NULL-ended, in a. A word with a parameter that is
 * inactive in this trial is left out; if it is nothing but that, the option before it is too. */
const char **program_words(const struct objective *o, const struct objective_trial *t,
                           struct arena *a);
/* The environment, NULL-ended, in a: this process's and what the trial is told. */
char **program_environment(const struct objective *o, const struct objective_trial *t,
                           struct arena *a);

/* ---- the process */

#define COMMAND_REPORT_FD 3 /* JSON lines may be written there instead of to stdout */

struct command_process {
    pid_t guard;     /* leads a process group with the command in it; 0: none */
    int life;        /* closed when this process dies or gives up: the guard kills the group */
    int status;      /* the guard writes what became of the command */
    int out, report; /* what it says on stdout and stderr, and on COMMAND_REPORT_FD */
};

/* HPO_EIO: no process or pipe was to be had. */
int program_start(struct command_process *p, const char *const *argv, char *const *env,
                  const char *folder, struct hpo_err *err);
void program_signal(const struct command_process *p, int sig); /* to the whole group */
/* Has it ended? *ret: a wait status, or a negative errno when it could not be started. */
bool program_ended(struct command_process *p, int *ret);
/* Kill what is left of the group, and collect it. A zeroed one is valid. */
void program_finish(struct command_process *p);

/* ---- what it says */

#define COMMAND_LINE_MAX 65536

struct command_lines {
    struct str buf;
    bool skip; /* in the middle of a line that is too long to be a report */
};

/* A line that is a report or a result. */
struct command_word {
    bool has_step, has_fold, has_value;
    int64_t step;
    int fold;
    double value;
    int n; /* what else was measured */
    const char *names[OBJECTIVE_MAX_METRICS];
    double values[OBJECTIVE_MAX_METRICS];
};

/* The next whole line of what was put into buf, without its end; NULL: none. Valid until the next
 * call. Very long lines are passed over. */
const char *program_next_line(struct command_lines *l, struct arena *a);
/* Is it {"step": 3, "value": 0.91, ...}, or {"value": 0.91}? metric: a second name for "value".
 * Strings in a. */
bool program_parse(const char *line, const char *metric, struct command_word *ret, struct arena *a);

#endif
