/* Whether a study file may go on with what another one began. */
#include <string.h>

#include "hpo/study_impl.h"

#define DIFFERENCES_MAX 560 /* bytes of them in a message, which ends with what to do about it */

/* The value of `key` in "key: value" lines; NULL when absent. */
static const char *line_value(const char *lines, const char *key, size_t key_n, size_t *ret_n)
{
    for (const char *p = lines; *p;) {
        size_t n = strcspn(p, "\n");

        if (n > key_n + 1 && !memcmp(p, key, key_n) && p[key_n] == ':') {
            const char *v = p + key_n + 1;

            v += *v == ' ';
            *ret_n = (size_t)(p + n - v);
            return v;
        }
        p += n + (p[n] == '\n');
    }
    return NULL;
}

static int missing_or_changed(const char *from, const char *to, bool only_missing, struct str *ret)
{
    int count = 0;

    for (const char *p = from; *p;) {
        size_t n = strcspn(p, "\n"), key_n = strcspn(p, ":"), old_n = 0, new_n = 0;

        if (key_n < n) {
            const char *old = line_value(p, p, key_n, &old_n);
            const char *now = line_value(to, p, key_n, &new_n);

            if (only_missing && !now) {
                str_addf(ret, "  %.*s: (not set) -> %.*s\n", (int)key_n, p, (int)old_n, old);
                count++;
            } else if (!only_missing && (!now || old_n != new_n || memcmp(old, now, old_n))) {
                str_addf(ret, "  %.*s: %.*s -> %.*s\n", (int)key_n, p, (int)old_n, old,
                         now ? (int)new_n : 9, now ? now : "(not set)");
                count++;
            }
        }
        p += n + (p[n] == '\n');
    }
    return count;
}

int study_differences(const char *old_identity, const char *new_identity, struct str *ret)
{
    return missing_or_changed(old_identity, new_identity, false, ret) +
           missing_or_changed(new_identity, old_identity, true, ret);
}

/* Append the lines of an identity that begin (or do not begin) with a word. */
static void take_lines(const char *identity, const char *word, bool those, struct str *ret)
{
    for (const char *p = identity; *p;) {
        size_t n = strcspn(p, "\n");

        n += p[n] == '\n';
        if (!strncmp(p, word, strlen(word)) == those)
            str_addn(ret, p, n);
        p += n;
    }
}

/* The stored study's identity. It is made anew from its file, so that an option which this program
 * knows and the one that began the study did not has its default and is no difference; what a file
 * does not say, the content of the data, is as it was stored. */
static void stored_identity(const struct study *s, const struct study_config *old, struct str *ret)
{
    const char *stored = s->info.digest ? s->info.digest : "";

    if (!old) {
        str_add(ret, stored);
        return;
    }
    study_config_identity(old, ret);
    take_lines(stored, STUDY_DATA_LINE, true, ret);
}

/* Has the space only grown? More epochs would number the steps of reports in another way. */
static bool only_grown(const struct study_config *old, const struct study_config *now)
{
    struct str why = {0};
    bool ok =
        old->max_epochs == now->max_epochs && study_space_extends(&old->space, &now->space, &why);

    str_release(&why);
    return ok;
}

static int differences(const struct study *s, const struct study_config *old, const char *identity,
                       struct str *ret)
{
    struct str was = {0}, then = {0}, now = {0};
    int n;

    stored_identity(s, old, &was);
    n = study_differences(str_c(&was), identity, ret);
    if (n && old && only_grown(old, s->config)) {
        take_lines(str_c(&was), "space.", false, &then);
        take_lines(identity, "space.", false, &now);
        str_clear(ret);
        n = study_differences(str_c(&then), str_c(&now), ret);
    }
    str_release(&was);
    str_release(&then);
    str_release(&now);
    return n;
}

int study_check_identity(const struct study *s, const char *identity, struct hpo_err *err)
{
    const char *text = s->info.config ? s->info.config : "";
    struct study_config old = {0};
    struct arena a = {0};
    struct diags diags = {.arena = &a};
    struct str diff = {0};
    bool readable =
        study_config_parse(&old, text, strlen(text), "study.yaml", NULL, 0, &diags) == 0;
    int n = differences(s, readable ? &old : NULL, identity, &diff), rc = 0;

    if (diff.n > DIFFERENCES_MAX) {
        diff.n = DIFFERENCES_MAX;
        while (diff.n && diff.s[diff.n - 1] != '\n')
            diff.n--;
        diff.s[diff.n] = 0;
        str_addf(&diff, "  and more: %d in all\n", n);
    }
    if (n)
        rc = hpo_fail(err, HPO_ECONFIG,
                      "%s holds results of a study that differs from this file:\n%s"
                      "Going on would mix results that do not compare. Undo the change, give the "
                      "study another name, or start anew with --fresh (the old results are kept "
                      "beside it)",
                      s->dir, str_c(&diff));
    str_release(&diff);
    study_config_release(&old);
    arena_release(&a);
    return rc;
}
