/* What a plan of the CUDA backend takes on a device, beside what the same network takes on the CPU:
 * for every model, at two batch sizes, in every precision, alone and as an array. Both keep the
 * same activations; they differ in padding, workspaces and what stays for the backward pass. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/kernels/cpu/fixture.h"
#include "tests/trainer/parts.h"
#include "trainer/model.h"

extern const struct kn_backend_ops hpo_cuda_backend;

/* In fp32 within this factor either way. 16 bits halve activations, and add a copy of all weights.
 */
#define FACTOR 2.0
/* What neither a network nor a batch has to do with: cuBLAS's workspace, a margin. */
#define FIXED (16.0 * 1048576)

static const int sides[] = {32, 64};
static const int batches[] = {64, 512};

/* all: with everything that a plan may keep beside. */
static void check(const struct model_ops *model, int side, int batch, int models, bool all)
{
    struct model_input in = {3, side, side, 10};
    struct kn_dev *cpu = NULL, *gpu = NULL;
    struct kn_plan_desc desc = {.batch = batch,
                                .eval_batch = batch,
                                .models = 1,
                                .threads = 1,
                                .precision = KN_FP32,
                                .optim = all ? KN_MUON : KN_SGD,
                                .averaged = all,
                                .accumulate = all};
    double host, fp32, half;
    struct arena a = {0};
    struct hpo_err err;
    struct kn_net net;

    kn_net_init(&net, 3, side, side, 10);
    model->build(make_priv(&a, &model->plugin, ""), &in, &net);
    assert_int_equal(kn_net_finish(&net, &err), 0);
    assert_int_equal(ops->open(0, 1, &cpu, &err), 0);
    assert_int_equal(hpo_cuda_backend.open(0, 1, &gpu, &err), 0);
    desc.net = &net;
    host = ops->estimate(cpu, &desc) * models;
    desc.models = models;
    fp32 = hpo_cuda_backend.estimate(gpu, &desc);
    desc.precision = KN_BF16;
    half = hpo_cuda_backend.estimate(gpu, &desc);
    printf("%-20s %2d pixels, batch %3d, %d at once: CPU %7.1f MiB, fp32 %.2f, bf16 %.2f of it\n",
           model->plugin.name, side, batch, models, host / 1048576, fp32 / host, half / host);
    assert_true(fp32 <= FACTOR * host + FIXED && fp32 >= host / FACTOR);
    assert_true(half <= 1.5 * fp32 + FIXED && half >= fp32 / 4);
    ops->close(cpu);
    hpo_cuda_backend.close(gpu);
    kn_net_release(&net);
    arena_release(&a);
}

static void test_estimates(void **state)
{
    (void)state;
    for (int i = 0; model_registry[i]; i++)
        for (size_t s = 0; s < HPO_LEN(sides); s++)
            for (size_t b = 0; b < HPO_LEN(batches); b++)
                for (int models = 1; models <= 5; models += 4)
                    check(model_registry[i], sides[s], batches[b], models, s > 0 && b == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_estimates)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
