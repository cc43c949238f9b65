/* Every statement of the storage, so that the schema is used in one place. */
#include "hpo/storage/db.h"

const char *const db_sql_text[DB_SQL_COUNT] = {
    [DB_ADD_STUDY] = "INSERT INTO studies (study_name) VALUES (?)",
    [DB_ADD_DIRECTION] =
        "INSERT INTO study_directions (direction, study_id, objective) VALUES (?, ?, 0)",
    [DB_ADD_STUDY_ATTR] =
        "INSERT INTO study_system_attributes (study_id, \"key\", value_json) VALUES (?, ?, ?)",
    [DB_ADD_HPO_STUDY] = "INSERT INTO hpo_study"
                         " (study_id, format, metric, config, digest, created, interrupted)"
                         " VALUES (?, ?, ?, ?, ?, ?, ?)",
    [DB_GET_STUDY] = "SELECT h.study_id, s.study_name, h.metric, h.config, h.digest, h.created,"
                     " h.interrupted FROM hpo_study h LEFT JOIN studies s USING (study_id)"
                     " ORDER BY h.study_id LIMIT 2",
    [DB_GET_DIRECTION] = "SELECT direction FROM study_directions WHERE study_id = ?"
                         " ORDER BY objective LIMIT 2",
    [DB_SET_STUDY] = "UPDATE hpo_study SET config = ?, digest = ?, interrupted = ?"
                     " WHERE study_id = ?",

    /* The largest trial_id has the largest number: Optuna counts the ones before it. */
    [DB_LAST_NUMBER] =
        "SELECT number FROM trials WHERE study_id = ? ORDER BY trial_id DESC LIMIT 1",
    [DB_ADD_TRIAL] = "INSERT INTO trials (number, study_id, state, datetime_start)"
                     " VALUES (?, ?, ?, ?)",
    /* A trial that another program made has no row of ours yet. */
    [DB_ADD_HPO_TRIAL] = "INSERT INTO hpo_trials (trial_id, started, seconds, attempts)"
                         " VALUES (?, ?, 0, 0) ON CONFLICT (trial_id) DO UPDATE SET"
                         " started = excluded.started",
    [DB_ADD_RETRY] = "INSERT INTO hpo_retries (trial_id, retry, retry_of) VALUES (?, ?, ?)",
    [DB_ADD_RUNG] = "INSERT INTO hpo_rungs"
                    " (trial_id, rung, cheap, promoted_from, explored, complete)"
                    " VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (trial_id) DO NOTHING",
    [DB_END_RUNG] = "UPDATE hpo_rungs SET complete = 1 WHERE trial_id = ?",
    [DB_GET_RETRIES] = "SELECT t.number FROM hpo_retries r JOIN trials t USING (trial_id)"
                       " WHERE r.retry_of = ? AND r.retry < ? AND t.study_id = ?"
                       " ORDER BY t.number",
    [DB_CLAIM_TRIAL] = "UPDATE trials SET state = 'RUNNING', datetime_start = ?"
                       " WHERE trial_id = ? AND study_id = ? AND state = 'WAITING'",
    /* Optuna's own retries wait with their parameters already there. */
    [DB_ADD_PARAM] = "INSERT INTO trial_params"
                     " (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)"
                     " ON CONFLICT (trial_id, param_name) DO UPDATE SET"
                     " param_value = excluded.param_value,"
                     " distribution_json = excluded.distribution_json",
    [DB_GET_STATE] = "SELECT state, number FROM trials WHERE trial_id = ? AND study_id = ?",
    [DB_ADD_ATTEMPT] = "INSERT INTO hpo_attempts (trial_id, attempt, device, pid, started)"
                       " VALUES (?, ?, ?, ?, ?) ON CONFLICT (trial_id, attempt) DO UPDATE SET"
                       " device = excluded.device, pid = excluded.pid, started = excluded.started",
    [DB_SET_ATTEMPT] = "INSERT INTO hpo_trials (trial_id, attempts, device, seconds)"
                       " VALUES (?, ?, ?, 0) ON CONFLICT (trial_id) DO UPDATE SET"
                       " attempts = max(attempts, excluded.attempts), device = excluded.device",

    [DB_ADD_METRIC] = "INSERT INTO hpo_metrics (name) VALUES (?) ON CONFLICT (name) DO NOTHING",
    [DB_GET_METRIC] = "SELECT metric_id FROM hpo_metrics WHERE name = ?",
    [DB_ADD_EPOCH] = "INSERT INTO hpo_epochs (trial_id, fold, epoch, metric_id, value)"
                     " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    [DB_ADD_POINT] = "INSERT INTO trial_intermediate_values"
                     " (trial_id, step, intermediate_value, intermediate_value_type)"
                     " VALUES (?, ?, ?, ?) ON CONFLICT (trial_id, step) DO NOTHING",

    [DB_END_TRIAL] = "UPDATE trials SET state = ?, datetime_complete = ? WHERE trial_id = ?",
    [DB_END_HPO_TRIAL] = "INSERT INTO hpo_trials"
                         " (trial_id, ended, seconds, attempts, device, reason)"
                         " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (trial_id) DO UPDATE SET"
                         " ended = excluded.ended, seconds = excluded.seconds,"
                         " attempts = max(attempts, excluded.attempts),"
                         " device = coalesce(excluded.device, device), reason = excluded.reason",
    [DB_ADD_VALUE] = "INSERT INTO trial_values (trial_id, objective, value, value_type)"
                     " VALUES (?, 0, ?, ?)",
    [DB_ADD_FOLD] = "INSERT INTO hpo_folds (trial_id, fold, epoch, value, seconds)"
                    " VALUES (?, ?, ?, ?, ?)",
    [DB_ADD_USER_ATTR] = "INSERT INTO trial_user_attributes (trial_id, \"key\", value_json)"
                         " VALUES (?, ?, ?) ON CONFLICT (trial_id, \"key\") DO UPDATE SET"
                         " value_json = excluded.value_json",
    [DB_ADD_SYSTEM_ATTR] = "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json)"
                           " VALUES (?, ?, ?) ON CONFLICT (trial_id, \"key\") DO UPDATE SET"
                           " value_json = excluded.value_json",

    [DB_LOAD_TRIALS] = "SELECT t.trial_id, t.number, t.state, t.datetime_start,"
                       " t.datetime_complete, h.started, h.ended, h.seconds, h.attempts, h.device,"
                       " h.reason, v.value, v.value_type FROM trials t"
                       " LEFT JOIN hpo_trials h ON h.trial_id = t.trial_id"
                       " LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0"
                       " WHERE t.study_id = ? ORDER BY t.number, t.trial_id",
    /* Whole tables in the order they lie in: rows of other studies are passed over. */
    [DB_LOAD_PARAMS] = "SELECT trial_id, param_name, param_value, distribution_json"
                       " FROM trial_params",
    [DB_LOAD_POINTS] = "SELECT trial_id, step, intermediate_value, intermediate_value_type"
                       " FROM trial_intermediate_values ORDER BY trial_id, step",
    [DB_LOAD_FOLDS] = "SELECT trial_id, fold, value, epoch, seconds FROM hpo_folds"
                      " ORDER BY trial_id, fold",
    [DB_LOAD_EPOCHS] = "SELECT e.fold, e.epoch, e.metric_id, m.name, e.value FROM hpo_epochs e"
                       " JOIN hpo_metrics m USING (metric_id) WHERE e.trial_id = ?"
                       " ORDER BY e.fold, e.epoch, e.metric_id",
    [DB_LOAD_ATTRS] = "SELECT trial_id, \"key\", value_json FROM trial_system_attributes"
                      " WHERE \"key\" IN ('fixed_params', 'failed_trial', 'retry_history')",
    [DB_LOAD_RETRIES] = "SELECT trial_id, retry, retry_of FROM hpo_retries",
    [DB_LOAD_RUNGS] = "SELECT trial_id, rung, cheap, promoted_from, explored, complete"
                      " FROM hpo_rungs",

    [DB_GET_PRIOR] = "SELECT 1 FROM hpo_priors LIMIT 1",
    [DB_ADD_PRIOR] = "INSERT INTO hpo_priors (number, state, value, value_type)"
                     " VALUES (?, ?, ?, ?)",
    [DB_ADD_PRIOR_PARAM] = "INSERT INTO hpo_prior_params (number, name, value_json)"
                           " VALUES (?, ?, ?)",
    [DB_LOAD_PRIORS] = "SELECT number, state, value, value_type FROM hpo_priors ORDER BY number",
    [DB_LOAD_PRIOR_PARAMS] = "SELECT number, name, value_json FROM hpo_prior_params",
};
