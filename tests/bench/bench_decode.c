/* bench_decode [SIZE [IMAGES]]: JPEG files into the packed cache, images/s: TurboJPEG alone on one
 * core (the bound: decoding at the same scale from memory, nothing else), and tr_dataset_open from
 * files on one thread and on every core; then the time to open what is cached. Makes its own images
 * in a temporary folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "base/arena.h"
#include "base/file.h"
#include "trainer/data/dataset.h"
#include "trainer/data/ingest.h"
#include "trainer/data/synth.h"

static void die(const char *what)
{
    fprintf(stderr, "bench_decode: %s\n", what);
    exit(1);
}

static double seconds_to_open(const struct tr_data_spec *spec, int64_t *ret_n)
{
    struct tr_dataset d = {0};
    struct hpo_err err;
    double start = clock_monotonic();

    if (tr_dataset_open(&d, spec, NULL, NULL, &err))
        die(err.msg);
    start = clock_monotonic() - start;
    *ret_n = d.images.n;
    tr_dataset_close(&d);
    return start;
}

/* One file again and again, at the scale that the target asks for. */
static double rate_of_turbojpeg(const char *path, int size, int target)
{
    tjhandle tj = tjInitDecompress();
    int scaled = size, rounds = 0;
    char *jpeg;
    size_t n;
    uint8_t *pixels = xmalloc((size_t)size * (size_t)size * 3);
    double start;

    if (file_read(path, 1 << 26, &jpeg, &n, NULL))
        die(path);
    for (int d = 8; d > 1; d /= 2)
        if ((size + d - 1) / d >= target && scaled == size)
            scaled = (size + d - 1) / d;
    start = clock_monotonic();
    do {
        for (int i = 0; i < 20; i++, rounds++)
            tjDecompress2(tj, (unsigned char *)jpeg, n, pixels, scaled, 0, scaled, TJPF_RGB,
                          TJFLAG_ACCURATEDCT);
    } while (clock_monotonic() - start < 0.5);
    start = clock_monotonic() - start;
    free(jpeg);
    free(pixels);
    tjDestroy(tj);
    return rounds / start;
}

static void bench(const char *dir, int size, int images, int target)
{
    struct tr_synth_spec synth = {
        .classes = 4, .per_class = (images + 3) / 4, .size = size, .noise = 0.5, .seed = 1};
    struct arena a = {0};
    const char *data = arena_printf(&a, "%s/%d-%d", dir, size, target);
    const char *cache = arena_printf(&a, "%s/cache", dir);
    struct tr_data_spec spec = {.path = data, .cache = cache, .image_size = target};
    struct hpo_err err;
    double alone, rate[2];
    int64_t n;

    if (tr_synth(data, &synth, &err))
        die(err.msg);
    alone = rate_of_turbojpeg(arena_printf(&a, "%s/circle/0000.jpg", data), size, target);
    for (int all = 0; all < 2; all++) {
        double best = 1e30;

        spec.threads = all ? 0 : 1;
        for (int round = 0; round < 3; round++) {
            double t;

            file_remove_tree(cache, NULL);
            t = seconds_to_open(&spec, &n);
            best = t < best ? t : best;
        }
        rate[all] = (double)n / best;
    }
    printf("%4d x %-4d -> %3d  TurboJPEG alone %8.0f/s  1 thread %8.0f/s (%.2f)  %d cores %8.0f/s "
           "(%.2f of their bound)  cached %.1f ms for %lld\n",
           size, size, target, alone, rate[0], rate[0] / alone, ingest_cores(), rate[1],
           rate[1] / alone / ingest_cores(), seconds_to_open(&spec, &n) * 1e3, (long long)n);
    arena_release(&a);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/bench-decode-XXXXXX";

    if (!mkdtemp(dir))
        die("no temporary folder");
    if (argc > 1) {
        int size = atoi(argv[1]);

        bench(dir, size, argc > 2 ? atoi(argv[2]) : 400, size < 224 ? size : 224);
    } else {
        bench(dir, 32, 6000, 32);
        bench(dir, 224, 800, 224);
        bench(dir, 512, 200, 224);
        bench(dir, 512, 200, 32);
    }
    file_remove_tree(dir, NULL);
    return 0;
}
