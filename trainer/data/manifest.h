/* trainer/data/manifest.h - a CSV manifest as text -> samples.
 *
 * RFC 4180 (quotes, CRLF) with a header line that names the columns, in any order:
 *
 *   path, label   an image file, relative to the manifest's folder and in it, links included; what
 *                 it shows
 *   group         (optional) what must not be split: a person, a patient, a place
 *   fold          (optional) the fold that it validates in, from 0; -1 or nothing: it always trains
 *   x, y, w, h    (optional, together) the part of the image that counts, in whole pixels of the
 *                 upright one; four empty fields: all of it. Rows may share a file if their boxes
 *                 differ
 *
 * A UTF-8 byte order mark is skipped. Classes are sorted as numbers when all of them are integers,
 * as bytes otherwise. */
#ifndef HPO_TRAINER_DATA_MANIFEST_H
#define HPO_TRAINER_DATA_MANIFEST_H

#include <stddef.h>

#include "trainer/data/reader.h"

#define TR_MANIFEST_MAX_LINE ((size_t)64 << 10)
#define TR_MANIFEST_MAX_BYTES ((size_t)2 << 30)
#define TR_MANIFEST_MAX_LABEL 256
#define TR_MANIFEST_MAX_PATH 4095

/* file: the name in messages ("file:17: ..."); root: the folder that paths are relative to. All of
 * the mistakes make one HPO_ECONFIG. */
int tr_manifest_parse(const char *text, size_t n, const char *file, const char *root,
                      struct tr_list *ret, struct hpo_err *err);

#endif
