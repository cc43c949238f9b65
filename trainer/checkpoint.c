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

#define MAGIC "HPOCKPT2"
#define HEAD 128
#define SUM 16

struct head {
    char magic[8];
    uint64_t length;
    uint8_t fingerprint[16];
    uint32_t folds, epochs, metrics, slots;
    uint64_t weights, buffers;
    uint32_t told, averaged;
    uint8_t zero[HEAD - 72];
};
_Static_assert(sizeof(struct head) == HEAD, "the head has no padding");

struct place_on_disk {
    uint32_t epoch, step;
};

static size_t row_bytes(const struct ckpt_shape *s)
{
    return ((size_t)s->metrics + 1) * sizeof(double);
}

static size_t state_bytes(const struct ckpt_shape *s)
{
    size_t averages = s->averaged ? s->weights + s->buffers : 0;
    size_t n = (s->weights * (1 + (size_t)s->slots) + s->buffers + averages) * sizeof(float);

    return (n + 7) & ~(size_t)7;
}

static size_t places_bytes(const struct ckpt_shape *s)
{
    return (size_t)s->folds * sizeof(struct place_on_disk);
}

bool ckpt_keeps(const struct ckpt_shape *s, int fold, struct ckpt_place p)
{
    return (p.epoch || p.step) && (p.epoch < s->epochs || s->all || fold == s->folds - 1);
}

static size_t length_of(const struct ckpt_shape *s, size_t states, size_t rows)
{
    return HEAD + places_bytes(s) + states * state_bytes(s) + (size_t)s->folds * sizeof(double) +
           rows * row_bytes(s) + SUM;
}

size_t ckpt_length(const struct ckpt_shape *s, const struct ckpt_rest *rest)
{
    size_t states = 0, rows = 0;

    for (int i = 0; i < s->folds; i++) {
        states += ckpt_keeps(s, i, rest->place[i]);
        rows += (size_t)rest->place[i].epoch;
    }
    return length_of(s, states, rows);
}

/* ---------------------------------------------------------------- states */

int ckpt_init(struct ckpt *c, const struct ckpt_shape *shape, int folds, struct hpo_err *err)
{
    *c = (struct ckpt){.shape = *shape};
    while (c->n_spare < folds) {
        float *block = calloc(state_bytes(shape), 1);

        if (!block)
            return hpo_fail(err, HPO_ENOMEM, "out of memory for the states of %d folds (%.1f MiB)",
                            folds, (double)folds * (double)state_bytes(shape) / 1048576.0);
        c->spare[c->n_spare++] = block;
    }
    return 0;
}

void ckpt_release(struct ckpt *c)
{
    for (int i = 0; i < CKPT_MAX_FOLDS; i++) {
        free(c->state[i]);
        free(c->spare[i]);
    }
    *c = (struct ckpt){0};
}

int ckpt_take(struct ckpt *c, int fold, struct hpo_err *err)
{
    if (c->state[fold])
        return 0;
    if (c->n_spare) {
        c->state[fold] = c->spare[--c->n_spare];
        c->spare[c->n_spare] = NULL;
    } else {
        c->state[fold] = calloc(state_bytes(&c->shape), 1);
    }
    return c->state[fold] ? 0
                          : hpo_fail(err, HPO_ENOMEM, "out of memory for a state (%.1f MiB)",
                                     (double)state_bytes(&c->shape) / 1048576.0);
}

void ckpt_give(struct ckpt *c, int fold)
{
    if (c->state[fold])
        c->spare[c->n_spare++] = c->state[fold];
    c->state[fold] = NULL;
}

struct kn_state ckpt_state(const struct ckpt *c, int fold)
{
    float *p = c->state[fold];
    struct kn_state s = {.weights = p, .buffers = p + c->shape.weights};

    p = s.buffers + c->shape.buffers;
    for (int i = 0; i < c->shape.slots; i++)
        s.slots[i] = p + (size_t)i * c->shape.weights;
    if (c->shape.averaged) {
        s.average_weights = p + (size_t)c->shape.slots * c->shape.weights;
        s.average_buffers = s.average_weights + c->shape.weights;
    }
    return s;
}

/* ---------------------------------------------------------------- bytes out */

