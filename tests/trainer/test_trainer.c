/* What tr_train does, over a backend that watches: order, reports, batches, failures. Stopping and
 * going on is in test_resume.c, real arithmetic in test_training.c. */
#include "tests/trainer/fake_fixture.h"
#include "trainer/init.h"
#include "trainer/metric.h"

/* Epochs come in order, each once, with the folds that belong to the order. */
static void reports(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result r = {0};
    double mean = 0;

    assert_int_equal(train(f, &job, &r), 0);
    assert_int_equal(f->t.n_epochs, 3 * EPOCHS);
    assert_int_equal(f->t.n_reports, 3 * EPOCHS);
    for (int i = 0; i < f->t.n_epochs; i++) {
        assert_int_equal(f->t.epoch[i].fold, i / EPOCHS);
        assert_int_equal(f->t.epoch[i].epoch, i % EPOCHS);
        assert_true(f->t.epoch[i].values[0] >= 0 && f->t.epoch[i].values[0] <= 1);
        assert_true(f->t.epoch[i].seconds > 0);
        assert_true(f->t.epoch[i].images_per_s > 0);
        assert_false(f->t.again[i]);
    }
    /* 6 + 6 + 7 steps of 4 rows, of the 26, 26 and 28 that train */
    assert_int_equal(fake.trains, EPOCHS * (6 + 6 + 7));
    for (int i = 0; i < 3; i++)
        mean += r.fold[i].value / 3;
    assert_near(r.value, mean, 1e-15);
    assert_true(r.seconds > 0);

    tiny_clear_dir(&f->t);
    tiny_forget(&f->t);
    job.order = TR_EPOCH_FIRST;
    assert_int_equal(train(f, &job, &r), 0);
    assert_int_equal(f->t.n_reports, EPOCHS);
    for (int i = 0; i < f->t.n_epochs; i++) {
        assert_int_equal(f->t.epoch[i].fold, i % 3);
        assert_int_equal(f->t.epoch[i].epoch, i / 3);
    }
}

/* The same folds side by side are the same folds. */
static void orders_agree(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result a, b;
    struct tr_epoch first[3 * EPOCHS];

    assert_int_equal(train(f, &job, &a), 0);
    memcpy(first, f->t.epoch, sizeof(first));
    tiny_clear_dir(&f->t);
    tiny_forget(&f->t);
    job.order = TR_EPOCH_FIRST;
    assert_int_equal(train(f, &job, &b), 0);
    assert_same_result(&a, &b);
    for (int i = 0; i < 3 * EPOCHS; i++)
        assert_same_epoch(&f->t.epoch[i], &first[i % 3 * EPOCHS + i / 3]);
}

/* Each epoch's batches are a fresh permutation of the fold's training rows with the rest left out;
 * steps count on through the epochs; the rate is the schedule's at the fraction of the epoch. */
static void check_steps(struct fixture *f, int fold, int n_steps)
{
    const struct schedule_ops *schedule = f->t.config.schedule.ops;
    int at = 0;

    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        struct hpo_rng rng = hpo_rng_for(42, -1, fold, "order", (uint64_t)epoch);
        int32_t rows[N];
        int n = (int)tr_folds_train(&f->t.folds, fold, rows);

        hpo_rng_shuffle(&rng, rows, n);
        for (int step = 0; step < n_steps; step++) {
            const struct fake_call *c;
            double t = epoch + (double)step / n_steps, factor;

            while (at < fake.n_train && fake.train[at].fold != fold)
                at++;
            assert_true(at < fake.n_train);
            c = &fake.train[at++];
            factor = schedule->factor(f->t.config.schedule.priv,
                                      &(struct schedule_at){.t = t, .epochs = EPOCHS});
            assert_int_equal(c->n, 4);
            assert_int_equal(c->epoch, epoch);
            assert_int_equal(c->step, epoch * n_steps + step);
            assert_near((double)c->lr, 0.05 * factor, 1e-8);
            assert_memory_equal(c->row, rows + 4 * step, 4 * sizeof(int32_t));
        }
    }
    while (at < fake.n_train)
        assert_int_not_equal(fake.train[at++].fold, fold);
}

