#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"

static void test_fail(void **state)
{
    struct hpo_err err = {0};

    assert_int_equal(hpo_fail(&err, HPO_EIO, "%s: %d", "a", 5), HPO_EIO);
    assert_int_equal(err.rc, HPO_EIO);
    assert_string_equal(err.msg, "a: 5");
    assert_int_equal(hpo_fail(NULL, HPO_ENOMEM, "x"), HPO_ENOMEM);
}

static void test_fail_at(void **state)
{
    struct hpo_err err;

    hpo_fail(&err, HPO_EFORMAT, "bad");
    assert_int_equal(hpo_fail_at(&err, "file %d", 3), HPO_EFORMAT);
    assert_string_equal(err.msg, "file 3: bad");
    assert_true(hpo_fail_at(NULL, "x") < 0);
}

/* However long the parts, the text ends inside its buffer and what was first stays first. */
static void test_long(void **state)
{
    char big[3 * sizeof(((struct hpo_err *)0)->msg)];
    struct hpo_err err;

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    hpo_fail(&err, HPO_EIO, "%s", big);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    assert_int_equal(hpo_fail_at(&err, "outer"), HPO_EIO);
    assert_int_equal(strncmp(err.msg, "outer: xxx", 10), 0);
    assert_true(strlen(err.msg) < sizeof(err.msg));
    for (size_t n = sizeof(err.msg) - 6; n < sizeof(err.msg) + 3; n++) {
        hpo_fail(&err, HPO_EIO, "inner");
        assert_int_equal(hpo_fail_at(&err, "%.*s", (int)n, big), HPO_EIO);
        assert_true(strlen(err.msg) < sizeof(err.msg));
    }
}

static void test_rc_text(void **state)
{
    assert_string_equal(hpo_rc_text(HPO_OK), "no error");
    assert_non_null(hpo_rc_text(-9999));
#define X(name, code, text)             \
    assert_int_equal(HPO_##name, code); \
    assert_string_equal(hpo_rc_text(HPO_##name), text);
    HPO_RC_MAP(X)
#undef X
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail),
        cmocka_unit_test(test_fail_at),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_rc_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
