/* How many trials at once: the decision on devices of which the throughput is known, and the
 * measuring of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "hpo/load.h"
#include "hpo/packing.h"

/* A device, as its worker tells of it. */
struct device {
    double rate[PACKING_MAX + 2]; /* what n trials get done in a second */
    double memory, each;          /* bytes, of a trial; 0: not told */
    double noise;                 /* a window is off by at most this part */
    struct hpo_rng rng;
    double seconds[PACKING_MAX + 2], work[PACKING_MAX + 2];
    int told; /* times that it settled */
};

/* Some seconds of as many trials as may run. */
static enum packing_news live(struct packing *p, struct device *d, double seconds)
{
    enum packing_news last = PACKING_NOTHING;

    for (double t = 0; t < seconds; t += 0.25) {
        int n = p->n;
        double u = 2 * hpo_rng_uniform(&d->rng) - 1;
        enum packing_news news;

        d->seconds[n] += 0.25;
        d->work[n] += 0.25 * d->rate[n] * (1 + d->noise * u);
        news = packing_feed(p, &(struct packing_sample){
                                   .training = n,
                                   .seconds = d->seconds[n],
                                   .work = d->work[n],
                                   .bytes = d->each,
                                   .bytes_free = d->memory > 0 ? d->memory - n * d->each : 0,
                               });
        d->told += news == PACKING_SETTLED;
        last = news ? news : last;
    }
    return last;
}

/* It grows up to k, by a bit less for each, and then not. */
static void grow_to(struct device *d, int k)
{
    for (int n = 1; n <= PACKING_MAX + 1; n++)
        d->rate[n] = n <= k ? d->rate[n - 1] + 1000.0 / (1 + 0.02 * n) : d->rate[k];
}

static void finds_where_it_ends(void **state)
{
    (void)state;
    for (int k = 1; k <= 16; k++) {
        struct device d = {.noise = 0.02, .rng = hpo_rng_for(1, k, -1, "device", 0)};
        struct packing p;
        char text[100];

        grow_to(&d, k);
        packing_init(&p, 16);
        assert_int_equal(p.n, 1);
        live(&p, &d, 200);
        assert_true(p.settled);
        assert_int_equal(p.n, k);
        assert_int_equal(d.told, 1);
        packing_say(&p, text, sizeof(text));
        if (k == 4)
            assert_string_equal(text, "4 trials at once: 3.9x the throughput of one");
        if (k == 1)
            assert_non_null(strstr(text, "one trial at a time: two at once get 1.0"));
    }
}

static void never_more_than_allowed(void **state)
{
    struct device d = {0};
    struct packing p;

    (void)state;
    grow_to(&d, 64);
    packing_init(&p, 3);
    live(&p, &d, 100);
    assert_int_equal(p.n, 3);
    packing_init(&p, 1);
    live(&p, &d, 100);
    assert_int_equal(p.n, 1);
    packing_init(&p, 1000);
    assert_int_equal(p.max, PACKING_MAX);
    live(&p, &d, 1000);
    assert_true(p.n > 16 && p.n < 25); /* one more is less than a twentieth more */
}

/* More makes it worse: back to what was best. */
static void goes_back(void **state)
{
    struct device d = {0};
    struct packing p;

    (void)state;
    grow_to(&d, 2);
    d.rate[3] = d.rate[1] / 2;
    packing_init(&p, 16);
    live(&p, &d, 60);
    assert_int_equal(p.n, 2);
    assert_int_equal(p.best, 2);
}

static void as_memory_lasts(void **state)
{
    struct device d = {.memory = 10e9, .each = 2.6e9};
    struct packing p;
    char text[100];

    (void)state;
    grow_to(&d, 16);
    packing_init(&p, 16);
    live(&p, &d, 100);
    assert_int_equal(p.n, 3); /* a fourth leaves no margin */
    packing_say(&p, text, sizeof(text));
    assert_non_null(strstr(text, "no memory for another"));

    /* Nothing was known of it, and the trial has to wait. */
    d = (struct device){0};
    grow_to(&d, 16);
    packing_init(&p, 16);
    while (p.n < 4)
        live(&p, &d, 0.25);
    assert_int_equal(packing_full(&p, 3), PACKING_SETTLED);
    assert_int_equal(p.n, 3);
    assert_int_equal(packing_full(&p, 2), PACKING_NOTHING); /* larger trials wait now and then */
    assert_int_equal(p.n, 3);
}

