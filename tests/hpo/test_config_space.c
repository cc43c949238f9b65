#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>

#include "config_fixture.h"

static const struct hpo_param *param(const struct config_fixture *f, const char *name)
{
    for (int i = 0; i < f->c.space.n; i++)
        if (!strcmp(f->c.space.params[i].name, name))
            return &f->c.space.params[i];
    fail_msg("there is no %s", name);
    return NULL;
}

static void test_kinds(void **state)
{
    struct config_fixture f = {0};
    const struct hpo_param *p;

    assert_int_equal(config_open(&f,
        "data: {path: /d}\n"
        "space:\n"
        "  optimizer.lr: {type: float, low: 1e-3, high: 1.0, log: true}\n"
        "  model.dropout: {type: float, low: 0, high: 0.55, step: 0.1}\n"
        "  model.width: {type: int, low: 8, high: 31, step: 8}\n"
        "  epochs: {type: int, low: 2, high: 16, log: true, step: 1}\n"
        "  image_size: {type: categorical, choices: [32, 48]}\n"
        "  optimizer.weight_decay: {type: categorical, choices: [0, 1e-4, 5e-4]}\n"
        "  augment.flip: {type: categorical, choices: [true, false]}\n"
        "  precision: {type: categorical, choices: [fp32, 'auto']}\n"
        "  loss.label_smoothing: {type: float, low: 0.1, high: 0.1}\n"), 0);
    assert_int_equal(f.c.space.n, 9);
    p = param(&f, "optimizer.lr");
    assert_int_equal(p->kind, HPO_PARAM_FLOAT);
    assert_true(p->log && p->low == 1e-3 && p->high == 1 && p->step == 0);
    p = param(&f, "model.dropout");
    assert_true(p->low == 0 && p->high == 0.5 && p->step == 0.1);
    p = param(&f, "model.width");
    assert_int_equal(p->kind, HPO_PARAM_INT);
    assert_true(p->high == 24 && p->step == 8);
    p = param(&f, "epochs");
    assert_true(p->log && p->high == 16 && p->step == 1);
    assert_int_equal(f.c.max_epochs, 16);
    p = param(&f, "image_size");
    assert_int_equal(p->n_choices, 2);
    assert_int_equal(p->choices[1].kind, HPO_CHOICE_INT);
    assert_string_equal(p->choices[1].text, "48");
    assert_true(p->low == 0 && p->high == 1);
    p = param(&f, "optimizer.weight_decay");
    assert_int_equal(p->choices[0].kind, HPO_CHOICE_INT);
    assert_int_equal(p->choices[1].kind, HPO_CHOICE_REAL);
    assert_string_equal(p->choices[1].text, "0.0001");
    assert_int_equal(param(&f, "augment.flip")->choices[0].kind, HPO_CHOICE_BOOL);
    assert_int_equal(param(&f, "precision")->choices[1].kind, HPO_CHOICE_STR);
    assert_non_null(f.c.space.order);
    config_close(&f);
}

