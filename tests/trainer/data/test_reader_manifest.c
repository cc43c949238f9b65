#include "tests/trainer/data/make_images.h"

#include <sys/stat.h>

#include "base/str.h"
#include "trainer/data/manifest.h"

static void parse(const char *text, struct tr_list *ret)
{
    struct hpo_err err;

    if (tr_manifest_parse(text, strlen(text), "m.csv", "/nowhere", ret, &err))
        fail_msg("%s", err.msg);
}

static void refuse(const char *text, const char *part)
{
    struct tr_list l = {0};
    struct hpo_err err = {0};

    assert_int_equal(tr_manifest_parse(text, strlen(text), "m.csv", "/nowhere", &l, &err),
                     HPO_ECONFIG);
    assert_contains(err.msg, part);
    assert_null(l.sample);
}

static void test_plain(void **state)
{
    struct tr_list l = {0};

    parse("path,label\nb/2.jpg,dog\na/1.jpg,cat\nc.png,dog", &l);
    assert_int_equal(l.n, 3);
    assert_int_equal(l.n_classes, 2);
    assert_string_equal(l.classes[0], "cat");
    assert_string_equal(l.sample[0].path, "b/2.jpg");
    assert_int_equal(l.sample[0].label, 1);
    assert_int_equal(l.sample[1].label, 0);
    assert_int_equal(l.sample[2].group, -1);
    assert_false(l.has_groups);
    assert_string_equal(l.root, "/nowhere");
    tr_list_release(&l);
}

static void test_every_form(void **state)
{
    struct tr_list l = {0};

    /* Byte order mark, CRLF, columns in another order, quotes, a newline in quotes, blank lines. */
    parse("\xef\xbb\xbfgroup,\"path\",label\r\np7,\"a,\"\"b\"\".jpg\",\"two\nlines\"\r\n\r\n"
          "\"p2\",./x//y.jpg,one\r\np7,z.jpg,one\r\n\n",
          &l);
    assert_int_equal(l.n, 3);
    assert_true(l.has_groups);
    assert_string_equal(l.sample[0].path, "a,\"b\".jpg");
    assert_string_equal(l.sample[1].path, "x/y.jpg");
    assert_string_equal(l.classes[1], "two\nlines");
    assert_int_equal(l.sample[0].label, 1);
    assert_int_equal(l.sample[0].group, 0);
    assert_int_equal(l.sample[1].group, 1);
    assert_int_equal(l.sample[2].group, 0);
    assert_int_equal(l.n_groups, 2);
    assert_string_equal(l.groups[0], "p7");
    tr_list_release(&l);
}

static void test_class_order(void **state)
{
    struct tr_list l = {0};

    parse("path,label\n1,10\n2,9\n3,-1\n4,100\n", &l);
    assert_string_equal(l.classes[0], "-1");
    assert_string_equal(l.classes[1], "9");
    assert_string_equal(l.classes[2], "10");
    assert_string_equal(l.classes[3], "100");
    assert_int_equal(l.sample[0].label, 2);
    tr_list_release(&l);
    parse("path,label\n1,10\n2,9\n3,x\n", &l);
    assert_string_equal(l.classes[0], "10");
    assert_string_equal(l.classes[1], "9");
    assert_string_equal(l.classes[2], "x");
    tr_list_release(&l);
}

static void test_header(void **state)
{
    refuse("", "m.csv:1: the file is empty");
    refuse("\n\n", "the file is empty");
    refuse("path\na.jpg\n", "m.csv:1: column 'label' is missing");
    refuse("path,label,lable\n",
           "unknown column 'lable', did you mean 'label'?; allowed: path, label, group");
    refuse("path,label,split\n", "unknown column 'split'; allowed");
    refuse(
        "path;label\n",
        "unknown column 'path;label'; allowed: path, label, group, fold, x, y, w, h, with commas");
    refuse("path,label,path\n", "column 'path' is named twice");
    refuse("a.jpg,3\nb.jpg,4\n", "unknown column 'a.jpg'");
    refuse("path,label,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s\n", "unknown column 'a'");
    refuse("path,label\n", "m.csv: lists no images");
    refuse("path,label,x,y,w\na,1,1,1,1\n", "m.csv:1: column 'h' is missing: x, y, w and h make");
}

