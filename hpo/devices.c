#include "hpo/devices.h"

#include <sched.h>
#include <string.h>

#include "base/str.h"

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
    return !strcmp(d->backend->plugin.name, "cpu");
}

static int parse_word(const char *word, size_t n, struct arena *a, struct device_spec *ret,
                      struct hpo_err *err)
{
    const char *text = arena_strndup(a, word, n), *colon = strchr(text, ':'), *why = NULL;
    const char *kind = colon ? arena_strndup(a, text, (size_t)(colon - text)) : text;
    const struct kn_backend_ops *b;
    int64_t index = 0;
    int count;

    b = hpo_registry_find((const void *const *)kn_backend_registry, kind);
    if (!b || (colon && (!str_to_int(colon + 1, &index) || index < 0 || index > 1023)))
        return hpo_fail(err, HPO_ECONFIG, "devices.use: '%s' is not a device of this build", text);
    count = b->count(&why);
    if (index >= count)
        return hpo_fail(err, HPO_EDEVICE, "devices.use: there is no %s%s%s", text, why ? ": " : "",
                        why ? why : "");
    *ret = (struct device_spec){.backend = b, .index = (int)index, .name = text};
    return 0;
}

/* auto: every device of the first backend, other than the CPU, that has any; else the CPU. */
static const char *automatic(struct arena *a)
{
    const char *why;

    for (int i = 0; kn_backend_registry[i]; i++) {
        const char *name = kn_backend_registry[i]->plugin.name, *list = NULL;
        int n = strcmp(name, "cpu") ? kn_backend_registry[i]->count(&why) : 0;

        for (int k = 0; k < n; k++)
            list = arena_printf(a, "%s%s%s:%d", list ? list : "", list ? "," : "", name, k);
        if (list)
            return list;
    }
    return "cpu";
}

/* How many trials run at once on one of `on_cpu` shares of the cores, when the study leaves it open.
 * On an idle machine one model on two threads and two models on one thread each train as many images
 * a second (tests/bench/run_train.sh); on a shared one the threads of a model wait for each other and
 * lose by a factor. So a core a trial. Beyond a few at once, a sampler that learns would know too little:
 * then each gets several cores. */
#define AT_ONCE_MAX 8

static int automatic_slots(const struct study_config *c, int on_cpu)
{
    int share = cpu_cores() / on_cpu, n = c->devices.threads > 0 ? share / c->devices.threads : share;

    n = n > AT_ONCE_MAX ? AT_ONCE_MAX : n;
    n = n > c->study.trials ? c->study.trials : n;
    return n > 1 ? n : 1;
}

int devices_resolve(const struct study_config *c, struct arena *a, struct device_spec **ret,
                    int *ret_n, struct hpo_err *err)
{
    const char *use = c->devices.use, *p;
    struct device_spec *d;
    int n = 0, on_cpu = 0;

    if (!use || !strcmp(use, "auto"))
        use = automatic(a);
    else if (strcmp(use, "cpu") && hpo_registry_find((const void *const *)kn_backend_registry, use))
        use = arena_printf(a, "%s:0", use);
    d = ARENA_ARRAY(a, struct device_spec, strlen(use) + 1);
    for (p = use;; p += strcspn(p, ",") + 1) {
        size_t len = strcspn(p, ",");
        int rc = parse_word(p, len, a, &d[n], err);

        if (rc)
            return rc;
        on_cpu += is_cpu(&d[n]);
        n++;
        if (!p[len])
            break;
    }
    for (int i = 0; i < n; i++) {
        int same = 1, share;

        d[i].slots = c->devices.trials_per_device > 0 ? c->devices.trials_per_device
                     : is_cpu(&d[i])                  ? automatic_slots(c, on_cpu)
                                                      : 1;
        share = cpu_cores() / ((on_cpu ? on_cpu : 1) * d[i].slots);
        for (int k = 0; k < i; k++)
            same += d[k].backend == d[i].backend && d[k].index == d[i].index;
        if (same > 1)
            d[i].name = arena_printf(a, "%s#%d", d[i].name, same);
        d[i].threads = c->devices.threads > 0 ? c->devices.threads : share > 0 ? share : 1;
    }
    *ret = d;
    *ret_n = n;
    return 0;
}
