/* libFuzzer: a file of weights. What was accepted tiles the file, and can be read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trainer/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void read_all(const struct st_file *f)
{
    size_t header = 0;

    for (int i = 7; i >= 0; i--)
        header = header << 8 | f->map.p[i];
    for (int i = 0; i < f->n; i++) {
        const struct st_tensor *t = &f->tensor[i];
        size_t count = 1;

        check(t->bytes >= f->map.p + 8 + header && t->bytes <= f->map.p + f->map.n);
        check(t->n_dims >= 0 && t->n_dims <= ST_MAX_DIMS && st_find(f, t->name) == t);
        for (int d = 0; d < t->n_dims; d++)
            count *= (size_t)t->dims[d];
        check(count == t->count);
        if (t->dtype != ST_OTHER) {
            float *values = malloc(t->count * sizeof(*values) + 1);

            check(values != NULL);
            st_read(t, values);
            free(values);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    int fd = memfd_create("weights", MFD_CLOEXEC);
    struct st_file f = {0};
    struct hpo_err err = {0};
    char path[32];

    check(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (st_open(&f, path, &err))
        check(*err.msg && strlen(err.msg) < sizeof(err.msg));
    else
        read_all(&f);
    st_close(&f);
    close(fd);
    return 0;
}
