/* `study.enqueue`, and the same rows from the command line and as JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>

#include "base/rng.h"
#include "config_fixture.h"

static const char space[] =
    "data: {path: d}\n"
    "space:\n"
    "  optimizer.type: {type: categorical, choices: [sgd, adamw]}\n"         /* 0 */
    "  optimizer.lr: {type: float, low: 1e-3, high: 1, log: true}\n"         /* 1 */
    "  optimizer.momentum: {type: float, low: 0.5, high: 0.9, step: 0.1}\n"  /* 2: sgd */
    "  batch_size: {type: int, low: 16, high: 64, step: 16}\n"               /* 3 */
    "  epochs: {type: int, low: 1, high: 9, when: {batch_size: [16, 32]}}\n" /* 4 */
    "  precision: {type: categorical, choices: [auto, fp32]}\n"              /* 5 */
    "  loss.gamma: {type: categorical, choices: [0, 0.5, 1.0, 2e0]}\n"       /* 6 */
    "trainer: {loss: focal}\n";

#define N 7

static const char *text_of(struct arena *a, const char *rows)
{
    return arena_printf(a, "study: {enqueue: %s}\n%s", rows, space);
}

static void test_rows(void **state)
{
    struct config_fixture f = {0};
    struct arena a = {0};
    const double *v;

    assert_int_equal(config_open(&f, text_of(&a, "[{optimizer.lr: 1}, {epochs: 9, batch_size: 32, "
                                                 "loss.gamma: 0.5}, {optimizer.momentum: 0.8}, "
                                                 "{loss.gamma: 2, precision: 'auto', "
                                                 "optimizer.type: adamw}]")),
                     0);
    assert_int_equal(f.c.space.n, N);
    assert_int_equal(f.c.n_enqueue, 4);
    v = f.c.enqueue;
    assert_true(v[1] == 1 && isnan(v[0]) && isnan(v[2]) && isnan(v[3]) && isnan(v[6]));
    v += N;
    assert_true(v[4] == 9 && v[3] == 32 && v[6] == 1 && isnan(v[0]));
    v += N;
    /* what it is active for comes with it, and the grid's own number */
    assert_true(v[0] == 0 && v[2] == 0.8 && isnan(v[1]));
    v += N;
    assert_true(v[6] == 3 && v[5] == 0 && v[0] == 1);
    assert_int_equal(config_open(&f, text_of(&a, "[]")), 0);
    assert_int_equal(f.c.n_enqueue, 0);
    assert_int_equal(config_open(&f, text_of(&a, "~")), 0);
    assert_int_equal(f.c.n_enqueue, 0);
    arena_release(&a);
    config_close(&f);
}

static const char *const bad[][2] = {
    {"{optimizer.lr: 1}", "s.yaml:1:18: study.enqueue: a mapping stands here: a list of mappings "
                          "from parameters to values is needed\n"},
    {"[3]", "s.yaml:1:19: study.enqueue: a value stands here: a mapping such as {optimizer.type: "
            "...} is needed\n"},
    {"[{}]", "s.yaml:1:19: study.enqueue: an empty mapping stands here: a mapping such as "
             "{optimizer.type: ...} is needed\n"},
    {"[{optimzer.lr: 1}]",
     "s.yaml:1:20: unknown parameter 'optimzer.lr' in study.enqueue, did you mean 'optimizer.lr'? "
     "searched: optimizer.type, optimizer.lr, optimizer.momentum, batch_size, epochs, precision, "
     "loss.gamma\n"},
    {"[{optimizer.lr: 2, epochs: 0, precision: fp33, batch_size: [16]}]",
     "s.yaml:1:34: study.enqueue: optimizer.lr: '2' is not allowed here: a number from 0.001 to 1\n"
     "s.yaml:1:45: study.enqueue: epochs: '0' is not allowed here: a whole number from 1 to 9\n"
     "s.yaml:1:59: study.enqueue: precision: 'fp33' is not allowed here, did you mean 'fp32'? one "
     "of auto, fp32\n"
     "s.yaml:1:77: study.enqueue: a list stands here: a value of 'batch_size' is needed\n"},
    {"[{optimizer.lr: '0.5'}, {optimizer.momentum: 0.55}, {batch_size: 17}, {batch_size: 16.0}, "
     "{optimizer.lr: nan}, {optimizer.lr: ~}]",
     "s.yaml:1:34: study.enqueue: optimizer.lr: '0.5' is not allowed here: a number from 0.001 to "
     "1\n"
     "s.yaml:1:63: study.enqueue: optimizer.momentum: '0.55' is not allowed here: a number from "
     "0.5 "
     "to 0.9 in steps of 0.1\n"
     "s.yaml:1:83: study.enqueue: batch_size: '17' is not allowed here: a whole number from 16 to "
     "64 "
     "in steps of 16\n"
     "s.yaml:1:101: study.enqueue: batch_size: '16.0' is not allowed here: a whole number from 16 "
     "to "
     "64 in steps of 16\n"
     "s.yaml:1:123: study.enqueue: optimizer.lr: 'nan' is not allowed here: a number from 0.001 to "
     "1\n"
     "s.yaml:1:144: study.enqueue: optimizer.lr: 'null' is not allowed here: a number from 0.001 "
     "to "
     "1\n"},
    {"[{optimizer.type: adamw, optimizer.momentum: 0.5}]",
     "s.yaml:1:63: study.enqueue: 'optimizer.momentum' is active only when optimizer.type is sgd, "
     "and here it is adamw\n"},
    {"[{epochs: 3}]",
     "s.yaml:1:28: study.enqueue: 'epochs' is active only when batch_size is one of "
     "16, 32: say which\n"},
    {"[{epochs: 3, batch_size: 48}]", "s.yaml:1:28: study.enqueue: 'epochs' is active only when "
                                      "batch_size is one of 16, 32, and here "
                                      "it is 48\n"},
};

