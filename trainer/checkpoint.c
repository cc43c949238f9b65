#include "trainer/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/str.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "checkpoints are written as they lie");

#define MAGIC "HPOCKPT1"
#define HEAD 128
#define SUM 16

struct head {
    char magic[8];
    uint64_t length;
    uint8_t fingerprint[16];
    uint32_t groups, models, epochs, metrics, slots, group, epoch, step;
    uint64_t weights, buffers;
    uint8_t zero[HEAD - 80];
};
_Static_assert(sizeof(struct head) == HEAD, "the head has no padding");

static size_t row_bytes(const struct ckpt_shape *s)
{
    return ((size_t)s->metrics + 1) * sizeof(double);
}

static size_t state_bytes(const struct ckpt_shape *s)
{
    size_t n = (s->weights * (1 + (size_t)s->slots) + s->buffers) * sizeof(float);

    return (n + 7) & ~(size_t)7;
}

/* Where the loss sums begin. */
static size_t states_end(const struct ckpt_shape *s)
{
    return HEAD + (size_t)s->models * state_bytes(s);
}

static size_t length_of(const struct ckpt_shape *s, size_t rows)
{
    return states_end(s) + (size_t)s->models * sizeof(double) + rows * row_bytes(s) + SUM;
}

size_t ckpt_rows(const struct ckpt_shape *s, struct ckpt_place p)
{
    return ((size_t)p.group * (size_t)s->epochs + (size_t)p.epoch) * (size_t)s->models;
}

int ckpt_init(struct ckpt *c, const struct ckpt_shape *shape, struct hpo_err *err)
{
    size_t n = length_of(shape, (size_t)shape->groups * (size_t)shape->epochs *
                                    (size_t)shape->models);
    uint8_t *bytes = calloc(n, 1);

    if (!bytes)
        return hpo_fail(err, HPO_ENOMEM, "out of memory for a checkpoint of %.1f MiB",
                        (double)n / 1048576.0);
    *c = (struct ckpt){.shape = *shape, .bytes = bytes, .capacity = n};
    return 0;
}

void ckpt_release(struct ckpt *c)
{
    free(c->bytes);
    *c = (struct ckpt){0};
}

struct kn_state ckpt_state(const struct ckpt *c, int model)
{
    float *p = (float *)(void *)(c->bytes + HEAD + (size_t)model * state_bytes(&c->shape));
    struct kn_state s = {.weights = p, .buffers = p + c->shape.weights};

    p = s.buffers + c->shape.buffers;
    for (int i = 0; i < c->shape.slots; i++)
        s.slots[i] = p + (size_t)i * c->shape.weights;
    return s;
}

static struct head head_for(const struct ckpt_shape *s, struct ckpt_place p)
{
    struct head h = {
        .length = length_of(s, ckpt_rows(s, p)),
        .groups = (uint32_t)s->groups,
        .models = (uint32_t)s->models,
        .epochs = (uint32_t)s->epochs,
        .metrics = (uint32_t)s->metrics,
        .slots = (uint32_t)s->slots,
        .group = (uint32_t)p.group,
        .epoch = (uint32_t)p.epoch,
        .step = (uint32_t)p.step,
        .weights = s->weights,
        .buffers = s->buffers,
    };

    memcpy(h.magic, MAGIC, sizeof(h.magic));
    memcpy(h.fingerprint, s->fingerprint, sizeof(h.fingerprint));
    return h;
}

static void checksum(const uint8_t *bytes, size_t n, uint8_t ret[SUM])
{
    XXH128_canonical_t sum;

    XXH128_canonicalFromHash(&sum, XXH3_128bits(bytes, n));
    memcpy(ret, sum.digest, SUM);
}

size_t ckpt_encode(struct ckpt *c, const struct ckpt_rest *rest)
{
    const struct ckpt_shape *s = &c->shape;
    struct head h = head_for(s, rest->place);
    size_t sums = (size_t)s->models * sizeof(double);
    size_t rows = ckpt_rows(s, rest->place) * row_bytes(s);
    uint8_t *p = c->bytes + states_end(s);

    memcpy(c->bytes, &h, sizeof(h));
    memcpy(p, rest->loss_sum, sums);
    memcpy(p + sums, rest->curve, rows);
    checksum(c->bytes, h.length - SUM, p + sums + rows);
    return h.length;
}

