/* What a training step is made of beside forward and backward, on a GPU beside the CPU backend:
 * optimizers, class weights, mixed images, clipping, several batches a step, averages, frozen
 * layers. Skips where there is no GPU. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/kernels/cuda/methods.h"

extern const struct kn_backend_ops kn_backend_cuda;
static const struct kn_backend_ops *const gpu = &kn_backend_cuda;

#define MODELS 3

/* What training came to, of one model. */
struct outcome {
    double loss[METHOD_CALLS];
    struct kn_state begin, end;
    float logits[10 * METHOD_CLASSES];
};

#define OK(call)                        \
    do {                                \
        if (call)                       \
            fail_msg("%s", f->err.msg); \
    } while (0)

static void outcomes_new(struct outcome *o, const struct kn_net *net)
{
    for (int m = 0; m < MODELS; m++) {
        o[m] = (struct outcome){0};
        method_state_new(&o[m].begin, net);
        method_state_new(&o[m].end, net);
        state_draw(&o[m].begin, net, 40 + (uint64_t)m);
        memcpy(o[m].begin.average_weights, o[m].begin.weights, net->n_weights * sizeof(float));
        memcpy(o[m].begin.average_buffers, o[m].begin.buffers, net->n_buffers * sizeof(float));
    }
}

static void outcomes_free(struct outcome *o)
{
    for (int m = 0; m < MODELS; m++) {
        method_state_free(&o[m].begin);
        method_state_free(&o[m].end);
    }
}

/* Which calls, by which models, from which states. */
struct session {
    const struct kn_backend_ops *ops;
    enum kn_precision precision;
    int first, last;
    bool alone; /* model 0 trains, the others sit out */
};

static struct kn_plan *open_plan(struct fixture *f, const struct session *s, const struct method *w,
                                 struct outcome *o, struct kn_dev **ret_dev, void **ret_data)
{
    const struct kn_plan_desc desc = method_desc(w, &f->net, MODELS, s->precision);
    struct kn_plan *plan;

    OK(s->ops->open(0, 1, ret_dev, &f->err));
    OK(s->ops->data_open(*ret_dev, &f->images, ret_data, &f->err));
    OK(s->ops->compile(*ret_dev, &desc, *ret_data, &plan, &f->err));
    for (int m = 0; m < MODELS; m++) {
        struct kn_hyper h = method_hyper(w, m);

        OK(s->ops->set_hyper(plan, m, &h, &f->err));
        OK(s->ops->set_state(plan, m, s->first ? &o[m].end : &o[m].begin, &f->err));
    }
    return plan;
}

static void evaluate(struct fixture *f, const struct session *s, struct kn_plan *plan,
                     struct outcome *o)
{
    const int32_t *index[MODELS];
    float *logits[MODELS];
    int n[MODELS];

    for (int m = 0; m < MODELS; m++) {
        index[m] = f->order;
        n[m] = 10;
        logits[m] = o[m].logits;
    }
    OK(s->ops->eval(plan, index, n, logits, &f->err));
}

static void run(struct fixture *f, const struct session *s, const struct method *w,
                struct outcome *o)
{
    struct kn_plan *plan;
    struct kn_dev *dev;
    void *data;

    plan = open_plan(f, s, w, o, &dev, &data);
    for (int call = s->first; call < s->last; call++) {
        int32_t rows[MODELS][METHOD_BATCH];
        struct kn_batch batch[MODELS];
        double loss[MODELS];

        for (int m = 0; m < MODELS; m++) {
            batch[m] = method_batch(w, call, m, rows[m]);
            if (s->alone && m)
                batch[m] = (struct kn_batch){0};
        }
        OK(s->ops->train(plan, batch, NULL, loss, &f->err));
        for (int m = 0; m < MODELS; m++)
            o[m].loss[call] = loss[m];
        if (call == 1) /* as it is then */
            evaluate(f, s, plan, o);
    }
    for (int m = 0; m < MODELS; m++)
        OK(s->ops->get_state(plan, m, &o[m].end, &f->err));
    evaluate(f, s, plan, o);
    s->ops->plan_free(plan);
    s->ops->data_close(dev, data);
    s->ops->close(dev);
}

