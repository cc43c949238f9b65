/* `objective:`: studies that train nothing. The registry is this test's own: training, one that
 * computes, and one that must be told what is better. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <unistd.h>

#include "base/rng.h"
#include "config_fixture.h"
#include "hpo/objective.h"

extern const struct objective_ops objective_training;

struct sphere {
    int folds, steps;
    double noise;
};

static const struct hpo_opt sphere_opts[] = {
    HPO_OPT(INT, struct sphere, folds, "folds", "1", 1, 64, 0, "folds"),
    HPO_OPT(INT, struct sphere, steps, "steps", "10", 1, 1000, 0, "steps of a fold"),
    HPO_OPT(REAL, struct sphere, noise, "noise", "0", 0, HUGE_VAL, 0, "noise"),
    {0},
};

static void sphere_steps(const struct study_config *c, int *ret_folds, int *ret_fold_steps)
{
    const struct sphere *o = c->objective.priv;

    *ret_folds = o->folds;
    *ret_fold_steps = o->steps;
}

static int sphere_check(const struct study_config *c, struct hpo_err *err)
{
    const struct sphere *o = c->objective.priv;

    if (o->folds * o->steps > 1000)
        return hpo_fail(err, HPO_ECONFIG, "steps: %d folds of %d steps are too many", o->folds,
                        o->steps);
    if (c->space.n > 3)
        return hpo_fail(err, HPO_ECONFIG, "at most 3 parameters");
    return 0;
}

static const struct objective_ops sphere = {
    .plugin = {"sphere", "a function", sizeof(struct sphere), sphere_opts},
    .check = sphere_check,
    .steps = sphere_steps,
};

struct program {
    const char *const *run;
    const char *name, *folder;
};

static const struct hpo_opt program_opts[] = {
    HPO_OPT(ARGV, struct program, run, "run", NULL, 0, 0, HPO_OPT_REQUIRED, "the program"),
    HPO_OPT(STR, struct program, name, "name", NULL, 0, 0, 0, "a text"),
    HPO_OPT(STR, struct program, folder, "folder", NULL, 0, 0, HPO_OPT_PATH, "where it runs"),
    {0},
};

static void program_steps(const struct study_config *c, int *ret_folds, int *ret_fold_steps)
{
    *ret_folds = 1;
    *ret_fold_steps = 0;
}

static const struct objective_ops program = {
    .plugin = {"program", "a program", sizeof(struct program), program_opts},
    .needs_direction = true,
    .steps = program_steps,
};

const struct objective_ops *const objective_registry[] = {&objective_training, &sphere, &program,
                                                          NULL};

#define SPACE "space: {x: {type: float, low: 0, high: 1}}\n"
#define SPHERE "objective: sphere\n"

static void test_sphere(void **state)
{
    struct config_fixture f = {0};
    struct pruner p;

    assert_int_equal(config_open(&f, "objective: {type: sphere, steps: 7, folds: 3}\n"
                                     "study: {metric: 'val/acc@1'}\n"
                                     "devices: {use: [cpu, cuda, 'cuda:3']}\n"
                                     "space:\n"
                                     "  x: {type: float, low: -5, high: 1e9}\n"
                                     "  net.Kind_1: {type: categorical, choices: [a, 2, null]}\n"
                                     "  optimizer.lr: {type: int, low: -3, high: 4, when: "
                                     "{net.Kind_1: [a, null]}}\n"),
                     0);
    assert_string_equal(hpo_plugin_of(f.c.objective.ops)->name, "sphere");
    assert_int_equal(((struct sphere *)f.c.objective.priv)->steps, 7);
    assert_int_equal(f.c.metric, -1);
    assert_string_equal(f.c.study.metric_name, "val/acc@1");
    assert_int_equal(f.c.study.direction, 0);
    assert_int_equal(f.c.max_epochs, 0);
    assert_null(f.c.data.path);
    assert_int_equal(f.c.space.n, 3);
    assert_true(f.c.space.params[2].low == -3); /* no option of the trainer */
    assert_int_equal(f.c.space.params[2].n_when, 1);
    p = study_config_pruner(&f.c);
    assert_int_equal(p.folds, 3);
    assert_int_equal(p.fold_steps, 7);
    assert_int_equal(config_open(&f, SPHERE SPACE "study: {direction: maximize}\n"), 0);
    assert_string_equal(f.c.study.metric_name, "value");
    assert_int_equal(f.c.study.direction, 1);
    assert_true(study_config_pruner(&f.c).maximize);
    config_close(&f);
}

