/* Study files: whatever the bytes, the reader answers with mistakes or with a study that can be
 * written, read back as the same, and sampled. The bytes after the first zero are a --set. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "hpo/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void use(const struct study_config *c, struct arena *a)
{
    struct hpo_rng rng = hpo_rng_for(1, 0, -1, "fuzz", 0);
    struct str one = {0}, two = {0};
    struct diags d = {.arena = a};
    struct study_config back;

    study_config_write(c, &one);
    check(study_config_parse(&back, one.s, one.n, c->file, NULL, 0, &d) == 0);
    study_config_write(&back, &two);
    check(!strcmp(one.s, two.s));
    str_clear(&one);
    str_clear(&two);
    study_config_identity(c, &one);
    study_config_identity(&back, &two);
    check(!strcmp(str_c(&one), str_c(&two)));
    study_config_release(&back);
    for (int k = 0; k < 2; k++) {
        double *v = ARENA_ARRAY(a, double, c->space.n + 1);
        struct study_config single;
        struct trial_config t;
        struct hpo_err err;

        for (int i = 0; i < c->space.n; i++)
            v[i] = hpo_param_decode(&c->space.params[i], hpo_rng_uniform(&rng));
        hpo_space_mask(&c->space, v);
        check(study_config_trial(c, v, a, &t, &err) == 0);
        str_clear(&one);
        study_config_single(c, v, &one);
        check(study_config_parse(&single, one.s, one.n, c->file, NULL, 0, &d) == 0);
        study_config_release(&single);
    }
    str_release(&one);
    str_release(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const uint8_t *zero = memchr(bytes, 0, n);
    size_t n_text = zero ? (size_t)(zero - bytes) : n;
    struct arena a = {0};
    struct diags d = {.arena = &a};
    struct study_config c;
    struct str said = {0};
    const char *set = zero ? arena_strndup(&a, (const char *)zero + 1, n - n_text - 1) : NULL;
    int rc = study_config_parse(&c, (const char *)bytes, n_text, "f.yaml", &set, set != NULL, &d);

    check((rc == 0) == (d.n == 0));
    diag_print(&d, &said);
    if (!rc)
        use(&c, &a);
    study_config_release(&c);
    str_release(&said);
    arena_release(&a);
    return 0;
}
