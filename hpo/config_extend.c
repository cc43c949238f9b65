/* May a study go on in a space that has grown? */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hpo/config.h"

/* ret_why: NULL, or where the first reason goes. */
HPO_PRINTF(2, 3)
static bool refuse(struct str *ret_why, const char *fmt, ...)
{
    va_list ap;
    char text[512];

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (ret_why)
        str_add(ret_why, text);
    return false;
}

static bool number_extends(const struct hpo_param *old, const struct hpo_param *now,
                           struct str *why)
{
    char was[HPO_DOUBLE_TEXT], is[HPO_DOUBLE_TEXT];

    if (old->log != now->log)
        return refuse(why, "'%s': log was %s and is %s", old->name, old->log ? "true" : "false",
                      now->log ? "true" : "false");
    if (old->step != now->step)
        return refuse(why, "'%s': its step was %s and is %s", old->name, str_double(was, old->step),
                      str_double(is, now->step));
    if (now->low > old->low)
        return refuse(why, "'%s': its lowest value was %s and is %s", old->name,
                      str_double(was, old->low), str_double(is, now->low));
    if (now->high < old->high)
        return refuse(why, "'%s': its highest value was %s and is %s", old->name,
                      str_double(was, old->high), str_double(is, now->high));
    if (now->step > 0 &&
        (hpo_param_index(now, old->low) < 0 || hpo_param_index(now, old->high) < 0))
        return refuse(why, "'%s': steps of %s from %s on pass over the values it had", old->name,
                      str_double(was, now->step), str_double(is, now->low));
    return true;
}

static bool choices_extend(const struct hpo_param *old, const struct hpo_param *now,
                           struct str *why)
{
    for (int i = 0; i < old->n_choices; i++) {
        const struct hpo_choice *a = &old->choices[i], *b = &now->choices[i];

        if (i >= now->n_choices || a->kind != b->kind || strcmp(a->text, b->text))
            return refuse(why, "'%s': choice %d was %.60s%s; new ones belong at the end", old->name,
                          i + 1, a->text, i >= now->n_choices ? " and is gone" : "");
    }
    return true;
}

static const struct hpo_when *condition(const struct hpo_param *p, int parent)
{
    for (int i = 0; i < p->n_when; i++)
        if (p->when[i].param == parent)
            return &p->when[i];
    return NULL;
}

static bool names(const struct hpo_when *w, double v)
{
    for (int i = 0; i < w->n_values; i++)
        if (w->values[i] == v)
            return true;
    return false;
}

/* Of the values that the parent had, how many the condition allows; none: all of them. */
static int64_t allows(const struct hpo_when *w, const struct hpo_param *old_parent)
{
    int64_t n = 0;

    if (!w)
        return hpo_param_count(old_parent);
    for (int i = 0; i < w->n_values; i++)
        n += w->values[i] >= old_parent->low && w->values[i] <= old_parent->high &&
             hpo_param_index(old_parent, w->values[i]) >= 0;
    return n;
}

/* Active for the same values of the parent as before, as far as it had them: else earlier trials
 * would lack a value, or have one too many. */
static bool condition_extends(const struct hpo_space *old, const struct hpo_space *now, int param,
                              int parent, struct str *why)
{
    const struct hpo_when *a = condition(&old->params[param], parent);
    const struct hpo_when *b = condition(&now->params[param], parent);
    const struct hpo_param *p = &old->params[parent];
    bool ok = allows(a, p) == allows(b, p);

    if (!a && !b)
        return true;
    /* An inactive parent fulfils no condition, so having none is something else then. */
    if (!a != !b && (p->n_when || now->params[parent].n_when))
        ok = false;
    for (int i = 0; ok && a && b && i < a->n_values; i++)
        ok = names(b, a->values[i]);
    if (!ok)
        return refuse(why, "'%s': it would be active for other values of '%s' than it was",
                      old->params[param].name, p->name);
    return true;
}

static bool param_extends(const struct hpo_space *old, const struct hpo_space *now, int i,
                          struct str *why)
{
    const struct hpo_param *a = &old->params[i], *b = &now->params[i];

    if (strcmp(a->name, b->name))
        return refuse(why, "'%s' stands where '%s' was", b->name, a->name);
    if (a->kind != b->kind)
        return refuse(why, "'%s': its type is another", a->name);
    return a->kind == HPO_PARAM_CATEGORICAL ? choices_extend(a, b, why) : number_extends(a, b, why);
}

bool study_space_extends(const struct hpo_space *old, const struct hpo_space *now,
                         struct str *ret_why)
{
    if (old->n != now->n)
        return refuse(ret_why, "there were %d parameters and there are %d", old->n, now->n);
    for (int i = 0; i < old->n; i++)
        if (!param_extends(old, now, i, ret_why))
            return false;
    for (int i = 0; i < old->n; i++)
        for (int parent = 0; parent < old->n; parent++)
            if (parent != i && !condition_extends(old, now, i, parent, ret_why))
                return false;
    return true;
}
