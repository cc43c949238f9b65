/* bench_pruners [-n ORDERS] [-t TRIALS] [-e SHARE] [-s] [-b LOST:SAVED]
 *               [-p PRUNER[:OPTION=VALUE]...]... [CURVES...]
 *
 * What pruners save, and what they cost.
 *
 * Trials that were trained to their end are replayed in random orders, all of a study or so many
 * of them, drawn anew for each order; a trial that the pruner stops ends there, as PRUNED, for
 * those after it. A line a study and pruner:
 *
 *   saved    share of the epochs that were not trained
 *   lost     share of the orders in which the best of all trials was stopped
 *   regret   how much worse the best of what was left is, as a share of the distance between the
 *            best trial and the median one; on average over the orders in which the best was lost
 *   top 3    share of the best three that were stopped
 *
 * With -e a replay ends when this share of the epochs of all its trials has been trained: the best
 * trial may then be lost for want of time, too.
 *
 * CURVES: files of record_curves.py; without any, and with -s, made-up families, a new study an
 * order. Without -p: the pruners with their defaults. -b: exit with 1 when, over all of CURVES or
 * all families, one of them lost more or saved less, in percent. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "curve_families.h"

static void die(const char *what)
{
    fprintf(stderr, "bench_pruners: %s\n", what);
    exit(1);
}

static double read_value(FILE *f, bool maximize)
{
    char text[64];

    if (fscanf(f, "%63s", text) != 1)
        die("a value is missing");
    return hpo_value_flip(strtod(text, NULL), maximize);
}

/* The next study of the file; false: there is none. */
static bool read_study(FILE *f, struct curves *c)
{
    char word[64];

    if (fscanf(f, " study %63s %d %d %d %d", c->name, &c->maximize, &c->folds, &c->fold_steps,
               &c->n) != 5)
        return false;
    if (c->n < 1 || c->n > MAX_TRIALS)
        die("too many trials");
    arena_release(&c->arena);
    for (int i = 0; i < c->n; i++) {
        struct hpo_trial *t = &c->trial[i];
        struct hpo_point *p;

        *t = (struct hpo_trial){.state = HPO_TRIAL_COMPLETE};
        if (fscanf(f, "%63s", word) != 1 || strcmp(word, "trial"))
            die("a trial is missing");
        t->value = read_value(f, c->maximize);
        if (fscanf(f, "%d", &t->n_points) != 1 || t->n_points < 0 || t->n_points > 100000)
            die("no points");
        t->points = p = ARENA_ARRAY(&c->arena, struct hpo_point, t->n_points + 1);
        for (int j = 0; j < t->n_points; j++) {
            long long step;

            if (fscanf(f, "%lld", &step) != 1)
                die("no step");
            p[j] = (struct hpo_point){step, read_value(f, c->maximize)};
        }
    }
    return true;
}

struct score {
    double saved, lost, regret, top;
    int n;
};

static int by_value(const void *a, const void *b)
{
    const struct hpo_trial *x = a, *y = b;

    return (x->value > y->value) - (x->value < y->value);
}

/* Which trials of a study are replayed, and in which order. */
struct order {
    int n;
    int32_t at[MAX_TRIALS];
    int rank[MAX_TRIALS]; /* among them, by value, from 0; by place in the study */
    double best, median, worst;
    double epochs; /* of all */
};

/* The trials of c are in the order of their values. */
static struct order draw_order(const struct curves *c, int n, uint64_t seed)
{
    struct hpo_rng r = hpo_rng_for(seed, -1, -1, "order", 0);
    struct order o = {.n = n};
    bool drawn[MAX_TRIALS] = {false};
    int rank = 0;

    for (int i = 0; i < c->n; i++)
        o.at[i] = i;
    hpo_rng_shuffle(&r, o.at, c->n);
    for (int i = 0; i < n; i++) {
        drawn[o.at[i]] = true;
        o.epochs += c->trial[o.at[i]].n_points;
    }
    for (int i = 0; i < c->n; i++) {
        if (!drawn[i])
            continue;
        if (rank == 0)
            o.best = c->trial[i].value;
        if (rank == n / 2)
            o.median = c->trial[i].value;
        o.worst = c->trial[i].value;
        o.rank[i] = rank++;
    }
    return o;
}

