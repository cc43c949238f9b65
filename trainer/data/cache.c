#include "trainer/data/cache.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/str.h"
#include "trainer/data/image.h"
#include "trainer/data/pack.h"

const char *tr_cache_dir(const char *cache, struct arena *a)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char buf[4096];
    struct passwd pw, *found = NULL;

    if (cache && *cache)
        return arena_strdup(a, cache);
    if (xdg && *xdg == '/') /* relative ones are to be ignored, says the XDG specification */
        return arena_printf(a, "%s/hpo", xdg);
    if (home && *home)
        return arena_printf(a, "%s/.cache/hpo", home);
    if (!getpwuid_r(getuid(), &pw, buf, sizeof(buf), &found) && found)
        return arena_printf(a, "%s/.cache/hpo", pw.pw_dir);
    return arena_strdup(a, ".cache/hpo");
}

/* Of what is hashed, not of the packed file: the digest of a data set goes into studies, which must
 * know it again. */
#define KEY_VERSION 1

/* Every value is hashed with its length or in a fixed one: no two sequences run into each other. */
static void add(XXH3_state_t *s, const void *bytes, size_t n)
{
    XXH3_128bits_update(s, bytes, n);
}

static void add_int(XXH3_state_t *s, int64_t v)
{
    add(s, &v, sizeof(v));
}

static void add_str(XXH3_state_t *s, const char *text)
{
    size_t n = strlen(text);

    add_int(s, (int64_t)n);
    add(s, text, n);
}

static XXH3_state_t *begin(const char *what, const struct tr_list *l,
                           const struct tr_data_spec *spec)
{
    XXH3_state_t *s = XXH3_createState();

    if (!s)
        abort();
    XXH3_128bits_reset(s);
    add_str(s, what);
    add_int(s, KEY_VERSION);
    add_int(s, (int64_t)tr_image_libraries());
    add_int(s, spec->image_size);
    add_int(s, spec->resize);
    add_int(s, l->n);
    add_int(s, l->n_classes);
    for (int c = 0; c < l->n_classes; c++)
        add_str(s, l->classes[c]);
    add_int(s, l->has_groups + 2 * l->has_boxes);
    return s;
}

/* Sets without boxes keep the keys that they had before there were any. */
static void add_box(XXH3_state_t *s, const struct tr_list *l, const struct tr_sample *sample)
{
    const int32_t box[4] = {sample->box.x, sample->box.y, sample->box.w, sample->box.h};

    if (l->has_boxes)
        add(s, box, sizeof(box));
}

static XXH128_canonical_t end(XXH3_state_t *s)
{
    XXH128_canonical_t c;

    XXH128_canonicalFromHash(&c, XXH3_128bits_digest(s));
    XXH3_freeState(s);
    return c;
}

struct cache_keys cache_keys_of(const struct tr_list *list, const struct file_facts *facts,
                                const struct tr_data_spec *spec)
{
    XXH3_state_t *listing = begin("listing", list, spec), *shape = begin("shape", list, spec);
    char real[PATH_MAX];
    struct cache_keys k;
    XXH128_canonical_t c;

    /* The folder too: two sets unpacked from archives can agree in names, sizes and times. */
    add_str(listing, realpath(list->root, real) ? real : list->root);
    for (int64_t i = 0; i < list->n; i++) {
        const struct tr_sample *s = &list->sample[i];
        const struct file_facts *f = &facts[i];
        const int64_t both[3] = {s->label, s->group, f->size};
        const int64_t seen[3] = {f->mtime_ns, f->ctime_ns, f->error};

        add(shape, both, sizeof(both));
        add_box(shape, list, s);
        add_box(listing, list, s);
        add(listing, both, sizeof(both));
        add(listing, seen, sizeof(seen));
        add_str(listing, s->path);
    }
    c = end(listing);
    memcpy(k.listing, c.digest, 16);
    c = end(shape);
    memcpy(&k.shape, c.digest, 8);
    return k;
}

void cache_content_key(const struct tr_list *list, const uint8_t (*hash)[16],
                       const struct tr_data_spec *spec, uint8_t ret[16])
{
    XXH3_state_t *s = begin("content", list, spec);
    XXH128_canonical_t c;

    for (int64_t i = 0; i < list->n; i++) {
        add_int(s, list->sample[i].label);
        add_int(s, list->sample[i].group);
        add_box(s, list, &list->sample[i]);
        add(s, hash[i], 16);
    }
    c = end(s);
    memcpy(ret, c.digest, 16);
}

void cache_digest(const uint8_t content[16], const int32_t *folds, int64_t n, char ret[33])
{
    XXH3_state_t *s;
    XXH128_canonical_t c;

    if (!folds) {
        cache_hex(content, ret);
        return;
    }
    s = XXH3_createState();
    if (!s)
        abort();
    XXH3_128bits_reset(s);
    add_str(s, "folds");
    add(s, content, 16);
    add(s, folds, (size_t)n * sizeof(*folds));
    c = end(s);
    cache_hex(c.digest, ret);
}

