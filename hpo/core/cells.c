#include "hpo/core/cells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 9007199254740992.0 /* 2^53 */
#define WORK_MAX (16 << 20)

/* Parameters that conditions connect, in space->order. */
struct group {
    const int *param;
    int n;
};

struct hpo_cells_group {
    struct group g;
    int64_t count;
    int32_t *rows; /* count x g.n indices, sorted; -1: inactive. NULL: one free parameter */
};

struct groups {
    int n;
    struct group *group;
    int *members;
};

static int find_root(int *up, int i)
{
    while (up[i] != i)
        i = up[i] = up[up[i]];
    return i;
}

static void groups_init(struct groups *g, const struct hpo_space *s)
{
    int *up = xmalloc(sizeof(int) * (size_t)s->n), *slot = xmalloc(sizeof(int) * (size_t)s->n);
    int used = 0;

    *g = (struct groups){0, xcalloc((size_t)s->n, sizeof(*g->group)),
                         xmalloc(sizeof(int) * (size_t)s->n)};
    for (int i = 0; i < s->n; i++) {
        up[i] = i;
        slot[i] = -1;
    }
    for (int i = 0; i < s->n; i++)
        for (int w = 0; w < s->params[i].n_when; w++)
            up[find_root(up, i)] = find_root(up, s->params[i].when[w].param);
    for (int i = 0; i < s->n; i++) {
        int root = find_root(up, s->order[i]);

        if (slot[root] < 0)
            slot[root] = g->n++;
        g->group[slot[root]].n++;
    }
    for (int k = 0; k < g->n; k++) {
        g->group[k].param = g->members + used;
        used += g->group[k].n;
        g->group[k].n = 0;
    }
    for (int i = 0; i < s->n; i++) {
        struct group *k = &g->group[slot[find_root(up, s->order[i])]];

        g->members[(k->param - g->members) + k->n++] = s->order[i];
    }
    free(up);
    free(slot);
}

static void groups_release(struct groups *g)
{
    free(g->group);
    free(g->members);
}

/* The values of one parameter that conditions name: they split its values into classes. */
struct named {
    double *v;
    int n;
};

struct counter {
    const struct hpo_space *space;
    struct group group;
    struct named *named; /* per parameter of the space */
    double *values;
    int work;
};

/* Configurations of the group's parameters from the i-th on, given the values before it; a
 * condition sees only the class of a value, so a class is visited once and counted as often as it
 * has members. Exact below 2^53; HUGE_VAL: infinite, or more work than allowed. */
