/* For parity_curve.py: in which fold each image validates, and the order of each fold's epochs.
 *
 *   order_cli SEED K EPOCHS CLASSES LABEL...
 *
 * A line of folds, one an image; then for each fold, for each epoch a line of its training rows. */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/rng.h"
#include "trainer/data/folds.h"

int main(int argc, char **argv)
{
    int n = argc - 5, k, epochs;
    struct tr_folds f = {0};
    int32_t *labels, *rows;
    uint64_t seed;

    if (n < 1)
        return 2;
    seed = strtoull(argv[1], NULL, 10);
    k = atoi(argv[2]);
    epochs = atoi(argv[3]);
    labels = xcalloc((size_t)n, sizeof(*labels));
    rows = xcalloc((size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++)
        labels[i] = atoi(argv[5 + i]);
    if (tr_folds_make(&f, &(struct tr_folds_spec){.k = k, .stratified = true, .seed = seed},
                      &(struct tr_folds_of){.labels = labels, .n = n, .classes = atoi(argv[4])},
                      NULL))
        return 1;
    for (int i = 0; i < n; i++)
        printf("%d ", f.fold[i]);
    printf("\n");
    for (int fold = 0; fold < k; fold++)
        for (int epoch = 0; epoch < epochs; epoch++) {
            struct hpo_rng rng = hpo_rng_for(seed, -1, fold, "order", (uint64_t)epoch);
            int count = (int)tr_folds_train(&f, fold, rows);

            hpo_rng_shuffle(&rng, rows, count);
            for (int i = 0; i < count; i++)
                printf("%d ", rows[i]);
            printf("\n");
        }
    tr_folds_release(&f);
    free(labels);
    free(rows);
    return 0;
}
