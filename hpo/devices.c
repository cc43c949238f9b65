#include "hpo/devices.h"

#include <dirent.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hpo/objective.h"

#define MAX_INDEX 1023

int cpu_cores(void)
{
    cpu_set_t set;
    int n;

    if (sched_getaffinity(0, sizeof(set), &set))
        return 1;
    n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

static bool is_cpu(const struct device_spec *d)
{
    return !strcmp(d->kind, "cpu");
}

static bool trains(const struct study_config *c)
{
    const struct objective_ops *o = c->objective.ops;

    return !o || o->trains;
}

/* "0,2": two; "": none; as CUDA reads it, a word that is no device hides all that follow. */
static int visible_count(const char *visible)
{
    int n = 0;

    for (const char *p = visible; *p && *p != ',' && strncmp(p, "-", 1);) {
        n++;
        p += strcspn(p, ",");
        p += *p == ',';
    }
    return n;
}

int gpu_count(const char *driver_folder, const char *visible)
{
    DIR *dir = opendir(driver_folder);
    struct dirent *e;
    int n = 0, seen;

    if (!dir)
        return -1;
    while ((e = readdir(dir)))
        n += *e->d_name != '.';
    closedir(dir);
    if (!visible)
        return n;
    seen = visible_count(visible);
    return seen < n ? seen : n;
}

/* For an objective that does not train. */
static int find_free(const char *kind, const char *text, int64_t index, struct hpo_err *err)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    int gpus;

    if (!strcmp(kind, "cpu"))
        return index == 0 ? 0 : hpo_fail(err, HPO_EDEVICE, "devices.use: there is no %s", text);
    if (strcmp(kind, "cuda"))
        return hpo_fail(err, HPO_ECONFIG, "devices.use: '%s' is not a device", text);
    gpus = gpu_count(GPU_DRIVER_FOLDER, visible);
    if (gpus < 0 && visible) /* of those that are hidden none may be used, whatever there is */
        gpus = visible_count(visible);
    if (gpus >= 0 && index >= gpus)
        return hpo_fail(err, HPO_EDEVICE, "devices.use: there is no %s: programs see %d GPUs here",
                        text, gpus);
    return 0;
}

static int find_backend(const struct kn_backend_ops *b, const char *text, int64_t index,
                        struct hpo_err *err)
{
    const char *why = NULL;

    if (!b)
        return hpo_fail(err, HPO_ECONFIG, "devices.use: '%s' is not a device of this build", text);
    if (index >= b->count(&why))
        return hpo_fail(err, HPO_EDEVICE, "devices.use: there is no %s%s%s", text, why ? ": " : "",
                        why ? why : "");
    return 0;
}

static int parse_word(const struct study_config *c, const char *word, size_t n, struct arena *a,
                      struct device_spec *ret, struct hpo_err *err)
{
    const char *text = arena_strndup(a, word, n), *colon = strchr(text, ':');
    const char *kind = colon ? arena_strndup(a, text, (size_t)(colon - text)) : text;
    const struct kn_backend_ops *b;
    int64_t index = 0;
    int rc;

    if (colon && (!str_to_int(colon + 1, &index) || index < 0 || index > MAX_INDEX))
        return hpo_fail(err, HPO_ECONFIG, "devices.use: '%s' is not a device of this build", text);
    b = hpo_registry_find((const void *const *)kn_backend_registry, kind);
    rc = trains(c) ? find_backend(b, text, index, err) : find_free(kind, text, index, err);
    if (rc)
        return rc;
    *ret = (struct device_spec){.backend = b, .kind = kind, .index = (int)index, .name = text};
    return 0;
}

/* "cuda:0,cuda:1"; NULL: none. */
static const char *all_of(const char *name, int n, struct arena *a)
{
    const char *list = NULL;

    for (int k = 0; k < n; k++)
        list = arena_printf(a, "%s%s%s:%d", list ? list : "", list ? "," : "", name, k);
    return list;
}

/* auto: every device of the first backend, other than the CPU, that has any; else the CPU. */
static const char *automatic(const struct study_config *c, struct arena *a)
{
    const char *why, *list = NULL;

    if (!trains(c))
        list = all_of("cuda", gpu_count(GPU_DRIVER_FOLDER, getenv("CUDA_VISIBLE_DEVICES")), a);
    for (int i = 0; trains(c) && !list && kn_backend_registry[i]; i++) {
        const char *name = kn_backend_registry[i]->plugin.name;

        if (strcmp(name, "cpu"))
            list = all_of(name, kn_backend_registry[i]->count(&why), a);
    }
    return list ? list : "cpu";
}

