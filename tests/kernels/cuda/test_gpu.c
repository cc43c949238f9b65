/* A GPU beside the CPU backend: the same networks, weights and batches, in every precision. Skips
 * where there is no GPU. What a step and an evaluation come to is compared by the size of the
 * difference (its Euclidean norm over that of the CPU's), because single elements near zero have no
 * digits to share. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include "tests/kernels/cpu/fixture.h"
#include "tests/trainer/parts.h"
#include "trainer/model.h"

extern const struct kn_backend_ops kn_backend_cuda;
static const struct kn_backend_ops *const gpu = &kn_backend_cuda;

#define STEPS 3
#define MODELS 3
#define MAX_CLASSES 10

/* What training came to, of one model. */
struct outcome {
    double loss[STEPS], sum;
    float *gradient; /* of the first step */
    struct kn_state state;
    float logits[10 * MAX_CLASSES];
};

static void outcome_new(struct outcome *o, const struct kn_net *net)
{
    *o = (struct outcome){.gradient = xcalloc(net->n_weights, sizeof(float))};
    state_new(&o->state, net);
}

static void outcome_free(struct outcome *o)
{
    free(o->gradient);
    state_free(&o->state);
}

#define OK(call)                        \
    do {                                \
        if (call)                       \
            fail_msg("%s", f->err.msg); \
    } while (0)

/* Some steps and an evaluation of models 0 .. models - 1, on this backend. told: losses are asked
 * for at every step. */
static void outcome_of(struct fixture *f, const struct kn_backend_ops *o,
                       enum kn_precision precision, enum kn_optim_kind optim, int models, bool told,
                       struct outcome *ret)
{
    int32_t rows[MODELS][STEPS][6];
    const int32_t *index[MODELS];
    float *logits[MODELS];
    double loss[MODELS], sum[MODELS];
    int n[MODELS];
    struct kn_plan_desc desc = {.net = &f->net,
                                .batch = 6,
                                .eval_batch = 10,
                                .models = models,
                                .threads = 2,
                                .precision = precision,
                                .optim = optim,
                                .exact = true};
    struct kn_dev *dev;
    struct kn_plan *plan;
    void *data;

    OK(o->open(0, 2, &dev, &f->err));
    OK(o->data_open(dev, &f->images, &data, &f->err));
    assert_true(o->estimate(dev, &desc) > 0);
    OK(o->compile(dev, &desc, data, &plan, &f->err));
    for (int m = 0; m < models; m++) {
        struct kn_hyper h = hyper(m, optim);

        state_draw(&f->state, &f->net, 40 + (uint64_t)m);
        OK(o->set_hyper(plan, m, &h, &f->err));
        OK(o->set_state(plan, m, &f->state, &f->err));
        for (int s = 0; s < STEPS; s++)
            for (int i = 0; i < 6; i++)
                rows[m][s][i] = (i * 5 + s * 11 + m) % IMAGES;
        index[m] = f->order;
        n[m] = 10 - m;
        logits[m] = ret[m].logits;
    }
    for (int s = 0; s < STEPS; s++) {
        struct kn_batch batch[MODELS];

        for (int m = 0; m < models; m++)
            batch[m] = (struct kn_batch){rows[m][s], 6, (uint32_t)s / 2, (uint32_t)s,
                                         0.01f * (float)(m + 1)};
        OK(o->train(plan, batch, NULL, told ? loss : NULL, &f->err));
        for (int m = 0; m < models; m++) {
            ret[m].loss[s] = told ? loss[m] : 0;
            if (s == 0)
                OK(o->get_gradients(plan, m, ret[m].gradient, &f->err));
        }
    }
    OK(o->losses(plan, sum, &f->err));
    OK(o->eval(plan, index, n, logits, &f->err));
    for (int m = 0; m < models; m++) {
        ret[m].sum = sum[m];
        OK(o->get_state(plan, m, &ret[m].state, &f->err));
    }
    o->plan_free(plan);
    o->data_close(dev, data);
    o->close(dev);
}

