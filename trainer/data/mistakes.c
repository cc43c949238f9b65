#include "trainer/data/mistakes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a struct hpo_err takes, less the head and the last line. */
#define ROOM 840

void mistakes_add(struct mistakes *m, const char *fmt, ...)
{
    char line[480];
    va_list ap;
    int n;

    m->n++;
    if (m->shown >= MISTAKES_SHOWN)
        return;
    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof(line))
        memcpy(line + sizeof(line) - 4, "...", 4);
    if (m->text.n + strlen(line) + 1 > ROOM)
        return;
    if (m->text.n)
        str_addc(&m->text, '\n');
    str_add(&m->text, line);
    m->shown++;
}

int mistakes_fail(const struct mistakes *m, int rc, const char *head, struct hpo_err *err)
{
    char more[64] = "";

    if (!m->n)
        return 0;
    if (m->n > m->shown)
        snprintf(more, sizeof(more), "\n... and %lld more", (long long)m->n - m->shown);
    return hpo_fail(err, rc, "%s%s%s%s", head, *head ? "\n" : "", str_c(&m->text), more);
}

void mistakes_release(struct mistakes *m)
{
    str_release(&m->text);
}

const char *mistakes_word(char *buf, const char *s)
{
    size_t n = 0;

    for (; s[n] && n < 40; n++)
        buf[n] = (unsigned char)s[n] < 0x20 || s[n] == 0x7f ? '?' : s[n];
    /* Not in the middle of a UTF-8 character. */
    while (s[n] && n && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    strcpy(buf + n, s[n] ? "..." : "");
    return buf;
}
