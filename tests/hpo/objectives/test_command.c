/* The objective of type command: words, environment, reports, the process and its end. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "config_fixture.h"
#include "hpo/objectives/command_impl.h"

extern const struct objective_ops objective_command;

#define SPACE                                                                                  \
    "space:\n  lr: {type: float, low: 0, high: 1}\n  opt: {type: categorical, choices: [sgd, " \
    "adam]}\n"                                                                                 \
    "  momentum: {type: float, low: 0, high: 1, when: {opt: sgd}}\n"
#define HEAD "study: {direction: minimize}\n" SPACE

static char dir[64];
static const struct hpo_point *past; /* what an earlier attempt reported */
static int n_past;

static int setup(void **state)
{
    strcpy(dir, "/tmp/hpo-command-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    file_remove_tree(dir, NULL);
    return 0;
}

struct listener {
    int reports, stop_at; /* a report; -1: never */
    bool stop_by_poll;
    enum objective_verdict verdict;
    int64_t step[64];
    double value[64], extra[64];
};

static enum objective_verdict on_report(void *arg, const struct objective_report *r)
{
    struct listener *l = arg;

    assert_true(l->reports < 64 && r->n_rows == 1);
    l->step[l->reports] = r->step;
    l->value[l->reports] = r->value;
    l->extra[l->reports] = r->rows[0].n_metrics > 1 ? r->rows[0].values[1] : NAN;
    return l->reports++ == l->stop_at ? l->verdict : OBJECTIVE_GO;
}

static enum objective_verdict on_poll(void *arg, const struct objective_progress *p)
{
    struct listener *l = arg;

    return l->stop_by_poll ? l->verdict : OBJECTIVE_GO;
}

/* Run a trial of a shell script. options: more of the objective's, or "". */
static int run(const char *script, const char *options, struct listener *l,
               struct objective_result *ret, struct hpo_err *err)
{
    static const double values[] = {0.25, 0, 0.5};
    struct objective_trial t = {.number = 7,
                                .values = values,
                                .past = past,
                                .n_past = n_past,
                                .dir = dir,
                                .report = on_report,
                                .poll = on_poll,
                                .arg = l};
    struct config_fixture f = {0};
    struct objective o = {
        .ops = &objective_command, .config = &f.c, .site = {"cpu", "cpu", 0, 2, 1}};
    const char *path = "script.sh";
    struct str text = {0};
    struct arena a = {0};
    int rc;

    path = arena_printf(&a, "%s/script.sh", dir);
    assert_int_equal(file_replace(path, script, strlen(script), NULL), 0);
    str_addf(&text,
             HEAD "objective: {type: command, run: [sh, %s, '{lr}', '{opt}'], folder: /%s}\n", path,
             options);
    if (config_open(&f, str_c(&text)))
        fail_msg("%s", str_c(&f.said));
    *ret = (struct objective_result){0};
    *err = (struct hpo_err){0};
    rc = objective_command.run(&o, NULL, &t, ret, err);
    config_close(&f);
    str_release(&text);
    arena_release(&a);
    return rc;
}

static void test_words(void **state)
{
    struct config_fixture f = {0};
    struct objective o = {.ops = &objective_command, .config = &f.c, .site.device = "cuda:1"};
    double sgd[] = {1e-3, 0, 0.5}, adam[] = {1e-3, 1, NAN};
    struct objective_trial t = {.number = 3, .values = sgd, .dir = "/d"};
    const char **w;

    assert_int_equal(
        config_open(&f,
                    HEAD "objective: {type: command, run: [sh, '--lr={lr}', '{opt}', "
                         "--momentum, '{momentum}', '-m={momentum}', '{trial}:{dir}', '{device}', "
                         "'{\"a\": 1}', '{}', -x]}\n"),
        0);
    w = program_words(&o, &t, &f.a);
    assert_string_equal(w[1], "--lr=0.001");
    assert_string_equal(w[2], "sgd");
    assert_string_equal(w[3], "--momentum");
    assert_string_equal(w[4], "0.5");
    assert_string_equal(w[5], "-m=0.5");
    assert_string_equal(w[6], "3:/d");
    assert_string_equal(w[7], "cuda:1");
    assert_string_equal(w[8], "{\"a\": 1}");
    assert_string_equal(w[9], "{}");
    assert_string_equal(w[10], "-x");
    assert_null(w[11]);
    t.values = adam; /* what is inactive is not said, and neither is its option */
    w = program_words(&o, &t, &f.a);
    assert_string_equal(w[2], "adam");
    assert_string_equal(w[3], "3:/d");
    config_close(&f);
}

static void test_mistakes(void **state)
{
    static const char *const bad[][2] = {
        {"[no-such-program-here]", "is not a program in $PATH"},
        {"[sh, '{learning}']", "'{learning}' is no parameter"},
        {"[./not-there.sh]", "is not a program"},
        {"sh train.sh", "a list"},
        {"[]", "list"},
    };
    struct config_fixture f = {0};

    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        char text[600];

        snprintf(text, sizeof(text), HEAD "objective: {type: command, run: %s}\n", bad[i][0]);
        assert_int_equal(config_open(&f, text), HPO_ECONFIG);
        if (!strstr(str_c(&f.said), bad[i][1]) || !strstr(str_c(&f.said), "s.yaml:6"))
            fail_msg("%s", str_c(&f.said));
    }
    assert_int_equal(config_open(&f, SPACE "objective: {type: command, run: [sh]}\n"), HPO_ECONFIG);
    assert_non_null(strstr(str_c(&f.said), "direction"));
    config_close(&f);
}

