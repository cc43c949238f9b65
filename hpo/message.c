#include "hpo/message.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"

int message_fill(struct message_reader *r, int fd)
{
    char chunk[65536];
    ssize_t n;

    do
        n = recv(fd, chunk, sizeof(chunk), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ECONNRESET ? 0 : HPO_EIO;
    if (n == 0)
        return 0;
    if (r->done) {
        memmove(r->buf.s, r->buf.s + r->done, r->buf.n - r->done + 1);
        r->buf.n -= r->done;
        r->done = 0;
    }
    if (r->buf.n + (size_t)n > MESSAGE_MAX)
        return HPO_EIO;
    str_addn(&r->buf, chunk, (size_t)n);
    return 1;
}

cJSON *message_next(struct message_reader *r, bool *ret_bad)
{
    const char *line = str_c(&r->buf) + r->done;
    const char *end = memchr(line, '\n', r->buf.n - r->done);
    cJSON *m;

    *ret_bad = false;
    if (!end)
        return NULL;
    m = json_parse(line, (size_t)(end - line));
    r->done += (size_t)(end - line) + 1;
    if (!cJSON_IsObject(m) || !json_get_string(m, "op")) {
        cJSON_Delete(m);
        *ret_bad = true;
        return NULL;
    }
    return m;
}

void message_reader_release(struct message_reader *r)
{
    str_release(&r->buf);
    r->done = 0;
}

cJSON *message_new(const char *op)
{
    cJSON *m = cJSON_CreateObject();

    cJSON_AddStringToObject(m, "op", op);
    return m;
}

int message_send(int fd, cJSON *m)
{
    struct str text = {0};
    const char *p;
    size_t left;
    int rc = 0;

    json_write(m, &text);
    str_addc(&text, '\n');
    cJSON_Delete(m);
    p = text.s;
    left = text.n;
    while (left && !rc) {
        ssize_t n = send(fd, p, left, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rc = HPO_EIO;
        } else {
            p += n;
            left -= (size_t)n;
        }
    }
    str_release(&text);
    return rc;
}

int message_int(const cJSON *m, const char *key, int otherwise)
{
    double v = json_get_number(m, key);

    return v >= -2147483648.0 && v <= 2147483647.0 ? (int)v : otherwise;
}

static void put_array(cJSON *m, const char *key, const double *v, int n)
{
    cJSON *a = cJSON_AddArrayToObject(m, key);

    for (int i = 0; i < n; i++)
        cJSON_AddItemToArray(a, json_number(v[i]));
}

static int get_array(const cJSON *m, const char *key, double *ret, int max)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(m, key), *v;
    int n = 0;

    if (!cJSON_IsArray(a))
        return -1;
    cJSON_ArrayForEach(v, a) {
        if (n == max)
            return -1;
        ret[n++] = cJSON_IsNumber(v) ? v->valuedouble : NAN;
    }
    return n;
}

void message_put_values(cJSON *m, const double *values, int n)
{
    put_array(m, "values", values, n);
}

bool message_get_values(const cJSON *m, double *ret, int n)
{
    return get_array(m, "values", ret, n) == n;
}

void message_put_epochs(cJSON *m, const struct tr_epoch *e, int n)
{
    cJSON *a = cJSON_AddArrayToObject(m, "epochs");

    for (int i = 0; i < n; i++) {
        cJSON *o = cJSON_CreateObject();

        json_put_number(o, "fold", e[i].fold);
        json_put_number(o, "epoch", e[i].epoch);
        json_put_number(o, "train_loss", e[i].train_loss);
        json_put_number(o, "seconds", e[i].seconds);
        json_put_number(o, "rate", e[i].images_per_s);
        put_array(o, "values", e[i].values, e[i].n_values);
        cJSON_AddItemToArray(a, o);
    }
}

int message_get_epochs(const cJSON *m, struct tr_epoch *ret, int max)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(m, "epochs"), *o;
    int n = 0;

    if (!cJSON_IsArray(a))
        return -1;
    cJSON_ArrayForEach(o, a) {
        struct tr_epoch *e = &ret[n];

        if (n == max)
            return -1;
        *e = (struct tr_epoch){
            .fold = message_int(o, "fold", -1),
            .epoch = message_int(o, "epoch", -1),
            .train_loss = json_get_number(o, "train_loss"),
            .seconds = json_get_number(o, "seconds"),
            .images_per_s = json_get_number(o, "rate"),
        };
        e->n_values = get_array(o, "values", e->values, TR_MAX_METRICS);
        if (e->fold < 0 || e->epoch < 0 || e->n_values < 0)
            return -1;
        n++;
    }
    return n;
}

void message_put_result(cJSON *m, const struct tr_result *r)
{
    cJSON *a = cJSON_AddArrayToObject(m, "folds");

    json_put_number(m, "value", r->value);
    json_put_number(m, "std", r->std);
    json_put_number(m, "seconds", r->seconds);
    for (int i = 0; i < r->n_folds; i++) {
        cJSON *o = cJSON_CreateObject();

        json_put_number(o, "fold", r->fold[i].fold);
        json_put_number(o, "epoch", r->fold[i].epoch);
        json_put_number(o, "value", r->fold[i].value);
        json_put_number(o, "seconds", r->fold[i].seconds);
        cJSON_AddItemToArray(a, o);
    }
}

bool message_get_result(const cJSON *m, struct tr_result *ret)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(m, "folds"), *o;
    struct tr_result r = {.value = json_get_number(m, "value"),
                          .std = json_get_number(m, "std"),
                          .seconds = json_get_number(m, "seconds")};

    if (!cJSON_IsArray(a))
        return false;
    cJSON_ArrayForEach(o, a) {
        if (r.n_folds == TR_MAX_FOLDS)
            return false;
        r.fold[r.n_folds++] = (struct tr_fold_result){
            .fold = message_int(o, "fold", -1),
            .epoch = message_int(o, "epoch", -1),
            .value = json_get_number(o, "value"),
            .seconds = json_get_number(o, "seconds"),
        };
    }
    *ret = r;
    return r.n_folds > 0;
}
