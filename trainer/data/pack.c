#include "trainer/data/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/arena.h"
#include "trainer/data/image.h"

#define HEADER_BYTES 4096
#define ALIGN 64

enum { BLOCKS, LABELS, GROUPS, SUMS, BAD, SECTIONS };

struct section {
    uint64_t at, bytes, hash;
};

struct pack_header {
    char magic[8];
    uint32_t version, order; /* order: 0x01020304 as this machine writes it */
    uint8_t key[16];
    int64_t n, n_bad;
    int32_t size, classes;
    int32_t has_groups, zero;
    struct section section[SECTIONS];
    uint64_t file_bytes;
    uint64_t hash; /* of everything before it */
};

static const char magic[8] = {'h', 'p', 'o', 'p', 'a', 'c', 'k', '\n'};

/* Offsets follow from the counts: there is one layout for them. false: they overflow. */
static bool lay_out(struct pack_header *h)
{
    uint64_t n = (uint64_t)h->n, area = (uint64_t)h->size * (uint64_t)h->size, pixels, at;
    uint64_t bytes[SECTIONS];

    if (__builtin_mul_overflow(n, area * 3, &pixels) || pixels > INT64_MAX / 2)
        return false;
    bytes[BLOCKS] = (pixels + PACK_BLOCK - 1) / PACK_BLOCK * sizeof(uint64_t);
    bytes[LABELS] = n * sizeof(int32_t);
    bytes[GROUPS] = h->has_groups ? n * sizeof(int32_t) : 0;
    bytes[SUMS] = n * 6 * sizeof(uint64_t);
    bytes[BAD] = (uint64_t)h->n_bad * sizeof(struct pack_bad);
    at = HEADER_BYTES + pixels;
    for (int s = 0; s < SECTIONS; s++) {
        at = (at + ALIGN - 1) / ALIGN * ALIGN;
        h->section[s].at = at;
        h->section[s].bytes = bytes[s];
        at += bytes[s];
    }
    h->file_bytes = at;
    return true;
}

static uint64_t header_hash(const struct pack_header *h)
{
    return XXH3_64bits(h, offsetof(struct pack_header, hash));
}

static uint64_t block_hash(const uint8_t *pixels, uint64_t bytes, uint64_t block)
{
    uint64_t from = block * PACK_BLOCK;

    return XXH3_64bits(pixels + from, bytes - from < PACK_BLOCK ? bytes - from : PACK_BLOCK);
}

static int check_header(const uint8_t *bytes, size_t n, struct pack_header *ret,
                        struct hpo_err *err)
{
    struct pack_header h, expected;

    if (n < HEADER_BYTES)
        return hpo_fail(err, HPO_EFORMAT, "is cut off");
    memcpy(&h, bytes, sizeof(h));
    if (memcmp(h.magic, magic, sizeof(magic)) || h.order != 0x01020304 || h.version != PACK_VERSION)
        return hpo_fail(err, HPO_EFORMAT, "is not a packed data set of this version");
    if (h.hash != header_hash(&h))
        return hpo_fail(err, HPO_EFORMAT, "has a damaged header");
    if (h.n < 1 || h.n > INT32_MAX || h.n_bad < 0 || h.n_bad > INT32_MAX || h.size < 1 ||
        h.size > TR_IMAGE_MAX_SIZE || h.classes < 1 || h.has_groups < 0 || h.has_groups > 1)
        return hpo_fail(err, HPO_EFORMAT, "has an impossible header");
    expected = h;
    if (!lay_out(&expected) || memcmp(&expected, &h, sizeof(h)))
        return hpo_fail(err, HPO_EFORMAT, "has an impossible header");
    if (h.file_bytes != n)
        return hpo_fail(err, HPO_EFORMAT, "is %llu bytes long instead of %llu",
                        (unsigned long long)n, (unsigned long long)h.file_bytes);
    *ret = h;
    return 0;
}

