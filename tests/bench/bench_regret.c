/* What a sampler finds in 100 trials, on problems of many kinds. For bench_regret.py.
 *
 * bench_regret problems                  a JSON object a line: name, function, space, minimum
 * bench_regret eval PROBLEM              reads lines of values ("nan": inactive), prints values
 * bench_regret run SAMPLER FIRST LAST [PROBLEM ...]
 *                                        "PROBLEM SEED REGRET" a line, for seeds FIRST to LAST
 *
 * SAMPLER is a name and its options, "tpe" or "tpe:multivariate=false,ei_candidates=50". Regret: of
 * the trial that looked best, without the noise on it, above the function's minimum. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "hpo/objectives/curves.h"
#include "hpo/objectives/functions.h"
#include "spaces.h"

#define WIDTH 20
#define TRIALS 100

static void die(const char *what, const char *which)
{
    fprintf(stderr, "bench_regret: %s%s\n", what, which);
    exit(1);
}

static int many(struct hpo_param *p, int n, double low, double high)
{
    for (int i = 0; i < n; i++)
        p[i] = real_param("x", low, high, 0, false);
    return n;
}

static int branin(struct arena *a, struct hpo_param *p)
{
    p[0] = real_param("x", -5, 10, 0, false);
    p[1] = real_param("x", 0, 15, 0, false);
    return 2;
}

static int unit6(struct arena *a, struct hpo_param *p)
{
    return many(p, 6, 0, 1);
}

/* Not around the optimum: some samplers start from the middle. */
static int ackley10(struct arena *a, struct hpo_param *p)
{
    return many(p, 10, -15, 30);
}

static int rosenbrock20(struct arena *a, struct hpo_param *p)
{
    return many(p, 20, -5, 10);
}

static int styblinski20(struct arena *a, struct hpo_param *p)
{
    return many(p, 20, -5, 5);
}

/* What people search when they train: rates over orders of magnitude. */
static int rates(struct arena *a, struct hpo_param *p)
{
    p[0] = real_param("learning_rate", 1e-5, 1, 0, true);
    p[1] = real_param("weight_decay", 1e-8, 1e-1, 0, true);
    p[2] = real_param("epsilon", 1e-10, 1e-3, 0, true);
    p[3] = int_param("batch_size", 8, 1024, 1, true);
    return 4;
}

static int integers(struct arena *a, struct hpo_param *p)
{
    p[0] = int_param("layers", 1, 12, 1, false);
    p[1] = int_param("width", 16, 1024, 16, false);
    p[2] = int_param("heads", 1, 64, 1, true);
    p[3] = int_param("patience", 0, 50, 5, false);
    p[4] = int_param("offset", -100, 100, 1, false);
    p[5] = int_param("flag", 0, 1, 1, false);
    return 6;
}

static int choices(struct arena *a, struct hpo_param *p)
{
    static const int counts[] = {2, 3, 4, 5, 6, 8};

    for (int i = 0; i < 6; i++)
        p[i] = choice_param("kind", counts[i]);
    p[6] = real_param("x", 0, 1, 0, false);
    return 7;
}

static int every_kind(struct arena *a, struct hpo_param *p)
{
    p[0] = real_param("momentum", 0.5, 0.99, 0, false);
    p[1] = real_param("learning_rate", 1e-5, 1, 0, true);
    p[2] = choice_param("optimizer", 5);
    p[3] = int_param("layers", 1, 8, 1, false);
    p[4] = int_param("width", 8, 512, 1, true);
    p[5] = choice_param("activation", 4);
    p[6] = real_param("dropout", 0, 0.5, 0.1, false);
    p[7] = choice_param("nesterov", 2);
    return 8;
}

/* A choice of optimizer, each with parameters of its own, and a schedule with a branch. */
static int branches(struct arena *a, struct hpo_param *p)
{
    static const double value[] = {0, 1, 2, 3};

    p[0] = choice_param("optimizer", 4);
    p[1] = choice_param("schedule", 2);
    p[2] = real_param("learning_rate", 1e-5, 1, 0, true);
    p[3] = real_param("momentum", 0, 0.99, 0, false);
    p[4] = real_param("beta1", 0.5, 0.999, 0, false);
    p[5] = real_param("beta2", 0.8, 0.9999, 0, false);
    p[6] = real_param("rho", 0, 1, 0, false);
    p[7] = int_param("history", 2, 30, 1, false);
    p[8] = int_param("period", 1, 50, 1, true);
    add_when(a, &p[3], 0, &value[0], 1);
    add_when(a, &p[4], 0, &value[1], 2);
    add_when(a, &p[5], 0, &value[2], 1);
    add_when(a, &p[6], 0, &value[1], 1);
    add_when(a, &p[7], 0, &value[3], 1);
    add_when(a, &p[8], 1, &value[1], 1);
    return 9;
}

static const struct problem {
    const char *name, *function;
    double noise;
    int (*params)(struct arena *a, struct hpo_param *p); /* how many */
} problems[] = {
    {"branin", "branin", 0, branin},
    {"hartmann6", "hartmann6", 0, unit6},
    {"hartmann6-noisy", "hartmann6", 0.2, unit6},
    {"ackley10", "ackley", 0, ackley10},
    {"log4", "valley", 0, rates},
    {"int6", "valley", 0, integers},
    {"categorical7", "mixed", 0, choices},
    {"mixed8", "mixed", 0, every_kind},
    {"conditional9", "conditional", 0, branches},
    {"styblinski20", "styblinski_tang", 0, styblinski20},
    {"rosenbrock20", "rosenbrock", 0, rosenbrock20},
};

static const struct problem *find(const char *name)
{
    for (size_t i = 0; i < HPO_LEN(problems); i++)
        if (!strcmp(problems[i].name, name))
            return &problems[i];
    die("no such problem: ", name);
    return NULL;
}

