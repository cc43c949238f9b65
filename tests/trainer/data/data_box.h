/* tests/trainer/data/data_box.h - a small data set and a cache of its own for each test. */
#ifndef HPO_TESTS_TRAINER_DATA_DATA_BOX_H
#define HPO_TESTS_TRAINER_DATA_DATA_BOX_H

#include "tests/trainer/data/make_images.h"

#include <dirent.h>
#include <time.h>

#include "trainer/data/dataset.h"
#include "trainer/data/synth.h"

#define N 36

struct box {
    char *dir, *data, *cache;
};

/* Three classes of twelve, long enough ago for their times to be trusted. */
HPO_UNUSED static int set_up(void **state)
{
    static const struct tr_synth_spec spec = {
        .classes = 3, .per_class = 12, .size = 20, .noise = 0.5, .seed = 1};
    struct box *b = xcalloc(1, sizeof(*b));
    struct hpo_err err;

    b->dir = temp_dir();
    b->data = xmalloc(600);
    b->cache = xmalloc(600);
    snprintf(b->data, 600, "%s/data", b->dir);
    snprintf(b->cache, 600, "%s/cache/hpo", b->dir);
    if (tr_synth(b->data, &spec, &err))
        fail_msg("%s", err.msg);
    nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL);
    *state = b;
    return 0;
}

HPO_UNUSED static int tear_down(void **state)
{
    struct box *b = *state;

    remove_dir(b->dir);
    free(b->data);
    free(b->cache);
    free(b);
    return 0;
}

HPO_UNUSED static struct tr_data_spec spec_of(const struct box *b)
{
    return (struct tr_data_spec){
        .path = b->data, .cache = b->cache, .image_size = 16, .seed = 3, .threads = 3};
}

HPO_UNUSED static bool count_calls(void *arg, int64_t done, int64_t total)
{
    (void)done;
    (void)total;
    ++*(int *)arg;
    return true;
}

/* Open, with so many decoded; *ret_calls: of progress (0: no file was opened). */
HPO_UNUSED static struct tr_dataset open_spec(const struct tr_data_spec *spec, int64_t decoded,
                                              int *ret_calls)
{
    struct tr_dataset d = {0};
    struct hpo_err err = {0};
    int calls = 0;

    if (tr_dataset_open(&d, spec, count_calls, &calls, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(err.rc, 0);
    assert_int_equal(d.decoded, decoded);
    if (ret_calls)
        *ret_calls = calls;
    return d;
}

HPO_UNUSED static struct tr_dataset open_any(const struct box *b, int64_t *ret_decoded)
{
    struct tr_data_spec spec = spec_of(b);
    struct tr_dataset d = {0};
    struct hpo_err err = {0};

    if (tr_dataset_open(&d, &spec, NULL, NULL, &err))
        fail_msg("%s", err.msg);
    *ret_decoded = d.decoded;
    return d;
}

HPO_UNUSED static struct tr_dataset open_box(const struct box *b, int64_t decoded, int *ret_calls)
{
    struct tr_data_spec spec = spec_of(b);

    return open_spec(&spec, decoded, ret_calls);
}

/* The path of the only file in the cache with this ending. */
HPO_UNUSED static const char *cached(const struct box *b, const char *ending)
{
    static char path[1200];
    DIR *d = opendir(b->cache);
    struct dirent *e;

    *path = 0;
    while (d && (e = readdir(d)))
        if (strlen(e->d_name) > strlen(ending) &&
            !strcmp(e->d_name + strlen(e->d_name) - strlen(ending), ending))
            snprintf(path, sizeof(path), "%s/%s", b->cache, e->d_name);
    if (d)
        closedir(d);
    return path;
}

HPO_UNUSED static int files_in(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int n = 0;

    while (d && (e = readdir(d)))
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

#endif
