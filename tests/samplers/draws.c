/* Prints what samplers draw, for parity_random.py and parity_draws.py.
 *
 * draws float|int LOW HIGH STEP LOG N   N values of one parameter by `random`, trial 0 to N - 1
 * draws choice COUNT N                  the same, indices of choices
 * draws tpe CANDIDATES float|int|choice ...
 *                                       the same by `tpe`, each time with the same history: reads
 *                                       lines "value of the parameter, value of the trial"
 * draws grid                            reads lines "low high step", prints hpo_grid_high
 * draws pcg STATE STREAM N              state, increment (hexadecimal), then N raw outputs */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "spaces.h"

/* candidates NULL: `random`, otherwise `tpe` with as many of them. */
static int print_draws(const char *candidates, struct hpo_param p, int n)
{
    struct arena a = {0};
    struct hpo_space *space = make_space(&a, &p, 1);
    const struct sampler_ops *ops =
        hpo_registry_find((const void *const *)sampler_registry, candidates ? "tpe" : "random");
    struct past past = {.h = {.space = space}};
    void *priv = arena_alloc(&a, ops->plugin.priv_size + 1);
    struct sampler s;
    double v, value;

    if (ops->plugin.opts)
        hpo_opt_defaults(ops->plugin.opts, priv, &a);
    if (candidates &&
        hpo_opt_set(hpo_opt_find(ops->plugin.opts, "ei_candidates"), priv, candidates, &a, NULL))
        return 1;
    if (sampler_open(&s, ops, priv, &(struct sampler_study){.space = space, .seed = 42}, &a, NULL))
        return 1;
    while (candidates && scanf("%lf %lf", &v, &value) == 2)
        past_add(&past, space, &v, HPO_TRIAL_COMPLETE)->value = value;
    /* Not sampler_next: it would leave out what repeats. */
    for (int i = 0; i < n; i++) {
        struct hpo_history h = past.h;
        struct hpo_rng rng = hpo_rng_for(42, h.n + i, -1, "sample", 0);

        h.next = h.n + i;
        if (ops->suggest(&s, &h, &rng, 0, &v, NULL))
            return 1;
        printf("%.17g\n", v);
    }
    sampler_close(&s);
    past_release(&past);
    arena_release(&a);
    return 0;
}

static int print_grid(void)
{
    double low, high, step;

    while (scanf("%lf %lf %lf", &low, &high, &step) == 3)
        printf("%.17g\n", hpo_grid_high(low, high, step));
    return 0;
}

static int print_pcg(char **argv)
{
    struct hpo_rng r;

    hpo_rng_seed(&r, strtoull(argv[0], NULL, 0), strtoull(argv[1], NULL, 0));
    printf("%016" PRIx64 "%016" PRIx64 "\n", (uint64_t)(r.state >> 64), (uint64_t)r.state);
    printf("%016" PRIx64 "%016" PRIx64 "\n", (uint64_t)(r.inc >> 64), (uint64_t)r.inc);
    for (int i = atoi(argv[2]); i > 0; i--)
        printf("%" PRIu64 "\n", hpo_rng_next(&r));
    return 0;
}

int main(int argc, char **argv)
{
    const char *candidates = NULL, *what;
    bool is_int;

    if (argc > 2 && !strcmp(argv[1], "tpe")) {
        candidates = argv[2];
        argc -= 2;
        argv += 2;
    }
    what = argc > 1 ? argv[1] : "";
    is_int = !strcmp(what, "int");
    if (argc == 7 && (is_int || !strcmp(what, "float")))
        return print_draws(candidates,
                           (is_int ? int_param : real_param)("p", atof(argv[2]), atof(argv[3]),
                                                             atof(argv[4]), atoi(argv[5])),
                           atoi(argv[6]));
    if (argc == 4 && !strcmp(what, "choice"))
        return print_draws(candidates, choice_param("p", atoi(argv[2])), atoi(argv[3]));
    if (argc == 2 && !strcmp(what, "grid"))
        return print_grid();
    if (argc == 5 && !strcmp(what, "pcg"))
        return print_pcg(argv + 2);
    fprintf(stderr, "draws: wrong arguments\n");
    return 2;
}