static void test_conditions(void **state)
{
    struct config_fixture f = {0};
    const struct hpo_param *p;

    assert_int_equal(config_open(&f,
        "data: {path: /d}\n"
        "trainer: {optimizer: {momentum: 0.5, beta1: 0.8}}\n"
        "space:\n"
        "  optimizer.momentum: {type: float, low: 0.8, high: 0.99, when: {optimizer.type: sgd}}\n"
        "  optimizer.type: {type: categorical, choices: [adamw, sgd]}\n"
        "  optimizer.beta1: {type: float, low: 0.8, high: 0.99}\n"
        "  optimizer.lr: {type: float, low: 0.001, high: 0.1}\n"
        "  epochs: {type: int, low: 2, high: 8, step: 2}\n"
        "  schedule.type: {type: categorical, choices: [cosine, step], when: {epochs: [4, 8]}}\n"
        "  schedule.gamma: {type: float, low: 0.1, high: 0.5}\n"
        "  schedule.warmup_epochs: {type: float, low: 0.1, high: 0.5, when: {optimizer.type: "
        "[sgd, adamw], epochs: 8}}\n"), 0);
    p = param(&f, "optimizer.momentum");
    assert_int_equal(p->n_when, 1);
    assert_int_equal(p->when[0].param, 1);
    assert_true(p->when[0].n_values == 1 && p->when[0].values[0] == 1);
    /* without a word of its own: only adamw has it */
    p = param(&f, "optimizer.beta1");
    assert_int_equal(p->n_when, 1);
    assert_true(p->when[0].param == 1 && p->when[0].n_values == 1 && p->when[0].values[0] == 0);
    assert_int_equal(param(&f, "optimizer.lr")->n_when, 0);
    p = param(&f, "schedule.type");
    assert_true(p->n_when == 1 && p->when[0].n_values == 2 && p->when[0].values[1] == 8);
    /* the file's own type (constant) has no gamma, and of the choices only step has */
    p = param(&f, "schedule.gamma");
    assert_true(p->n_when == 1 && p->when[0].param == 5 && p->when[0].values[0] == 1);
    assert_int_equal(param(&f, "schedule.warmup_epochs")->n_when, 2);
    /* parents come first */
    assert_int_equal(f.c.space.order[0], 1);
    config_close(&f);
}

#define DATA "data: {path: d}\n"