static void test_program(void **state)
{
    struct config_fixture f = {0};
    const struct program *o;

    assert_int_equal(config_open(&f, "objective: {type: program, run: [python3, -u, '', 3, 1e-3, "
                                     "true, '{x}', 'null']}\n"
                                     "study: {direction: maximize}\n" SPACE),
                     0);
    o = f.c.objective.priv;
    assert_string_equal(o->run[1], "-u");
    assert_string_equal(o->run[2], "");
    assert_string_equal(o->run[3], "3");
    assert_string_equal(o->run[4], "1e-3");
    assert_string_equal(o->run[5], "true");
    assert_string_equal(o->run[6], "{x}");
    assert_string_equal(o->run[7], "null");
    assert_null(o->run[8]);
    assert_int_equal(f.c.study.direction, 1);
    config_close(&f);
}

/* The resolved file lies elsewhere, and says where the study's own folder was. */
static void test_folder(void **state)
{
    static const char text[] = "objective: {type: program, run: [a]}\n"
                               "study: {direction: minimize}\n" SPACE;
    static const char *const sets[][2] = {
        {"objective.folder=.", ""}, {"objective.folder=./sub", "/sub"}, {"objective.name=x", ""}};
    struct config_fixture f = {0}, g = {0};
    struct str one = {0}, two = {0}, resolved = {0};
    char here[4096];

    assert_non_null(getcwd(here, sizeof(here)));
    for (size_t i = 0; i < HPO_LEN(sets); i++) {
        const char *want = NULL;

        assert_int_equal(config_open_n(&f, text, strlen(text), &sets[i][0], 1), 0);
        want = arena_printf(&f.a, "%s%s", here, sets[i][1]);
        assert_string_equal(((const struct program *)f.c.objective.priv)->folder, want);
        str_clear(&resolved);
        study_config_write(&f.c, &resolved);
        config_close(&g);
        g.d.arena = &g.a;
        assert_int_equal(
            study_config_parse(&g.c, resolved.s, resolved.n, "/nowhere/study.yaml", NULL, 0, &g.d),
            0);
        assert_string_equal(((const struct program *)g.c.objective.priv)->folder, want);
        str_clear(&two);
        study_config_identity(&g.c, &two);
        if (i == 1) /* moved, it is the same study */
            assert_string_equal(one.s, two.s);
        str_clear(&one);
        str_add(&one, two.s);
    }
    str_release(&one);
    str_release(&two);
    str_release(&resolved);
    config_close(&f);
    config_close(&g);
}

/* Without the section, and with it, a study that trains is what it was. */
static void test_training(void **state)
{
    struct config_fixture f = {0}, g = {0};
    struct str one = {0}, two = {0};

    assert_int_equal(config_open(&f, "data: {path: /d, folds: {k: 4, run: 2}}\n"), 0);
    assert_int_equal(config_open(&g, "objective:\n  type: training\n"
                                     "data: {path: /d, folds: {k: 4, run: 2}}\n"),
                     0);
    assert_ptr_equal(f.c.objective.ops, &objective_training);
    assert_int_equal(study_config_pruner(&f.c).folds, 2);
    assert_int_equal(study_config_pruner(&f.c).fold_steps, 10);
    study_config_write(&f.c, &one);
    study_config_write(&g.c, &two);
    assert_string_equal(one.s, two.s);
    assert_null(strstr(one.s, "objective"));
    str_clear(&one);
    study_config_identity(&f.c, &one);
    assert_null(strstr(one.s, "objective"));
    str_release(&one);
    str_release(&two);
    config_close(&f);
    config_close(&g);
}

