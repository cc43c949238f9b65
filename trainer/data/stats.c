#include <math.h>

#include "trainer/data/dataset.h"

void tr_dataset_stats(const struct tr_dataset *d, const int32_t *index, int64_t n,
                      float ret_mean[3], float ret_std[3])
{
    uint64_t sum[3] = {0}, square[3] = {0};
    double pixels = (double)n * d->images.h * d->images.w;

    for (int64_t i = 0; i < n; i++) {
        const uint64_t *s = d->pixel_sums + (index ? index[i] : i) * 6;

        for (int c = 0; c < 3; c++) {
            sum[c] += s[2 * c];
            square[c] += s[2 * c + 1];
        }
    }
    for (int c = 0; c < 3; c++) {
        /* n * sum of squares - square of the sum, exactly: no cancellation before the division. */
        __extension__ typedef unsigned __int128 u128;
        u128 v = (u128)(uint64_t)pixels * square[c] - (u128)sum[c] * sum[c];
        double std = n > 0 ? sqrt((double)v) / pixels / 255 : 0;

        ret_mean[c] = n > 0 ? (float)((double)sum[c] / pixels / 255) : 0;
        ret_std[c] = (float)(std > 1.0 / 255 ? std : 1.0 / 255);
    }
}
