/* scikit-learn's StratifiedGroupKFold, as of 1.2.
 *
 * Groups go in order of the standard deviation of their class counts, the largest first; each goes
 * to the fold with which the shares of the classes stay most even over the folds (the mean over the
 * classes of the standard deviation over the folds), of folds that are equally good to the one with
 * the fewest samples. What is a tie depends on rounding, so sums are added up in numpy's order;
 * only what a group changes is computed anew. */
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "trainer/data/folds_impl.h"

/* The members of one group, class by class. */
struct part_of_class {
    int32_t class; /* among those that have members */
    int32_t n;
};

struct greedy {
    struct split *s;
    int classes, parts;
    double *total;   /* (classes): samples */
    double *count;   /* (parts, classes): samples so far */
    double *std;     /* (classes): over the parts, as things stand */
    double *trial;   /* (classes): scratch */
    double *in_part; /* (parts): samples */
    struct part_of_class *member;
    int64_t *start; /* (n_groups + 1): into member */
};

/* numpy's pairwise summation. */
static double sum(const double *v, int64_t n)
{
    double r[8], ret = 0;
    int64_t half = n / 2 - n / 2 % 8, i;

    if (n > 128)
        return sum(v, half) + sum(v + half, n - half);
    if (n < 8) {
        for (i = 0; i < n; i++)
            ret += v[i];
        return ret;
    }
    for (int k = 0; k < 8; k++)
        r[k] = v[k];
    for (i = 8; i < n - n % 8; i += 8)
        for (int k = 0; k < 8; k++)
            r[k] += v[i + k];
    ret = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < n; i++)
        ret += v[i];
    return ret;
}

/* numpy's std; in place. */
static double std_of(double *v, int64_t n)
{
    double mean = sum(v, n) / (double)n;

    for (int64_t i = 0; i < n; i++)
        v[i] = (v[i] - mean) * (v[i] - mean);
    return sqrt(sum(v, n) / (double)n);
}

/* The standard deviation over the parts of a class's shares, with `more` samples in one of them.
 * numpy adds up along the first axis one by one, unless the second one is of length 1. */
static double std_over_parts(const struct greedy *g, int class, int part, int more)
{
    double share[TR_MAX_FOLDS], mean = 0, ret = 0;

    for (int p = 0; p < g->parts; p++)
        share[p] = (g->count[p * g->classes + class] + (p == part ? more : 0)) / g->total[class] *
                   g->s->scale[p];
    if (g->classes == 1)
        return std_of(share, g->parts);
    for (int p = 0; p < g->parts; p++)
        mean += share[p];
    mean /= g->parts;
    for (int p = 0; p < g->parts; p++)
        ret += (share[p] - mean) * (share[p] - mean);
    return sqrt(ret / g->parts);
}

/* numpy.isclose, the second finite. */
static bool close_to(double a, double b)
{
    return fabs(a - b) <= 1e-8 + 1e-5 * fabs(b);
}

static int best_part(struct greedy *g, int group)
{
    double best_value = INFINITY, best_size = INFINITY;
    int best = 0;

    for (int c = 0; c < g->classes; c++)
        g->trial[c] = g->std[c];
    for (int p = 0; p < g->parts; p++) {
        double value;

        for (int64_t m = g->start[group]; m < g->start[group + 1]; m++)
            g->trial[g->member[m].class] = std_over_parts(g, g->member[m].class, p, g->member[m].n);
        value = sum(g->trial, g->classes) / g->classes;
        if (value < best_value ||
            (close_to(value, best_value) && g->in_part[p] * g->s->scale[p] < best_size)) {
            best = p;
            best_value = value;
            best_size = g->in_part[p] * g->s->scale[p];
        }
    }
    return best;
}

static void put(struct greedy *g, int group, int part)
{
    for (int64_t m = g->start[group]; m < g->start[group + 1]; m++) {
        const struct part_of_class *c = &g->member[m];

        g->count[part * g->classes + c->class] += c->n;
        g->in_part[part] += c->n;
        g->std[c->class] = std_over_parts(g, c->class, -1, 0);
    }
}

