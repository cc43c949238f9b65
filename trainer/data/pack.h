/* trainer/data/pack.h - the packed file: a decoded data set as one mapping.
 *
 * Native byte order (a file of another is refused and made anew). In order:
 *
 *   header     4096 bytes: struct pack_header, zeros
 *   pixels     (n, size, size, 3) bytes, from 4096
 *   blocks     XXH3-64 of each 4 MiB of the pixels, the last one shorter
 *   labels     (n) int32
 *   groups     (n) int32, or nothing
 *   sums       (n, 3, 2) uint64: sum and sum of squares of each channel
 *   bad        records of 256 bytes: the images that were left out, and why
 *
 * each section aligned to 64 bytes. Class names and paths are not in it: they come from the
 * listing, so that two folders with the same content share one file. The header carries XXH3-64 of
 * every section but the pixels, and of itself; these are verified when it is opened, as are all the
 * blocks of pixels up to 256 MiB, and of more 64 blocks spread evenly with the first and the last
 * (a cut or a hole is found at once, a flipped bit in a huge file with the share of it that is
 * read: reading all of it would cost what the cache is there to save). */
#ifndef HPO_TRAINER_DATA_PACK_H
#define HPO_TRAINER_DATA_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"

#define PACK_VERSION 1
#define PACK_BLOCK ((uint64_t)4 << 20)
#define PACK_CHECK_ALL ((uint64_t)256 << 20)
#define PACK_CHECK_BLOCKS 64

struct pack_bad {
    int64_t index; /* in the listing, good ones counted; ascending */
    char reason[248];
};

/* A file's content; pointers into the mapping, or into the caller's memory when it is written. */
struct pack {
    uint8_t key[16]; /* of the content */
    int64_t n, n_bad;
    int size, classes;
    const uint8_t *pixels;
    const int32_t *labels, *groups; /* groups: NULL without */
    const uint64_t *sums;
    const struct pack_bad *bad;
};

/* Look at the bytes of a file, aligned to 64. HPO_EFORMAT with what is wrong with it. Every offset,
 * count and label is checked; nothing is written. */
int pack_check(const uint8_t *bytes, size_t n, struct pack *ret, struct hpo_err *err);

/* A file in the making, under a temporary name beside `path`. Its pixels are a mapping to decode
 * into, of room for n images; the disk has room for them when this returns 0 (HPO_EIO with the path
 * and the bytes needed when it is full). */
struct pack_writer {
    struct file_atomic file;
    int fd; /* of the mapping: readable too */
    uint8_t *pixels;
    uint8_t *map;
    size_t map_bytes;
};
#define PACK_WRITER_INIT ((struct pack_writer){.file = {.fd = -1}, .fd = -1})
int pack_create(struct pack_writer *w, const char *path, int64_t n, int size, struct hpo_err *err);
/* Write the rest (p->pixels is w->pixels) and put the file in place, named `path` (which may be
 * another than at first, in the same folder). The writer is released in any case. */
int pack_commit(struct pack_writer *w, const struct pack *p, const char *path, struct hpo_err *err);
void pack_abort(struct pack_writer *w); /* also valid after a commit or a failed create */

#endif
