/* What a command says: lines of JSON among whatever else it prints. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "hpo/objectives/command_impl.h"

#define NAME_MAX_BYTES 64
#define STEP_MAX 9007199254740992.0 /* 2^53 */

const char *program_next_line(struct command_lines *l, struct arena *a)
{
    for (;;) {
        char *end = l->buf.n ? memchr(l->buf.s, '\n', l->buf.n) : NULL;
        size_t n = end ? (size_t)(end - l->buf.s) : 0;
        const char *line = NULL;

        if (!end) {
            if (l->buf.n > COMMAND_LINE_MAX) {
                l->skip = true;
                str_clear(&l->buf);
            }
            return NULL;
        }
        if (!l->skip && n <= COMMAND_LINE_MAX)
            line = arena_strndup(a, l->buf.s, n);
        l->skip = false;
        memmove(l->buf.s, end + 1, l->buf.n - n); /* with its final 0 */
        l->buf.n -= n + 1;
        if (line)
            return line;
    }
}

/* Python writes NaN and Infinity, which JSON does not have: null stands for them here. */
static char *plain_json(const char *line, struct arena *a)
{
    static const char *const odd[] = {"-Infinity", "Infinity", "NaN"};
    struct str s = {0};
    bool in_string = false;
    char *ret;

    for (const char *p = line; *p; p++) {
        size_t n = 0;

        if (*p == '"' && (p == line || p[-1] != '\\'))
            in_string = !in_string;
        for (size_t i = 0; !in_string && !n && i < HPO_LEN(odd); i++)
            if (!strncmp(p, odd[i], strlen(odd[i])))
                n = strlen(odd[i]);
        if (n) {
            str_add(&s, "null");
            p += n - 1;
        } else {
            str_addc(&s, *p);
        }
    }
    ret = arena_strdup(a, str_c(&s));
    str_release(&s);
    return ret;
}

/* A whole number from 0 on. */
static bool get_whole(const cJSON *v, double max, double *ret)
{
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0 && v->valuedouble <= max) ||
        v->valuedouble != floor(v->valuedouble))
        return false;
    *ret = v->valuedouble;
    return true;
}

static bool take(const cJSON *v, const char *metric, struct command_word *ret, struct arena *a)
{
    double whole;

    if (!strcmp(v->string, "step") || !strcmp(v->string, "fold")) {
        bool is_step = *v->string == 's';

        if (!get_whole(v, is_step ? STEP_MAX : OBJECTIVE_MAX_FOLDS - 1, &whole))
            return false;
        ret->has_step |= is_step;
        ret->has_fold |= !is_step;
        if (is_step)
            ret->step = (int64_t)whole;
        else
            ret->fold = (int)whole;
    } else if (!strcmp(v->string, "value") || !strcmp(v->string, metric)) {
        if (!cJSON_IsNumber(v) && !cJSON_IsNull(v))
            return false;
        ret->has_value = true;
        ret->value = cJSON_IsNumber(v) ? v->valuedouble : NAN;
    } else if (cJSON_IsNumber(v) && strlen(v->string) <= NAME_MAX_BYTES &&
               ret->n < OBJECTIVE_MAX_METRICS - 1) {
        ret->names[ret->n] = arena_strdup(a, v->string);
        ret->values[ret->n++] = v->valuedouble;
    }
    return true;
}

bool program_parse(const char *line, const char *metric, struct command_word *ret, struct arena *a)
{
    const cJSON *v;
    bool ok = true;
    cJSON *j;

    line += strspn(line, " \t\r");
    if (*line != '{')
        return false;
    j = json_parse(line, strlen(line));
    if (!j) {
        line = plain_json(line, a);
        j = json_parse(line, strlen(line));
    }
    *ret = (struct command_word){.value = NAN};
    cJSON_ArrayForEach(v, j)
    {
        ok = ok && take(v, metric, ret, a);
    }
    ok = ok && cJSON_IsObject(j) && ret->has_value;
    cJSON_Delete(j);
    return ok;
}
