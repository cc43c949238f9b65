/* Files as safetensors writes them, and files that lie. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trainer/safetensors.h"

static char path[] = "/tmp/hpo-safetensors-XXXXXX";

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int drop_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_raw(const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void write_file(const char *header, const void *data, size_t n)
{
    size_t len = strlen(header);
    uint8_t *all = calloc(1, 8 + len + n + 1);

    for (int i = 0; i < 8; i++)
        all[i] = (uint8_t)(len >> 8 * i);
    memcpy(all + 8, header, len);
    if (n)
        memcpy(all + 8 + len, data, n);
    write_raw(all, 8 + len + n);
    free(all);
}

/* 1, -2, the smallest subnormal, infinity of each kind. */
static void kinds(void **state)
{
    static const struct {
        float f32[2];
        double f64[2];
        uint16_t f16[4], bf16[2];
        int64_t i64;
    } data = {{1.5f, -2.0f}, {0.25, -1e30}, {0x3c00, 0xc000, 0x0001, 0x7c00}, {0x3fc0, 0xff80}, 3};
    const char *header = "{\"__metadata__\":{\"format\":\"pt\"},"
                         "\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
                         "\"b\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[8,24]},"
                         "\"c\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[24,32]},"
                         "\"d\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[32,36]},"
                         "\"e\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[36,36]},"
                         "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[36,44]}}   ";
    uint8_t bytes[44];
    struct st_file f;
    float v[4];

    (void)state;
    memcpy(bytes, &data, 36);
    memcpy(bytes + 36, &data.i64, 8);
    write_file(header, bytes, sizeof(bytes));
    assert_int_equal(st_open(&f, path, NULL), 0);
    assert_int_equal(f.n, 6);
    assert_null(st_find(&f, "__metadata__"));
    assert_int_equal(st_find(&f, "a")->n_dims, 2);
    assert_int_equal(st_find(&f, "a")->dims[0], 2);
    st_read(st_find(&f, "a"), v);
    assert_true(v[0] == 1.5f && v[1] == -2.0f);
    st_read(st_find(&f, "b"), v);
    assert_true(v[0] == 0.25f && v[1] == -1e30f);
    st_read(st_find(&f, "c"), v);
    assert_true(v[0] == 1.0f && v[1] == -2.0f && v[2] == 0x1p-24f && isinf(v[3]));
    st_read(st_find(&f, "d"), v);
    assert_true(v[0] == 1.5f && isinf(v[1]) && v[1] < 0);
    assert_int_equal(st_find(&f, "e")->count, 0);
    assert_int_equal(st_find(&f, "n")->count, 1);
    assert_int_equal(st_find(&f, "n")->dtype, ST_OTHER);
    assert_string_equal(st_find(&f, "n")->dtype_name, "I64");
    st_close(&f);
}

static void refused(const char *says)
{
    struct st_file f = {0};
    struct hpo_err err = {0};

    assert_int_equal(st_open(&f, path, &err), HPO_EFORMAT);
    if (!strstr(err.msg, says) || !strstr(err.msg, path))
        fail_msg("'%s' does not say '%s'", err.msg, says);
    assert_int_equal(f.n, 0);
}

#define T(name, shape, offsets) \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void liars(void **state)
{
    static const struct {
        const char *header, *says;
    } cases[] = {
        {"{" T("a", "[2]", "[0,12]") "}", "not as many as its shape"},
        {"{" T("a", "[4]", "[0,16]") "}", "outside of the file"},
        {"{" T("a", "[2]", "[8,0]") "}", "outside of the file"},
        {"{" T("a", "[2]", "[0]") "}", "outside of the file"},
        {"{" T("a", "[2]", "[-8,0]") "}", "outside of the file"},
        {"{" T("a", "[2.5]", "[0,8]") "}", "shape is not one"},
        {"{" T("a", "[-1]", "[0,8]") "}", "shape is not one"},
        {"{" T("a", "[4294967296,4294967296,4]", "[0,8]") "}", "shape is not one"},
        {"{" T("a", "[1,1,1,1,1,1,1,1,1,2]", "[0,8]") "}", "shape is not one"},
        {"{" T("a", "2", "[0,8]") "}", "no shape"},
        {"{" T("a", "[2]", "[0,8]") "}", "8 bytes of tensors"},
        {"{" T("a", "[2]", "[0,8]") "," T("b", "[2]", "[4,12]") "}", "overlap or leave a gap"},
        {"{" T("a", "[1]", "[0,4]") "," T("b", "[1]", "[8,12]") "}", "overlap or leave a gap"},
        {"{" T("a", "[1]", "[0,4]") "," T("a", "[2]", "[4,12]") "}", "a stands twice"},
        {"{\"a\":{\"dtype\":\"X9\",\"shape\":[1],\"data_offsets\":[0,4]}}", "unknown dtype 'X9'"},
        {"{\"a\":3}", "unknown dtype"},
        {"{\"a\":", "not JSON"},
        {"[]", "not a safetensors file"},
    };
    const float data[3] = {1, 2, 3};

    (void)state;
    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        write_file(cases[i].header, data, sizeof(data));
        refused(cases[i].says);
    }
    write_raw("PK\3\4................", 20);
    refused("save_file");
    write_raw("\377\377\377\377\377\377\377\377{}", 10);
    refused("not a safetensors file");
    write_raw("abc", 3);
    refused("too short");
}

/* Cut off anywhere it is refused, never read beyond its end. */
static void cut_off(void **state)
{
    const char *header = "{" T("a", "[3]", "[0,12]") "}";
    const float data[3] = {1, 2, 3};
    uint8_t all[128];
    FILE *f;
    size_t n;

    (void)state;
    write_file(header, data, sizeof(data));
    f = fopen(path, "rb");
    n = fread(all, 1, sizeof(all), f);
    fclose(f);
    assert_true(n < sizeof(all));
    for (size_t cut = 1; cut < n; cut++) {
        uint8_t *part = malloc(cut + 1); /* its own, for the sanitizer */
        struct st_file st = {0};
        struct hpo_err err;

        memcpy(part, all, cut);
        write_raw(part, cut);
        free(part);
        assert_int_equal(st_open(&st, path, &err), HPO_EFORMAT);
    }
}

static void missing(void **state)
{
    struct st_file f = {0};
    struct hpo_err err;

    (void)state;
    assert_int_equal(st_open(&f, "/nonexistent/w.safetensors", &err), HPO_EMISSING);
    st_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kinds, make_file, drop_file),
        cmocka_unit_test(missing),
    };
    const struct CMUnitTest more[] = {cmocka_unit_test(liars), cmocka_unit_test(cut_off)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    strcpy(path + strlen(path) - 6, "XXXXXX");
    return failed + cmocka_run_group_tests(more, make_file, drop_file);
}
