/* Equal images: one picture in the data set twice, so that a fold validates on what it trained on,
 * or is told two labels for it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "trainer/data/audit_impl.h"

struct keyed {
    uint64_t key;
    int32_t row, value; /* value: what is counted */
};

static int by_key(const void *pa, const void *pb)
{
    const struct keyed *a = pa, *b = pb;

    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static int by_value(const void *pa, const void *pb)
{
    const struct keyed *a = pa, *b = pb;

    return a->value < b->value ? -1 : a->value > b->value;
}

/* Pairs, and the first of them by the rows' order. */
struct pairs {
    int64_t n;
    struct {
        int32_t a, b;
    } first[EXAMPLES];
    int shown;
};

static void keep_pair(struct pairs *p, int32_t a, int32_t b)
{
    int at = p->shown;

    while (at && p->first[at - 1].a > a)
        at--;
    if (at == EXAMPLES)
        return;
    if (p->shown < EXAMPLES)
        p->shown++;
    memmove(&p->first[at + 1], &p->first[at], sizeof(p->first[0]) * (size_t)(p->shown - 1 - at));
    p->first[at].a = a;
    p->first[at].b = b;
}

/* n equal images, in row order: the pairs of them whose values differ. */
static void add_run(struct pairs *p, const struct keyed *run, int64_t n, const int32_t *value)
{
    int64_t same = 0;
    struct keyed *v;

    for (int64_t i = 1; i < n; i++) {
        if (value[run[i].row] == value[run[0].row])
            continue;
        keep_pair(p, run[0].row, run[i].row);
        break;
    }
    v = xmalloc((size_t)n * sizeof(*v));
    for (int64_t i = 0; i < n; i++)
        v[i] = (struct keyed){.value = value[run[i].row]};
    qsort(v, (size_t)n, sizeof(*v), by_value);
    for (int64_t i = 0, m; i < n; i += m) {
        for (m = 1; i + m < n && v[i + m].value == v[i].value; m++)
            ;
        same += m * (m - 1) / 2;
    }
    p->n += n * (n - 1) / 2 - same;
    free(v);
}

static int64_t run_length(const struct keyed *k, int64_t left)
{
    int64_t n = 1;

    while (n < left && k[n].key == k[0].key)
        n++;
    return n;
}

static void find(const struct audit *u, struct pairs *folds, struct pairs *labels)
{
    size_t bytes = (size_t)u->d->images.h * (size_t)u->d->images.w * 3;
    struct keyed *k = xmalloc((size_t)u->f->n * sizeof(*k));

    for (int32_t i = 0; i < u->f->n; i++)
        k[i] = (struct keyed){XXH3_64bits(u->d->pixel_sums + (size_t)i * 6, 6 * sizeof(uint64_t)),
                              i, 0};
    qsort(k, (size_t)u->f->n, sizeof(*k), by_key);
    for (int64_t i = 0, m; i < u->f->n; i += m) {
        m = run_length(k + i, u->f->n - i);
        for (int64_t j = i; m > 1 && j < i + m; j++)
            k[j].key = XXH3_64bits(u->d->images.pixels + (size_t)k[j].row * bytes, bytes);
        if (m > 1)
            qsort(k + i, (size_t)m, sizeof(*k), by_key);
        for (int64_t j = i, n; m > 1 && j < i + m; j += n) {
            n = run_length(k + j, i + m - j);
            if (n > 1) {
                add_run(folds, k + j, n, u->f->fold);
                add_run(labels, k + j, n, u->d->images.labels);
            }
        }
    }
    free(k);
}

static void say(struct audit *u, const struct pairs *p, const char *what)
{
    struct str text = {0};

    if (!p->n)
        return;
    str_addf(&text, "%" PRId64 " pair%s of equal images %s%s: ", p->n, p->n == 1 ? "" : "s",
             p->n == 1 ? "has" : "have", what);
    for (int i = 0; i < p->shown; i++) {
        str_add(&text, i ? "; " : "");
        audit_add_image(u, p->first[i].a, &text);
        str_add(&text, " and ");
        audit_add_image(u, p->first[i].b, &text);
    }
    str_add(&text, p->n > p->shown ? "; ..." : "");
    audit_note(u, &text);
}

void audit_equal(struct audit *u)
{
    struct pairs folds = {0}, labels = {0};

    find(u, &folds, &labels);
    say(u, &labels, " different labels");
    say(u, &folds,
        " one in another fold, which trains on what it validates on (one group for both, and "
        "data.folds.group: true, keeps them together)");
}
