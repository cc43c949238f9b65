/* The readers of out-of-fold predictions and of the list of their images on any bytes: as they are,
 * and predictions with what a fuzzer cannot guess (magic, length, checksum) put right. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "trainer/oof_file.h"
#include "trainer/oof_images.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void parse(const uint8_t *data, size_t n)
{
    struct oof o;
    float *p;

    if (oof_parse(data, n, &o, NULL))
        return;
    p = malloc((size_t)o.shape.classes * sizeof(*p));
    if (!p)
        abort();
    for (int64_t i = 0; i < o.shape.n; i++) {
        int folds = 0;

        for (int f = 0; f < o.folds; f++)
            folds += oof_row(&o, f, i, p);
        if (oof_image(&o, i, p) != folds || o.labels[i] >= o.shape.classes)
            abort();
    }
    free(p);
    oof_close(&o);
}

static void parse_list(const uint8_t *data, size_t n)
{
    struct oof_images list;
    char *text = malloc(n + 1);

    if (!text)
        abort();
    memcpy(text, data, n);
    text[n] = 0;
    if (oof_images_parse(text, n, "list", &list, NULL)) {
        free(text);
        return;
    }
    for (int64_t i = 0; i < list.n; i++)
        if (list.labels[i] < 0 || list.labels[i] >= list.classes || strlen(list.paths[i]) > n)
            abort();
    oof_images_release(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint64_t length = n;
    XXH128_canonical_t sum;
    uint8_t *copy = malloc(n ? n : 1); /* aligned, as a mapping is */

    if (!copy)
        abort();
    memcpy(copy, data, n);
    parse(copy, n);
    parse_list(data, n);
    if (n >= 112) {
        memcpy(copy, "HPOOOF01", 8);
        memcpy(copy + 8, &length, 8);
        XXH128_canonicalFromHash(&sum, XXH3_128bits(copy, n - 16));
        memcpy(copy + n - 16, sum.digest, 16);
        parse(copy, n);
    }
    free(copy);
    return 0;
}
