/* A word to a running study: asked, answered; nobody there; a client that says nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "hpo/control.h"

static char dir[300];

static int setup(void **state)
{
    char root[] = "/tmp/hpo-control-XXXXXX";

    if (!mkdtemp(root))
        return -1;
    /* Longer than the path of a socket may be. */
    snprintf(dir, sizeof(dir), "%s/%0120d", root, 7);
    return file_mkdirs(dir, NULL);
}

static int teardown(void **state)
{
    *strrchr(dir, '/') = 0;
    file_remove_tree(dir, NULL);
    return 0;
}

static cJSON *double_it(void *arg, const cJSON *request)
{
    cJSON *m = message_new("answer");

    ++*(int *)arg;
    json_put_number(m, "x", 2 * json_get_number(request, "x"));
    return m;
}

/* Serve until n requests were heard. */
static void serve(struct control *c, int n)
{
    struct pollfd fds[CONTROL_FDS];
    int heard = 0;

    while (heard < n) {
        int k = control_poll(c, fds);

        assert_true(k >= 1 && k <= CONTROL_FDS);
        assert_true(poll(fds, (nfds_t)k, 10000) > 0);
        control_serve(c, fds, double_it, &heard);
    }
}

static int ask(double x)
{
    cJSON *m = message_new("double"), *answer = NULL;
    struct hpo_err err = {0};
    int ok;

    json_put_number(m, "x", x);
    if (control_ask(dir, m, &answer, &err))
        return 1;
    ok = json_get_number(answer, "x") == 2 * x;
    cJSON_Delete(answer);
    return ok ? 0 : 2;
}

/* More clients than there are places, all at once. */
static void test_many_ask(void **state)
{
    enum { CLIENTS = CONTROL_CLIENTS + 16 };
    struct control c;
    char path[320];
    int status;

    control_open(&c, dir);
    assert_true(c.fd >= 0);
    for (int i = 0; i < CLIENTS; i++)
        if (fork() == 0)
            _exit(ask(i));
    serve(&c, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    control_close(&c);
    snprintf(path, sizeof(path), "%s/control.sock", dir);
    assert_false(file_exists(path));
}

static void test_nobody_there(void **state)
{
    struct hpo_err err = {0};
    struct control c;
    cJSON *answer;
    int copy;

    assert_int_equal(control_ask(dir, message_new("x"), &answer, &err), HPO_EMISSING);
    /* What a killed study leaves behind is in nobody's way. */
    control_open(&c, dir);
    copy = c.fd;
    c.fd = -1;
    control_close(&c);
    close(copy);
    assert_int_equal(control_ask(dir, message_new("x"), &answer, &err), HPO_EMISSING);
    control_open(&c, dir);
    assert_true(c.fd >= 0);
    control_close(&c);
    assert_int_equal(control_ask("/nowhere/at/all", message_new("x"), &answer, &err), HPO_EMISSING);
}

/* One who sends nonsense, and one who hangs up, are let go. */
static void test_nonsense(void **state)
{
    struct control c;
    int status;

    control_open(&c, dir);
    for (int i = 0; i < 2; i++) {
        if (fork() == 0) {
            cJSON *m = message_new("x"), *answer;
            struct hpo_err err;

            if (i == 0) {
                cJSON_DeleteItemFromObject(m, "op"); /* a line that is no message */
                _exit(control_ask(dir, m, &answer, &err) == HPO_EIO ? 0 : 1);
            }
            cJSON_Delete(m);
            _exit(ask(4));
        }
    }
    for (int left = 2; left;) {
        struct pollfd fds[CONTROL_FDS];
        int heard = 0, k = control_poll(&c, fds);

        poll(fds, (nfds_t)k, 20);
        control_serve(&c, fds, double_it, &heard);
        if (waitpid(-1, &status, WNOHANG) > 0) {
            assert_int_equal(WEXITSTATUS(status), 0);
            left--;
        }
    }
    control_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