static double count_from(struct counter *c, int i)
{
    double sum = 0, below;
    const struct named *named;
    int64_t total;
    int p;

    if (i == c->group.n)
        return 1;
    p = c->group.param[i];
    c->work--;
    for (int w = 0; w < c->space->params[p].n_when; w++)
        c->work -= c->space->params[p].when[w].n_values;
    if (c->work < 0)
        return HUGE_VAL;
    if (!hpo_param_active(c->space, p, c->values)) {
        c->values[p] = NAN;
        return count_from(c, i + 1);
    }
    total = hpo_param_count(&c->space->params[p]);
    if (total < 0)
        return HUGE_VAL;
    named = &c->named[p];
    for (int k = 0; k < named->n && sum <= COUNT_MAX; k++) {
        c->values[p] = named->v[k];
        sum += count_from(c, i + 1);
    }
    if (total > named->n && sum <= COUNT_MAX) {
        c->values[p] = HUGE_VAL; /* stands for every value that no condition names */
        below = count_from(c, i + 1);
        sum += (double)(total - named->n) * below;
    }
    return sum;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static struct named *find_named(const struct hpo_space *s)
{
    struct named *named = xcalloc((size_t)s->n, sizeof(*named));

    for (int i = 0; i < s->n; i++)
        for (int w = 0; w < s->params[i].n_when; w++) {
            const struct hpo_when *when = &s->params[i].when[w];
            struct named *m = &named[when->param];

            m->v = xrealloc(m->v, sizeof(double) * (size_t)(m->n + when->n_values));
            for (int k = 0; k < when->n_values; k++)
                if (hpo_param_index(&s->params[when->param], when->values[k]) >= 0)
                    m->v[m->n++] = when->values[k];
        }
    for (int i = 0; i < s->n; i++) {
        struct named *m = &named[i];
        int n = 0;

        if (m->n)
            qsort(m->v, (size_t)m->n, sizeof(double), by_value);
        for (int k = 0; k < m->n; k++)
            if (n == 0 || m->v[k] != m->v[n - 1])
                m->v[n++] = m->v[k];
        m->n = n;
    }
    return named;
}

int64_t hpo_space_count(const struct hpo_space *s)
{
    struct groups g;
    struct counter c = {.space = s,
                        .named = find_named(s),
                        .values = xcalloc((size_t)s->n, sizeof(double)),
                        .work = WORK_MAX};
    double count = 1;

    groups_init(&g, s);
    for (int k = 0; k < g.n && count <= COUNT_MAX; k++) {
        c.group = g.group[k];
        count *= count_from(&c, 0);
    }
    groups_release(&g);
    for (int i = 0; i < s->n; i++)
        free(c.named[i].v);
    free(c.named);
    free(c.values);
    return count <= COUNT_MAX ? (int64_t)count : -1;
}

/* What conditions may look at; decimal arithmetic for stepped floats would be slow and idle. */
static double parent_value(const struct hpo_param *p, int32_t index)
{
    return p->kind == HPO_PARAM_FLOAT ? 0 : hpo_param_at(p, index);
}

/* The next row of a group in lexicographic order; values follow the indices. */
static bool next_row(const struct hpo_space *s, const struct group *g, int32_t *row, double *values,
                     bool first)
{
    int i = 0;

    if (!first) {
        for (i = g->n - 1; i >= 0; i--)
            if (row[i] >= 0 && row[i] + 1 < hpo_param_count(&s->params[g->param[i]]))
                break;
        if (i < 0)
            return false;
        row[i]++;
        values[g->param[i]] = parent_value(&s->params[g->param[i]], row[i]);
        i++;
    }
    for (; i < g->n; i++) {
        int p = g->param[i];

        row[i] = hpo_param_active(s, p, values) ? 0 : -1;
        values[p] = row[i] < 0 ? NAN : parent_value(&s->params[p], 0);
    }
    return true;
}

/* Every row of a group: count first, then fill, so the table has just its size. */
static void group_fill(struct hpo_cells_group *k, const struct hpo_space *s, double *values,
                       int32_t *row)
{
    size_t bytes = sizeof(int32_t) * (size_t)k->g.n, n = 0;

    if (k->g.n == 1) {
        k->count = hpo_param_count(&s->params[k->g.param[0]]);
        return;
    }
    for (bool more = next_row(s, &k->g, row, values, true); more;
         more = next_row(s, &k->g, row, values, false))
        n++;
    k->count = (int64_t)n;
    k->rows = xmalloc(bytes * n);
    n = 0;
    for (bool more = next_row(s, &k->g, row, values, true); more;
         more = next_row(s, &k->g, row, values, false))
        memcpy(k->rows + n++ * (size_t)k->g.n, row, bytes);
}

bool hpo_cells_init(struct hpo_cells *ret, const struct hpo_space *space)
{
    int64_t count = hpo_space_count(space);
    struct groups g;
    double *values;

    if (count < 0 || count > HPO_CELLS_MAX)
        return false;
    groups_init(&g, space);
    *ret = (struct hpo_cells){space, count, g.n, xcalloc((size_t)g.n, sizeof(*ret->groups)),
                              xcalloc((size_t)space->n, sizeof(int32_t))};
    values = xcalloc((size_t)space->n, sizeof(double));
    for (int k = 0; k < g.n; k++) {
        struct hpo_cells_group *group = &ret->groups[k];
        size_t bytes = sizeof(int) * (size_t)g.group[k].n;

        group->g.n = g.group[k].n;
        group->g.param = memcpy(xmalloc(bytes), g.group[k].param, bytes);
        group_fill(group, space, values, ret->scratch);
    }
    free(values);
    groups_release(&g);
    return true;
}

void hpo_cells_release(struct hpo_cells *c)
{
    for (int k = 0; k < c->n_groups; k++) {
        free((int *)(uintptr_t)c->groups[k].g.param);
        free(c->groups[k].rows);
    }
    free(c->groups);
    free(c->scratch);
    *c = (struct hpo_cells){0};
}

void hpo_cells_at(const struct hpo_cells *c, int64_t i, double *ret_values)
{
    for (int k = c->n_groups - 1; k >= 0; k--) {
        const struct hpo_cells_group *group = &c->groups[k];
        int64_t r = i % group->count;

        i /= group->count;
        for (int j = 0; j < group->g.n; j++) {
            int p = group->g.param[j];
            int64_t at = group->rows ? group->rows[r * group->g.n + j] : r;

            ret_values[p] = at < 0 ? NAN : hpo_param_at(&c->space->params[p], at);
        }
    }
}

static int64_t find_row(const struct hpo_cells_group *group, const int32_t *row)
{
    int64_t lo = 0, hi = group->count;

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        const int32_t *r = group->rows + mid * group->g.n;
        int j = 0;

        while (j < group->g.n && r[j] == row[j])
            j++;
        if (j == group->g.n)
            return mid;
        if (r[j] < row[j])
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

int64_t hpo_cells_find(const struct hpo_cells *c, const double *values)
{
    int64_t cell = 0;

    for (int k = 0; k < c->n_groups; k++) {
        const struct hpo_cells_group *group = &c->groups[k];
        int64_t r;

        for (int j = 0; j < group->g.n; j++) {
            int p = group->g.param[j];

            c->scratch[j] = -1;
            if (isnan(values[p]))
                continue;
            r = hpo_param_index(&c->space->params[p], values[p]);
            if (r < 0)
                return -1;
            c->scratch[j] = (int32_t)r;
        }
        r = group->rows ? find_row(group, c->scratch) : c->scratch[0];
        if (r < 0)
            return -1;
        cell = cell * group->count + r;
    }
    return cell;
}