static void steps(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result r;

    for (int order = 0; order < 2; order++) {
        job.order = (enum tr_order)order;
        assert_int_equal(train(f, &job, &r), 0);
        check_steps(f, 0, 6);
        check_steps(f, 1, 6);
        check_steps(f, 2, 7);
        fake.n_train = 0;
    }
}

/* Every validation row once an epoch, in pieces no larger than an evaluation batch. */
static void evaluates(void **state)
{
    struct fixture *f = *state;
    struct tr_job job;
    struct tr_result r;
    int32_t *seen;

    tiny_release(&f->t);
    tiny_init(&f->t, 310, 2, 4, 2);
    tiny_config(&f->t, "mlp layers=1 width=4", "sgd", 32, 2);
    for (int order = 0; order < 2; order++) {
        tiny_clear_dir(&f->t);
        job = tiny_job(&f->t, (enum tr_order)order);
        fake.n_eval = 0;
        assert_int_equal(train(f, &job, &r), 0);
        assert_true(fake.n_eval >= 2 * 2 * 3);
        seen = calloc(310, sizeof(*seen));
        for (int i = 0; i < fake.n_eval; i++)
            for (int j = 0; j < fake.eval[i].n; j++) {
                assert_int_equal(f->t.folds.fold[fake.eval[i].row[j]], fake.eval[i].fold);
                seen[fake.eval[i].row[j]]++;
            }
        for (int i = 0; i < 310; i++)
            assert_int_equal(seen[i], 2);
        free(seen);
    }
}

/* Each model begins with its fold's weights and sees its fold's normalisation, in both orders. At a
 * rate of 0 the weights stay what they were. */
static void beginnings(void **state)
{
    struct fixture *f = *state;

    TINY_PART(&f->t, optimizer, "sgd lr=0");
    for (int order = 0; order < 2; order++) {
        struct tr_job job = tiny_job(&f->t, (enum tr_order)order);
        struct tr_result r;
        const struct kn_net *net;

        tiny_clear_dir(&f->t);
        assert_int_equal(train(f, &job, &r), 0);
        net = fake.plan->base.net;
        for (int i = 0; i < fake.plan->base.models; i++) {
            const struct fake_model *m = &fake.plan->model[i];
            struct kn_state want = {0};
            float mean[3], std[3];
            int32_t rows[N];
            int n = (int)tr_folds_train(&f->t.folds, m->hyper.fold, rows);

            assert_int_equal(m->hyper.fold, order == TR_EPOCH_FIRST ? i : 2);
            want.weights = calloc(net->n_weights, sizeof(float));
            want.buffers = calloc(net->n_buffers, sizeof(float));
            tr_init_state(net, 42, m->hyper.fold, 0, &want);
            assert_memory_equal(want.weights, m->state.weights, net->n_weights * sizeof(float));
            tr_dataset_stats(&f->t.data, rows, n, mean, std);
            assert_memory_equal(mean, m->hyper.mean, sizeof(mean));
            assert_memory_equal(std, m->hyper.std, sizeof(std));
            assert_int_equal(m->hyper.augment.flip, 1);
            assert_int_equal(m->hyper.augment.crop_padding, 1);
            assert_near((double)m->hyper.rates[0], 0.3, 1e-7);
            assert_near((double)m->hyper.loss.smoothing, 0.05, 1e-8);
            assert_int_equal(m->hyper.seed, 42);
            free(want.weights);
            free(want.buffers);
        }
    }
}

