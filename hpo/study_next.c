/* What runs next, and on whose results that is decided. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hpo/study_impl.h"

/* ---------------------------------------------------------------- why no new trial is begun */

static bool better(const struct study *s, const struct hpo_trial *t, double than)
{
    return t->state == HPO_TRIAL_COMPLETE && t->value < than - s->config->study.min_delta;
}

/* What ends a study is of its last rung: the values of the others are of another kind. */
static bool counts(const struct study *s, const struct hpo_trial *t)
{
    return t->rung == s->n_rungs - 1;
}

/* Finished trials among the first n since the last one that was better than all before it. */
static int since_better(const struct study *s, int n)
{
    double best = INFINITY;
    int count = 0;

    for (int i = 0; i < n; i++) {
        const struct hpo_trial *t = &s->trial[i]->t;

        if (!counts(s, t))
            continue;
        if (better(s, t, best)) {
            best = t->value;
            count = 0;
        } else {
            count += t->state == HPO_TRIAL_COMPLETE || t->state == HPO_TRIAL_PRUNED;
        }
    }
    return count;
}

static bool reached(const struct study *s, int n)
{
    double target = hpo_value_flip(s->config->study.target, s->config->study.direction == 1);

    for (int i = 0; i < n; i++)
        if (counts(s, &s->trial[i]->t) && s->trial[i]->t.state == HPO_TRIAL_COMPLETE &&
            s->trial[i]->t.value <= target)
            return true;
    return false;
}

/* Do the first n trials say that it is enough? */
static enum study_end enough(const struct study *s, int n)
{
    const struct study_opts *o = &s->config->study;

    if (isfinite(o->target) && reached(s, n))
        return STUDY_TARGET;
    if (o->patience && since_better(s, n) >= o->patience)
        return STUDY_PATIENCE;
    return STUDY_GOES_ON;
}

enum study_end study_end(const struct study *s)
{
    const struct study_opts *o = &s->config->study;
    enum study_end end;

    if (o->max_failures && s->failures_in_a_row >= o->max_failures)
        return STUDY_FAILURES;
    end = enough(s, study_limit(s, s->n));
    if (end)
        return end;
    if (s->n_rungs > 1 && study_rung_now(s) < s->n_rungs)
        return STUDY_GOES_ON;
    if (study_finished_on(s, 0) + s->rung[0].count[HPO_TRIAL_RUNNING] >= o->trials)
        return STUDY_DONE;
    return s->exhausted && !s->count[HPO_TRIAL_WAITING] ? STUDY_EXHAUSTED : STUDY_GOES_ON;
}

bool study_over(const struct study *s)
{
    enum study_end end;

    if (s->n_held)
        return false;
    end = study_end(s);
    return end == STUDY_FAILURES || (end && !s->count[HPO_TRIAL_RUNNING]);
}

/* ---------------------------------------------------------------- values */

/* Nothing is missing: what is active has a value, and what is not has none. */
static bool is_whole(const struct hpo_space *space, const double *values)
{
    return hpo_space_contains(space, values);
}

/* Values for trial `number`; those in `given` (NULL: none) that are not NaN stay. HPO_EDONE. */
static int sample(struct study *s, int number, const double *given, double *ret,
                  struct hpo_err *err)
{
    const struct hpo_space *space = &s->config->space;
    struct hpo_rng rng = hpo_rng_for((uint64_t)s->config->study.seed, number, -1, "enqueued", 0);
    struct study_sight v;
    int rc;

    if (given && is_whole(space, given)) {
        memcpy(ret, given, sizeof(*ret) * (size_t)space->n);
        return 0;
    }
    study_sight_open(&v, s, number, 0);
    rc = sampler_next(&s->sampler, &v.seen, &v.tried, ret, err);
    study_sight_close(&v);
    if (rc || !given)
        return rc;
    /* What is given may wake parameters that the sampler left asleep: those are drawn at random. */
    for (int k = 0; k < space->n; k++) {
        int i = space->order[k];
        double u = hpo_rng_uniform(&rng);

        if (!isnan(given[i]))
            ret[i] = given[i];
        else if (isnan(ret[i]) && hpo_param_active(space, i, ret))
            ret[i] = hpo_param_decode(&space->params[i], u);
    }
    hpo_space_mask(space, ret);
    return 0;
}

/* ---------------------------------------------------------------- what runs next */

