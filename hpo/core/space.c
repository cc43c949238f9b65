#include "hpo/core/space.h"

#include <math.h>
#include <string.h>

#include <xxhash.h>

#include "base/str.h"

/* "a, b and 3 more": the parameters that could not be placed. */
static void name_the_rest(const struct hpo_space *s, const bool *placed, struct str *ret)
{
    int n = 0;

    for (int i = 0; i < s->n; i++) {
        if (placed[i])
            continue;
        if (n++ < 4)
            str_addf(ret, "%s'%s'", n > 1 ? ", " : "", s->params[i].name);
    }
    if (n > 4)
        str_addf(ret, " and %d more", n - 4);
}

static bool ready(const struct hpo_param *p, const bool *placed)
{
    for (int i = 0; i < p->n_when; i++)
        if (!placed[p->when[i].param])
            return false;
    return true;
}

int hpo_space_finish(struct hpo_space *s, struct arena *a, struct hpo_err *err)
{
    int *order = ARENA_ARRAY(a, int, s->n);
    bool *placed = ARENA_ARRAY(a, bool, s->n);
    int n = 0;

    for (int i = 0; i < s->n; i++)
        for (int w = 0; w < s->params[i].n_when; w++) {
            int parent = s->params[i].when[w].param;

            if (parent < 0 || parent >= s->n || s->params[parent].kind == HPO_PARAM_FLOAT)
                return hpo_fail(err, HPO_ECONFIG,
                                "'%s' can only depend on a categorical or int parameter",
                                s->params[i].name);
        }
    /* File order wherever the conditions leave a choice. */
    for (int before = -1; n < s->n && n != before;) {
        before = n;
        for (int i = 0; i < s->n; i++)
            if (!placed[i] && ready(&s->params[i], placed)) {
                placed[i] = true;
                order[n++] = i;
            }
    }
    if (n < s->n) {
        struct str names = {0};

        name_the_rest(s, placed, &names);
        hpo_fail(err, HPO_ECONFIG, "the conditions (when) of %s form a circle", str_c(&names));
        str_release(&names);
        return HPO_ECONFIG;
    }
    s->order = order;
    return 0;
}

bool hpo_param_active(const struct hpo_space *s, int param, const double *values)
{
    const struct hpo_param *p = &s->params[param];

    for (int i = 0; i < p->n_when; i++) {
        const struct hpo_when *w = &p->when[i];
        bool holds = false;

        for (int k = 0; k < w->n_values && !holds; k++)
            holds = values[w->param] == w->values[k];
        if (!holds)
            return false;
    }
    return true;
}

void hpo_space_mask(const struct hpo_space *s, double *values)
{
    for (int i = 0; i < s->n; i++)
        if (!hpo_param_active(s, s->order[i], values))
            values[s->order[i]] = NAN;
}

bool hpo_space_contains(const struct hpo_space *s, const double *values)
{
    for (int i = 0; i < s->n; i++) {
        const struct hpo_param *p = &s->params[i];
        double v = values[i];

        if (!hpo_param_active(s, i, values)) {
            if (!isnan(v))
                return false;
            continue;
        }
        if (!(v >= p->low && v <= p->high))
            return false;
        if (p->kind == HPO_PARAM_FLOAT ? p->step > 0 && hpo_param_index(p, v) < 0
                                       : v != floor(v) || hpo_param_index(p, v) < 0)
            return false;
    }
    return true;
}

/* Two values are the same when their keys are: a stepped value is its cell, since 0.3 and
 * 0.1 + 0.2 lie in one. */
static double key(const struct hpo_param *p, double v)
{
    int64_t k =
        isnan(v) || (p->kind == HPO_PARAM_FLOAT && p->step <= 0) ? -1 : hpo_param_index(p, v);

    return k >= 0 ? (double)k : v + 0.0; /* -0.0 + 0.0 is 0.0 */
}

bool hpo_values_equal(const struct hpo_space *s, const double *a, const double *b)
{
    for (int i = 0; i < s->n; i++) {
        if (a[i] == b[i] || (isnan(a[i]) && isnan(b[i])))
            continue;
        if (key(&s->params[i], a[i]) != key(&s->params[i], b[i]))
            return false;
    }
    return true;
}

uint64_t hpo_values_hash(const struct hpo_space *s, const double *values)
{
    uint64_t h = 0;

    for (int i = 0; i < s->n; i++) {
        double k = isnan(values[i]) ? NAN : key(&s->params[i], values[i]);
        uint64_t bits = 0x7ff8000000000000u; /* one NaN for all of them */

        if (!isnan(k))
            memcpy(&bits, &k, sizeof(bits));
        h = XXH64(&bits, sizeof(bits), h + (uint64_t)i);
    }
    return h;
}
