/* The file of out-of-fold predictions: what goes in comes out, and nothing else is let in. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/rng.h"
#include "trainer/oof_file.h"
#include "trainer/oof_images.h"

#define MOST_ROWS 200
#define MOST_CLASSES 300

/* One fold of random rows, and how they were made. */
struct made {
    struct oof_shape shape;
    int32_t labels[MOST_ROWS], index[MOST_ROWS];
    int rows;
    float probs[MOST_ROWS * MOST_CLASSES];
    uint8_t *bytes;
    size_t n;
};

static void make(struct made *m, int images, int classes, int fold, double sharp, uint64_t seed)
{
    struct hpo_rng rng = hpo_rng_for(seed, -1, fold, "oof", 0);

    *m = (struct made){
        .shape = {.fingerprint = {1, 2, 3}, .digest = "digest", .n = images, .classes = classes}};
    for (int i = 0; i < images; i++)
        m->labels[i] = (int32_t)hpo_rng_below(&rng, (uint64_t)classes);
    for (int i = 0; i < images; i++) {
        float *p = m->probs + m->rows * classes;
        double sum = 0;

        if (hpo_rng_below(&rng, 3) == 0)
            continue;
        for (int c = 0; c < classes; c++)
            sum += p[c] = (float)exp(sharp * hpo_rng_uniform(&rng));
        for (int c = 0; c < classes; c++)
            p[c] /= (float)sum;
        m->index[m->rows++] = i;
    }
    m->n = oof_part_bytes(&m->shape, m->rows);
    m->bytes = malloc(m->n);
    oof_part_encode(&m->shape, m->labels, fold, 7, m->index, m->rows, m->probs, m->bytes);
}

static int argmax(const float *p, int n)
{
    int best = 0;

    for (int c = 1; c < n; c++)
        best = p[c] > p[best] ? c : best;
    return best;
}

static void check_rows(const struct made *m, const struct oof *o, int fold)
{
    int classes = m->shape.classes;
    float got[MOST_CLASSES];

    assert_int_equal(o->fold[fold].rows, m->rows);
    for (int i = 0, r = 0; i < m->shape.n; i++) {
        const float *want = m->probs + r * classes;
        bool has = r < m->rows && m->index[r] == i;
        int kept = 0;

        assert_int_equal(oof_row(o, fold, i, got), has);
        assert_int_equal(o->labels[i], m->labels[i]);
        if (!has)
            continue;
        for (int c = 0; c < classes; c++) {
            kept += got[c] > 0;
            if (classes <= OOF_DENSE || got[c] > 0)
                assert_true(fabsf(got[c] - want[c]) < 2.0f * (float)classes / 65535);
        }
        assert_int_equal(argmax(got, classes), argmax(want, classes));
        assert_true(kept <= OOF_DENSE);
        r++;
    }
}

static void round_trip(void **state)
{
    static const int classes[] = {1, 2, 3, 10, OOF_DENSE, OOF_DENSE + 1, MOST_CLASSES};
    static const int images[] = {1, 63, 64, 65, 130, MOST_ROWS};
    static const double sharp[] = {0, 1e-4, 3, 40}; /* 0: all alike, every row a tie */
    static struct made m;

    for (size_t c = 0; c < HPO_LEN(classes); c++)
        for (size_t i = 0; i < HPO_LEN(images); i++)
            for (size_t s = 0; s < HPO_LEN(sharp); s++) {
                struct oof o;

                make(&m, images[i], classes[c], 3, sharp[s], i + 10 * s);
                assert_int_equal(oof_parse(m.bytes, m.n, &o, NULL), 0);
                assert_int_equal(o.folds, 1);
                assert_int_equal(o.fold[0].fold, 3);
                assert_int_equal(o.fold[0].epoch, 7);
                assert_string_equal(o.shape.digest, "digest");
                assert_int_equal(o.shape.n, images[i]);
                check_rows(&m, &o, 0);
                oof_close(&o);
                free(m.bytes);
            }
}

/* A row takes 128 bytes at most, whatever the number of classes. */
static void compact(void **state)
{
    struct oof_shape s = {.n = 1000, .classes = 10};

    assert_int_equal(oof_part_bytes(&s, 1000) - oof_part_bytes(&s, 0), 20 * 1000);
    s.classes = 1000;
    assert_int_equal(oof_part_bytes(&s, 1000) - oof_part_bytes(&s, 0), 128 * 1000);
}

static int open_made(void *arg, int i, struct oof *ret, struct hpo_err *err)
{
    const struct made *m = arg;

    return oof_parse(m[i].bytes, m[i].n, ret, err);
}

/* Folds that overlap, and leave images out: what several of them say of one is averaged. */
static void join(void **state)
{
    static struct made m[3];
    char dir[] = "/tmp/hpo-oof-XXXXXX", path[64];
    float mean[MOST_CLASSES];
    struct oof o;
    int seen[4] = {0};

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/x.oof", dir);
    for (int i = 0; i < 3; i++) {
        make(&m[i], 150, 5, i, 4, 1);
        memcpy(m[i].labels, m[0].labels, sizeof(m[0].labels));
        oof_part_encode(&m[i].shape, m[i].labels, i, 7, m[i].index, m[i].rows, m[i].probs,
                        m[i].bytes);
    }
    assert_int_equal(oof_join(path, 3, open_made, m, NULL), 0);
    assert_int_equal(oof_open(path, &o, NULL), 0);
    assert_int_equal(o.folds, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(o.fold[i].fold, i);
        check_rows(&m[i], &o, i);
    }
    for (int64_t image = 0; image < 150; image++) {
        float one[MOST_CLASSES], sum[5] = {0};
        int n = 0;

        for (int i = 0; i < 3; i++)
            if (oof_row(&o, i, image, one)) {
                n++;
                for (int c = 0; c < 5; c++)
                    sum[c] += one[c];
            }
        assert_int_equal(oof_image(&o, image, mean), n);
        for (int c = 0; c < 5 && n; c++)
            assert_true(fabsf(mean[c] - sum[c] / (float)n) < 1e-6f);
        seen[n]++;
    }
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
    oof_close(&o);
    for (int i = 0; i < 3; i++)
        free(m[i].bytes);
    unlink(path);
    rmdir(dir);
}

