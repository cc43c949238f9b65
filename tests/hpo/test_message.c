/* Messages between controller and worker: what goes in comes out, bit for bit, however the bytes
 * arrive; what is no message is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "hpo/message.h"

static cJSON *through(cJSON *m)
{
    struct message_reader r = {0};
    int pair[2];
    bool bad;
    cJSON *back;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(message_send(pair[0], m), 0);
    while (!(back = message_next(&r, &bad))) {
        assert_false(bad);
        assert_int_equal(message_fill(&r, pair[1]), 1);
    }
    close(pair[0]);
    assert_int_equal(message_fill(&r, pair[1]), 0); /* the other end is gone */
    close(pair[1]);
    message_reader_release(&r);
    return back;
}

static void test_values_keep_their_bits(void **state)
{
    struct hpo_rng rng = hpo_rng_for(1, 2, 3, "test", 0);
    double in[200], out[200];
    cJSON *m = message_new("train"), *back;

    (void)state;
    for (int i = 0; i < 200; i++)
        in[i] = i % 7 == 0 ? NAN : ldexp(hpo_rng_uniform(&rng) - 0.5, (int)hpo_rng_below(&rng, 200) - 100);
    message_put_values(m, in, 200);
    back = through(m);
    assert_true(message_get_values(back, out, 200));
    for (int i = 0; i < 200; i++)
        assert_true(isnan(in[i]) ? isnan(out[i]) : in[i] == out[i]);
    assert_false(message_get_values(back, out, 199));
    cJSON_Delete(back);
}

static void test_reports_and_results(void **state)
{
    static const char *const names[] = {"accuracy", "train_loss"};
    double a[] = {0.1, NAN}, b[] = {5e-324, 1.0 / 3};
    struct hpo_epoch_report rows[] = {{0, 3, 2, names, a}, {1, 3, 2, names, b}};
    struct objective_report in = {.step = 13, .value = 0.25, .n_rows = 2, .rows = rows, .again = true};
    struct objective_result r = {.n_folds = 2, .folds = {{0, 0.25, 1, 1}, {1, 0.75, 2, 2}},
                                 .value = 0.5, .seconds = 3};
    struct objective_result r2;
    struct message_report out;
    cJSON *m = message_new("report"), *back;

    (void)state;
    message_put_report(m, &in);
    back = through(m);
    assert_true(message_get_report(back, &out));
    assert_true(out.r.step == 13 && out.r.value == 0.25 && out.r.n_rows == 2 && out.r.again);
    assert_true(isnan(out.r.rows[0].values[1]) && out.r.rows[1].values[0] == 5e-324);
    assert_true(out.r.rows[1].values[1] == 1.0 / 3 && out.r.rows[1].fold == 1);
    assert_string_equal(out.r.rows[1].names[1], "train_loss");
    cJSON_Delete(back);
    m = message_new("done");
    message_put_result(m, &r);
    back = through(m);
    assert_true(message_get_result(back, &r2));
    assert_true(r2.value == 0.5 && r2.n_folds == 2 && r2.folds[1].value == 0.75);
    cJSON_Delete(back);
}

/* A dying worker may send anything. */
static void test_broken_reports(void **state)
{
    static const char *const bad[] = {
        "{\"op\":\"report\"}", "{\"op\":\"report\",\"step\":-1,\"rows\":[]}",
        "{\"op\":\"report\",\"step\":1e300,\"rows\":[]}", "{\"op\":\"report\",\"step\":1}",
        "{\"op\":\"report\",\"step\":1,\"rows\":[{\"fold\":0}]}",
        "{\"op\":\"report\",\"step\":1,\"rows\":[{\"fold\":-2,\"epoch\":0,\"metrics\":{}}]}",
    };
    struct str many = {0};
    struct message_report out;
    cJSON *m;

    (void)state;
    for (size_t i = 0; i < HPO_LEN(bad); i++) {
        m = json_parse(bad[i], strlen(bad[i]));
        assert_non_null(m);
        assert_false(message_get_report(m, &out));
        cJSON_Delete(m);
    }
    str_add(&many, "{\"step\":1,\"rows\":[{\"fold\":0,\"epoch\":0,\"metrics\":{\"a\":1");
    for (int i = 0; i < OBJECTIVE_MAX_METRICS; i++)
        str_addf(&many, ",\"m%d\":1", i);
    str_add(&many, "}}]}");
    m = json_parse(many.s, many.n);
    assert_non_null(m);
    assert_false(message_get_report(m, &out));
    cJSON_Delete(m);
    str_release(&many);
}

static void test_nonsense_is_refused(void **state)
{
    static const char *const lines[] = {"no json\n", "[1,2]\n", "{\"x\":1}\n", "\n", "{\"op\":3}\n"};
    int pair[2];

    (void)state;
    for (size_t i = 0; i < HPO_LEN(lines); i++) {
        struct message_reader r = {0};
        bool bad = false;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(write(pair[0], lines[i], strlen(lines[i])), (ssize_t)strlen(lines[i]));
        assert_int_equal(message_fill(&r, pair[1]), 1);
        assert_null(message_next(&r, &bad));
        assert_true(bad);
        message_reader_release(&r);
        close(pair[0]);
        close(pair[1]);
    }
}

static void test_pieces_and_many_at_once(void **state)
{
    static const char text[] = "{\"op\":\"a\"}\n{\"op\":\"b\"}\n{\"op\":\"c\"}\n";
    struct message_reader r = {0};
    int pair[2], seen = 0;
    bool bad;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        cJSON *m;

        assert_int_equal(write(pair[0], text + i, 1), 1);
        assert_int_equal(message_fill(&r, pair[1]), 1);
        while ((m = message_next(&r, &bad))) {
            assert_int_equal(json_get_string(m, "op")[0], 'a' + seen);
            seen++;
            cJSON_Delete(m);
        }
        assert_false(bad);
    }
    assert_int_equal(seen, 3);
    message_reader_release(&r);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_keep_their_bits),
        cmocka_unit_test(test_reports_and_results),
        cmocka_unit_test(test_broken_reports),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test(test_pieces_and_many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
