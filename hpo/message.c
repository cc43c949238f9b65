#include "hpo/message.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"

#define STEP_MAX 9007199254740992.0 /* 2^53 */

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

void message_put_values(cJSON *m, const double *v, int n)
{
    cJSON *a = cJSON_AddArrayToObject(m, "values");

    for (int i = 0; i < n; i++)
        cJSON_AddItemToArray(a, json_number(v[i]));
}

bool message_get_values(const cJSON *m, double *ret, int n)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(m, "values"), *v;
    int k = 0;

    if (!cJSON_IsArray(a))
        return false;
    cJSON_ArrayForEach(v, a)
    {
        if (k == n)
            return false;
        ret[k++] = cJSON_IsNumber(v) ? v->valuedouble : NAN;
    }
    return k == n;
}

void message_put_points(cJSON *m, const struct hpo_point *p, int n, bool flip)
{
    cJSON *a = cJSON_AddArrayToObject(m, "points");

    for (int i = 0; i < n; i++) {
        cJSON_AddItemToArray(a, json_number((double)p[i].step));
        cJSON_AddItemToArray(a, json_number(hpo_value_flip(p[i].value, flip)));
    }
}

int message_get_points(const cJSON *m, struct arena *a, const struct hpo_point **ret)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(m, "points"), *v;
    int n = cJSON_IsArray(array) ? cJSON_GetArraySize(array) / 2 : 0, k = 0;
    struct hpo_point *p = ARENA_ARRAY(a, struct hpo_point, n + 1);

    for (v = n ? array->child : NULL; v && v->next; v = v->next->next)
        if (cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble <= STEP_MAX)
            p[k++] = (struct hpo_point){(int64_t)v->valuedouble,
                                        cJSON_IsNumber(v->next) ? v->next->valuedouble : NAN};
    *ret = p;
    return k;
}

static void put_row(cJSON *rows, const struct hpo_epoch_report *r)
{
    cJSON *o = cJSON_CreateObject(), *metrics;

    json_put_number(o, "fold", r->fold);
    json_put_number(o, "epoch", r->epoch);
    metrics = cJSON_AddObjectToObject(o, "metrics");
    for (int i = 0; i < r->n_metrics; i++)
        json_put_number(metrics, r->names[i], r->values[i]);
    cJSON_AddItemToArray(rows, o);
}

void message_put_report(cJSON *m, const struct objective_report *r)
{
    cJSON *rows;

    cJSON_AddBoolToObject(m, "again", r->again);
    json_put_number(m, "step", (double)r->step);
    json_put_number(m, "value", r->value);
    json_put_number(m, "rate", r->rate);
    rows = cJSON_AddArrayToObject(m, "rows");
    for (int i = 0; i < r->n_rows; i++)
        put_row(rows, &r->rows[i]);
}

static bool get_row(const cJSON *o, struct message_report *ret, int i)
{
    const cJSON *metrics = cJSON_GetObjectItemCaseSensitive(o, "metrics"), *v;
    int n = 0;

    cJSON_ArrayForEach(v, metrics)
    {
        if (n == OBJECTIVE_MAX_METRICS)
            return false;
        ret->names[i][n] = v->string;
        ret->values[i][n++] = cJSON_IsNumber(v) ? v->valuedouble : NAN;
    }
    ret->rows[i] = (struct hpo_epoch_report){
        message_int(o, "fold", -1), message_int(o, "epoch", -1), n, ret->names[i], ret->values[i]};
    return ret->rows[i].fold >= 0 && ret->rows[i].epoch >= 0;
}

bool message_get_report(const cJSON *m, struct message_report *ret)
{
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(m, "rows"), *o;
    double step = json_get_number(m, "step"), rate = json_get_number(m, "rate");
    int n = 0;

    if (!(step >= 0 && step <= STEP_MAX) || !cJSON_IsArray(rows))
        return false;
    cJSON_ArrayForEach(o, rows)
    {
        if (n == OBJECTIVE_MAX_FOLDS || !get_row(o, ret, n++))
            return false;
    }
    ret->r = (struct objective_report){
        .step = (int64_t)step,
        .value = json_get_number(m, "value"),
        .n_rows = n,
        .rows = ret->rows,
        .rate = rate > 0 ? rate : 0,
        .again = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(m, "again")),
    };
    return true;
}

void message_put_result(cJSON *m, const struct objective_result *r)
{
    cJSON *a = cJSON_AddArrayToObject(m, "folds");

    json_put_number(m, "value", r->value);
    json_put_number(m, "seconds", r->seconds);
    for (int i = 0; i < r->n_folds; i++) {
        cJSON *o = cJSON_CreateObject();

        json_put_number(o, "fold", r->folds[i].fold);
        json_put_number(o, "epoch", r->folds[i].epoch);
        json_put_number(o, "value", r->folds[i].value);
        json_put_number(o, "seconds", r->folds[i].seconds);
        cJSON_AddItemToArray(a, o);
    }
}

bool message_get_result(const cJSON *m, struct objective_result *ret)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(m, "folds"), *o;
    double seconds = json_get_number(m, "seconds");
    int n = 0;

    if (!cJSON_IsArray(a))
        return false;
    cJSON_ArrayForEach(o, a)
    {
        if (n == OBJECTIVE_MAX_FOLDS)
            return false;
        ret->folds[n++] = (struct hpo_fold){
            .fold = message_int(o, "fold", -1),
            .epoch = message_int(o, "epoch", -1),
            .value = json_get_number(o, "value"),
            .seconds = json_get_number(o, "seconds"),
        };
    }
    ret->value = json_get_number(m, "value");
    ret->n_folds = n;
    ret->seconds = seconds >= 0 ? seconds : 0;
    ret->pruned = false;
    return true;
}
