/* Reading all trials: one ordered query a table, joined here by trial_id.
 *
 * Other programs write these tables too (Optuna goes on with the study, people repair it), so what
 * contradicts Optuna's own rules ends with a sentence that names the row, and what merely is not
 * ours (other parameters, no hpo_trials row) is left out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hpo/storage/columns.h"
#include "hpo/storage/db.h"

#define TEXT_MAX 4096 /* of a device or a reason */

struct id_index {
    int64_t id;
    int number;
};

/* The JSON of a parameter's distribution as last seen, so that 10,000 equal texts are parsed once.
 */
struct seen {
    struct str text;
    bool known;
    struct distribution as;
};

struct loader {
    struct db *db;
    const struct hpo_space *space; /* NULL: no values */
    struct arena *a;
    struct hpo_trial *trials; /* by number; malloc'ed until load_trials hands them out */
    int n, cap;
    struct id_index *ids; /* by id */
    int hint;             /* where the last look-up ended: rows come in order of id */
    double *values;       /* n * space->n */
};

static int compare_ids(const void *a, const void *b)
{
    int64_t x = ((const struct id_index *)a)->id, y = ((const struct id_index *)b)->id;

    return (x > y) - (x < y);
}

/* NULL: a trial of another study, or none at all. */
static struct hpo_trial *find(struct loader *l, int64_t id)
{
    struct id_index key = {id, 0}, *at;

    if (l->hint < l->n && l->ids[l->hint].id == id)
        return &l->trials[l->ids[l->hint].number];
    if (l->hint + 1 < l->n && l->ids[l->hint + 1].id == id)
        return &l->trials[l->ids[++l->hint].number];
    at = l->n ? bsearch(&key, l->ids, (size_t)l->n, sizeof(key), compare_ids) : NULL;
    if (!at)
        return NULL;
    l->hint = (int)(at - l->ids);
    return &l->trials[at->number];
}

/* ---------------------------------------------------------------- trials */

static double time_column(sqlite3_stmt *s, int ours, int optunas)
{
    double t = db_real(s, ours);
    const char *text = db_text(s, optunas);

    /* Ours is exact; the other is in UTC or, from older Optunas, in a local time. */
    if (isfinite(t))
        return t > 0 ? t : 0;
    return text && column_time_read(text, &t) ? t : 0;
}

static int read_trial(struct loader *l, sqlite3_stmt *s, struct hpo_trial *t, struct hpo_err *err)
{
    const char *state = db_text(s, 2), *type;
    int64_t attempts = sqlite3_column_int64(s, 8);
    bool foreign = db_is_null(s, 7);

    *t = (struct hpo_trial){.number = l->n, .id = sqlite3_column_int64(s, 0), .value = NAN};
    if (!db_is_int(s, 1) || sqlite3_column_int64(s, 1) != l->n)
        return db_bad(l->db, err,
                      "table trials, trial_id %lld: its number is %lld where %d must come; the "
                      "numbers of a study run from 0 without a gap",
                      (long long)t->id, (long long)sqlite3_column_int64(s, 1), l->n);
    if (!state || !hpo_trial_state_parse(state, &t->state))
        return db_bad(l->db, err, "table trials, trial_id %lld: '%.40s' is not a state",
                      (long long)t->id, state ? state : "(not a text)");
    t->started = time_column(s, 5, 3);
    t->ended = hpo_trial_finished(t) ? time_column(s, 6, 4) : 0;
    t->seconds = db_real(s, 7);
    if (foreign && t->ended > t->started && t->started > 0)
        t->seconds = t->ended - t->started;
    if (!(t->seconds >= 0 && t->seconds < HUGE_VAL))
        t->seconds = 0;
    t->attempts = attempts < 0 ? 0 : attempts > 1000000 ? 1000000 : (int)attempts;
    t->device = db_text_dup(s, 9, TEXT_MAX, l->a);
    t->reason = t->state == HPO_TRIAL_FAIL ? db_text_dup(s, 10, TEXT_MAX, l->a) : NULL;

    if (t->state != HPO_TRIAL_COMPLETE && t->state != HPO_TRIAL_PRUNED)
        return 0;
    if (db_is_null(s, 12)) /* no row in trial_values: allowed for PRUNED */
        return 0;
    type = db_text(s, 12);
    if (!type || !column_value_read(type, db_real(s, 11), &t->value))
        return db_bad(l->db, err, "table trial_values, trial_id %lld: its value is not a number",
                      (long long)t->id);
    t->value = hpo_value_flip(t->value, l->db->maximize);
    return 0;
}