static void test_mistakes(void **state)
{
    struct config_fixture f = {0};
    struct arena a = {0};

    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        assert_int_equal(config_open(&f, text_of(&a, bad[i][0])), HPO_ECONFIG);
        assert_string_equal(str_c(&f.said), bad[i][1]);
    }
    assert_int_equal(config_open(&f, "data: {path: d}\nstudy: {enqueue: [{epochs: 1}]}\n"),
                     HPO_ECONFIG);
    assert_string_equal(str_c(&f.said), "s.yaml:2:18: study.enqueue: there is no space, and so "
                                        "nothing to give values\n");
    arena_release(&a);
    config_close(&f);
}

/* A condition on a condition: the grandparent's value is known too; children that disagree are
 * found out. */
static void test_chain(void **state)
{
    static const char text[] =
        "data: {path: d}\n"
        "space:\n"
        "  optimizer.lr: {type: float, low: 0.1, high: 1, when: {epochs: 2}}\n"
        "  epochs: {type: int, low: 1, high: 3, when: {batch_size: 8}}\n"
        "  batch_size: {type: int, low: 8, high: 9}\n"
        "  model.dropout: {type: float, low: 0.1, high: 0.5, when: {epochs: 3}}\n";
    static const char *const lr = "optimizer.lr=0.5";
    static const char *const both[] = {"optimizer.lr=0.5", "model.dropout=0.25"};
    static const char *const against[] = {"optimizer.lr=0.5", "batch_size=9"};
    struct config_fixture f = {0};
    struct hpo_err err = {0};
    double v[4] = {7, 7, 7, 7};

    assert_int_equal(config_open(&f, text), 0);
    assert_int_equal(study_config_values(&f.c, both, 2, v, &err), HPO_ECONFIG);
    assert_string_equal(err.msg,
                        "'model.dropout' is active only when epochs is 3, and here it is 2");
    assert_int_equal(study_config_values(&f.c, against, 2, v, &err), HPO_ECONFIG);
    assert_string_equal(err.msg, "'epochs' is active only when batch_size is 8, and here it is 9");
    assert_true(v[0] == 7 && v[3] == 7); /* untouched */
    assert_int_equal(study_config_values(&f.c, &lr, 1, v, &err), 0);
    assert_true(v[0] == 0.5 && v[1] == 2 && v[2] == 8 && isnan(v[3]));
    config_close(&f);
}

static void test_pairs(void **state)
{
    static const char *const good[] = {"optimizer.type=sgd", "optimizer.lr=1e-2", "batch_size=48",
                                       "loss.gamma=1"};
    static const char *const wrong[][3] = {
        {"optimizer.lr", NULL, "'optimizer.lr': PARAMETER=VALUE is needed"},
        {"=3", NULL, "'=3': PARAMETER=VALUE is needed"},
        {"optimizer.lr=", NULL, "'optimizer.lr=': a single value is needed behind '='"},
        {"optimizer.lr=[1]", NULL, "'optimizer.lr=[1]': a single value is needed behind '='"},
        {"optimizer.lr=}", NULL, "'optimizer.lr=}': a single value is needed behind '='"},
        {"lr=1", NULL,
         "unknown parameter 'lr'; searched: optimizer.type, optimizer.lr, optimizer.momentum, "
         "batch_size, epochs, precision, loss.gamma"},
        {"optimizer.lr=0.1", "optimizer.lr=0.2", "optimizer.lr is given a second time"},
        {"batch_size=50", NULL,
         "batch_size: '50' is not allowed here: a whole number from 16 to 64 in steps of 16"},
        {"optimizer.type=adam", NULL,
         "optimizer.type: 'adam' is not allowed here, did you mean 'adamw'? one of sgd, adamw"},
    };
    struct config_fixture f = {0};
    struct arena a = {0};
    struct hpo_err err = {0};
    double v[N];

    assert_int_equal(config_open(&f, text_of(&a, "~")), 0);
    assert_int_equal(study_config_values(&f.c, good, (int)HPO_LEN(good), v, &err), 0);
    assert_true(v[0] == 0 && v[1] == 0.01 && isnan(v[2]) && v[3] == 48 && v[6] == 2);
    for (size_t i = 0; i < HPO_LEN(wrong); i++) {
        assert_int_equal(study_config_values(&f.c, wrong[i], wrong[i][1] ? 2 : 1, v, &err),
                         HPO_ECONFIG);
        assert_string_equal(err.msg, wrong[i][2]);
    }
    arena_release(&a);
    config_close(&f);
}

