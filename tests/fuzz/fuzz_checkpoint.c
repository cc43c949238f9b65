/* The checkpoint reader on any bytes: as they are, and with the parts that a fuzzer cannot guess
 * (fingerprint, length, checksum) put right. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "trainer/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void decode(const struct ckpt_shape *shape, const uint8_t *data, size_t n)
{
    double curve[3 * 4 * 3];
    struct ckpt_rest rest = {.curve = curve};
    struct ckpt c;

    if (ckpt_init(&c, shape, 1, NULL))
        abort();
    if (!ckpt_decode(&c, data, n, &rest, NULL)) {
        uint8_t *out = malloc(n);

        /* What was let in comes out again as it was. */
        if (!out || ckpt_length(shape, &rest) != n)
            abort();
        ckpt_encode(&c, &rest, out);
        if (memcmp(out, data, n))
            abort();
        free(out);
    }
    ckpt_release(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct ckpt_shape shape = {
        .fingerprint = {1, 2, 3}, .folds = 3, .epochs = 4, .steps = 5, .metrics = 2,
        .slots = 2, .weights = 7, .buffers = 3,
    };
    uint64_t length = n;
    XXH128_canonical_t sum;
    uint8_t *copy;

    decode(&shape, data, n);
    if (n < 64)
        return 0;
    copy = malloc(n);
    if (!copy)
        abort();
    memcpy(copy, data, n);
    memcpy(copy, "HPOCKPT2", 8);
    memcpy(copy + 8, &length, 8);
    memcpy(copy + 16, shape.fingerprint, 16);
    XXH128_canonicalFromHash(&sum, XXH3_128bits(copy, n - 16));
    memcpy(copy + n - 16, sum.digest, 16);
    decode(&shape, copy, n);
    free(copy);
    return 0;
}