struct replay {
    struct hpo_trial trial[MAX_TRIALS];
    int bracket[MAX_TRIALS];
    double left; /* epochs that may still be trained */
};

/* The i-th trial: true when it was trained to its end. */
static bool replay_trial(const struct pruner *p, struct replay *r, int i,
                         const struct hpo_trial *full)
{
    const struct hpo_trial *view[MAX_TRIALS];
    struct hpo_history h = {NULL, view, 0, i + 1};
    struct hpo_trial *t = &r->trial[i];
    bool stop = false;

    *t = *full;
    t->number = i;
    t->state = HPO_TRIAL_RUNNING;
    t->value = NAN;
    r->bracket[i] = p->ops->bracket ? p->ops->bracket(p, i) : 0;
    for (int j = 0; j <= i; j++)
        if (r->bracket[j] == r->bracket[i])
            view[h.n++] = &r->trial[j];
    for (t->n_points = 0; !stop && t->n_points < full->n_points && r->left > 0; r->left--) {
        t->n_points++;
        stop = p->ops->should_stop(p, &h, t);
    }
    if (!stop && t->n_points == full->n_points) {
        t->state = HPO_TRIAL_COMPLETE;
        t->value = full->value;
        return true;
    }
    t->state = HPO_TRIAL_PRUNED;
    t->value = t->n_points ? t->points[t->n_points - 1].value : NAN;
    return false;
}

/* share: of the epochs of all trials, that may be trained. */
static void replay(struct pruner *p, const struct curves *c, const struct order *o, double share,
                   struct score *s)
{
    static struct replay r;
    double found = o->worst, budget = o->epochs * share;
    int lost = 0;

    p->study = c->name;
    p->maximize = c->maximize;
    p->folds = c->folds;
    p->fold_steps = c->fold_steps;
    r.left = budget;
    for (int i = 0; i < o->n; i++) {
        if (replay_trial(p, &r, i, &c->trial[o->at[i]]))
            found = fmin(found, c->trial[o->at[i]].value);
        else
            lost += o->rank[o->at[i]] < 3;
    }
    s->n++;
    s->saved += 1 - (budget - r.left) / o->epochs;
    s->top += lost / 3.0;
    if (found > o->best) {
        s->lost++;
        s->regret += (found - o->best) / (o->median - o->best);
    }
}

static void print_score(const char *study, const char *pruner, const struct score *s)
{
    printf("%-14s %-40s saved %5.1f %%  lost %5.2f %%  regret %6.3f  top 3 %5.1f %%\n", study,
           pruner, 100 * s->saved / s->n, 100 * s->lost / s->n, s->lost ? s->regret / s->lost : 0,
           100 * s->top / s->n);
}

static struct pruner open_pruner(const char *text, struct arena *a)
{
    char *name = arena_strdup(a, text), *save = NULL, *word = strtok_r(name, ":", &save);
    struct pruner p = {.ops = hpo_registry_find((const void *const *)pruner_registry, word)};
    struct hpo_err err;
    void *priv;

    if (!p.ops)
        die("no such pruner");
    p.priv = priv = arena_alloc(a, p.ops->plugin.priv_size);
    hpo_opt_defaults(p.ops->plugin.opts, priv, a);
    while ((word = strtok_r(NULL, ":", &save))) {
        char *value = strchr(word, '=');
        const struct hpo_opt *o;

        if (!value)
            die("an option is OPTION=VALUE");
        *value++ = '\0';
        o = hpo_opt_find(p.ops->plugin.opts, word);
        if (!o || hpo_opt_set(o, priv, value, a, &err))
            die("no such option, or no such value");
    }
    return p;
}

