#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "config_fixture.h"
#include "trainer/metric.h"

static const char *type_of(struct hpo_part p)
{
    return hpo_plugin_of(p.ops)->name;
}

static void test_defaults(void **state)
{
    struct config_fixture f = {0};

    assert_int_equal(config_open(&f, "data: {path: /d}\nsampler:\nspace:\n"), 0);
    assert_string_equal(f.c.study.name, "s");
    assert_int_equal(f.c.study.trials, 20);
    assert_int_equal(f.c.study.seed, 0);
    assert_int_equal(f.c.study.max_failures, 5);
    assert_true(isnan(f.c.study.timeout));
    assert_int_equal(f.c.study.direction, 1);
    assert_string_equal(metric_registry[f.c.metric]->plugin.name, "accuracy");
    assert_string_equal(type_of(f.c.sampler.part), "auto");
    assert_string_equal(type_of(f.c.pruner), "fold");
    assert_string_equal(f.c.devices.use, "auto");
    assert_int_equal(f.c.devices.threads, -1);
    assert_int_equal(f.c.devices.trials_per_device, -1); /* auto */
    assert_string_equal(f.c.data.path, "/d");
    assert_null(f.c.data.cache);
    assert_int_equal(f.c.data.image_size, 32);
    assert_int_equal(f.c.folds.k, 5);
    assert_int_equal(f.c.folds.run, -1);
    assert_true(f.c.folds.stratified);
    assert_string_equal(type_of(f.c.trainer.model.part), "convnet");
    assert_string_equal(type_of(f.c.trainer.optimizer.part), "sgd");
    assert_true(f.c.trainer.augment.flip);
    assert_int_equal(f.c.max_epochs, f.c.trainer.epochs);
    assert_int_equal(f.c.space.n, 0);
    config_close(&f);
}

static void test_values(void **state)
{
    struct config_fixture f = {0};

    assert_int_equal(config_open(&f, "study: {name: a.b-c_1, metric: log_loss, direction: minimize,"
                                     " timeout: 1h30m, epoch: last, max_failures: 0}\n"
                                     "devices: {use: [cpu, cpu], threads: 2}\n"
                                     "data: {path: x/y, cache: ./c, on_error: skip, "
                                     "folds: {k: 3, run: 2, order: epoch_first}}\n"
                                     "trainer: {model: mlp, epochs: 7, precision: 'fp32', "
                                     "augment: {flip: false}}\n"), 0);
    assert_string_equal(f.c.study.name, "a.b-c_1");
    assert_int_equal(f.c.study.direction, 0);
    assert_true(f.c.study.timeout == 5400);
    assert_int_equal(f.c.study.epoch, 1);
    assert_int_equal(f.c.study.max_failures, 0);
    assert_string_equal(f.c.devices.use, "cpu,cpu");
    assert_int_equal(f.c.devices.threads, 2);
    assert_int_equal(f.c.data.on_error, 1);
    assert_int_equal(f.c.folds.run, 2);
    assert_int_equal(f.c.folds.order, TR_EPOCH_FIRST);
    assert_string_equal(type_of(f.c.trainer.model.part), "mlp");
    assert_int_equal(f.c.trainer.precision, KN_FP32);
    assert_false(f.c.trainer.augment.flip);
    assert_int_equal(f.c.max_epochs, 7);
    /* relative to the file's folder, which here is the working directory */
    char here[4096], *want;

    assert_non_null(getcwd(here, sizeof(here)));
    want = arena_printf(&f.a, "%s/x/y", here);
    assert_string_equal(f.c.data.path, want);
    want = arena_printf(&f.a, "%s/c", here);
    assert_string_equal(f.c.data.cache, want);
    config_close(&f);
}

