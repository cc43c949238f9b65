/* scikit-learn's KFold: n / k each, the first n % k one more. */
#include "trainer/data/folds_impl.h"

void split_plain(struct split *s)
{
    int64_t n = s->of->n, at = 0;

    for (int fold = 0; fold < s->parts; fold++)
        for (int64_t i = 0; i < n / s->parts + (fold < n % s->parts); i++)
            s->fold[at++] = fold;
    split_shuffle(s, "folds", 0, s->fold, n);
}
