#include "hpo/storage/columns.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"

const char *column_value_type(double v)
{
    return isnan(v) ? "NAN" : isinf(v) ? (v > 0 ? "INF_POS" : "INF_NEG") : "FINITE";
}

double column_value(double v)
{
    return isfinite(v) ? v : NAN;
}

bool column_value_read(const char *type, double stored, double *ret)
{
    static const struct {
        const char *name;
        double value;
    } kinds[] = {{"INF_POS", HUGE_VAL}, {"INF_NEG", -HUGE_VAL}, {"NAN", NAN}};

    if (!strcmp(type, "FINITE")) {
        if (!isfinite(stored))
            return false;
        *ret = stored;
        return true;
    }
    for (size_t i = 0; i < HPO_LEN(kinds); i++) {
        if (!strcmp(type, kinds[i].name)) {
            *ret = kinds[i].value;
            return true;
        }
    }
    return false;
}

/* 1970 to the end of the year 9999, the last one that Python's datetime knows. */
#define TIME_MAX 253402300799.0

const char *column_time(char *buf, double seconds)
{
    int64_t us;
    time_t whole;
    struct tm tm = {0};

    seconds = seconds > 0 ? (seconds < TIME_MAX ? seconds : TIME_MAX) : 0;
    us = (int64_t)llround(seconds * 1e6);
    whole = (time_t)(us / 1000000);
    gmtime_r(&whole, &tm);
    snprintf(buf, COLUMN_TIME, "%04d-%02d-%02d %02d:%02d:%02d.%06d", (tm.tm_year + 1900) % 10000,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(us % 1000000));
    return buf;
}

/* n digits at p, no sign, no space. */
static bool digits(const char **p, int n, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return true;
}

static bool skip(const char **p, char c)
{
    return *(*p)++ == c;
}

bool column_time_read(const char *text, double *ret)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *p = text;
    struct tm tm = {0};
    double fraction = 0, unit = 0.1;

    if (!digits(&p, 4, &tm.tm_year) || !skip(&p, '-') || !digits(&p, 2, &tm.tm_mon) ||
        !skip(&p, '-') || !digits(&p, 2, &tm.tm_mday) || !skip(&p, ' ') ||
        !digits(&p, 2, &tm.tm_hour) || !skip(&p, ':') || !digits(&p, 2, &tm.tm_min) ||
        !skip(&p, ':') || !digits(&p, 2, &tm.tm_sec))
        return false;
    if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > days[tm.tm_mon - 1] || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    if (*p == '.') {
        p++;
        for (int i = 0; i < 6 && *p >= '0' && *p <= '9'; i++, p++, unit /= 10)
            fraction += (*p - '0') * unit;
    }
    if (*p)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret = (double)timegm(&tm) + fraction;
    return true;
}

/* Bytes of the character at p, 0 when it is not one: cut off, overlong, a surrogate, too large. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (p[0] > 0xf4 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

void column_text(const char *text, size_t n, struct str *ret)
{
    for (size_t i = 0; i < n;) {
        size_t len = utf8_length((const unsigned char *)text + i, n - i);

        if (len)
            str_addn(ret, text + i, len);
        else
            str_addc(ret, '?');
        i += len ? len : 1;
    }
}

void column_json_string(const char *text, struct str *ret)
{
    struct str clean = {0};
    cJSON *j;

    column_text(text, strlen(text), &clean);
    j = cJSON_CreateString(str_c(&clean));
    json_write(j, ret);
    cJSON_Delete(j);
    str_release(&clean);
}
