/* How the program comes to its GPUs: modules that are missing, broken, of another version, or there
 * (a fake: fake_module.c). The module is looked for once in a process, so each case has its own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kernels/cpu/fixture.h"

extern const struct kn_backend_ops kn_backend_cuda;
static const struct kn_backend_ops *const gpu = &kn_backend_cuda;

/* Run one case in a process of its own, with HPO_CUDA_MODULE as given (NULL: not set). */
static void alone(const char *module, bool (*holds)(void))
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (module)
            setenv("HPO_CUDA_MODULE", module, 1);
        else
            unsetenv("HPO_CUDA_MODULE");
        exit(holds() ? 0 : 1); /* not _exit: a leak is to be seen */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* No device, for a reason with this word in it; asking for one repeats it. */
static bool absent(const char *word)
{
    const char *why = NULL;
    struct kn_device_info info;
    struct kn_dev *dev = NULL;
    struct hpo_err err = {0};

    if (gpu->count(&why) != 0 || !why || !strstr(why, word)) {
        fprintf(stderr, "no '%s' in: %s\n", word, why ? why : "(nothing)");
        return false;
    }
    return gpu->open(0, 1, &dev, &err) == HPO_EDEVICE && strstr(err.msg, word) && !dev &&
           gpu->describe(0, &info, &err) == HPO_EDEVICE && strstr(err.msg, word);
}

static bool not_there(void)
{
    return absent("/nowhere/hpo-cuda.so cannot be loaded");
}

static bool not_a_module(void)
{
    return absent("is not a module of this program");
}

static bool other_version(void)
{
    return absent("is of version 0.0.0-other");
}

/* On this machine as it is. */
static bool without_being_told(void)
{
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY);
    const char *why = NULL;
    int n;

    if (!driver)
        return absent("no NVIDIA driver: libcuda.so.1 is not there");
    dlclose(driver);
    n = gpu->count(&why);
    printf("with a driver: %d GPUs%s%s\n", n, n ? "" : ", ", n ? "" : why);
    return n > 0 || (why && *why);
}

static void test_absent(void **s)
{
    alone("/nowhere/hpo-cuda.so", not_there);
    alone("libm.so.6", not_a_module);
    alone(getenv("FAKE_OTHER"), other_version);
    alone(NULL, without_being_told);
}

static bool no_device(void)
{
    const char *why = NULL;

    setenv("FAKE_GPUS", "0", 1);
    return gpu->count(&why) == 0 && !strcmp(why, "the fake has no GPU");
}

static void *ask(void *arg)
{
    const char *why;

    *(int *)arg = gpu->count(&why);
    return NULL;
}

/* Several at once, all of them the first. */
static bool from_threads(void)
{
    pthread_t thread[8];
    int n[8] = {0};

    for (int i = 0; i < 8; i++)
        if (pthread_create(&thread[i], NULL, ask, &n[i]))
            return false;
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 8; i++)
        if (n[i] != 2)
            return false;
    return true;
}

/* Every operation arrives, and its result comes back: a step is the step of the CPU below it. */
static bool forwards(void)
{
    struct fixture f = {0};
    struct kn_hyper h = hyper(0, KN_SGD);
    struct kn_state got;
    const struct kn_backend_ops *both[2] = {&kn_backend_cpu, gpu};
    double loss[2], sum[2], begin = 3;
    float logits[2][4 * 4], *out;
    const int32_t *index = f.order;
    int n = 4;
    bool ok = true;

    build_convnet5(&f.net);
    open_with(&f, 13, 4, 1); /* finishes the network; its own device is not used */
    state_new(&got, &f.net);
    f.desc = (struct kn_plan_desc){
        .net = &f.net, .batch = 6, .eval_batch = 8, .models = 1, .threads = 1, .optim = KN_SGD};
    for (int b = 0; b < 2 && ok; b++) {
        const struct kn_backend_ops *o = both[b];
        struct kn_batch batch = {f.order, 6, 0, 0, 0.1f};
        struct kn_dev *dev;
        struct kn_plan *plan;
        void *data;

        out = logits[b];
        state_draw(&f.state, &f.net, 8);
        ok = !o->open(0, 1, &dev, &f.err) && !o->data_open(dev, &f.images, &data, &f.err) &&
             o->estimate(dev, &f.desc) > 0 && !o->compile(dev, &f.desc, data, &plan, &f.err) &&
             !o->set_hyper(plan, 0, &h, &f.err) && !o->set_state(plan, 0, &f.state, &f.err) &&
             !o->set_losses(plan, &begin, &f.err) &&
             !o->train(plan, &batch, NULL, &loss[b], &f.err) && !o->losses(plan, &sum[b], &f.err) &&
             !o->eval(plan, &index, &n, &out, &f.err) && !o->get_state(plan, 0, &got, &f.err) &&
             !o->get_gradients(plan, 0, got.weights, &f.err) && sum[b] == 3 + loss[b];
        if (!ok)
            break;
        o->plan_free(plan);
        o->data_close(dev, data);
        o->close(dev);
    }
    ok = ok && loss[0] == loss[1] && !memcmp(logits[0], logits[1], sizeof(logits[0]));
    gpu->plan_free(NULL);
    gpu->close(NULL);
    state_free(&got);
    close_all(&f);
    return ok;
}

static bool described(void)
{
    struct kn_device_info info;
    struct hpo_err err = {0};

    return !gpu->describe(1, &info, &err) && !strcmp(info.name, "Fake GPU") &&
           gpu->describe(2, &info, &err) == HPO_EDEVICE && strstr(err.msg, "cuda:2");
}

static void test_there(void **s)
{
    const char *fake = getenv("FAKE_MODULE");

    alone(fake, no_device);
    alone(fake, from_threads);
    alone(fake, described);
    alone(fake, forwards);
}

/* What the program knows of it before anything is loaded. */
static void test_promises(void **s)
{
    assert_string_equal(gpu->plugin.name, "cuda");
    assert_true(gpu->async);
    for (int p = KN_PRECISION_AUTO; p <= KN_FP16; p++)
        assert_true(gpu->precisions & 1u << p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promises),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_there),
    };

    if (!getenv("FAKE_MODULE") || !getenv("FAKE_OTHER")) {
        printf("FAKE_MODULE and FAKE_OTHER must name the modules that the build makes\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
