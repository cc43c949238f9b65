#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int hpo_fail(struct hpo_err *err, int rc, const char *fmt, ...)
{
    va_list ap;

    if (err) {
        err->rc = rc;
        va_start(ap, fmt);
        vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
        va_end(ap);
    }
    return rc;
}

int hpo_fail_at(struct hpo_err *err, const char *fmt, ...)
{
    char old[sizeof(err->msg)];
    va_list ap;
    int n;

    if (!err)
        return HPO_EIO;
    memcpy(old, err->msg, sizeof(old));
    va_start(ap, fmt);
    n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(err->msg))
        snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %.*s",
                 (int)(sizeof(err->msg) - (size_t)n - 3), old);
    return err->rc;
}

const char *hpo_rc_text(int rc)
{
    switch (rc) {
    case HPO_OK:
        return "no error";
#define X(name, code, text)                                                                        \
    case code:                                                                                     \
        return text;
        HPO_RC_MAP(X)
#undef X
    }
    return "an unknown error";
}
