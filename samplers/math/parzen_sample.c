#include <math.h>

#include "samplers/math/parzen_impl.h"
#include "samplers/math/truncnorm.h"

/* The first kernel whose cumulative weight is above u; the last one when rounding hides it. */
static int pick_kernel(struct parzen *z, double u)
{
    int low = 0, high = z->n;

    parzen_prepare(z);
    if (!z->drawable) {
        double sum = 0;

        for (int i = 0; i <= z->n; i++)
            z->cumulative[i] = sum += z->weight[i];
        z->drawable = true;
    }
    u *= z->cumulative[z->n];
    while (low < high) {
        int middle = low + (high - low) / 2;

        if (z->cumulative[middle] > u)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static double sample_choice(const struct parzen *z, struct dim *m, int own, double u)
{
    int c = m->p->n_choices;
    double sum = 0;

    parzen_choice_row(z, m, 0); /* the shares */
    for (int k = 0; k < c - 1; k++) {
        sum += own == c ? 1.0 / c : k == own ? m->hit : m->miss;
        if (u <= sum)
            return k;
    }
    return c - 1;
}

/* fmin and fmax are calls. */
static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double sample_numeric(const struct parzen *z, int j, int kernel, double u)
{
    const struct dim *m = &z->dims[j];
    const struct hpo_param *p = m->p;
    double x = real_of(z, j, MU)[kernel] +
               real_of(z, j, SIGMA)[kernel] *
                   truncnorm_quantile(u, real_of(z, j, LEFT)[kernel], real_of(z, j, RIGHT)[kernel]);

    x = clamp(x, m->low, m->high);
    if (p->log)
        x = exp(x);
    if (m->grid)
        return parzen_cells_round(&m->cells, x);
    return clamp(x, p->low, p->high);
}

void parzen_sample(struct parzen *z, struct hpo_rng *rng, double *ret)
{
    int kernel = pick_kernel(z, hpo_rng_uniform(rng));

    for (int j = 0; j < z->d; j++) {
        struct dim *m = &z->dims[j];
        double u = hpo_rng_uniform(rng);

        ret[j] = m->choices ? sample_choice(z, m, int_of(z, j, GROUP)[kernel], u)
                            : sample_numeric(z, j, kernel, u);
    }
}