/* That a run before this one left, or a worker gave back. */
static struct study_trial *left_over(const struct study *s)
{
    if (s->count[HPO_TRIAL_RUNNING] == s->n_held)
        return NULL;
    for (int i = s->first_open; i < s->n; i++)
        if (s->trial[i]->t.state == HPO_TRIAL_RUNNING && !s->trial[i]->held)
            return s->trial[i];
    return NULL;
}

static struct study_trial *waiting(const struct study *s)
{
    for (int i = s->first_open; s->count[HPO_TRIAL_WAITING] && i < s->n; i++)
        if (s->trial[i]->t.state == HPO_TRIAL_WAITING)
            return s->trial[i];
    return NULL;
}

struct study_trial *study_to_repeat(const struct study *s, int rung, int n)
{
    int retries = s->config->study.retries;

    for (int i = 0; retries && s->rung[rung].count[HPO_TRIAL_FAIL] && i < n; i++) {
        struct study_trial *t = s->trial[i];

        if (t->t.rung == rung && t->t.state == HPO_TRIAL_FAIL && !t->retried &&
            t->t.retry < retries)
            return t;
    }
    return NULL;
}

/* A WAITING trial is taken up. */
static int claim(struct study *s, struct study_trial *t, struct hpo_err *err)
{
    struct hpo_trial now = t->t;
    size_t bytes = sizeof(double) * (size_t)s->config->space.n;
    double *values = xmalloc(bytes + 1);
    int rc = sample(s, t->t.number, t->t.values, values, err);

    if (rc == HPO_EDONE) { /* all was tried, and still this one is wanted */
        for (int i = 0; i < s->config->space.n; i++)
            values[i] = hpo_param_decode(&s->config->space.params[i], 0.5);
        for (int i = 0; i < s->config->space.n; i++)
            values[i] = isnan(t->t.values[i]) ? values[i] : t->t.values[i];
        hpo_space_mask(&s->config->space, values);
        rc = 0;
    }
    if (!rc) {
        now.state = HPO_TRIAL_RUNNING;
        now.cheap = s->n_rungs > 1;
        now.values = bytes ? arena_dup(&s->arena, values, bytes) : now.values;
        now.started = clock_wall();
        rc = s->storage.ops->claim(&s->storage, &s->config->space, &now, err);
    }
    if (!rc) {
        t->t = now;
        study_moved(s, t, HPO_TRIAL_WAITING);
    }
    free(values);
    return rc;
}

/* A trial with the next number: a repetition of `failed` if that is not NULL; else `promoted` on
 * the next rung; else a new one. */
static int begin(struct study *s, struct study_trial *failed, const struct hpo_trial *promoted,
                 bool explored, struct study_trial **ret, struct hpo_err *err)
{
    const struct hpo_trial *of = failed ? &failed->t : promoted;
    size_t bytes = sizeof(double) * (size_t)s->config->space.n;
    double *values = xmalloc(bytes + 1);
    struct hpo_trial fresh = {
        .number = s->n, .state = HPO_TRIAL_RUNNING, .value = NAN, .started = clock_wall()};
    struct hpo_err why = {0};
    int rc = sample(s, s->n, of ? of->values : NULL, values, &why);

    if (rc == HPO_EDONE) {
        /* A running trial may fail and have to be tried again: only silence is the end. */
        s->exhausted = s->rung[0].n_held == 0;
        snprintf(s->exhausted_why, sizeof(s->exhausted_why), "%.250s", why.msg);
        rc = 0;
        goto out;
    }
    if (rc) {
        if (err)
            *err = why;
        goto out;
    }
    fresh.values = arena_dup(&s->arena, values, bytes);
    if (of) {
        fresh.rung = failed ? of->rung : of->rung + 1;
        fresh.promoted_from = failed ? of->promoted_from : of->number;
        fresh.explored = failed ? of->explored : explored;
    }
    fresh.cheap = fresh.rung < s->n_rungs - 1;
    if (failed) {
        fresh.retry = failed->t.retry + 1;
        fresh.retry_of = failed->t.retry ? failed->t.retry_of : failed->t.number;
    }
    rc = s->storage.ops->add_trial(&s->storage, &s->config->space, &fresh, err);
    if (rc)
        goto out;
    *ret = study_append(s);
    (*ret)->t = fresh;
    s->count[HPO_TRIAL_RUNNING]++;
    s->rung[fresh.rung].count[HPO_TRIAL_RUNNING]++;
    if (failed)
        failed->retried = true;
out:
    free(values); /* the arena would grow with every question that has no answer yet */
    return rc;
}