void cache_hex(const uint8_t key[16], char ret[33])
{
    for (int i = 0; i < 16; i++)
        snprintf(ret + 2 * i, 3, "%02x", key[i]);
}

const char *cache_pack_path(const char *dir, const struct cache_keys *k, const uint8_t content[16],
                            struct arena *a)
{
    char hex[33];

    cache_hex(content, hex);
    return arena_printf(a, "%s/%016llx-%s.pack", dir, (unsigned long long)k->shape, hex);
}

static const char *listing_path(const char *dir, const struct cache_keys *k, const char *ending,
                                struct arena *a)
{
    char hex[33];

    cache_hex(k->listing, hex);
    return arena_printf(a, "%s/%s%s", dir, hex, ending);
}

const char *cache_temp_path(const char *dir, const struct cache_keys *k, struct arena *a)
{
    return listing_path(dir, k, ".pack", a);
}

bool cache_has_shape(const char *dir, const struct cache_keys *k)
{
    char prefix[20];
    DIR *d = opendir(dir);
    struct dirent *e;
    bool found = false;

    snprintf(prefix, sizeof(prefix), "%016llx-", (unsigned long long)k->shape);
    while (d && !found && (e = readdir(d)))
        found = !strncmp(e->d_name, prefix, strlen(prefix));
    if (d)
        closedir(d);
    return found;
}

struct index {
    char magic[8];
    uint8_t listing[16], content[16];
    uint64_t shape, hash; /* hash: of everything before it */
};
static const char index_magic[8] = {'h', 'p', 'o', 'i', 'n', 'd', 'x', '1'};

bool cache_index_get(const char *dir, const struct cache_keys *k, uint8_t ret_content[16])
{
    struct arena a = {0};
    struct index x;
    char *bytes = NULL;
    size_t n = 0;
    bool ok = !file_read(listing_path(dir, k, ".index", &a), sizeof(x), &bytes, &n, NULL) &&
              n == sizeof(x);

    arena_release(&a);
    if (ok) {
        memcpy(&x, bytes, sizeof(x));
        ok = !memcmp(x.magic, index_magic, sizeof(index_magic)) &&
             !memcmp(x.listing, k->listing, sizeof(x.listing)) && x.shape == k->shape &&
             x.hash == XXH3_64bits(&x, offsetof(struct index, hash));
    }
    if (ok)
        memcpy(ret_content, x.content, sizeof(x.content));
    free(bytes);
    return ok;
}

int cache_index_put(const char *dir, const struct cache_keys *k, const uint8_t content[16],
                    struct hpo_err *err)
{
    struct arena a = {0};
    struct index x = {.shape = k->shape};
    int rc;

    memcpy(x.magic, index_magic, sizeof(x.magic));
    memcpy(x.listing, k->listing, sizeof(x.listing));
    memcpy(x.content, content, sizeof(x.content));
    x.hash = XXH3_64bits(&x, offsetof(struct index, hash));
    rc = file_replace(listing_path(dir, k, ".index", &a), &x, sizeof(x), err);
    arena_release(&a);
    return rc;
}

/* The lock's file is removed when it is given back, so what was locked may be a file that has just
 * lost its name. */
static bool still_named(const struct cache_lock *l)
{
    struct stat a, b;

    return !fstat(l->lock.fd, &a) && !stat(l->path, &b) && a.st_ino == b.st_ino &&
           a.st_dev == b.st_dev;
}

/* Files that a killed process left: whoever holds the lock knows that nobody writes them now. */
static void remove_leftovers(const struct cache_lock *l)
{
    const char *base = strrchr(l->temp, '/') + 1;
    size_t n = strlen(base);
    DIR *d = opendir(l->dir);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (!strncmp(e->d_name, base, n) && !strncmp(e->d_name + n, ".tmp-", 5))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

int cache_lock(struct cache_lock *l, const char *dir, const struct cache_keys *k, int64_t n,
               tr_decode_progress_fn *progress, void *arg, struct hpo_err *err)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    struct arena a = {0};

    *l = (struct cache_lock){.lock = FILE_LOCK_INIT, .dir = dir};
    l->path = xstrdup(listing_path(dir, k, ".lock", &a));
    l->temp = cache_temp_path(dir, k, &a);
    for (;;) {
        int rc = file_lock(&l->lock, l->path, NULL);

        if (!rc && still_named(l)) {
            remove_leftovers(l);
            break;
        }
        file_unlock(&l->lock);
        if (rc && rc != HPO_EBUSY)
            break;
        if (rc && progress && !progress(arg, 0, n)) {
            arena_release(&a);
            free(l->path);
            *l = (struct cache_lock){.lock = FILE_LOCK_INIT};
            return hpo_fail(err, HPO_ESTOPPED, "stopped while another process decodes the images");
        }
        if (rc)
            nanosleep(&pause, NULL);
    }
    l->temp = NULL;
    arena_release(&a);
    return 0;
}

void cache_unlock(struct cache_lock *l)
{
    if (l->lock.fd >= 0)
        unlink(l->path);
    file_unlock(&l->lock);
    free(l->path);
    l->path = NULL;
}
