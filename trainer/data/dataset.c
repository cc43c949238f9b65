#include "trainer/data/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "trainer/data/cache.h"
#include "trainer/data/image.h"
#include "trainer/data/ingest.h"
#include "trainer/data/mistakes.h"
#include "trainer/data/pack.h"
#include "trainer/data/reader.h"

/* A file written so shortly before it was looked at may change again within one tick of the file
 * system's clock, unseen by the next look: its times are not trusted. */
#define FRESH_NS ((int64_t)20 * 1000 * 1000)

struct opening {
    const struct tr_data_spec *spec;
    tr_decode_progress_fn *progress;
    void *arg;
    struct arena arena;
    struct tr_list list;
    struct file_facts *facts; /* (list.n) */
    bool fresh;               /* some file is too new for its times to name it */
    int root_fd;
    const char *dir;
    struct cache_keys keys;
    uint8_t (*hash)[16]; /* (list.n) */
    char **reason;       /* (list.n) */
};

static int64_t to_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int look_at_files(struct opening *o, struct hpo_err *err)
{
    struct timespec t;
    int64_t newest = INT64_MIN;

    o->root_fd = open(o->list.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->root_fd < 0)
        return hpo_fail(err, HPO_EIO, "%s: %s", o->list.root, strerror(errno));
    clock_gettime(CLOCK_REALTIME, &t);
    o->facts = xcalloc((size_t)o->list.n, sizeof(*o->facts));
    for (int64_t i = 0; i < o->list.n; i++) {
        struct file_facts *f = &o->facts[i];
        struct stat st;

        f->size = -1;
        if (fstatat(o->root_fd, o->list.sample[i].path, &st, 0)) {
            f->error = errno == ENOTDIR ? ENOENT : errno;
            continue;
        }
        f->is_folder = S_ISDIR(st.st_mode);
        if (S_ISREG(st.st_mode))
            f->size = st.st_size;
        f->mtime_ns = to_ns(st.st_mtim);
        f->ctime_ns = to_ns(st.st_ctim);
        newest = f->ctime_ns > newest ? f->ctime_ns : newest;
    }
    o->fresh = newest > to_ns(t) - FRESH_NS;
    return 0;
}

static int fail_bad(const struct opening *o, const struct pack_bad *bad, int64_t n,
                    struct hpo_err *err)
{
    struct mistakes m = {0};
    int64_t outside = 0;
    char head[128];
    int rc;

    snprintf(head, sizeof(head),
             "%lld of %lld images cannot be used (data.on_error: skip leaves %s out):",
             (long long)n, (long long)o->list.n, n == 1 ? "it" : "them");
    for (int64_t i = 0; i < n; i++) {
        const struct tr_sample *s = &o->list.sample[bad[i].index];

        outside += !strncmp(bad[i].reason, TR_BOX_OUTSIDE, strlen(TR_BOX_OUTSIDE));
        if (o->list.file)
            mistakes_add(&m, "%s:%lld: %s: %s", o->list.file, (long long)s->line, s->path,
                         bad[i].reason);
        else
            mistakes_add(&m, "%s: %s", s->path, bad[i].reason);
    }
    /* A box is something that a person, or a person's script, wrote down. */
    rc = mistakes_fail(&m, outside == n ? HPO_ECONFIG : HPO_EFORMAT, head, err);
    mistakes_release(&m);
    return rc;
}