/* Other numbers of trials than may run say nothing; nor does a window that is not full. */
static void waits_for_windows(void **state)
{
    struct packing p;

    (void)state;
    packing_init(&p, 16);
    for (int i = 0; i < 100; i++)
        packing_feed(&p, &(struct packing_sample){.training = 2, .seconds = i, .work = i});
    assert_int_equal(p.n, 1);
    packing_feed(&p, &(struct packing_sample){.training = 1, .seconds = 10, .work = 1000});
    packing_feed(&p, &(struct packing_sample){.training = 1, .seconds = 12.9, .work = 2000});
    assert_int_equal(p.n, 1);
    packing_restart(&p); /* the worker died */
    packing_feed(&p, &(struct packing_sample){.training = 1, .seconds = 1, .work = 100});
    packing_feed(&p, &(struct packing_sample){.training = 1, .seconds = 3.9, .work = 500});
    assert_int_equal(p.n, 1);
    /* A new worker of which nobody told. */
    packing_feed(&p, &(struct packing_sample){.training = 1, .seconds = 0.5, .work = 10});
    packing_feed(&p, &(struct packing_sample){.training = 1, .seconds = 3.6, .work = 500});
    assert_int_equal(p.n, 2);
}

static void other_work(void **state)
{
    struct device d = {.noise = 0.02, .rng = hpo_rng_for(1, 0, -1, "device", 0)};
    struct packing p;

    (void)state;
    grow_to(&d, 3);
    packing_init(&p, 16);
    live(&p, &d, 300);
    assert_int_equal(p.n, 3);
    assert_int_equal(d.told, 1); /* noise is no reason */
    grow_to(&d, 7);
    for (int n = 1; n <= PACKING_MAX + 1; n++)
        d.rate[n] *= 5;
    live(&p, &d, 100);
    assert_int_equal(p.n, 7);
    assert_int_equal(d.told, 2);
}

/* Of what a worker measures only the time counts in which nobody was beginning. */
static void load_counts(void **state)
{
    struct load l = {.last = 100};

    (void)state;
    load_set(&l, 0, LOAD_BEGINS, 100);
    load_progress(&l, 0, 7, 103); /* it compiled for 3 s */
    assert_int_equal(l.trains, 1);
    assert_true(l.seconds[0] == 0 && l.seconds[1] == 0 && l.work[1] == 0);
    load_progress(&l, 0, 27, 104);
    assert_true(l.seconds[1] == 1 && l.work[1] == 20);
    load_set(&l, 1, LOAD_BEGINS, 105);
    load_progress(&l, 0, 57, 106); /* beside one that begins */
    assert_true(l.seconds[1] == 2 && l.work[1] == 20);
    load_progress(&l, 1, 1, 107);
    load_progress(&l, 0, 67, 108);
    load_progress(&l, 1, 11, 109);
    assert_int_equal(l.trains, 2);
    assert_true(l.seconds[2] == 2 && l.work[2] == 20);
    load_set(&l, 1, LOAD_IDLE, 109); /* it waits for memory, or is done */
    load_progress(&l, 0, 77, 110);
    assert_true(l.seconds[1] == 3 && l.work[1] == 30);
    load_set(&l, 0, LOAD_IDLE, 111);
    load_set(&l, 0, LOAD_BEGINS, 112);
    assert_true(l.seconds[0] == 1 && l.seconds[1] == 4);
    assert_int_equal(l.trains + l.begins, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_where_it_ends), cmocka_unit_test(never_more_than_allowed),
        cmocka_unit_test(goes_back),           cmocka_unit_test(as_memory_lasts),
        cmocka_unit_test(waits_for_windows),   cmocka_unit_test(other_work),
        cmocka_unit_test(load_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