static const char *const bad[][2] = {
    {"objective: spere\n" SPACE,
     "s.yaml:1:12: unknown objective 'spere', did you mean 'sphere'? known: training, sphere, "
     "program\n"},
    {"objective: [sphere]\n" SPACE "data: {}\ntrainer: {epochs: 0}\n",
     "s.yaml:1:12: objective: a list stands here: a mapping is needed\n"
     "s.yaml:4:19: trainer.epochs: '0' is not allowed here: a whole number from 1 to 100000\n"},
    {SPHERE SPACE "data: {path: d}\ntrainer: {nosuch: 3}\n",
     "s.yaml:3:1: data: not with objective.type sphere, which trains no network: leave the section "
     "out\n"
     "s.yaml:4:1: trainer: not with objective.type sphere, which trains no network: leave the "
     "section out\n"},
    {SPHERE, "s.yaml:1:1: space is missing: what objective.type sphere is tried with\n"},
    {SPHERE "space:\n", "s.yaml:2:7: space is missing: what objective.type sphere is tried with\n"},
    {SPHERE "space: {}\n",
     "s.yaml:2:8: space is missing: what objective.type sphere is tried with\n"},
    {"objective: {type: sphere, steps: 0, nose: 1}\n" SPACE,
     "s.yaml:1:34: objective.steps: '0' is not allowed here: a whole number from 1 to 1000\n"
     "s.yaml:1:37: unknown key 'nose' in objective of type sphere, did you mean 'noise'? known "
     "keys: type, folds, steps, noise\n"},
    {SPHERE "space:\n  'a b': {type: float, low: 0, high: 1}\n"
            "  '': {type: float, low: 0, high: 1}\n  a=b: {type: int, low: 2, high: 1}\n",
     "s.yaml:3:3: 'a b' cannot be the name of a parameter: letters, digits, '-', '_' and '.', at "
     "most 128\n"
     "s.yaml:4:3: '' cannot be the name of a parameter: letters, digits, '-', '_' and '.', at most "
     "128\n"
     "s.yaml:5:3: 'a=b' cannot be the name of a parameter: letters, digits, '-', '_' and '.', at "
     "most 128\n"
     "s.yaml:5:25: low is above high: 2, 1\n"},
    {SPHERE "space: {optimizer: {lr: {type: float, low: 0, high: 1}}}\n",
     "s.yaml:2:9: unknown parameter 'optimizer': a parameter is named by its whole path, write "
     "'optimizer.lr: {...}'\n"},
    {SPHERE SPACE "study: {metric: 'two words'}\n",
     "s.yaml:3:17: study.metric: a word without spaces is needed, at most 128 bytes long\n"},
    {SPHERE SPACE "devices: {use: [cpu, gpu, 'cuda:x']}\n",
     "s.yaml:3:22: unknown device 'gpu', did you mean 'cpu'? known: auto, cpu, cuda\n"
     "s.yaml:3:27: devices.use: 'cuda:x' is not a device: a name and an index are needed, such as "
     "cpu:0\n"},
    /* the objective's own word, at the option it names, or at the section */
    {"objective: {type: sphere, folds: 9, steps: 200}\n" SPACE,
     "s.yaml:1:44: objective.steps: 9 folds of 200 steps are too many\n"},
    {"objective: {type: sphere, folds: 64}\n" SPACE "study: {trials: 0}\n",
     "s.yaml:3:17: study.trials: '0' is not allowed here: a whole number from 1 to 10000000\n"},
    {SPHERE "space: {a: {type: float, low: 0, high: 1}}\nstudy: {seed: -1}\n",
     "s.yaml:3:15: study.seed: '-1' is not allowed here: a whole number from 0 to 2147483647\n"},
    {SPHERE "space: {a: {type: int, low: 0, high: 1}, b: {type: int, low: 0, high: 1}, c: {type: "
            "int, low: 0, high: 1}, d: {type: int, low: 0, high: 1}}\n",
     "s.yaml:1:12: objective: at most 3 parameters\n"},
    /* what is better */
    {"objective: {type: program, run: [a]}\n" SPACE,
     "s.yaml:1:12: study.direction is missing: minimize or maximize, only you know what is better "
     "with objective.type program\n"},
    {"objective: {type: program, run: [a]}\nstudy: {direction: ~}\n" SPACE,
     "s.yaml:2:20: study.direction is missing: minimize or maximize, only you know what is better "
     "with objective.type program\n"},
    /* command lines */
    {"objective: program\nstudy: {direction: minimize}\n" SPACE,
     "s.yaml:1:12: objective.run is missing: the program\n"},
    {"objective: {type: program, run: python train.py}\nstudy: {direction: minimize}\n" SPACE,
     "s.yaml:1:33: objective.run: a value stands here: a list of texts such as [python3, train.py] "
     "is needed\n"},
    {"objective: {type: program, run: []}\nstudy: {direction: minimize}\n" SPACE,
     "s.yaml:1:33: objective.run: the list is empty: a list of texts such as [python3, train.py] "
     "is "
     "needed\n"},
    {"objective: {type: program, run: [a, [b]]}\nstudy: {direction: minimize}\n" SPACE,
     "s.yaml:1:33: objective.run: a list stands in the list: texts are needed\n"},
    {"objective: {type: program, run: [a, ~]}\nstudy: {direction: minimize}\n" SPACE,
     "s.yaml:1:33: objective.run: item 2 of the list is nothing: a text is needed, and one such as "
     "'null' or '' in quotes\n"},
    {"objective: {type: program, run: ~}\nstudy: {direction: minimize}\n" SPACE,
     "s.yaml:1:33: objective.run: nothing stands here: a list of texts such as [python3, train.py] "
     "is needed\n"},
    /* a file that breaks off: neither space nor direction is called missing */
    {"objective: {type: program, run: [a\n", "s.yaml:2:1: this is not YAML: did not find expected "
                                             "',' or ']', while parsing a flow sequence "
                                             "that starts at 1:33\n"},
};

