/* trainer/data/ingest.h - read, hash and decode many image files on all cores. */
#ifndef HPO_TRAINER_DATA_INGEST_H
#define HPO_TRAINER_DATA_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "trainer/data/dataset.h"
#include "trainer/data/reader.h"

/* What stat() said about a sample's file. */
struct file_facts {
    int64_t size; /* bytes; -1: not a regular file, or not there */
    int64_t mtime_ns, ctime_ns;
    int error; /* errno of a failed stat, 0 */
    bool is_folder;
};

struct ingest {
    int root_fd; /* sample paths are relative to it */
    const struct tr_sample *sample;
    const struct file_facts *facts;
    int64_t n;
    int size;
    enum tr_resize resize;
    int threads; /* 0: every core that this process may use */
    tr_decode_progress_fn *progress;
    void *arg;

    /* Results, of n each, the caller's memory. pixels NULL: files are only hashed. */
    uint8_t *pixels;        /* (n, size, size, 3) */
    uint64_t (*sums)[3][2]; /* with pixels: sum and sum of squares of each channel */
    uint8_t (*hash)[16];    /* of the file's bytes; zeros when it could not be read */
    char **reason;          /* NULL: usable; otherwise why not, free() */
    int64_t unreadable;     /* of those with a reason: the file system's fault, may pass */
};

/* HPO_ESTOPPED when progress said so, HPO_ENOMEM. Bad images are not failures: see reason. */
int ingest_run(struct ingest *job, struct hpo_err *err);
int ingest_cores(void);

#endif
