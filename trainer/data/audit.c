#include "trainer/data/audit.h"

#include <inttypes.h>
#include <stdlib.h>

#include "trainer/data/audit_impl.h"
#include "trainer/data/mistakes.h"

#define FOLDS_SHOWN 6

void audit_note(struct audit *u, struct str *text)
{
    if (text->n && u->ret->n < TR_AUDIT_NOTES)
        u->ret->note[u->ret->n++] = arena_strdup(u->a, str_c(text));
    str_release(text);
}

void audit_add_image(const struct audit *u, int64_t row, struct str *to)
{
    char word[MISTAKES_WORD];

    str_addf(to, "'%s'", mistakes_word(word, u->d->paths[row]));
    if (u->d->lines)
        str_addf(to, " (line %" PRId64 ")", u->d->lines[row]);
}

/* Samples of a class that validate in each fold: (classes, k). */
static int64_t *count_valid(const struct audit *u)
{
    int64_t *n = xcalloc((size_t)u->d->images.classes * (size_t)u->f->k, sizeof(*n));

    for (int k = 0; k < u->f->k; k++)
        for (int64_t i = u->f->start[k]; i < u->f->start[k + 1]; i++)
            n[(int64_t)u->d->images.labels[u->f->index[i]] * u->f->k + k]++;
    return n;
}

static int64_t groups_of_class(const struct audit *u, int class)
{
    int64_t n = 0, most = 0;
    bool *seen;

    for (int64_t i = 0; i < u->f->n; i++)
        most = u->d->groups[i] >= most ? u->d->groups[i] + 1 : most;
    seen = xcalloc((size_t)most, sizeof(*seen));
    for (int64_t i = 0; i < u->f->n; i++) {
        if (u->d->images.labels[i] != class || seen[u->d->groups[i]])
            continue;
        seen[u->d->groups[i]] = true;
        n++;
    }
    free(seen);
    return n;
}

/* "'rare' (3 images of 2 groups) in folds 3, 4" */
static void add_class(const struct audit *u, const int64_t *valid, int class, int64_t missing,
                      struct str *to)
{
    int64_t images = u->d->class_counts[class], groups = u->group ? groups_of_class(u, class) : 0;
    char word[MISTAKES_WORD];
    int n = 0, all = 0;

    for (int k = 0; k < u->f->k; k++)
        all += valid[k] == missing;
    str_addf(to, "'%s' (%" PRId64 " image%s", mistakes_word(word, u->d->class_names[class]), images,
             images == 1 ? "" : "s");
    if (u->group)
        str_addf(to, " of %" PRId64 " group%s", groups, groups == 1 ? "" : "s");
    str_addf(to, ") in fold%s", all == 1 ? "" : "s");
    for (int k = 0; k < u->f->k; k++) {
        if (valid[k] != missing)
            continue;
        if (n < FOLDS_SHOWN)
            str_addf(to, "%s %d", n ? "," : "", k);
        n++;
    }
    if (all > FOLDS_SHOWN)
        str_addf(to, " and %d more", all - FOLDS_SHOWN);
}

/* all: classes that have every image in a fold's validation; else those that have none there. */
static void look_at_classes(struct audit *u, const int64_t *valid, bool all)
{
    struct str examples = {0}, text = {0};
    int n = 0;

    for (int c = 0; c < u->d->images.classes; c++) {
        int64_t missing = all ? u->d->class_counts[c] : 0;
        bool found = false;

        for (int k = 0; k < u->f->k; k++)
            found = found || valid[(int64_t)c * u->f->k + k] == missing;
        if (!found || !u->d->class_counts[c])
            continue;
        if (n++ >= EXAMPLES)
            continue;
        str_add(&examples, n > 1 ? "; " : "");
        add_class(u, valid + (int64_t)c * u->f->k, c, missing, &examples);
    }
    if (n)
        str_addf(&text, "%d class%s %s: %s%s", n, n == 1 ? " is" : "es are",
                 all ? "validated by a fold that has none to train on"
                     : "missing where a fold validates",
                 str_c(&examples), n > EXAMPLES ? "; ..." : "");
    audit_note(u, &text);
    str_release(&examples);
}

/* The first two values that the samples of a group have. */
struct pair {
    int32_t first, second; /* -2: none yet; second: the first one that differs */
};

