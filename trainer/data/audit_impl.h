/* trainer/data/audit_impl.h - between the files that look for trouble; included by nobody else. */
#ifndef HPO_TRAINER_DATA_AUDIT_IMPL_H
#define HPO_TRAINER_DATA_AUDIT_IMPL_H

#include "base/str.h"
#include "trainer/data/audit.h"

#define EXAMPLES 3

struct audit {
    const struct tr_dataset *d;
    const struct tr_folds *f;
    bool group;
    struct arena *a;
    struct tr_audit *ret;
};

/* Takes over the text, unless it is empty. */
void audit_note(struct audit *u, struct str *text);
/* "a/1.jpg" or "a/1.jpg (line 17)". */
void audit_add_image(const struct audit *u, int64_t row, struct str *to);

void audit_equal(struct audit *u); /* equal images */

#endif
