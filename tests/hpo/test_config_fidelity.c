/* `fidelity` in a study file: what is read, what is refused, that it is written back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "config_fixture.h"

static const char head[] = "data: {path: x, folds: {k: 4}}\n"
                           "trainer: {epochs: 8}\n"
                           "space: {optimizer.lr: {type: float, low: 0.1, high: 1}}\n";

static int open_with(struct config_fixture *f, const char *fidelity)
{
    struct str s = {0};
    int rc;

    str_addf(&s, "%sfidelity: %s\n", head, fidelity);
    rc = config_open(f, str_c(&s));
    str_release(&s);
    return rc;
}

static void check_read(const struct study_config *c)
{
    struct arena a = {0};
    struct trial_config t;
    double lr = 0.5;

    assert_int_equal(c->n_rungs, 3);
    assert_int_equal(c->rungs[0].config->data.limit, 200);
    assert_int_equal(c->rungs[0].config->data.image_size, 16);
    assert_int_equal(c->rungs[0].config->folds.run, 1);
    assert_int_equal(c->rungs[0].config->trainer.epochs, 2);
    assert_int_equal(c->rungs[0].config->max_epochs, 2);
    assert_true(c->rungs[0].promote == 0.5);
    assert_int_equal(c->rungs[0].explore, 3);
    assert_int_equal(c->rungs[1].config->data.limit, 0);
    assert_int_equal(c->rungs[1].config->trainer.epochs, 4);
    assert_true(c->rungs[1].promote == 0.25);
    assert_int_equal(c->rungs[2].config->trainer.epochs, 8);
    assert_int_equal(study_config_trial(c->rungs[0].config, &lr, &a, &t, NULL), 0);
    assert_int_equal(t.trainer.epochs, 2);
    assert_int_equal(t.image_size, 16);
    assert_int_equal(study_config_trial(c->rungs[1].config, &lr, &a, &t, NULL), 0);
    assert_int_equal(t.trainer.epochs, 4);
    assert_int_equal(t.image_size, 32);
    assert_ptr_equal(study_config_rung(c, 3), c);
    assert_ptr_equal(study_config_rung(c, -1), c);
    arena_release(&a);
}

static void test_read(void **state)
{
    struct config_fixture f = {0}, again = {0};
    struct str text = {0}, one = {0}, is = {0}, was = {0};
    double lr = 0.5;

    assert_int_equal(open_with(&f,
                               "[{limit: 200, image_size: 16, data.folds.run: 1, "
                               "trainer.epochs: 2, promote: 0.5, explore: 3}, {epochs: 4}, {}]"),
                     0);
    check_read(&f.c);
    study_config_write(&f.c, &text);
    assert_int_equal(config_open(&again, str_c(&text)), 0);
    check_read(&again.c);
    study_config_identity(&f.c, &was);
    study_config_identity(&again.c, &is);
    assert_string_equal(str_c(&was), str_c(&is));
    assert_non_null(strstr(str_c(&is), "fidelity.0.limit: 200\n"));
    assert_non_null(strstr(str_c(&is), "fidelity.2: the study as it is written\n"));
    /* One trial of a rung, as a study of its own. */
    study_config_single(f.c.rungs[0].config, &lr, &one);
    assert_int_equal(config_open(&again, str_c(&one)), 0);
    assert_int_equal(again.c.n_rungs, 0);
    assert_int_equal(again.c.data.limit, 200);
    assert_int_equal(again.c.trainer.epochs, 2);
    str_release(&text);
    str_release(&one);
    str_release(&is);
    str_release(&was);
    config_close(&f);
    config_close(&again);
}

static void test_none(void **state)
{
    struct config_fixture f = {0};
    struct str s = {0};

    assert_int_equal(open_with(&f, "null"), 0);
    assert_int_equal(f.c.n_rungs, 0);
    assert_ptr_equal(study_config_rung(&f.c, 0), &f.c);
    study_config_write(&f.c, &s);
    assert_null(strstr(str_c(&s), "fidelity"));
    str_release(&s);
    config_close(&f);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"{epochs: 1}", "a list of 2 to 16 rungs is needed"},
        {"[{epochs: 1}]", "a list of 2 to 16 rungs is needed"},
        {"[{epoch: 1}, {}]", "unknown key 'epoch' in fidelity, did you mean 'epochs'?"},
        {"[{epochs: 0}, {}]", "trainer.epochs: '0' is not allowed here"},
        {"[{epochs: [1]}, {}]", "trainer.epochs: a list stands here"},
        {"[{epochs: 1, trainer.epochs: 2}, {}]", "epochs is said twice"},
        {"[5, {}]", "a mapping such as {epochs: 3} is needed"},
        {"[{epochs: 1, promote: 0}, {}]", "promote: a share above 0"},
        {"[{epochs: 1, promote: 1.5}, {}]", "promote: a share above 0"},
        {"[{epochs: 1, promote: nan}, {}]", "promote: a share above 0"},
        {"[{epochs: 1, promote: '2'}, {}]", "promote: a share above 0"},
        {"[{epochs: 1, explore: -1}, {}]", "explore: a whole number"},
        {"[{epochs: 1}, {promote: 3}]", "promote: nothing comes after the last rung"},
        {"[{folds.run: 5}, {}]", "folds.run: 5 is more than the 4 folds there are"},
        {"[{epochs: 8}, {}]", "rung 1 is the same as rung 0"},
        {"[{folds.run: 4}, {}]", "rung 1 is the same as rung 0"},
        {"[{model.width: 4}, {}]", "unknown key 'model.width' in fidelity"},
    };
    struct config_fixture f = {0};

    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        assert_int_equal(open_with(&f, cases[i].text), HPO_ECONFIG);
        if (!strstr(str_c(&f.said), cases[i].said))
            fail_msg("%s: %s", cases[i].text, str_c(&f.said));
        config_close(&f);
    }
    assert_int_equal(config_open(&f,
                                 "data: {path: x}\nspace: {epochs: {type: int, low: 2, high: 7}}\n"
                                 "fidelity: [{epochs: 1}, {}]\n"),
                     HPO_ECONFIG);
    assert_non_null(strstr(str_c(&f.said), "epochs is searched in `space`"));
    assert_int_equal(config_open(&f, "objective: {type: function, name: sphere}\n"
                                     "space: {x: {type: float, low: 0, high: 1}}\n"
                                     "fidelity: [{epochs: 1}, {}]\n"),
                     HPO_ECONFIG);
    assert_non_null(strstr(str_c(&f.said), "not with objective.type function"));
    config_close(&f);
}

static void test_quota(void **state)
{
    const struct study_rung share = {.promote = 0.29}, number = {.promote = 10};

    assert_int_equal(study_rung_quota(&share, 100), 29);
    assert_int_equal(study_rung_quota(&share, 2), 1);
    assert_int_equal(study_rung_quota(&share, 0), 0);
    assert_int_equal(study_rung_quota(&number, 40), 10);
    assert_int_equal(study_rung_quota(&number, 4), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_quota),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
