#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>

#include "base/rng.h"
#include "config_fixture.h"

static const char full[] =
    "study: {name: full, metric: log_loss, trials: 7, timeout: 90s, seed: 11, epoch: last}\n"
    "sampler: {type: grid}\n"
    "devices: {use: [cpu, cpu], threads: 3}\n"
    "data: {path: '/x/y: #z', cache: \"/c\\td\", limit: 100, folds: {k: 4, run: 2}}\n"
    "trainer:\n"
    "  model: {width: 12}\n"
    "  optimizer: {weight_decay: 5e-4, momentum: 0.9, eps: 1e-7}\n"
    "  loss: focal\n"
    "space:\n"
    "  optimizer.type: {type: categorical, choices: [sgd, adamw]}\n"
    "  optimizer.lr: {type: float, low: 1e-5, high: 1, log: true}\n"
    "  optimizer.momentum: {type: float, low: 0.8, high: 0.95, step: 0.05}\n"
    "  optimizer.beta1: {type: float, low: 0.5, high: 0.9}\n"
    "  optimizer.nesterov: {type: categorical, choices: [true, false], when: {optimizer.type: sgd, "
    "batch_size: [16, 32]}}\n"
    "  batch_size: {type: int, low: 16, high: 64, step: 16}\n"
    "  epochs: {type: int, low: 1, high: 8, log: true}\n"
    "  image_size: {type: categorical, choices: [16, 32]}\n"
    "  loss.gamma: {type: categorical, choices: [0, 0.5, 1.0, 2e0]}\n"
    "  precision: {type: categorical, choices: [auto, 'fp32']}\n";

static double option(struct hpo_part p, const char *name)
{
    const struct hpo_opt *o = hpo_opt_find(hpo_plugin_of(p.ops)->opts, name);

    assert_non_null(o);
    assert_int_equal(o->type, HPO_OPT_REAL);
    return *(const double *)((const char *)p.priv + o->offset);
}

static int index_of(const struct config_fixture *f, const char *name)
{
    for (int i = 0; i < f->c.space.n; i++)
        if (!strcmp(f->c.space.params[i].name, name))
            return i;
    fail_msg("there is no %s", name);
    return -1;
}

static void set(const struct config_fixture *f, double *values, const char *name, double v)
{
    values[index_of(f, name)] = v;
}

static void test_trial(void **state)
{
    struct config_fixture f = {0};
    struct trial_config t;
    struct hpo_err err;
    double v[16];

    assert_int_equal(config_open(&f, full), 0);
    for (int i = 0; i < 16; i++)
        v[i] = NAN;
    set(&f, v, "optimizer.type", 0);
    set(&f, v, "optimizer.lr", 0.25);
    set(&f, v, "optimizer.momentum", 0.85);
    set(&f, v, "optimizer.nesterov", 0);
    set(&f, v, "batch_size", 32);
    set(&f, v, "epochs", 3);
    set(&f, v, "image_size", 0);
    set(&f, v, "loss.gamma", 1);
    set(&f, v, "precision", 1);
    assert_int_equal(study_config_trial(&f.c, v, &f.a, &t, &err), 0);
    assert_string_equal(hpo_plugin_of(t.trainer.optimizer.part.ops)->name, "sgd");
    assert_true(option(t.trainer.optimizer.part, "lr") == 0.25);
    assert_true(option(t.trainer.optimizer.part, "momentum") == 0.85);
    assert_true(option(t.trainer.optimizer.part, "weight_decay") == 5e-4);
    assert_int_equal(t.trainer.batch_size, 32);
    assert_int_equal(t.trainer.epochs, 3);
    assert_int_equal(t.trainer.precision, KN_FP32);
    assert_int_equal(t.image_size, 16);
    assert_string_equal(hpo_plugin_of(t.trainer.loss.ops)->name, "focal");
    assert_true(option(t.trainer.loss, "gamma") == 0.5);
    /* the other type takes its own keys of the file, and the default where there is none */
    set(&f, v, "optimizer.type", 1);
    set(&f, v, "optimizer.momentum", NAN);
    set(&f, v, "optimizer.nesterov", NAN);
    set(&f, v, "optimizer.beta1", 0.75);
    assert_int_equal(study_config_trial(&f.c, v, &f.a, &t, &err), 0);
    assert_string_equal(hpo_plugin_of(t.trainer.optimizer.part.ops)->name, "adamw");
    assert_true(option(t.trainer.optimizer.part, "beta1") == 0.75);
    assert_true(option(t.trainer.optimizer.part, "beta2") == 0.999);
    assert_true(option(t.trainer.optimizer.part, "eps") == 1e-7);
    assert_true(option(t.trainer.optimizer.part, "weight_decay") == 5e-4);
    /* not in the space */
    set(&f, v, "batch_size", 33);
    assert_int_equal(study_config_trial(&f.c, v, &f.a, &t, &err), HPO_ECONFIG);
    set(&f, v, "batch_size", 32);
    set(&f, v, "optimizer.momentum", 0.85);
    assert_int_equal(study_config_trial(&f.c, v, &f.a, &t, &err), HPO_ECONFIG);
    config_close(&f);
}

