/* The checkpoint as bytes: what goes in comes out, and nothing else is let in. */
#include "tests/trainer/parts.h"

#include <stdlib.h>
#include <xxhash.h>

#include "trainer/checkpoint.h"

/* Offsets of the fields that a liar would set; see trainer/checkpoint.h. */
enum { AT_LENGTH = 8, AT_FINGERPRINT = 16, AT_FOLDS = 32, AT_WEIGHTS = 48, AT_TOLD = 64,
       AT_ZERO = 68, AT_PLACES = 128 };

static const struct ckpt_shape shape = {
    .fingerprint = {1, 2, 3}, .folds = 3, .epochs = 4, .steps = 5, .metrics = 2,
    .slots = 2, .weights = 7, .buffers = 3,
};

struct block {
    struct ckpt c;
    struct ckpt_rest rest;
    double curve[3 * 4 * 3];
    uint8_t *bytes;
    size_t n;
};

static void make(struct block *b, const struct ckpt_shape *s)
{
    *b = (struct block){0};
    assert_int_equal(ckpt_init(&b->c, s, 1, NULL), 0);
    b->rest.curve = b->curve;
}

static void encode(struct block *b)
{
    b->n = ckpt_length(&b->c.shape, &b->rest);
    b->bytes = realloc(b->bytes, b->n);
    ckpt_encode(&b->c, &b->rest, b->bytes);
}

static void fill(struct block *b, const struct ckpt_place *places)
{
    for (int f = 0; f < 3; f++) {
        struct kn_state s;

        b->rest.place[f] = places[f];
        b->rest.loss_sum[f] = f + 0.25;
        if (!ckpt_keeps(&b->c.shape, f, places[f]))
            continue;
        assert_int_equal(ckpt_take(&b->c, f, NULL), 0);
        s = ckpt_state(&b->c, f);
        for (int i = 0; i < 7; i++) {
            s.weights[i] = (float)(100 * f + i);
            s.slots[0][i] = (float)(100 * f + i + 20);
            s.slots[1][i] = (float)(100 * f + i + 40);
        }
        for (int i = 0; i < 3; i++)
            s.buffers[i] = (float)(100 * f + i + 60);
    }
    b->rest.told = 2;
    for (int i = 0; i < 36; i++)
        b->curve[i] = i / 8.0;
    encode(b);
}

static void release(struct block *b)
{
    free(b->bytes);
    ckpt_release(&b->c);
}

/* Places of folds that train one by one, side by side, and after a change from one to the other. */
static void round_trip(void **state)
{
    static const struct ckpt_place places[][3] = {
        {{0, 0}, {0, 0}, {0, 0}}, {{0, 5}, {0, 0}, {0, 0}}, {{4, 0}, {0, 0}, {0, 0}},
        {{4, 0}, {2, 3}, {0, 0}}, {{4, 0}, {4, 0}, {4, 0}}, {{2, 1}, {2, 1}, {2, 1}},
        {{4, 0}, {2, 3}, {1, 2}}, {{3, 0}, {3, 0}, {2, 5}}};

    (void)state;
    for (size_t k = 0; k < 2 * HPO_LEN(places); k++) {
        const struct ckpt_place *at = places[k / 2];
        struct ckpt_shape s = shape;
        struct block a, b;

        s.all = k % 2;
        make(&a, &s);
        make(&b, &s);
        fill(&a, at);
        assert_int_equal(ckpt_decode(&b.c, a.bytes, a.n, &b.rest, NULL), 0);
        assert_memory_equal(b.rest.place, at, 3 * sizeof(*at));
        assert_memory_equal(a.rest.loss_sum, b.rest.loss_sum, 3 * sizeof(double));
        assert_int_equal(b.rest.told, 2);
        for (int f = 0; f < 3; f++) {
            struct kn_state x, y;

            assert_memory_equal(a.curve + 12 * f, b.curve + 12 * f,
                                (size_t)at[f].epoch * 3 * sizeof(double));
            assert_int_equal(ckpt_keeps(&s, f, at[f]), b.c.state[f] != NULL);
            if (!b.c.state[f])
                continue;
            x = ckpt_state(&a.c, f);
            y = ckpt_state(&b.c, f);
            assert_memory_equal(x.weights, y.weights, 7 * sizeof(float));
            assert_memory_equal(x.buffers, y.buffers, 3 * sizeof(float));
            assert_memory_equal(x.slots[0], y.slots[0], 7 * sizeof(float));
            assert_memory_equal(x.slots[1], y.slots[1], 7 * sizeof(float));
        }
        encode(&b);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.bytes, b.bytes, a.n);
        release(&a);
        release(&b);
    }
}