/* More than ten different mistakes in one file: each has its line, in order. */
static const char many[] =
    /*  1 */ "study:\n"
    /*  2 */ "  name: my study\n"
    /*  3 */ "  metric: acuracy\n"
    /*  4 */ "  trials: 0\n"
    /*  5 */ "  seed: 1.5\n"
    /*  6 */ "  timout: 2h\n"
    /*  7 */ "smapler: random\n"
    /*  8 */ "pruner: {type: nonne}\n"
    /*  9 */ "devices: {use: [cpu, gpu], trials_per_device: [1]}\n"
    /* 10 */ "data:\n"
    /* 11 */ "  folds: {k: 3, run: 4, stratified: yes}\n"
    /* 12 */ "trainer:\n"
    /* 13 */ "  epochs: \"3\"\n"
    /* 14 */ "  precision: fp23\n"
    /* 15 */ "  optimizer: {type: sgd, lr: -1, beta1: 0.9}\n"
    /* 16 */ "  model: [convnet]\n"
    /* 17 */ "  epochs: 4\n"
    /* 18 */ "space:\n"
    /* 19 */ "  optimizer.lr: {type: flaot, low: 0, high: 1}\n"
    /* 20 */ "  batch_size: {type: float, low: 16, high: 64}\n"
    /* 21 */ "  model.dropout: {type: float, low: 0.5, high: 0.1}\n"
    /* 22 */ "  loss.label_smoothing: {type: float, low: 0, high: 0.2, log: true}\n"
    /* 23 */ "  optimizer.momentm: {type: float, low: 0.8, high: 0.99}\n"
    /* 24 */ "  data.image_size: {type: int, low: 8, high: 64}\n"
    /* 25 */ "  model.width: {type: int, low: 8, high: 64, when: {modle.type: convnet}}\n"
    /* 26 */ "sampler: {lag: -1, lags: 3}\n"
    /* 27 */ "objective: {tpye: training}\n";

static const char many_said[] =
    "s.yaml:2:9: study.name: 'my study' is not allowed here: letters, digits, '-', '_' and '.', "
    "beginning with neither '-' nor '.', at most 128\n"
    "s.yaml:3:11: unknown metric 'acuracy', did you mean 'accuracy'? known: {metrics}\n"
    "s.yaml:4:11: study.trials: '0' is not allowed here: a whole number from 1 to 10000000\n"
    "s.yaml:5:9: study.seed: '1.5' is not allowed here: a whole number from 0 to 2147483647\n"
    "s.yaml:6:3: unknown key 'timout' in study, did you mean 'timeout'? known keys: name, "
    "direction, metric, trials, timeout, seed, epoch, max_failures, target, patience, min_delta, "
    "max_seconds, retries, warm_start, enqueue\n"
    "s.yaml:7:1: unknown key 'smapler', did you mean 'sampler'? known keys: study, objective, "
    "sampler, pruner, devices, data, trainer, space, fidelity\n"
    "s.yaml:8:16: unknown pruner 'nonne', did you mean 'none'? known: {pruners}\n"
    "s.yaml:9:22: unknown device 'gpu', did you mean 'cpu'? known in this build: auto, {devices}\n"
    "s.yaml:9:47: devices.trials_per_device: a list stands here: a whole number from 1 to 64, or "
    "auto is "
    "needed\n"
    "s.yaml:11:3: data.path is missing: a folder with a folder a class, or a CSV manifest; "
    "relative "
    "to the study file\n"
    "s.yaml:11:22: data.folds.run: 4 is more than the 3 folds there are\n"
    "s.yaml:11:37: data.folds.stratified: 'yes' is not allowed here, did you mean 'true'? true or "
    "false\n"
    "s.yaml:13:11: trainer.epochs: '3' in quotes is a text: a whole number from 1 to 100000 is "
    "needed\n"
    "s.yaml:14:14: trainer.precision: 'fp23' is not allowed here, did you mean 'fp32'? one of "
    "auto, "
    "fp32, tf32, bf16, fp16\n"
    "s.yaml:15:30: trainer.optimizer.lr: '-1' is not allowed here: a number from 0 to 1000000000\n"
    "s.yaml:15:34: unknown key 'beta1' in trainer.optimizer of type sgd; known keys: type, "
    "decay_bias_norm, clip_norm, accumulate, bias_scaler, lr, momentum, nesterov, weight_decay\n"
    "s.yaml:16:10: trainer.model: a list stands here: a mapping is needed\n"
    "s.yaml:17:3: 'epochs' stands here a second time: the first is in line 13\n"
    "s.yaml:19:24: unknown distribution 'flaot', did you mean 'float'? known: float, int, "
    "categorical\n"
    "s.yaml:20:22: 'batch_size' is a whole number: its type must be int or categorical\n"
    "s.yaml:21:37: low is above high: 0.5, 0.1\n"
    "s.yaml:22:44: low must be above 0 with log, and is 0\n"
    "s.yaml:23:3: unknown parameter 'optimizer.momentm', did you mean 'optimizer.momentum'? what "
    "can be searched: ";