static void test_json(void **state)
{
    static const char *const wrong[][2] = {
        {"", "'' is not JSON such as {\"PARAMETER\": VALUE}"},
        {"[1]", "'[1]' is not JSON such as {\"PARAMETER\": VALUE}"},
        {"{\"optimizer.lr\": {}}", "optimizer.lr: a single value is needed"},
        {"{\"optimizer.lr\": 7}",
         "optimizer.lr: '7' is not allowed here: a number from 0.001 to 1"},
        {"{\"optimizer.lr\": null}",
         "optimizer.lr: 'null' is not allowed here: a number from 0.001 to 1"},
        {"{\"batch_size\": 16.5}", "batch_size: '16.5' is not allowed here: a whole number from 16 "
                                   "to 64 in steps of 16"},
    };
    struct config_fixture f = {0};
    struct arena a = {0};
    struct str text = {0};
    struct hpo_err err = {0};
    struct hpo_rng r = hpo_rng_for(2, -1, -1, "test", 0);
    double v[N], w[N];

    assert_int_equal(config_open(&f, text_of(&a, "~")), 0);
    assert_int_equal(study_config_values_read(&f.c,
                                              "{\"batch_size\": 16.0, \"loss.gamma\": 1, "
                                              "\"precision\": \"fp32\"}",
                                              v, &err),
                     0);
    assert_true(v[3] == 16 && v[6] == 2 && v[5] == 1 && isnan(v[0]));
    study_config_values_write(&f.c, v, &text);
    assert_string_equal(text.s, "{\"batch_size\":16,\"precision\":\"fp32\",\"loss.gamma\":1}");
    for (size_t i = 0; i < HPO_LEN(wrong); i++) {
        assert_int_equal(study_config_values_read(&f.c, wrong[i][0], v, &err), HPO_ECONFIG);
        assert_string_equal(err.msg, wrong[i][1]);
    }
    for (int k = 0; k < 300; k++) {
        for (int i = 0; i < N; i++)
            v[i] = hpo_param_decode(&f.c.space.params[i], hpo_rng_uniform(&r));
        hpo_space_mask(&f.c.space, v);
        str_clear(&text);
        study_config_values_write(&f.c, v, &text);
        assert_int_equal(study_config_values_read(&f.c, text.s, w, &err), 0);
        assert_true(hpo_values_equal(&f.c.space, v, w));
    }
    str_release(&text);
    arena_release(&a);
    config_close(&f);
}

/* Resolved and read again, the rows are the same; with other rows the study is the same one. */
static void test_round_trip(void **state)
{
    struct config_fixture f = {0}, g = {0};
    struct arena a = {0};
    struct str one = {0}, two = {0};
    const char *rows =
        "[{optimizer.lr: 0.3, loss.gamma: 0}, {optimizer.momentum: 0.7}, {epochs: 2, "
        "batch_size: 16, optimizer.lr: 1e-3}]";

    assert_int_equal(config_open(&f, text_of(&a, rows)), 0);
    study_config_write(&f.c, &one);
    if (config_open(&g, one.s))
        fail_msg("%s\n%s", one.s, str_c(&g.said));
    assert_int_equal(g.c.n_enqueue, 3);
    for (int i = 0; i < 3; i++)
        assert_true(hpo_values_equal(&f.c.space, f.c.enqueue + i * N, g.c.enqueue + i * N));
    study_config_write(&g.c, &two);
    assert_string_equal(one.s, two.s);
    str_clear(&one);
    str_clear(&two);
    study_config_identity(&f.c, &one);
    assert_int_equal(config_open(&g, text_of(&a, "~")), 0);
    study_config_identity(&g.c, &two);
    assert_string_equal(one.s, two.s);
    /* a study of one configuration has no space, and no rows */
    str_clear(&one);
    double v[N] = {1, 0.5, NAN, 64, NAN, 0, 0};
    study_config_single(&f.c, v, &one);
    assert_null(strstr(one.s, "enqueue"));
    assert_int_equal(config_open(&g, one.s), 0);
    str_release(&one);
    str_release(&two);
    arena_release(&a);
    config_close(&f);
    config_close(&g);
}

static void test_bounds(void **state)
{
    struct config_fixture f = {0};
    struct arena a = {0};
    struct str rows = {0};

    str_addc(&rows, '[');
    for (int i = 0; i < 10001; i++)
        str_add(&rows, "{optimizer.lr: 1}, ");
    str_addc(&rows, ']');
    assert_int_equal(config_open(&f, text_of(&a, rows.s)), HPO_ECONFIG);
    assert_string_equal(str_c(&f.said),
                        "s.yaml:1:18: study.enqueue: 10001 rows stand here: 10000 are allowed\n");
    str_release(&rows);
    arena_release(&a);
    config_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_chain),  cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_json),   cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