struct bench {
    struct pruner pruner[64];
    const char *text[64];
    struct score total[64];
    int n, orders, trials; /* trials: of a replay, 0: all */
    double share;          /* of the epochs that may be trained */
    double most_lost, least_saved;
    bool failed;
};

static void add_total(struct bench *b, int i, const char *study, const struct score *s)
{
    struct score *t = &b->total[i];

    print_score(study, b->text[i], s);
    t->saved += s->saved;
    t->lost += s->lost;
    t->regret += s->regret;
    t->top += s->top;
    t->n += s->n;
}

static void print_totals(struct bench *b, const char *name)
{
    for (int i = 0; i < b->n; i++) {
        const struct score *s = &b->total[i];

        print_score(name, b->text[i], s);
        b->failed |= 100 * s->lost > b->most_lost * s->n || 100 * s->saved < b->least_saved * s->n;
    }
    memset(b->total, 0, sizeof(b->total));
}

static int trials_of(const struct bench *b, const struct curves *c)
{
    return b->trials > 0 && b->trials < c->n ? b->trials : c->n;
}

static void run_recorded(struct bench *b, const char *path, struct curves *c)
{
    FILE *f = fopen(path, "r");

    if (!f)
        die(path);
    while (read_study(f, c)) {
        qsort(c->trial, (size_t)c->n, sizeof(c->trial[0]), by_value);
        for (int i = 0; i < b->n; i++) {
            struct score s = {0};

            for (int j = 0; j < b->orders; j++) {
                struct order o = draw_order(c, trials_of(b, c), (uint64_t)j);

                replay(&b->pruner[i], c, &o, b->share, &s);
            }
            add_total(b, i, c->name, &s);
        }
    }
    fclose(f);
}

static void run_synthetic(struct bench *b, struct curves *c)
{
    for (int m = 0; m < FAMILIES; m++)
        for (int i = 0; i < b->n; i++) {
            struct score s = {0};

            for (int j = 0; j < b->orders; j++) {
                struct order o;

                make_study(&families[m], (uint64_t)j, c);
                qsort(c->trial, (size_t)c->n, sizeof(c->trial[0]), by_value);
                o = draw_order(c, trials_of(b, c), (uint64_t)j);
                replay(&b->pruner[i], c, &o, b->share, &s);
            }
            add_total(b, i, families[m].name, &s);
        }
    print_totals(b, "all made up");
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"none",      "median",   "percentile", "asha",
                                        "hyperband", "wilcoxon", "fold",       NULL};
    static struct curves c;
    static struct bench b = {.orders = 200, .share = 1, .most_lost = 100};
    struct arena a = {0};
    bool synthetic = false;

    for (int o; (o = getopt(argc, argv, "n:t:e:sb:p:")) != -1;) {
        if (o == 'n')
            b.orders = atoi(optarg);
        else if (o == 't')
            b.trials = atoi(optarg);
        else if (o == 'e')
            b.share = atof(optarg);
        else if (o == 'b' && sscanf(optarg, "%lf:%lf", &b.most_lost, &b.least_saved) == 2)
            ;
        else if (o == 's')
            synthetic = true;
        else if (o == 'p' && b.n < 64)
            b.text[b.n++] = optarg;
        else
            die("usage: [-n ORDERS] [-t TRIALS] [-s] [-b LOST:SAVED] [-p "
                "PRUNER[:OPTION=VALUE]...]... "
                "[CURVES...]");
    }
    for (int i = 0; usual[i] && b.n == i; i++)
        b.text[b.n++] = usual[i];
    for (int i = 0; i < b.n; i++)
        b.pruner[i] = open_pruner(b.text[i], &a);
    for (int i = optind; i < argc; i++)
        run_recorded(&b, argv[i], &c);
    if (optind < argc)
        print_totals(&b, "all recorded");
    if (synthetic || optind == argc)
        run_synthetic(&b, &c);
    arena_release(&a);
    arena_release(&c.arena);
    return b.failed;
}
