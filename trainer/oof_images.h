/* trainer/oof_images.h - which images the rows of predictions speak of: the list of a data set as a
 * file beside them, so that who reads predictions needs neither the images nor the decoded set.
 *
 *   images TAB 1 TAB digest TAB number of images TAB number of classes
 *   class TAB name                  of each class
 *   label TAB path                  of each image: the class's number from 0; relative to data.path
 *
 * In names and paths, tab, line feed, carriage return and backslash are \t, \n, \r and \\. A file
 * is untrusted, like any. */
#ifndef HPO_TRAINER_OOF_IMAGES_H
#define HPO_TRAINER_OOF_IMAGES_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "trainer/data/dataset.h"

#define OOF_IMAGES_MAX_BYTES ((size_t)4 << 30)

/* folder/images-0123456789ab.tsv, by the data set's digest; in a. */
const char *oof_images_path(const char *folder, const char *digest, struct arena *a);
/* Make sure that the list lies there. The folder is made. */
int oof_images_write(const char *folder, const struct tr_dataset *d, struct hpo_err *err);

struct oof_images {
    char *text; /* owns all texts */
    char digest[33];
    int64_t n;
    int classes;
    const char **class_names;
    const char **paths; /* (n) */
    int32_t *labels;    /* (n) */
};

/* HPO_EMISSING, HPO_EFORMAT with the line. */
int oof_images_read(const char *path, struct oof_images *ret, struct hpo_err *err);
/* text: n bytes from malloc and a NUL behind them; taken over when it succeeds. name: in messages.
 */
int oof_images_parse(char *text, size_t n, const char *name, struct oof_images *ret,
                     struct hpo_err *err);
void oof_images_release(struct oof_images *o); /* a zeroed one is valid */

#endif
