/* For parity_importance.py: a study a line on stdin, its importances a line on stdout, null where a
 * parameter has none.
 *
 * {"params": [{"kind": 0, "low": 0, "high": 1, "step": 0, "log": false, "n": 0}, ...],
 *  "trials": [[value, x0, x1, ...], ...]}     kind: enum hpo_param_kind; null: inactive */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "hpo/report/importance.h"

static const char *const names[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"};

static void read_space(const cJSON *params, struct hpo_param *param, struct hpo_space *ret)
{
    const cJSON *j;

    *ret = (struct hpo_space){.params = param};
    cJSON_ArrayForEach(j, params)
    {
        if (ret->n == HPO_LEN(names))
            abort();
        param[ret->n] = (struct hpo_param){.name = names[ret->n],
                                           .kind = (enum hpo_param_kind)json_get_number(j, "kind"),
                                           .low = json_get_number(j, "low"),
                                           .high = json_get_number(j, "high"),
                                           .step = json_get_number(j, "step"),
                                           .log = cJSON_IsTrue(cJSON_GetObjectItem(j, "log")),
                                           .n_choices = (int)json_get_number(j, "n")};
        ret->n++;
    }
}

static void read_trials(const cJSON *list, struct hpo_history *h, struct arena *a)
{
    const struct hpo_trial **trials =
        ARENA_ARRAY(a, const struct hpo_trial *, cJSON_GetArraySize(list) + 1);
    const cJSON *row, *cell;

    cJSON_ArrayForEach(row, list)
    {
        double *values = ARENA_ARRAY(a, double, cJSON_GetArraySize(row));
        struct hpo_trial *t = ARENA_NEW(a, struct hpo_trial);
        int n = 0;

        cJSON_ArrayForEach(cell, row) values[n++] =
            cJSON_IsNumber(cell) ? cell->valuedouble : NAN;
        *t = (struct hpo_trial){.number = h->n, .state = HPO_TRIAL_COMPLETE, .value = values[0],
                                .values = values + 1};
        trials[h->n++] = t;
    }
    h->trials = trials;
}

static void answer(const cJSON *study)
{
    struct hpo_param params[HPO_LEN(names)];
    struct hpo_space space;
    struct hpo_history h = {.space = &space};
    struct arena a = {0};
    struct importance im;
    char buf[HPO_DOUBLE_TEXT];

    read_space(cJSON_GetObjectItem(study, "params"), params, &space);
    read_trials(cJSON_GetObjectItem(study, "trials"), &h, &a);
    if (importance_of(&h, &a, &im)) {
        for (int i = 0; i < space.n; i++)
            printf("%s%s", i ? ", " : "[",
                   isnan(im.share[i]) ? "null" : str_double(buf, im.share[i]));
        printf("]\n");
    } else {
        printf("null\n");
    }
    arena_release(&a);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        cJSON *study = json_parse(line, strlen(line));

        if (!study)
            return 1;
        answer(study);
        cJSON_Delete(study);
    }
    free(line);
    return 0;
}