/* Of a finished fold the state is dropped, unless it is the last one, or all are kept. */
static void what_is_kept(void **state)
{
    struct ckpt_shape all = shape;

    (void)state;
    all.all = true;
    assert_false(ckpt_keeps(&shape, 0, (struct ckpt_place){0, 0}));
    assert_true(ckpt_keeps(&shape, 0, (struct ckpt_place){0, 1}));
    assert_true(ckpt_keeps(&shape, 0, (struct ckpt_place){3, 5}));
    assert_false(ckpt_keeps(&shape, 1, (struct ckpt_place){4, 0}));
    assert_true(ckpt_keeps(&shape, 2, (struct ckpt_place){4, 0}));
    assert_true(ckpt_keeps(&all, 0, (struct ckpt_place){4, 0}));
    assert_false(ckpt_keeps(&all, 2, (struct ckpt_place){0, 0}));
}

/* A block that is given back is what the next one gets. */
static void blocks(void **state)
{
    struct block b;
    float *first;

    (void)state;
    make(&b, &shape);
    assert_int_equal(ckpt_take(&b.c, 1, NULL), 0);
    first = b.c.state[1];
    assert_int_equal(ckpt_take(&b.c, 1, NULL), 0);
    assert_ptr_equal(b.c.state[1], first);
    assert_int_equal(ckpt_take(&b.c, 2, NULL), 0);
    assert_ptr_not_equal(b.c.state[2], first);
    ckpt_give(&b.c, 1);
    assert_null(b.c.state[1]);
    assert_int_equal(ckpt_take(&b.c, 0, NULL), 0);
    assert_ptr_equal(b.c.state[0], first);
    release(&b);
}

/* Refused, and nothing of the receiver touched. */
static void refuse(const uint8_t *bytes, size_t n)
{
    static const struct ckpt_place begun[3] = {{1, 1}, {0, 0}, {0, 0}};
    struct hpo_err err = {0};
    uint8_t *before;
    struct block b;

    make(&b, &shape);
    fill(&b, begun);
    before = malloc(b.n);
    memcpy(before, b.bytes, b.n);
    assert_int_equal(ckpt_decode(&b.c, bytes, n, &b.rest, &err), HPO_EFORMAT);
    assert_true(strlen(err.msg) > 0);
    encode(&b);
    assert_memory_equal(before, b.bytes, b.n);
    free(before);
    release(&b);
}

static const struct ckpt_place middle[3] = {{4, 0}, {2, 3}, {2, 3}};

static void damaged(void **state)
{
    struct block a;

    (void)state;
    make(&a, &shape);
    fill(&a, middle);
    for (size_t i = 0; i < a.n; i++) {
        a.bytes[i] ^= (uint8_t)(1 << i % 8);
        refuse(a.bytes, a.n);
        a.bytes[i] ^= (uint8_t)(1 << i % 8);
        refuse(a.bytes, i);
    }
    release(&a);
}

/* Well-formed lies: the checksum is right. */
static void lies(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
    } lie[] = {
        {0, 0}, {AT_LENGTH, 1000}, {AT_FINGERPRINT, 9}, {AT_FOLDS, 4}, {AT_FOLDS, UINT32_MAX},
        {AT_FOLDS + 4, 5}, {AT_FOLDS + 8, 1}, {AT_FOLDS + 12, 1}, {AT_WEIGHTS, 8},
        {AT_WEIGHTS + 4, 1}, {AT_WEIGHTS + 8, 0}, {AT_TOLD, 13}, {AT_TOLD, UINT32_MAX},
        {AT_ZERO, 1}, {AT_ZERO + 56, 1}, {AT_PLACES, 5}, {AT_PLACES, UINT32_MAX},
        {AT_PLACES, 3}, {AT_PLACES + 4, 1}, {AT_PLACES + 8, 1}, {AT_PLACES + 12, 6},
        {AT_PLACES + 12, UINT32_MAX}, {AT_PLACES + 16, 4}, {AT_PLACES + 20, 7},
    };

    (void)state;
    for (size_t k = 0; k < HPO_LEN(lie); k++) {
        XXH128_canonical_t sum;
        struct block a;

        make(&a, &shape);
        fill(&a, middle);
        memcpy(a.bytes + lie[k].at, &lie[k].value, 4);
        XXH128_canonicalFromHash(&sum, XXH3_128bits(a.bytes, a.n - 16));
        memcpy(a.bytes + a.n - 16, sum.digest, 16);
        refuse(a.bytes, a.n);
        release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(what_is_kept),
                                       cmocka_unit_test(blocks), cmocka_unit_test(damaged),
                                       cmocka_unit_test(lies)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
