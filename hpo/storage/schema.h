/* hpo/storage/schema.h - which tables a study database has. Columns: see schema.c. */
#ifndef HPO_STORAGE_SCHEMA_H
#define HPO_STORAGE_SCHEMA_H

#include "hpo/storage/db.h"

/* Of our own tables, in hpo_study.format. 2 added hpo_retries, hpo_priors and hpo_prior_params, 3
 * hpo_rungs. */
#define SCHEMA_FORMAT 3
#define SCHEMA_OPTUNA "v3.2.0.a" /* the revision of Optuna's that we write */

/* Is the file without any table? */
int schema_empty(struct db *db, bool *ret, struct hpo_err *err);
/* Make the tables in such a file, in one transaction. */
int schema_create(struct db *db, struct hpo_err *err);
/* Sets db->format. HPO_EFORMAT: not a study database, or one of a version that this program does
 * not know. */
int schema_check(struct db *db, struct hpo_err *err);
/* Bring the tables of an earlier format up to date, in one transaction. */
int schema_migrate(struct db *db, struct hpo_err *err);

#endif
