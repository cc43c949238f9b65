/* Folds that stop early: how many epochs they train and report, and what they are worth. */
#include "tests/trainer/tiny_job.h"
#include "trainer/metric.h"

#define EPOCHS 6

static void run(enum tr_order order, int parallel, int patience, double min_delta, bool last,
                struct tiny *t, struct tr_result *ret)
{
    const struct kn_backend_ops *cpu =
        hpo_registry_find((const void *const *)kn_backend_registry, "cpu");
    struct tr_session *s;
    struct hpo_err err = {0};
    struct tr_job job;
    bool pruned;

    tiny_init(t, 90, 3, 8, 3);
    tiny_config(t, "convnet width=4 stages=1", "sgd lr=0.05 momentum=0.9", 8, EPOCHS);
    t->config.early_stopping = (struct tr_early_stopping){patience, min_delta};
    job = tiny_job(t, order);
    job.parallel = parallel;
    job.last_epoch = last;
    assert_int_equal(tr_session_open(cpu, 0, 1, &s, NULL), 0);
    if (tr_train(s, &job, ret, &pruned, &err))
        fail_msg("%s", err.msg);
    tr_session_close(s);
}

/* Nothing counts as better: one epoch, and `patience` more. */
static void stops(void **state)
{
    (void)state;
    for (int patience = 1; patience <= 7; patience += 2)
        for (int parallel = 1; parallel <= 3; parallel++)
            for (int last = 0; last < 2; last++) {
                int epochs = patience + 1 < EPOCHS ? patience + 1 : EPOCHS;
                struct tr_result r;
                struct tiny t;

                run(TR_FOLD_FIRST, parallel, patience, 1e6, last, &t, &r);
                assert_int_equal(t.n_epochs, 3 * epochs);
                for (int i = 0; i < t.n_epochs; i++) {
                    assert_int_equal(t.epoch[i].fold, i / epochs);
                    assert_int_equal(t.epoch[i].epoch, i % epochs);
                    assert_false(t.epoch[i].over);
                }
                for (int f = 0; f < 3 && last; f++) {
                    assert_int_equal(r.fold[f].epoch, epochs - 1);
                    assert_float_equal(r.fold[f].value, t.epoch[f * epochs + epochs - 1].values[0],
                                       0);
                }
                tiny_release(&t);
            }
}

/* By the rule, from the curves of a training that does not stop; side by side some stop before
 * others, and stand where they stood. */
static void stops_one_by_one(void **state)
{
    struct tr_result r;
    struct tiny all, some;
    int epochs[3], most = 0, over = 0;

    (void)state;
    run(TR_EPOCH_FIRST, 3, 0, 0, false, &all, &r);
    assert_int_equal(all.n_epochs, 3 * EPOCHS);
    for (int f = 0; f < 3; f++) {
        double best = -1;
        int waited = 0;

        for (epochs[f] = 0; epochs[f] < EPOCHS && waited < 1; epochs[f]++) {
            double v = all.epoch[epochs[f] * 3 + f].values[0];

            waited = v > best ? 0 : waited + 1;
            best = v > best ? v : best;
        }
        most = epochs[f] > most ? epochs[f] : most;
    }
    run(TR_EPOCH_FIRST, 2, 1, 0, false, &some, &r);
    assert_int_equal(some.n_epochs, 3 * most);
    for (int i = 0; i < some.n_epochs; i++) {
        int f = some.epoch[i].fold, e = some.epoch[i].epoch;
        int from = e < epochs[f] ? e : epochs[f] - 1;

        assert_int_equal(some.epoch[i].over, e >= epochs[f]);
        over += some.epoch[i].over;
        assert_memory_equal(some.epoch[i].values, all.epoch[from * 3 + f].values,
                            sizeof(double) * (size_t)some.epoch[i].n_values);
    }
    printf("folds of %d, %d, %d epochs, %d reports of folds that were over\n", epochs[0], epochs[1],
           epochs[2], over);
    tiny_release(&all);
    tiny_release(&some);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stops), cmocka_unit_test(stops_one_by_one)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
