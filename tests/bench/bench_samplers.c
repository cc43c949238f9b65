/* bench_samplers [SAMPLER]: milliseconds (of the processor: what else runs does not count) of one
 * ask (tpe, if none is named), at 100, 1,000 and 10,000 trials of 1 and 10 float parameters, and of
 * kinds mixed; then the seconds of a whole study of 1,000 trials and 5 parameters, for
 * bench_samplers.py to divide Optuna's by. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "hpo/core/sampler.h"
#include "spaces.h"

#define WIDTH 10

static void die(const char *what)
{
    fprintf(stderr, "bench_samplers: %s\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double bowl(const struct hpo_space *space, const double *v)
{
    double sum = 0;

    for (int i = 0; i < space->n; i++)
        sum += pow(hpo_param_encode(&space->params[i], v[i]) - 0.3, 2);
    return sum;
}

static struct hpo_space *floats(struct arena *a, int n)
{
    struct hpo_param p[WIDTH];

    for (int i = 0; i < n; i++)
        p[i] = real_param("x", 0, 1, 0, false);
    return make_space(a, p, n);
}

static struct hpo_space *mixed(struct arena *a)
{
    struct hpo_param p[WIDTH];

    for (int i = 0; i < WIDTH; i += 5) {
        p[i] = real_param("x", 0, 1, 0, false);
        p[i + 1] = real_param("lr", 1e-5, 1, 0, true);
        p[i + 2] = int_param("width", 8, 512, 1, true);
        p[i + 3] = choice_param("optimizer", 6);
        p[i + 4] = real_param("dropout", 0, 0.5, 0.1, false);
    }
    return make_space(a, p, WIDTH);
}

/* A history of n random trials, then the mean of some asks. */
static void time_ask(const struct sampler_ops *ops, const char *what, const struct hpo_space *space,
                     int n)
{
    struct arena a = {0};
    struct past past = {.h.space = space};
    struct sampler s;
    struct hpo_err err;
    double v[WIDTH], start;
    int asks = n >= 10000 ? 20 : 100;

    for (int i = 0; i < n; i++) {
        struct hpo_rng rng = hpo_rng_for(1, i, -1, "bench", 0);

        for (int j = 0; j < space->n; j++)
            v[j] = hpo_param_decode(&space->params[j], hpo_rng_uniform(&rng));
        past_add(&past, space, v, HPO_TRIAL_COMPLETE)->value = bowl(space, v);
    }
    if (sampler_open(&s, ops, NULL, &(struct sampler_study){.space = space, .seed = 1}, &a, &err) ||
        sampler_next(&s, &past.h, &past.h, v, &err))
        die(err.msg);
    start = now();
    for (int i = 0; i < asks; i++) {
        if (sampler_next(&s, &past.h, &past.h, v, &err))
            die(err.msg);
        past_add(&past, space, v, HPO_TRIAL_COMPLETE)->value = bowl(space, v);
    }
    printf("%-5s %6d trials x %2d %-6s %8.3f ms an ask\n", ops->plugin.name, n, space->n, what,
           (now() - start) / asks * 1e3);
    sampler_close(&s);
    past_release(&past);
    arena_release(&a);
}

static void time_study(const struct sampler_ops *ops, const struct hpo_space *space, int n)
{
    struct arena a = {0};
    struct past past = {.h.space = space};
    struct sampler s;
    struct hpo_err err;
    double v[WIDTH], best = INFINITY, start = now();

    if (sampler_open(&s, ops, NULL, &(struct sampler_study){.space = space, .seed = 1}, &a, &err))
        die(err.msg);
    for (int i = 0; i < n; i++) {
        double value;

        if (sampler_next(&s, &past.h, &past.h, v, &err))
            die(err.msg);
        value = bowl(space, v);
        past_add(&past, space, v, HPO_TRIAL_COMPLETE)->value = value;
        best = fmin(best, value);
    }
    printf("study %d trials x %d: %.4f s, best %.3g\n", n, space->n, now() - start, best);
    sampler_close(&s);
    past_release(&past);
    arena_release(&a);
}

int main(int argc, char **argv)
{
    static const int sizes[] = {100, 1000, 10000};
    const struct sampler_ops *ops =
        hpo_registry_find((const void *const *)sampler_registry, argc > 1 ? argv[1] : "tpe");
    struct arena a = {0};

    if (!ops)
        die("no such sampler");
    for (int i = 0; i < 3; i++) {
        time_ask(ops, "floats", floats(&a, 1), sizes[i]);
        time_ask(ops, "floats", floats(&a, WIDTH), sizes[i]);
        time_ask(ops, "mixed", mixed(&a), sizes[i]);
    }
    time_study(ops, floats(&a, 5), 1000);
    arena_release(&a);
    return 0;
}
