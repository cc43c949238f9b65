/* For parity_metrics.py: "n classes", n labels and n * classes probabilities in, again and again; a
 * line "metric=value ..." out for each, of the metrics that apply. */
#include <stdio.h>
#include <stdlib.h>

#include "trainer/metric.h"
#include "trainer/trainer.h"

struct set {
    int n, k;
    int32_t *labels, *pred;
    float *probs;
    int64_t *confusion;
};

static int read_set(struct set *s)
{
    int n = s->n, k = s->k;

    for (int i = 0; i < n; i++)
        if (scanf("%d", &s->labels[i]) != 1 || s->labels[i] < 0 || s->labels[i] >= k)
            return 1;
    for (int i = 0; i < n * k; i++)
        if (scanf("%f", &s->probs[i]) != 1)
            return 1;
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < k; c++)
            if (s->probs[i * k + c] > s->probs[i * k + s->pred[i]])
                s->pred[i] = c;
        s->confusion[s->labels[i] * k + s->pred[i]]++;
    }
    return 0;
}

static int print(const struct set *s)
{
    struct tr_predictions p = {.probs = s->probs,
                               .labels = s->labels,
                               .pred = s->pred,
                               .confusion = s->confusion,
                               .n = s->n,
                               .classes = s->k};
    struct tr_metric_room room = {0};
    double value[TR_MAX_METRICS];

    if (tr_metric_room_init(&room, s->n, s->k, NULL))
        return 1;
    tr_metrics(metric_registry, &p, &room, value);
    tr_metric_room_release(&room);
    for (int i = 0; metric_registry[i]; i++)
        if (tr_metric_applies(metric_registry[i], s->k))
            printf("%s=%.17g ", metric_registry[i]->plugin.name, value[i]);
    printf("\n");
    return 0;
}

int main(void)
{
    struct set s = {0};
    int rc = 0;

    while (!rc && scanf("%d %d", &s.n, &s.k) == 2) {
        if (s.n < 1 || s.n > 100000 || s.k < 1 || s.k > 100)
            return 1;
        s.labels = calloc((size_t)s.n, sizeof(*s.labels));
        s.pred = calloc((size_t)s.n, sizeof(*s.pred));
        s.probs = calloc((size_t)s.n * (size_t)s.k, sizeof(*s.probs));
        s.confusion = calloc((size_t)s.k * (size_t)s.k, sizeof(*s.confusion));
        rc = !s.labels || !s.pred || !s.probs || !s.confusion || read_set(&s) || print(&s);
        free(s.labels);
        free(s.pred);
        free(s.probs);
        free(s.confusion);
    }
    return rc;
}