/* On the first rung, or where there are no others. */
static int next_new(struct study *s, struct study_trial **ret, struct hpo_err *err)
{
    struct study_trial *t;
    int number, rc;

    if (study_finished_on(s, 0) + s->rung[0].count[HPO_TRIAL_RUNNING] >= s->config->study.trials)
        return 0;
    t = waiting(s);
    number = t ? t->t.number : s->n;
    if (s->config->sampler.lag && s->first_open < study_limit(s, number))
        return 0; /* it has to wait for their results */
    if (enough(s, study_limit(s, number)))
        return 0;
    if (t) {
        rc = claim(s, t, err);
        if (!rc)
            *ret = t;
        return rc;
    }
    return s->exhausted
               ? 0
               : begin(s, study_to_repeat(s, 0, study_limit(s, number)), NULL, false, ret, err);
}

/* Does a trial run that trial `number` has to wait for? Those that only wait may do so for ever. */
static bool has_to_wait(const struct study *s, int number)
{
    int limit = s->config->sampler.lag ? study_limit(s, number) : 0;

    for (int i = s->first_open; i < limit; i++)
        if (s->trial[i]->t.state == HPO_TRIAL_RUNNING)
            return true;
    return false;
}

/* The trials of the rung below are known; the order here is that of study.h. */
static int next_promoted(struct study *s, int rung, struct study_trial **ret, struct hpo_err *err)
{
    int limit = study_limit(s, s->n);
    const struct hpo_trial *from = NULL;
    struct study_trial *failed;
    bool explored = false;

    if (has_to_wait(s, s->n) || enough(s, limit))
        return 0;
    failed = study_to_repeat(s, rung, limit);
    if (!failed)
        from = study_to_promote(s, rung, &explored);
    /* Nothing else is left, so that none would ever be far enough behind. */
    if (!failed && !from && !s->rung[rung].count[HPO_TRIAL_RUNNING])
        failed = study_to_repeat(s, rung, s->n);
    return failed || from ? begin(s, failed, from, explored, ret, err) : 0;
}

int study_next(struct study *s, struct study_trial **ret, struct hpo_err *err)
{
    int max_failures = s->config->study.max_failures, rung, rc = 0;

    *ret = NULL;
    if (max_failures && s->failures_in_a_row >= max_failures)
        return 0;
    *ret = left_over(s);
    if (*ret)
        return 0;
    rung = s->n_rungs > 1 ? study_rung_now(s) : 0;
    if (!rung) {
        rc = next_new(s, ret, err);
        /* The sampler may just have said that there is nothing more. */
        if (!rc && !*ret && s->n_rungs > 1)
            rung = study_rung_now(s);
    }
    if (!rc && rung && rung < s->n_rungs)
        rc = next_promoted(s, rung, ret, err);
    return rc;
}

/* ---------------------------------------------------------------- asking for trials */

int study_enqueue(struct study *s, const double *values, int *ret_number, struct hpo_err *err)
{
    int n = s->config->space.n, rc;
    struct hpo_trial t = {.number = s->n,
                          .state = HPO_TRIAL_WAITING,
                          .value = NAN,
                          .enqueued = true,
                          .cheap = s->n_rungs > 1};
    struct study_trial *added;

    t.values = arena_dup(&s->arena, values, sizeof(*values) * (size_t)n);
    rc = s->storage.ops->enqueue(&s->storage, &s->config->space, &t, err);
    if (rc)
        return rc;
    added = study_append(s);
    added->t = t;
    s->count[HPO_TRIAL_WAITING]++;
    s->rung[0].count[HPO_TRIAL_WAITING]++;
    if (ret_number)
        *ret_number = t.number;
    return 0;
}

/* Does an enqueued trial have what the row asks for? */
static bool answers(const struct hpo_trial *t, const double *row, int n)
{
    bool ok = t->enqueued;

    for (int i = 0; ok && i < n; i++)
        ok = isnan(row[i]) || row[i] == t->values[i];
    return ok;
}

int study_enqueue_rows(struct study *s, struct hpo_err *err)
{
    const struct study_config *c = s->config;
    int width = c->space.n, before = s->n, rc = 0;
    bool *used = xcalloc((size_t)before + 1, sizeof(*used));

    for (int i = 0; i < c->n_enqueue && !rc; i++) {
        const double *row = c->enqueue + (size_t)i * (size_t)width;
        int k = 0;

        while (k < before && (used[k] || !answers(&s->trial[k]->t, row, width)))
            k++;
        if (k < before)
            used[k] = true;
        else
            rc = study_enqueue(s, row, NULL, err);
    }
    free(used);
    return rc;
}