static void test_many_mistakes(void **state)
{
    struct config_fixture f = {0};
    const char *rest, *want;

    assert_int_equal(config_open(&f, many), HPO_ECONFIG);
    assert_int_equal(f.d.n, 28);
    want = config_expect(&f.a, many_said);
    assert_memory_equal(str_c(&f.said), want, strlen(want));
    rest = strchr(str_c(&f.said) + strlen(want), '\n') + 1;
    assert_string_equal(rest, "s.yaml:24:3: unknown parameter 'data.image_size': paths start "
                              "inside 'data', write 'image_size'\n"
                              "s.yaml:25:53: unknown parameter 'modle.type'; when can only name "
                              "what is searched too: optimizer.lr, batch_size, model.dropout, "
                              "loss.label_smoothing, optimizer.momentm, data.image_size\n"
                              "s.yaml:26:16: sampler.lag: '-1' is not allowed here: a whole number "
                              "from 0 to 1024\n"
                              "s.yaml:26:20: unknown key 'lags' in sampler of type auto, did you mean "
                              "'lag'? known keys: type, lag, duplicates\n"
                              "s.yaml:27:13: unknown key 'tpye' in objective of type training, did "
                              "you mean 'type'? known keys: type\n");
    config_close(&f);
}

static void assert_says(const char *text, const char *const *sets, int n_sets, const char *want)
{
    struct config_fixture f = {0};
    int rc = config_open_n(&f, text, strlen(text), sets, n_sets);

    assert_int_equal(rc, *want ? HPO_ECONFIG : 0);
    assert_string_equal(str_c(&f.said), config_expect(&f.a, want));
    config_close(&f);
}

static const char *const single[][2] = {
    {"", "s.yaml:1:1: data.path is missing: a folder with a folder a class, or a CSV manifest; "
         "relative to the study file\n"},
    {"study: {}\ndata:\n  limit: 5\n",
     "s.yaml:3:3: data.path is missing: a folder with a folder a class, or a CSV manifest; relative "
     "to the study file\n"},
    {"- a\n", "s.yaml:1:1: a list stands here: a study file is a mapping with the keys data, "
              "trainer, space, ...\n"},
    {"just text\n", "s.yaml:1:1: a value stands here: a study file is a mapping with the keys data, "
                    "trainer, space, ...\n"},
    {"data: x\n", "s.yaml:1:7: data: a value stands here: a mapping is needed\n"},
    {"data: {path: ''}\n", "s.yaml:1:14: data.path: an empty text stands here: a text is needed\n"},
    {"data: {path: }\n", "s.yaml:1:14: data.path: nothing stands here: a text is needed\n"},
    {"data: {path: [a]}\n", "s.yaml:1:14: data.path: a list stands here: a text is needed\n"},
    {"data: {path: d}\ntrainer: {epochs: ~}\n",
     "s.yaml:2:19: trainer.epochs: nothing stands here: a whole number from 1 to 100000 is needed\n"},
    {"data: {path: d}\ntrainer: {epochs: 1e1}\n",
     "s.yaml:2:19: trainer.epochs: '1e1' is not allowed here: a whole number from 1 to 100000\n"},
    {"data: {path: d}\ntrainer: {optimizer: {lr: 0x1}}\n",
     "s.yaml:2:27: trainer.optimizer.lr: '0x1' is not allowed here: a number from 0 to "
     "1000000000\n"},
    {"data: {path: d}\ntrainer: {optimizer: {lr: nan}}\n",
     "s.yaml:2:27: trainer.optimizer.lr: 'nan' is not allowed here: a number from 0 to "
     "1000000000\n"},
    {"data: {path: d}\ntrainer: {optimizer: {type: sgd, nesterov: True}}\n",
     "s.yaml:2:44: trainer.optimizer.nesterov: 'True' is not allowed here, did you mean 'true'? true "
     "or false\n"},
    {"data: {path: d}\nstudy: {direction: minimize}\n",
     "s.yaml:2:20: study.direction: accuracy is better when it is larger: maximize is needed, or "
     "leave the key out\n"},
    {"data: {path: d}\nstudy: {metric: f1_threshold}\n",
     "s.yaml:2:17: study.metric: f1_threshold is neither better nor worse: one of {metrics} is "
     "needed\n"},
    {"data: {path: d}\nstudy: {metric: log_loss, direction: maximize}\n",
     "s.yaml:2:38: study.direction: log_loss is better when it is smaller: minimize is needed, or "
     "leave the key out\n"},
    {"data: {path: d}\nstudy: {name: ../x}\n",
     "s.yaml:2:15: study.name: '../x' is not allowed here: letters, digits, '-', '_' and '.', "
     "beginning with neither '-' nor '.', at most 128\n"},
    {"data: {path: d}\ndevices: {use: [auto, cpu]}\n",
     "s.yaml:2:16: devices.use: auto stands alone\n"},
    {"data: {path: d}\ndevices: {use: vulkan}\n",
     "s.yaml:2:16: unknown device 'vulkan'; known in this build: auto, {devices}\n"},
    {"data: {path: d}\ndevices: {use: cpu:x}\n",
     "s.yaml:2:16: devices.use: 'cpu:x' is not a device: a name and an index are needed, such as "
     "cpu:0\n"},
    {"data: {path: d}\ndevices: {use: []}\n",
     "s.yaml:2:16: devices.use: the list is empty: a word or a list of words is needed\n"},
    {"data: {path: d}\ntrainer: {optimizer: sdg}\n",
     "s.yaml:2:22: unknown optimizer 'sdg', did you mean 'sgd'? known: sgd, adam, adamw, rmsprop, lion, muon\n"},
    {"data: {path: d}\npruner: {type: threshold, lower: 1, upper: 0.5}\n",
     "s.yaml:2:9: pruner: lower is above upper: 1, 0.5\n"},
    {"data: {path: d}\npruner: {type: threshold, lower: ~, upper: 0.5}\n", ""},
    {"data: {path: d}\nsampler: bayes\n",
     "s.yaml:2:10: unknown sampler 'bayes'; known: {samplers}\n"},
    {"data: {path: d, folds: {purge: true}}\n",
     "s.yaml:1:25: unknown key 'purge' in data.folds; known keys: k, stratified, group, repeats, "
     "valid, run, order, parallel\n"},
    {"data: {path: d}\ntrainer: {optimizer: {lr: \"\\e[31m0\"}}\n",
     "s.yaml:2:27: trainer.optimizer.lr: '?[31m0' in quotes is a text: a number from 0 to "
     "1000000000 is needed\n"},
    /* a file that breaks off: data is not called missing */
    {"trainer: {epochs: 3\nstudy:\n",
     "s.yaml:1:19: trainer.epochs: '3 study' is not allowed here: a whole number from 1 to 100000\n"
     "s.yaml:2:6: this is not YAML: did not find expected ',' or '}', while parsing a flow mapping "
     "that starts at 1:10\n"},
};