static void test_boxes(void **state)
{
    struct tr_list l = {0};

    /* One file in several rows, whole and in parts. */
    parse("h,w,path,label,y,x\n40,30,a.jpg,1,20,10\n40,30,a.jpg,2,20,11\n,,a.jpg,1,,\n"
          "1,1,b.jpg,1,0,0\n",
          &l);
    assert_int_equal(l.n, 4);
    assert_true(l.has_boxes);
    assert_string_equal(l.sample[0].path, "a.jpg");
    assert_memory_equal(&l.sample[0].box, (&(struct tr_box){10, 20, 30, 40}),
                        sizeof(struct tr_box));
    assert_int_equal(l.sample[1].box.x, 11);
    assert_int_equal(l.sample[2].box.w, 0);
    assert_string_equal(l.sample[2].path, "a.jpg");
    assert_int_equal(l.sample[3].line, 5);
    assert_string_equal(l.file, "m.csv");
    tr_list_release(&l);
    parse("path,label,x,y,w,h\na.jpg,1,,,,\n", &l);
    assert_false(l.has_boxes);
    tr_list_release(&l);
    /* The name of a file may look like anything. */
    parse("path,label,x,y,w,h\n\"1,2,3,4/a.jpg\",1,,,,\na.jpg,1,1,2,3,4\n", &l);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.sample[0].path, "1,2,3,4/a.jpg");
    tr_list_release(&l);

    refuse("path,label,x,y,w,h\na,1,1,2,3,4\na,2,1,2,3,4\n",
           "m.csv:3: 'a' is already on line 2, with the same box");
    refuse("path,label,x,y,w,h\na,1,,,,\na,2,,,,\n", "m.csv:3: 'a' is already on line 2");
    refuse("path,label,x,y,w,h\na,1,1,2,3,\n", "m.csv:2: the box has no h");
    refuse("path,label,x,y,w,h\na,1,1,2.5,3,4\n", "m.csv:2: y is '2.5': a box is in whole pixels");
    refuse("path,label,x,y,w,h\na,1,1,2,0,4\n", "m.csv:2: the box is empty: its size is 0 x 4");
    refuse("path,label,x,y,w,h\na,1,1,2,3,-4\n", "m.csv:2: the box is empty");
    refuse("path,label,x,y,w,h\na,1,-1,2,3,4\n",
           "m.csv:2: the box reaches outside of every image: x is -1");
    refuse("path,label,x,y,w,h\na,1,1,2,3,9223372036854775807\n", "h is 9223372036854775807");
}

static void test_fold_column(void **state)
{
    struct tr_list l = {0};

    parse("path,label,fold\n1,a,2\n2,a,0\n3,b,-1\n4,b,\n5,b,1\n", &l);
    assert_int_equal(l.n_folds, 3);
    assert_int_equal(l.sample[0].fold, 2);
    assert_int_equal(l.sample[2].fold, -1);
    assert_int_equal(l.sample[3].fold, -1);
    tr_list_release(&l);
    parse("path,label\n1,a\n", &l);
    assert_int_equal(l.n_folds, 0);
    tr_list_release(&l);
    refuse("path,label,fold\n1,a,x\n", "m.csv:2: the fold is 'x': allowed is 0 to 63, and -1");
    refuse("path,label,fold\n1,a,64\n", "m.csv:2: the fold is '64'");
    refuse("path,label,fold\n1,a,-2\n", "m.csv:2: the fold is '-2'");
    refuse("path,label,fold\n1,a,1.0\n", "m.csv:2: the fold is '1.0'");
    refuse("path,label,fold\n1,a,3\n2,a,0\n",
           "m.csv: column 'fold': no image is of fold 1, the last");
    refuse("path,label,fold\n1,a,-1\n2,a,\n", "m.csv: column 'fold': no image has a fold");
}

static void test_rows(void **state)
{
    struct str long_text = {0};

    refuse("path,label\na.jpg\n", "m.csv:2: 1 fields, the first line names 2 columns");
    refuse("path,label\na.jpg,x,y\n", "m.csv:2: 3 fields");
    refuse("path,label\n\"a\nb\",\"c\n\nd\"\n\nx\n", "m.csv:7: 1 fields");
    refuse("path,label\n,x\n", "m.csv:2: the path is empty");
    refuse("path,label\na.jpg,\n", "m.csv:2: the label is empty");
    refuse("path,label,group\na.jpg,x,\n", "m.csv:2: the group is empty");
    refuse("path,label\na.jpg,x\n\nb.jpg,x\n./a.jpg,y\n", "m.csv:5: 'a.jpg' is already on line 2");
    refuse("path,label\n/etc/passwd,x\n", "m.csv:2: an absolute path");
    refuse("path,label\n../a.jpg,x\n", "m.csv:2: '..' in a path");
    refuse("path,label\na/../../b.jpg,x\n", "m.csv:2: '..' in a path");
    refuse("path,label\na/..,x\n", "m.csv:2: '..' in a path");
    refuse("path,label\n./.,x\n", "m.csv:2: the path names a folder");
    refuse("path,label\n\"a.jpg,x\nb.jpg,y\n", "m.csv:2: a quote is not closed");
    refuse("path,label\n\"a.jpg\"x,x\n", "m.csv:2: text after a closing quote");
    refuse("path,label\na\"b.jpg,x\n", "m.csv:2: a quote inside a field");
    refuse("path,label\na.jpg\rb,x\n", "m.csv:2: a carriage return without a newline");
    str_add(&long_text, "path,label\na.jpg,");
    for (int i = 0; i < 257; i++)
        str_addc(&long_text, 'x');
    refuse(long_text.s, "m.csv:2: the label is longer than 256 bytes");
    for (int i = 0; i < 70000; i++)
        str_addc(&long_text, 'x');
    str_add(&long_text, "\nb.jpg\n");
    refuse(long_text.s, "m.csv:2: the line is longer than 64 KiB");
    refuse(long_text.s, "m.csv:3: 1 fields");
    str_release(&long_text);
}

