/* Methods in combination, drawn at random, over the CPU backend: whatever is switched on, a
 * training that is stopped at any moment goes on with the same bits, in both orders and side by
 * side; and every optimizer and average learns. */
#include "base/rng.h"
#include "tests/trainer/tiny_job.h"
#include "trainer/metric.h"

#define EPOCHS 3
#define FOLDS 2
#define DRAWS 14

struct fixture {
    struct tiny t;
    struct tr_session *s;
};

static void start(struct fixture *f, int n, int classes, int side, int k)
{
    const struct kn_backend_ops *cpu =
        hpo_registry_find((const void *const *)kn_backend_registry, "cpu");

    assert_non_null(cpu);
    tiny_init(&f->t, n, classes, side, k);
    assert_int_equal(tr_session_open(cpu, 0, 1, &f->s, NULL), 0);
}

static void stop(struct fixture *f)
{
    tr_session_close(f->s);
    tiny_release(&f->t);
}

/* May be stopped when `stopped`; returns whether it ended. */
static bool train(struct fixture *f, const struct tr_job *job, bool stopped, struct tr_result *ret)
{
    struct hpo_err err = {0};
    bool pruned = false;
    int rc = tr_train(f->s, job, ret, &pruned, &err);

    if (rc && !(stopped && rc == HPO_ESTOPPED))
        fail_msg("%d: %s", rc, err.msg);
    return !rc;
}

#define PICK(rng, list) ((list)[hpo_rng_below((rng), HPO_LEN(list))])

static const char *const optimizers[] = {
    "sgd lr=0.02 momentum=0.9", "adam lr=0.005", "adamw lr=0.005",
    "rmsprop lr=0.002",         "lion lr=0.001", "muon lr=0.02 other_lr=0.005"};

static double amount(struct hpo_rng *rng, double most)
{
    return hpo_rng_below(rng, 2) ? most * hpo_rng_uniform(rng) : 0;
}

static void draw_augment(struct hpo_rng *rng, struct tr_augment_opts *ret)
{
    *ret = (struct tr_augment_opts){
        .flip = hpo_rng_below(rng, 2),
        .flip_mode = (int)hpo_rng_below(rng, 2),
        .crop_padding = (int)hpo_rng_below(rng, 4),
        .crop_fill = (int)hpo_rng_below(rng, 2),
        .vertical_flip = hpo_rng_below(rng, 2),
        .random_resized_crop = hpo_rng_below(rng, 2),
        .scale_min = 0.3,
        .scale_max = 1,
        .ratio_min = 0.75,
        .ratio_max = 1.25,
        .rotation = amount(rng, 30),
        .brightness = amount(rng, 0.5),
        .contrast = amount(rng, 0.5),
        .saturation = amount(rng, 0.5),
        .hue = amount(rng, 0.5),
        .erasing = amount(rng, 1),
        .erasing_scale_min = 0.02,
        .erasing_scale_max = 0.33,
        .erasing_ratio_min = 0.3,
        .erasing_ratio_max = 3.3,
        .cutout = (int)hpo_rng_below(rng, 5),
        .mixup = amount(rng, 1),
        .cutmix = amount(rng, 1),
        .mix_probability = 0.8,
        .cutmix_share = 0.5,
    };
}

/* Some of everything that there is. */
static void draw(struct fixture *f, uint64_t seed)
{
    static const char *const models[] = {
        "convnet width=6 stages=2 dropout=0.3 dropout_samples=3",
        "resnet depth=8 width=4 stochastic_depth=0.3 dropout=0.2",
        "resnet18 width=4 stochastic_depth=0.2",
        "mobilenet_v3_small width_mult=0.1",
        "wide_resnet depth=10 width=1 block_dropout=0.2",
        "mlp layers=1 width=16 dropout=0.3",
    };
    static const char *const schedules[] = {
        "constant warmup_epochs=0.5",
        "multi_step milestones=1,2",
        "cosine",
        "cosine_restarts t_0=1",
        "one_cycle",
        "triangular",
        "plateau patience=0",
    };
    static const char *const losses[] = {
        "cross_entropy class_weights=balanced",
        "cross_entropy label_smoothing=0.1",
        "focal class_weights=effective",
        "focal gamma=1 class_weights=1,2,0.5",
    };
    static const char *const averages[] = {"none", "ema decay=0.9", "ema decay=0.5 warmup=false",
                                           "swa start=0.3", "lookahead k=3 power=1"};
    struct hpo_rng rng = hpo_rng_for(seed, 0, 0, "methods", 0);
    struct tr_config *c = &f->t.config;

    tiny_config(&f->t, PICK(&rng, models), PICK(&rng, optimizers), 8, EPOCHS);
    TINY_PART(&f->t, schedule, PICK(&rng, schedules));
    TINY_PART(&f->t, loss, PICK(&rng, losses));
    TINY_PART(&f->t, averaging, PICK(&rng, averages));
    c->optimizer.accumulate = 1 + (int)hpo_rng_below(&rng, 3);
    c->optimizer.clip_norm = hpo_rng_below(&rng, 2) ? 0.5 : 0;
    c->optimizer.decay_bias_norm = hpo_rng_below(&rng, 2);
    draw_augment(&rng, &c->augment);
    c->optimizer.bias_scaler = hpo_rng_below(&rng, 2) ? 8 : 1;
    c->tta = hpo_rng_below(&rng, 2) ? TR_TTA_FLIP : TR_TTA_NONE;
    c->model.freeze = hpo_rng_below(&rng, 2) ? TR_FREEZE_BACKBONE : TR_FREEZE_NONE;
    c->model.unfreeze_epoch = (int)hpo_rng_below(&rng, EPOCHS);
    c->model.backbone_lr = hpo_rng_below(&rng, 2) ? 0.1 : 1;
    c->seeds = 1 + (int)hpo_rng_below(&rng, 2);
    c->early_stopping.patience = (int)hpo_rng_below(&rng, 3);
    printf("%s, %s, %s, %s, %s, accumulate %d, clip %g, freeze %d until %d, "
           "patience %d, seeds %d, bias scaler %g, tta %d\n",
           hpo_plugin_of(c->model.part.ops)->name, hpo_plugin_of(c->optimizer.part.ops)->name,
           hpo_plugin_of(c->schedule.ops)->name, hpo_plugin_of(c->loss.ops)->name,
           hpo_plugin_of(c->average.ops)->name, c->optimizer.accumulate, c->optimizer.clip_norm,
           c->model.freeze, c->model.unfreeze_epoch, c->early_stopping.patience, c->seeds,
           c->optimizer.bias_scaler, c->tta);
}

