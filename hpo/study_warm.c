/* Warm start: what another study has found out, for the sampler of this one. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "hpo/study_impl.h"

int study_warm_start_find(const struct study_config *c, const char *runs, struct arena *a,
                          const char **ret, struct hpo_err *err)
{
    const char *from = c->study.warm_start;
    const char *tried[] = {
        arena_printf(a, "%s/%s/study.db", runs, from),
        arena_printf(a, "%s/study.db", from),
        arena_printf(a, "%s/%s/study.db", c->folder, from),
    };

    for (size_t i = 0; i < HPO_LEN(tried); i++) {
        if ((*from == '/') == (i == 1) && file_exists(tried[i])) {
            *ret = tried[i];
            return 0;
        }
    }
    return hpo_fail(err, HPO_ECONFIG, "study.warm_start: there is no study '%s' in %s%s", from, runs,
                    *from == '/' ? "" : ", nor a folder of that name with a study.db");
}

static int check_other(const struct study *s, const struct hpo_study_info *other,
                       struct hpo_err *err)
{
    const struct study_opts *o = &s->config->study;

    if (other->maximize != (o->direction == 1) || strcmp(other->metric, o->metric_name))
        return hpo_fail(err, HPO_ECONFIG,
                        "study.warm_start: %s %ss %s and this study %ss %s: their values do not "
                        "compare",
                        other->name, other->maximize ? "maximize" : "minimize", other->metric,
                        o->direction == 1 ? "maximize" : "minimize", o->metric_name);
    return 0;
}

/* The value of a line of an identity, as struct hpo_study_info keeps it; NULL: it has none. */
static const char *find_line(const char *identity, const char *key)
{
    for (const char *p = identity; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        if (!strncmp(p, key, strlen(key)))
            return p;
    return NULL;
}

/* Do two identities say the same of the settings of the first rung? `promote` and `explore` are
 * none of them. */
static bool same_first_rung(const char *a, const char *b)
{
    static const char *const keys[] = {"fidelity.0.limit: ", "fidelity.0.image_size: ",
                                       "fidelity.0.folds.run: ", "fidelity.0.epochs: "};

    for (size_t i = 0; i < HPO_LEN(keys); i++) {
        const char *x = find_line(a, keys[i]), *y = find_line(b, keys[i]);
        size_t n = x ? strcspn(x, "\n") : 0;

        if (!x != !y || (x && (n != strcspn(y, "\n") || strncmp(x, y, n))))
            return false;
    }
    return find_line(a, "fidelity.1") && find_line(b, "fidelity.1");
}

/* The rung of the other study whose values compare with those that the sampler of this one sees:
 * its first where this one has the same, else its last. */
static int comparable_rung(const struct study *s, const struct hpo_study_info *other, int *ret,
                           struct hpo_err *err)
{
    const char *theirs = other->digest ? other->digest : "";
    char key[32];

    *ret = 0;
    if (s->n_rungs > 1)
        return same_first_rung(s->info.digest, theirs)
                   ? 0
                   : hpo_fail(
                         err, HPO_ECONFIG,
                         "study.warm_start: the sampler of this study learns on the first rung "
                         "of `fidelity`, and %s has no such rung: their values do not compare",
                         other->name);
    for (int rung = 1;; rung++) {
        snprintf(key, sizeof(key), "fidelity.%d", rung);
        if (!find_line(theirs, key))
            return 0;
        *ret = rung;
    }
}

static int take(struct study *s, const char *path, struct arena *a, struct hpo_err *err)
{
    const struct storage_ops *ops = storage_registry[0];
    struct storage other = {ops, NULL, a};
    struct hpo_study_info info = {0};
    struct hpo_trial *trial = NULL;
    int n = 0, kept = 0, complete = 0, rung = 0;
    int rc = ops->open(&other, path, STORAGE_READ, err);

    if (!rc)
        rc = ops->load_study(&other, &info, err);
    if (!rc)
        rc = check_other(s, &info, err);
    if (!rc)
        rc = comparable_rung(s, &info, &rung, err);
    if (!rc)
        rc = ops->load_trials(&other, &s->config->space, a, &trial, &n, err);
    ops->close(&other);
    if (rc)
        return rc;
    for (int i = 0; i < n; i++) {
        if (trial[i].state != HPO_TRIAL_COMPLETE || trial[i].rung != rung)
            continue;
        complete++;
        if (hpo_space_contains(&s->config->space, trial[i].values))
            trial[kept++] = trial[i];
    }
    for (int i = 0; i < kept; i++)
        trial[i].number = i - kept;
    for (int i = 0; i < kept; i++) /* what it was there is nothing here */
        trial[i].rung = 0;
    snprintf(s->note, sizeof(s->note),
             "warm start: the sampler knows %d of the %d complete trials of %.100s%s", kept,
             complete, info.name, kept < complete ? "; the others lie outside this space" : "");
    return s->storage.ops->add_priors(&s->storage, &s->config->space, trial, kept, err);
}

int study_take_over(struct study *s, struct hpo_err *err)
{
    const char *slash = strrchr(s->dir, '/'), *path = NULL;
    struct arena a = {0};
    int rc;

    if (!s->config->study.warm_start)
        return 0;
    rc = study_warm_start_find(s->config,
                               slash ? arena_strndup(&a, s->dir, (size_t)(slash - s->dir)) : ".", &a,
                               &path, err);
    if (!rc)
        rc = take(s, path, &a, err);
    arena_release(&a);
    return rc;
}

int study_load_priors(struct study *s, struct hpo_err *err)
{
    return s->storage.ops->load_priors(&s->storage, &s->config->space, &s->arena, &s->prior,
                                       &s->n_prior, err);
}