static struct pair *pairs_of_groups(const struct audit *u, const int32_t *value,
                                    int64_t *ret_groups)
{
    struct pair *p;
    int64_t most = 0;

    for (int64_t i = 0; i < u->f->n; i++)
        most = u->d->groups[i] >= most ? u->d->groups[i] + 1 : most;
    p = xcalloc((size_t)most, sizeof(*p));
    for (int64_t g = 0; g < most; g++)
        p[g] = (struct pair){-2, -2};
    for (int64_t i = 0; i < u->f->n; i++) {
        struct pair *at = &p[u->d->groups[i]];

        if (at->first == -2)
            at->first = value[i];
        else if (value[i] != at->first && at->second == -2)
            at->second = value[i];
    }
    *ret_groups = most;
    return p;
}

/* Of the groups, how many have two values; the first examples of them, with their labels. */
static int64_t split_groups(const struct audit *u, const int32_t *value, bool labels,
                            int64_t *ret_groups, struct str *examples)
{
    char word[MISTAKES_WORD];
    int64_t most, n = 0;
    struct pair *p = pairs_of_groups(u, value, &most);

    *ret_groups = 0;
    for (int64_t g = 0; g < most; g++) {
        *ret_groups += p[g].first != -2;
        if (p[g].second == -2 || n++ >= EXAMPLES)
            continue;
        str_addf(examples, "%s'%s'", n > 1 ? ", " : "", mistakes_word(word, u->d->group_names[g]));
        if (labels) {
            str_addf(examples, " ('%s'", mistakes_word(word, u->d->class_names[p[g].first]));
            str_addf(examples, ", '%s')", mistakes_word(word, u->d->class_names[p[g].second]));
        }
    }
    free(p);
    return n;
}

static void look_at_groups(struct audit *u)
{
    struct str examples = {0}, text = {0};
    int64_t groups, n = split_groups(u, u->d->images.labels, true, &groups, &examples);

    if (n)
        str_addf(&text, "%" PRId64 " of %" PRId64 " groups have images of several labels: %s%s", n,
                 groups, str_c(&examples), n > EXAMPLES ? ", ..." : "");
    audit_note(u, &text);
    str_clear(&examples);
    if (!u->group) {
        n = split_groups(u, u->f->fold, false, &groups, &examples);
        str_addf(&text,
                 "the manifest's groups are not used (data.folds.group: true keeps each in one "
                 "fold): %" PRId64 " of %" PRId64 " are split over folds%s%s%s",
                 n, groups, n ? ": " : "", str_c(&examples), n > EXAMPLES ? ", ..." : "");
        audit_note(u, &text);
    }
    str_release(&examples);
}

/* Groups of different sizes may be dealt in one way only, whatever the seed. */
static void look_at_splits(struct audit *u)
{
    int per = u->f->k / u->f->repeats, n = 0;
    struct str text = {0};

    for (int r = 1; r < u->f->repeats; r++) {
        bool same = false;

        for (int q = 0; q < r && !same; q++) {
            const int32_t *a = u->f->fold + u->f->n * q, *b = u->f->fold + u->f->n * r;
            int64_t i = 0;

            while (i < u->f->n && (a[i] < 0 ? -1 : a[i] % per) == (b[i] < 0 ? -1 : b[i] % per))
                i++;
            same = i == u->f->n;
        }
        n += same;
    }
    if (n)
        str_addf(
            &text,
            "%d of %d splits %s the same folds as one before: the groups can hardly be dealt in "
            "another way (data.folds.repeats)",
            n, u->f->repeats, n == 1 ? "has" : "have");
    audit_note(u, &text);
}

void tr_audit(const struct tr_dataset *d, const struct tr_folds *f, bool group, struct arena *a,
              struct tr_audit *ret)
{
    struct audit u = {.d = d, .f = f, .group = group && d->groups, .a = a, .ret = ret};
    int64_t *valid = count_valid(&u);

    *ret = (struct tr_audit){0};
    look_at_classes(&u, valid, false);
    look_at_classes(&u, valid, true);
    if (d->groups)
        look_at_groups(&u);
    look_at_splits(&u);
    audit_equal(&u);
    free(valid);
}