/* A packed file's content and the listing, side by side. Takes over o->list's arena. */
static void fill(struct opening *o, const struct pack *p, struct tr_dataset *d)
{
    struct arena *a = &o->list.arena;
    const char **paths = ARENA_ARRAY(a, const char *, p->n);
    int64_t *lines = ARENA_ARRAY(a, int64_t, p->n);
    int32_t *folds = o->list.n_folds ? ARENA_ARRAY(a, int32_t, p->n) : NULL;
    int64_t *counts = ARENA_ARRAY(a, int64_t, o->list.n_classes), b = 0, at = 0;

    d->bad = ARENA_ARRAY(a, struct tr_bad_image, p->n_bad);
    d->n_bad = (int)p->n_bad;
    for (int64_t i = 0; i < o->list.n; i++) {
        const struct tr_sample *s = &o->list.sample[i];

        if (b < p->n_bad && p->bad[b].index == i) {
            d->bad[b] =
                (struct tr_bad_image){s->path, s->line, arena_strdup(a, p->bad[b].reason)};
            b++;
        } else {
            counts[p->labels[at]]++;
            lines[at] = s->line;
            if (folds)
                folds[at] = s->fold;
            paths[at++] = s->path;
        }
    }
    d->images = (struct kn_images){.pixels = p->pixels,
                                   .labels = p->labels,
                                   .n = p->n,
                                   .h = p->size,
                                   .w = p->size,
                                   .classes = p->classes};
    d->class_names = o->list.classes;
    d->class_counts = counts;
    d->groups = p->groups;
    d->group_names = o->list.groups;
    d->folds = folds;
    d->n_folds = o->list.n_folds;
    d->paths = paths;
    d->lines = o->list.file ? lines : NULL;
    d->pixel_sums = p->sums;
    cache_digest(p->key, folds, p->n, d->digest);
    d->arena = *a;
    o->list = (struct tr_list){0};
}

/* HPO_EMISSING: the cache does not have it, or what it has is damaged. */
static int open_pack(struct opening *o, const uint8_t content[16], struct tr_dataset *d,
                     struct hpo_err *err)
{
    const char *path = cache_pack_path(o->dir, &o->keys, content, &o->arena);
    struct file_map map = {0};
    struct pack p = {0};
    struct hpo_err why = {0};
    int rc = file_map_open(&map, path, &why);

    if (!rc)
        rc = pack_check(map.p, map.n, &p, &why);
    if (!rc && (memcmp(p.key, content, 16) || p.n + p.n_bad != o->list.n ||
                p.classes != o->list.n_classes || p.size != o->spec->image_size))
        rc = hpo_fail(&why, HPO_EFORMAT, "is of another data set");
    if (rc) {
        file_map_close(&map);
        return hpo_fail(err, HPO_EMISSING, "%s: %s", path, why.msg);
    }
    if (p.n_bad && o->spec->on_error == TR_ON_ERROR_FAIL) {
        rc = fail_bad(o, p.bad, p.n_bad, err);
        file_map_close(&map);
        return rc;
    }
    fill(o, &p, d);
    d->map = map;
    d->cache_file = arena_strdup(&d->arena, path);
    return 0;
}

/* The same, for those who go on when it is missing: *err is not touched then. */
static int try_pack(struct opening *o, const uint8_t content[16], struct tr_dataset *d,
                    struct hpo_err *err)
{
    struct hpo_err e = {0};
    int rc = open_pack(o, content, d, &e);

    if (rc && rc != HPO_EMISSING)
        hpo_fail(err, rc, "%s", e.msg);
    return rc;
}

static int open_listed(struct opening *o, struct tr_dataset *d, struct hpo_err *err)
{
    uint8_t content[16];

    if (!cache_index_get(o->dir, &o->keys, content))
        return HPO_EMISSING;
    return try_pack(o, content, d, err);
}

/* The next look at the same files need not read them. Not having it costs time, nothing else. */
static void remember(struct opening *o, int64_t unreadable, const uint8_t content[16])
{
    if (!o->fresh && !unreadable)
        cache_index_put(o->dir, &o->keys, content, NULL);
}

