#include "trainer/oof_file.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "predictions are written as they lie");

#define MAGIC "HPOOOF01"
#define SUM 16
#define ONE 65535

struct head {
    char magic[8];
    uint64_t length;
    uint8_t fingerprint[16];
    char digest[32];
    uint64_t n;
    uint32_t classes, folds, kept, zero[3];
};
_Static_assert(sizeof(struct head) == 96, "the head has no padding");

struct section {
    uint32_t fold, epoch;
    uint64_t rows;
};

static size_t padded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

static size_t words_of(int64_t n)
{
    return (size_t)(n + 63) / 64;
}

static int kept_of(int classes)
{
    return classes <= OOF_DENSE ? classes : OOF_SPARSE;
}

/* u16 of a row. */
static size_t row_length(int classes)
{
    return classes <= OOF_DENSE ? (size_t)classes : 2 * (size_t)OOF_SPARSE;
}

static size_t labels_bytes(int64_t n)
{
    return padded((size_t)n * sizeof(uint16_t));
}

static size_t section_bytes(const struct oof_shape *s, int64_t rows)
{
    return sizeof(struct section) + words_of(s->n) * sizeof(uint64_t) +
           padded((size_t)rows * row_length(s->classes) * sizeof(uint16_t));
}

/* ---------------------------------------------------------------- writing */

static uint16_t quantum(float p)
{
    return (uint16_t)lrint(p < 1 ? p > 0 ? (double)p * ONE : 0 : ONE);
}

static int most_likely(const float *p, int classes)
{
    int best = 0;

    for (int c = 1; c < classes; c++)
        best = p[c] > p[best] ? c : best;
    return best;
}

static void put_dense(const float *p, int classes, uint16_t *ret)
{
    int best = most_likely(p, classes);
    bool tie = false;

    for (int c = 0; c < classes; c++)
        ret[c] = quantum(p[c]);
    /* Rounding keeps the order, but may make a lower class equal to the best. */
    for (int c = 0; c < best; c++)
        tie = tie || ret[c] == ret[best];
    ret[best] += tie;
}

/* The first of the row is the most likely, the others follow in falling order; of equals the lower
 * class comes first. */
static void put_sparse(const float *p, int classes, uint16_t *ret)
{
    int top[OOF_SPARSE], n = 0;

    for (int c = 0; c < classes; c++) {
        int at = n;

        while (at && p[c] > p[top[at - 1]])
            at--;
        if (at == OOF_SPARSE)
            continue;
        n += n < OOF_SPARSE;
        memmove(top + at + 1, top + at, (size_t)(n - 1 - at) * sizeof(*top));
        top[at] = c;
    }
    for (int i = 0; i < OOF_SPARSE; i++) {
        ret[2 * i] = (uint16_t)top[i];
        ret[2 * i + 1] = quantum(p[top[i]]);
    }
    for (int i = 1; i < OOF_SPARSE; i++)
        if (ret[2 * i + 1] == ret[1] && top[i] < top[0]) {
            ret[1]++;
            break;
        }
}

static struct head head_for(const struct oof_shape *s, uint32_t folds, size_t length)
{
    struct head h = {
        .length = length,
        .n = (uint64_t)s->n,
        .classes = (uint32_t)s->classes,
        .folds = folds,
        .kept = (uint32_t)kept_of(s->classes),
    };

    memcpy(h.magic, MAGIC, sizeof(h.magic));
    memcpy(h.fingerprint, s->fingerprint, sizeof(h.fingerprint));
    memcpy(h.digest, s->digest, sizeof(h.digest));
    return h;
}

size_t oof_part_bytes(const struct oof_shape *s, int64_t rows)
{
    return sizeof(struct head) + labels_bytes(s->n) + section_bytes(s, rows) + SUM;
}

