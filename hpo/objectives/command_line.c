/* What a command study runs: words, placeholders, environment. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "hpo/objectives/command_impl.h"

extern char **environ;

static const struct command_options *options(const struct study_config *c)
{
    return c->objective.priv;
}

static int find_param(const struct hpo_space *s, const char *name, size_t n)
{
    for (int i = 0; i < s->n; i++)
        if (strlen(s->params[i].name) == n && !memcmp(s->params[i].name, name, n))
            return i;
    return -1;
}

/* What stands between the braces at p ("{lr}"), or NULL: an ordinary brace, as in a piece of JSON.
 */
static const char *placeholder(const char *p, size_t *ret_n)
{
    size_t n;

    if (*p != '{')
        return NULL;
    n = strspn(p + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    if (n == 0 || p[1 + n] != '}')
        return NULL;
    *ret_n = n;
    return p + 1;
}

static const char *const own[] = {"trial", "dir", "device"};

static bool is_own(const char *name, size_t n)
{
    for (size_t i = 0; i < HPO_LEN(own); i++)
        if (strlen(own[i]) == n && !memcmp(own[i], name, n))
            return true;
    return false;
}

static int check_word(const struct study_config *c, const char *word, struct hpo_err *err)
{
    struct str known = {0};
    size_t n;
    int rc = 0;

    for (const char *p = word; *p && !rc; p++) {
        const char *name = placeholder(p, &n);

        if (!name || find_param(&c->space, name, n) >= 0 || is_own(name, n))
            continue;
        for (int i = 0; i < c->space.n; i++)
            str_addf(&known, "{%s}, ", c->space.params[i].name);
        rc = hpo_fail(err, HPO_ECONFIG,
                      "run: '{%.*s}' is no parameter of the space; known are %.300s{trial}, {dir} "
                      "and {device}",
                      (int)n, name, str_c(&known));
    }
    str_release(&known);
    return rc;
}

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

/* Would execvp find it? */
static bool in_path(const char *name)
{
    char usual[256] = ""; /* what execvp takes when there is no $PATH */
    const char *path = getenv("PATH");
    struct str s = {0};
    bool found = false;

    confstr(_CS_PATH, usual, sizeof(usual));
    for (const char *p = path ? path : usual; !found;) {
        size_t n = strcspn(p, ":");

        str_clear(&s);
        str_addf(&s, "%.*s/%s", n ? (int)n : 1, n ? p : ".", name);
        found = is_program(str_c(&s));
        if (!p[n])
            break;
        p += n + 1;
    }
    str_release(&s);
    return found;
}

int program_check(const struct study_config *c, struct hpo_err *err)
{
    const struct command_options *o = options(c);
    const char *program = o->run[0];
    struct str path = {0};
    bool there;
    int rc = 0;

    for (int i = 0; o->run[i] && !rc; i++)
        rc = check_word(c, o->run[i], err);
    if (rc || strchr(program, '{'))
        return rc;
    if (*program == '/' || !strchr(program, '/')) {
        there = *program == '/' ? is_program(program) : in_path(program);
    } else {
        str_addf(&path, "%s/%s", o->folder ? o->folder : c->folder, program);
        there = is_program(str_c(&path));
    }
    if (!there)
        rc = hpo_fail(err, HPO_ECONFIG, "run: '%.200s' is not a program%s", program,
                      strchr(program, '/') ? " (or may not be executed)" : " in $PATH");
    str_release(&path);
    return rc;
}

/* Append the word with values in place. false: it speaks of a parameter that is inactive. */
static bool fill_in(const struct objective *o, const struct objective_trial *t, const char *word,
                    struct str *ret)
{
    const struct hpo_space *s = &o->config->space;
    char buf[HPO_DOUBLE_TEXT];
    size_t n;

    for (const char *p = word; *p; p++) {
        const char *name = placeholder(p, &n);
        int i = name ? find_param(s, name, n) : -1;

        if (i >= 0 && isnan(t->values[i]))
            return false;
        if (i >= 0)
            str_add(ret, hpo_param_text(&s->params[i], t->values[i], buf));
        else if (name && is_own(name, n) && *name == 't')
            str_addf(ret, "%d", t->number);
        else if (name && is_own(name, n) && name[1] == 'i')
            str_add(ret, t->dir);
        else if (name && is_own(name, n))
            str_add(ret, o->site.device);
        else
            str_addc(ret, *p);
        if (i >= 0 || (name && is_own(name, n)))
            p += n + 1;
    }
    return true;
}

const char **program_words(const struct objective *o, const struct objective_trial *t,
                           struct arena *a)
{
    const char *const *run = options(o->config)->run;
    bool after_option = false;
    const char **ret;
    int n = 0, k = 0;

    while (run[n])
        n++;
    ret = ARENA_ARRAY(a, const char *, n + 1);
    for (int i = 0; i < n; i++) {
        struct str word = {0};
        size_t len;

        if (fill_in(o, t, run[i], &word)) {
            ret[k++] = arena_strdup(a, str_c(&word));
            after_option = *run[i] == '-';
        } else {
            /* --momentum {momentum}: without the one the other means nothing */
            k -= after_option && placeholder(run[i], &len) && !run[i][len + 2];
            after_option = false;
        }
        str_release(&word);
    }
    ret[k] = NULL;
    return ret;
}

/* ---------------------------------------------------------------- environment */

struct env {
    char **v;
    int n;
    struct arena *a;
};

/* NAME=VALUE, in place of one that is there. */
static void put(struct env *e, const char *name, const char *value)
{
    char *text = arena_printf(e->a, "%s=%s", name, value);
    size_t n = strlen(name) + 1;

    for (int i = 0; i < e->n; i++) {
        if (!strncmp(e->v[i], text, n)) {
            e->v[i] = text;
            return;
        }
    }
    e->v[e->n++] = text;
}

static void put_params(struct env *e, const struct hpo_space *s, const double *values)
{
    cJSON *j = cJSON_CreateObject();
    char buf[HPO_DOUBLE_TEXT];
    struct str text = {0};

    for (int i = 0; i < s->n; i++) {
        const struct hpo_param *p = &s->params[i];

        if (isnan(values[i]))
            continue;
        if (p->kind != HPO_PARAM_CATEGORICAL)
            json_put_number(j, p->name, values[i]);
        else if (p->choices[(int)values[i]].kind == HPO_CHOICE_STR)
            json_put_string(j, p->name, hpo_param_text(p, values[i], buf));
        else
            cJSON_AddItemToObject(j, p->name, cJSON_CreateRaw(hpo_param_text(p, values[i], buf)));
    }
    json_write(j, &text);
    put(e, "HPO_PARAMS", str_c(&text));
    str_release(&text);
    cJSON_Delete(j);
}

/* The GPU of this worker alone, seen through what the user lets us see; none on the CPU. */
static void put_gpus(struct env *e, const struct objective_site *site)
{
    const char *seen = getenv("CUDA_VISIBLE_DEVICES");

    if (strcmp(site->backend, "cuda")) {
        put(e, "CUDA_VISIBLE_DEVICES", "");
        return;
    }
    for (int i = 0; seen && i < site->index; i++) {
        seen = strchr(seen, ',');
        seen = seen ? seen + 1 : NULL;
    }
    put(e, "CUDA_VISIBLE_DEVICES",
        seen && *seen ? arena_strndup(e->a, seen, strcspn(seen, ","))
                      : arena_printf(e->a, "%d", site->index));
}

char **program_environment(const struct objective *o, const struct objective_trial *t,
                           struct arena *a)
{
    struct env e = {.a = a};
    int n = 0;

    while (environ[n])
        n++;
    e.v = ARENA_ARRAY(a, char *, n + 16);
    /* What was set for our own threads is not for others. */
    for (int i = 0; i < n; i++)
        if (strncmp(environ[i], "GOMP_SPINCOUNT=", 15) && strncmp(environ[i], "KMP_BLOCKTIME=", 14))
            e.v[e.n++] = environ[i];
    put_params(&e, &o->config->space, t->values);
    put(&e, "HPO_STUDY", o->config->study.name);
    put(&e, "HPO_TRIAL", arena_printf(a, "%d", t->number));
    put(&e, "HPO_TRIAL_DIR", t->dir);
    put(&e, "HPO_SEED", arena_printf(a, "%d", o->config->study.seed));
    put(&e, "HPO_DEVICE", o->site.device);
    put(&e, "HPO_REPORT_FD", arena_printf(a, "%d", COMMAND_REPORT_FD));
    put_gpus(&e, &o->site);
    if (!getenv("OMP_NUM_THREADS"))
        put(&e, "OMP_NUM_THREADS", arena_printf(a, "%d", o->site.threads));
    return e.v;
}
