/* trainer/data/cache.h - finding packed files again.
 *
 * Two keys. The *listing* key names what stat() sees: the folder, paths, sizes, times, labels,
 * decode parameters; `<listing>.index` in the cache folder holds the content key that it led to.
 * The *content* key names what is in the files: their hashes, labels, class names, groups, boxes,
 * decode parameters, library versions. A set that was copied or touched has another listing and the same
 * content: its files are read and hashed, not decoded. The *shape* (content without the hashes of
 * the files, but with their sizes) is the first part of a packed file's name,
 * `<shape>-<content>.pack`: when no file has it, nothing needs to be hashed before it is decoded.
 */
#ifndef HPO_TRAINER_DATA_CACHE_H
#define HPO_TRAINER_DATA_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/file.h"
#include "trainer/data/dataset.h"
#include "trainer/data/ingest.h"
#include "trainer/data/reader.h"

struct cache_keys {
    uint8_t listing[16];
    uint64_t shape;
};

struct cache_keys cache_keys_of(const struct tr_list *list, const struct file_facts *facts,
                                const struct tr_data_spec *spec);
/* hash[i]: of file i; zeros when it could not be read. */
void cache_content_key(const struct tr_list *list, const uint8_t (*hash)[16],
                       const struct tr_data_spec *spec, uint8_t ret[16]);

/* What a study knows a data set by: the content and, if there is such a column, the folds (n of
 * them, or NULL), which are not packed: other folds need no other file. */
void cache_digest(const uint8_t content[16], const int32_t *folds, int64_t n, char ret[33]);
void cache_hex(const uint8_t key[16], char ret[33]);
const char *cache_pack_path(const char *dir, const struct cache_keys *k, const uint8_t content[16],
                            struct arena *a);
/* Where a packed file of this listing is written before its content is known. */
const char *cache_temp_path(const char *dir, const struct cache_keys *k, struct arena *a);
bool cache_has_shape(const char *dir, const struct cache_keys *k);

/* The content that a listing led to; false: not known, or the index is damaged. */
bool cache_index_get(const char *dir, const struct cache_keys *k, uint8_t ret_content[16]);
int cache_index_put(const char *dir, const struct cache_keys *k, const uint8_t content[16],
                    struct hpo_err *err);

/* One process at a time decodes a listing; another waits for it, calling progress(arg, 0, n).
 * HPO_ESTOPPED when that says so. Where files cannot be locked it goes on without: renaming keeps
 * the cache whole, the work is only done twice. */
struct cache_lock {
    struct file_lock lock;
    char *path;
    const char *dir, *temp;
};
int cache_lock(struct cache_lock *l, const char *dir, const struct cache_keys *k, int64_t n,
               tr_decode_progress_fn *progress, void *arg, struct hpo_err *err);
void cache_unlock(struct cache_lock *l); /* a zeroed one with lock.fd -1 is valid */

#endif