static int run(struct opening *o, uint8_t *pixels, uint64_t (*sums)[3][2], int64_t *ret_unreadable,
               struct hpo_err *err)
{
    struct ingest job = {.root_fd = o->root_fd,
                         .sample = o->list.sample,
                         .facts = o->facts,
                         .n = o->list.n,
                         .size = o->spec->image_size,
                         .resize = o->spec->resize,
                         .threads = o->spec->threads,
                         .progress = o->progress,
                         .arg = o->arg,
                         .pixels = pixels,
                         .sums = sums,
                         .hash = o->hash,
                         .reason = o->reason};
    int rc;

    for (int64_t i = 0; i < o->list.n; i++) {
        free(o->reason[i]);
        o->reason[i] = NULL;
    }
    memset(o->hash, 0, (size_t)o->list.n * sizeof(*o->hash));
    rc = ingest_run(&job, err);
    *ret_unreadable = job.unreadable;
    return rc;
}

/* The files were copied or touched: hash them, and see whether their content is known. */
static int open_hashed(struct opening *o, struct tr_dataset *d, struct hpo_err *err)
{
    uint8_t content[16];
    int64_t unreadable;
    int rc = run(o, NULL, NULL, &unreadable, err);

    if (rc)
        return rc;
    cache_content_key(&o->list, (const uint8_t(*)[16])o->hash, o->spec, content);
    rc = try_pack(o, content, d, err);
    if (!rc)
        remember(o, unreadable, content);
    return rc;
}

struct build {
    struct pack_writer writer;
    uint64_t (*sums)[3][2];
    int32_t *labels, *groups;
    struct pack_bad *bad;
};

/* Close the gaps that bad images left, and list these. */
static void compact(struct opening *o, struct build *b, struct pack *p)
{
    size_t bytes = (size_t)o->spec->image_size * (size_t)o->spec->image_size * 3;

    for (int64_t i = 0; i < o->list.n; i++)
        p->n_bad += o->reason[i] != NULL;
    b->bad = xcalloc((size_t)p->n_bad, sizeof(*b->bad));
    p->n_bad = 0;
    for (int64_t i = 0; i < o->list.n; i++) {
        if (o->reason[i]) {
            b->bad[p->n_bad].index = i;
            snprintf(b->bad[p->n_bad++].reason, sizeof(b->bad->reason), "%s", o->reason[i]);
            continue;
        }
        if (p->n != i) {
            memmove(b->writer.pixels + (size_t)p->n * bytes, b->writer.pixels + (size_t)i * bytes,
                    bytes);
            memcpy(b->sums[p->n], b->sums[i], sizeof(*b->sums));
        }
        b->labels[p->n] = o->list.sample[i].label;
        b->groups[p->n++] = o->list.sample[i].group;
    }
    p->pixels = b->writer.pixels;
    p->labels = b->labels;
    p->groups = o->list.has_groups ? b->groups : NULL;
    p->sums = &b->sums[0][0][0];
    p->bad = b->bad;
}

static int decode_into(struct opening *o, struct build *b, struct tr_dataset *d,
                       struct hpo_err *err)
{
    struct pack p = {.size = o->spec->image_size, .classes = o->list.n_classes};
    double start = clock_monotonic();
    int64_t unreadable;
    int rc = run(o, b->writer.pixels, b->sums, &unreadable, err);

    if (rc)
        return rc;
    cache_content_key(&o->list, (const uint8_t(*)[16])o->hash, o->spec, p.key);
    compact(o, b, &p);
    if (p.n_bad && (o->spec->on_error == TR_ON_ERROR_FAIL || !p.n))
        return fail_bad(o, p.bad, p.n_bad, err);
    rc = pack_commit(&b->writer, &p, cache_pack_path(o->dir, &o->keys, p.key, &o->arena), err);
    if (!rc)
        rc = open_pack(o, p.key, d, err);
    if (rc)
        return rc;
    remember(o, unreadable, p.key);
    d->decoded = d->images.n;
    d->decode_seconds = clock_monotonic() - start;
    return 0;
}

