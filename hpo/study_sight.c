/* What is known when something is decided about a trial. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/study_impl.h"

int study_limit(const struct study *s, int number)
{
    int lag = s->config->sampler.lag;

    return !lag ? number : number >= lag ? number - lag + 1 : 0;
}

static int bracket_of(const struct study *s, int rung, int number)
{
    const struct pruner *p = study_pruner(s, rung);

    return p->ops->bracket ? p->ops->bracket(p, number) : 0;
}

/* Is trial i, of an array that may show it as it once was, one that trial `number` is judged with?
 */
static bool beside(const struct study *s, int i, int rung, int number)
{
    return s->trial[i]->t.rung == rung && bracket_of(s, rung, i) == bracket_of(s, rung, number);
}

/* Are all trials shown to each other? */
static bool all_alike(const struct study *s)
{
    return s->n_rungs == 1 && !s->rung[0].pruner.ops->bracket;
}

/* What a trial looks like while it runs. */
static struct hpo_trial as_running(const struct hpo_trial *t)
{
    struct hpo_trial r = *t;

    r.state = HPO_TRIAL_RUNNING;
    r.value = NAN;
    r.points = NULL;
    r.folds = NULL;
    r.reason = NULL;
    r.n_points = r.n_folds = 0;
    r.ended = r.seconds = 0;
    return r;
}

void study_sight_open(struct study_sight *v, const struct study *s, int number, int rung)
{
    const struct hpo_trial **own = s->all + s->n_prior;
    int limit = study_limit(s, number), late = number - limit, n = 0, tried = 0;

    *v = (struct study_sight){.tried = {&s->config->space, own, number, number},
                              .seen = {&s->config->space, s->all, s->n_prior + number, number}};
    if (!late && all_alike(s))
        return;
    v->pointers = xmalloc(sizeof(*v->pointers) * (size_t)(2 * number + s->n_prior + 1));
    v->hidden = xmalloc(sizeof(*v->hidden) * (size_t)(late + 1));
    if (number)
        memcpy(v->pointers, own, sizeof(*own) * (size_t)number);
    for (int i = 0; i < late; i++) {
        v->hidden[i] = as_running(own[limit + i]);
        v->pointers[limit + i] = &v->hidden[i];
    }
    v->tried.trials = v->pointers;
    v->seen.trials = v->pointers + number;
    for (int i = 0; i < s->n_prior; i++)
        v->pointers[number + n++] = s->all[i];
    for (int i = 0; i < number; i++)
        if (beside(s, i, rung, number))
            v->pointers[number + n++] = v->pointers[i];
    v->seen.n = n;
    /* Last: what lies before it is read above. */
    for (int i = 0; i < number; i++)
        if (s->trial[i]->t.rung == rung)
            v->pointers[tried++] = v->pointers[i];
    v->tried.n = tried;
}

void study_sight_close(struct study_sight *v)
{
    free(v->pointers);
    free(v->hidden);
}

bool study_should_stop(const struct study *s, const struct hpo_trial *t)
{
    const struct pruner *p = study_pruner(s, t->rung);
    bool whole = !s->config->sampler.lag && all_alike(s), ret;
    struct hpo_history h = s->history;
    struct study_sight v = {0};

    if (t->explored) /* it is there to be compared with the others at its end */
        return false;
    if (!whole) {
        study_sight_open(&v, s, t->number, t->rung);
        h = v.seen;
        h.trials += s->n_prior;
        h.n -= s->n_prior;
    }
    ret = p->ops->should_stop(p, &h, t);
    study_sight_close(&v);
    return ret;
}
