#include "base/rng.h"

#include <math.h>
#include <string.h>

#define U128(hi, lo) (((hpo_u128)(hi) << 64) | (lo))
#define MULTIPLIER U128(2549297995355413924ULL, 4865540595714422341ULL)

static void step(struct hpo_rng *r)
{
    r->state = r->state * MULTIPLIER + r->inc;
}

void hpo_rng_seed(struct hpo_rng *r, hpo_u128 state, hpo_u128 stream)
{
    r->state = 0;
    r->inc = (stream << 1) | 1;
    step(r);
    r->state += state;
    step(r);
}

uint64_t hpo_rng_next(struct hpo_rng *r)
{
    uint64_t x;
    unsigned rot;

    step(r);
    x = (uint64_t)(r->state >> 64) ^ (uint64_t)r->state;
    rot = (unsigned)(r->state >> 122);
    return (x >> rot) | (x << (-rot & 63));
}

void hpo_rng_advance(struct hpo_rng *r, hpo_u128 delta)
{
    hpo_u128 mult = 1, plus = 0, cur_mult = MULTIPLIER, cur_plus = r->inc;

    for (; delta; delta >>= 1) {
        if (delta & 1) {
            mult *= cur_mult;
            plus = plus * cur_mult + cur_plus;
        }
        cur_plus = (cur_mult + 1) * cur_plus;
        cur_mult *= cur_mult;
    }
    r->state = mult * r->state + plus;
}

/* SplitMix64's finaliser (Steele, Lea, Flood 2014): turns a name into well-mixed bits. */
static uint64_t mix(uint64_t h, uint64_t v)
{
    h += v + 0x9e3779b97f4a7c15ULL;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ULL;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebULL;
    return h ^ (h >> 31);
}

struct hpo_rng hpo_rng_for(uint64_t seed, int64_t trial, int64_t fold, const char *purpose,
                           uint64_t counter)
{
    uint64_t h[4];
    struct hpo_rng r;

    /* Streams of one LCG family with equal seeds are correlated in theory: state and stream are
     * both hashed from the whole name. */
    for (int k = 0; k < 4; k++) {
        h[k] = mix((uint64_t)k + 1, seed);
        h[k] = mix(h[k], (uint64_t)trial);
        h[k] = mix(h[k], (uint64_t)fold);
        for (const char *p = purpose; *p; p++)
            h[k] = mix(h[k], (unsigned char)*p);
        h[k] = mix(h[k], counter);
    }
    hpo_rng_seed(&r, U128(h[0], h[1]), U128(h[2], h[3]));
    return r;
}

double hpo_rng_uniform(struct hpo_rng *r)
{
    return (double)(hpo_rng_next(r) >> 11) * 0x1p-53;
}

uint64_t hpo_rng_below(struct hpo_rng *r, uint64_t n)
{
    uint64_t threshold = -n % n, x;

    do
        x = hpo_rng_next(r);
    while (x < threshold);
    return x % n;
}

double hpo_rng_normal(struct hpo_rng *r)
{
    double u = 1.0 - hpo_rng_uniform(r), v = hpo_rng_uniform(r);

    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

/* The logarithm of a Gamma(shape, 1) variate: for small shapes the variate itself underflows.
 * Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", ACM TOMS 26(3), 2000;
 * below a shape of 1 with their boost, Gamma(shape + 1) * U^(1 / shape). */
static double log_gamma(struct hpo_rng *r, double shape)
{
    double boost = 0, d, c, x, v, u;

    if (shape < 1) {
        boost = log(1.0 - hpo_rng_uniform(r)) / shape;
        shape += 1;
    }
    d = shape - 1.0 / 3.0;
    c = 1.0 / sqrt(9.0 * d);
    do {
        do {
            x = hpo_rng_normal(r);
            v = 1.0 + c * x;
        } while (v <= 0);
        v = v * v * v;
        u = 1.0 - hpo_rng_uniform(r);
    } while (log(u) >= 0.5 * x * x + d - d * v + d * log(v));
    return log(d) + log(v) + boost;
}

double hpo_rng_beta(struct hpo_rng *r, double a, double b)
{
    double x = log_gamma(r, a), y = log_gamma(r, b);

    return 1.0 / (1.0 + exp(y - x));
}

void hpo_rng_shuffle(struct hpo_rng *r, int32_t *a, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int j = (int)hpo_rng_below(r, (uint64_t)i + 1);
        int32_t t = a[i];

        a[i] = a[j];
        a[j] = t;
    }
}
