#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kernels/cpu/fixture.h"

/* In a random direction within each parameter: what the gradient predicts against what the loss
 * does. fp32 losses and kinks of ReLU and pooling leave about two digits. */
static void check_gradients(struct fixture *f, struct kn_hyper h)
{
    float *g = xcalloc(f->net.n_weights, sizeof(float)), *w = f->state.weights;
    float *saved = xcalloc(f->net.n_weights, sizeof(float));
    double whole = 0;

    h.augment = (struct kn_augment){0, 0};
    assert_int_equal(ops->set_hyper(f->plan, 0, &h, &f->err), 0);
    state_draw(&f->state, &f->net, 5);
    memcpy(saved, w, f->net.n_weights * sizeof(float));
    assert_int_equal(ops->set_state(f->plan, 0, &f->state, &f->err), 0);
    train_once(f, f->order, 0, 0);
    assert_int_equal(ops->get_gradients(f->plan, 0, g, &f->err), 0);
    for (size_t i = 0; i < f->net.n_weights; i++)
        whole += (double)g[i] * g[i];
    for (int i = 0; i < f->net.n_params; i++) {
        const struct kn_param *p = &f->net.param[i];
        struct hpo_rng r = hpo_rng_for(17, i, 0, "test", 2);
        double predicted = 0, norm = 0, length = 0, eps, loss[2], seen, size = 0;

        if (!p->trained)
            continue;
        for (size_t k = 0; k < p->count; k++)
            norm += (double)g[p->offset + k] * g[p->offset + k];
        /* Along the gradient with some noise: a direction in which something happens. */
        norm = sqrt(norm / (double)p->count) + 1e-12;
        for (size_t k = 0; k < p->count; k++) {
            double d = g[p->offset + k] / norm + draw(&r, -0.5, 0.5);

            length += d * d;
        }
        eps = 1e-3 / sqrt(length);
        for (int side = 0; side < 2; side++) {
            r = hpo_rng_for(17, i, 0, "test", 2);
            memcpy(w, saved, f->net.n_weights * sizeof(float));
            predicted = size = 0;
            for (size_t k = 0; k < p->count; k++) {
                double d = g[p->offset + k] / norm + draw(&r, -0.5, 0.5);

                predicted += d * g[p->offset + k];
                size += fabs(d * g[p->offset + k]);
                w[p->offset + k] += (float)((side ? -eps : eps) * d);
            }
            assert_int_equal(ops->set_state(f->plan, 0, &f->state, &f->err), 0);
            loss[side] = train_once(f, f->order, 0, 0);
        }
        seen = (loss[0] - loss[1]) / (2 * eps);
        if (!(fabs(seen - predicted) <= 0.02 * size + 1e-3 * sqrt(whole)))
            fail_msg("%s: the gradient predicts %g, the loss changes by %g", p->name, predicted,
                     seen);
    }
    memcpy(w, saved, f->net.n_weights * sizeof(float));
    free(saved);
    free(g);
}

static void gradients_of(void (*build)(struct kn_net *), int size, int classes, int batch,
                         int threads, int variant)
{
    struct fixture f = {0};

    build(&f.net);
    open_with(&f, size, classes, threads);
    compile(&f, batch, 1, threads, KN_SGD);
    check_gradients(&f, hyper(variant, KN_SGD));
    close_all(&f);
}

static void test_gradients_convnet(void **s)
{
    gradients_of(build_convnet5, 13, 4, 7, 2, 0);
    gradients_of(build_convnet20, 16, 7, 5, 3, 2);
}

static void test_gradients_resnet(void **s)
{
    gradients_of(build_resnet, 12, 3, 9, 2, 1);
}

static void test_gradients_mlp(void **s)
{
    gradients_of(build_mlp, 9, 5, 8, 2, 0);
}

static void test_gradients_zoo(void **s)
{
    gradients_of(build_zoo, 23, 6, 6, 2, 0);
    gradients_of(build_odd, 11, 4, 10, 2, 0);
    gradients_of(build_shared, 8, 3, 9, 1, 1);
}

static void test_gradients_mobile(void **s)
{
    gradients_of(build_mobile, 15, 4, 6, 2, 0);
    gradients_of(build_mobile_hard, 15, 4, 7, 3, 2);
    gradients_of(build_mobile_gelu, 15, 4, 5, 1, 1);
}

static void test_gradients_small_steps(void **s)
{
    gradients_of(build_small_steps, 16, 5, 6, 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_convnet), cmocka_unit_test(test_gradients_resnet),
        cmocka_unit_test(test_gradients_mlp),     cmocka_unit_test(test_gradients_zoo),
        cmocka_unit_test(test_gradients_mobile),  cmocka_unit_test(test_gradients_small_steps),
    };

    pid_t child = fork();
    int status = 0;

    /* Once as this machine is, once with 8-float vectors and blocks: before either has started a
     * thread. */
    if (child < 0)
        return 1;
    if (!child) {
        setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
        setenv("DNNL_MAX_CPU_ISA", "AVX2", 1);
        return cmocka_run_group_tests_name("with AVX2 at most", tests, NULL, NULL);
    }
    if (waitpid(child, &status, 0) != child || status)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
