/* What predictions say, in the three formats. */
#include "tests/hpo/report/fixture.h"

#include <stdio.h>

#include "base/json.h"
#include "hpo/report/classes.h"

extern const struct report_ops report_text, report_json, report_csv;

static const char *const names[] = {"cat", "dog", "a, \"b\""};
/* Nothing is predicted to be of the third class. */
static const int64_t matrix[] = {6, 2, 0, 1, 3, 0, 1, 1, 0};
static const struct report_classes classes = {
    .classes = 3, .names = names, .confusion = matrix, .images = 20, .covered = 14, .folds = 2};

static const char *const paths[] = {"a/0.jpg", "a/1.jpg", "b/\"2\", 2.jpg"};
static const struct report_label flagged[] = {
    {.image = 2, .given = 0, .suggested = 1, .p_given = 0.0625f, .p_suggested = 0.875f,
     .score = 0.125f, .trials = 4, .doubt = 4},
    {.image = 0, .given = 1, .suggested = 2, .p_given = 0.25f, .p_suggested = 0.5f,
     .score = 0.3125f, .trials = 4, .doubt = 3},
};
static const struct report_labels labels = {.classes = 3, .names = names, .paths = paths,
    .images = 20, .covered = 10, .trials = 4, .better = 2, .without = 1, .n = 2,
    .flagged = flagged};

/* scikit-learn's numbers for this matrix. */
static void scores(void **state)
{
    struct class_scores s = classes_score(&classes, 0);

    assert_int_equal(s.support, 8);
    assert_true(fabs(s.precision - 0.75) < 1e-12);
    assert_true(fabs(s.recall - 0.75) < 1e-12);
    assert_true(fabs(s.f1 - 0.75) < 1e-12);
    s = classes_score(&classes, 1);
    assert_int_equal(s.support, 4);
    assert_true(fabs(s.precision - 0.5) < 1e-12);
    assert_true(fabs(s.f1 - 0.6) < 1e-12);
    s = classes_score(&classes, 2);
    assert_true(isnan(s.precision));
    assert_true(s.recall == 0 && s.f1 == 0);
    assert_true(fabs(classes_accuracy(&classes) - 9.0 / 14) < 1e-12);
}

static void confusions(void **state)
{
    const struct confusion *top;
    struct arena a = {0};
    int64_t all;
    int n;

    top = classes_confusions(&classes, 2, &a, &n, &all);
    assert_int_equal(n, 2);
    assert_int_equal(all, 4);
    assert_true(top[0].given == 0 && top[0].taken == 1 && top[0].images == 2);
    assert_true(top[1].given == 1 && top[1].taken == 0 && top[1].images == 1);
    top = classes_confusions(&classes, 9, &a, &n, &all);
    assert_int_equal(n, 4);
    assert_true(top[3].given == 2 && top[3].taken == 1);
    arena_release(&a);
}

static void text_of_a_trial(void **state)
{
    struct rf f;

    rf_init(&f, true, 31);
    rf_view(&f, REPORT_TRIAL, &rf_trials[2]);
    f.r.classes = &classes;
    assert_non_null(strstr(rf_print(&f, &report_text),
"\nout-of-fold predictions\n"
"14 of 20 images in 2 folds, accuracy 0.6429\n"
"\n"
"classes\n"
"#  class          images  precision  recall      F1\n"
"0  cat                 8     0.7500  0.7500  0.7500\n"
"1  dog                 4     0.5000  0.7500  0.6000\n"
"2  a, \"b\"              2          -  0.0000  0.0000\n"
"   macro average      14     0.6250  0.5000  0.4500\n"
"\n"
"confusion matrix (a row: images of a label; a column: predicted as)\n"
"#  label   0  1  2\n"
"0  cat     6  2  0\n"
"1  dog     1  3  0\n"
"2  a, \"b\"  1  1  0\n"
"\n"
"# this configuration alone"));
    rf_view(&f, REPORT_BEST, &rf_trials[2]); /* what ends in a study file stays short */
    assert_null(strstr(rf_print(&f, &report_text), "out-of-fold"));
    rf_release(&f);
}

