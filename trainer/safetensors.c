#include "trainer/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define MAX_HEADER 100000000u /* the format's own limit */
#define MAX_TENSORS 1000000

/* What an element takes, in bits: some formats are narrower than a byte. */
static const struct {
    const char *name;
    enum st_dtype dtype;
    unsigned bits;
} kinds[] = {
    {"F32", ST_F32, 32},          {"F16", ST_F16, 16},      {"BF16", ST_BF16, 16},
    {"F64", ST_F64, 64},          {"I64", ST_OTHER, 64},    {"I32", ST_OTHER, 32},
    {"I16", ST_OTHER, 16},        {"I8", ST_OTHER, 8},      {"U64", ST_OTHER, 64},
    {"U32", ST_OTHER, 32},        {"U16", ST_OTHER, 16},    {"U8", ST_OTHER, 8},
    {"BOOL", ST_OTHER, 8},        {"C64", ST_OTHER, 64},    {"F8_E5M2", ST_OTHER, 8},
    {"F8_E4M3", ST_OTHER, 8},     {"F8_E8M0", ST_OTHER, 8}, {"F8_E4M3FNUZ", ST_OTHER, 8},
    {"F8_E5M2FNUZ", ST_OTHER, 8}, {"F6_E2M3", ST_OTHER, 6}, {"F6_E3M2", ST_OTHER, 6},
    {"F4", ST_OTHER, 4},
};

/* A whole number from 0 on that a double holds exactly. */
static bool whole(const cJSON *j, uint64_t *ret)
{
    if (!cJSON_IsNumber(j) || !(j->valuedouble >= 0 && j->valuedouble <= 9007199254740992.0) ||
        floor(j->valuedouble) != j->valuedouble)
        return false;
    *ret = (uint64_t)j->valuedouble;
    return true;
}

static int read_dtype(const cJSON *entry, struct st_tensor *t, unsigned *ret_bits,
                      struct hpo_err *err)
{
    const char *name = json_get_string(entry, "dtype");

    for (size_t i = 0; name && i < HPO_LEN(kinds); i++)
        if (!strcmp(name, kinds[i].name)) {
            t->dtype = kinds[i].dtype;
            t->dtype_name = kinds[i].name;
            *ret_bits = kinds[i].bits;
            return 0;
        }
    return hpo_fail(err, HPO_EFORMAT, "%s: unknown dtype '%.32s'", t->name, name ? name : "");
}

static int read_shape(const cJSON *entry, struct st_tensor *t, struct hpo_err *err)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape"), *j;
    uint64_t count = 1, d;

    if (!cJSON_IsArray(shape))
        return hpo_fail(err, HPO_EFORMAT, "%s: it has no shape", t->name);
    cJSON_ArrayForEach(j, shape)
    {
        if (t->n_dims == ST_MAX_DIMS || !whole(j, &d) || __builtin_mul_overflow(count, d, &count))
            return hpo_fail(err, HPO_EFORMAT, "%s: its shape is not one", t->name);
        t->dims[t->n_dims++] = (int64_t)d;
    }
    t->count = count;
    return 0;
}

/* Where each begins and ends, for the check that they tile the bytes. */
struct span {
    uint64_t begin, end;
};

static int read_entry(const cJSON *entry, const uint8_t *data, size_t n, struct st_tensor *t,
                      struct span *ret, struct hpo_err *err)
{
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    unsigned bits = 0;
    uint64_t total;
    int rc = read_dtype(entry, t, &bits, err);

    if (!rc)
        rc = read_shape(entry, t, err);
    if (rc)
        return rc;
    if (cJSON_GetArraySize(offsets) != 2 || !whole(cJSON_GetArrayItem(offsets, 0), &ret->begin) ||
        !whole(cJSON_GetArrayItem(offsets, 1), &ret->end) || ret->begin > ret->end || ret->end > n)
        return hpo_fail(err, HPO_EFORMAT, "%s: its bytes lie outside of the file", t->name);
    if (__builtin_mul_overflow(t->count, (uint64_t)bits, &total) || total % 8 ||
        total / 8 != ret->end - ret->begin)
        return hpo_fail(err, HPO_EFORMAT, "%s: its bytes are not as many as its shape says",
                        t->name);
    t->bytes = data + ret->begin;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int check_tiling(struct span *span, int n, size_t bytes, struct hpo_err *err)
{
    uint64_t at = 0;

    qsort(span, (size_t)n, sizeof(*span), by_place);
    for (int i = 0; i < n; at = span[i++].end)
        if (span[i].begin != at)
            return hpo_fail(err, HPO_EFORMAT, "its tensors overlap or leave a gap at byte %llu",
                            (unsigned long long)at);
    if (at != bytes)
        return hpo_fail(err, HPO_EFORMAT, "%llu bytes of tensors are described, the file has %zu",
                        (unsigned long long)at, bytes);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct st_tensor *const *)a)->name, (*(struct st_tensor *const *)b)->name);
}

