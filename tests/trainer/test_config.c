/* The tables of the `trainer:` section: complete, bindable, and their words in the right order. */
#include "tests/trainer/parts.h"

#include "trainer/config.h"

static const struct hpo_section *section(const char *path)
{
    for (const struct hpo_section *s = tr_sections; s->path; s++)
        if (!strcmp(s->path, path))
            return s;
    fail_msg("there is no section '%s'", path);
    return NULL;
}

static void defaults(void **state)
{
    struct tr_config c = {0};
    struct arena a = {0};

    (void)state;
    hpo_opt_defaults(section("")->opts, &c, &a);
    hpo_opt_defaults(section("augment")->opts, (char *)&c + section("augment")->offset, &a);
    assert_int_equal(c.batch_size, 128);
    assert_int_equal(c.epochs, 10);
    assert_int_equal(c.precision, KN_PRECISION_AUTO);
    assert_true(c.augment.flip);
    assert_int_equal(c.augment.crop_padding, 4);
    arena_release(&a);
}

static void precision_words(void **state)
{
    static const char *const words[] = {"auto", "fp32", "tf32", "bf16", "fp16"};
    const struct hpo_opt *o = hpo_opt_find(section("")->opts, "precision");
    struct tr_config c = {0};
    struct arena a = {0};

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(hpo_opt_set(o, &c, words[i], &a, NULL), 0);
        assert_int_equal(c.precision, KN_PRECISION_AUTO + i);
    }
    assert_int_equal(c.precision, KN_FP16);
    arena_release(&a);
}

/* Every kind has its default type, and every plug-in's defaults parse, print and parse back. */
static void parts(void **state)
{
    (void)state;
    for (const struct hpo_section *s = tr_sections; s->path; s++) {
        if (!s->kinds) {
            assert_non_null(s->opts);
            continue;
        }
        assert_non_null(hpo_registry_find(s->kinds, s->def_type));
        for (const void *const *k = s->kinds; *k; k++) {
            const struct hpo_plugin *p = hpo_plugin_of(*k);
            struct arena a = {0};
            void *priv = make_priv(&a, p, "");

            assert_true(p->help && *p->help && p->help[strlen(p->help) - 1] != '.');
            for (const struct hpo_opt *o = p->opts; o && o->name; o++) {
                const char *text = hpo_opt_get(o, priv, &a);

                assert_non_null(text);
                assert_true(o->offset < p->priv_size);
                assert_int_equal(hpo_opt_set(o, priv, text, &a, NULL), 0);
                assert_string_equal(hpo_opt_get(o, priv, &a), text);
            }
            arena_release(&a);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(defaults),
                                       cmocka_unit_test(precision_words), cmocka_unit_test(parts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