void oof_part_encode(const struct oof_shape *s, const int32_t *labels, int fold, int epoch,
                     const int32_t *index, int64_t rows, const float *probs, uint8_t *ret)
{
    size_t length = oof_part_bytes(s, rows), each = row_length(s->classes);
    struct section section = {(uint32_t)fold, (uint32_t)epoch, (uint64_t)rows};
    struct head h = head_for(s, 1, length);
    uint16_t *label = (uint16_t *)(ret + sizeof(h)), *row;
    XXH128_canonical_t sum;
    uint64_t *has;

    memset(ret, 0, length);
    memcpy(ret, &h, sizeof(h));
    for (int64_t i = 0; i < s->n; i++)
        label[i] = (uint16_t)labels[i];
    memcpy(ret + sizeof(h) + labels_bytes(s->n), &section, sizeof(section));
    has = (uint64_t *)(ret + sizeof(h) + labels_bytes(s->n) + sizeof(section));
    row = (uint16_t *)(has + words_of(s->n));
    for (int64_t i = 0; i < rows; i++) {
        const float *p = probs + (size_t)i * (size_t)s->classes;

        assert(!i || index[i] > index[i - 1]);
        has[index[i] / 64] |= (uint64_t)1 << index[i] % 64;
        if (s->classes <= OOF_DENSE)
            put_dense(p, s->classes, row + (size_t)i * each);
        else
            put_sparse(p, s->classes, row + (size_t)i * each);
    }
    XXH128_canonicalFromHash(&sum, XXH3_128bits(ret, length - SUM));
    memcpy(ret + length - SUM, sum.digest, SUM);
}

struct sink {
    struct file_atomic file;
    XXH3_state_t *sum;
};

static int put(struct sink *k, const void *bytes, size_t n, struct hpo_err *err)
{
    XXH3_128bits_update(k->sum, bytes, n);
    return file_write_all(k->file.fd, bytes, n, k->file.path, err);
}

typedef int open_fn(void *arg, int i, struct oof *ret, struct hpo_err *err);

/* How long it will be, and what is in front of the folds. */
static int put_front(struct sink *k, int n, open_fn *open, void *arg, struct hpo_err *err)
{
    size_t length = SUM + sizeof(struct head);
    struct oof o = {0};
    struct head h;
    int rc = 0;

    for (int i = 0; i < n && !rc; i++) {
        oof_close(&o);
        rc = open(arg, i, &o, err);
        if (!rc)
            length += section_bytes(&o.shape, o.fold[0].rows);
    }
    if (!rc) {
        h = head_for(&o.shape, (uint32_t)n, length + labels_bytes(o.shape.n));
        rc = put(k, &h, sizeof(h), err);
    }
    if (!rc)
        rc = put(k, o.labels, labels_bytes(o.shape.n), err);
    oof_close(&o);
    return rc;
}

static int put_parts(struct sink *k, int n, open_fn *open, void *arg, struct hpo_err *err)
{
    XXH128_canonical_t sum;
    int rc = put_front(k, n, open, arg, err);

    for (int i = 0; i < n && !rc; i++) {
        struct oof o = {0};

        rc = open(arg, i, &o, err);
        if (!rc)
            rc = put(k, (const uint8_t *)o.fold[0].has - sizeof(struct section),
                     section_bytes(&o.shape, o.fold[0].rows), err);
        oof_close(&o);
    }
    XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(k->sum));
    return rc ? rc : file_write_all(k->file.fd, sum.digest, SUM, k->file.path, err);
}

int oof_join(const char *path, int n, open_fn *open, void *arg, struct hpo_err *err)
{
    struct sink k = {.sum = XXH3_createState()};
    int rc;

    if (!k.sum)
        return hpo_fail(err, HPO_ENOMEM, "%s: out of memory for writing it", path);
    XXH3_128bits_reset(k.sum);
    rc = file_atomic_open(&k.file, path, err);
    if (!rc)
        rc = put_parts(&k, n, open, arg, err);
    if (!rc)
        rc = file_atomic_commit(&k.file, err);
    file_atomic_abort(&k.file);
    XXH3_freeState(k.sum);
    return rc;
}

/* ---------------------------------------------------------------- reading */