static struct head head_for(const struct ckpt_shape *s, const struct ckpt_rest *rest)
{
    struct head h = {
        .length = ckpt_length(s, rest),
        .folds = (uint32_t)s->folds,
        .epochs = (uint32_t)s->epochs,
        .metrics = (uint32_t)s->metrics,
        .slots = (uint32_t)s->slots,
        .weights = s->weights,
        .buffers = s->buffers,
        .told = (uint32_t)rest->told,
        .averaged = s->averaged,
    };

    memcpy(h.magic, MAGIC, sizeof(h.magic));
    memcpy(h.fingerprint, s->fingerprint, sizeof(h.fingerprint));
    return h;
}

/* Where the parts of a file go, one after the other: memory, or a file; summed up on the way. */
struct sink {
    uint8_t *to; /* NULL: fd */
    int fd;
    const char *path;
    XXH3_state_t *sum;
    struct hpo_err *err;
};

static int put(struct sink *k, const void *bytes, size_t n)
{
    XXH3_128bits_update(k->sum, bytes, n);
    if (!k->to)
        return file_write_all(k->fd, bytes, n, k->path, k->err);
    memcpy(k->to, bytes, n);
    k->to += n;
    return 0;
}

static int put_sum(struct sink *k)
{
    XXH128_canonical_t c;

    XXH128_canonicalFromHash(&c, XXH3_128bits_digest(k->sum));
    return put(k, c.digest, SUM);
}

static int put_all(struct sink *k, const struct ckpt *c, const struct ckpt_rest *rest)
{
    const struct ckpt_shape *s = &c->shape;
    struct place_on_disk place[CKPT_MAX_FOLDS];
    struct head h = head_for(s, rest);
    size_t row = (size_t)s->metrics + 1;
    int rc;

    for (int i = 0; i < s->folds; i++)
        place[i] =
            (struct place_on_disk){(uint32_t)rest->place[i].epoch, (uint32_t)rest->place[i].step};
    XXH3_128bits_reset(k->sum);
    rc = put(k, &h, sizeof(h));
    if (!rc)
        rc = put(k, place, places_bytes(s));
    for (int i = 0; i < s->folds && !rc; i++)
        if (ckpt_keeps(s, i, rest->place[i]))
            rc = put(k, c->state[i], state_bytes(s));
    if (!rc)
        rc = put(k, rest->loss_sum, (size_t)s->folds * sizeof(double));
    for (int i = 0; i < s->folds && !rc; i++)
        rc = put(k, rest->curve + (size_t)i * (size_t)s->epochs * row,
                 (size_t)rest->place[i].epoch * row_bytes(s));
    return rc ? rc : put_sum(k);
}

void ckpt_encode(const struct ckpt *c, const struct ckpt_rest *rest, uint8_t *ret)
{
    struct sink k = {.to = ret, .sum = XXH3_createState()};

    if (k.sum)
        put_all(&k, c, rest);
    XXH3_freeState(k.sum);
}

/* ---------------------------------------------------------------- bytes in */

/* A step at or after the end of the last epoch, or of an epoch that does not exist, would send the
 * loop out of its arrays. */
static int read_places(const struct ckpt_shape *s, const uint8_t *p, struct ckpt_rest *ret,
                       struct hpo_err *err)
{
    for (int i = 0; i < s->folds; i++) {
        struct place_on_disk at;

        memcpy(&at, p + (size_t)i * sizeof(at), sizeof(at));
        if (at.epoch > (uint32_t)s->epochs || at.step > (uint32_t)s->steps ||
            (at.epoch == (uint32_t)s->epochs && at.step))
            return hpo_fail(err, HPO_EFORMAT, "names a place that this training does not have");
        ret->place[i] = (struct ckpt_place){(int)at.epoch, (int)at.step};
    }
    return 0;
}

/* Everything that is said before the states. */
static int read_head(const struct ckpt_shape *s, const uint8_t *p, size_t n, struct ckpt_rest *ret,
                     struct hpo_err *err)
{
    XXH128_canonical_t sum;
    struct head h, want;
    int rc;

