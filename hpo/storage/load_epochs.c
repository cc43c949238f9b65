/* The learning curves of one trial. */
#include <stdlib.h>
#include <string.h>

#include "hpo/storage/db.h"

#define NAME_MAX_BYTES 256

struct row {
    int fold, epoch;
    const char *name; /* in the arena, one copy a metric */
    double value;
};

/* The copy of a metric's name. Metrics come in the same order epoch after epoch. */
struct names {
    int64_t *ids;
    const char **names;
    int n, cap, last;
};

static const char *name_of(struct names *m, sqlite3_stmt *s, struct arena *a)
{
    int64_t id = sqlite3_column_int64(s, 2);

    for (int i = 0; i < m->n; i++) {
        int k = (m->last + 1 + i) % m->n;

        if (m->ids[k] == id) {
            m->last = k;
            return m->names[k];
        }
    }
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 16;
        m->ids = xrealloc(m->ids, sizeof(*m->ids) * (size_t)m->cap);
        m->names = xrealloc(m->names, sizeof(*m->names) * (size_t)m->cap);
    }
    m->ids[m->n] = id;
    m->names[m->n] = db_text_dup(s, 3, NAME_MAX_BYTES, a);
    if (!m->names[m->n])
        m->names[m->n] = "?";
    m->last = m->n;
    return m->names[m->n++];
}

static int read_rows(struct db *db, int64_t trial_id, struct arena *a, struct row **ret, int *ret_n,
                     struct hpo_err *err)
{
    struct names names = {0};
    struct row *rows = NULL;
    int n = 0, cap = 0, rc;
    sqlite3_stmt *s;

    rc = DB_BIND(db, DB_LOAD_EPOCHS, &s, err, DB_INT(trial_id));
    while (!rc && (rc = db_step(db, s, err)) == 1) {
        int64_t fold = sqlite3_column_int64(s, 0), epoch = sqlite3_column_int64(s, 1);

        rc = 0;
        if (!db_is_int(s, 0) || !db_is_int(s, 1) || fold < 0 || fold > INT32_MAX || epoch < 0 ||
            epoch > INT32_MAX) {
            rc = db_bad(db, err, "table hpo_epochs, trial_id %lld: its fold or epoch is not one",
                        (long long)trial_id);
            break;
        }
        if (n == cap) {
            cap = cap ? cap * 2 : 256;
            rows = xrealloc(rows, sizeof(*rows) * (size_t)cap);
        }
        rows[n++] = (struct row){(int)fold, (int)epoch, name_of(&names, s, a), db_real(s, 4)};
    }
    free(names.ids);
    free(names.names);
    *ret = rows;
    *ret_n = n;
    return rc;
}

/* Rows of equal fold and epoch become one report. */
static int group(const struct row *rows, int n, struct arena *a, struct hpo_epoch_report *reports)
{
    const char **names = ARENA_ARRAY(a, const char *, n);
    double *values = ARENA_ARRAY(a, double, n);
    int n_reports = 0;

    for (int i = 0; i < n; i++) {
        struct hpo_epoch_report *r = n_reports ? &reports[n_reports - 1] : NULL;

        names[i] = rows[i].name;
        values[i] = rows[i].value;
        if (!r || r->fold != rows[i].fold || r->epoch != rows[i].epoch) {
            r = &reports[n_reports++];
            *r = (struct hpo_epoch_report){.fold = rows[i].fold,
                                           .epoch = rows[i].epoch,
                                           .names = names + i,
                                           .values = values + i};
        }
        r->n_metrics++;
    }
    return n_reports;
}

int load_epochs(struct db *db, int64_t trial_id, struct arena *a, struct hpo_epoch_report **ret,
                int *ret_n, struct hpo_err *err)
{
    struct row *rows = NULL;
    int n = 0;
    int rc = read_rows(db, trial_id, a, &rows, &n, err);

    if (!rc) {
        *ret = ARENA_ARRAY(a, struct hpo_epoch_report, n + 1);
        *ret_n = group(rows, n, a, *ret);
    }
    free(rows);
    return rc;
}