/* A searched value that is not active leaves the file's. */
static void test_inactive(void **state)
{
    struct config_fixture f = {0};
    struct trial_config t;
    struct hpo_err err;
    double v[2] = {0, 16};

    assert_int_equal(config_open(&f, "data: {path: d}\ntrainer: {batch_size: 5}\nspace:\n"
                                     "  model.type: {type: categorical, choices: [mlp, convnet]}\n"
                                     "  batch_size: {type: int, low: 16, high: 32, when: "
                                     "{model.type: mlp}}\n"), 0);
    assert_int_equal(study_config_trial(&f.c, v, &f.a, &t, &err), 0);
    assert_int_equal(t.trainer.batch_size, 16);
    v[0] = 1;
    v[1] = NAN;
    assert_int_equal(study_config_trial(&f.c, v, &f.a, &t, &err), 0);
    assert_int_equal(t.trainer.batch_size, 5);
    assert_string_equal(hpo_plugin_of(t.trainer.model.part.ops)->name, "convnet");
    config_close(&f);
}

static void random_values(struct hpo_rng *r, const struct hpo_space *s, double *v)
{
    for (int i = 0; i < s->n; i++)
        v[i] = hpo_param_decode(&s->params[i], hpo_rng_uniform(r));
    hpo_space_mask(s, v);
}

static const char *opts_text(const struct hpo_opt *opts, const void *base, struct arena *a)
{
    struct str s = {0};
    const char *ret;

    for (; opts && opts->name; opts++)
        str_addf(&s, "%s=%s ", opts->name, hpo_opt_get(opts, base, a));
    ret = arena_strdup(a, str_c(&s));
    str_release(&s);
    return ret;
}

/* Everything that the trainer is told. */
static const char *trainer_text(const struct tr_config *t, struct arena *a)
{
    struct str s = {0};
    const char *ret;

    for (const struct hpo_section *sec = tr_sections; sec->path; sec++) {
        const char *field = (const char *)t + sec->offset;
        const struct hpo_part *part = (const struct hpo_part *)field;
        const struct hpo_plugin *p = sec->kinds ? hpo_plugin_of(part->ops) : NULL;

        str_addf(&s, "%s %s %s\n", sec->path, p ? p->name : "",
                 p ? opts_text(p->opts, part->priv, a) : opts_text(sec->opts, field, a));
    }
    ret = arena_strdup(a, str_c(&s));
    str_release(&s);
    return ret;
}

static const char *const files[] = {
    full,
    "data: {path: /d}\n",
    "data: {path: /d}\nstudy: {name: '123'}\nspace: {model.type: {type: categorical, choices: [mlp, "
    "resnet]}, model.width: {type: int, low: 3, high: 9}, model.layers: {type: int, low: 1, high: "
    "3}}\ntrainer: {model: {type: convnet, depth: 14}}\n",
    "data: {path: 'null'}\ndevices: {use: cpu}\nspace: {schedule.type: {type: categorical, choices: "
    "[step, cosine], when: {epochs: 3}}, epochs: {type: int, low: 2, high: 3}, schedule.gamma: "
    "{type: float, low: 0.1, high: 0.9}}\n",
    "data: {path: \"/q\\\"uo\\\\te\\n'\"}\nspace: {loss.type: {type: categorical, choices: [focal]}}\n",
};

/* What is written reads back as the same study: the same file again, the same identity, and the
 * same training for the same values. */
static void test_round_trip(void **state)
{
    struct hpo_rng r = hpo_rng_for(1, -1, -1, "test", 0);

    for (size_t i = 0; i < HPO_LEN(files); i++) {
        struct config_fixture f = {0}, g = {0};
        struct str one = {0}, two = {0};

        assert_int_equal(config_open(&f, files[i]), 0);
        study_config_write(&f.c, &one);
        if (config_open(&g, one.s))
            fail_msg("%s\n%s", one.s, str_c(&g.said));
        study_config_write(&g.c, &two);
        assert_string_equal(one.s, two.s);
        str_clear(&one);
        str_clear(&two);
        study_config_identity(&f.c, &one);
        study_config_identity(&g.c, &two);
        assert_string_equal(one.s, two.s);
        assert_string_equal(f.c.data.path, g.c.data.path);
        assert_string_equal(f.c.study.name, g.c.study.name);
        assert_int_equal(f.c.max_epochs, g.c.max_epochs);
        for (int k = 0; k < 200; k++) {
            struct config_fixture single = {0};
            struct trial_config a, b;
            struct hpo_err err;
            double v[16];

            random_values(&r, &f.c.space, v);
            assert_int_equal(study_config_trial(&f.c, v, &f.a, &a, &err), 0);
            assert_int_equal(study_config_trial(&g.c, v, &g.a, &b, &err), 0);
            assert_string_equal(trainer_text(&a.trainer, &f.a), trainer_text(&b.trainer, &g.a));
            str_clear(&one);
            study_config_single(&f.c, v, &one);
            if (config_open(&single, one.s))
                fail_msg("%s\n%s", one.s, str_c(&single.said));
            assert_int_equal(single.c.space.n, 0);
            assert_int_equal(single.c.study.trials, 1);
            assert_string_equal(trainer_text(&a.trainer, &f.a),
                                trainer_text(&single.c.trainer, &f.a));
            assert_int_equal(single.c.data.image_size, a.image_size);
            config_close(&single);
        }
        str_release(&one);
        str_release(&two);
        config_close(&f);
        config_close(&g);
    }
}

