#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/yaml.h"

struct fixture {
    struct arena a;
    struct diags d;
    struct str out;
};

static struct yaml_node *parse_n(struct fixture *f, const char *text, size_t n)
{
    arena_release(&f->a);
    str_clear(&f->out);
    f->d = (struct diags){.arena = &f->a};
    struct yaml_node *root = yaml_parse(text, n, "f", &f->d);

    diag_print(&f->d, &f->out);
    return root;
}

static struct yaml_node *parse(struct fixture *f, const char *text)
{
    return parse_n(f, text, strlen(text));
}

static void done(struct fixture *f)
{
    arena_release(&f->a);
    str_release(&f->out);
}

static void test_tree(void **state)
{
    struct fixture f = {0};
    struct yaml_node *n = parse(&f, "\xEF\xBB\xBF# head\na: 1\nb:\n  c: [x, 'y z', \"3\"]\n"
                                    "  d: {e: ~, f: }\n");

    assert_string_equal(str_c(&f.out), "");
    assert_int_equal(n->kind, YAML_MAP);
    assert_int_equal(n->n, 2);
    assert_string_equal(yaml_get(n, "a")->text, "1");
    n = yaml_get_path(n, "b.c");
    assert_int_equal(n->kind, YAML_SEQ);
    assert_int_equal(n->n, 3);
    assert_int_equal(n->line, 4);
    assert_int_equal(n->column, 6);
    assert_int_equal(n->val[1]->column, 10);
    assert_true(n->val[1]->quoted);
    assert_false(n->val[0]->quoted);
    n = parse(&f, "b: {d: {e: ~, f: }}");
    assert_true(yaml_is_null(yaml_get_path(n, "b.d.e")));
    assert_true(yaml_is_null(yaml_get_path(n, "b.d.f")));
    assert_null(yaml_get_path(n, "b.d.g"));
    assert_null(yaml_get_path(n, "b.d.e.h"));
    n = parse(&f, "k\xC3\xB6: v"); /* columns are characters */
    assert_int_equal(n->val[0]->column, 5);
    done(&f);
}

static void test_empty(void **state)
{
    static const char *const texts[] = {"", "\n\n", "# only this\n", "---\n", "--- ~x\n"};
    struct fixture f = {0};

    for (size_t i = 0; i < 4; i++) {
        struct yaml_node *n = parse(&f, texts[i]);

        assert_non_null(n);
        assert_int_equal(n->kind, YAML_MAP);
        assert_int_equal(n->n, 0);
        assert_int_equal(n->line > 0, 1);
        assert_int_equal(f.d.n, 0);
    }
    assert_int_equal(parse(&f, texts[4])->kind, YAML_SCALAR);
    done(&f);
}

/* text -> what diag_print says of it */
static const char *const mistakes[][2] = {
    {"a: 1\nb: 2\n  a: 3\n",
     "f:3:4: this is not YAML: mapping values are not allowed in this context\n"},
    {"a: 1\na: 2\n", "f:2:1: 'a' stands here a second time: the first is in line 1\n"},
    {"x: {a: 1, b: 2, a: 3, a: 4}\n",
     "f:1:17: 'a' stands here a second time: the first is in line 1\n"
     "f:1:23: 'a' stands here a second time: the first is in line 1\n"},
    {"a: !!str 1\n", "f:1:4: a tag ('tag:yaml.org,2002:str') stands here: tags are not allowed\n"},
    {"a: !x [1]\n", "f:1:4: a tag ('!x') stands here: tags are not allowed\n"},
    {"%TAG !e! tag:e,2000:\n---\na: 1\n", "f:1:1: %TAG lines are not allowed\n"},
    {"a: &x [1]\nb: *x\n",
     "f:1:4: an anchor ('&x') stands on a mapping or list: only single values may be repeated\n"
     "f:2:4: '*x' repeats a mapping or list: only single values may be repeated\n"},
    {"a: *x\n", "f:1:4: '*x' repeats nothing: no '&x' comes before it\n"},
    {"a: 1\n---\nb: 2\n", "f:2:1: a second document begins here: one is allowed\n"},
    {"a:\n\t- 1\n", "f:2:1: a tab stands here: YAML is indented with spaces\n"},
    {"a: b\xFFz\n", "f:1:5: this is not UTF-8 text: invalid leading UTF-8 octet\n"},
    {"a: 1\nb\xC3\xA4: \x01\n", "f:2:5: this is not UTF-8 text: control characters are not allowed\n"},
    {"a: \"x\\0y\"\n", "f:1:4: this text has a zero byte in it\n"},
    {"[a]: 1\n", "f:1:1: a key must be a single word\n"},
    {"a: [1, 2\nb: 3\n",
     "f:2:2: this is not YAML: did not find expected ',' or ']', while parsing a flow sequence "
     "that starts at 1:4\n"},
    {"\xFF\xFE" "a\0", "f:1:1: this is not UTF-8 text: invalid leading UTF-8 octet\n"},
};