static int check_names(const struct st_file *f, struct hpo_err *err)
{
    const struct st_tensor **sorted = xcalloc((size_t)f->n + 1, sizeof(const void *));
    int rc = 0;

    for (int i = 0; i < f->n; i++)
        sorted[i] = &f->tensor[i];
    qsort(sorted, (size_t)f->n, sizeof(const void *), by_name);
    for (int i = 1; i < f->n && !rc; i++)
        if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
            rc = hpo_fail(err, HPO_EFORMAT, "%s stands twice in it", sorted[i]->name);
    free(sorted);
    return rc;
}

static int read_header(struct st_file *f, const cJSON *header, const uint8_t *data, size_t n,
                       struct hpo_err *err)
{
    int room = cJSON_GetArraySize(header), rc = 0;
    struct span *span;
    const cJSON *j;

    if (room > MAX_TENSORS)
        return hpo_fail(err, HPO_EFORMAT, "it claims %d tensors", room);
    span = xcalloc((size_t)room + 1, sizeof(*span));
    f->tensor = ARENA_ARRAY(&f->arena, struct st_tensor, room + 1);
    cJSON_ArrayForEach(j, header)
    {
        struct st_tensor *t = &f->tensor[f->n];

        if (!strcmp(j->string, "__metadata__"))
            continue;
        for (const char *c = j->string; *c; c++)
            if ((unsigned char)*c < ' ' || *c == 127) /* names are printed */
                rc = hpo_fail(err, HPO_EFORMAT, "a tensor's name has a control character");
        if (rc)
            break;
        t->name = arena_strdup(&f->arena, j->string);
        rc = read_entry(j, data, n, t, &span[f->n], err);
        if (rc)
            break;
        f->n++;
    }
    if (!rc)
        rc = check_tiling(span, f->n, n, err);
    if (!rc)
        rc = check_names(f, err);
    free(span);
    return rc;
}

static int parse(struct st_file *f, struct hpo_err *err)
{
    const uint8_t *p = f->map.p;
    uint64_t n = 0;
    cJSON *header;
    int rc;

    if (f->map.n < 8)
        return hpo_fail(err, HPO_EFORMAT, "too short for a safetensors file");
    for (int i = 7; i >= 0; i--)
        n = n << 8 | p[i];
    if (n > MAX_HEADER || n > f->map.n - 8 || n < 2 || p[8] != '{')
        return hpo_fail(err, HPO_EFORMAT, "not a safetensors file%s",
                        p[0] == 'P' && p[1] == 'K'
                            ? ": it looks like PyTorch's own format; write it with "
                              "safetensors.torch.save_file(model.state_dict(), ...)"
                            : "");
    header = json_parse((const char *)p + 8, (size_t)n);
    if (!cJSON_IsObject(header)) {
        cJSON_Delete(header);
        return hpo_fail(err, HPO_EFORMAT, "its header is not JSON");
    }
    rc = read_header(f, header, p + 8 + n, f->map.n - 8 - (size_t)n, err);
    cJSON_Delete(header);
    return rc;
}

int st_open(struct st_file *ret, const char *path, struct hpo_err *err)
{
    struct st_file f = {0};
    int rc = file_map_open(&f.map, path, err);

    if (rc)
        return rc;
    rc = parse(&f, err);
    if (rc) {
        st_close(&f);
        hpo_fail_at(err, "%s", path);
        return rc;
    }
    *ret = f;
    return 0;
}

void st_close(struct st_file *f)
{
    arena_release(&f->arena);
    file_map_close(&f->map);
    f->tensor = NULL;
    f->n = 0;
}

const struct st_tensor *st_find(const struct st_file *f, const char *name)
{
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->tensor[i].name, name))
            return &f->tensor[i];
    return NULL;
}

static float from_bits(uint32_t bits)
{
    float v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* IEEE 754 binary16. */
static float from_half(unsigned h)
{
    uint32_t sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;

    if (exponent == 0) {
        float v = (float)mantissa * 0x1p-24f;

        return sign ? -v : v;
    }
    if (exponent == 31)
        return from_bits(sign | 0x7f800000u | mantissa << 13);
    return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

static unsigned two_bytes(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

void st_read(const struct st_tensor *t, float *ret)
{
    double wide;

    switch (t->dtype) {
    case ST_F32:
        memcpy(ret, t->bytes, 4 * t->count);
        break;
    case ST_F64:
        for (size_t i = 0; i < t->count; i++) {
            memcpy(&wide, t->bytes + 8 * i, sizeof(wide));
            ret[i] = (float)wide;
        }
        break;
    case ST_BF16:
        for (size_t i = 0; i < t->count; i++)
            ret[i] = from_bits(two_bytes(t->bytes + 2 * i) << 16);
        break;
    case ST_F16:
        for (size_t i = 0; i < t->count; i++)
            ret[i] = from_half(two_bytes(t->bytes + 2 * i));
        break;
    case ST_OTHER:
        break;
    }
}