/* The class counts of every group, without the zeros. */
static void count_members(struct greedy *g)
{
    const struct tr_folds_of *of = g->s->of;
    int64_t *at = xcalloc((size_t)g->s->n_groups + 1, sizeof(*at)), to = 0;
    int32_t *row = xcalloc((size_t)of->n, sizeof(*row)); /* samples by group */
    int32_t *place = xcalloc((size_t)of->classes, sizeof(*place));
    int64_t *slot = xcalloc((size_t)of->classes, sizeof(*slot)); /* of a class in member, + 1 */

    for (int c = 0; c < of->classes; c++) {
        if (!g->s->size[c])
            continue;
        g->total[g->classes] = (double)g->s->size[c];
        place[c] = g->classes++;
    }
    for (int64_t i = 0; i < of->n; i++)
        at[of->groups[i] + 1]++;
    for (int i = 0; i < g->s->n_groups; i++)
        at[i + 1] += at[i];
    for (int64_t i = of->n; i--;)
        row[--at[of->groups[i] + 1]] = (int32_t)i;
    /* at[i + 1] is now the first row of group i. */
    for (int i = 0; i < g->s->n_groups; i++) {
        int64_t end = i + 1 < g->s->n_groups ? at[i + 2] : of->n;

        g->start[i] = to;
        for (int64_t r = at[i + 1]; r < end; r++) {
            int32_t c = of->labels[row[r]];

            if (slot[c] <= g->start[i]) { /* of a group before */
                g->member[to] = (struct part_of_class){.class = place[c]};
                slot[c] = ++to;
            }
            g->member[slot[c] - 1].n++;
        }
    }
    g->start[g->s->n_groups] = to;
    free(slot);
    free(place);
    free(row);
    free(at);
}

struct ranked {
    double std;
    int32_t group, rank;
};

static int most_uneven_first(const void *pa, const void *pb)
{
    const struct ranked *a = pa, *b = pb;

    if (a->std != b->std)
        return a->std > b->std ? -1 : 1;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static struct ranked *rank_groups(struct greedy *g)
{
    struct ranked *ret = xcalloc((size_t)g->s->n_groups, sizeof(*ret));
    int32_t *rank = xcalloc((size_t)g->s->n_groups, sizeof(*rank));

    for (int32_t i = 0; i < g->s->n_groups; i++)
        rank[i] = i;
    split_shuffle(g->s, "groups", 0, rank, g->s->n_groups);
    for (int32_t i = 0; i < g->s->n_groups; i++) {
        for (int c = 0; c < g->classes; c++)
            g->trial[c] = 0;
        for (int64_t m = g->start[i]; m < g->start[i + 1]; m++)
            g->trial[g->member[m].class] = g->member[m].n;
        ret[i] = (struct ranked){std_of(g->trial, g->classes), i, rank[i]};
    }
    qsort(ret, (size_t)g->s->n_groups, sizeof(*ret), most_uneven_first);
    free(rank);
    return ret;
}

void split_stratified_group(struct split *s)
{
    size_t classes = (size_t)s->of->classes, parts = (size_t)s->parts;
    struct greedy g = {.s = s, .parts = s->parts};
    int32_t *part_of = xcalloc((size_t)s->n_groups, sizeof(*part_of));
    struct ranked *order;

    g.total = xcalloc(classes, sizeof(*g.total));
    g.std = xcalloc(classes, sizeof(*g.std));
    g.trial = xcalloc(classes, sizeof(*g.trial));
    g.count = xcalloc(classes * parts, sizeof(*g.count));
    g.in_part = xcalloc(parts, sizeof(*g.in_part));
    g.member = xcalloc((size_t)s->of->n, sizeof(*g.member));
    g.start = xcalloc((size_t)s->n_groups + 1, sizeof(*g.start));
    count_members(&g);
    order = rank_groups(&g);
    for (int32_t i = 0; i < s->n_groups; i++) {
        int32_t group = order[i].group;

        part_of[group] = best_part(&g, group);
        put(&g, group, part_of[group]);
    }
    split_by_group(s, part_of);
    free(order);
    free(g.start);
    free(g.member);
    free(g.in_part);
    free(g.count);
    free(g.trial);
    free(g.std);
    free(g.total);
    free(part_of);
}