static void test_single_mistakes(void **state)
{
    for (size_t i = 0; i < HPO_LEN(single); i++)
        assert_says(single[i][0], NULL, 0, single[i][1]);
}

static void test_sets(void **state)
{
    static const char *const good[] = {
        "study.trials=4", "sampler=grid", "trainer.model=resnet", "trainer.model.depth=8",
        "trainer.optimizer.lr=0.5", "data.folds={k: 2}", "study.timeout=", "devices.use=cpu,cpu",
        "space.optimizer.lr.high=0.25", "space.batch_size={type: int, low: 8, high: 9}",
        "trainer.schedule.type=cosine", "data.path=sub",
    };
    static const char text[] = "study: {trials: 9, timeout: 5m}\n"
                               "data: {path: d, folds: {k: 5, run: 3}}\n"
                               "trainer: {model: {type: convnet, width: 3}, schedule: constant}\n"
                               "space: {optimizer.lr: {type: float, low: 0.125, high: 1, step: "
                               "0.125}}\n";
    struct config_fixture f = {0};
    char here[4096];

    assert_int_equal(config_open_n(&f, text, strlen(text), good, (int)HPO_LEN(good)), 0);
    assert_int_equal(f.c.study.trials, 4);
    assert_true(isnan(f.c.study.timeout));
    assert_string_equal(type_of(f.c.sampler.part), "grid");
    assert_string_equal(type_of(f.c.trainer.model.part), "resnet");
    assert_string_equal(type_of(f.c.trainer.schedule), "cosine");
    assert_int_equal(f.c.folds.k, 2);
    assert_int_equal(f.c.folds.run, -1);
    assert_string_equal(f.c.devices.use, "cpu,cpu");
    assert_int_equal(f.c.space.n, 2);
    assert_true(f.c.space.params[0].high == 0.25);
    assert_int_equal(f.c.space.params[1].kind, HPO_PARAM_INT);
    assert_non_null(getcwd(here, sizeof(here)));
    assert_string_equal(f.c.data.path, arena_printf(&f.a, "%s/sub", here));
    config_close(&f);
}