static double difference(const float *a, const float *b, size_t n)
{
    double d = 0, of = 0;

    for (size_t i = 0; i < n; i++) {
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        of += (double)b[i] * b[i];
    }
    return sqrt(d) / (sqrt(of) + 1e-6);
}

static void build(struct fixture *f, void (*net)(struct kn_net *), int size, int classes)
{
    *f = (struct fixture){0};
    net(&f->net);
    open_with(f, size, classes, 2);
}

/* Precisions, and how far from the CPU's fp32 they may come: the loss of the first step is smooth
 * in whatever is rounded. Gradients are not: rounding moves a few values across ReLU's kink and a
 * few maxima of a pool, which in small networks is a tenth of a gradient (the CPU's own moves by
 * that much when its weights are rounded so). Hence a bound for each, and a tight one for the
 * median. */
static const struct kind {
    enum kn_precision precision;
    const char *name;
    double loss, gradient, median;
} kinds[] = {{KN_FP32, "fp32", 1e-5, 1e-4, 1e-5},
             {KN_TF32, "tf32", 1e-3, 0.3, 1e-2},
             {KN_BF16, "bf16", 1e-2, 0.5, 0.15},
             {KN_FP16, "fp16", 2e-3, 0.3, 1e-2}};

/* All gradients' differences so far, of each precision. */
struct spread {
    double at[HPO_LEN(kinds)][64];
    int n[HPO_LEN(kinds)];
};

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void check_outcome(const char *name, const struct kn_net *net, size_t k, int optim, int m,
                          const struct outcome *want, const struct outcome *got,
                          struct spread *ret_spread)
{
    double first = fabs(got->loss[0] / want->loss[0] - 1),
           gradient = difference(got->gradient, want->gradient, net->n_weights),
           logits = difference(got->logits, want->logits, (size_t)(10 - m) * (size_t)net->classes);
    /* Too large for fp16 at the first loss scale: that is halved, and the step changes nothing. */
    bool skipped = kinds[k].precision == KN_FP16 && !isfinite(gradient);

    printf("%s %s optimizer %d model %d: loss %.1e, gradients %.1e, logits after %d steps %.1e%s\n",
           name, kinds[k].name, optim, m, first, gradient, STEPS, logits,
           skipped ? " (a step skipped)" : "");
    assert_true(first < kinds[k].loss);
    assert_float_equal(got->sum, got->loss[0] + got->loss[1] + got->loss[2], 1e-9);
    if (skipped)
        return;
    assert_true(gradient < kinds[k].gradient);
    /* AdamW's steps do not shrink with the gradient: where that is but rounding, as that of a bias
     * before a batch norm, a step has the size of any other and no meaning. */
    assert_true(logits < (optim == KN_ADAMW ? 0.7 : 30 * kinds[k].loss));
    if (optim == KN_SGD && ret_spread->n[k] < 64)
        ret_spread->at[k][ret_spread->n[k]++] = gradient;
}

static void compare(const char *name, void (*net)(struct kn_net *), int size, int classes,
                    struct spread *ret_spread)
{
    struct outcome want[MODELS], got[MODELS];
    struct fixture f;

    build(&f, net, size, classes);
    for (int m = 0; m < MODELS; m++) {
        outcome_new(&want[m], &f.net);
        outcome_new(&got[m], &f.net);
    }
    for (int optim = KN_SGD; optim <= KN_ADAMW; optim++) {
        outcome_of(&f, ops, KN_FP32, (enum kn_optim_kind)optim, MODELS, true, want);
        for (size_t k = 0; k < HPO_LEN(kinds); k++) {
            outcome_of(&f, gpu, kinds[k].precision, (enum kn_optim_kind)optim, MODELS, true, got);
            for (int m = 0; m < MODELS; m++)
                check_outcome(name, &f.net, k, optim, m, &want[m], &got[m], ret_spread);
        }
    }
    for (int m = 0; m < MODELS; m++) {
        outcome_free(&want[m]);
        outcome_free(&got[m]);
    }
    close_all(&f);
}

