/* base/file.h - files, with the failures that people meet: missing, too large, disk full, cut off.
 * Every function names the path in its message. */
#ifndef HPO_BASE_FILE_H
#define HPO_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The whole file, NUL-terminated (the NUL is not counted). Free with free(). HPO_EMISSING when it
 * is not there, HPO_EFORMAT when it is larger than max bytes. */
int file_read(const char *path, size_t max, char **ret, size_t *ret_n, struct hpo_err *err);

/* Replace path by these bytes: write beside it, fsync, rename, fsync the folder. Another process
 * sees the old file or the new one, also after a power loss. On failure the old file stands and
 * nothing is left behind. */
int file_replace(const char *path, const void *bytes, size_t n, struct hpo_err *err);

/* The same in pieces: open a temporary file beside path, write to *ret_fd, then commit or abort. */
struct file_atomic {
    int fd;
    char *path, *temp;
};
int file_atomic_open(struct file_atomic *f, const char *path, struct hpo_err *err);
int file_atomic_commit(struct file_atomic *f, struct hpo_err *err);
void file_atomic_abort(struct file_atomic *f); /* also valid after a commit or a failed open */

/* All n bytes, through EINTR and short writes. */
int file_write_all(int fd, const void *bytes, size_t n, const char *path, struct hpo_err *err);

/* mkdir -p. */
int file_mkdirs(const char *path, struct hpo_err *err);
/* rm -r; missing is success. */
int file_remove_tree(const char *path, struct hpo_err *err);
bool file_exists(const char *path);
bool file_is_dir(const char *path);

/* A read-only mapping of the whole file. */
struct file_map {
    const uint8_t *p;
    size_t n;
};
int file_map_open(struct file_map *m, const char *path, struct hpo_err *err);
void file_map_close(struct file_map *m); /* a zeroed one is valid */

/* An exclusive lock on a file that names its owner ("pid 123 on host since ..."). Held until the
 * process ends or file_unlock. HPO_EBUSY with the owner's line when another process has it. */
struct file_lock {
    int fd; /* -1: not held; init with FILE_LOCK_INIT */
};
#define FILE_LOCK_INIT ((struct file_lock){-1})
int file_lock(struct file_lock *l, const char *path, struct hpo_err *err);
void file_unlock(struct file_lock *l);
/* Does a process hold it now? For readers: it asks by a shared lock of a moment, which makes a
 * file_lock of that moment fail with HPO_EBUSY and the last owner's line. */
bool file_is_locked(const char *path);

/* Seconds of a monotonic clock, and of the wall clock since 1970. */
double clock_monotonic(void);
double clock_wall(void);

#endif
