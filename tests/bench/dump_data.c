/* A data set as the trainer sees it, for peers that are to train on the same pixels and folds:
 *
 *   dump_data PATH SIZE LIMIT SEED K OUT
 *
 * writes OUT/pixels (n, size, size, 3) uint8, OUT/labels (n) int32 and OUT/folds (n) int32, the
 * fold in which each image validates, and prints "n classes". Decoded images are kept where the
 * program keeps them. */
#include <stdio.h>

#include "base/str.h"
#include "trainer/data/dataset.h"
#include "trainer/data/folds.h"

static int put(const char *dir, const char *name, const void *p, size_t bytes, struct hpo_err *err)
{
    struct str path = {0};
    FILE *f;
    int rc = 0;

    str_addf(&path, "%s/%s", dir, name);
    f = fopen(str_c(&path), "wb");
    if (!f || fwrite(p, 1, bytes, f) != bytes)
        rc = hpo_fail(err, HPO_EIO, "%s cannot be written", str_c(&path));
    if (f && fclose(f) && !rc)
        rc = hpo_fail(err, HPO_EIO, "%s cannot be written", str_c(&path));
    str_release(&path);
    return rc;
}

int main(int argc, char **argv)
{
    int64_t size, limit, seed, k;
    struct tr_folds folds = {0};
    struct tr_dataset data = {0};
    struct hpo_err err = {0};
    size_t n;
    int rc;

    if (argc != 7 || !str_to_int(argv[2], &size) || !str_to_int(argv[3], &limit) ||
        !str_to_int(argv[4], &seed) || !str_to_int(argv[5], &k) || size < 8 || size > 1024 ||
        limit < 0 || limit > INT32_MAX || seed < 0 || k < 2 || k > 64) {
        fprintf(stderr, "usage: dump_data PATH SIZE LIMIT SEED K OUT\n");
        return 2;
    }
    rc = tr_dataset_open(
        &data,
        &(struct tr_data_spec){
            .path = argv[1], .image_size = (int)size, .limit = (int)limit, .seed = (uint64_t)seed},
        NULL, NULL, &err);
    rc = rc ? rc
            : tr_folds_make(&folds,
                            &(struct tr_folds_spec){
                                .k = (int)k, .stratified = true, .seed = (uint64_t)seed},
                            &(struct tr_folds_of){.labels = data.images.labels,
                                                  .n = data.images.n,
                                                  .classes = data.images.classes},
                            &err);
    n = (size_t)data.images.n;
    rc = rc ? rc : put(argv[6], "pixels", data.images.pixels, n * (size_t)(size * size * 3), &err);
    rc = rc ? rc : put(argv[6], "labels", data.images.labels, n * sizeof(int32_t), &err);
    rc = rc ? rc : put(argv[6], "folds", folds.fold, n * sizeof(int32_t), &err);
    if (rc)
        fprintf(stderr, "dump_data: %s\n", err.msg);
    else
        printf("%zu %d\n", n, data.images.classes);
    tr_folds_release(&folds);
    tr_dataset_close(&data);
    return rc ? 1 : 0;
}
