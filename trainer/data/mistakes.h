/* trainer/data/mistakes.h - several mistakes in one message: the first ten that fit, and how many
 * more there are. */
#ifndef HPO_TRAINER_DATA_MISTAKES_H
#define HPO_TRAINER_DATA_MISTAKES_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define MISTAKES_SHOWN 10

struct mistakes { /* a zeroed one is valid */
    struct str text;
    int64_t n;
    int shown;
};

void mistakes_add(struct mistakes *m, const char *fmt, ...) HPO_PRINTF(2, 3);
/* 0 when there are none. Otherwise rc, and "head\nmistake\nmistake\n... and N more" in *err; head
 * may be "". */
int mistakes_fail(const struct mistakes *m, int rc, const char *head, struct hpo_err *err);
void mistakes_release(struct mistakes *m);

/* A word of untrusted text for a message: at most 40 bytes, control characters as '?'. buf has room
 * for MISTAKES_WORD bytes; returns buf. */
#define MISTAKES_WORD 48
const char *mistakes_word(char *buf, const char *s);

#endif
