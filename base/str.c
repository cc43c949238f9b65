#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

void str_release(struct str *s)
{
    free(s->s);
    *s = (struct str){0};
}

void str_clear(struct str *s)
{
    s->n = 0;
    if (s->s)
        s->s[0] = 0;
}

const char *str_c(const struct str *s)
{
    return s->s ? s->s : "";
}

static void grow(struct str *s, size_t more)
{
    if (s->n + more + 1 > s->cap) {
        size_t cap = s->cap ? s->cap : 64;

        while (cap < s->n + more + 1)
            cap *= 2;
        s->s = xrealloc(s->s, cap);
        s->cap = cap;
    }
}

void str_addn(struct str *s, const char *text, size_t n)
{
    grow(s, n);
    if (n)
        memcpy(s->s + s->n, text, n);
    s->n += n;
    s->s[s->n] = 0;
}

void str_add(struct str *s, const char *text)
{
    str_addn(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
    str_addn(s, &c, 1);
}

void str_addf(struct str *s, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n > 0) {
        grow(s, (size_t)n);
        vsnprintf(s->s + s->n, (size_t)n + 1, fmt, again);
        s->n += (size_t)n;
    }
    va_end(again);
}

const char *str_double(char *buf, double v)
{
    if (isnan(v))
        return strcpy(buf, "nan");
    if (isinf(v))
        return strcpy(buf, v > 0 ? "inf" : "-inf");
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buf, HPO_DOUBLE_TEXT, "%.*g", digits, v);
        if (strtod(buf, NULL) == v)
            break;
    }
    /* "1e+02" reads badly where "100" is as exact: whole numbers of ordinary size in full. */
    if (strchr(buf, 'e') && fabs(v) < 1e15 && fabs(v) >= 1 && v == floor(v))
        snprintf(buf, HPO_DOUBLE_TEXT, "%.0f", v);
    return buf;
}

bool str_to_double(const char *text, double *ret)
{
    const char *p = text;
    char *end;
    double v;

    if (*p == '-' || *p == '+')
        p++;
    if (!isdigit((unsigned char)*p) && !(*p == '.' && isdigit((unsigned char)p[1])))
        return false;
    for (; *p; p++)
        if (!isdigit((unsigned char)*p) && !strchr(".eE+-", *p))
            return false;
    v = strtod(text, &end);
    if (*end || !isfinite(v))
        return false;
    *ret = v;
    return true;
}

bool str_to_int(const char *text, int64_t *ret)
{
    const char *p = text;
    long long v;
    char *end;

    if (*p == '-' || *p == '+')
        p++;
    if (!isdigit((unsigned char)*p))
        return false;
    errno = 0;
    v = strtoll(text, &end, 10);
    if (*end || errno)
        return false;
    *ret = v;
    return true;
}

bool str_to_seconds(const char *text, double *ret)
{
    static const struct {
        char name;
        double seconds;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    double total = 0, v;
    const char *p = text;
    size_t unit = 0;

    if (str_to_double(text, &v)) {
        if (*text == '-' || *text == '+')
            return false;
        *ret = v;
        return true;
    }
    /* Largest unit first, each at most once: "30m1h" is more likely a slip than meant. */
    do {
        char number[HPO_DOUBLE_TEXT];
        size_t n = strspn(p, "0123456789.eE+-");

        if (*p == '-' || *p == '+' || n >= sizeof(number))
            return false;
        memcpy(number, p, n);
        number[n] = 0;
        if (!str_to_double(number, &v))
            return false;
        p += n;
        while (unit < HPO_LEN(units) && units[unit].name != *p)
            unit++;
        if (unit == HPO_LEN(units))
            return false;
        total += v * units[unit++].seconds;
        p++;
    } while (*p);
    if (!isfinite(total))
        return false;
    *ret = total;
    return true;
}

const char *str_seconds(char *buf, double seconds)
{
    long long s = seconds > 0 ? (long long)(fmin(seconds, 1e15) + 0.5) : 0;

    if (s >= 3600)
        snprintf(buf, HPO_DOUBLE_TEXT, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(buf, HPO_DOUBLE_TEXT, "%lld:%02lld", s / 60, s % 60);
    return buf;
}

#define WORD_MAX 64

int str_distance(const char *a, const char *b)
{
    int na = (int)strlen(a), nb = (int)strlen(b);
    int d[3][WORD_MAX + 1];

    if (na > WORD_MAX || nb > WORD_MAX)
        return WORD_MAX;
    for (int j = 0; j <= nb; j++)
        d[0][j] = j;
    for (int i = 1; i <= na; i++) {
        int *now = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];

        now[0] = i;
        for (int j = 1; j <= nb; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            int best = up[j - 1] + (ca != cb);

            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                cb == tolower((unsigned char)a[i - 2]) && up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            now[j] = best;
        }
    }
    return d[na % 3][nb];
}

const char *str_nearest(const char *word, const char *const *names, int n_names)
{
    int limit = (int)strlen(word) / 3, best;
    const char *ret = NULL;

    limit = limit < 1 ? 1 : limit > 3 ? 3 : limit;
    best = limit + 1;
    for (int i = 0; i < n_names; i++) {
        int d = str_distance(word, names[i]);

        if (d < best) {
            best = d;
            ret = names[i];
        }
    }
    return ret;
}
