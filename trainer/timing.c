#include "trainer/timing.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/str.h"

#define MAGIC "HPOTIME1"

struct head {
    char magic[8];
    uint64_t sum; /* XXH3 of what follows */
    uint8_t fingerprint[16];
    uint32_t group, epoch, step, zero;
    double total, partial;
};

static uint64_t sum_of(const char *bytes, size_t n)
{
    size_t from = offsetof(struct head, fingerprint);

    return XXH3_64bits(bytes + from, n - from);
}

/* Renamed into place but not synced: after a power loss it may be empty, and then it is ignored. */
static void replace(const char *path, const char *bytes, size_t n)
{
    struct str temp = {0};
    int fd;

    str_addf(&temp, "%s.tmp-%ld", path, (long)getpid());
    fd = open(temp.s, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd >= 0) {
        bool written = !file_write_all(fd, bytes, n, path, NULL);

        written = !close(fd) && written;
        if (!written || rename(temp.s, path))
            unlink(temp.s);
    }
    str_release(&temp);
}

void timing_save(const struct ckpt_shape *s, const char *dir, struct ckpt_place place,
                 const struct timing *t)
{
    struct head h = {
        .group = (uint32_t)place.group,
        .epoch = (uint32_t)place.epoch,
        .step = (uint32_t)place.step,
        .total = t->total,
        .partial = t->partial,
    };
    struct str path = {0}, out = {0};

    memcpy(h.magic, MAGIC, sizeof(h.magic));
    memcpy(h.fingerprint, s->fingerprint, sizeof(h.fingerprint));
    str_addn(&out, (const char *)&h, sizeof(h));
    str_addn(&out, (const char *)t->row, ckpt_rows(s, place) * 2 * sizeof(double));
    h.sum = sum_of(out.s, out.n);
    memcpy(out.s, &h, sizeof(h));
    str_addf(&path, "%s/timing", dir);
    replace(path.s, out.s, out.n);
    str_release(&path);
    str_release(&out);
}

static double sane(double seconds)
{
    return isfinite(seconds) && seconds > 0 ? seconds : 0;
}

void timing_load(const struct ckpt_shape *s, const char *dir, struct ckpt_place place,
                 struct timing *ret)
{
    size_t most = (size_t)s->groups * (size_t)s->epochs * (size_t)s->models * 2;
    size_t rows = ckpt_rows(s, place) * 2, have, n = 0;
    char *bytes = NULL;
    struct str path = {0};
    struct head h;

    memset(ret->row, 0, most * sizeof(double));
    ret->total = ret->partial = 0;
    str_addf(&path, "%s/timing", dir);
    if (file_read(path.s, sizeof(h) + most * sizeof(double), &bytes, &n, NULL) || n < sizeof(h))
        goto out;
    memcpy(&h, bytes, sizeof(h));
    if (memcmp(h.magic, MAGIC, sizeof(h.magic)) || h.sum != sum_of(bytes, n) ||
        memcmp(h.fingerprint, s->fingerprint, sizeof(h.fingerprint)))
        goto out;
    /* It is written before the checkpoint, so it may be ahead of it, never in another order. */
    have = (n - sizeof(h)) / sizeof(double);
    memcpy(ret->row, bytes + sizeof(h), (have < rows ? have : rows) * sizeof(double));
    for (size_t i = 0; i < rows; i++)
        ret->row[i] = sane(ret->row[i]);
    ret->total = sane(h.total);
    if (h.group == (uint32_t)place.group && h.epoch == (uint32_t)place.epoch &&
        h.step == (uint32_t)place.step)
        ret->partial = sane(h.partial);
out:
    free(bytes);
    str_release(&path);
}
