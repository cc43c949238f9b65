/* kernels/math/act.h - activations and their slopes, one element at a time: torch.nn.SiLU,
 * Hardswish, Hardsigmoid, Sigmoid, GELU (the exact form, with erf). NaN goes through.
 *
 * kn_exp is written out so that compilers can vectorise it and both backends give the same digits:
 * x = n ln 2 + r, |r| <= ln 2 / 2, exp(r) by a minimax polynomial (Cephes' expf), within 2 ulp. */
#ifndef HPO_KERNELS_MATH_ACT_H
#define HPO_KERNELS_MATH_ACT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

enum kn_act_kind { KN_SILU, KN_HARDSWISH, KN_HARDSIGMOID, KN_SIGMOID, KN_GELU, KN_N_ACTS };

HPO_HD float kn_exp(float x)
{
    float v = x > 88.0f ? 88.0f : x < -87.0f ? -87.0f : x; /* no overflow of the exponent's bits */
    float n = v * 1.44269504f + 12582912.0f, r, p;         /* rounded by 1.5 * 2^23 */
    int32_t bits;

    memcpy(&bits, &n, sizeof(bits));
    n -= 12582912.0f;
    r = v - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    bits = (int32_t)(((uint32_t)bits - 0x4b400000u + 127u) << 23);
    memcpy(&n, &bits, sizeof(n));
    return p * n;
}

HPO_HD float kn_sigmoid(float x)
{
    return 1.0f / (1.0f + kn_exp(-x));
}

/* The normal distribution function, within 1e-7: erf by Abramowitz and Stegun 7.1.26, in the form
 * that loses nothing below 0. gauss: exp(-x x / 2). libm's erff is a call for each element, which
 * no compiler vectorises. */
HPO_HD float kn_normal_below(float x, float gauss)
{
    float t = 1.0f / (1.0f + 0.23164189f * fabsf(x)), q = 0.5f * 1.061405429f;

    q = q * t - 0.5f * 1.453152027f;
    q = q * t + 0.5f * 1.421413741f;
    q = q * t - 0.5f * 0.284496736f;
    q = q * t + 0.5f * 0.254829592f;
    q = q * t * gauss;
    return x < 0.0f ? q : 1.0f - q;
}

HPO_HD float kn_act(enum kn_act_kind kind, float x)
{
    switch (kind) {
    case KN_SILU:
        return x * kn_sigmoid(x);
    case KN_HARDSWISH:
        return x <= -3.0f ? 0.0f : x >= 3.0f ? x : x * (x + 3.0f) / 6.0f;
    case KN_HARDSIGMOID:
        return x <= -3.0f ? 0.0f : x >= 3.0f ? 1.0f : (x + 3.0f) / 6.0f;
    case KN_SIGMOID:
        return kn_sigmoid(x);
    default:
        return x * kn_normal_below(x, kn_exp(-0.5f * x * x));
    }
}

/* d act / d x, at x. */
HPO_HD float kn_act_slope(enum kn_act_kind kind, float x)
{
    float s, gauss;

    switch (kind) {
    case KN_SILU:
        s = kn_sigmoid(x);
        return s * (1.0f + x * (1.0f - s));
    case KN_HARDSWISH:
        return x < -3.0f ? 0.0f : x <= 3.0f ? x / 3.0f + 0.5f : 1.0f;
    case KN_HARDSIGMOID:
        return x > -3.0f && x < 3.0f ? 1.0f / 6.0f : 0.0f;
    case KN_SIGMOID:
        s = kn_sigmoid(x);
        return s * (1.0f - s);
    default:
        gauss = kn_exp(-0.5f * x * x);
        return kn_normal_below(x, gauss) + x * 0.39894228f * gauss;
    }
}

#endif
