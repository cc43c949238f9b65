/* tests/trainer/tiny_job.h - a small data set made from nothing, folds on it, a configuration, and
 * a caller that listens: what a test of the trainer needs. */
#ifndef TESTS_TRAINER_TINY_JOB_H
#define TESTS_TRAINER_TINY_JOB_H

#include "tests/trainer/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "trainer/trainer.h"

#define TINY_MAX_EPOCHS 256

struct tiny {
    struct tr_dataset data;
    struct tr_folds folds;
    struct arena arena;
    struct tr_config config;
    char dir[64];

    /* What the caller heard. */
    struct tr_epoch epoch[TINY_MAX_EPOCHS];
    bool again[TINY_MAX_EPOCHS];
    int n_epochs, n_reports, n_polls;
    /* What it answers: at the poll or report of this number (from 0), -1: never. */
    int stop_at_poll, stop_at_report;
    enum tr_verdict stop_with;
};

/* Squares of one colour a class on noise: separable, not trivially so. */
static inline void tiny_pixels(uint8_t *p, int side, int label, struct hpo_rng *rng)
{
    int x0 = (int)hpo_rng_below(rng, (uint64_t)side / 2);
    int y0 = (int)hpo_rng_below(rng, (uint64_t)side / 2);

    for (int i = 0; i < side * side * 3; i++)
        p[i] = (uint8_t)hpo_rng_below(rng, 120);
    for (int y = y0; y < y0 + side / 2; y++)
        for (int x = x0; x < x0 + side / 2; x++)
            p[(y * side + x) * 3 + label % 3] = (uint8_t)(180 + 30 * (label / 3));
}

