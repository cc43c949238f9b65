/* Training that begins with another's weights: which tensors are taken, under which names, and what
 * a file that does not fit is answered; a frozen backbone stays as it was until it is unfrozen. */
#include "tests/trainer/tiny_job.h"
#include "trainer/metric.h"
#include "trainer/pretrained.h"
#include "trainer/session.h"

#define SIDE 16

struct fixture {
    struct tiny t;
    struct tr_session *s;
    char path[128];
};

static void start(struct fixture *f, const char *model)
{
    const struct kn_backend_ops *cpu =
        hpo_registry_find((const void *const *)kn_backend_registry, "cpu");

    tiny_init(&f->t, 60, 3, SIDE, 2);
    tiny_config(&f->t, model, "sgd lr=0.05 momentum=0.9", 8, 4);
    snprintf(f->path, sizeof(f->path), "%s/weights.safetensors", f->t.dir);
    f->t.config.model.pretrained = f->path;
    assert_int_equal(tr_session_open(cpu, 0, 1, &f->s, NULL), 0);
}

static void stop(struct fixture *f)
{
    tr_session_close(f->s);
    tiny_release(&f->t);
}

static void build(const struct tiny *t, int classes, struct kn_net *ret)
{
    struct kn_images images = t->data.images;

    images.classes = classes;
    assert_int_equal(tr_build_net(&t->config, &images, ret, NULL), 0);
}

/* What the tensor's k-th number is in these files. */
static float number(int param, size_t k)
{
    return 0.01f * (float)(param + 1) + 1e-4f * (float)(k % 97);
}

typedef bool rename_fn(const char *name, char *ret);

