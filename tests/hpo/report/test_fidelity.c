/* What the rungs of a study say of each other. */
#include <stdlib.h>

#include "fixture.h"
#include "hpo/report/fidelity.h"

extern const struct report_ops report_text, report_json, report_csv;

static void test_coefficients(void **state)
{
    static const double x[] = {1, 2, 3, 4, 5}, up[] = {10, 20, 30, 40, 50},
                        ties[] = {1, 1, 2, 2, 3}, swap[] = {2, 1, 3, 4, 5},
                        flat[] = {7, 7, 7, 7, 7};
    struct rank_interval in;

    assert_true(rank_spearman(x, up, 5) == 1);
    assert_true(rank_kendall(x, up, 5) == 1);
    assert_true(fabs(rank_spearman(x, swap, 5) - 0.9) < 1e-15);
    assert_true(fabs(rank_kendall(x, swap, 5) - 0.8) < 1e-15);
    assert_true(fabs(rank_spearman(x, ties, 5) - 0.9486832980505138) < 1e-15);
    assert_true(fabs(rank_kendall(x, ties, 5) - 0.894427190999916) < 1e-15);
    assert_true(isnan(rank_spearman(x, flat, 5)) && isnan(rank_kendall(flat, x, 5)));
    assert_true(isnan(rank_spearman(x, up, 1)) && isnan(rank_kendall(x, up, 0)));
    assert_true(isnan(rank_spearman_interval(0.5, 3).low));
    assert_true(isnan(rank_kendall_interval(0.5, 4).low));
    /* Four pairs in the same order are no proof. */
    in = rank_spearman_interval(1, 4);
    assert_true(in.low < 0 && in.high == 1);
    in = rank_spearman_interval(-1, 40);
    assert_true(in.low == -1 && in.high < -0.9);
}

#define CHEAP 12

/* Twelve trials on rung 0, the best n of them and the worst `drawn` on rung 1. */
static void make(struct rf *f, struct hpo_trial *t, const struct hpo_trial **list, int n, int drawn,
                 double sign)
{
    static const char *const says[] = {"epochs 2", "the study as it is written"};

    rf_init(f, true, 0);
    for (int i = 0; i < CHEAP + n + drawn; i++) {
        int from = i < CHEAP ? 0 : i < CHEAP + n ? i - CHEAP : CHEAP - 1 - (i - CHEAP - n);

        t[i] = (struct hpo_trial){.number = i,
                                  .state = HPO_TRIAL_COMPLETE,
                                  .value = i,
                                  .values = rf_values[0],
                                  .cheap = i < CHEAP};
        if (i >= CHEAP) {
            t[i].rung = 1;
            t[i].promoted_from = from;
            t[i].value = sign * from * from - 1000;
            t[i].explored = i >= CHEAP + n;
        }
        list[i] = &t[i];
    }
    f->history.trials = list;
    f->history.n = CHEAP + n + drawn;
    f->r.n_rungs = 2;
    f->r.rungs = says;
}

static void test_pairs(void **state)
{
    const struct hpo_trial *list[32];
    struct hpo_trial t[32];
    struct fidelity d;
    struct rf f;

    make(&f, t, list, 3, 0, 1);
    d = fidelity_of(&f.history, 0);
    assert_int_equal(d.best.n, 3);
    assert_true(isnan(d.best.rho));
    assert_non_null(strstr(fidelity_verdict(&d), "too few"));
    make(&f, t, list, 10, 0, 1);
    d = fidelity_of(&f.history, 0);
    assert_true(d.all.n == 10 && d.all.rho == 1 && d.all.tau == 1);
    assert_non_null(strstr(fidelity_verdict(&d), "it can be trusted: "));
    make(&f, t, list, 10, 0, -1);
    d = fidelity_of(&f.history, 0);
    assert_non_null(strstr(fidelity_verdict(&d), "turns its order around"));
    make(&f, t, list, 5, 2, 1);
    t[13].state = HPO_TRIAL_PRUNED;
    d = fidelity_of(&f.history, 0);
    assert_true(d.best.n == 4 && d.all.n == 6 && d.drawn == 2);
    for (int i = CHEAP; i < CHEAP + 7; i++)
        t[i].value = 5;
    d = fidelity_of(&f.history, 0);
    assert_true(isnan(d.all.rho));
    assert_non_null(strstr(fidelity_verdict(&d), "nothing can be said"));
}

/* The best trial is one of the highest rung, whatever its value. */
static void test_views(void **state)
{
    const struct hpo_trial *list[32];
    struct hpo_trial t[32];
    const char *text;
    struct rf f;

    make(&f, t, list, 5, 2, 1);
    for (int i = CHEAP; i < CHEAP + 7; i++)
        t[i].value += 2000; /* worse than all of rung 0 */
    assert_int_equal(hpo_history_best(&f.history)->number, CHEAP);
    text = rf_print(&f, &report_text);
    assert_non_null(strstr(text, "rung"));
    assert_non_null(strstr(text, "trial 11 drawn"));
    assert_non_null(strstr(text, "rung 0 against rung 1:\n"));
    assert_non_null(strstr(text, "    5 promoted for their values, Spearman's rho 1.00 ["));
    assert_non_null(strstr(text, "    7 with those that were drawn, Spearman's rho 1.00 ["));
    assert_null(strstr(text, "Only the best of a rung are compared"));
    text = rf_print(&f, &report_json);
    assert_non_null(strstr(text, "\"promoted_from\""));
    assert_non_null(strstr(text, "\"spearman_95\""));
    text = rf_print(&f, &report_csv);
    assert_non_null(strstr(text, ",rung,promoted_from,explored"));
    f.r.top = 3;
    text = rf_print(&f, &report_csv);
    assert_non_null(strstr(text, "\r\n12,COMPLETE,"));
    assert_null(strstr(text, "\r\n0,COMPLETE,"));
    rf_release(&f);
    make(&f, t, list, 5, 0, 1);
    text = rf_print(&f, &report_text);
    assert_non_null(strstr(text, "Only the best of a rung are compared"));
    rf_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coefficients),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_views),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