static void test_mistakes(void **state)
{
    struct fixture f = {0};

    for (size_t i = 0; i < HPO_LEN(mistakes); i++) {
        parse(&f, mistakes[i][0]);
        assert_string_equal(str_c(&f.out), mistakes[i][1]);
    }
    /* what could be read is there */
    struct yaml_node *n = parse(&f, "a: 1\nb: 2\na: 3\nc: [4");

    assert_string_equal(yaml_get(n, "a")->text, "1");
    assert_string_equal(yaml_get(n, "b")->text, "2");
    assert_string_equal(yaml_get(n, "c")->val[0]->text, "4");
    done(&f);
}

static void test_aliases(void **state)
{
    struct fixture f = {0};
    struct yaml_node *n = parse(&f, "a: &x '1'\nb: [*x, *x]\n");

    assert_string_equal(str_c(&f.out), "");
    n = yaml_get(n, "b");
    assert_string_equal(n->val[1]->text, "1");
    assert_true(n->val[1]->quoted);
    assert_int_equal(n->val[1]->column, 9);
    done(&f);
}

static char *repeat(const char *head, const char *unit, size_t times, size_t *ret_n)
{
    size_t h = strlen(head), u = strlen(unit);
    char *text = malloc(h + u * times + 1);

    memcpy(text, head, h + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(text + h + i * u, unit, u);
    *ret_n = h + u * times;
    text[*ret_n] = 0;
    return text;
}

/* Each of these takes minutes or gigabytes in a reader without bounds. */
static void test_hostile(void **state)
{
    static const struct {
        const char *head, *unit;
        size_t times;
        const char *says;
    } cases[] = {
        {"", "[", 100000, "nested too deep"},
        {"", "{a: ", 100000, "nested too deep"},
        {"", "- ", 100000, "nested too deep"},
        {"a: ", "[{", 300000, "nested too deep"},
        {"a: [", "x,", 400000, "100000 values"},
        {"", "a", 300000, "too long"},
        {"a: '", "b", 900000, "unexpected end"},
        {"", "a: 1\n", 150000, "second time"},
        {"", "? ", 100000, "nested too deep"},
        {"", "%TAG !a! b\n", 90000, "begin with '%'"},
        {"", "&a ", 100000, "not YAML"},
        {"", "- &a b\n", 100000, "too many anchors"},
        {"", "---\n", 100000, "second document"},
        {"a: 1\n", "                                    x", 20000, ""},
        {"", "x", 2 << 20, "too large"},
    };
    struct fixture f = {0};

    for (size_t i = 0; i < HPO_LEN(cases); i++) {
        size_t n;
        char *text = repeat(cases[i].head, cases[i].unit, cases[i].times, &n);

        parse_n(&f, text, n);
        assert_true(f.d.n > 0);
        if (!strstr(str_c(&f.out), cases[i].says))
            fail_msg("case %zu says %s", i, str_c(&f.out));
        free(text);
    }
    done(&f);
}

static void test_alias_of_long_text(void **state)
{
    struct str text = {0};
    struct fixture f = {0};
    struct yaml_node *n;

    str_add(&text, "a: &a ");
    for (int i = 0; i < 60000; i++)
        str_addc(&text, 'x');
    str_add(&text, "\nb: [");
    for (int i = 0; i < 90000; i++)
        str_add(&text, "*a, ");
    str_add(&text, "]\n");
    n = parse_n(&f, text.s, text.n); /* 5 GB, were the text copied */
    assert_int_equal(f.d.n, 0);
    assert_int_equal(yaml_get(n, "b")->n, 90000);
    str_release(&text);
    done(&f);
}

static void test_put(void **state)
{
    struct arena a = {0};
    struct yaml_node *m = yaml_new_map(&a), *copy;
    struct str s = {0};

    assert_true(yaml_put_path(&a, m, "a.b.c", yaml_new_scalar(&a, "1")));
    assert_true(yaml_put_path(&a, m, "a.b.d", yaml_new_scalar(&a, "2")));
    assert_true(yaml_put_path(&a, m, "a.b.c", yaml_new_scalar(&a, "3")));
    assert_false(yaml_put_path(&a, m, "a.b.c.e", yaml_new_scalar(&a, "3")));
    yaml_put(&a, m, "n", yaml_new_scalar(&a, ""));
    assert_true(yaml_put_path(&a, m, "n.x", yaml_new_scalar(&a, "9"))); /* an empty value is a map to be */
    copy = yaml_clone(&a, m);
    for (int i = 0; i < 9; i++)
        yaml_append(&a, (yaml_put(&a, copy, "l", i ? yaml_get(copy, "l") : yaml_new_seq(&a)),
                         yaml_get(copy, "l")), yaml_new_scalar(&a, "i"));
    yaml_put(&a, copy, "z", yaml_new_scalar(&a, "null"));
    yaml_write(m, &s);
    assert_string_equal(s.s, "a:\n  b: {c: 3, d: 2}\nn: {x: 9}\n");
    str_clear(&s);
    yaml_write(copy, &s);
    assert_string_equal(s.s, "a:\n  b: {c: 3, d: 2}\nn: {x: 9}\nl: [i, i, i, i, i, i, i, i, i]\nz: null\n");
    str_release(&s);
    arena_release(&a);
}

static void test_special(void **state)
{
    static const char *const yes[] = {"", "~", "null", "True", "no", "ON", "1", "-1", ".5", "1e-3",
                                      "0x10", "2024-01-01", ".inf", "12:30"};
    static const char *const no[] = {"sgd", "nullable", "-", "a1", "x y", "--", "trues"};

    for (size_t i = 0; i < HPO_LEN(yes); i++)
        assert_true(yaml_looks_special(yes[i]));
    for (size_t i = 0; i < HPO_LEN(no); i++)
        assert_false(yaml_looks_special(no[i]));
}

/* Random trees: what is written reads back the same. */
static const char *const pieces[] = {
    "a",  "b",   "0",  "1.5", "-",  " ",  ":",   ": ",  " #", "#",  "'",    "\"",   "\\",  ",",
    "[",  "]",   "{",  "}",   "&",  "*",  "!",   "|",   ">",  "%",  "@",    "`",    "?",   "? ",
    "- ", "---", "..", "\n",  "\t", "\r", "true", "no", "~",  "null", "\xC3\xA4", "\xC2\x85",
    "\xE2\x80\xA8", "\xEF\xBB\xBF", "\xF0\x9F\x99\x82", "\x01", "\x7F", "=", "<<", "\xE4\xB8\xAD", "\x1b[31m",
};

static const char *random_text(struct hpo_rng *r, struct arena *a)
{
    struct str s = {0};
    const char *ret;

    for (uint64_t n = hpo_rng_below(r, 6); n > 0; n--)
        str_add(&s, pieces[hpo_rng_below(r, HPO_LEN(pieces))]);
    if (hpo_rng_below(r, 50) == 0)
        for (int i = 0; i < 1500; i++)
            str_addc(&s, 'k');
    ret = arena_strdup(a, str_c(&s));
    str_release(&s);
    return ret;
}

static struct yaml_node *random_tree(struct hpo_rng *r, struct arena *a, int depth)
{
    uint64_t kind = depth > 4 ? 0 : hpo_rng_below(r, 4);
    struct yaml_node *n;

    if (kind < 2) {
        n = yaml_new_scalar(a, random_text(r, a));
        n->quoted = hpo_rng_below(r, 2);
        return n;
    }
    n = kind == 2 ? yaml_new_seq(a) : yaml_new_map(a);
    for (uint64_t i = hpo_rng_below(r, 5); i > 0; i--) {
        struct yaml_node *child = random_tree(r, a, depth + 1);

        if (kind == 2)
            yaml_append(a, n, child);
        else
            yaml_put(a, n, random_text(r, a), child);
    }
    return n;
}

static void assert_same(const struct yaml_node *a, const struct yaml_node *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->text, b->text);
    if (a->quoted) /* plain text that cannot stay plain comes back quoted */
        assert_true(b->quoted);
    if (yaml_is_null(a))
        assert_true(yaml_is_null(b));
    if (a->kind == YAML_SCALAR)
        return;
    assert_int_equal(a->n, b->n);
    for (int i = 0; i < a->n; i++) {
        if (a->kind == YAML_MAP)
            assert_string_equal(a->key[i]->text, b->key[i]->text);
        assert_same(a->val[i], b->val[i]);
    }
}

static void test_round_trip(void **state)
{
    struct hpo_rng r;
    struct str text = {0};
    struct fixture f = {0};

    hpo_rng_seed(&r, 7, 7);
    for (int i = 0; i < 20000; i++) {
        struct arena a = {0};
        struct yaml_node *n = yaml_new_map(&a), *back;

        yaml_put(&a, n, random_text(&r, &a), random_tree(&r, &a, 0));
        yaml_put(&a, n, "second", random_tree(&r, &a, 0));
        str_clear(&text);
        yaml_write(n, &text);
        back = parse_n(&f, text.s, text.n);
        if (f.d.n || !back)
            fail_msg("%s\n%s", text.s, str_c(&f.out));
        assert_same(n, back);
        arena_release(&a);
    }
    str_release(&text);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),     cmocka_unit_test(test_empty),
        cmocka_unit_test(test_mistakes), cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_hostile),  cmocka_unit_test(test_alias_of_long_text),
        cmocka_unit_test(test_put),      cmocka_unit_test(test_special),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