int ckpt_decode(struct ckpt *c, const void *bytes, size_t n, struct ckpt_rest *ret,
                struct hpo_err *err)
{
    const struct ckpt_shape *s = &c->shape;
    const uint8_t *p = bytes;
    uint8_t sum[SUM];
    struct ckpt_place place;
    struct head h, want;

    if (n < length_of(s, 0) || n > c->capacity)
        return hpo_fail(err, HPO_EFORMAT, "has the wrong length");
    checksum(p, n - SUM, sum);
    if (memcmp(sum, p + n - SUM, SUM))
        return hpo_fail(err, HPO_EFORMAT, "is damaged: its checksum does not match");
    memcpy(&h, p, sizeof(h));
    if (memcmp(h.fingerprint, s->fingerprint, sizeof(h.fingerprint)))
        return hpo_fail(err, HPO_EFORMAT, "belongs to another training");
    /* A step at or after the end of the last epoch, or of an epoch that does not exist, would send
     * the loop out of its arrays. */
    if (h.group >= (uint32_t)s->groups || h.epoch > (uint32_t)s->epochs ||
        h.step > (uint32_t)s->steps || (h.epoch == (uint32_t)s->epochs && h.step))
        return hpo_fail(err, HPO_EFORMAT, "names a place that this training does not have");
    place = (struct ckpt_place){(int)h.group, (int)h.epoch, (int)h.step};
    want = head_for(s, place);
    if (memcmp(&h, &want, sizeof(h)) || h.length != n)
        return hpo_fail(err, HPO_EFORMAT, "is not a checkpoint of this network");

    memcpy(c->bytes, p, states_end(s));
    p += states_end(s);
    memcpy(ret->loss_sum, p, (size_t)s->models * sizeof(double));
    p += (size_t)s->models * sizeof(double);
    memcpy(ret->curve, p, ckpt_rows(s, place) * row_bytes(s));
    ret->place = place;
    return 0;
}

static char *path_in(const char *dir, const char *name)
{
    struct str s = {0};

    str_addf(&s, "%s/%s", dir, name);
    return s.s;
}

int ckpt_save(struct ckpt *c, const char *dir, const struct ckpt_rest *rest, struct hpo_err *err)
{
    char *path = path_in(dir, "checkpoint"), *prev = path_in(dir, "checkpoint.prev");
    size_t n = ckpt_encode(c, rest);
    int rc = 0;

    /* A second name for the old file, so that `checkpoint` itself is there at every moment. Where
     * the file system has no links, it is moved. */
    if (unlink(prev) && errno != ENOENT)
        rc = hpo_fail(err, HPO_EIO, "%s: %s", prev, strerror(errno));
    if (!rc && link(path, prev) && errno != ENOENT && rename(path, prev))
        rc = hpo_fail(err, HPO_EIO, "%s: %s", prev, strerror(errno));
    if (!rc)
        rc = file_replace(path, c->bytes, n, err);
    free(path);
    free(prev);
    return rc;
}

/* A file that is missing or no good is an answer (*ret_found), one that cannot be read is not: it
 * may be fine, and going on without it would overwrite it. */
static int load_one(struct ckpt *c, const char *dir, const char *name, struct ckpt_rest *ret,
                    bool *ret_found, struct hpo_err *err)
{
    char *path = path_in(dir, name), *bytes = NULL;
    size_t n = 0;
    int rc = file_read(path, c->capacity, &bytes, &n, err);

    if (!rc)
        rc = ckpt_decode(c, bytes, n, ret, err);
    *ret_found = !rc;
    free(bytes);
    free(path);
    return rc == HPO_EMISSING || rc == HPO_EFORMAT ? 0 : rc;
}

static int promote(const char *dir, struct hpo_err *err)
{
    char *path = path_in(dir, "checkpoint"), *prev = path_in(dir, "checkpoint.prev");
    int rc = 0;

    if (rename(prev, path))
        rc = hpo_fail(err, HPO_EIO, "%s: %s", path, strerror(errno));
    free(path);
    free(prev);
    return rc;
}

int ckpt_load(struct ckpt *c, const char *dir, struct ckpt_rest *ret, bool *ret_found,
              struct hpo_err *err)
{
    bool found = false;
    int rc = load_one(c, dir, "checkpoint", ret, &found, err);

    if (!rc && !found) {
        rc = load_one(c, dir, "checkpoint.prev", ret, &found, err);
        /* The next save makes `checkpoint` the older generation: that must not be a damaged one. */
        if (!rc && found)
            rc = promote(dir, err);
    }
    if (!rc)
        *ret_found = found;
    return rc;
}
