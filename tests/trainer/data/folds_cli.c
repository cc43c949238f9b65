/* For parity_folds.py: "k stratified seed n label..." lines in, a line of folds each out, or the
 * word "refused". */
#include <stdio.h>
#include <stdlib.h>

#include "trainer/data/folds.h"

int main(void)
{
    int k, stratified;
    long long seed, n;

    while (scanf("%d %d %lld %lld", &k, &stratified, &seed, &n) == 4 && n > 0 && n < 1000000) {
        int32_t *y = malloc((size_t)n * sizeof(*y));
        struct tr_folds f = {0};
        int classes = 0;

        for (long long i = 0; y && i < n; i++) {
            if (scanf("%d", &y[i]) != 1 || y[i] < 0)
                return 1;
            classes = y[i] >= classes ? y[i] + 1 : classes;
        }
        if (!y)
            return 1;
        if (tr_folds_make(&f, y, n, classes, k, stratified, (uint64_t)seed, NULL, NULL))
            printf("refused");
        for (long long i = 0; i < f.n; i++)
            printf("%d ", f.fold[i]);
        printf("\n");
        tr_folds_release(&f);
        free(y);
    }
    return 0;
}
