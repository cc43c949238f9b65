/* Every model: builds at several sizes and class counts, trains and evaluates on the CPU, stays
 * finite, and repeats its bits. */
#include "tests/trainer/tiny_job.h"
#include "trainer/session.h"

static void check_names(const struct kn_net *n)
{
    for (int i = 0; i < n->n_params; i++) {
        assert_true(strlen(n->param[i].name) > 0);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(n->param[i].name, n->param[j].name);
    }
}

static void builds(void **state)
{
    (void)state;
    for (int i = 0; model_registry[i]; i++)
        for (int side = 16; side <= 64; side *= 2)
            for (int classes = 2; classes <= 200; classes *= 10) {
                struct kn_images images = {.n = 1, .h = side, .w = side, .classes = classes};
                struct tr_config c = {0};
                struct arena a = {0};
                struct kn_net net;
                struct hpo_err err = {0};

                c.model.part.ops = model_registry[i];
                c.model.part.priv = make_priv(&a, &model_registry[i]->plugin, "");
                if (tr_build_net(&c, &images, &net, &err))
                    fail_msg("%d pixels: %s", side, err.msg);
                assert_int_equal(net.classes, classes);
                assert_true(net.n_weights > 0 && kn_net_macs(&net) > 0);
                check_names(&net);
                kn_net_release(&net);
                arena_release(&a);
            }
}

static void trains(void **state)
{
    const struct kn_backend_ops *cpu =
        hpo_registry_find((const void *const *)kn_backend_registry, "cpu");

    (void)state;
    assert_non_null(cpu);
    for (int i = 0; model_registry[i]; i++) {
        struct tr_result r[2];
        struct tr_session *s;
        struct tiny t;

        tiny_init(&t, 12, 2, 16, 2);
        tiny_config(&t, model_registry[i]->plugin.name, "sgd lr=1e-6", 3, 1);
        assert_int_equal(tr_session_open(cpu, 0, 1, &s, NULL), 0);
        for (int k = 0; k < 2; k++) {
            struct tr_job job = tiny_job(&t, TR_FOLD_FIRST);
            struct hpo_err err = {0};
            bool pruned;

            job.run = 1;
            tiny_clear_dir(&t);
            if (tr_train(s, &job, &r[k], &pruned, &err))
                fail_msg("%s: %s", model_registry[i]->plugin.name, err.msg);
            assert_true(isfinite(t.epoch[k].train_loss));
        }
        assert_same_result(&r[0], &r[1]);
        assert_same_epoch(&t.epoch[0], &t.epoch[1]);
        tr_session_close(s);
        tiny_release(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(builds), cmocka_unit_test(trains)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
