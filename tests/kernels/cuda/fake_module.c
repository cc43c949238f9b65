/* What hpo-cuda.so is to the program, without a GPU: devices that compute on the CPU and can fail.
 * The program loads it when HPO_CUDA_MODULE names it. It obeys
 *   FAKE_GPUS=N              N devices (2); 0: none
 *   FAKE_GPU_FAIL=INDEX:OP   that device fails every time in OP: open, train
 *   FAKE_GPU_FAIL_ONCE=FILE  the next training step fails, whoever removes this file
 *   FAKE_GPU_MEMORY=BYTES    of each, all of it free (8e9, half of it somebody else's); what plans
 * do not fit into is HPO_ENOMEM FAKE_GPU_STEP_MS=T       a training step takes so long,
 *   FAKE_GPU_LANES=K         and so many plans at once find a device that is not busy (1); others
 *                            wait: so K trials at once get K times as much done, and no more
 * Built with FAKE_VERSION it claims to be of another version. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "kernels/backend.h"

extern const struct kn_backend_ops kn_backend_cpu, hpo_cuda_backend;
extern const char hpo_cuda_version[];

#ifndef FAKE_VERSION
#define FAKE_VERSION HPO_VERSION
#endif

struct fake_dev {
    struct kn_dev base;
    struct kn_dev *cpu;
    int index;
};

struct fake_plan {
    struct kn_plan base;
    struct kn_plan *cpu;
    int index;
    double bytes;
};

#define MAX_GPUS 16

/* What the plans of a process take of each device. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    double used[MAX_GPUS];
    int busy[MAX_GPUS]; /* lanes */
} devices = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static const struct kn_backend_ops *const cpu = &kn_backend_cpu;

static struct kn_dev *cpu_dev(struct kn_dev *d)
{
    return ((struct fake_dev *)d)->cpu;
}

static struct kn_plan *cpu_plan(struct kn_plan *p)
{
    return ((struct fake_plan *)p)->cpu;
}

static double number(const char *name, double otherwise)
{
    const char *v = getenv(name);

    return v ? atof(v) : otherwise;
}

static int fails(int index, const char *op, struct hpo_err *err)
{
    const char *fail = getenv("FAKE_GPU_FAIL"), *once = getenv("FAKE_GPU_FAIL_ONCE");
    char mine[64];

    snprintf(mine, sizeof(mine), "%d:%s", index, op);
    if ((fail && !strcmp(fail, mine)) || (once && !strcmp(op, "train") && !unlink(once)))
        return hpo_fail(err, HPO_EDEVICE, "CUDA, %s: an illegal memory access was encountered", op);
    return 0;
}

static int count(const char **ret_why)
{
    *ret_why = "the fake has no GPU";
    return (int)number("FAKE_GPUS", 2) % (MAX_GPUS + 1);
}

static double memory_free(int index)
{
    double all = number("FAKE_GPU_MEMORY", 4e9), used;

    pthread_mutex_lock(&devices.lock);
    used = devices.used[index];
    pthread_mutex_unlock(&devices.lock);
    return all - used;
}

static int describe(int index, struct kn_device_info *ret, struct hpo_err *err)
{
    const char *why;

    if (index < 0 || index >= count(&why))
        return hpo_fail(err, HPO_EDEVICE, "there is no cuda:%d", index);
    *ret = (struct kn_device_info){.name = "Fake GPU",
                                   .detail = "compute capability 9.9",
                                   .memory_total = number("FAKE_GPU_MEMORY", 8e9)};
    ret->memory_free = memory_free(index);
    return 0;
}

static int open_device(int index, int threads, struct kn_dev **ret, struct hpo_err *err)
{
    struct fake_dev *d;
    struct kn_dev *below;
    int rc = fails(index, "open", err);

    if (!rc)
        rc = cpu->open(0, threads, &below, err);
    if (rc)
        return rc;
    d = xcalloc(1, sizeof(*d));
    *d = (struct fake_dev){{&hpo_cuda_backend}, below, index};
    *ret = &d->base;
    return 0;
}

static void close_device(struct kn_dev *d)
{
    if (!d)
        return;
    cpu->close(cpu_dev(d));
    free(d);
}

static int data_open(struct kn_dev *d, const struct kn_images *images, void **ret,
                     struct hpo_err *err)
{
    return cpu->data_open(cpu_dev(d), images, ret, err);
}