static void test_networks(void **s)
{
    static struct spread spread;

    compare("convnet5", build_convnet5, 13, 4, &spread);
    compare("convnet20", build_convnet20, 16, 7, &spread);
    compare("resnet", build_resnet, 12, 3, &spread);
    compare("mlp", build_mlp, 9, 5, &spread);
    compare("zoo", build_zoo, 23, 6, &spread);
    compare("odd", build_odd, 11, 4, &spread);
    compare("shared", build_shared, 8, 3, &spread);
    compare("mobile", build_mobile, 15, 4, &spread);
    compare("mobile, hard", build_mobile_hard, 15, 4, &spread);
    compare("mobile, GELU", build_mobile_gelu, 15, 4, &spread);
    compare("airbench", build_small_steps, 16, 5, &spread);
    for (size_t k = 0; k < HPO_LEN(kinds); k++) {
        int n = spread.n[k];

        assert_true(n > 10);
        qsort(spread.at[k], (size_t)n, sizeof(spread.at[k][0]), ascending);
        printf("%s: gradients differ by %.1e in the median, %.1e at most\n", kinds[k].name,
               spread.at[k][n / 2], spread.at[k][n - 1]);
        assert_true(spread.at[k][n / 2] < kinds[k].median);
    }
}

/* Many layers on few pixels, with weights that nobody has trained, turn any rounding into another
 * network within some steps: of those that people train, the first step is compared. */
static void compare_model(struct fixture *f, const char *name)
{
    static const struct {
        enum kn_precision precision;
        double loss, gradient;
    } bounds[] = {{KN_FP32, 5e-5, 1e-4}, {KN_BF16, 0.2, 2}};
    struct outcome want, got;

    outcome_new(&want, &f->net);
    outcome_new(&got, &f->net);
    outcome_of(f, ops, KN_FP32, KN_SGD, 1, true, &want);
    for (size_t k = 0; k < HPO_LEN(bounds); k++) {
        double loss, gradient;

        outcome_of(f, gpu, bounds[k].precision, KN_SGD, 1, true, &got);
        loss = fabs(got.loss[0] / want.loss[0] - 1);
        gradient = difference(got.gradient, want.gradient, f->net.n_weights);
        printf("%s, precision %d: loss %.1e, gradients %.1e\n", name, (int)bounds[k].precision,
               loss, gradient);
        assert_true(loss < bounds[k].loss && gradient < bounds[k].gradient);
        for (int i = 0; i < 10 * f->net.classes; i++)
            assert_true(isfinite(got.logits[i]));
    }
    outcome_free(&want);
    outcome_free(&got);
}

static void test_models(void **s)
{
    static const struct {
        const char *name, *options;
        int size;
    } models[] = {
        {"resnet18", "width=8 stem=imagenet stochastic_depth=0.2", 33},
        {"resnet50", "width=4", 9},
        {"efficientnet_b0", "width_mult=0.1 stem=imagenet dropout_samples=2", 33},
        {"mobilenet_v3_small", "width_mult=0.1", 16},
    };

    for (size_t i = 0; i < HPO_LEN(models); i++) {
        const struct model_ops *model =
            hpo_registry_find((const void *const *)model_registry, models[i].name);
        struct model_input in = {3, models[i].size, models[i].size, 2};
        struct fixture f = {0};
        struct arena a = {0};

        kn_net_init(&f.net, in.channels, in.height, in.width, in.classes);
        model->build(make_priv(&a, &model->plugin, models[i].options), &in, &f.net);
        open_with(&f, models[i].size, in.classes, 2);
        compare_model(&f, models[i].name);
        close_all(&f);
        arena_release(&a);
    }
}

static void same_bits(const struct kn_net *net, const struct outcome *a, const struct outcome *b)
{
    assert_memory_equal(&a->sum, &b->sum, sizeof(a->sum));
    assert_memory_equal(a->logits, b->logits, sizeof(a->logits));
    assert_memory_equal(a->state.weights, b->state.weights, net->n_weights * sizeof(float));
    assert_memory_equal(a->state.buffers, b->state.buffers, net->n_buffers * sizeof(float));
}

