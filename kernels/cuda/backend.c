/* The cuda backend as the program sees it: hpo-cuda.so, loaded when somebody first asks for it.
 *
 * The program itself links nothing of CUDA, so that one build serves machines with and without; and
 * on a machine without a driver not even the module is loaded, because cuDNN and cuBLAS are
 * hundreds of megabytes. The module is looked for
 *   - where $HPO_CUDA_MODULE says, and then nowhere else,
 *   - beside the program,
 *   - where the loader looks: the program's run path (the build folder; once installed
 *     LIBDIR/hpo), LD_LIBRARY_PATH, the system's folders.
 * What was found stays loaded until the process ends: CUDA cannot be unloaded. */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/backend.h"

#define MODULE "hpo-cuda.so"
#define DRIVER "libcuda.so.1"

/* Written once, under `once`; read-only afterwards. There is one for the process as there is one
 * CUDA runtime in it. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct kn_backend_ops *module; /* NULL: not there, */
static char absent[1024];                   /* and why */

/* What dlopen says is long and begins with the path that was tried; people need its end. */
static void load_file(const char *path)
{
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct kn_backend_ops *ops;
    const char *version, *reason;

    if (!lib) {
        reason = dlerror();
        if (!strchr(path, '/') && reason && !strncmp(reason, MODULE ":", strlen(MODULE) + 1) &&
            strstr(reason, "No such file"))
            snprintf(absent, sizeof(absent), MODULE " is missing beside the program");
        else
            snprintf(absent, sizeof(absent), "%s cannot be loaded: %s", path,
                     reason ? reason : "no reason was given");
        return;
    }
    ops = dlsym(lib, "hpo_cuda_backend");
    version = dlsym(lib, "hpo_cuda_version");
    if (!ops || !version) {
        snprintf(absent, sizeof(absent), "%s is not a module of this program", path);
    } else if (strcmp(version, HPO_VERSION)) {
        /* Another version may lay out the structures of kernels/backend.h in another way. */
        snprintf(absent, sizeof(absent), "%s is of version %.32s, the program of %s", path, version,
                 HPO_VERSION);
    } else {
        module = ops;
        return;
    }
    dlclose(lib); /* nothing of it was called yet */
}

static bool beside_program(char *ret, size_t n)
{
    ssize_t len = readlink("/proc/self/exe", ret, n);
    char *end;

    if (len <= 0 || (size_t)len >= n)
        return false;
    ret[len] = '\0';
    end = strrchr(ret, '/');
    if (!end || (size_t)(end + 1 - ret) + sizeof(MODULE) > n)
        return false;
    memcpy(end + 1, MODULE, sizeof(MODULE));
    return !access(ret, F_OK);
}

static void load(void)
{
    const char *named = getenv("HPO_CUDA_MODULE");
    char path[PATH_MAX];
    void *driver;

    if (named && *named) {
        load_file(named);
        return;
    }
    driver = dlopen(DRIVER, RTLD_LAZY | RTLD_LOCAL);
    if (!driver) {
        snprintf(absent, sizeof(absent), "no NVIDIA driver: " DRIVER " is not there");
        return;
    }
    dlclose(driver); /* the module opens it by itself */
    load_file(beside_program(path, sizeof(path)) ? path : MODULE);
}

static const struct kn_backend_ops *find(void)
{
    pthread_once(&once, load);
    return module;
}

static int refuse(struct hpo_err *err)
{
    return hpo_fail(err, HPO_EDEVICE, "no GPU: %s", absent);
}

static int count(const char **ret_why)
{
    const struct kn_backend_ops *m = find();

    if (m)
        return m->count(ret_why);
    *ret_why = absent;
    return 0;
}

static int describe(int index, struct kn_device_info *ret, struct hpo_err *err)
{
    const struct kn_backend_ops *m = find();

    return m ? m->describe(index, ret, err) : refuse(err);
}

static int open_device(int index, int threads, struct kn_dev **ret, struct hpo_err *err)
{
    const struct kn_backend_ops *m = find();

    return m ? m->open(index, threads, ret, err) : refuse(err);
}

/* From here on there is a device or a plan, so the module is there. */

static void close_device(struct kn_dev *d)
{
    if (d)
        module->close(d);
}

static int data_open(struct kn_dev *d, const struct kn_images *images, void **ret,
                     struct hpo_err *err)
{
    return module->data_open(d, images, ret, err);
}

static void data_close(struct kn_dev *d, void *data)
{
    module->data_close(d, data);
}

static double estimate(struct kn_dev *d, const struct kn_plan_desc *desc)
{
    return module->estimate(d, desc);
}

static int compile(struct kn_dev *d, const struct kn_plan_desc *desc, void *data,
                   struct kn_plan **ret, struct hpo_err *err)
{
    return module->compile(d, desc, data, ret, err);
}

static void plan_free(struct kn_plan *p)
{
    if (p)
        module->plan_free(p);
}

static int set_hyper(struct kn_plan *p, int model, const struct kn_hyper *h, struct hpo_err *err)
{
    return module->set_hyper(p, model, h, err);
}

static int set_state(struct kn_plan *p, int model, const struct kn_state *s, struct hpo_err *err)
{
    return module->set_state(p, model, s, err);
}

static int get_state(struct kn_plan *p, int model, struct kn_state *ret, struct hpo_err *err)
{
    return module->get_state(p, model, ret, err);
}

static int train(struct kn_plan *p, const struct kn_batch *batch, const struct kn_batch *next,
                 double *ret_loss, struct hpo_err *err)
{
    return module->train(p, batch, next, ret_loss, err);
}

static int losses(struct kn_plan *p, double *ret_sum, struct hpo_err *err)
{
    return module->losses(p, ret_sum, err);
}

static int set_losses(struct kn_plan *p, const double *sum, struct hpo_err *err)
{
    return module->set_losses(p, sum, err);
}

static int eval(struct kn_plan *p, const int32_t *const *index, const int *n,
                float *const *ret_logits, struct hpo_err *err)
{
    return module->eval(p, index, n, ret_logits, err);
}

static int get_gradients(struct kn_plan *p, int model, float *ret, struct hpo_err *err)
{
    return module->get_gradients(p, model, ret, err);
}

const struct kn_backend_ops kn_backend_cuda = {
    .plugin = {.name = "cuda", .help = "cuDNN and cuBLAS on NVIDIA GPUs"},
    .precisions =
        1u << KN_PRECISION_AUTO | 1u << KN_FP32 | 1u << KN_TF32 | 1u << KN_BF16 | 1u << KN_FP16,
    .async = true,
    .count = count,
    .describe = describe,
    .open = open_device,
    .close = close_device,
    .data_open = data_open,
    .data_close = data_close,
    .estimate = estimate,
    .compile = compile,
    .plan_free = plan_free,
    .set_hyper = set_hyper,
    .set_state = set_state,
    .get_state = get_state,
    .train = train,
    .losses = losses,
    .set_losses = set_losses,
    .eval = eval,
    .get_gradients = get_gradients,
};