    if (n < length_of(s, 0, 0))
        return hpo_fail(err, HPO_EFORMAT, "has the wrong length");
    XXH128_canonicalFromHash(&sum, XXH3_128bits(p, n - SUM));
    if (memcmp(sum.digest, p + n - SUM, SUM))
        return hpo_fail(err, HPO_EFORMAT, "is damaged: its checksum does not match");
    memcpy(&h, p, sizeof(h));
    if (memcmp(h.fingerprint, s->fingerprint, sizeof(h.fingerprint)))
        return hpo_fail(err, HPO_EFORMAT, "belongs to another training");
    if (h.folds != (uint32_t)s->folds || h.told > (uint32_t)s->folds * (uint32_t)s->epochs)
        return hpo_fail(err, HPO_EFORMAT, "is not a checkpoint of this network");
    rc = read_places(s, p + HEAD, ret, err);
    if (rc)
        return rc;
    ret->told = (int)h.told;
    want = head_for(s, ret);
    if (memcmp(&h, &want, sizeof(h)) || h.length != n)
        return hpo_fail(err, HPO_EFORMAT, "is not a checkpoint of this network");
    return 0;
}

int ckpt_decode(struct ckpt *c, const void *bytes, size_t n, struct ckpt_rest *ret,
                struct hpo_err *err)
{
    const struct ckpt_shape *s = &c->shape;
    size_t row = (size_t)s->metrics + 1;
    const uint8_t *p = bytes;
    struct ckpt_rest in = {.curve = ret->curve};
    int rc = read_head(s, p, n, &in, err);

    p += HEAD + places_bytes(s);
    for (int i = 0; i < s->folds && !rc; i++)
        if (ckpt_keeps(s, i, in.place[i]))
            rc = ckpt_take(c, i, err);
    if (rc)
        return rc;
    for (int i = 0; i < s->folds; i++)
        if (ckpt_keeps(s, i, in.place[i])) {
            memcpy(c->state[i], p, state_bytes(s));
            p += state_bytes(s);
        }
    memcpy(in.loss_sum, p, (size_t)s->folds * sizeof(double));
    p += (size_t)s->folds * sizeof(double);
    for (int i = 0; i < s->folds; i++) {
        size_t take = (size_t)in.place[i].epoch * row_bytes(s);

        memcpy(in.curve + (size_t)i * (size_t)s->epochs * row, p, take);
        p += take;
    }
    *ret = in;
    return 0;
}

/* ---------------------------------------------------------------- files */

static char *path_in(const char *dir, const char *name)
{
    struct str s = {0};

    str_addf(&s, "%s/%s", dir, name);
    return s.s;
}

static int write_file(const struct ckpt *c, const char *path, const struct ckpt_rest *rest,
                      struct hpo_err *err)
{
    struct sink k = {.path = path, .sum = XXH3_createState(), .err = err};
    struct file_atomic f;
    int rc;

    if (!k.sum)
        return hpo_fail(err, HPO_ENOMEM, "out of memory for writing a checkpoint");
    rc = file_atomic_open(&f, path, err);
    k.fd = f.fd;
    if (!rc)
        rc = put_all(&k, c, rest);
    if (!rc)
        rc = file_atomic_commit(&f, err);
    file_atomic_abort(&f);
    XXH3_freeState(k.sum);
    return rc;
}

int ckpt_save(const struct ckpt *c, const char *dir, const struct ckpt_rest *rest,
              struct hpo_err *err)
{
    char *path = path_in(dir, "checkpoint"), *prev = path_in(dir, "checkpoint.prev");
    int rc = 0;

    /* A second name for the old file, so that `checkpoint` itself is there at every moment. Where
     * the file system has no links, it is moved. */
    if (unlink(prev) && errno != ENOENT)
        rc = hpo_fail(err, HPO_EIO, "%s: %s", prev, strerror(errno));
    if (!rc && link(path, prev) && errno != ENOENT && rename(path, prev))
        rc = hpo_fail(err, HPO_EIO, "%s: %s", prev, strerror(errno));
    if (!rc)
        rc = write_file(c, path, rest, err);
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
    size_t folds = (size_t)c->shape.folds;
    int rc = file_read(path, length_of(&c->shape, folds, folds * (size_t)c->shape.epochs), &bytes,
                       &n, err);

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