/* Again, with the losses asked for at the end only, which is how the trainer trains. */
static void test_repeats(void **s)
{
    struct outcome a[MODELS], b[MODELS];
    struct fixture f;

    build(&f, build_resnet, 12, 3);
    for (int m = 0; m < MODELS; m++) {
        outcome_new(&a[m], &f.net);
        outcome_new(&b[m], &f.net);
    }
    for (int p = KN_FP32; p <= KN_FP16; p++) {
        outcome_of(&f, gpu, (enum kn_precision)p, KN_SGD, MODELS, true, a);
        outcome_of(&f, gpu, (enum kn_precision)p, KN_SGD, MODELS, false, b);
        for (int m = 0; m < MODELS; m++)
            same_bits(&f.net, &a[m], &b[m]);
    }
    for (int m = 0; m < MODELS; m++) {
        outcome_free(&a[m]);
        outcome_free(&b[m]);
    }
    close_all(&f);
}

/* A training of CURVE_STEPS steps on images whose class shows, so that there is something to learn.
 */
#define CURVE_STEPS 200
#define CURVE_BATCH 16
#define WINDOW 20

static void build_curve(struct kn_net *n)
{
    net_convnet(n, 12, 8, 2, 0.1f, 4);
}

static void paint(struct fixture *f)
{
    size_t bytes = (size_t)f->images.h * (size_t)f->images.w * 3;

    for (int i = 0; i < IMAGES; i++)
        for (size_t k = 0; k < bytes; k++) {
            int wave = (int)(k / 3 % 12 / (1u + (unsigned)f->labels[i]) & 1) * 80;

            f->pixels[(size_t)i * bytes + k] =
                (uint8_t)(f->pixels[(size_t)i * bytes + k] * 5 / 8 + wave);
        }
}

static void curve_of(struct fixture *f, const struct kn_backend_ops *o, enum kn_precision precision,
                     double *ret)
{
    struct kn_plan_desc desc = {.net = &f->net,
                                .batch = CURVE_BATCH,
                                .eval_batch = 1,
                                .models = 1,
                                .threads = 2,
                                .precision = precision,
                                .optim = KN_SGD,
                                .exact = true};
    struct kn_hyper h = hyper(0, KN_SGD);
    int32_t rows[CURVE_BATCH];
    struct kn_plan *plan;
    struct kn_dev *dev;
    void *data;

    OK(o->open(0, 2, &dev, &f->err));
    OK(o->data_open(dev, &f->images, &data, &f->err));
    OK(o->compile(dev, &desc, data, &plan, &f->err));
    OK(o->set_hyper(plan, 0, &h, &f->err));
    state_draw(&f->state, &f->net, 77);
    OK(o->set_state(plan, 0, &f->state, &f->err));
    for (int s = 0; s < CURVE_STEPS; s++) {
        struct kn_batch b = {rows, CURVE_BATCH, (uint32_t)s / 3, (uint32_t)s, 0.005f};

        for (int i = 0; i < CURVE_BATCH; i++)
            rows[i] = (s * CURVE_BATCH + i) * 5 % IMAGES;
        OK(o->train(plan, &b, NULL, &ret[s], &f->err));
    }
    o->plan_free(plan);
    o->data_close(dev, data);
    o->close(dev);
}

static double window_mean(const double *curve, int at)
{
    double sum = 0;

    for (int i = 0; i < WINDOW; i++)
        sum += curve[at + i];
    return sum / WINDOW;
}

/* Rounding adds up from step to step, and grows once it has moved a value across a kink; what
 * people look at is the curve, so means of WINDOW steps are compared. */
