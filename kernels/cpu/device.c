/* The host's processor as a device. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/cpu/plan.h"

static int cpu_threads(void)
{
    cpu_set_t set;
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    if (!sched_getaffinity(0, sizeof(set), &set))
        n = CPU_COUNT(&set);
    return n < 1 ? 1 : (int)n;
}

/* The value of the first line "key ... : value" of a file like /proc/cpuinfo. */
static bool proc_line(const char *path, const char *key, char *ret, size_t size)
{
    FILE *f = fopen(path, "r");
    char line[512];
    bool found = false;

    while (f && !found && fgets(line, sizeof(line), f)) {
        const char *colon = strchr(line, ':');

        if (strncmp(line, key, strlen(key)) || !colon)
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(ret, size, "%.*s", (int)strcspn(colon, "\n"), colon);
        found = true;
    }
    if (f)
        fclose(f);
    return found;
}

static double memory_free(void)
{
    char text[64], *end;
    double kib;

    if (!proc_line("/proc/meminfo", "MemAvailable", text, sizeof(text)))
        return 0;
    kib = strtod(text, &end);
    return end == text ? 0 : kib * 1024;
}

int cpu_device_count(const char **ret_why)
{
    *ret_why = "";
    return 1;
}

static int device_check(int index, struct hpo_err *err)
{
    if (index)
        return hpo_fail(err, HPO_ECONFIG, "cpu:%d: there is one device of this kind, cpu:0", index);
    return HPO_OK;
}

int cpu_device_describe(int index, struct kn_device_info *ret, struct hpo_err *err)
{
    const dnnl_version_t *v = dnnl_version();
    char model[80] = "CPU";
    int rc = device_check(index, err);

    if (rc)
        return rc;
    proc_line("/proc/cpuinfo", "model name", model, sizeof(model));
    *ret = (struct kn_device_info){0};
    snprintf(ret->name, sizeof(ret->name), "%s (%d thread%s, %s)", model, cpu_threads(),
             cpu_threads() == 1 ? "" : "s", dn_isa_name());
    snprintf(ret->detail, sizeof(ret->detail), "oneDNN %d.%d.%d, %s loops, fp32", v->major, v->minor,
             v->patch, cpu_vec_pick(dn_lanes())->name);
    ret->memory_total = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    ret->memory_free = memory_free();
    return HPO_OK;
}

int cpu_device_open(int index, int threads, struct kn_dev **ret, struct hpo_err *err)
{
    struct cpu_dev *d;
    dnnl_engine_t engine;
    dnnl_status_t st;
    int rc = device_check(index, err);

    if (rc)
        return rc;
    if (threads < 0)
        return hpo_fail(err, HPO_ECONFIG, "%d threads", threads);
    st = dnnl_engine_create(&engine, dnnl_cpu, 0);
    if (st != dnnl_success)
        return dn_fail(err, st, "the CPU engine");
    d = xcalloc(1, sizeof(*d));
    d->base.ops = &kn_backend_cpu;
    d->threads = threads ? threads : cpu_threads();
    d->engine = engine;
    d->block = dn_block();
    d->vec = cpu_vec_pick(dn_lanes());
    *ret = &d->base;
    return HPO_OK;
}

void cpu_device_close(struct kn_dev *dev)
{
    struct cpu_dev *d = (struct cpu_dev *)dev;

    if (!d)
        return;
    dnnl_engine_destroy(d->engine);
    free(d);
}
