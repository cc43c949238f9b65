/* Measured choices on disk: one small file a convolution, device and cuDNN version.
 *
 * A file is JSON: the key that it answers, the plan as cuDNN's own text, and a checksum over both,
 * so that cuDNN's parser is given nothing but what this program wrote. Whatever is wrong with a
 * file, the convolution is measured again and the file replaced. */
#include "kernels/cuda/conv_priv.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/file.h"
#include "base/json.h"

enum { FORMAT = 1, MAX_BYTES = 1 << 20 };

/* What a choice depends on. */
static void make_key(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                     struct str *ret)
{
    str_addf(ret, "%s; cuDNN %zu; ", d->device ? d->device : "", cudnnGetVersion());
    cu_conv_describe(s, pass, ret);
}

static void make_path(const struct cu_dnn *d, const struct str *key, struct str *ret)
{
    str_addf(ret, "%s/conv-%016llx.json", d->cache,
             (unsigned long long)XXH3_64bits(key->s, key->n));
}

static void make_sum(const char *key, const char *plan, int parts, struct str *ret)
{
    struct str all = {0};

    str_addf(&all, "%d\n%d\n%s\n%s", FORMAT, parts, key, plan);
    str_addf(ret, "%016llx", (unsigned long long)XXH3_64bits(all.s, all.n));
    str_release(&all);
}

/* The plan's text in a file's JSON when it answers this key, else NULL. */
static const char *find_plan(const cJSON *j, const char *key, int models, int *ret_parts)
{
    const char *told = json_get_string(j, "key"), *sum = json_get_string(j, "sum");
    const char *plan = json_get_string(j, "plan");
    double parts = json_get_number(j, "parts");
    struct str want = {0};
    bool good = false;

    if (told && sum && plan && !strcmp(told, key) && (parts == 1 || parts == models)) {
        make_sum(key, plan, (int)parts, &want);
        good = !strcmp(sum, str_c(&want));
        *ret_parts = (int)parts;
    }
    str_release(&want);
    return good ? plan : NULL;
}

int cu_cache_load(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                  size_t limit, struct cu_conv *ret)
{
    struct str key = {0}, path = {0};
    struct cu_conv_op op = {*s, pass, 1};
    struct cu_conv c = {0};
    const char *plan = NULL;
    char *text = NULL;
    cJSON *j = NULL;
    size_t n;
    int rc = HPO_EMISSING;

    if (!d->cache)
        return rc;
    make_key(d, s, pass, &key);
    make_path(d, &key, &path);
    if (!file_read(path.s, MAX_BYTES, &text, &n, NULL))
        j = json_parse(text, n);
    if (j)
        plan = find_plan(j, key.s, s->models, &op.parts);
    if (plan && !cu_conv_from_text(d, &op, plan, strlen(plan), &c, NULL)) {
        if (c.workspace <= limit) {
            *ret = c;
            rc = HPO_OK;
        } else {
            cu_conv_release(&c);
        }
    }
    cJSON_Delete(j);
    free(text);
    str_release(&path);
    str_release(&key);
    return rc;
}

void cu_cache_store(const struct cu_dnn *d, const struct cu_conv_shape *s, enum cu_pass pass,
                    const struct cu_conv *c, double microseconds)
{
    struct str key = {0}, path = {0}, plan = {0}, sum = {0}, text = {0};
    cJSON *j;

    if (!d->cache || cu_conv_text(c, &plan, NULL) || file_mkdirs(d->cache, NULL))
        goto out;
    make_key(d, s, pass, &key);
    make_path(d, &key, &path);
    make_sum(key.s, plan.s, c->parts, &sum);
    j = cJSON_CreateObject();
    json_put_string(j, "key", key.s);
    json_put_number(j, "parts", c->parts);
    /* For people who look: */
    json_put_number(j, "engine", (double)c->engine);
    json_put_number(j, "workspace", (double)c->workspace);
    json_put_number(j, "microseconds", microseconds);
    json_put_string(j, "sum", sum.s);
    json_put_string(j, "plan", plan.s);
    json_write(j, &text);
    cJSON_Delete(j);
    str_addc(&text, '\n');
    file_replace(path.s, text.s, text.n, NULL);
out:
    str_release(&text);
    str_release(&sum);
    str_release(&plan);
    str_release(&path);
    str_release(&key);
}