/* More classes than a matrix is read of. */
static void many_classes(void **state)
{
    static int64_t big[50 * 50];
    static const char *all[50];
    struct report_classes c = {50, all, big, 60, 60, 5};
    struct rf f;

    for (int i = 0; i < 50; i++) {
        all[i] = i == 7 ? "seven" : i == 9 ? "nine" : "other";
        big[i * 50 + i] = 1;
    }
    big[7 * 50 + 9] = 9;
    big[9 * 50 + 7] = 1;
    rf_init(&f, true, 31);
    rf_view(&f, REPORT_TRIAL, &rf_trials[2]);
    f.r.classes = &c;
    rf_print(&f, &report_text);
    assert_non_null(strstr(str_c(&f.out), "10 more classes are left out (--json has all)"));
    assert_non_null(strstr(str_c(&f.out),
"most frequent confusions\n"
"label  predicted as  images  of the label\n"
"seven  nine               9        0.9000\n"
"nine   seven              1        0.5000\n"));
    c.covered = 0;
    memset(big, 0, sizeof(big));
    assert_non_null(strstr(rf_print(&f, &report_text), "0 of 60 images in 5 folds, accuracy -\n"));
    rf_release(&f);
}

static void json_of_a_trial(void **state)
{
    struct rf f;

    rf_init(&f, true, 31);
    rf_view(&f, REPORT_TRIAL, &rf_trials[2]);
    f.r.classes = &classes;
    assert_non_null(strstr(rf_print(&f, &report_json),
        "\"predictions\":{\"images\":20,\"covered\":14,\"folds\":2,\"accuracy\":0.6428571428571429,"
        "\"classes\":[{\"name\":\"cat\",\"support\":8,\"precision\":0.75,\"recall\":0.75,\"f1\":0.75},"
        "{\"name\":\"dog\",\"support\":4,\"precision\":0.5,\"recall\":0.75,\"f1\":0.6},"
        "{\"name\":\"a, \\\"b\\\"\",\"support\":2,\"precision\":null,\"recall\":0,\"f1\":0}],"
        "\"confusion\":[[6,2,0],[1,3,0],[1,1,0]]},\"yaml\""));
    rf_release(&f);
}

static void doubted_labels(void **state)
{
    struct rf f;

    rf_init(&f, true, 31);
    rf_view(&f, REPORT_LABELS, NULL);
    f.r.labels = &labels;
    assert_string_equal(rf_print(&f, &report_text),
"cifar10: 10 of 20 images have out-of-fold predictions, of 4 trials; the labels of 2 (20.0 %) are doubted\n"
"1 more complete trial has no predictions of these images.\n"
"\n"
"path          label  suggested  p(label)  p(suggested)   score   doubt\n"
"b/\"2\", 2.jpg  cat    dog          0.0625        0.8750  0.1250  4 of 4\n"
"a/0.jpg       dog    a, \"b\"       0.2500        0.5000  0.3125  3 of 4\n");
    assert_non_null(strstr(rf_print(&f, &report_json),
        "\"labels\":{\"images\":20,\"covered\":10,\"trials\":4,\"better_trials\":2,"
        "\"trials_without\":1,\"flagged\":2,\"suspects\":[{\"path\":\"b/\\\"2\\\", 2.jpg\","
        "\"label\":\"cat\",\"suggested\":\"dog\",\"score\":0.125,\"p_label\":0.0625,"
        "\"p_suggested\":0.875,\"trials\":4,\"doubt\":1},{\"path\":\"a/0.jpg\""));
    assert_string_equal(rf_print(&f, &report_csv),
        "path,label,suggested,score,p_label,p_suggested,trials,doubt\r\n"
        "\"b/\"\"2\"\", 2.jpg\",cat,dog,0.125,0.0625,0.875,4,1\r\n"
        "a/0.jpg,dog,\"a, \"\"b\"\"\",0.3125,0.25,0.5,4,0.75\r\n");
    f.r.top = 1;
    assert_non_null(strstr(rf_print(&f, &report_text), "\n1 more is doubted"));
    assert_null(strstr(rf_print(&f, &report_json), "a/0.jpg"));
    assert_null(strstr(rf_print(&f, &report_csv), "a/0.jpg"));
    rf_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores),          cmocka_unit_test(confusions),
        cmocka_unit_test(text_of_a_trial), cmocka_unit_test(many_classes),
        cmocka_unit_test(json_of_a_trial), cmocka_unit_test(doubted_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