static void put_sum(uint8_t *bytes, size_t n)
{
    XXH128_canonical_t sum;

    XXH128_canonicalFromHash(&sum, XXH3_128bits(bytes, n - 16));
    memcpy(bytes + n - 16, sum.digest, 16);
}

/* Any byte changed is found by the checksum; with that put right, what is let in can be read. */
static void damage(void **state)
{
    static const int classes[] = {3, 100};
    static struct made m;

    for (size_t k = 0; k < HPO_LEN(classes); k++) {
        float row[MOST_CLASSES];

        make(&m, 70, classes[k], 0, 3, 5);
        for (size_t i = 0; i < m.n; i += i < 400 ? 1 : 7)
            for (int bit = 0; bit < 8; bit += 7) {
                struct hpo_err err = {0};
                struct oof o = {0};

                m.bytes[i] ^= (uint8_t)(1 << bit);
                assert_int_equal(oof_parse(m.bytes, m.n, &o, &err), HPO_EFORMAT);
                assert_null(o.fold);
                put_sum(m.bytes, m.n);
                if (!oof_parse(m.bytes, m.n, &o, NULL)) {
                    for (int64_t image = 0; image < o.shape.n; image++)
                        if (o.shape.classes <= MOST_CLASSES)
                            oof_image(&o, image, row);
                    oof_close(&o);
                }
                m.bytes[i] ^= (uint8_t)(1 << bit);
                put_sum(m.bytes, m.n);
            }
        for (size_t n = 0; n < m.n; n += 13) {
            uint8_t *cut = malloc(n ? n : 1);
            struct oof o;

            memcpy(cut, m.bytes, n);
            assert_int_equal(oof_parse(cut, n, &o, NULL), HPO_EFORMAT);
            free(cut);
        }
        free(m.bytes);
    }
}

/* ---------------------------------------------------------------- the list of images */

static void images(void **state)
{
    static const char *const names[] = {"cat", "big\tdog\\"};
    static const char *const paths[] = {"a/1.jpg", "b/\ttab\nline\rback\\slash.jpg", ""};
    static const int32_t labels[] = {0, 1, 1};
    struct tr_dataset d = {.images = {.labels = labels, .n = 3, .classes = 2},
                           .class_names = names,
                           .paths = paths,
                           .digest = "0123456789abcdef"};
    char dir[] = "/tmp/hpo-oof-XXXXXX", *folder;
    struct arena a = {0};
    struct oof_images o;
    struct hpo_err err;
    const char *path;

    assert_non_null(mkdtemp(dir));
    folder = arena_printf(&a, "%s/oof", dir);
    path = oof_images_path(folder, d.digest, &a);
    assert_non_null(strstr(path, "/oof/images-0123456789ab.tsv"));
    assert_int_equal(oof_images_read(path, &o, &err), HPO_EMISSING);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(oof_images_write(folder, &d, NULL), 0);
        assert_int_equal(oof_images_read(path, &o, NULL), 0);
        assert_string_equal(o.digest, d.digest);
        assert_int_equal(o.n, 3);
        assert_int_equal(o.classes, 2);
        for (int c = 0; c < 2; c++)
            assert_string_equal(o.class_names[c], names[c]);
        for (int k = 0; k < 3; k++) {
            assert_string_equal(o.paths[k], paths[k]);
            assert_int_equal(o.labels[k], labels[k]);
        }
        oof_images_release(&o);
        if (i == 1) /* another list under this name is replaced */
            assert_int_equal(file_replace(path, "x", 1, NULL), 0);
    }
    file_remove_tree(dir, NULL);
    arena_release(&a);
}

static void broken_images(void **state)
{
    static const char *const text[] = {
        "",
        "images",
        "images\t2\td\t1\t1\nclass\ta\n0\tx\n",
        "images\t1\td\t2\t1\nclass\ta\n0\tx\n",
        "images\t1\td\t1\t1\nclass\ta\n1\tx\n",
        "images\t1\td\t1\t1\nclass\ta\n-1\tx\n",
        "images\t1\td\t1\t1\nclass\ta\n0\tx",
        "images\t1\td\t1\t1\nclass\ta\n0\tx\ny",
        "images\t1\td\t1\t1\nclass\ta\n0\tx\\\n",
        "images\t1\td\t1\t1\nsort\ta\n0\tx\n",
        "images\t1\td\t2000000000\t1\nclass\ta\n0\tx\n",
        "images\t1\td\t1\t0\n0\tx\n",
        "images\t1\td0123456789012345678901234567890123\t1\t1\nclass\ta\n0\tx\n",
    };

    for (size_t i = 0; i < HPO_LEN(text); i++) {
        char *copy = strdup(text[i]);
        struct oof_images o;
        struct hpo_err err = {0};

        assert_int_equal(oof_images_parse(copy, strlen(copy), "list", &o, &err), HPO_EFORMAT);
        assert_non_null(strstr(err.msg, "list:"));
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(compact), cmocka_unit_test(join),
        cmocka_unit_test(damage),     cmocka_unit_test(images),  cmocka_unit_test(broken_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
