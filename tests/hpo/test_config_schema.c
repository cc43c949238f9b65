#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "config_fixture.h"

static const char *root(void)
{
    const char *dir = getenv("HPO_SOURCE_ROOT");

    return dir ? dir : ".";
}

static void test_docs_are_up_to_date(void **state)
{
    struct arena a = {0};
    struct str now = {0};
    struct hpo_err err;
    char *text;
    size_t n;

    assert_int_equal(file_read(arena_printf(&a, "%s/docs/study-file.md", root()), 1 << 20, &text,
                               &n, &err), 0);
    study_docs_write(&now);
    if (strcmp(text, now.s))
        fail_msg("docs/study-file.md is not what `hpo schema --docs` prints: replace it");
    free(text);
    str_release(&now);
    arena_release(&a);
}

/* The study in the documentation is one. */
static void test_docs_example(void **state)
{
    struct config_fixture f = {0};
    struct str docs = {0};
    char *from, *to;

    study_docs_write(&docs);
    from = strstr(docs.s, "```yaml\n") + 8;
    to = strstr(from, "```");
    assert_int_equal(config_open_n(&f, from, (size_t)(to - from), NULL, 0), 0);
    assert_int_equal(f.c.space.n, 3);
    str_release(&docs);
    config_close(&f);
}

/* Every option of every table stands in the documentation and in the schema. */
static void test_all_options(void **state)
{
    struct arena a = {0};
    struct str docs = {0}, schema = {0};
    int n = 0;

    study_docs_write(&docs);
    study_schema_write(&schema);
    for (const struct hpo_section *s = study_sections(&a); s->path; s++) {
        const void *none[] = {"", NULL};

        assert_non_null(strstr(docs.s, arena_printf(&a, "## %s\n", s->path)));
        for (const void *const *k = s->kinds ? s->kinds : (const void *const *)none; *k; k++) {
            const struct hpo_opt *o = s->kinds ? hpo_plugin_of(*k)->opts : s->opts;

            for (; o && o->name; o++, n++) {
                assert_non_null(strstr(docs.s, arena_printf(&a, "| `%s` |", o->name)));
                assert_non_null(strstr(schema.s, arena_printf(&a, "\"%s\":", o->name)));
            }
        }
    }
    assert_true(n > 40);
    str_release(&docs);
    str_release(&schema);
    arena_release(&a);
}

static void test_schema_is_json(void **state)
{
    struct str schema = {0};
    cJSON *j;

    study_schema_write(&schema);
    j = json_parse(schema.s, schema.n);
    assert_non_null(j);
    assert_string_equal(json_get_string(j, "$schema"), "http://json-schema.org/draft-07/schema#");
    cJSON_Delete(j);
    str_release(&schema);
}

static void test_studies_are_read(void **state)
{
    struct arena a = {0};
    const char *folder = arena_printf(&a, "%s/studies", root());
    DIR *dir = opendir(folder);
    struct dirent *e;
    int n = 0;

    assert_non_null(dir);
    while ((e = readdir(dir))) {
        struct config_fixture f = {0};
        struct hpo_err err;

        if (!strstr(e->d_name, ".yaml"))
            continue;
        f.d.arena = &f.a;
        if (study_config_read(&f.c, arena_printf(&a, "%s/%s", folder, e->d_name), NULL, 0, &f.d,
                              &err)) {
            diag_print(&f.d, &f.said);
            fail_msg("%s", str_c(&f.said));
        }
        n++;
        config_close(&f);
    }
    assert_true(n >= 3);
    closedir(dir);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_docs_are_up_to_date), cmocka_unit_test(test_docs_example),
        cmocka_unit_test(test_all_options),         cmocka_unit_test(test_schema_is_json),
        cmocka_unit_test(test_studies_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