static void data_close(struct kn_dev *d, void *data)
{
    cpu->data_close(cpu_dev(d), data);
}

static double estimate(struct kn_dev *d, const struct kn_plan_desc *desc)
{
    struct kn_plan_desc exactly = *desc;

    exactly.precision = KN_FP32; /* better than what was asked for */
    return cpu->estimate(cpu_dev(d), &exactly);
}

static void take(int index, double bytes)
{
    pthread_mutex_lock(&devices.lock);
    devices.used[index] += bytes;
    pthread_mutex_unlock(&devices.lock);
}

static int compile(struct kn_dev *d, const struct kn_plan_desc *desc, void *data,
                   struct kn_plan **ret, struct hpo_err *err)
{
    int index = ((struct fake_dev *)d)->index;
    double bytes = estimate(d, desc), room = memory_free(index);
    struct kn_plan_desc exactly = *desc;
    struct fake_plan *p;
    struct kn_plan *below;
    int rc;

    if (bytes > room)
        return hpo_fail(err, HPO_ENOMEM, "%.0f bytes are needed (%.2f GiB), %.0f are free", bytes,
                        bytes / (1 << 30), room);
    exactly.precision = KN_FP32;
    rc = cpu->compile(cpu_dev(d), &exactly, data, &below, err);
    if (rc)
        return rc;
    p = xcalloc(1, sizeof(*p));
    *p = (struct fake_plan){*below, below, index, bytes};
    p->base.ops = &hpo_cuda_backend;
    take(index, bytes);
    *ret = &p->base;
    return 0;
}

static void plan_free(struct kn_plan *p)
{
    if (!p)
        return;
    take(((struct fake_plan *)p)->index, -((struct fake_plan *)p)->bytes);
    cpu->plan_free(cpu_plan(p));
    free(p);
}

static int set_hyper(struct kn_plan *p, int model, const struct kn_hyper *h, struct hpo_err *err)
{
    return cpu->set_hyper(cpu_plan(p), model, h, err);
}

static int set_state(struct kn_plan *p, int model, const struct kn_state *s, struct hpo_err *err)
{
    return cpu->set_state(cpu_plan(p), model, s, err);
}

static int get_state(struct kn_plan *p, int model, struct kn_state *ret, struct hpo_err *err)
{
    return cpu->get_state(cpu_plan(p), model, ret, err);
}

static void spend_time(int index)
{
    double ms = number("FAKE_GPU_STEP_MS", 0);
    int lanes = (int)number("FAKE_GPU_LANES", 1);

    if (ms <= 0)
        return;
    pthread_mutex_lock(&devices.lock);
    while (devices.busy[index] >= lanes)
        pthread_cond_wait(&devices.changed, &devices.lock);
    devices.busy[index]++;
    pthread_mutex_unlock(&devices.lock);
    usleep((useconds_t)(ms * 1000));
    pthread_mutex_lock(&devices.lock);
    devices.busy[index]--;
    pthread_cond_signal(&devices.changed);
    pthread_mutex_unlock(&devices.lock);
}

static int train(struct kn_plan *p, const struct kn_batch *batch, const struct kn_batch *next,
                 double *ret_loss, struct hpo_err *err)
{
    int rc = fails(((struct fake_plan *)p)->index, "train", err);

    if (!rc)
        spend_time(((struct fake_plan *)p)->index);

    return rc ? rc : cpu->train(cpu_plan(p), batch, next, ret_loss, err);
}

static int losses(struct kn_plan *p, double *ret_sum, struct hpo_err *err)
{
    return cpu->losses(cpu_plan(p), ret_sum, err);
}

static int set_losses(struct kn_plan *p, const double *sum, struct hpo_err *err)
{
    return cpu->set_losses(cpu_plan(p), sum, err);
}

static int eval(struct kn_plan *p, const int32_t *const *index, const int *n,
                float *const *ret_logits, struct hpo_err *err)
{
    return cpu->eval(cpu_plan(p), index, n, ret_logits, err);
}

static int get_gradients(struct kn_plan *p, int model, float *ret, struct hpo_err *err)
{
    return cpu->get_gradients(cpu_plan(p), model, ret, err);
}

__attribute__((visibility("default"))) const char hpo_cuda_version[] = FAKE_VERSION;

__attribute__((visibility("default"))) const struct kn_backend_ops hpo_cuda_backend = {
    .plugin = {.name = "cuda", .help = "a fake"},
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
