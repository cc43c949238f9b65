/* What is shown is what is trained: the images of the same batches, augmented and mixed in the same
 * way, and nothing of it random. */
#include "tests/trainer/tiny_job.h"
#include "trainer/mixing.h"
#include "trainer/preview.h"

#define SIDE 8
#define PLANE (SIDE * SIDE)

static struct tr_session *start(struct tiny *t)
{
    struct tr_session *s = NULL;

    tiny_init(t, 90, 3, SIDE, 3);
    tiny_config(t, "mlp layers=0", "sgd", 16, 5);
    assert_int_equal(
        tr_session_open(hpo_registry_find((const void *const *)kn_backend_registry, "cpu"), 0, 1,
                        &s, NULL),
        0);
    return s;
}

/* Without mixing: what the placement of (seed, fold, epoch, image) makes of the source. */
static void shows_placements(void **state)
{
    struct tiny t;
    struct tr_session *s = start(&t);
    struct tr_job job = tiny_job(&t, TR_EPOCH_FIRST);
    struct kn_augment a;
    struct tr_preview p;
    int shown = 0;

    assert_int_equal(tr_augment_lower(&t.config.augment, &a, NULL), 0);
    assert_int_equal(tr_preview(s, &job, 1, 12, 9, &p, NULL), 0);
    assert_int_equal(p.n, 12);
    assert_int_equal(p.epochs, 5); /* that there are */
    for (int e = 0; e < p.epochs; e++)
        for (int i = 0; i < p.n; i++) {
            struct kn_placement q =
                kn_place(&a, job.seed, 1, (uint32_t)e, (uint32_t)p.image[i], SIDE, SIDE);
            const float *got = p.pixels + (size_t)(e * p.n + i) * 3 * PLANE;

            assert_true(t.folds.fold[p.image[i]] != 1); /* it trains */
            assert_true(p.view[e * p.n + i].step < 60 / 16);
            if (p.view[e * p.n + i].step < 0)
                continue;
            shown++;
            for (int k = 0; k < 3 * PLANE; k++) {
                int x = k % SIDE, y = k / SIDE % SIDE + q.dy;

                x = (q.flip ? SIDE - 1 - x : x) + q.dx;
                if (x < 0 || y < 0 || x >= SIDE || y >= SIDE)
                    assert_float_equal(got[k], 0, 1e-5);
                else
                    assert_float_equal(
                        got[k],
                        t.data.images.pixels[((p.image[i] * SIDE + y) * SIDE + x) * 3 + k / PLANE] /
                            255.0,
                        1e-5);
            }
        }
    assert_true(shown > 12 * 5 / 2); /* 12 of 60 are left over in each epoch */
    tr_preview_release(&p);
    tr_session_close(s);
    tiny_release(&t);
}

/* Mixed as tr_mix says for the step, and the same when asked again. */
static void shows_mixing(void **state)
{
    struct tiny t;
    struct tr_session *s = start(&t);
    struct tr_job job = tiny_job(&t, TR_FOLD_FIRST);
    struct tr_preview p, again;
    int cut = 0;

    t.config.augment = (struct tr_augment_opts){
        .cutmix = 1, .mixup = 0.5, .mix_probability = 0.8, .cutmix_share = 0.5};
    assert_int_equal(tr_preview(s, &job, 0, 8, 5, &p, NULL), 0);
    assert_int_equal(tr_preview(s, &job, 0, 8, 5, &again, NULL), 0);
    assert_memory_equal(p.pixels, again.pixels, sizeof(float) * 8 * 5 * 3 * PLANE);
    for (int i = 0; i < 8 * 5; i++) {
        const struct tr_view *v = &p.view[i];
        struct kn_mix want;

        if (v->step < 0)
            continue;
        want = tr_mix(&t.config.augment, job.seed, 0, (uint32_t)(i / 8 * 3 + v->step), SIDE, SIDE);
        assert_memory_equal(&v->mix, &want, sizeof(want));
        for (int k = 0; k < 3 * PLANE && want.kind == KN_CUTMIX; k++) {
            int x = k % SIDE, y = k / SIDE % SIDE;
            bool in = y >= want.y0 && y < want.y1 && x >= want.x0 && x < want.x1;
            int32_t from = in ? v->other : p.image[i % 8];
            double value = t.data.images.pixels[(from * PLANE + k % PLANE) * 3 + k / PLANE] / 255.0;

            assert_float_equal(p.pixels[(size_t)i * 3 * PLANE + (size_t)k], value, 1e-5);
            cut += in;
        }
    }
    assert_true(cut > 0);
    tr_preview_release(&p);
    tr_preview_release(&again);
    tr_session_close(s);
    tiny_release(&t);
}

static void no_such_fold(void **state)
{
    struct hpo_err err = {0};
    struct tiny t;
    struct tr_session *s = start(&t);
    struct tr_job job = tiny_job(&t, TR_FOLD_FIRST);
    struct tr_preview p;

    job.run = 2;
    assert_int_equal(tr_preview(s, &job, 2, 8, 5, &p, &err), HPO_ECONFIG);
    assert_string_equal(err.msg, "fold 2 is not trained: there are folds 0 to 1");
    tr_preview_release(&p);
    tr_session_close(s);
    tiny_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shows_placements),
                                       cmocka_unit_test(shows_mixing),
                                       cmocka_unit_test(no_such_fold)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