/* what stands in `space: {...}` -> what is said */
static const char *const bad[][2] = {
    {DATA "space: []\n", "s.yaml:2:8: space: a list stands here: a mapping from a dotted path to a "
                         "distribution is needed\n"},
    {DATA "space:\n  epochs: 3\n",
     "s.yaml:3:11: 'epochs': a value stands here: a distribution such as {type: float, low: 0, "
     "high: 1} is needed\n"},
    {DATA "space:\n  epochs: {low: 1, high: 2}\n",
     "s.yaml:3:3: 'epochs' has no type: float, int or categorical\n"},
    {DATA "space:\n  epochs: {type: int, low: 1}\n",
     "s.yaml:3:3: 'epochs' has no high: {type, low, high} are needed\n"},
    {DATA "space:\n  epochs: {type: int, low: 1, high: 2, choices: [1], hihg: 3}\n",
     "s.yaml:3:40: unknown key 'choices' of a number; known keys: type, when, low, high, log, step\n"
     "s.yaml:3:54: unknown key 'hihg' of a number, did you mean 'high'? known keys: type, when, low, "
     "high, log, step\n"},
    {DATA "space:\n  epochs: {type: categorical, choices: [1], log: true}\n",
     "s.yaml:3:45: unknown key 'log' of a categorical; known keys: type, when, choices\n"},
    {DATA "space:\n  epochs: {type: int, low: 1.5, high: '3', step: 0}\n",
     "s.yaml:3:28: low: '1.5' is not a whole number\n"
     "s.yaml:3:39: high: '3' in quotes is a text: a whole number is needed\n"},
    {DATA "space:\n  epochs: {type: int, low: 1, high: 3, step: 0}\n",
     "s.yaml:3:46: step must be above 0, and is 0\n"},
    {DATA "space:\n  epochs: {type: int, low: 1, high: 9, step: 2, log: true}\n",
     "s.yaml:3:46: step and log exclude each other\n"},
    {DATA "space:\n  epochs: {type: int, low: 1, high: 9, log: yes}\n",
     "s.yaml:3:45: log: true or false is needed\n"},
    {DATA "space:\n  optimizer.lr: {type: float, low: 0.1, high: 1, step: 1e-300}\n",
     "s.yaml:3:56: step is too small for the way from low to high\n"},
    {DATA "space:\n  optimizer.lr: {type: float, low: -1e308, high: 1e308}\n",
     "s.yaml:3:50: low and high are too far apart\n"},
    {DATA "space:\n  optimizer.lr: {type: float, low: -1, high: 2e9}\n",
     "s.yaml:3:36: '-1' is not allowed here: a number from 0 to 1000000000\n"
     "s.yaml:3:46: '2e9' is not allowed here: a number from 0 to 1000000000\n"},
    {DATA "space:\n  model.dropout: {type: float, low: 0, high: 1}\n",
     "s.yaml:3:46: '1' is not allowed here: a number from 0 and below 1\n"},
    {DATA "space:\n  epochs: {type: categorical, choices: []}\n",
     "s.yaml:3:40: choices: a list of 1 to 1000 values is needed\n"},
    {DATA "space:\n  epochs: {type: categorical}\n",
     "s.yaml:3:3: 'epochs' has no choices: {type: categorical, choices: [...]} is needed\n"},
    {DATA "space:\n  epochs: {type: categorical, choices: [1, [2], 3, 1, x, '4', 0]}\n",
     "s.yaml:3:44: choices: a list stands here: single values are needed\n"
     "s.yaml:3:52: choices: '1' stands here a second time\n"},
    {DATA "space:\n  epochs: {type: categorical, choices: [1, x, '4', 0]}\n",
     "s.yaml:3:44: 'x' is not allowed here: a whole number from 1 to 100000\n"
     "s.yaml:3:47: '4' in quotes is a text: a whole number from 1 to 100000 is needed\n"
     "s.yaml:3:52: '0' is not allowed here: a whole number from 1 to 100000\n"},
    {DATA "space:\n  optimizer.lr: {type: categorical, choices: [0.1, 1e-1]}\n",
     "s.yaml:3:52: choices: '0.1' stands here a second time\n"},
    {DATA "space:\n  augment.flip: {type: int, low: 0, high: 1}\n",
     "s.yaml:3:24: 'augment.flip' is not a number (true or false): its type must be categorical\n"},
    {DATA "space:\n  optimizer.type: {type: int, low: 0, high: 1}\n",
     "s.yaml:3:26: 'optimizer.type' is a name: its type must be categorical\n"},
    {DATA "space:\n  optimizer.type: {type: categorical, choices: [sgd, adamx]}\n",
     "s.yaml:3:54: unknown optimizer 'adamx', did you mean 'adam'? known: sgd, adam, adamw, rmsprop, "
     "lion, muon\n"},
    {DATA "space:\n  optimizer.beta1: {type: float, low: 0.1, high: 0.2}\n",
     "s.yaml:3:3: 'optimizer.beta1' is no option of sgd, the type in this study: it belongs to "
     "adam, adamw, lion, muon\n"},
    {DATA "trainer: {optimizer: {type: sgd, lr: 2}}\nspace:\n  optimizer.type: {type: categorical, "
          "choices: [adamw]}\n  optimizer.momentum: {type: float, low: 0.1, high: 0.2}\n",
     "s.yaml:5:3: 'optimizer.momentum' is no option of adamw, the type in this study: it belongs to "
     "sgd, rmsprop, muon\n"},
    {DATA "trainer: {optimizer: {momentum: 0.9}}\nspace:\n  optimizer.type: {type: categorical, "
          "choices: [adamw]}\n",
     "s.yaml:2:23: unknown key 'momentum' in trainer.optimizer of type adamw; known keys: type, "
     "decay_bias_norm, clip_norm, accumulate, bias_scaler, lr, beta1, beta2, eps, weight_decay\n"},
    {DATA "space:\n  trainer.epochs: {type: int, low: 1, high: 2}\n",
     "s.yaml:3:3: unknown parameter 'trainer.epochs': paths start inside 'trainer', write "
     "'epochs'\n"},
    {DATA "space:\n  limit: {type: int, low: 1, high: 2}\n  folds.k: {type: int, low: 2, high: 3}\n",
     "s.yaml:3:3: 'limit' cannot be searched: it must be the same for every trial\n"
     "s.yaml:4:3: 'folds.k' cannot be searched: it must be the same for every trial\n"},
    /* conditions */
    {DATA "space:\n  epochs: {type: int, low: 1, high: 2, when: 3}\n",
     "s.yaml:3:46: when: a mapping from another parameter to its value or values is needed, such as "
     "{optimizer.type: sgd}\n"},
    {DATA "space:\n  optimizer.type: {type: categorical, choices: [sgd, adamw]}\n"
          "  optimizer.lr: {type: float, low: 0, high: 1, when: {optimizer.type: [sgdd, sgd, sgd]}}\n",
     "s.yaml:4:72: unknown choice 'sgdd' of optimizer.type, did you mean 'sgd'? its choices: sgd, "
     "adamw\n"
     "s.yaml:4:83: when: 'sgd' stands here a second time\n"},
    {DATA "space:\n  optimizer.type: {type: categorical, choices: [sgd, adamw]}\n"
          "  optimizer.momentum: {type: float, low: 0, high: 0.5, when: {optimizer.type: [sgd, "
          "adamw]}}\n",
     "s.yaml:4:62: when: adamw has no 'momentum'\n"},
    {DATA "space:\n  epochs: {type: int, low: 2, high: 8, step: 2}\n"
          "  optimizer.lr: {type: float, low: 0, high: 1, when: {epochs: [2, 3, 10, x]}}\n",
     "s.yaml:4:67: when: '3' is no value of 'epochs', which goes from 2 to 8 in steps of 2\n"
     "s.yaml:4:70: when: '10' is no value of 'epochs', which goes from 2 to 8 in steps of 2\n"
     "s.yaml:4:74: when: 'x' is no value of 'epochs', which goes from 2 to 8 in steps of 2\n"},
    {DATA "space:\n  optimizer.lr: {type: float, low: 0, high: 1}\n"
          "  epochs: {type: int, low: 1, high: 2, when: {optimizer.lr: 0.5}}\n",
     "s.yaml:4:47: when: 'optimizer.lr' is a float: a condition needs a categorical or an int\n"},
    {DATA "space:\n  batch_size: {type: int, low: 1, high: 2, when: {epochs: 1}}\n"
          "  epochs: {type: int, low: 1, high: 2, when: {batch_size: 1}}\n",
     "s.yaml:3:50: the conditions (when) of 'batch_size', 'epochs' form a circle\n"},
    {DATA "space:\n  epochs: {type: int, low: 1, high: 2, when: {epochs: 1}}\n",
     "s.yaml:3:46: the conditions (when) of 'epochs' form a circle\n"},
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

/* Ranges are those of the types that come into question. */
static void test_range_by_type(void **state)
{
    struct config_fixture f = {0};

    /* resnet's depth begins at 8; mlp has layers from 0 */
    assert_int_equal(config_open(&f, DATA "trainer: {model: resnet}\nspace:\n"
                                          "  model.depth: {type: int, low: 2, high: 20, step: 6}\n"),
                     HPO_ECONFIG);
    assert_int_equal(config_open(&f, DATA "space:\n"
                                          "  model.type: {type: categorical, choices: [resnet, mlp]}\n"
                                          "  model.depth: {type: int, low: 8, high: 20, step: 6}\n"
                                          "  model.layers: {type: int, low: 0, high: 2}\n"
                                          "  model.width: {type: int, low: 4, high: 65000, when: "
                                          "{model.type: mlp}}\n"), 0);
    assert_int_equal(config_open(&f, DATA "space:\n"
                                          "  model.type: {type: categorical, choices: [resnet, mlp]}\n"
                                          "  model.width: {type: int, low: 4, high: 65000}\n"),
                     HPO_ECONFIG);
    assert_non_null(strstr(str_c(&f.said), "'65000' is not allowed here: a whole number from 1 to "));
    config_close(&f);
}

static void test_max_epochs(void **state)
{
    struct config_fixture f = {0};

    assert_int_equal(config_open(&f, DATA "trainer: {epochs: 30}\nspace: {epochs: {type: "
                                          "categorical, choices: [4, 9, 2]}}\n"), 0);
    assert_int_equal(f.c.max_epochs, 9); /* the file's 30 never comes to bear */
    assert_int_equal(config_open(&f, DATA "trainer: {epochs: 30}\nspace: {epochs: {type: int, low: "
                                          "1, high: 9, when: {batch_size: 8}}, batch_size: {type: "
                                          "int, low: 8, high: 9}}\n"), 0);
    assert_int_equal(f.c.max_epochs, 30);
    config_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),         cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_mistakes),      cmocka_unit_test(test_range_by_type),
        cmocka_unit_test(test_max_epochs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