static int check_values(const struct pack *p, struct hpo_err *err)
{
    for (int64_t i = 0; i < p->n; i++)
        if (p->labels[i] < 0 || p->labels[i] >= p->classes)
            return hpo_fail(err, HPO_EFORMAT, "has an impossible label");
    for (int64_t i = 0; i < p->n_bad; i++) {
        const struct pack_bad *b = &p->bad[i];

        if (b->index < (i ? p->bad[i - 1].index + 1 : 0) || b->index >= p->n + p->n_bad ||
            !memchr(b->reason, 0, sizeof(b->reason)))
            return hpo_fail(err, HPO_EFORMAT, "has an impossible list of bad images");
    }
    return 0;
}

static int check_pixels(const uint8_t *bytes, const struct pack_header *h, struct hpo_err *err)
{
    const uint64_t *hash = (const uint64_t *)(const void *)(bytes + h->section[BLOCKS].at);
    uint64_t n = h->section[BLOCKS].bytes / sizeof(*hash);
    uint64_t size = (uint64_t)h->n * (uint64_t)h->size * (uint64_t)h->size * 3;
    uint64_t checks = size <= PACK_CHECK_ALL || n < PACK_CHECK_BLOCKS ? n : PACK_CHECK_BLOCKS;

    for (uint64_t i = 0; i < checks; i++) {
        uint64_t block = checks == n ? i : i * (n - 1) / (checks - 1);

        if (block_hash(bytes + HEADER_BYTES, size, block) != hash[block])
            return hpo_fail(err, HPO_EFORMAT, "has damaged pixels");
    }
    return 0;
}

int pack_check(const uint8_t *bytes, size_t n, struct pack *ret, struct hpo_err *err)
{
    struct pack_header h = {0};
    struct pack p = {0};
    int rc = check_header(bytes, n, &h, err);

    if (rc)
        return rc;
    for (int s = 0; s < SECTIONS; s++)
        if (XXH3_64bits(bytes + h.section[s].at, h.section[s].bytes) != h.section[s].hash)
            return hpo_fail(err, HPO_EFORMAT, "is damaged (section %d)", s);
    memcpy(p.key, h.key, sizeof(p.key));
    p.n = h.n;
    p.n_bad = h.n_bad;
    p.size = h.size;
    p.classes = h.classes;
    p.pixels = bytes + HEADER_BYTES;
    p.labels = (const int32_t *)(const void *)(bytes + h.section[LABELS].at);
    p.groups = h.has_groups ? (const int32_t *)(const void *)(bytes + h.section[GROUPS].at) : NULL;
    p.sums = (const uint64_t *)(const void *)(bytes + h.section[SUMS].at);
    p.bad = (const struct pack_bad *)(const void *)(bytes + h.section[BAD].at);
    rc = check_values(&p, err);
    if (!rc)
        rc = check_pixels(bytes, &h, err);
    if (!rc)
        *ret = p;
    return rc;
}

static int fail_room(const char *path, int error, uint64_t bytes, struct hpo_err *err)
{
    return hpo_fail(err, error == ENOMEM ? HPO_ENOMEM : HPO_EIO,
                    "%s: no room for the decoded images, %.1f MB are needed (%s); data.cache names "
                    "another folder",
                    path, (double)bytes / 1e6, strerror(error));
}