/* An override -> does the identity change? */
static const struct {
    const char *set;
    bool mixes;
} changes[] = {
    {"study.trials=9", false},        {"study.name=other", false},
    {"study.timeout=null", false},    {"study.max_failures=0", false},
    {"devices.use=cpu", false},       {"devices.threads=1", false},
    {"data.path=/elsewhere", false},  {"data.cache=/elsewhere", false},
    {"study.metric=accuracy", true},  {"study.seed=12", true},
    {"study.epoch=best", true},       {"sampler=random", true},
    {"data.limit=99", true},          {"data.resize=stretch", true},
    {"data.on_error=skip", true},     {"data.folds.k=5", true},
    {"data.folds.run=auto", true},    {"data.folds.stratified=false", true},
    {"data.folds.order=epoch_first", true},
    {"data.folds.repeats=2", true},   {"data.folds.group=true", true},
    {"data.folds={k: 1, valid: 0.3}", true},
    {"trainer.model.width=13", true}, {"trainer.model=mlp", true},
    {"trainer.optimizer.weight_decay=0", true},
    {"trainer.augment.flip=false", true},
    {"trainer.optimizer.lr=0.7", false},   /* every trial draws its own */
    {"trainer.optimizer.beta1=0.7", false},
    {"trainer.batch_size=9", false},
    {"trainer.optimizer.nesterov=true", true}, /* not drawn when batch_size is 48 */
    {"space.epochs.high=9", true},
    {"space.optimizer.lr.log=false", true},
    {"space.image_size.choices=[32, 16]", true},
    {"space.loss.gamma.when={precision: auto}", true},
    {"space.optimizer.beta1.when={optimizer.type: adamw}", false}, /* that is so without it */
};

static void test_identity(void **state)
{
    struct config_fixture f = {0};
    struct str base = {0}, now = {0};

    assert_int_equal(config_open(&f, full), 0);
    study_config_identity(&f.c, &base);
    for (size_t i = 0; i < HPO_LEN(changes); i++) {
        if (config_open_n(&f, full, strlen(full), &changes[i].set, 1))
            fail_msg("%s: %s", changes[i].set, str_c(&f.said));
        str_clear(&now);
        study_config_identity(&f.c, &now);
        if (changes[i].mixes != (strcmp(base.s, now.s) != 0))
            fail_msg("%s\n%s\n%s", changes[i].set, base.s, now.s);
    }
    /* one line an entry: "key: value" */
    for (const char *p = base.s; *p; p = strchr(p, '\n') + 1)
        assert_true(strstr(p, ": ") && strstr(p, ": ") < strchr(p, '\n'));
    /* all folds, said in two ways */
    str_clear(&base);
    str_clear(&now);
    assert_int_equal(config_open(&f, "data: {path: d, folds: {k: 3}}\n"), 0);
    study_config_identity(&f.c, &base);
    assert_int_equal(config_open(&f, "data: {path: d, folds: {k: 3, run: 3}}\n"), 0);
    study_config_identity(&f.c, &now);
    assert_string_equal(base.s, now.s);
    str_clear(&base);
    str_clear(&now);
    assert_int_equal(config_open(&f, "data: {path: d, folds: {repeats: 2}}\n"), 0);
    study_config_identity(&f.c, &base);
    assert_int_equal(config_open(&f, "data: {path: d, folds: {k: 5, repeats: 2, run: 10}}\n"), 0);
    study_config_identity(&f.c, &now);
    assert_string_equal(base.s, now.s);
    str_clear(&base);
    str_clear(&now);
    assert_int_equal(config_open(&f, "data: {path: d, folds: {k: 1}}\n"), 0);
    study_config_identity(&f.c, &base);
    assert_int_equal(config_open(&f, "data: {path: d, folds: {k: 1, valid: 0.2}}\n"), 0);
    study_config_identity(&f.c, &now);
    assert_string_equal(base.s, now.s);
    str_release(&base);
    str_release(&now);
    config_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trial),
        cmocka_unit_test(test_inactive),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_identity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