static int read_trials(struct loader *l, struct hpo_err *err)
{
    sqlite3_stmt *s;
    int rc = DB_BIND(l->db, DB_LOAD_TRIALS, &s, err, DB_INT(l->db->study_id));

    if (rc)
        return rc;
    while ((rc = db_step(l->db, s, err)) == 1) {
        if (l->n == l->cap) {
            l->cap = l->cap ? l->cap * 2 : 256;
            l->trials = xrealloc(l->trials, sizeof(*l->trials) * (size_t)l->cap);
            l->ids = xrealloc(l->ids, sizeof(*l->ids) * (size_t)l->cap);
        }
        if ((rc = read_trial(l, s, &l->trials[l->n], err))) {
            sqlite3_reset(s);
            return rc;
        }
        l->ids[l->n] = (struct id_index){l->trials[l->n].id, l->n};
        l->n++;
    }
    if (!rc && l->n)
        qsort(l->ids, (size_t)l->n, sizeof(*l->ids), compare_ids);
    return rc;
}

/* ---------------------------------------------------------------- parameters */

/* Rows of a trial mostly stand in the order of the space: look behind the last one first. */
static int find_param(const struct hpo_space *space, const char *name, int after)
{
    for (int i = 0; i < space->n; i++) {
        int k = (after + 1 + i) % space->n;

        if (!strcmp(space->params[k].name, name))
            return k;
    }
    return -1;
}

static double read_value(struct seen *seen, const struct hpo_param *p, const char *json, double v)
{
    if (!seen->known || strcmp(str_c(&seen->text), json)) {
        str_clear(&seen->text);
        str_add(&seen->text, json);
        distribution_release(&seen->as);
        distribution_read(p, json, strlen(json), &seen->as);
        seen->known = true;
    }
    return distribution_value(p, &seen->as, v);
}

static int read_params(struct loader *l, struct hpo_err *err)
{
    const struct hpo_space *space = l->space;
    struct seen *seen;
    sqlite3_stmt *s;
    int last = -1, rc;

    if ((rc = db_bind(l->db, DB_LOAD_PARAMS, NULL, 0, &s, err)))
        return rc;
    seen = xcalloc((size_t)space->n + 1, sizeof(*seen));
    while ((rc = db_step(l->db, s, err)) == 1) {
        struct hpo_trial *t = find(l, sqlite3_column_int64(s, 0));
        const char *name = db_text(s, 1), *json = db_text(s, 3);
        double v = db_real(s, 2);
        int k = t && name && json ? find_param(space, name, last) : -1;

        if (k < 0)
            continue;
        last = k;
        v = read_value(&seen[k], &space->params[k], json, v);
        if (!isnan(v))
            l->values[(size_t)t->number * (size_t)space->n + (size_t)k] = v;
    }
    for (int i = 0; i < space->n; i++) {
        str_release(&seen[i].text);
        distribution_release(&seen[i].as);
    }
    free(seen);
    return rc;
}

static int add_values(struct loader *l, struct hpo_err *err)
{
    size_t n = (size_t)l->n * (size_t)l->space->n;

    l->values = ARENA_ARRAY(l->a, double, n + 1);
    for (size_t i = 0; i < n; i++)
        l->values[i] = NAN;
    l->hint = 0;
    return read_params(l, err);
}

/* Hand the values out, once all are there. */
static void give_values(struct loader *l)
{
    for (int i = 0; i < l->n; i++) {
        double *values = l->values + (size_t)i * (size_t)l->space->n;

        /* Another program may have set what the study file's `when` rules out. What was given to
         * a trial that waits may depend on what is yet to be sampled. */
        if (l->trials[i].state != HPO_TRIAL_WAITING)
            hpo_space_mask(l->space, values);
        l->trials[i].values = values;
    }
}

static struct hpo_trial *find_any(void *arg, int64_t id)
{
    return find(arg, id);
}

/* ---------------------------------------------------------------- points and folds */

/* Rows of one trial, gathered until the next trial's begin. */
struct gather {
    struct hpo_trial *trial;
    struct hpo_point *points;
    struct hpo_fold *folds;
    int n, cap;
};

