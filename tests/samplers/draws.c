/* Prints what the random sampler draws, for parity_random.py.
 *
 * draws float|int LOW HIGH STEP LOG N   N values of one parameter, trial 0 to N - 1
 * draws choice COUNT N                  the same, indices of choices
 * draws grid                            reads lines "low high step", prints hpo_grid_high
 * draws pcg STATE STREAM N              state, increment (hexadecimal), then N raw outputs */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/core/sampler.h"
#include "spaces.h"

static int print_draws(struct hpo_param p, int n)
{
    struct arena a = {0};
    struct hpo_space *space = make_space(&a, &p, 1);
    const struct sampler_ops *ops =
        hpo_registry_find((const void *const *)sampler_registry, "random");
    struct sampler s;
    double v;

    if (sampler_open(&s, ops, NULL, &(struct sampler_study){.space = space, .seed = 42}, &a, NULL))
        return 1;
    /* Not sampler_next: it would leave out what repeats. */
    for (int i = 0; i < n; i++) {
        struct hpo_history h = {.space = space, .next = i};
        struct hpo_rng rng = hpo_rng_for(42, i, -1, "sample", 0);

        if (ops->suggest(&s, &h, &rng, 0, &v, NULL))
            return 1;
        printf("%.17g\n", v);
    }
    sampler_close(&s);
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
    const char *what = argc > 1 ? argv[1] : "";
    bool is_int = !strcmp(what, "int");

    if (argc == 7 && (is_int || !strcmp(what, "float")))
        return print_draws((is_int ? int_param : real_param)("p", atof(argv[2]), atof(argv[3]),
                                                             atof(argv[4]), atoi(argv[5])),
                           atoi(argv[6]));
    if (argc == 4 && !strcmp(what, "choice"))
        return print_draws(choice_param("p", atoi(argv[2])), atoi(argv[3]));
    if (argc == 2 && !strcmp(what, "grid"))
        return print_grid();
    if (argc == 5 && !strcmp(what, "pcg"))
        return print_pcg(argv + 2);
    fprintf(stderr, "draws: wrong arguments\n");
    return 2;
}
