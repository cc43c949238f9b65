/* Which spaces a study may go on in. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>

#include "base/rng.h"
#include "config_fixture.h"

#define SPACE(TYPES, LR, BATCH, EPOCHS)                           \
    "data: {path: d}\nspace:\n"                                   \
    "  optimizer.type: {type: categorical, choices: " TYPES "}\n" \
    "  optimizer.lr: {type: float, " LR "}\n"                     \
    "  batch_size: {type: int, " BATCH "}\n"                      \
    "  epochs: {type: int, " EPOCHS "}\n"

#define BASE \
    SPACE("[sgd]", "low: 0.1, high: 1, log: true", "low: 16, high: 64, step: 16", "low: 2, high: 5")

static const struct {
    const char *was, *is, *why; /* NULL: it extends */
} rows[] = {
    {BASE, BASE, NULL},
    {BASE,
     SPACE("[sgd, adamw]", "low: 0.01, high: 2, log: true", "low: 16, high: 128, step: 16",
           "low: 1, high: 9"),
     NULL},
    {BASE,
     SPACE("[sgd]", "low: 0.1, high: 1, log: true", "low: 32, high: 64, step: 16",
           "low: 2, high: 5"),
     "'batch_size': its lowest value was 16 and is 32"},
    {BASE,
     SPACE("[sgd]", "low: 0.1, high: 0.5, log: true", "low: 16, high: 64, step: 16",
           "low: 2, high: 5"),
     "'optimizer.lr': its highest value was 1 and is 0.5"},
    {BASE, SPACE("[sgd]", "low: 0.1, high: 1", "low: 16, high: 64, step: 16", "low: 2, high: 5"),
     "'optimizer.lr': log was true and is false"},
    {BASE,
     SPACE("[sgd]", "low: 0.1, high: 1, log: true", "low: 16, high: 64, step: 8",
           "low: 2, high: 5"),
     "'batch_size': its step was 16 and is 8"},
    {BASE,
     SPACE("[sgd]", "low: 0.1, high: 1, log: true", "low: 8, high: 64, step: 16",
           "low: 2, high: 5"),
     "'batch_size': its highest value was 64 and is 56"},
    {BASE,
     SPACE("[sgd]", "low: 0.1, high: 1, log: true", "low: 8, high: 80, step: 16",
           "low: 2, high: 5"),
     "'batch_size': steps of 16 from 8 on pass over the values it had"},
    {BASE,
     SPACE("[adamw, sgd]", "low: 0.1, high: 1, log: true", "low: 16, high: 64, step: 16",
           "low: 2, high: 5"),
     "'optimizer.type': choice 1 was sgd; new ones belong at the end"},
    {SPACE("[sgd, adamw]", "low: 0.1, high: 1", "low: 1, high: 2", "low: 1, high: 2"),
     SPACE("[sgd]", "low: 0.1, high: 1", "low: 1, high: 2", "low: 1, high: 2"),
     "'optimizer.type': choice 2 was adamw and is gone; new ones belong at the end"},
    {BASE, BASE "  image_size: {type: int, low: 8, high: 9}\n",
     "there were 4 parameters and there are 5"},
    {"data: {path: d}\nspace: {epochs: {type: int, low: 1, high: 2}, batch_size: {type: int, low: "
     "1, "
     "high: 2}}\n",
     "data: {path: d}\nspace: {batch_size: {type: int, low: 1, high: 2}, epochs: {type: int, low: "
     "1, "
     "high: 2}}\n",
     "'batch_size' stands where 'epochs' was"},
    {"data: {path: d}\nspace: {epochs: {type: int, low: 1, high: 2}}\n",
     "data: {path: d}\nspace: {epochs: {type: categorical, choices: [1, 2]}}\n",
     "'epochs': its type is another"},
    {"data: {path: d}\nspace: {loss.label_smoothing: {type: categorical, choices: [0, 0.5]}}\n",
     "data: {path: d}\nspace: {loss.label_smoothing: {type: categorical, choices: [0.0, 0.5]}}\n",
     "'loss.label_smoothing': choice 1 was 0; new ones belong at the end"},
};

static void test_spaces(void **state)
{
    for (size_t i = 0; i < HPO_LEN(rows); i++) {
        struct config_fixture f = {0}, g = {0};
        struct str why = {0};
        bool ok;

        if (config_open(&f, rows[i].was) || config_open(&g, rows[i].is))
            fail_msg("%s%s", str_c(&f.said), str_c(&g.said));
        ok = study_space_extends(&f.c.space, &g.c.space, &why);
        assert_string_equal(str_c(&why), rows[i].why ? rows[i].why : "");
        assert_int_equal(ok, !rows[i].why);
        assert_int_equal(study_space_extends(&f.c.space, &g.c.space, NULL), ok);
        str_release(&why);
        config_close(&f);
        config_close(&g);
    }
}