int pack_create(struct pack_writer *w, const char *path, int64_t n, int size, struct hpo_err *err)
{
    uint64_t bytes = HEADER_BYTES + (uint64_t)n * (uint64_t)size * (uint64_t)size * 3;
    int rc, error;
    void *map;

    *w = PACK_WRITER_INIT;
    rc = file_atomic_open(&w->file, path, err);
    if (rc)
        return rc;
    w->fd = open(w->file.temp, O_RDWR | O_CLOEXEC); /* a shared mapping must be readable */
    if (w->fd < 0) {
        rc = hpo_fail(err, HPO_EIO, "%s: %s", w->file.temp, strerror(errno));
        goto out;
    }
    /* Blocks of the disk, not only a length: writing to a mapping that finds the disk full is a
     * SIGBUS. */
    do
        error = posix_fallocate(w->fd, 0, (off_t)bytes);
    while (error == EINTR);
    if (error) {
        rc = fail_room(path, error, bytes, err);
        goto out;
    }
    map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
    if (map == MAP_FAILED) {
        rc = fail_room(path, errno, bytes, err);
        goto out;
    }
    w->map = map;
    w->map_bytes = bytes;
    w->pixels = w->map + HEADER_BYTES;
out:
    if (rc)
        pack_abort(w);
    return rc;
}

static int put_at(struct pack_writer *w, const struct section *s, const void *bytes,
                  struct hpo_err *err)
{
    if (lseek(w->fd, (off_t)s->at, SEEK_SET) < 0)
        return hpo_fail(err, HPO_EIO, "%s: %s", w->file.temp, strerror(errno));
    return file_write_all(w->fd, bytes, s->bytes, w->file.path, err);
}

static int write_sections(struct pack_writer *w, const struct pack *p, struct hpo_err *err)
{
    struct pack_header h = {.version = PACK_VERSION,
                            .order = 0x01020304,
                            .n = p->n,
                            .n_bad = p->n_bad,
                            .size = p->size,
                            .classes = p->classes,
                            .has_groups = p->groups != NULL};
    uint64_t pixels = (uint64_t)p->n * (uint64_t)p->size * (uint64_t)p->size * 3, *block;
    struct section head = {.bytes = sizeof(h)};
    const void *part[SECTIONS];
    int rc = 0;

    memcpy(h.magic, magic, sizeof(magic));
    memcpy(h.key, p->key, sizeof(h.key));
    if (!lay_out(&h))
        return hpo_fail(err, HPO_ECONFIG, "%s: too many pixels", w->file.path);
    block = xcalloc(h.section[BLOCKS].bytes / sizeof(*block), sizeof(*block));
    for (uint64_t b = 0; b * PACK_BLOCK < pixels; b++)
        block[b] = block_hash(w->pixels, pixels, b);
    part[BLOCKS] = block;
    part[LABELS] = p->labels;
    part[GROUPS] = p->groups;
    part[SUMS] = p->sums;
    part[BAD] = p->bad;
    /* Cut first: what was left out has left pixels behind the last one, and gaps must be zeros. */
    if (ftruncate(w->fd, (off_t)(HEADER_BYTES + pixels)) || ftruncate(w->fd, (off_t)h.file_bytes))
        rc = hpo_fail(err, HPO_EIO, "%s: %s", w->file.temp, strerror(errno));
    for (int s = 0; s < SECTIONS && !rc; s++) {
        h.section[s].hash = XXH3_64bits(part[s] ? part[s] : "", h.section[s].bytes);
        if (h.section[s].bytes)
            rc = put_at(w, &h.section[s], part[s], err);
    }
    h.hash = header_hash(&h);
    if (!rc)
        rc = put_at(w, &head, &h, err);
    free(block);
    return rc;
}

static void unmap(struct pack_writer *w)
{
    if (w->map)
        munmap(w->map, w->map_bytes);
    if (w->fd >= 0)
        close(w->fd);
    w->map = w->pixels = NULL;
    w->fd = -1;
}

int pack_commit(struct pack_writer *w, const struct pack *p, const char *path, struct hpo_err *err)
{
    int rc = write_sections(w, p, err);

    unmap(w);
    if (rc) {
        pack_abort(w);
        return rc;
    }
    free(w->file.path);
    w->file.path = xstrdup(path);
    return file_atomic_commit(&w->file, err);
}

void pack_abort(struct pack_writer *w)
{
    unmap(w);
    file_atomic_abort(&w->file);
}
