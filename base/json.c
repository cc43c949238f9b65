#include "base/json.h"

#include <math.h>
#include <string.h>

cJSON *json_number(double v)
{
    char buf[HPO_DOUBLE_TEXT];

    /* As raw text: cJSON prints 15 or 17 digits, we want the shortest exact form. */
    return isfinite(v) ? cJSON_CreateRaw(str_double(buf, v)) : cJSON_CreateNull();
}

void json_put_number(cJSON *object, const char *key, double v)
{
    cJSON_AddItemToObject(object, key, json_number(v));
}

void json_put_string(cJSON *object, const char *key, const char *s)
{
    cJSON_AddItemToObject(object, key, s ? cJSON_CreateString(s) : cJSON_CreateNull());
}

void json_write(const cJSON *j, struct str *ret)
{
    char *text = cJSON_PrintUnformatted(j);

    if (text) {
        str_add(ret, text);
        cJSON_free(text);
    }
}

cJSON *json_parse(const char *text, size_t n)
{
    const char *end = text;
    bool in_string = false;
    int depth = 0;
    cJSON *j;

    /* cJSON recurses up to 1,000 levels; nothing of ours is deeper than a few. */
    for (size_t i = 0; i < n; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '[' || text[i] == '{') {
            if (++depth > 64)
                return NULL;
        } else if (text[i] == ']' || text[i] == '}') {
            depth--;
        }
    }
    j = cJSON_ParseWithLengthOpts(text, n, &end, false);
    for (; j && end < text + n; end++)
        if (!strchr(" \t\r\n", *end) || !*end) {
            cJSON_Delete(j);
            return NULL;
        }
    return j;
}

double json_get_number(const cJSON *object, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);

    /* 1e999 is a number to a JSON grammar and none to us. */
    return cJSON_IsNumber(v) && isfinite(v->valuedouble) ? v->valuedouble : NAN;
}

const char *json_get_string(const cJSON *object, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsString(v) ? v->valuestring : NULL;
}