/* A state dict of the network, under a prefix, its parameters renamed, without the one `skip`. */
static void write_weights(const char *path, const struct kn_net *net, const char *prefix,
                          rename_fn *rename, int skip)
{
    struct str head = {0}, body = {0};
    uint64_t n;
    FILE *f = fopen(path, "wb");

    str_add(&head, "{");
    for (int i = 0; i < net->n_params; i++) {
        const struct kn_param *p = &net->param[i];
        char other[KN_NAME];
        const char *name = rename && rename(p->name, other) ? other : p->name;
        size_t from = body.n;

        if (i == skip)
            continue;
        for (size_t k = 0; k < p->count; k++) {
            float v = number(i, k);

            str_addn(&body, (const char *)&v, sizeof(v));
        }
        str_addf(&head, "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":[", head.n > 1 ? "," : "", prefix,
                 name);
        for (int d = 0; d < p->n_dims; d++)
            str_addf(&head, "%s%d", d ? "," : "", p->dims[d]);
        str_addf(&head, "],\"data_offsets\":[%zu,%zu]}", from, body.n);
    }
    str_add(&head, "}");
    n = head.n;
    assert_non_null(f);
    assert_int_equal(fwrite(&n, 8, 1, f), 1);
    assert_int_equal(fwrite(head.s, 1, head.n, f), head.n);
    assert_int_equal(fwrite(body.s, 1, body.n, f), body.n);
    assert_int_equal(fclose(f), 0);
    str_release(&head);
    str_release(&body);
}

static void new_state(const struct kn_net *net, struct kn_state *ret)
{
    *ret = (struct kn_state){.weights = xcalloc(net->n_weights, sizeof(float)),
                             .buffers = xcalloc(net->n_buffers + 1, sizeof(float))};
}

static void free_state(struct kn_state *s)
{
    free(s->weights);
    free(s->buffers);
}

/* Every parameter of the backbone is the file's but `skip`, which stays 0; the head is when
 * `head`. */
static void check_loaded(struct fixture *f, const struct kn_net *net, int skip, bool head)
{
    struct tr_pretrained p = {0};
    struct kn_state s;
    struct hpo_err err = {0};

    if (tr_pretrained_open(&p, &f->t.config, net, &err))
        fail_msg("%s", err.msg);
    new_state(net, &s);
    tr_pretrained_load(&p, net, &s);
    for (int i = 0; i < net->n_params; i++) {
        const struct kn_param *q = &net->param[i];
        const float *got = (q->trained ? s.weights : s.buffers) + q->offset;
        bool there = i != skip && (q->op != kn_net_head(net) || head);

        for (size_t k = 0; k < q->count; k++)
            assert_float_equal(got[k], there ? number(i, k) : 0.0f, 0);
    }
    free_state(&s);
    tr_pretrained_close(&p);
}

static void takes(void **state)
{
    static const char *const models[] = {"convnet width=4", "resnet18 width=4",
                                         "mobilenet_v3_small width_mult=0.1", "mlp layers=1"};
    static const char *const prefixes[] = {"", "module.", "backbone."};

    (void)state;
    for (size_t m = 0; m < HPO_LEN(models); m++)
        for (size_t k = 0; k < HPO_LEN(prefixes); k++) {
            struct kn_net net = {0}, other = {0};
            struct fixture f;

            start(&f, models[m]);
            build(&f.t, 3, &net);
            build(&f.t, 7, &other); /* the file's classes are not ours */
            write_weights(f.path, &net, prefixes[k], NULL, -1);
            check_loaded(&f, &net, -1, true);
            write_weights(f.path, &other, prefixes[k], NULL, 1);
            check_loaded(&f, &net, 1, false);
            kn_net_release(&net);
            kn_net_release(&other);
            stop(&f);
        }
}

/* timm's EfficientNet has other names; these are some of them, written down from timm. */
static void takes_timm(void **state)
{
    static const char *const pairs[][2] = {
        {"features.0.0.weight", "conv_stem.weight"},
        {"features.0.1.running_var", "bn1.running_var"},
        {"features.1.0.block.0.0.weight", "blocks.0.0.conv_dw.weight"},
        {"features.1.0.block.1.fc2.bias", "blocks.0.0.se.conv_expand.bias"},
        {"features.1.0.block.2.0.weight", "blocks.0.0.conv_pw.weight"},
        {"features.1.0.block.2.1.bias", "blocks.0.0.bn2.bias"},
        {"features.3.1.block.0.0.weight", "blocks.2.1.conv_pw.weight"},
        {"features.3.1.block.1.0.weight", "blocks.2.1.conv_dw.weight"},
        {"features.3.1.block.2.fc1.weight", "blocks.2.1.se.conv_reduce.weight"},
        {"features.7.0.block.3.1.running_mean", "blocks.6.0.bn3.running_mean"},
        {"features.8.0.weight", "conv_head.weight"},
        {"classifier.1.bias", "classifier.bias"},
    };
    struct kn_net net = {0};
    struct fixture f;
    const struct model_ops *model;

    (void)state;
    start(&f, "efficientnet_b0 width_mult=0.25");
    model = f.t.config.model.part.ops;
    build(&f.t, 3, &net);
    for (size_t i = 0; i < HPO_LEN(pairs); i++) {
        char name[KN_NAME];
        bool ours = false;

        for (int p = 0; p < net.n_params; p++)
            ours = ours || !strcmp(net.param[p].name, pairs[i][0]);
        assert_true(ours);
        assert_true(model->timm_name(pairs[i][0], name));
        assert_string_equal(name, pairs[i][1]);
    }
    write_weights(f.path, &net, "", model->timm_name, -1);
    check_loaded(&f, &net, -1, true);
    kn_net_release(&net);
    stop(&f);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void refused(struct fixture *f, const struct kn_net *net, const char *part)
{
    struct tr_pretrained p = {0};
    struct hpo_err err = {0};

    assert_int_equal(tr_pretrained_open(&p, &f->t.config, net, &err), HPO_ECONFIG);
    if (!strstr(err.msg, part))
        fail_msg("'%s' is not in: %s", part, err.msg);
}

static void refuses(void **state)
{
    struct kn_net net = {0}, other = {0};
    struct fixture f;

    (void)state;
    start(&f, "convnet width=4");
    build(&f.t, 3, &net);
    refused(&f, &net, "No such file");
    write_text(f.path, "PK\x03\x04 a zip file, as torch.save writes them");
    refused(&f, &net, "safetensors.torch.save_file");
    TINY_PART(&f.t, model, "resnet18 width=4");
    build(&f.t, 3, &other);
    write_weights(f.path, &other, "", NULL, -1);
    TINY_PART(&f.t, model, "convnet width=4");
    refused(&f, &net, "fits model convnet");
    f.t.config.model.pretrained = f.t.dir; /* a folder: the file is the model's */
    refused(&f, &net, "/convnet.safetensors");
    kn_net_release(&net);
    kn_net_release(&other);
    stop(&f);
}

static void report(struct fixture *f, const char *want, bool whole)
{
    struct str text = {0};
    bool got = !whole;

    assert_int_equal(tr_pretrained_report(&f->t.config, &f->t.data, &text, &got, NULL), 0);
    if (!strstr(str_c(&text), want))
        fail_msg("'%s' is not in: %s", want, str_c(&text));
    assert_int_equal(got, whole);
    str_release(&text);
}

static void tells(void **state)
{
    struct kn_net net = {0}, other = {0};
    struct fixture f;
    char digest[2][33];

    (void)state;
    start(&f, "resnet18 width=4");
    build(&f.t, 3, &net);
    build(&f.t, 7, &other);
    write_weights(f.path, &net, "", NULL, -1);
    report(&f, "100 of 100 tensors", true);
    assert_int_equal(tr_pretrained_digest(f.path, digest[0], NULL), 0);
    write_weights(f.path, &other, "", NULL, 2);
    report(&f, "99 of 100 tensors", false);
    report(&f, "bn1.bias, which begins at random", false);
    report(&f, "the last layer, fc, begins at random", false);
    assert_int_equal(tr_pretrained_digest(f.path, digest[1], NULL), 0);
    assert_int_equal(strlen(digest[1]), 32);
    assert_string_not_equal(digest[0], digest[1]);
    kn_net_release(&net);
    kn_net_release(&other);
    stop(&f);
}

/* The state at the end, from the checkpoint's own reader, would need its shape: the trainer's
 * verdict is asked instead. A frozen backbone gives the same numbers however many epochs pass
 * before, a training that unfreezes leaves them. */
static void freezes(void **state)
{
    static const int freeze[] = {TR_FREEZE_NONE, TR_FREEZE_BACKBONE, TR_FREEZE_BACKBONE};
    static const int unfreeze[] = {0, 0, 2};
    struct tr_epoch curve[3][8];
    struct kn_net net = {0};
    struct fixture f;

    (void)state;
    start(&f, "convnet width=4 stages=2");
    build(&f.t, 3, &net);
    write_weights(f.path, &net, "", NULL, -1);
    for (int i = 0; i < 3; i++) {
        struct tr_job job = tiny_job(&f.t, TR_FOLD_FIRST);
        struct tr_result r;
        struct hpo_err err = {0};
        bool pruned;

        tiny_clear_dir(&f.t);
        write_weights(f.path, &net, "", NULL, -1);
        tiny_forget(&f.t);
        f.t.config.model.freeze = freeze[i];
        f.t.config.model.unfreeze_epoch = unfreeze[i];
        job.run = 1;
        if (tr_train(f.s, &job, &r, &pruned, &err))
            fail_msg("%s", err.msg);
        assert_int_equal(f.t.n_epochs, 4);
        memcpy(curve[i], f.t.epoch, sizeof(*curve[i]) * 4);
    }
    assert_true(curve[0][0].train_loss != curve[1][0].train_loss);
    for (int epoch = 0; epoch < 4; epoch++) { /* the same until epoch 2 */
        bool same = curve[1][epoch].train_loss == curve[2][epoch].train_loss;

        assert_int_equal(same, epoch < 2);
    }
    kn_net_release(&net);
    stop(&f);
}

/* With next to no rate a backbone hardly moves, but its batch norms see the data; as to the
 * numbers, kernels' tests have what a factor does. */
static void slows(void **state)
{
    static const double rate[] = {1, 0.1, 1e-9, 1};
    double loss[HPO_LEN(rate)];
    struct kn_net net = {0};
    struct fixture f;

    (void)state;
    start(&f, "convnet width=4 stages=2");
    build(&f.t, 3, &net);
    for (size_t i = 0; i < HPO_LEN(rate); i++) {
        struct tr_job job = tiny_job(&f.t, TR_FOLD_FIRST);
        struct tr_result r;
        bool pruned;

        tiny_clear_dir(&f.t);
        write_weights(f.path, &net, "", NULL, -1);
        tiny_forget(&f.t);
        f.t.config.model.backbone_lr = rate[i];
        job.run = 1;
        assert_int_equal(tr_train(f.s, &job, &r, &pruned, NULL), 0);
        loss[i] = f.t.epoch[3].train_loss;
    }
    assert_true(loss[0] == loss[3]);
    assert_true(loss[0] != loss[1] && loss[1] != loss[2] && loss[0] != loss[2]);
    kn_net_release(&net);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes), cmocka_unit_test(takes_timm), cmocka_unit_test(refuses),
        cmocka_unit_test(tells), cmocka_unit_test(freezes),    cmocka_unit_test(slows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