/* The difference of a and b, beside that of b and where both began. */
static double apart(const float *a, const float *b, const float *begin, size_t n)
{
    double d = 0, of = 0;

    for (size_t i = 0; i < n; i++) {
        d += pow((double)a[i] - (double)b[i], 2);
        of += pow((double)b[i] - (double)(begin ? begin[i] : 0), 2);
    }
    return sqrt(d) / (sqrt(of) + 1e-6);
}

static double losses_apart(const struct outcome *a, const struct outcome *b)
{
    double worst = 0;

    for (int i = 0; i < METHOD_CALLS; i++) {
        double d = fabs(a->loss[i] - b->loss[i]) / (fabs(b->loss[i]) + 1e-3);

        worst = d > worst ? d : worst;
    }
    return worst;
}

static void open_method(struct fixture *f)
{
    *f = (struct fixture){0};
    build_method(&f->net);
    open_with(f, METHOD_SIDE, METHOD_CLASSES, 1);
}

static void compare(struct fixture *f, const struct method *w, const struct outcome *want,
                    const struct outcome *got, double tolerance, double *ret_worst)
{
    for (int m = 0; m < MODELS; m++) {
        const struct kn_state *a = &got[m].end, *b = &want[m].end, *begin = &want[m].begin;
        size_t weights = f->net.n_weights, buffers = f->net.n_buffers;
        double off[] = {
            losses_apart(&got[m], &want[m]),
            apart(a->weights, b->weights, begin->weights, weights),
            apart(a->buffers, b->buffers, NULL, buffers),
            w->averages
                ? apart(a->average_weights, b->average_weights, begin->average_weights, weights)
                : 0,
            w->averages ? apart(a->average_buffers, b->average_buffers, NULL, buffers) : 0,
            apart(got[m].logits, want[m].logits, NULL, 10 * METHOD_CLASSES)};

        for (size_t i = 0; i < HPO_LEN(off); i++) {
            if (!(off[i] < tolerance))
                fail_msg("%s, model %d, number %zu: %.1e apart", w->name, m, i, off[i]);
            *ret_worst = off[i] > *ret_worst ? off[i] : *ret_worst;
        }
    }
}

/* Parameters that are frozen, of frozen operations statistics too, have the bits that they had. */
static void check_frozen(const struct fixture *f, const struct method *w, const struct outcome *o,
                         int model)
{
    for (int i = 0; i < f->net.n_params; i++) {
        const struct kn_param *p = &f->net.param[i];
        const float *was = (p->trained ? o->begin.weights : o->begin.buffers) + p->offset;
        const float *is = (p->trained ? o->end.weights : o->end.buffers) + p->offset;

        bool frozen = (w->freezes && p->op < METHOD_FREEZE) ||
                      (w->factors && p->trained && model == 0 && method_factor(i).lr == 0);

        if (!memcmp(was, is, p->count * sizeof(float)) != frozen)
            fail_msg("%s: %s", w->name, p->name);
    }
}

static void test_methods(void **state)
{
    static const char *const names[] = {
        [KN_FP32] = "fp32", [KN_TF32] = "tf32", [KN_BF16] = "bf16", [KN_FP16] = "fp16"};
    struct outcome want[MODELS], got[MODELS];
    struct fixture f;

    open_method(&f);
    outcomes_new(want, &f.net);
    outcomes_new(got, &f.net);
    for (size_t i = 0; i < HPO_LEN(methods); i++) {
        const struct method *w = &methods[i];

        run(&f, &(struct session){.ops = ops, .precision = KN_FP32, .last = METHOD_CALLS}, w, want);
        for (int p = KN_FP32; p <= KN_FP16; p++) {
            double worst = 0;

            run(&f,
                &(struct session){
                    .ops = gpu, .precision = (enum kn_precision)p, .last = METHOD_CALLS},
                w, got);
            compare(&f, w, want, got, p == KN_FP32 ? w->tolerance : w->loose, &worst);
            for (int m = 0; m < MODELS; m++)
                check_frozen(&f, w, &got[m], m);
            printf("%s %s: %.1e\n", w->name, names[p], worst);
        }
    }
    outcomes_free(want);
    outcomes_free(got);
    close_all(&f);
}