static void test_bad_sets(void **state)
{
    static const char *const bad[][2] = {
        {"study.trials=x", "--set study.trials=x: study.trials: 'x' is not allowed here: a whole "
                           "number from 1 to 10000000\n"},
        {"study.trails=3", "--set study.trails=3: unknown key 'trails' in study, did you mean "
                           "'trials'? known keys: name, direction, metric, trials, timeout, seed, "
                           "epoch, max_failures, target, patience, min_delta, max_seconds, "
                           "retries, warm_start, enqueue\n"},
        {"trainer.optimizer=sdg", "--set trainer.optimizer=sdg: unknown optimizer 'sdg', did you "
                                  "mean 'sgd'? known: sgd, adam, adamw, rmsprop, lion, muon\n"},
        {"nosuch", "--set nosuch: KEY=VALUE is needed, such as study.trials=4\n"},
        {"=3", "--set =3: KEY=VALUE is needed, such as study.trials=4\n"},
        {"study.name.x=3", "--set study.name.x=3: unknown key 'study.name.x': what it goes through "
                           "has no keys\n"},
        {"data.folds=[", "--set data.folds=[: this is not YAML: did not find expected node "
                         "content\n"},
        {"space.batch_size.low=1", "--set space.batch_size.low=1: unknown parameter "
                                   "'batch_size.low'"},
        {"a.b.c.d.e.f.g.h.i.j.k=1", "--set a.b.c.d.e.f.g.h.i.j.k=1: unknown key "
                                    "'a.b.c.d.e.f.g.h.i.j.k': what it goes through has no keys\n"},
    };
    struct config_fixture f = {0};

    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        static const char text[] = "study: {name: n}\ndata: {path: d}\n";

        assert_int_equal(config_open_n(&f, text, strlen(text), &bad[i][0], 1), HPO_ECONFIG);
        if (i == 7)
            assert_non_null(strstr(str_c(&f.said), "a distribution such as"));
        else
            assert_string_equal(str_c(&f.said), bad[i][1]);
    }
    config_close(&f);
}

static void test_name_of_file(void **state)
{
    static const char *const names[][2] = {{"/a/b/cifar10.v2.yaml", "cifar10.v2"},
                                           {"my study.yaml", "my_study"},
                                           {".hidden.yaml", "_hidden"},
                                           {"x/-y", "_y"},
                                           {"/", "study"}};
    static const char text[] = "data: {path: /d}\n";

    for (size_t i = 0; i < HPO_LEN(names); i++) {
        struct config_fixture f = {0};

        f.d.arena = &f.a;
        assert_int_equal(study_config_parse(&f.c, text, strlen(text), names[i][0], NULL, 0, &f.d), 0);
        assert_string_equal(f.c.study.name, names[i][1]);
        config_close(&f);
    }
}

static void test_read(void **state)
{
    char dir[] = "/tmp/hpo-config-XXXXXX";
    struct config_fixture f = {0};
    struct hpo_err err = {0};
    const char *path;
    char *big, *real;

    assert_non_null(mkdtemp(dir));
    f.d.arena = &f.a;
    path = arena_printf(&f.a, "%s/x.yaml", dir);
    assert_int_equal(study_config_read(&f.c, path, NULL, 0, &f.d, &err), HPO_EMISSING);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(file_replace(path, "data: {path: ./img}\n", 20, &err), 0);
    assert_int_equal(study_config_read(&f.c, path, NULL, 0, &f.d, &err), 0);
    real = realpath(dir, NULL);
    assert_string_equal(f.c.data.path, arena_printf(&f.a, "%s/img", real));
    assert_string_equal(f.c.folder, real);
    free(real);
    study_config_release(&f.c);
    big = calloc(1, YAML_MAX_BYTES + 1);
    memset(big, '#', YAML_MAX_BYTES + 1);
    assert_int_equal(file_replace(path, big, YAML_MAX_BYTES + 1, &err), 0);
    assert_int_equal(study_config_read(&f.c, path, NULL, 0, &f.d, &err), HPO_ECONFIG);
    assert_int_equal(f.d.n, 1);
    free(big);
    assert_int_equal(file_remove_tree(dir, &err), 0);
    config_close(&f);
}

