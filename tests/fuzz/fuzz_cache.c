/* libFuzzer: a packed data set. Checksums would keep the fuzzer out, so it gets them right first,
 * as someone would who made a bad file on purpose; that takes the insides of pack.c. */
#include <stdlib.h>

#include "trainer/data/pack.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void seal(uint8_t *p, size_t n)
{
    struct pack_header h;
    uint64_t pixels;

    memcpy(&h, p, sizeof(h));
    memcpy(h.magic, magic, sizeof(magic));
    h.order = 0x01020304;
    h.version = PACK_VERSION;
    /* Half of the inputs keep the layout that they claim. */
    if (p[HEADER_BYTES - 1] & 1 && h.n > 0 && h.size > 0 && h.n < 1000 && h.size < 100 &&
        h.n_bad >= 0 && h.n_bad < 1000) {
        h.has_groups &= 1;
        if (lay_out(&h))
            h.file_bytes = n;
    }
    for (int s = 0; s < SECTIONS; s++)
        if (h.section[s].at < n && h.section[s].bytes <= n - h.section[s].at)
            h.section[s].hash = XXH3_64bits(p + h.section[s].at, h.section[s].bytes);
    pixels = (uint64_t)h.n * (uint64_t)h.size * (uint64_t)h.size * 3;
    if (h.section[BLOCKS].bytes == 8 && h.section[BLOCKS].at <= n - 8 &&
        pixels <= n - HEADER_BYTES) {
        uint64_t hash = XXH3_64bits(p + HEADER_BYTES, pixels);

        memcpy(p + h.section[BLOCKS].at, &hash, sizeof(hash));
        h.section[BLOCKS].hash = XXH3_64bits(p + h.section[BLOCKS].at, 8);
    }
    h.hash = header_hash(&h);
    memcpy(p, &h, sizeof(h));
}

static void use(const struct pack *p)
{
    volatile uint64_t kept;
    uint64_t sum = 0;

    for (int64_t i = 0; i < p->n * p->size * p->size * 3; i++)
        sum += p->pixels[i];
    for (int64_t i = 0; i < p->n; i++) {
        sum += (uint64_t)p->labels[i] + (p->groups ? (uint64_t)p->groups[i] : 0);
        for (int c = 0; c < 6; c++)
            sum += p->sums[i * 6 + c];
        if (p->labels[i] < 0 || p->labels[i] >= p->classes)
            abort();
    }
    for (int64_t i = 0; i < p->n_bad; i++)
        sum += strlen(p->bad[i].reason);
    kept = sum; /* or reading it all would be optimised away */
    (void)kept;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *copy = aligned_alloc(4096, (n + 4095) / 4096 * 4096 + 4096);
    /* The end of the input is the end of the block, for the address sanitizer to see what is read
     * behind it, whenever that leaves the beginning aligned. */
    uint8_t *exact = n % 64 == 0 && n ? aligned_alloc(64, n) : NULL, *p = exact ? exact : copy;
    struct pack pack = {0};

    memcpy(p, data, n);
    if (n >= HEADER_BYTES)
        seal(p, n);
    if (!pack_check(p, n, &pack, NULL))
        use(&pack);
    free(copy);
    free(exact);
    return 0;
}
