/* trainer/data/manifest.h - a CSV manifest as text -> samples.
 *
 * RFC 4180 (quotes, CRLF) with a header line that names the columns `path`, `label` and, if there
 * are groups (several pictures of one person), `group`, in any order. Paths are relative to the
 * manifest's folder and stay in it, links included. A UTF-8 byte order mark is skipped. Classes are
 * sorted as numbers when all of them are integers, as bytes otherwise. */
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