/* airbench's own: whitened patches, a bias that is trained for one epoch, Lookahead. */
static void draw_airbench(struct fixture *f, uint64_t seed)
{
    struct tr_config *c = &f->t.config;

    tiny_config(&f->t, "airbench width=4 whiten_bias_epochs=1",
                seed & 2 ? optimizers[2] : "sgd lr=0.05 momentum=0.85 nesterov=true", 8, EPOCHS);
    TINY_PART(&f->t, schedule, "triangular");
    TINY_PART(&f->t, loss, "cross_entropy label_smoothing=0.2");
    TINY_PART(&f->t, averaging, "lookahead alpha=0.2262 k=5 power=3");
    c->optimizer.bias_scaler = 64;
    c->optimizer.accumulate = 1 + (int)(seed & 1);
    c->tta = TR_TTA_FLIP;
}

static void check_going_on(void (*configure)(struct fixture *, uint64_t), int side, int draws)
{
    for (uint64_t seed = 0; seed < (uint64_t)draws; seed++) {
        struct hpo_rng rng = hpo_rng_for(seed, 0, 0, "stops", 0);
        struct tr_epoch curve[2 * FOLDS * EPOCHS];
        struct tr_result want, got;
        struct fixture f;
        struct tr_job job;
        int polls, epochs;

        start(&f, 90, 3, side, FOLDS);
        configure(&f, seed);
        job = tiny_job(&f.t, seed & 1 ? TR_EPOCH_FIRST : TR_FOLD_FIRST);
        job.parallel = 1;
        train(&f, &job, false, &want);
        polls = f.t.n_polls;
        epochs = f.t.n_epochs;
        memcpy(curve, f.t.epoch, sizeof(curve));
        tiny_clear_dir(&f.t);
        /* Stopped a few times on the way, and on with another number of folds at once. */
        do {
            tiny_forget(&f.t);
            f.t.stop_at_poll = 1 + (int)hpo_rng_below(&rng, (uint64_t)polls);
            f.t.stop_with = TR_PAUSE;
            job.parallel = 1 + (int)hpo_rng_below(&rng, FOLDS);
        } while (!train(&f, &job, true, &got));
        assert_same_result(&want, &got);
        assert_int_equal(f.t.n_epochs, epochs);
        for (int i = 0; i < epochs; i++)
            assert_same_epoch(&f.t.epoch[i], &curve[i]);
        stop(&f);
    }
}

/* Two seeds are the training of one, and then the same folds from other weights; side by side or
 * not. */
static void seeds(void **state)
{
    struct tr_epoch curve[3][2 * FOLDS * EPOCHS];
    struct tr_result r[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct fixture f;
        struct tr_job job;

        start(&f, 90, 3, 16, FOLDS);
        tiny_config(&f.t, "convnet width=4 stages=1", "sgd lr=0.02 momentum=0.9", 8, EPOCHS);
        f.t.config.seeds = 1 + (i > 0);
        job = tiny_job(&f.t, TR_FOLD_FIRST);
        job.parallel = i == 2 ? 3 : 1;
        train(&f, &job, false, &r[i]);
        assert_int_equal(f.t.n_epochs, (1 + (i > 0)) * FOLDS * EPOCHS);
        assert_int_equal(r[i].n_folds, (1 + (i > 0)) * FOLDS);
        memcpy(curve[i], f.t.epoch, sizeof(curve[i]));
        stop(&f);
    }
    for (int i = 0; i < FOLDS * EPOCHS; i++) {
        assert_same_epoch(&curve[0][i], &curve[1][i]);
        assert_int_equal(curve[1][FOLDS * EPOCHS + i].fold, FOLDS + i / EPOCHS);
        assert_true(curve[1][FOLDS * EPOCHS + i].train_loss != curve[1][i].train_loss);
    }
    for (int i = 0; i < 2 * FOLDS * EPOCHS; i++)
        assert_same_epoch(&curve[1][i], &curve[2][i]);
    assert_same_result(&r[1], &r[2]);
}

