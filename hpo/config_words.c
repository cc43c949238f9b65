#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hpo/config_impl.h"

#define SHOWN 60

bool words_have(const struct words *w, const char *word)
{
    for (int i = 0; i < w->n; i++)
        if (!strcmp(w->w[i], word))
            return true;
    return false;
}

void words_add(struct words *w, const char *word)
{
    if (words_have(w, word))
        return;
    if (w->n == w->cap) {
        const char **more = ARENA_ARRAY(w->a, const char *, w->cap ? w->cap * 2 : 16);

        if (w->n)
            memcpy(more, w->w, sizeof(*more) * (size_t)w->n);
        w->cap = w->cap ? w->cap * 2 : 16;
        w->w = more;
    }
    w->w[w->n++] = word;
}

void words_add_options(struct words *w, const struct hpo_opt *opts)
{
    for (; opts && opts->name; opts++)
        words_add(w, opts->name);
}

void words_add_registry(struct words *w, const void *const *registry)
{
    for (; *registry; registry++)
        words_add(w, hpo_plugin_of(*registry)->name);
}

const char *words_join(const struct words *w)
{
    struct str s = {0};
    const char *ret;

    for (int i = 0; i < w->n; i++)
        str_addf(&s, "%s%s", i ? ", " : "", w->w[i]);
    ret = arena_strdup(w->a, w->n ? str_c(&s) : "none");
    str_release(&s);
    return ret;
}

const char *config_show(struct arena *a, const char *text)
{
    size_t n = strlen(text), keep = n;
    char *ret;

    if (n > SHOWN) {
        keep = SHOWN;
        while (keep > 0 && ((unsigned char)text[keep] & 0xC0) == 0x80)
            keep--;
    }
    ret = arena_printf(a, "%.*s%s", (int)keep, text, keep < n ? "..." : "");
    for (char *p = ret; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = '?';
    return ret;
}

const char *config_kind_name(const struct yaml_node *n)
{
    static const char *const name[] = {"a value", "a list", "a mapping"};

    return name[n->kind];
}

void config_mistake(struct config_reader *r, const struct yaml_node *at, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (at->file)
        diag_add(r->d, at->file, at->line, at->column, "%s", text);
    else
        diag_add(r->d, r->c->file, 1, 1, "%s", text);
}

void config_unknown(struct config_reader *r, const struct yaml_node *at, const char *what,
                    const char *text, const char *where, const char *list,
                    const struct words *known)
{
    const char *near, *hint = strchr(text, ':') ? " (a space belongs after ':')" : "";

    if (r->d->n == DIAG_MAX) { /* 50,000 unknown keys: counted, not compared */
        r->d->dropped++;
        return;
    }
    near = str_nearest(text, known->w, known->n);
    if (near)
        config_mistake(r, at, "unknown %s '%s'%s%s, did you mean '%s'? %s: %s", what,
                       config_show(r->a, text), hint, where, near, list, words_join(known));
    else
        config_mistake(r, at, "unknown %s '%s'%s%s; %s: %s", what, config_show(r->a, text), hint,
                       where, list, words_join(known));
}

void config_check_keys(struct config_reader *r, const struct yaml_node *map, const char *where,
                       const struct words *known)
{
    for (int i = 0; i < map->n; i++)
        if (!words_have(known, map->key[i]->text))
            config_unknown(r, map->key[i], "key", map->key[i]->text, where, "known keys", known);
}