static void flush_points(struct loader *l, struct gather *g)
{
    if (g->trial && g->n) {
        g->trial->points = arena_dup(l->a, g->points, sizeof(*g->points) * (size_t)g->n);
        g->trial->n_points = g->n;
    }
    g->n = 0;
}

static int read_points(struct loader *l, struct hpo_err *err)
{
    struct gather g = {0};
    sqlite3_stmt *s;
    int rc = db_bind(l->db, DB_LOAD_POINTS, NULL, 0, &s, err);

    l->hint = 0;
    while (!rc && (rc = db_step(l->db, s, err)) == 1) {
        struct hpo_trial *t = find(l, sqlite3_column_int64(s, 0));
        const char *type = db_text(s, 3);
        double v;

        rc = 0;
        if (t != g.trial) {
            flush_points(l, &g);
            g.trial = t;
        }
        if (!t)
            continue;
        if (!db_is_int(s, 1) || !type || !column_value_read(type, db_real(s, 2), &v)) {
            rc = db_bad(l->db, err,
                        "table trial_intermediate_values, trial_id %lld, step %lld: it is not a "
                        "step with a value",
                        (long long)t->id, (long long)sqlite3_column_int64(s, 1));
            break;
        }
        if (g.n == g.cap) {
            g.cap = g.cap ? g.cap * 2 : 64;
            g.points = xrealloc(g.points, sizeof(*g.points) * (size_t)g.cap);
        }
        g.points[g.n++] =
            (struct hpo_point){sqlite3_column_int64(s, 1), hpo_value_flip(v, l->db->maximize)};
    }
    if (!rc)
        flush_points(l, &g);
    free(g.points);
    return rc;
}

static void flush_folds(struct loader *l, struct gather *g)
{
    if (g->trial && g->n) {
        g->trial->folds = arena_dup(l->a, g->folds, sizeof(*g->folds) * (size_t)g->n);
        g->trial->n_folds = g->n;
    }
    g->n = 0;
}

static bool small_int(sqlite3_stmt *s, int col, int *ret)
{
    int64_t v = sqlite3_column_int64(s, col);

    if (!db_is_int(s, col) || v < 0 || v > INT32_MAX)
        return false;
    *ret = (int)v;
    return true;
}

static int read_folds(struct loader *l, struct hpo_err *err)
{
    struct gather g = {0};
    sqlite3_stmt *s;
    int rc = db_bind(l->db, DB_LOAD_FOLDS, NULL, 0, &s, err);

    l->hint = 0;
    while (!rc && (rc = db_step(l->db, s, err)) == 1) {
        struct hpo_trial *t = find(l, sqlite3_column_int64(s, 0));
        struct hpo_fold f = {.value = db_real(s, 2), .seconds = db_real(s, 4)};

        rc = 0;
        if (t != g.trial) {
            flush_folds(l, &g);
            g.trial = t;
        }
        if (!t)
            continue;
        if (!small_int(s, 1, &f.fold) || !small_int(s, 3, &f.epoch)) {
            rc = db_bad(l->db, err, "table hpo_folds, trial_id %lld: its fold or epoch is not one",
                        (long long)t->id);
            break;
        }
        if (g.n == g.cap) {
            g.cap = g.cap ? g.cap * 2 : 16;
            g.folds = xrealloc(g.folds, sizeof(*g.folds) * (size_t)g.cap);
        }
        g.folds[g.n++] = f;
    }
    if (!rc)
        flush_folds(l, &g);
    free(g.folds);
    return rc;
}

int load_trials(struct db *db, const struct hpo_space *space, struct arena *a,
                struct hpo_trial **ret, int *ret_n, struct hpo_err *err)
{
    struct loader l = {.db = db, .space = space, .a = a};
    int rc = read_trials(&l, err);

    if (!rc && space)
        rc = add_values(&l, err);
    if (!rc)
        rc = load_attrs(db, space, find_any, &l, l.values, err);
    if (!rc && space)
        give_values(&l);
    if (!rc)
        rc = read_points(&l, err);
    if (!rc)
        rc = read_folds(&l, err);
    if (!rc) {
        *ret = l.n ? arena_dup(a, l.trials, sizeof(*l.trials) * (size_t)l.n) : NULL;
        *ret_n = l.n;
    }
    free(l.trials);
    free(l.ids);
    return rc;
}