/* The best epoch of a fold, by the metric's direction; or the last. */
static void best_or_last(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result r;

    for (int metric = 0; metric_registry[metric]; metric++)
        for (int last = 0; last < 2; last++) {
            bool judges = tr_metric_judges(metric_registry[metric], f->t.data.images.classes);

            tiny_clear_dir(&f->t);
            tiny_forget(&f->t);
            job.objective = metric;
            job.last_epoch = last;
            assert_int_equal(train(f, &job, &r), judges ? 0 : HPO_ECONFIG);
            if (!judges)
                continue;
            for (int fold = 0; fold < 3; fold++) {
                const struct tr_epoch *e = &f->t.epoch[fold * EPOCHS];
                int want = 0;

                for (int i = 1; i < EPOCHS; i++) {
                    double gain = e[i].values[metric] - e[want].values[metric];

                    if (last || (metric_registry[metric]->maximize ? gain : -gain) > 0)
                        want = i;
                }
                assert_int_equal(r.fold[fold].epoch, want);
                assert_near(r.fold[fold].value, e[want].values[metric], 0);
            }
        }
}

static void not_a_number(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct hpo_err err = {0};
    struct tr_result r;
    bool pruned = true;

    fake.nan_at = 6 + 2;
    assert_int_equal(tr_train(f->s, &job, &r, &pruned, &err), HPO_ENUMERIC);
    assert_false(pruned);
    assert_non_null(strstr(err.msg, "fold 0, epoch 2 of 3, step 3 of 6"));
    assert_non_null(strstr(err.msg, "learning rate"));

    tiny_clear_dir(&f->t);
    fake.nan_at = -1;
    fake.nan_eval = fake.evals + 1;
    assert_int_equal(tr_train(f->s, &job, &r, &pruned, &err), HPO_ENUMERIC);
    assert_non_null(strstr(err.msg, "outputs"));
}

/* Fewer training rows than a batch: one batch of all of them; in both orders the same. */
static void small_folds(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result a, b;

    f->t.config.batch_size = 128;
    assert_int_equal(train(f, &job, &a), 0);
    assert_int_equal(fake.trains, 3 * EPOCHS);
    tiny_clear_dir(&f->t);
    job.order = TR_EPOCH_FIRST;
    assert_int_equal(train(f, &job, &b), 0);
    assert_same_result(&a, &b);
}

static void refused(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct tr_result r;

    job.run = 4;
    assert_int_equal(train(f, &job, &r), HPO_ECONFIG);
    job.run = 0;
    assert_int_equal(train(f, &job, &r), HPO_ECONFIG);
    job = tiny_job(&f->t, TR_FOLD_FIRST);
    job.objective = 99;
    assert_int_equal(train(f, &job, &r), HPO_ECONFIG);
    job = tiny_job(&f->t, TR_FOLD_FIRST);
    f->t.config.batch_size = 1;
    TINY_PART(&f->t, model, "convnet width=2 stages=4"); /* 1 x 1 pixels: no variance */
    assert_int_equal(train(f, &job, &r), HPO_ECONFIG);
    TINY_PART(&f->t, model, "resnet depth=9");
    assert_int_equal(train(f, &job, &r), HPO_ECONFIG);
    assert_int_equal(f->t.n_epochs, 0);
}

/* The folder is gone: said, not gone on without. */
static void no_folder(void **state)
{
    struct fixture *f = *state;
    struct tr_job job = tiny_job(&f->t, TR_FOLD_FIRST);
    struct hpo_err err = {0};
    struct tr_result r;
    bool pruned;
    int rc;

    job.dir = "/nonexistent/hpo";
    rc = tr_train(f->s, &job, &r, &pruned, &err);
    assert_true(rc == HPO_EMISSING || rc == HPO_EIO);
    assert_non_null(strstr(err.msg, "/nonexistent/hpo"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(reports),
        WITH(orders_agree),
        WITH(steps),
        WITH(evaluates),
        WITH(beginnings),
        WITH(best_or_last),
        WITH(not_a_number),
        WITH(small_folds),
        WITH(refused),
        WITH(no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