static struct hpo_space *space_of(const struct problem *p, struct arena *a)
{
    struct hpo_param params[WIDTH];
    int n = p->params(a, params);
    struct hpo_space *s;

    for (int i = 0; i < n; i++)
        params[i].name = arena_printf(a, "%02d_%s", i, params[i].name);
    s = make_space(a, params, n);
    if (!s || functions_fit(functions_find(p->function), s, NULL))
        die("space and function do not fit: ", p->name);
    return s;
}

static void print_problem(const struct problem *p)
{
    static const char *kinds[] = {"float", "int", "categorical"};
    const struct test_function *f = functions_find(p->function);
    struct arena a = {0};
    const struct hpo_space *s = space_of(p, &a);

    printf("{\"name\": \"%s\", \"function\": \"%s\", \"noise\": %.17g, \"minimum\": %.17g, "
           "\"space\": [",
           p->name, p->function, p->noise, functions_minimum(f, s));
    for (int i = 0; i < s->n; i++) {
        const struct hpo_param *q = &s->params[i];

        printf("%s{\"name\": \"%s\", \"kind\": \"%s\", \"low\": %.17g, \"high\": %.17g, "
               "\"step\": %.17g, \"log\": %s, \"when\": [",
               i ? ", " : "", q->name, kinds[q->kind], q->low, q->high, q->step,
               q->log ? "true" : "false");
        for (int k = 0; k < q->n_when; k++) {
            printf("%s[%d", k ? ", " : "", q->when[k].param);
            for (int v = 0; v < q->when[k].n_values; v++)
                printf(", %g", q->when[k].values[v]);
            printf("]");
        }
        printf("]}");
    }
    printf("]}\n");
    arena_release(&a);
}

static void evaluate(const struct problem *p)
{
    const struct test_function *f = functions_find(p->function);
    struct arena a = {0};
    const struct hpo_space *s = space_of(p, &a);
    double v[WIDTH];

    for (;;) {
        for (int i = 0; i < s->n; i++)
            if (scanf("%lf", &v[i]) != 1) {
                arena_release(&a);
                return;
            }
        printf("%.17g\n", functions_value(f, s, v));
    }
}

static void *options(const struct sampler_ops *ops, char *text, struct arena *a)
{
    void *priv = arena_alloc(a, ops->plugin.priv_size + 1);
    struct hpo_err err;

    if (ops->plugin.opts)
        hpo_opt_defaults(ops->plugin.opts, priv, a);
    for (char *pair = text ? strtok(text, ",") : NULL; pair; pair = strtok(NULL, ",")) {
        char *value = strchr(pair, '=');
        const struct hpo_opt *o;

        if (value)
            *value++ = '\0';
        o = ops->plugin.opts ? hpo_opt_find(ops->plugin.opts, pair) : NULL;
        if (!o || !value)
            die("no such option, or no value: ", pair);
        if (hpo_opt_set(o, priv, value, a, &err))
            die(err.msg, "");
    }
    return priv;
}

static double regret(const struct problem *p, const struct sampler_ops *ops, const void *priv,
                     uint64_t seed)
{
    const struct test_function *f = functions_find(p->function);
    struct arena a = {0};
    const struct hpo_space *s = space_of(p, &a);
    struct past past = {.h = {.space = s}};
    struct sampler_study study = {.space = s, .seed = seed, .trials = TRIALS, .parallel = 1};
    double v[WIDTH], best = INFINITY, true_best = INFINITY;
    struct sampler sampler;
    struct hpo_err err;

    if (sampler_open(&sampler, ops, priv, &study, &a, &err))
        die(err.msg, "");
    for (int i = 0; i < TRIALS; i++) {
        double value, seen;

        if (sampler_next(&sampler, &past.h, &past.h, v, &err))
            die(err.msg, "");
        value = functions_value(f, s, v);
        seen = value + function_noise(p->noise, seed, i, -1);
        past_add(&past, s, v, HPO_TRIAL_COMPLETE)->value = seen;
        if (seen < best) {
            best = seen;
            true_best = value;
        }
    }
    sampler_close(&sampler);
    past_release(&past);
    best = true_best - functions_minimum(f, s);
    arena_release(&a);
    return best;
}

static void run(char *sampler, int first, int last, char **names)
{
    char *opts = strchr(sampler, ':');
    struct arena a = {0};
    const struct sampler_ops *ops;
    void *priv;

    if (opts)
        *opts++ = '\0';
    ops = hpo_registry_find((const void *const *)sampler_registry, sampler);
    if (!ops)
        die("no such sampler: ", sampler);
    priv = options(ops, opts, &a);
    for (size_t i = 0; i < HPO_LEN(problems); i++) {
        bool wanted = !*names;

        for (char **name = names; *name; name++)
            wanted |= find(*name) == &problems[i];
        for (int seed = first; wanted && seed <= last; seed++) {
            printf("%s %d %.17g\n", problems[i].name, seed,
                   regret(&problems[i], ops, priv, (uint64_t)seed));
            fflush(stdout);
        }
    }
    arena_release(&a);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (!strcmp(what, "problems") && argc == 2) {
        for (size_t i = 0; i < HPO_LEN(problems); i++)
            print_problem(&problems[i]);
    } else if (!strcmp(what, "eval") && argc == 3) {
        evaluate(find(argv[2]));
    } else if (!strcmp(what, "run") && argc >= 5) {
        run(argv[2], atoi(argv[3]), atoi(argv[4]), argv + 5);
    } else {
        die("problems | eval PROBLEM | run SAMPLER FIRST LAST [PROBLEM ...]", "");
    }
    return 0;
}
