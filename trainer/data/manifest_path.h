/* trainer/data/manifest_path.h - the paths of a manifest: one spelling each, and none that leads out
 * of its folder. */
#ifndef HPO_TRAINER_DATA_MANIFEST_PATH_H
#define HPO_TRAINER_DATA_MANIFEST_PATH_H

#include <limits.h>

#include "trainer/data/intern.h"

struct manifest_root {
    int fd;
    char real[PATH_MAX]; /* "" when the folder does not exist */
    struct intern folder;
    struct arena scratch; /* of folder */
    bool *inside;         /* of each folder: what was found out */
    int64_t cap;
};

/* A folder that does not exist is no mistake here: that its files are missing is found when they
 * are opened. */
void manifest_root_init(struct manifest_root *r, const char *path);
void manifest_root_release(struct manifest_root *r);

/* "./a//b.jpg" -> "a/b.jpg", so that one file has one name. ret has room for TR_MANIFEST_MAX_PATH + 1
 * bytes. NULL, or what is wrong with it. */
const char *manifest_path_clean(const char *s, size_t n, char *ret);
/* Does the cleaned path stay in the folder, links included? */
bool manifest_path_stays(struct manifest_root *r, const char *path);

#endif