static inline void tiny_init(struct tiny *t, int n, int classes, int side, int k)
{
    struct hpo_rng rng = hpo_rng_for(7, -1, -1, "tiny", 0);
    struct arena *a = &t->arena;
    uint8_t *pixels;
    int32_t *labels;
    uint64_t *sums;

    memset(t, 0, sizeof(*t));
    t->stop_at_poll = t->stop_at_report = -1;
    pixels = arena_alloc(a, (size_t)n * (size_t)(side * side * 3));
    labels = ARENA_ARRAY(a, int32_t, n);
    sums = ARENA_ARRAY(a, uint64_t, n * 6);
    for (int i = 0; i < n; i++) {
        uint8_t *p = pixels + (size_t)i * (size_t)(side * side * 3);

        labels[i] = i % classes;
        tiny_pixels(p, side, labels[i], &rng);
        for (int j = 0; j < side * side * 3; j++) {
            sums[i * 6 + j % 3 * 2] += p[j];
            sums[i * 6 + j % 3 * 2 + 1] += (uint64_t)p[j] * p[j];
        }
    }
    t->data.images = (struct kn_images){pixels, labels, n, side, side, classes};
    t->data.pixel_sums = sums;
    snprintf(t->data.digest, sizeof(t->data.digest), "tiny-%d-%d-%d", n, classes, side);

    t->folds = (struct tr_folds){.k = k, .repeats = 1, .n = n};
    t->folds.fold = ARENA_ARRAY(a, int32_t, n);
    t->folds.index = ARENA_ARRAY(a, int32_t, n);
    t->folds.start = ARENA_ARRAY(a, int64_t, k + 1);
    for (int f = 0, at = 0; f < k; f++) {
        t->folds.start[f] = at;
        for (int i = 0; i < n; i++)
            if (i / classes % k == f) {
                t->folds.fold[i] = f;
                t->folds.index[at++] = i;
            }
        t->folds.start[f + 1] = at;
    }
    /* In memory where there is such a place: these tests sync some thousand checkpoints. */
    snprintf(t->dir, sizeof(t->dir), "%s/hpo-trainer-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(t->dir));
}

static inline void tiny_release(struct tiny *t)
{
    assert_int_equal(file_remove_tree(t->dir, NULL), 0);
    arena_release(&t->arena);
}

static inline struct hpo_part tiny_part(struct tiny *t, const void *const *registry,
                                        const char *text)
{
    char *copy = arena_strdup(&t->arena, text), *space = strchr(copy, ' ');
    struct hpo_part part;

    if (space)
        *space = 0;
    part.ops = hpo_registry_find(registry, copy);
    assert_non_null(part.ops);
    part.priv = make_priv(&t->arena, hpo_plugin_of(part.ops), space ? space + 1 : "");
    return part;
}
#define TINY_PART(t, kind, text) \
    ((t)->config.TINY_##kind = tiny_part(t, (const void *const *)kind##_registry, text))
#define TINY_model model.part
#define TINY_schedule schedule
#define TINY_loss loss
#define TINY_averaging average
#define TINY_optimizer optimizer.part

static inline void tiny_config(struct tiny *t, const char *model, const char *optimizer, int batch,
                               int epochs)
{
    t->config.batch_size = batch;
    t->config.epochs = epochs;
    t->config.seeds = 1;
    t->config.precision = KN_PRECISION_AUTO;
    t->config.augment = (struct tr_augment_opts){true, 1};
    TINY_PART(t, model, model);
    t->config.model.backbone_lr = 1;
    t->config.optimizer = (struct tr_optimizer_opts){.decay_bias_norm = true, .accumulate = 1};
    TINY_PART(t, optimizer, optimizer);
    TINY_PART(t, averaging, "none");
    TINY_PART(t, schedule, "cosine warmup_epochs=0.5");
    TINY_PART(t, loss, "cross_entropy label_smoothing=0.05");
}

static inline enum tr_verdict tiny_report(void *arg, const struct tr_epoch *e, int n, bool again)
{
    struct tiny *t = arg;

    for (int i = 0; i < n && t->n_epochs < TINY_MAX_EPOCHS; i++) {
        t->again[t->n_epochs] = again;
        t->epoch[t->n_epochs++] = e[i];
    }
    return t->n_reports++ == t->stop_at_report ? t->stop_with : TR_GO;
}

static inline enum tr_verdict tiny_poll(void *arg, const struct tr_progress *p)
{
    struct tiny *t = arg;

    if (p) /* else it waits for memory */
        assert_true(p->step >= 1 && p->step <= p->steps);
    return t->n_polls++ == t->stop_at_poll ? t->stop_with : TR_GO;
}

static inline void tiny_forget(struct tiny *t)
{
    t->n_epochs = t->n_reports = t->n_polls = 0;
    t->stop_at_poll = t->stop_at_report = -1;
}

static inline struct tr_job tiny_job(struct tiny *t, enum tr_order order)
{
    return (struct tr_job){.config = &t->config,
                           .data = &t->data,
                           .folds = &t->folds,
                           .run = t->folds.k,
                           .order = order,
                           .seed = 42,
                           .objective = 0,
                           .dir = t->dir,
                           .report = tiny_report,
                           .poll = tiny_poll,
                           .arg = t};
}

/* The checkpoint's bytes; NULL when there is none. Free with free(). */
static inline char *tiny_checkpoint(const struct tiny *t, size_t *ret_n)
{
    char path[128], *bytes = NULL;

    snprintf(path, sizeof(path), "%s/checkpoint", t->dir);
    return file_read(path, (size_t)1 << 30, &bytes, ret_n, NULL) ? NULL : bytes;
}

static inline void tiny_clear_dir(struct tiny *t)
{
    assert_int_equal(file_remove_tree(t->dir, NULL), 0);
    assert_int_equal(file_mkdirs(t->dir, NULL), 0);
}

/* Everything but the clock. */
static inline void assert_same_epoch(const struct tr_epoch *a, const struct tr_epoch *b)
{
    assert_int_equal(a->fold, b->fold);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->n_values, b->n_values);
    assert_memory_equal(a->values, b->values, (size_t)a->n_values * sizeof(double));
    assert_memory_equal(&a->train_loss, &b->train_loss, sizeof(double));
}

static inline void assert_same_result(const struct tr_result *a, const struct tr_result *b)
{
    assert_int_equal(a->n_folds, b->n_folds);
    assert_memory_equal(&a->value, &b->value, sizeof(double));
    assert_memory_equal(&a->std, &b->std, sizeof(double));
    for (int i = 0; i < a->n_folds; i++) {
        assert_int_equal(a->fold[i].fold, b->fold[i].fold);
        assert_int_equal(a->fold[i].epoch, b->fold[i].epoch);
        assert_memory_equal(&a->fold[i].value, &b->fold[i].value, sizeof(double));
    }
}

#endif
