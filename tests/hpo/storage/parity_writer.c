/* parity_writer write PATH minimize|maximize: make a study with every kind of parameter and state.
 * parity_writer queue PATH: one with a trial that was tried three times and three that were asked for,
 * of which one is running.
 * parity_writer dump PATH: print what our reader makes of a file, as JSON in the user's direction.
 * The other half is parity_optuna.py. */
#include "tests/hpo/storage/fixture.h"

#include "base/json.h"

/* What trial n ends as; internal values, smaller is better. */
static const struct {
    enum hpo_trial_state state;
    double value;
    int n_points;
    double points[3];
} ends[] = {
    {HPO_TRIAL_COMPLETE, 0.75, 3, {0.5, NAN, 0.75}},
    {HPO_TRIAL_COMPLETE, 0.1 + 0.2, 2, {0.25, HUGE_VAL}},
    {HPO_TRIAL_PRUNED, 1.5, 1, {1.5}},
    {HPO_TRIAL_PRUNED, NAN, 0, {0}},
    {HPO_TRIAL_FAIL, NAN, 2, {-HUGE_VAL, 1e-300}},
    {HPO_TRIAL_COMPLETE, 0.1 + 0.2, 0, {0}}, /* a tie: the earlier one is best */
    {HPO_TRIAL_COMPLETE, HUGE_VAL, 0, {0}},
    {HPO_TRIAL_COMPLETE, 0.5, 1, {0}},
    {HPO_TRIAL_RUNNING, NAN, 1, {0.125}},
};

static int write_trial(struct fx *f, int n)
{
    static const struct hpo_fold folds[] = {{0, 0.25, 1, 2}, {1, 0.75, 0, 2.5}};
    static const char *const names[] = {"accuracy"};
    struct hpo_trial t = {.number = n, .values = fx_values(&f->arena, n),
                          .started = 1790000000.25 + n * 100};
    int rc = f->s.ops->add_trial(&f->s, &fx_space, &t, &f->err);

    if (!rc)
        rc = f->s.ops->start_attempt(&f->s, t.id, 1, "cpu", 1, &f->err);
    for (int i = 0; i < ends[n].n_points && !rc; i++) {
        const double values[] = {0.5};
        const struct hpo_epoch_report r = {0, i, 1, names, values};
        const struct hpo_point p = {i * 2, ends[n].points[i]};

        rc = f->s.ops->report(&f->s, t.id, &r, &p, &f->err);
    }
    if (rc || ends[n].state == HPO_TRIAL_RUNNING)
        return rc;
    t.state = ends[n].state;
    t.value = ends[n].value;
    t.ended = t.started + 62.5;
    t.seconds = 60;
    t.attempts = 1;
    t.device = "cpu";
    t.reason = t.state == HPO_TRIAL_FAIL ? "loss is NaN\nin fold 0" : NULL;
    t.folds = folds;
    t.n_folds = t.state == HPO_TRIAL_COMPLETE ? 2 : 0;
    return f->s.ops->finish(&f->s, &t, &f->err);
}

static int write_study(struct fx *f, bool maximize)
{
    struct hpo_study_info info = fx_info(maximize);
    int rc = fx_open(f, STORAGE_CREATE);

    if (!rc)
        rc = f->s.ops->create_study(&f->s, &info, &f->err);
    for (size_t i = 0; i < HPO_LEN(ends) && !rc; i++)
        rc = write_trial(f, (int)i);
    return rc;
}

static int add_ended(struct fx *f, int n, int retry, enum hpo_trial_state state)
{
    struct hpo_trial t = {.number = n, .values = fx_values(&f->arena, 0), .retry = retry};
    int rc = f->s.ops->add_trial(&f->s, &fx_space, &t, &f->err);

    t.state = state;
    t.value = state == HPO_TRIAL_COMPLETE ? 0.5 : NAN;
    return rc ? rc : f->s.ops->finish(&f->s, &t, &f->err);
}

static int write_queue(struct fx *f)
{
    const double some[FX_N] = {NAN, 0.3, NAN, 33, NAN, 3, NAN};
    struct hpo_study_info info = fx_info(false);
    struct hpo_trial t[3];
    int rc = fx_open(f, STORAGE_CREATE);

    if (!rc)
        rc = f->s.ops->create_study(&f->s, &info, &f->err);
    for (int i = 0; i < 3 && !rc; i++)
        rc = add_ended(f, i, i, i < 2 ? HPO_TRIAL_FAIL : HPO_TRIAL_COMPLETE);
    for (int i = 0; i < 3 && !rc; i++) {
        t[i] = (struct hpo_trial){.number = i + 3,
                                  .values = i == 2 ? some : fx_values(&f->arena, i + 3)};
        rc = f->s.ops->enqueue(&f->s, &fx_space, &t[i], &f->err);
    }
    return rc ? rc : f->s.ops->claim(&f->s, &fx_space, &t[0], &f->err);
}

/* JSON has no infinities: a number, or its name. */
static cJSON *exact(double v)
{
    return isfinite(v) ? json_number(v)
                       : cJSON_CreateString(isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
}

static cJSON *trial_json(const struct hpo_trial *t, bool maximize)
{
    cJSON *j = cJSON_CreateObject(), *params = cJSON_AddObjectToObject(j, "params");
    cJSON *points = cJSON_AddObjectToObject(j, "points");
    char step[32];

    json_put_number(j, "number", t->number);
    json_put_string(j, "state", hpo_trial_state_name(t->state));
    cJSON_AddItemToObject(j, "value", exact(hpo_value_flip(t->value, maximize)));
    json_put_number(j, "started", t->started);
    json_put_number(j, "ended", t->ended);
    for (int i = 0; i < FX_N; i++)
        if (!isnan(t->values[i]))
            json_put_number(params, fx_params[i].name, t->values[i]);
    for (int i = 0; i < t->n_points; i++) {
        snprintf(step, sizeof(step), "%lld", (long long)t->points[i].step);
        cJSON_AddItemToObject(points, step, exact(hpo_value_flip(t->points[i].value, maximize)));
    }
    return j;
}

static int dump(struct fx *f)
{
    struct hpo_study_info info;
    struct hpo_trial *t;
    struct str out = {0};
    cJSON *all;
    int n, rc = fx_open(f, STORAGE_READ);

    if (!rc)
        rc = f->s.ops->load_study(&f->s, &info, &f->err);
    if (!rc)
        rc = f->s.ops->load_trials(&f->s, &fx_space, &f->arena, &t, &n, &f->err);
    if (rc)
        return rc;
    all = cJSON_CreateArray();
    for (int i = 0; i < n; i++)
        cJSON_AddItemToArray(all, trial_json(&t[i], info.maximize));
    json_write(all, &out);
    puts(str_c(&out));
    str_release(&out);
    cJSON_Delete(all);
    return 0;
}

int main(int argc, char **argv)
{
    struct fx f = {.s = {.ops = &storage_sqlite}};
    int rc;

    if (argc < 3)
        return 2;
    f.s.arena = &f.arena;
    snprintf(f.path, sizeof(f.path), "%s", argv[2]);
    rc = !strcmp(argv[1], "dump")    ? dump(&f)
         : !strcmp(argv[1], "queue") ? write_queue(&f)
                                     : write_study(&f, !strcmp(argv[argc - 1], "maximize"));
    fx_close(&f);
    if (rc)
        fprintf(stderr, "%s\n", f.err.msg);
    arena_release(&f.arena);
    return rc ? 1 : 0;
}