/* Each would take minutes were anything quadratic in it. */
static void test_hostile(void **state)
{
    static const char *const units[] = {"[", "k%d: 1\n", "space.k%d: 1\n", "  k%d: {type: int}\n",
                                        "v%d, ", "%d, ", "&a%d ", "{k%d: 1}, ", "a%d, ",
                                        "{type: x%d, wrapped: "};
    static const char *const heads[] = {"", "", "", "space:\n",
                                        "space: {batch_size: {type: categorical, choices: [",
                                        ("data: {path: d}\nspace: {batch_size: {type: int, low: 1, "
                                         "high: 60000}, epochs: {type: int, low: 1, high: 2, when: "
                                         "{batch_size: ["), "a: ",
                                        ("data: {path: d}\nspace: {epochs: {type: int, low: 1, high: "
                                         "2}}\nstudy: {enqueue: ["),
                                        "objective: {type: training, run: [", "pruner: "};
    struct config_fixture f = {0};

    for (size_t i = 0; i < HPO_LEN(units); i++) {
        struct str text = {0};

        str_add(&text, heads[i]);
        for (int k = 0; text.n < 900000; k++) {
            const char *hole = strstr(units[i], "%d");

            str_addn(&text, units[i], hole ? (size_t)(hole - units[i]) : strlen(units[i]));
            if (hole)
                str_addf(&text, "%d%s", k, hole + 2);
        }
        assert_int_equal(config_open_n(&f, text.s, text.n, NULL, 0), HPO_ECONFIG);
        assert_true(f.d.n > 0);
        str_release(&text);
    }
    config_close(&f);
}

static void expect_folds_mistake(const char *folds, const char *said)
{
    struct config_fixture f = {0};
    char text[300];

    snprintf(text, sizeof(text), "data: {path: d, folds: %s}\n", folds);
    assert_int_equal(config_open(&f, text), HPO_ECONFIG);
    assert_non_null(strstr(str_c(&f.said), said));
    config_close(&f);
}

static void test_folds(void **state)
{
    struct config_fixture f = {0};
    struct str text = {0};

    assert_int_equal(config_open(&f, "data: {path: d}\n"), 0);
    assert_true(f.c.folds.auto_k);
    assert_int_equal(study_config_folds_run(&f.c), 5);
    /* What auto comes to is what the study's own file says. */
    study_config_set_k(&f.c, 3);
    assert_int_equal(study_config_folds(&f.c), 3);
    study_config_write(&f.c, &text);
    assert_non_null(strstr(str_c(&text), "    k: 3\n"));
    assert_int_equal(config_open(&f, str_c(&text)), 0);
    assert_false(f.c.folds.auto_k);
    assert_int_equal(f.c.folds.k, 3);
    assert_int_equal(config_open(&f, "data: {path: d, folds: {k: 4, repeats: 3, run: 7}}\n"), 0);
    assert_int_equal(study_config_folds(&f.c), 12);
    assert_int_equal(study_config_folds_run(&f.c), 7);
    assert_int_equal(config_open(&f, "data: {path: d, folds: {k: 1, valid: 0.3, repeats: 2}}\n"), 0);
    assert_int_equal(study_config_folds(&f.c), 2);
    str_release(&text);
    config_close(&f);
    expect_folds_mistake("{k: 8, repeats: 9}",
                         "s.yaml:1:40: data.folds.repeats: 9 times 8 folds are 72, at most 64 are "
                         "allowed\n");
    expect_folds_mistake("{k: 8, valid: 0.1}",
                         "data.folds.valid: the share of a holdout (k: 1), and k is 8\n");
    expect_folds_mistake("{valid: 0.1}", "and k is 5 when it is left out\n");
    expect_folds_mistake("{k: 1, valid: 1}", "above 0 and below 1, or auto");
    expect_folds_mistake("{k: 2, repeats: 2, run: 5}",
                         "data.folds.run: 5 is more than the 4 folds there are\n");
    expect_folds_mistake("{k: 0}", "a whole number from 1 to 64, or auto");
    expect_folds_mistake("{groups: true}", "did you mean 'group'?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),        cmocka_unit_test(test_values),
        cmocka_unit_test(test_many_mistakes),   cmocka_unit_test(test_single_mistakes),
        cmocka_unit_test(test_sets),            cmocka_unit_test(test_bad_sets),
        cmocka_unit_test(test_name_of_file),    cmocka_unit_test(test_read),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_folds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