#define TYPES(LIST) \
    "data: {path: d}\nspace:\n  model.type: {type: categorical, choices: " LIST "}\n"
#define IN(RANGE) "data: {path: d}\nspace:\n  batch_size: {type: int, " RANGE "}\n"
#define EPOCHS(WHEN) "  epochs: {type: int, low: 1, high: 2" WHEN "}\n"

static const struct {
    const char *was, *is;
    bool extends;
} conditions[] = {
    /* it grows with its parent */
    {TYPES("[convnet, mlp]") EPOCHS(", when: {model.type: mlp}"),
     TYPES("[convnet, mlp, resnet]") EPOCHS(", when: {model.type: [resnet, mlp]}"), true},
    {TYPES("[convnet, mlp]") EPOCHS(", when: {model.type: mlp}"),
     TYPES("[convnet, mlp, resnet]") EPOCHS(", when: {model.type: mlp}"), true},
    /* no condition is one that all values fulfil */
    {TYPES("[convnet, mlp]") EPOCHS(""),
     TYPES("[convnet, mlp, resnet]") EPOCHS(", when: {model.type: [convnet, mlp]}"), true},
    {TYPES("[convnet, mlp]") EPOCHS(", when: {model.type: [mlp, convnet]}"),
     TYPES("[convnet, mlp]") EPOCHS(""), true},
    {IN("low: 8, high: 9") EPOCHS(", when: {batch_size: 8}"),
     IN("low: 6, high: 9") EPOCHS(", when: {batch_size: [6, 8]}"), true},
    /* a trial of old would have had a value, or would not */
    {TYPES("[convnet, mlp]") EPOCHS(", when: {model.type: mlp}"),
     TYPES("[convnet, mlp]") EPOCHS(", when: {model.type: [mlp, convnet]}"), false},
    {TYPES("[convnet, mlp]") EPOCHS(", when: {model.type: mlp}"),
     TYPES("[convnet, mlp]") EPOCHS(", when: {model.type: convnet}"), false},
    {TYPES("[convnet, mlp]") EPOCHS(", when: {model.type: mlp}"),
     TYPES("[convnet, mlp]") EPOCHS(""), false},
    {TYPES("[convnet, mlp]") EPOCHS(""),
     TYPES("[convnet, mlp, resnet]") EPOCHS(", when: {model.type: [convnet, resnet]}"), false},
    {IN("low: 8, high: 9") EPOCHS(""), IN("low: 6, high: 9") EPOCHS(", when: {batch_size: [6, 8]}"),
     false},
    /* what depends on something inactive is inactive */
    {TYPES("[convnet, mlp]") "  batch_size: {type: int, low: 1, high: 2, when: {model.type: "
                             "mlp}}\n" EPOCHS(", when: {batch_size: [1, 2]}"),
     TYPES("[convnet, mlp]") "  batch_size: {type: int, low: 1, high: 2, when: {model.type: "
                             "mlp}}\n" EPOCHS(""),
     false},
};

/* Judged by trials: every old value is one of the new space, or it does not extend. */
static void test_conditions(void **state)
{
    struct hpo_rng r = hpo_rng_for(3, -1, -1, "test", 0);

    for (size_t i = 0; i < HPO_LEN(conditions); i++) {
        struct config_fixture f = {0}, g = {0};
        struct str why = {0};
        bool all = true;
        double v[3];

        if (config_open(&f, conditions[i].was) || config_open(&g, conditions[i].is))
            fail_msg("%s%s", str_c(&f.said), str_c(&g.said));
        for (int k = 0; k < 100; k++) {
            for (int p = 0; p < f.c.space.n; p++)
                v[p] = hpo_param_decode(&f.c.space.params[p], hpo_rng_uniform(&r));
            hpo_space_mask(&f.c.space, v);
            all = all && hpo_space_contains(&g.c.space, v);
        }
        assert_int_equal(all, conditions[i].extends);
        if (study_space_extends(&f.c.space, &g.c.space, &why) != all)
            fail_msg("%s%s: %s", conditions[i].was, conditions[i].is, str_c(&why));
        if (!all)
            assert_non_null(strstr(why.s, "'epochs': it would be active for other values of"));
        str_release(&why);
        config_close(&f);
        config_close(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_conditions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
