#include "samplers/math/tpe_group.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void tpe_group_none(const struct hpo_space *space, int *ret)
{
    for (int i = 0; i < space->n; i++)
        ret[i] = i;
}

static bool names(const struct hpo_when *w, double value)
{
    for (int k = 0; k < w->n_values; k++)
        if (w->values[k] == value)
            return true;
    return false;
}

static bool implies(const struct hpo_when *a, const struct hpo_when *b)
{
    if (a->param != b->param)
        return false;
    for (int k = 0; k < a->n_values; k++)
        if (!names(b, a->values[k]))
            return false;
    return true;
}

/* Each condition of p is one of q's. */
static bool covered(const struct hpo_param *p, const struct hpo_param *q)
{
    for (int i = 0; i < p->n_when; i++) {
        bool found = false;

        for (int k = 0; k < q->n_when && !found; k++)
            found = implies(&p->when[i], &q->when[k]) && implies(&q->when[k], &p->when[i]);
        if (!found)
            return false;
    }
    return true;
}

void tpe_group_declared(const struct hpo_space *space, int *ret)
{
    for (int i = 0; i < space->n; i++) {
        const struct hpo_param *p = &space->params[i];

        ret[i] = i;
        for (int k = 0; k < i; k++)
            if (ret[k] == k && covered(p, &space->params[k]) && covered(&space->params[k], p)) {
                ret[i] = k;
                break;
            }
    }
}

void tpe_group_seen(const struct hpo_space *space, const struct tpe_past *p, int *ret)
{
    int *block = xcalloc((size_t)space->n, sizeof(int));    /* all in one */
    int *half = xcalloc((size_t)space->n + 1, sizeof(int)); /* what becomes of the rest of one */
    bool *seen = xcalloc((size_t)space->n, sizeof(bool));
    int n_blocks = 1;

    for (int t = 0; t < p->n; t++) {
        const double *v = p->values + (size_t)t * (size_t)p->width;
        int before = n_blocks;

        if (p->scores.state[t] == HPO_TRIAL_WAITING)
            continue;
        /* Those that the trial lacks leave the block of those that it has. */
        for (int b = 0; b < before; b++)
            half[b] = -1;
        for (int i = 0; i < space->n; i++)
            if (!isnan(v[i])) {
                seen[i] = true;
                half[block[i]] = -2;
            }
        for (int i = 0; i < space->n; i++) {
            int b = block[i];

            if (!isnan(v[i]) || half[b] == -1)
                continue;
            if (half[b] == -2)
                half[b] = n_blocks++;
            block[i] = half[b];
        }
    }
    for (int i = 0; i < space->n; i++) {
        ret[i] = i;
        for (int k = 0; k < i && seen[i]; k++)
            if (seen[k] && block[k] == block[i]) {
                ret[i] = k;
                break;
            }
    }
    free(block);
    free(half);
    free(seen);
}