static int open_decoded(struct opening *o, struct tr_dataset *d, struct hpo_err *err)
{
    size_t n = (size_t)o->list.n;
    struct build b = {.writer = PACK_WRITER_INIT};
    int rc = pack_create(&b.writer, cache_temp_path(o->dir, &o->keys, &o->arena), o->list.n,
                         o->spec->image_size, err);

    if (rc)
        return rc;
    b.sums = xcalloc(n, sizeof(*b.sums));
    b.labels = xcalloc(n, sizeof(*b.labels));
    b.groups = xcalloc(n, sizeof(*b.groups));
    rc = decode_into(o, &b, d, err);
    pack_abort(&b.writer);
    free(b.sums);
    free(b.labels);
    free(b.groups);
    free(b.bad);
    return rc;
}

static int open_locked(struct opening *o, struct tr_dataset *d, struct hpo_err *err)
{
    struct cache_lock lock;
    struct hpo_err why = {0};
    int rc;

    if (file_mkdirs(o->dir, &why))
        return hpo_fail(err, HPO_EIO,
                        "the cache of decoded images (data.cache names another folder): %s",
                        why.msg);
    rc = cache_lock(&lock, o->dir, &o->keys, o->list.n, o->progress, o->arg, err);
    if (rc)
        return rc;
    /* Whoever held the lock may have made it. */
    rc = open_listed(o, d, err);
    if (rc == HPO_EMISSING) {
        o->hash = xcalloc((size_t)o->list.n, sizeof(*o->hash));
        o->reason = xcalloc((size_t)o->list.n, sizeof(*o->reason));
        if (cache_has_shape(o->dir, &o->keys))
            rc = open_hashed(o, d, err);
        if (rc == HPO_EMISSING)
            rc = open_decoded(o, d, err);
    }
    cache_unlock(&lock);
    return rc;
}

static int check_spec(const struct tr_data_spec *spec, struct hpo_err *err)
{
    if (!spec->path || !*spec->path)
        return hpo_fail(err, HPO_ECONFIG, "data.path is empty");
    if (spec->image_size < 1 || spec->image_size > TR_IMAGE_MAX_SIZE)
        return hpo_fail(err, HPO_ECONFIG, "image_size is %d, allowed is 1 to %d", spec->image_size,
                        TR_IMAGE_MAX_SIZE);
    if (spec->limit < 0)
        return hpo_fail(err, HPO_ECONFIG, "limit is %d, allowed is 0 (all) or more", spec->limit);
    return 0;
}

int tr_dataset_open(struct tr_dataset *ret, const struct tr_data_spec *spec,
                    tr_decode_progress_fn *progress, void *arg, struct hpo_err *err)
{
    struct opening o = {.spec = spec, .progress = progress, .arg = arg, .root_fd = -1};
    struct tr_dataset d = {0};
    int64_t n;
    int rc = check_spec(spec, err);

    if (!rc)
        rc = tr_list_read(spec->path, &o.list, err);
    if (rc)
        return rc;
    tr_list_limit(&o.list, spec->limit, spec->seed);
    n = o.list.n;
    rc = look_at_files(&o, err);
    if (rc)
        goto out;
    o.dir = tr_cache_dir(spec->cache, &o.arena);
    o.keys = cache_keys_of(&o.list, o.facts, spec);
    rc = open_listed(&o, &d, err);
    if (rc == HPO_EMISSING)
        rc = open_locked(&o, &d, err);
    if (!rc)
        *ret = d;
out:
    for (int64_t i = 0; o.reason && i < n; i++)
        free(o.reason[i]);
    free(o.reason);
    free(o.hash);
    free(o.facts);
    if (o.root_fd >= 0)
        close(o.root_fd);
    tr_list_release(&o.list);
    arena_release(&o.arena);
    return rc;
}

void tr_dataset_close(struct tr_dataset *d)
{
    file_map_close(&d->map);
    arena_release(&d->arena);
    *d = (struct tr_dataset){0};
}