static int damaged(struct hpo_err *err, const char *what)
{
    return hpo_fail(err, HPO_EFORMAT, "is no file of out-of-fold predictions that can be used: %s",
                    what);
}

static int read_head(const uint8_t *p, size_t n, struct head *ret, struct hpo_err *err)
{
    static const uint32_t zero[3];
    XXH128_canonical_t sum;

    if (n < sizeof(*ret) + SUM || memcmp(p, MAGIC, sizeof(ret->magic)))
        return damaged(err, "it does not begin like one");
    memcpy(ret, p, sizeof(*ret));
    if (ret->length != n)
        return damaged(err, "it is cut off, or something was added");
    XXH128_canonicalFromHash(&sum, XXH3_128bits(p, n - SUM));
    if (memcmp(sum.digest, p + n - SUM, SUM))
        return damaged(err, "its checksum does not match");
    if (ret->n < 1 || ret->n > OOF_MAX_IMAGES || ret->classes < 1 ||
        ret->classes > OOF_MAX_CLASSES || ret->folds < 1 || ret->folds > OOF_MAX_FOLDS ||
        ret->kept != (uint32_t)kept_of((int)ret->classes) || memcmp(ret->zero, zero, sizeof(zero)))
        return damaged(err, "its sizes cannot be");
    return 0;
}

/* Rows before each word, and whether there are as many as the section says. */
static bool count_rows(struct oof_fold *f, int64_t n)
{
    size_t words = words_of(n);
    uint64_t rows = 0;

    for (size_t w = 0; w < words; w++) {
        f->rank[w] = (uint32_t)rows;
        rows += (uint64_t)__builtin_popcountll(f->has[w]);
    }
    return rows == (uint64_t)f->rows && (n % 64 == 0 || !(f->has[words - 1] >> n % 64));
}

/* A row of zeros has no probabilities, and a class beyond the last would be written to. */
static bool rows_fit(const struct oof_fold *f, int classes)
{
    size_t each = row_length(classes);

    for (int64_t i = 0; i < f->rows; i++) {
        const uint16_t *row = f->row + (size_t)i * each;
        uint32_t sum = 0;

        for (size_t k = 0; k < each; k++)
            if (classes > OOF_DENSE && k % 2 == 0 && row[k] >= classes)
                return false;
            else if (classes <= OOF_DENSE || k % 2)
                sum += row[k];
        if (!sum)
            return false;
    }
    return true;
}

static int read_fold(struct oof *o, struct oof_fold *f, const uint8_t **at, const uint8_t *end,
                     struct hpo_err *err)
{
    size_t words = words_of(o->shape.n), left = (size_t)(end - *at);
    struct section s;

    if (left < section_bytes(&o->shape, 0))
        return damaged(err, "it is shorter than its folds");
    memcpy(&s, *at, sizeof(s));
    if (s.rows > (uint64_t)o->shape.n || s.fold > INT32_MAX || s.epoch > INT32_MAX ||
        left < section_bytes(&o->shape, (int64_t)s.rows))
        return damaged(err, "it is shorter than its folds");
    f->fold = (int)s.fold;
    f->epoch = (int)s.epoch;
    f->rows = (int64_t)s.rows;
    f->has = (const uint64_t *)(*at + sizeof(s));
    f->row = (const uint16_t *)(f->has + words);
    f->rank = malloc(words * sizeof(*f->rank));
    if (!f->rank)
        return hpo_fail(err, HPO_ENOMEM, "out of memory for its rows");
    if (!count_rows(f, o->shape.n))
        return damaged(err, "its rows are not as many as it says");
    if (!rows_fit(f, o->shape.classes))
        return damaged(err, "it has a row of no class");
    *at += section_bytes(&o->shape, f->rows);
    return 0;
}

