/* For parity_folds.py: "k repeats valid stratified group in_order seed n", n labels and, with
 * group, n groups in; a line of folds each out (of all splits, one after the other), or the word
 * "refused".
 */
#include <stdio.h>
#include <stdlib.h>

#include "trainer/data/folds.h"

static int read_numbers(int32_t *ret, int64_t n, int *ret_above)
{
    for (int64_t i = 0; i < n; i++) {
        if (scanf("%d", &ret[i]) != 1 || ret[i] < 0)
            return -1;
        *ret_above = ret[i] >= *ret_above ? ret[i] + 1 : *ret_above;
    }
    return 0;
}

int main(void)
{
    struct tr_folds_spec spec = {0};
    int stratified, group, in_order;
    long long seed, n;

    while (scanf("%d %d %lf %d %d %d %lld %lld", &spec.k, &spec.repeats, &spec.valid, &stratified,
                 &group, &in_order, &seed, &n) == 8 &&
           n > 0 && n < 1000000) {
        int32_t *y = calloc((size_t)n, sizeof(*y)), *g = calloc((size_t)n, sizeof(*g));
        struct tr_folds_of of = {.labels = y, .n = n, .groups = group ? g : NULL};
        struct tr_folds f = {0};
        int groups = 0;

        spec.stratified = stratified;
        spec.group = group;
        spec.in_order = in_order;
        spec.seed = (uint64_t)seed;
        if (!y || !g || read_numbers(y, n, &of.classes) || (group && read_numbers(g, n, &groups)))
            return 1;
        if (tr_folds_make(&f, &spec, &of, NULL))
            printf("refused");
        for (long long i = 0; i < f.n * f.repeats; i++)
            printf("%d ", f.fold[i]);
        printf("\n");
        tr_folds_release(&f);
        free(y);
        free(g);
    }
    return 0;
}