#define GIB 1073741824.0

const char *device_says(const char *kind, int index, struct arena *a)
{
    const struct kn_backend_ops *b =
        hpo_registry_find((const void *const *)kn_backend_registry, kind);
    struct kn_device_info info = {0};

    if (!b || !strcmp(kind, "cpu") || b->describe(index, &info, NULL))
        return NULL;
    return arena_printf(a, "%s, %.1f GiB, %.1f of them free", info.name, info.memory_total / GIB,
                        info.memory_free / GIB);
}

const char *devices_missing(const struct study_config *c)
{
    const char *why = NULL;

    if (!trains(c) || (c->devices.use && strcmp(c->devices.use, "auto")))
        return NULL;
    for (int i = 0; kn_backend_registry[i]; i++) {
        const char *reason = NULL;

        if (!strcmp(kn_backend_registry[i]->plugin.name, "cpu"))
            continue;
        if (kn_backend_registry[i]->count(&reason))
            return NULL;
        if (!why)
            why = reason;
    }
    return why;
}

/* How many trials run at once on one of `on_cpu` shares of the cores, when the study leaves it
 * open. On an idle machine one model on two threads and two models on one thread each train as many
 * images a second (tests/bench/run_train.sh); on a shared one the threads of a model wait for each
 * other and lose by a factor. So a core a trial. Beyond a few at once, a sampler that learns would
 * know too little: then each gets several cores. */
#define AT_ONCE_MAX 8

static int automatic_slots_cpu(const struct study_config *c, int on_cpu)
{
    int share = cpu_cores() / on_cpu,
        n = c->devices.threads > 0 ? share / c->devices.threads : share;

    n = n > AT_ONCE_MAX ? AT_ONCE_MAX : n;
    n = n > c->study.trials ? c->study.trials : n;
    return n > 1 ? n : 1;
}

/* One small network leaves most of a GPU idle, a large one leaves nothing; which it is shows when
 * they run. No more than may run at once by the study's own rules. */
#define PACKED_MAX 16

static int most_packed(const struct study_config *c)
{
    int n = PACKED_MAX;

    n = n > c->study.trials ? c->study.trials : n;
    return c->sampler.lag && n > c->sampler.lag ? c->sampler.lag : n;
}

static void automatic_slots(const struct study_config *c, int on_cpu, struct device_spec *d)
{
    d->slots = 1;
    if (trains(c))
        d->slots = is_cpu(d) ? automatic_slots_cpu(c, on_cpu) : most_packed(c);
    d->packed = trains(c) && !is_cpu(d) && d->slots > 1;
}

int devices_resolve(const struct study_config *c, struct arena *a, struct device_spec **ret,
                    int *ret_n, struct hpo_err *err)
{
    const char *use = c->devices.use, *p;
    struct device_spec *d;
    int n = 0, on_cpu = 0;

    if (!use || !strcmp(use, "auto"))
        use = automatic(c, a);
    else if ((!strcmp(use, "cuda") && !trains(c)) ||
             (strcmp(use, "cpu") &&
              hpo_registry_find((const void *const *)kn_backend_registry, use)))
        use = arena_printf(a, "%s:0", use);
    d = ARENA_ARRAY(a, struct device_spec, strlen(use) + 1);
    for (p = use;; p += strcspn(p, ",") + 1) {
        size_t len = strcspn(p, ",");
        int rc = parse_word(c, p, len, a, &d[n], err);

        if (rc)
            return rc;
        on_cpu += is_cpu(&d[n]);
        n++;
        if (!p[len])
            break;
    }
    for (int i = 0; i < n; i++) {
        int same = 1, share, sharers;

        if (c->devices.trials_per_device > 0)
            d[i].slots = c->devices.trials_per_device;
        else
            automatic_slots(c, on_cpu, &d[i]);
        /* A GPU's trainer needs no cores; a command's data loaders do, whatever it trains on. */
        sharers = trains(c) ? on_cpu : n;
        share = cpu_cores() / ((sharers ? sharers : 1) * d[i].slots);
        for (int k = 0; k < i; k++)
            same += !strcmp(d[k].kind, d[i].kind) && d[k].index == d[i].index;
        if (same > 1)
            d[i].name = arena_printf(a, "%s#%d", d[i].name, same);
        d[i].threads = c->devices.threads > 0 ? c->devices.threads : share > 0 ? share : 1;
    }
    *ret = d;
    *ret_n = n;
    return 0;
}