static void test_mistakes(void **state)
{
    struct config_fixture f = {0};

    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        assert_int_equal(config_open(&f, bad[i][0]), HPO_ECONFIG);
        assert_string_equal(str_c(&f.said), bad[i][1]);
    }
    config_close(&f);
}

static const char *const files[] = {
    "objective: {type: sphere, noise: 1e-7}\n"
    "study: {metric: '1', direction: maximize, trials: 9, timeout: 5m, warm_start: other}\n"
    "sampler: {lag: 2}\n"
    "space: {x: {type: float, low: 1e-9, high: 1, log: true}, k: {type: categorical, choices: [a, "
    "'1', 2, null, true]}, n: {type: int, low: 2, high: 20, step: 6, when: {k: [a, 2]}}}\n",
    "objective: {type: program, run: [\"a b\", \"'q'\", \"x: y\", '#', \"t\\tn\\n\", '', ' ', '5', "
    "'{x}', '[', 'null'], name: '7'}\n"
    "study: {direction: minimize, enqueue: [{x: 0.5}, {x: 1}]}\n" SPACE,
    "objective: sphere\nspace: {f: {type: float, low: 0, high: 1, step: 0.1}, g: {type: float, "
    "low: "
    "-1, high: 1e-5}}\n",
};

/* What is written reads back as the same study; and one trial of it as a study of its own. */
static void test_round_trip(void **state)
{
    struct hpo_rng r = hpo_rng_for(1, -1, -1, "test", 0);

    for (size_t i = 0; i < HPO_LEN(files); i++) {
        struct config_fixture f = {0}, g = {0};
        struct str one = {0}, two = {0};
        double v[3];

        assert_int_equal(config_open(&f, files[i]), 0);
        study_config_write(&f.c, &one);
        assert_null(strstr(one.s, "\ndata:"));
        assert_null(strstr(one.s, "\ntrainer:"));
        if (config_open(&g, one.s))
            fail_msg("%s\n%s", one.s, str_c(&g.said));
        study_config_write(&g.c, &two);
        assert_string_equal(one.s, two.s);
        str_clear(&one);
        str_clear(&two);
        study_config_identity(&f.c, &one);
        study_config_identity(&g.c, &two);
        assert_string_equal(one.s, two.s);
        assert_non_null(strstr(one.s, "objective.type: "));
        for (int k = 0; k < 200; k++) {
            for (int p = 0; p < f.c.space.n; p++)
                v[p] = hpo_param_decode(&f.c.space.params[p], hpo_rng_uniform(&r));
            hpo_space_mask(&f.c.space, v);
            str_clear(&one);
            study_config_single(&f.c, v, &one);
            if (config_open(&g, one.s))
                fail_msg("%s\n%s", one.s, str_c(&g.said));
            assert_int_equal(g.c.study.trials, 1);
            assert_int_equal(g.c.n_enqueue, 1);
            assert_true(hpo_values_equal(&f.c.space, v, g.c.enqueue));
            assert_ptr_equal(g.c.objective.ops, f.c.objective.ops);
            assert_null(g.c.study.warm_start);
        }
        str_release(&one);
        str_release(&two);
        config_close(&f);
        config_close(&g);
    }
}

static void test_identity(void **state)
{
    static const char *const changes[][2] = {
        {"objective.steps=11", "x"}, {"objective.noise=1", "x"},        {"objective=program", "x"},
        {"study.metric=m", "x"},     {"study.direction=maximize", "x"}, {"space.x.high=2", "x"},
        {"sampler.lag=1", "x"},      {"sampler.duplicates=allow", "x"}, {"study.trials=3", ""},
        {"devices.use=cuda", ""},    {"study.enqueue=[{x: 1}]", ""},
    };
    struct config_fixture f = {0};
    struct str base = {0}, now = {0};

    assert_int_equal(config_open(&f, SPHERE SPACE), 0);
    study_config_identity(&f.c, &base);
    for (size_t i = 0; i < HPO_LEN(changes); i++) {
        const char *sets[] = {changes[i][0], "objective.run=[a]", "study.direction=minimize"};
        int n = i == 2 ? 3 : 1;

        if (config_open_n(&f, SPHERE SPACE, strlen(SPHERE SPACE), sets, n))
            fail_msg("%s: %s", changes[i][0], str_c(&f.said));
        str_clear(&now);
        study_config_identity(&f.c, &now);
        if (!*changes[i][1] != !strcmp(base.s, now.s))
            fail_msg("%s\n%s\n%s", changes[i][0], base.s, now.s);
    }
    str_release(&base);
    str_release(&now);
    config_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sphere),   cmocka_unit_test(test_program),
        cmocka_unit_test(test_training), cmocka_unit_test(test_folder),
        cmocka_unit_test(test_mistakes), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_identity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
