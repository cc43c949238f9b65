/* base/json.h - writing and reading JSON (cJSON), with the two things that matter here: doubles
 * come out shortest and exact, and non-finite numbers are null. */
#ifndef HPO_BASE_JSON_H
#define HPO_BASE_JSON_H

#include <cjson/cJSON.h>

#include "base/str.h"

/* Append the text of j on one line. */
void json_write(const cJSON *j, struct str *ret);
/* Numbers go through these: NaN and infinities become null. */
cJSON *json_number(double v);
void json_put_number(cJSON *object, const char *key, double v);
void json_put_string(cJSON *object, const char *key, const char *s); /* NULL: null */

/* Bounded (depth 64, n bytes) parse; NULL when it is not JSON. Free with cJSON_Delete. */
cJSON *json_parse(const char *text, size_t n);
/* NaN when the key is absent or not a number. */
double json_get_number(const cJSON *object, const char *key);
/* NULL when the key is absent or not a string. */
const char *json_get_string(const cJSON *object, const char *key);

#endif
