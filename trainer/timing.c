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

#define MAGIC "HPOTIME2"

struct head {
    char magic[8];
    uint64_t sum; /* XXH3 of what follows */
    uint8_t fingerprint[16];
    double total;
};

/* Then for each fold: its place and what its epoch took so far; then for each fold the rows of its
 * finished epochs. */
struct fold_on_disk {
    uint32_t epoch, step;
    double partial;
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

void timing_save(const struct ckpt_shape *s, const char *dir, const struct ckpt_place *place,
                 const struct timing *t)
{
    struct head h = {.total = t->total};
    struct str path = {0}, out = {0};

    memcpy(h.magic, MAGIC, sizeof(h.magic));
    memcpy(h.fingerprint, s->fingerprint, sizeof(h.fingerprint));
    str_addn(&out, (const char *)&h, sizeof(h));
    for (int i = 0; i < s->folds; i++) {
        struct fold_on_disk f = {(uint32_t)place[i].epoch, (uint32_t)place[i].step, t->partial[i]};

        str_addn(&out, (const char *)&f, sizeof(f));
    }
    for (int i = 0; i < s->folds; i++)
        str_addn(&out, (const char *)(t->row + (size_t)i * (size_t)s->epochs * 2),
                 (size_t)place[i].epoch * 2 * sizeof(double));
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

/* The rows of a fold, from a file that may have more of them than the checkpoint (it is written
 * before that) or fewer. Returns what the file has of them. */
static size_t take_rows(const char *from, size_t left, const struct fold_on_disk *f, int epochs,
                        double *ret)
{
    size_t has = (size_t)f->epoch * 2, want = (size_t)epochs * 2;

    has = has < left / sizeof(double) ? has : left / sizeof(double);
    want = want < has ? want : has;
    for (size_t i = 0; i < want; i++) {
        memcpy(&ret[i], from + i * sizeof(double), sizeof(double));
        ret[i] = sane(ret[i]);
    }
    return has * sizeof(double);
}

void timing_load(const struct ckpt_shape *s, const char *dir, const struct ckpt_place *place,
                 struct timing *ret)
{
    size_t folds = (size_t)s->folds, most = folds * (size_t)s->epochs * 2 * sizeof(double);
    size_t at = sizeof(struct head) + folds * sizeof(struct fold_on_disk), n = 0;
    char *bytes = NULL;
    struct str path = {0};
    struct head h;

    memset(ret->row, 0, most);
    memset(ret->partial, 0, sizeof(ret->partial));
    ret->total = 0;
    str_addf(&path, "%s/timing", dir);
    if (file_read(path.s, at + most, &bytes, &n, NULL) || n < at)
        goto out;
    memcpy(&h, bytes, sizeof(h));
    if (memcmp(h.magic, MAGIC, sizeof(h.magic)) || h.sum != sum_of(bytes, n) ||
        memcmp(h.fingerprint, s->fingerprint, sizeof(h.fingerprint)))
        goto out;
    ret->total = sane(h.total);
    for (size_t i = 0; i < folds; i++) {
        struct fold_on_disk f;

        memcpy(&f, bytes + sizeof(h) + i * sizeof(f), sizeof(f));
        at +=
            take_rows(bytes + at, n - at, &f, place[i].epoch, ret->row + i * (size_t)s->epochs * 2);
        if (f.epoch == (uint32_t)place[i].epoch && f.step == (uint32_t)place[i].step)
            ret->partial[i] = sane(f.partial);
    }
out:
    free(bytes);
    str_release(&path);
}
