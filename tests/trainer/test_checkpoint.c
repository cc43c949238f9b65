/* The checkpoint as bytes: what goes in comes out, and nothing else is let in. */
#include "tests/trainer/parts.h"

#include <stdlib.h>
#include <xxhash.h>

#include "trainer/checkpoint.h"

/* Offsets of the fields that a liar would set; see trainer/checkpoint.h. */
enum { AT_LENGTH = 8, AT_FINGERPRINT = 16, AT_GROUPS = 32, AT_GROUP = 52, AT_EPOCH = 56,
       AT_STEP = 60, AT_WEIGHTS = 64, AT_ZERO = 80 };

static const struct ckpt_shape shape = {
    .fingerprint = {1, 2, 3}, .groups = 2, .models = 3, .epochs = 4, .steps = 5, .metrics = 2,
    .slots = 2, .weights = 7, .buffers = 3,
};

struct block {
    struct ckpt c;
    struct ckpt_rest rest;
    double sums[3], curve[2 * 4 * 3 * 3];
};

static void make(struct block *b, struct ckpt_place place)
{
    *b = (struct block){0};
    assert_int_equal(ckpt_init(&b->c, &shape, NULL), 0);
    b->rest = (struct ckpt_rest){place, b->sums, b->curve};
}

static void fill(struct block *b)
{
    for (int m = 0; m < 3; m++) {
        struct kn_state s = ckpt_state(&b->c, m);

        b->sums[m] = m + 0.25;
        for (int i = 0; i < 7; i++) {
            s.weights[i] = (float)(100 * m + i);
            s.slots[0][i] = (float)(100 * m + i + 20);
            s.slots[1][i] = (float)(100 * m + i + 40);
        }
        for (int i = 0; i < 3; i++)
            s.buffers[i] = (float)(100 * m + i + 60);
    }
    for (int i = 0; i < 72; i++)
        b->curve[i] = i / 8.0;
}

static void round_trip(void **state)
{
    const struct ckpt_place places[] = {{0, 0, 0}, {0, 0, 5}, {0, 4, 0}, {1, 2, 3}, {1, 4, 0}};

    (void)state;
    for (size_t k = 0; k < HPO_LEN(places); k++) {
        struct block a, b;
        size_t n, rows = ckpt_rows(&shape, places[k]) * 3;

        make(&a, places[k]);
        make(&b, (struct ckpt_place){0});
        fill(&a);
        n = ckpt_encode(&a.c, &a.rest);
        assert_true(n <= a.c.capacity);
        assert_int_equal(ckpt_decode(&b.c, a.c.bytes, n, &b.rest, NULL), 0);
        assert_memory_equal(&b.rest.place, &places[k], sizeof(places[k]));
        assert_memory_equal(a.sums, b.sums, sizeof(a.sums));
        assert_memory_equal(a.curve, b.curve, rows * sizeof(double));
        for (int m = 0; m < 3; m++) {
            struct kn_state x = ckpt_state(&a.c, m), y = ckpt_state(&b.c, m);

            assert_memory_equal(x.weights, y.weights, 7 * sizeof(float));
            assert_memory_equal(x.buffers, y.buffers, 3 * sizeof(float));
            assert_memory_equal(x.slots[0], y.slots[0], 7 * sizeof(float));
            assert_memory_equal(x.slots[1], y.slots[1], 7 * sizeof(float));
        }
        assert_int_equal(ckpt_encode(&b.c, &b.rest), n);
        assert_memory_equal(a.c.bytes, b.c.bytes, n);
        ckpt_release(&a.c);
        ckpt_release(&b.c);
    }
}

/* Refused, and nothing of the receiver touched. */
static void refuse(const uint8_t *bytes, size_t n)
{
    struct block b;
    uint8_t *before;
    struct hpo_err err = {0};

    make(&b, (struct ckpt_place){0});
    before = malloc(b.c.capacity);
    memcpy(before, b.c.bytes, b.c.capacity);
    assert_int_equal(ckpt_decode(&b.c, bytes, n, &b.rest, &err), HPO_EFORMAT);
    assert_true(strlen(err.msg) > 0);
    assert_memory_equal(before, b.c.bytes, b.c.capacity);
    assert_int_equal(b.rest.place.epoch, 0);
    free(before);
    ckpt_release(&b.c);
}

static void damaged(void **state)
{
    struct block a;
    size_t n;

    (void)state;
    make(&a, (struct ckpt_place){1, 2, 3});
    fill(&a);
    n = ckpt_encode(&a.c, &a.rest);
    for (size_t i = 0; i < n; i++) {
        a.c.bytes[i] ^= (uint8_t)(1 << i % 8);
        refuse(a.c.bytes, n);
        a.c.bytes[i] ^= (uint8_t)(1 << i % 8);
        refuse(a.c.bytes, i);
    }
    ckpt_release(&a.c);
}

/* Well-formed lies: the checksum is right. */
static void lies(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
    } lie[] = {
        {0, 0}, {AT_LENGTH, 1000}, {AT_FINGERPRINT, 9}, {AT_GROUPS, 3}, {AT_GROUPS + 4, 1},
        {AT_GROUPS + 8, 5}, {AT_GROUPS + 12, 1}, {AT_GROUPS + 16, 1}, {AT_GROUP, 2},
        {AT_GROUP, UINT32_MAX}, {AT_EPOCH, 5}, {AT_EPOCH, UINT32_MAX}, {AT_EPOCH, 4}, {AT_EPOCH, 1},
        {AT_STEP, 6}, {AT_STEP, UINT32_MAX}, {AT_WEIGHTS, 8}, {AT_WEIGHTS + 4, 1},
        {AT_WEIGHTS + 8, 0}, {AT_ZERO, 1}, {AT_ZERO + 44, 1},
    };

    (void)state;
    for (size_t k = 0; k < HPO_LEN(lie); k++) {
        XXH128_canonical_t sum;
        struct block a;
        size_t n;

        make(&a, (struct ckpt_place){1, 2, 3});
        fill(&a);
        n = ckpt_encode(&a.c, &a.rest);
        memcpy(a.c.bytes + lie[k].at, &lie[k].value, 4);
        XXH128_canonicalFromHash(&sum, XXH3_128bits(a.c.bytes, n - 16));
        memcpy(a.c.bytes + n - 16, sum.digest, 16);
        refuse(a.c.bytes, n);
        ckpt_release(&a.c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(damaged),
                                       cmocka_unit_test(lies)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