static void same_bits(const struct kn_net *net, const struct method *w, const struct outcome *a,
                      const struct outcome *b)
{
    size_t weights = net->n_weights * sizeof(float), buffers = net->n_buffers * sizeof(float);

    assert_memory_equal(a->end.weights, b->end.weights, weights);
    assert_memory_equal(a->end.buffers, b->end.buffers, buffers);
    for (int i = 0; i < kn_optim_slots(w->optim); i++)
        assert_memory_equal(a->end.slots[i], b->end.slots[i], weights);
    assert_memory_equal(a->end.average_weights, b->end.average_weights, weights);
    assert_memory_equal(a->end.average_buffers, b->end.average_buffers, buffers);
    assert_memory_equal(a->logits, b->logits, sizeof(a->logits));
}

/* Half of it, the state out and into another plan, and the rest. */
static void test_resume(void **state)
{
    struct outcome whole[MODELS], halves[MODELS];
    struct fixture f;

    open_method(&f);
    outcomes_new(whole, &f.net);
    outcomes_new(halves, &f.net);
    for (size_t i = 0; i < HPO_LEN(methods); i++) {
        struct session s = {
            .ops = gpu, .precision = i % 2 ? KN_FP32 : KN_BF16, .last = METHOD_CALLS};

        run(&f, &s, &methods[i], whole);
        s.last = METHOD_CUT;
        run(&f, &s, &methods[i], halves);
        s.first = METHOD_CUT;
        s.last = METHOD_CALLS;
        run(&f, &s, &methods[i], halves);
        for (int m = 0; m < MODELS; m++)
            same_bits(&f.net, &methods[i], &halves[m], &whole[m]);
    }
    outcomes_free(whole);
    outcomes_free(halves);
    close_all(&f);
}

/* What the others of the array do is nothing to a model. */
static void test_neighbours(void **state)
{
    struct outcome among[MODELS], alone[MODELS];
    struct fixture f;

    open_method(&f);
    outcomes_new(among, &f.net);
    outcomes_new(alone, &f.net);
    for (size_t i = 0; i < HPO_LEN(methods); i++) {
        struct session s = {
            .ops = gpu, .precision = i % 2 ? KN_FP16 : KN_TF32, .last = METHOD_CALLS};

        run(&f, &s, &methods[i], among);
        s.alone = true;
        run(&f, &s, &methods[i], alone);
        same_bits(&f.net, &methods[i], &among[0], &alone[0]);
        assert_memory_equal(alone[1].end.weights, alone[1].begin.weights,
                            f.net.n_weights * sizeof(float));
    }
    outcomes_free(among);
    outcomes_free(alone);
    close_all(&f);
}

/* fp16: gradients that overflow at every loss scale so far change no weight, nor what the optimizer
 * keeps, however many batches make the step; the other models go on. */
static void test_overflow(void **state)
{
    static const struct method w = {"overflow", KN_SGD, 0.05f, .clips = true, .micros = 2};
    struct outcome o[MODELS];
    struct fixture f;
    size_t bytes;

    open_method(&f);
    outcomes_new(o, &f.net);
    bytes = f.net.n_weights * sizeof(float);
    for (int i = 0; i < f.net.n_params; i++) {
        const struct kn_param *p = &f.net.param[i];

        for (size_t k = 0; p->op == f.net.n_ops - 1 && p->n_dims > 1 && k < p->count; k++)
            o[0].begin.weights[p->offset + k] *= 3000;
    }
    run(&f, &(struct session){.ops = gpu, .precision = KN_FP16, .last = METHOD_CALLS}, &w, o);
    assert_memory_equal(o[0].end.weights, o[0].begin.weights, bytes);
    assert_memory_equal(o[0].end.slots[0], o[0].begin.slots[0], bytes);
    for (int k = 0; k < METHOD_CALLS; k++)
        assert_true(isfinite(o[0].loss[k]) && o[0].loss[k] > 1);
    for (int m = 1; m < MODELS; m++)
        assert_memory_not_equal(o[m].end.weights, o[m].begin.weights, bytes);
    outcomes_free(o);
    close_all(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_overflow),
    };
    const char *why = "";

    if (gpu->count(&why) == 0) {
        printf("skipped: %s\n", why);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