static void goes_on(void **state)
{
    (void)state;
    check_going_on(draw, 16, DRAWS);
    check_going_on(draw_airbench, 25, 4);
}

/* Averages lag behind, and end near what they average. */
static void learns(void **state)
{
    static const char *const averages[] = {"none", "ema decay=0.9", "swa start=0.5", "lookahead"};

    (void)state;
    for (size_t i = 0; i < HPO_LEN(optimizers); i++)
        for (size_t k = 0; k < HPO_LEN(averages); k++) {
            struct tr_result r;
            struct fixture f;
            struct tr_job job;

            start(&f, 180, 3, 8, 3);
            tiny_config(&f.t, "convnet width=8 stages=2", optimizers[i], 16, 12);
            TINY_PART(&f.t, averaging, averages[k]);
            f.t.config.augment = (struct tr_augment_opts){true, 0};
            job = tiny_job(&f.t, TR_FOLD_FIRST);
            job.run = 1;
            train(&f, &job, false, &r);
            if (r.value < 0.85)
                fail_msg("%s, %s reaches only %.3f", optimizers[i], averages[k], r.value);
            stop(&f);
        }
}

/* The epochs of one fold, in order. */
static void curve_of(const char *model, double bias_scaler, int tta, struct tr_epoch *ret)
{
    struct tr_result r;
    struct fixture f;
    struct tr_job job;

    start(&f, 90, 3, 25, FOLDS);
    draw_airbench(&f, 0);
    tiny_config(&f.t, model, "sgd lr=0.05 momentum=0.85", 8, EPOCHS);
    f.t.config.optimizer.bias_scaler = bias_scaler;
    f.t.config.tta = tta;
    job = tiny_job(&f.t, TR_FOLD_FIRST);
    job.run = 1;
    train(&f, &job, false, &r);
    assert_int_equal(f.t.n_epochs, EPOCHS);
    memcpy(ret, f.t.epoch, sizeof(*ret) * EPOCHS);
    stop(&f);
}

/* Each of what airbench brings changes something, and when it should. */
static void airbench_options(void **state)
{
    struct tr_epoch base[EPOCHS], other[EPOCHS];

    (void)state;
    curve_of("airbench width=4", 1, TR_TTA_NONE, base);
    /* A bias that is frozen after the first epoch: no difference before that. */
    curve_of("airbench width=4 whiten_bias_epochs=1", 1, TR_TTA_NONE, other);
    assert_true(other[0].train_loss == base[0].train_loss);
    assert_true(other[1].train_loss != base[1].train_loss);
    curve_of("airbench width=4 whiten_bias_epochs=0", 1, TR_TTA_NONE, other);
    assert_true(other[0].train_loss != base[0].train_loss);
    curve_of("airbench width=4 whiten=false", 1, TR_TTA_NONE, other);
    assert_true(other[0].train_loss != base[0].train_loss);
    curve_of("airbench width=4", 64, TR_TTA_NONE, other);
    assert_true(other[0].train_loss != base[0].train_loss);
    /* The evaluation changes, the training does not. */
    curve_of("airbench width=4", 1, TR_TTA_FLIP, other);
    for (int i = 0; i < EPOCHS; i++)
        assert_true(other[i].train_loss == base[i].train_loss);
    assert_memory_not_equal(other[0].values, base[0].values, sizeof(base[0].values));
}

/* A list for another number of classes is the study file's mistake, said before anything trains. */
static void wrong_weights(void **state)
{
    struct hpo_err err = {0};
    bool pruned;
    struct tr_result r;
    struct fixture f;
    struct tr_job job;

    (void)state;
    start(&f, 30, 3, 8, 2);
    tiny_config(&f.t, "mlp layers=0", "sgd", 8, 1);
    TINY_PART(&f.t, loss, "cross_entropy class_weights=1,2");
    job = tiny_job(&f.t, TR_FOLD_FIRST);
    assert_int_equal(tr_train(f.s, &job, &r, &pruned, &err), HPO_ECONFIG);
    assert_non_null(strstr(err.msg, "2 numbers for 3 classes"));
    assert_int_equal(f.t.n_epochs, 0);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(goes_on), cmocka_unit_test(seeds),
                                       cmocka_unit_test(learns), cmocka_unit_test(wrong_weights),
                                       cmocka_unit_test(airbench_options)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
