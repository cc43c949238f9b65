#include "hpo/cli/paths.h"

#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/file.h"
#include "hpo/config.h"

static bool is_study_folder(const char *dir, struct arena *a)
{
    return file_exists(arena_printf(a, "%s/study.db", dir));
}

static bool is_yaml(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

static const char *last_name(const char *runs, struct arena *a)
{
    char *text = NULL;
    const char *name = NULL;
    size_t n;

    if (file_read(arena_printf(a, "%s/.last", runs), 4096, &text, &n, NULL))
        return NULL;
    text[strcspn(text, "\n")] = 0;
    if (*text && !strchr(text, '/'))
        name = arena_strdup(a, text);
    free(text);
    return name;
}

/* The folder that a YAML file's study has, by its name. */
static int folder_of_file(const char *path, const char *runs, struct arena *a, const char **ret,
                          struct hpo_err *err)
{
    struct diags diags = {.arena = a};
    struct study_config c = {0};
    int rc = study_config_read(&c, path, NULL, 0, &diags, err);

    if (!rc)
        *ret = arena_printf(a, "%s/%s", runs, c.study.name);
    else if (diags.n)
        hpo_fail(err, rc, "%s has mistakes: hpo check %s lists them", path, path);
    study_config_release(&c);
    return rc;
}

int study_folder_find(const char *study, const char *runs, struct arena *a, const char **ret,
                      struct hpo_err *err)
{
    const char *dir, *name = study;

    if (!study) {
        name = last_name(runs, a);
        if (!name)
            return hpo_fail(err, HPO_EMISSING,
                            "no study was run here yet (nothing in %s): hpo run STUDY.yaml starts "
                            "one, hpo report STUDY names another",
                            runs);
    } else if (is_yaml(study) && file_exists(study) && !file_is_dir(study)) {
        int rc = folder_of_file(study, runs, a, &dir, err);

        if (rc)
            return rc;
        if (!is_study_folder(dir, a))
            return hpo_fail(err, HPO_EMISSING, "%s was not run yet (there is no %s/study.db)", study,
                            dir);
        *ret = dir;
        return 0;
    } else if (is_study_folder(study, a)) {
        *ret = study;
        return 0;
    }
    dir = arena_printf(a, "%s/%s", runs, name);
    if (!is_study_folder(dir, a))
        return hpo_fail(err, HPO_EMISSING,
                        "there is no study '%s': it is not a study file, not a study folder, and "
                        "there is no %s/study.db",
                        name, dir);
    *ret = dir;
    return 0;
}

int study_file_find(const char *study, const char *runs, struct arena *a, const char **ret,
                    struct hpo_err *err)
{
    const char *dir;

    if (file_exists(study) && !file_is_dir(study)) {
        *ret = study;
        return 0;
    }
    if (is_yaml(study) || study_folder_find(study, runs, a, &dir, NULL))
        return hpo_fail(err, HPO_EMISSING,
                        "there is no study file '%s'%s", study,
                        is_yaml(study) ? "" : ", and no study of that name was run here");
    *ret = arena_printf(a, "%s/study.yaml", dir);
    return 0;
}

void study_remember(const char *runs, const char *name)
{
    struct arena a = {0};
    const char *line = arena_printf(&a, "%s\n", name);

    (void)!file_replace(arena_printf(&a, "%s/.last", runs), line, strlen(line), NULL);
    arena_release(&a);
}