static void test_environment(void **state)
{
    struct listener l = {.stop_at = -1};
    struct objective_result r;
    struct hpo_err err;
    char *text;
    size_t n;
    struct arena a = {0};

    assert_int_equal(run("echo \"$HPO_PARAMS|$HPO_TRIAL|$HPO_DEVICE|$HPO_TRIAL_DIR|"
                         "$CUDA_VISIBLE_DEVICES|$1|$2\"; pwd; echo '{\"value\": 2}'\n",
                         "", &l, &r, &err),
                     0);
    assert_true(r.value == 2);
    assert_int_equal(file_read(arena_printf(&a, "%s/output.log", dir), 100000, &text, &n, NULL), 0);
    assert_non_null(strstr(text, "{\"lr\":0.25,\"opt\":\"sgd\",\"momentum\":0.5}|7|cpu|"));
    assert_non_null(strstr(text, "||0.25|sgd\n/\n"));
    free(text);
    arena_release(&a);
}

/* Reports on stdout and on the descriptor, among other output, with other metrics. */
static void test_reports(void **state)
{
    struct listener l = {.stop_at = -1};
    struct objective_result r;
    struct hpo_err err;

    assert_int_equal(run("echo hello; echo '{\"step\": 0, \"value\": 3, \"loss\": 0.5}'\n"
                         "echo '{\"step\": 1, \"value\": NaN}' >&3; sleep 0.2\n"
                         "echo '{\"step\": 1, \"value\": 9}'\n" /* said before */
                         "echo '{broken'; echo '[1]'; echo '{\"step\": -1, \"value\": 1}'\n"
                         "printf '{\"step\": 5, \"value\": 1.5}'\n",
                         "", &l, &r, &err),
                     0);
    assert_int_equal(l.reports, 3);
    assert_true(l.value[0] == 3 && l.extra[0] == 0.5 && isnan(l.value[1]) && l.value[2] == 1.5);
    assert_true(l.step[2] == 5);
    assert_true(r.value == 1.5); /* the best of them */
    assert_int_equal(r.n_folds, 0);
}

static void test_folds(void **state)
{
    struct listener l = {.stop_at = -1};
    struct objective_result r;
    struct hpo_err err;

    assert_int_equal(
        run("for f in 0 1; do for s in 0 1 2; do\n"
            "echo \"{\\\"fold\\\": $f, \\\"step\\\": $s, \\\"value\\\": $((10 * f + 3 - s))}\"\n"
            "done; done\n",
            ", folds: 2, steps: 3", &l, &r, &err),
        0);
    assert_int_equal(l.reports, 6);
    assert_int_equal(l.step[5], 5);
    assert_int_equal(r.n_folds, 2);
    assert_true(r.folds[1].value == 11 && r.folds[1].epoch == 2 && r.value == 6);
    /* A step too far would be taken for the next fold's. */
    assert_int_not_equal(run("echo '{\"fold\": 0, \"step\": 3, \"value\": 1}'; sleep 1000\n",
                             ", folds: 2, steps: 3", &l, &r, &err), 0);
    assert_non_null(strstr(err.msg, "step 3"));
}

/* A program that goes on from a checkpoint of its own: what it had reported before counts. */
static void test_goes_on(void **state)
{
    static const struct hpo_point before[] = {{0, 5}, {1, 0.5}, {2, 7}, {3, 9}};
    struct listener l = {.stop_at = -1};
    struct objective_result r;
    struct hpo_err err;

    past = before;
    n_past = 3;
    assert_int_equal(run("echo '{\"step\": 3, \"value\": 4}'\n", "", &l, &r, &err), 0);
    assert_true(r.value == 0.5);
    n_past = 4;
    assert_int_equal(run("echo '{\"fold\": 1, \"step\": 2, \"value\": 1}'\n", ", folds: 2, steps: 3", &l,
                         &r, &err), 0);
    n_past = 0;
    assert_int_equal(r.n_folds, 2);
    assert_true(r.folds[0].value == 0.5 && r.folds[0].epoch == 1 && r.folds[1].value == 1);
}