static void test_nul(void **state)
{
    static const char text[] = "path,label\na\0b.jpg,x\n\"c\0\",y\n";
    struct tr_list l = {0};
    struct hpo_err err = {0};

    assert_int_equal(tr_manifest_parse(text, sizeof(text) - 1, "m.csv", ".", &l, &err),
                     HPO_ECONFIG);
    assert_contains(err.msg, "m.csv:2: a NUL byte");
    assert_contains(err.msg, "m.csv:3: a NUL byte");
}

static void test_ten_at_once(void **state)
{
    struct str s = {0};
    struct tr_list l = {0};
    struct hpo_err err = {0};
    int lines = 1;

    str_add(&s, "path,label\n");
    for (int i = 0; i < 25; i++)
        str_addf(&s, "../%d.jpg,x\n", i);
    assert_int_equal(tr_manifest_parse(s.s, s.n, "m.csv", ".", &l, &err), HPO_ECONFIG);
    for (const char *p = err.msg; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 11);
    assert_contains(err.msg, "m.csv:11: ");
    assert_contains(err.msg, "... and 15 more");
    str_release(&s);
}

static void test_too_many_labels(void **state)
{
    struct str s = {0};

    str_add(&s, "path,label\n");
    for (int i = 0; i <= TR_LIST_MAX_CLASSES; i++)
        str_addf(&s, "%d.jpg,%d\n", i, i);
    refuse(s.s, "more than 32768 different labels; is 'label' the right column?");
    str_release(&s);
}

static void test_links(void **state)
{
    char *dir = temp_dir(), *outside = temp_dir(), path[1100], at[600];
    struct tr_list l = {0};
    struct hpo_err err = {0};

    put_text(outside, "secret.jpg", "x");
    put_text(dir, "data/in/1.jpg", "x");
    snprintf(at, sizeof(at), "%s/data/file.jpg", dir);
    snprintf(path, sizeof(path), "%s/secret.jpg", outside);
    assert_int_equal(symlink(path, at), 0);
    snprintf(at, sizeof(at), "%s/data/out", dir);
    assert_int_equal(symlink(outside, at), 0);
    snprintf(at, sizeof(at), "%s/data/up", dir);
    assert_int_equal(symlink("..", at), 0);
    snprintf(at, sizeof(at), "%s/data/in/inner", dir);
    assert_int_equal(symlink("../in", at), 0);
    put_text(dir, "data-2/1.jpg", "x");
    snprintf(at, sizeof(at), "%s/data/sibling", dir);
    assert_int_equal(symlink("../data-2", at), 0);

    put_text(dir, "data/ok.csv", "path,label\nin/1.jpg,a\nin/inner/1.jpg,a\nin/missing.jpg,a\n");
    snprintf(path, sizeof(path), "%s/data/ok.csv", dir);
    if (tr_list_read(path, &l, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(l.n, 3);
    tr_list_release(&l);

    put_text(dir, "data/bad.csv",
             "path,label\nin/1.jpg,a\nfile.jpg,a\nout/secret.jpg,a\n"
             "up/data-2/1.jpg,b\nsibling/1.jpg,b\n");
    snprintf(path, sizeof(path), "%s/data/bad.csv", dir);
    assert_int_equal(tr_list_read(path, &l, &err), HPO_ECONFIG);
    assert_contains(err.msg, "bad.csv:3: 'file.jpg' is a link that leaves");
    assert_contains(err.msg, "bad.csv:4: 'out/secret.jpg' is a link that leaves");
    assert_contains(err.msg, "bad.csv:5: ");
    assert_contains(err.msg, "bad.csv:6: ");
    assert_null(strstr(err.msg, "bad.csv:2: "));
    snprintf(path, sizeof(path), "%s/data/none.csv", dir);
    assert_int_equal(tr_list_read(path, &l, &err), HPO_EMISSING);
    assert_contains(err.msg, "none.csv");
    remove_dir(dir);
    remove_dir(outside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),       cmocka_unit_test(test_every_form),
        cmocka_unit_test(test_class_order), cmocka_unit_test(test_header),
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_ten_at_once), cmocka_unit_test(test_too_many_labels),
        cmocka_unit_test(test_links),       cmocka_unit_test(test_boxes),
        cmocka_unit_test(test_fold_column),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
