/* One parameter: its grid, and the maps between values, cells and the unit interval. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hpo/core/space.h"

#define COUNT_MAX 9007199254740992.0 /* 2^53: beyond, neighbouring cells are one double */

__extension__ typedef __int128 i128;

/* m * 10^e, exactly. A double's shortest text has at most 17 digits. */
struct decimal {
    i128 m;
    int e;
};

static struct decimal decimal_of(double v)
{
    char buf[HPO_DOUBLE_TEXT];
    struct decimal d = {0, 0};
    const char *p = str_double(buf, v);
    bool negative = *p == '-', fraction = false;

    for (p += negative; *p && *p != 'e'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        d.m = d.m * 10 + (*p - '0');
        d.e -= fraction;
    }
    if (*p == 'e')
        d.e += atoi(p + 1);
    if (negative)
        d.m = -d.m;
    return d;
}

/* Bring all to one exponent. false when that takes more digits than 128 bits hold. */
static bool align(struct decimal *d, int n)
{
    const i128 limit = (i128)1000000000000000000LL * 1000000000000000LL;
    int e = 0;
    bool any = false;

    for (int i = 0; i < n; i++)
        if (d[i].m && (!any || d[i].e < e)) {
            e = d[i].e;
            any = true;
        }
    for (int i = 0; i < n; i++) {
        for (; d[i].m && d[i].e > e; d[i].e--) {
            if (d[i].m > limit || d[i].m < -limit)
                return false;
            d[i].m *= 10;
        }
        d[i].e = e;
    }
    return true;
}

/* Rounded correctly: strtod does the work. */
static double decimal_value(struct decimal d)
{
    char buf[64], *p = buf + 48;
    bool negative = d.m < 0;

    snprintf(p, 16, "e%d", d.e);
    do {
        int digit = (int)(d.m % 10);

        *--p = (char)('0' + (digit < 0 ? -digit : digit));
        d.m /= 10;
    } while (d.m);
    if (negative)
        *--p = '-';
    return strtod(p, NULL);
}

double hpo_grid_high(double low, double high, double step)
{
    struct decimal d[3] = {decimal_of(low), decimal_of(high), decimal_of(step)};
    i128 range;

    if (!(step > 0) || !(high > low))
        return high;
    if (!align(d, 3))
        return low + floor((high - low) / step) * step;
    range = d[1].m - d[0].m;
    if (range % d[2].m == 0)
        return high;
    return decimal_value((struct decimal){range / d[2].m * d[2].m + d[0].m, d[0].e});
}

/* The k-th value of a stepped float as a person would write it: 0.3, where low + k * step in
 * binary gives 0.30000000000000004 (which Optuna stores; both lie in the same cell). */
static double grid_value(const struct hpo_param *p, double k)
{
    struct decimal d[2] = {decimal_of(p->low), decimal_of(p->step)};
    double v = p->low + k * p->step;

    if (k < 1e12 && align(d, 2))
        v = decimal_value((struct decimal){d[0].m + (i128)k * d[1].m, d[0].e});
    return fmin(fmax(v, p->low), p->high);
}

/* Distance between neighbouring values; 0: continuous. */
static double spacing(const struct hpo_param *p)
{
    if (p->kind == HPO_PARAM_FLOAT)
        return p->step;
    return p->kind == HPO_PARAM_CATEGORICAL || p->step < 1 ? 1 : p->step;
}

static double cells(const struct hpo_param *p)
{
    if (p->kind == HPO_PARAM_CATEGORICAL)
        return p->n_choices;
    return floor((p->high - p->low) / spacing(p) + 0.5) + 1;
}

int64_t hpo_param_count(const struct hpo_param *p)
{
    double n;

    if (p->kind != HPO_PARAM_CATEGORICAL && p->low == p->high)
        return 1;
    if (spacing(p) <= 0)
        return -1;
    n = cells(p);
    return n <= COUNT_MAX ? (int64_t)n : -1;
}

double hpo_param_at(const struct hpo_param *p, int64_t k)
{
    if (p->kind == HPO_PARAM_CATEGORICAL)
        return (double)k;
    if (p->low == p->high)
        return p->low;
    if (p->kind == HPO_PARAM_FLOAT)
        return grid_value(p, (double)k);
    return fmin(p->low + (double)k * spacing(p), p->high);
}

int64_t hpo_param_index(const struct hpo_param *p, double value)
{
    double k, miss;

    if (!(value >= p->low && value <= p->high))
        return -1;
    if (p->low == p->high)
        return 0;
    if (spacing(p) <= 0)
        return -1;
    k = (value - p->low) / spacing(p);
    miss = fabs(k - floor(k + 0.5));
    /* Optuna's tolerance, and what rounding alone does to a fine step far from zero. */
    if (k > COUNT_MAX || miss > 1e-8 + 2 * DBL_EPSILON * (fabs(value) / spacing(p) + k))
        return -1;
    return (int64_t)floor(k + 0.5);
}

double hpo_param_decode(const struct hpo_param *p, double u)
{
    double lo, hi, v;

    if (p->kind == HPO_PARAM_FLOAT && p->step <= 0) {
        if (p->low == p->high)
            return p->low;
        if (p->log)
            v = exp(log(p->low) * (1 - u) + log(p->high) * u);
        else
            v = p->low * (1 - u) + p->high * u;
        return fmax(p->low, fmin(v, nextafter(p->high, p->low)));
    }
    if (p->kind == HPO_PARAM_INT && p->log) {
        lo = log(p->low - 0.5);
        hi = log(p->high + 0.5);
        return fmin(fmax(rint(exp(lo * (1 - u) + hi * u)), p->low), p->high);
    }
    /* Half a step of margin on both sides, so the cells are equally likely. */
    v = fmin(floor(u * cells(p)), cells(p) - 1);
    return hpo_param_at(p, (int64_t)v);
}

double hpo_param_encode(const struct hpo_param *p, double value)
{
    double lo, hi, u;

    if (p->kind == HPO_PARAM_FLOAT && p->step <= 0) {
        if (p->low == p->high)
            u = 0.5;
        else if (p->log)
            u = (log(value) - log(p->low)) / (log(p->high) - log(p->low));
        else
            u = value / (p->high - p->low) - p->low / (p->high - p->low);
    } else if (p->kind == HPO_PARAM_INT && p->log) {
        lo = log(p->low - 0.5);
        hi = log(p->high + 0.5);
        u = ((log(value - 0.5) + log(value + 0.5)) / 2 - lo) / (hi - lo);
    } else {
        u = (floor((value - p->low) / spacing(p) + 0.5) + 0.5) / cells(p);
    }
    return isnan(value) ? NAN : fmin(fmax(u, 0), 1);
}

const char *hpo_param_text(const struct hpo_param *p, double value, char *buf)
{
    if (isnan(value))
        return strcpy(buf, "-");
    if (p->kind == HPO_PARAM_CATEGORICAL)
        return value >= 0 && value < p->n_choices ? p->choices[(int)value].text : strcpy(buf, "?");
    /* Never "1e+16", which is no whole number to a strict reader. */
    if (p->kind == HPO_PARAM_INT && fabs(value) <= COUNT_MAX) {
        snprintf(buf, HPO_DOUBLE_TEXT, "%.0f", value + 0.0);
        return buf;
    }
    return str_double(buf, value);
}