static void test_failures(void **state)
{
    static const char *const bad[][2] = {
        {"echo 'out of memory' >&2; exit 3", "status 3: out of memory"},
        {"kill -9 $$", "killed by signal 9"},
        {"echo nothing", "without a value"},
        {"", "without a value"},
        {"echo 'no disk'; echo '{\"step\": 0, \"value\": 1}'; exit 1", "status 1: no disk"},
    };
    struct listener l = {.stop_at = -1};
    struct objective_result r;
    struct hpo_err err;

    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        assert_int_not_equal(run(bad[i][0], "", &l, &r, &err), 0);
        if (!strstr(err.msg, bad[i][1]))
            fail_msg("%s", err.msg);
    }
}

/* SIGTERM gives it the chance to tidy up; what it started ends with it. */
static void test_pruned(void **state)
{
    struct listener l = {.stop_at = 1, .verdict = OBJECTIVE_PRUNE};
    struct objective_result r;
    struct hpo_err err;
    struct arena a = {0};
    char *text;
    size_t n;

    assert_int_equal(run("trap 'echo tidy > \"$HPO_TRIAL_DIR/tidy\"; exit 0' TERM\n"
                         "for s in 0 1 2 3 4 5 6 7 8 9; do\n"
                         "echo \"{\\\"step\\\": $s, \\\"value\\\": 1}\"; sleep 0.05; done\n"
                         "sleep 1000 & wait\n",
                         "", &l, &r, &err),
                     HPO_ESTOPPED);
    assert_true(r.pruned);
    assert_int_equal(l.reports, 2);
    assert_int_equal(file_read(arena_printf(&a, "%s/tidy", dir), 100, &text, &n, NULL), 0);
    free(text);
    arena_release(&a);
}

/* One that does not listen is killed when its time is over; a pause does not wait for long. */
static void test_deaf(void **state)
{
    struct listener l = {.stop_at = 0, .verdict = OBJECTIVE_PRUNE};
    struct objective_result r;
    struct hpo_err err;

    assert_int_equal(
        run("trap '' TERM; echo '{\"step\": 0, \"value\": 1}'; sleep 1000 & sleep 1000\n",
            ", grace: 0.3s", &l, &r, &err),
        HPO_ESTOPPED);
    assert_true(r.pruned && r.seconds < 100);
    l = (struct listener){.stop_by_poll = true, .verdict = OBJECTIVE_PAUSE};
    assert_int_equal(run("trap '' TERM; sleep 1000\n", ", grace: 1000s", &l, &r, &err),
                     HPO_ESTOPPED);
    assert_true(!r.pruned && r.seconds < 100);
}

/* When the worker is killed, the command and its children do not live on. */
static void test_worker_killed(void **state)
{
    struct arena a = {0};
    const char *mark = arena_printf(&a, "%s/pid", dir);
    int64_t child = 0;
    pid_t worker = fork();

    if (worker == 0) {
        struct listener l = {.stop_at = -1};
        struct objective_result r;
        struct hpo_err err;

        run("sleep 1000 & echo $! > \"$HPO_TRIAL_DIR/pid.new\"; mv \"$HPO_TRIAL_DIR/pid.new\" "
            "\"$HPO_TRIAL_DIR/pid\"; wait\n",
            "", &l, &r, &err);
        _exit(0);
    }
    while (!file_exists(mark))
        usleep(5000);
    kill(worker, SIGKILL);
    waitpid(worker, NULL, 0);
    for (int i = 0; i < 2000; i++) {
        char *text;
        size_t n;

        assert_int_equal(file_read(mark, 100, &text, &n, NULL), 0);
        child = atol(text);
        free(text);
        assert_true(child > 1);
        if (kill((pid_t)child, 0))
            break;
        usleep(5000);
    }
    assert_int_equal(kill((pid_t)child, 0), -1);
    arena_release(&a);
}

static void test_long_lines(void **state)
{
    struct command_lines l = {0};
    struct arena a = {0};

    for (int i = 0; i < 200; i++) {
        for (int k = 0; k < 1000; k++)
            str_addc(&l.buf, 'x');
        assert_null(program_next_line(&l, &a));
    }
    assert_true(l.buf.n <= COMMAND_LINE_MAX + 1000);
    str_add(&l.buf, "yyy\nshort\n");
    assert_string_equal(program_next_line(&l, &a), "short");
    assert_null(program_next_line(&l, &a));
    str_release(&l.buf);
    arena_release(&a);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_words),         CASE(test_mistakes),   CASE(test_environment), CASE(test_reports),
        CASE(test_folds),
        CASE(test_goes_on),         CASE(test_failures),   CASE(test_pruned),      CASE(test_deaf),
        CASE(test_worker_killed), CASE(test_long_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
