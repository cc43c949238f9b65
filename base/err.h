/* base/err.h - how anything in this program says that it failed.
 *
 * A function that can fail returns 0 or one of the negative codes below. One whose failure a
 * person will read about also takes `struct hpo_err *err`, always last, and fills it only when it
 * fails. Results written through pointers (`ret_x`) are untouched on failure. Libraries never
 * print; only hpo/cli/main.c exits. */
#ifndef HPO_BASE_ERR_H
#define HPO_BASE_ERR_H

#include "base/compiler.h"

HPO_BEGIN_C

#define HPO_RC_MAP(X)                                                                              \
    X(ECONFIG, -1, "the study file or an option is wrong")                                         \
    X(ENOMEM, -2, "out of host or device memory")                                                  \
    X(EIO, -3, "reading or writing failed")                                                        \
    X(EFORMAT, -4, "a file is not what it claims to be")                                           \
    X(EBUSY, -5, "another process holds the lock")                                                 \
    X(EDEVICE, -6, "the device reported an error")                                                 \
    X(ENUMERIC, -7, "a value became NaN or infinite")                                              \
    X(EDONE, -8, "nothing left to propose")                                                        \
    X(ESTOPPED, -9, "stopped on request")                                                          \
    X(EMISSING, -10, "it does not exist")

enum hpo_rc {
    HPO_OK = 0,
#define X(name, code, text) HPO_##name = code,
    HPO_RC_MAP(X)
#undef X
};

struct hpo_err {
    int rc;
    char msg[1024]; /* one sentence or a few lines, without a final full stop or newline */
};

/* Fill *err (NULL is allowed) and return rc, so that a failure is one line:
 * return hpo_fail(err, HPO_EIO, "%s: %s", path, strerror(errno)); */
int hpo_fail(struct hpo_err *err, int rc, const char *fmt, ...) HPO_PRINTF(3, 4);

/* Put "what: " in front of the message of a failure that is passed on. Returns err->rc. */
int hpo_fail_at(struct hpo_err *err, const char *fmt, ...) HPO_PRINTF(2, 3);

/* The sentence of a code; never NULL. */
const char *hpo_rc_text(int rc);

HPO_END_C
#endif