int oof_parse(const uint8_t *bytes, size_t n, struct oof *ret, struct hpo_err *err)
{
    const uint8_t *at, *end;
    struct oof o = {0};
    struct head h;
    int rc = read_head(bytes, n, &h, err);

    if (rc)
        return rc;
    memcpy(o.shape.fingerprint, h.fingerprint, sizeof(h.fingerprint));
    memcpy(o.shape.digest, h.digest, sizeof(h.digest));
    o.shape.n = (int64_t)h.n;
    o.shape.classes = (int)h.classes;
    o.kept = (int)h.kept;
    at = bytes + sizeof(h);
    end = bytes + n - SUM;
    o.labels = (const uint16_t *)at;
    /* Every fold has a bit an image: no more folds are allocated than the file has room for. */
    if ((size_t)(end - at) < labels_bytes(o.shape.n) ||
        ((size_t)(end - at) - labels_bytes(o.shape.n)) / section_bytes(&o.shape, 0) < h.folds)
        return damaged(err, "it is shorter than its folds");
    at += labels_bytes(o.shape.n);
    for (int64_t i = 0; i < o.shape.n; i++)
        if (o.labels[i] >= o.shape.classes)
            return damaged(err, "an image has a label of no class");
    o.fold = calloc(h.folds, sizeof(*o.fold));
    if (!o.fold)
        return hpo_fail(err, HPO_ENOMEM, "out of memory for its folds");
    while (!rc && o.folds < (int)h.folds)
        rc = read_fold(&o, &o.fold[o.folds++], &at, end, err);
    if (!rc && at != end)
        rc = damaged(err, "it is longer than its folds");
    if (rc)
        oof_close(&o);
    else
        *ret = o;
    return rc;
}

int oof_open(const char *path, struct oof *ret, struct hpo_err *err)
{
    struct file_map map = {0};
    struct oof o = {0};
    int rc = file_map_open(&map, path, err);

    if (rc)
        return rc;
    rc = oof_parse(map.p, map.n, &o, err);
    if (rc) {
        hpo_fail_at(err, "%s", path);
        file_map_close(&map);
        return rc;
    }
    o.map = map;
    *ret = o;
    return 0;
}

void oof_close(struct oof *o)
{
    for (int i = 0; i < o->folds; i++)
        free(o->fold[i].rank);
    free(o->fold);
    file_map_close(&o->map);
    *o = (struct oof){0};
}

/* Where the image's row is; NULL: it has none. */
static const uint16_t *find_row(const struct oof *o, const struct oof_fold *f, int64_t image)
{
    uint64_t word = f->has[image / 64], bit = (uint64_t)1 << image % 64;
    size_t before = f->rank[image / 64] + (size_t)__builtin_popcountll(word & (bit - 1));

    return word & bit ? f->row + before * row_length(o->shape.classes) : NULL;
}

/* Of all classes the sum is 1 again; of some it is what they had. */
static void add_row(const struct oof *o, const uint16_t *row, float *ret)
{
    int classes = o->shape.classes;
    uint32_t sum = 0;

    if (classes > OOF_DENSE) {
        for (int k = 0; k < o->kept; k++)
            ret[row[2 * k]] += (float)row[2 * k + 1] / ONE;
        return;
    }
    for (int c = 0; c < classes; c++)
        sum += row[c];
    for (int c = 0; c < classes; c++)
        ret[c] += (float)row[c] / (float)sum;
}

bool oof_row(const struct oof *o, int i, int64_t image, float *ret)
{
    const uint16_t *row = find_row(o, &o->fold[i], image);

    if (!row)
        return false;
    memset(ret, 0, (size_t)o->shape.classes * sizeof(*ret));
    add_row(o, row, ret);
    return true;
}

int oof_image(const struct oof *o, int64_t image, float *ret)
{
    int n = 0;

    for (int i = 0; i < o->folds; i++) {
        const uint16_t *row = find_row(o, &o->fold[i], image);

        if (!row)
            continue;
        if (!n++)
            memset(ret, 0, (size_t)o->shape.classes * sizeof(*ret));
        add_row(o, row, ret);
    }
    for (int c = 0; n > 1 && c < o->shape.classes; c++)
        ret[c] /= (float)n;
    return n;
}
