/* base/str.h - a growable string, and the few string operations that everyone needs.
 *
 * Invariant: `s` is never NULL after the first append and always NUL-terminated; a zeroed struct
 * str is a valid empty one (its s is NULL: use str_c). */
#ifndef HPO_BASE_STR_H
#define HPO_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct str {
    char *s;
    size_t n, cap;
};

void str_release(struct str *s);
void str_clear(struct str *s); /* empty, keeps the memory */
const char *str_c(const struct str *s); /* never NULL */
void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const char *text, size_t n);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) HPO_PRINTF(2, 3);

/* The shortest text that reads back as exactly v ("0.1", "1e-05", "3"): what is stored, printed as
 * JSON and put back into YAML. NaN and infinities give "nan", "inf", "-inf".
 * buf has room for HPO_DOUBLE_TEXT bytes; returns buf. */
#define HPO_DOUBLE_TEXT 32
const char *str_double(char *buf, double v);

/* Strict: the whole of text is a number (decimal, no leading space, no "0x", no trailing text;
 * "inf"/"nan" are refused). false: *ret untouched. */
bool str_to_double(const char *text, double *ret);
bool str_to_int(const char *text, int64_t *ret);

/* "90", "90s", "15m", "2h", "1h30m", "1d" -> seconds: one number, or numbers with units, the largest
 * unit first. */
bool str_to_seconds(const char *text, double *ret);
/* 3725 -> "1:02:05", 42.3 -> "0:42". buf has room for HPO_DOUBLE_TEXT bytes; returns buf. */
const char *str_seconds(char *buf, double seconds);

/* Damerau (optimal string alignment) distance, case-insensitive. */
int str_distance(const char *a, const char *b);
/* The nearest of the names within max(1, length / 3) edits, at most 3; NULL: none is near. */
const char *str_nearest(const char *word, const char *const *names, int n_names);

#endif
