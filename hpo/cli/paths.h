/* hpo/cli/paths.h - what STUDY means on the command line, and where studies lie. */
#ifndef HPO_CLI_PATHS_H
#define HPO_CLI_PATHS_H

#include "base/arena.h"
#include "base/err.h"

#define DEFAULT_RUNS "runs"

/* The folder of a study that exists: STUDY is a study directory, a name under runs, or the YAML
 * file of the study; NULL: the one last run here. In a. HPO_EMISSING with what was looked for. */
int study_folder_find(const char *study, const char *runs, struct arena *a, const char **ret,
                      struct hpo_err *err);
/* The YAML file for `hpo run`: a file, or the resolved file of a study directory or name. */
int study_file_find(const char *study, const char *runs, struct arena *a, const char **ret,
                    struct hpo_err *err);
/* Remember name as the one last run under runs; failing to is no failure. */
void study_remember(const char *runs, const char *name);

#endif