static void test_loss_curve(void **s)
{
    static const struct {
        enum kn_precision precision;
        const char *name;
        double tolerance; /* of a window, relative to the first loss */
    } curves[] = {{KN_FP32, "fp32", 2e-3},
                  {KN_TF32, "tf32", 5e-3},
                  {KN_BF16, "bf16", 2e-2},
                  {KN_FP16, "fp16", 5e-3}};
    static double want[CURVE_STEPS], got[CURVE_STEPS];
    struct fixture f;

    build(&f, build_curve, 12, 4);
    paint(&f);
    curve_of(&f, ops, KN_FP32, want);
    assert_true(window_mean(want, CURVE_STEPS - WINDOW) < 0.5 * window_mean(want, 0));
    for (size_t k = 0; k < HPO_LEN(curves); k++) {
        double worst = 0;

        curve_of(&f, gpu, curves[k].precision, got);
        for (int at = 0; at + WINDOW <= CURVE_STEPS; at += WINDOW)
            worst = fmax(worst, fabs(window_mean(got, at) - window_mean(want, at)) / want[0]);
        printf("%s: %d steps, loss %.4f to %.4f (the CPU's %.4f to %.4f), farthest apart %.1e\n",
               curves[k].name, CURVE_STEPS, window_mean(got, 0),
               window_mean(got, CURVE_STEPS - WINDOW), window_mean(want, 0),
               window_mean(want, CURVE_STEPS - WINDOW), worst);
        assert_true(worst < curves[k].tolerance);
    }
    close_all(&f);
}

struct thread {
    pthread_t id;
    struct fixture f;
    struct outcome out;
};

static void *train_thread(void *arg)
{
    struct thread *t = arg;

    for (int i = 0; i < 20; i++)
        outcome_of(&t->f, gpu, KN_PRECISION_AUTO, KN_SGD, 1, false, &t->out);
    return NULL;
}

/* Trials side by side on one GPU, as slots of a worker, come to what each comes to alone. */
static void test_side_by_side(void **s)
{
    static struct thread t[3];
    struct outcome alone;

    for (int i = 0; i < 3; i++) {
        build(&t[i].f, build_convnet20, 16, 7);
        outcome_new(&t[i].out, &t[i].f.net);
    }
    outcome_new(&alone, &t[0].f.net);
    outcome_of(&t[0].f, gpu, KN_PRECISION_AUTO, KN_SGD, 1, false, &alone);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i].id, NULL, train_thread, &t[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i].id, NULL);
    for (int i = 0; i < 3; i++)
        same_bits(&t[i].f.net, &t[i].out, &alone);
    outcome_free(&alone);
    for (int i = 0; i < 3; i++) {
        outcome_free(&t[i].out);
        close_all(&t[i].f);
    }
}

/* More than the device has is an ordinary failure with numbers, and no other plan is the worse for
 * it. */
static void test_out_of_memory(void **s)
{
    struct kn_plan_desc desc = {.batch = 1 << 15, .eval_batch = 1, .models = 1};
    struct kn_device_info info;
    struct kn_plan *plan = NULL;
    struct outcome out;
    struct kn_dev *dev;
    struct fixture f;
    void *data;

    build(&f, build_convnet20, 16, 7);
    outcome_new(&out, &f.net);
    desc.net = &f.net;
    assert_int_equal(gpu->describe(0, &info, &f.err), 0);
    assert_int_equal(gpu->open(0, 1, &dev, &f.err), 0);
    assert_int_equal(gpu->data_open(dev, &f.images, &data, &f.err), 0);
    while (gpu->estimate(dev, &desc) < 2 * info.memory_total)
        desc.models *= 2;
    assert_int_equal(gpu->compile(dev, &desc, data, &plan, &f.err), HPO_ENOMEM);
    printf("%s\n", f.err.msg);
    assert_non_null(strstr(f.err.msg, "GiB"));
    assert_null(plan);
    gpu->data_close(dev, data);
    gpu->close(dev);
    outcome_of(&f, gpu, KN_PRECISION_AUTO, KN_SGD, 1, false, &out);
    outcome_free(&out);
    close_all(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),     cmocka_unit_test(test_models),
        cmocka_unit_test(test_repeats),      cmocka_unit_test(test_loss_curve),
        cmocka_unit_test(test_side_by_side), cmocka_unit_test(test_out_of_memory),
    };
    struct kn_device_info info;
    struct hpo_err err;
    const char *why = "";

    if (gpu->count(&why) == 0) {
        printf("skipped: %s\n", why);
        return 77;
    }
    if (!gpu->describe(0, &info, &err))
        printf("cuda:0 is %s, %s\n", info.name, info.detail);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
