#include "hpo/report/json_predictions.h"

#include "hpo/report/classes.h"

static cJSON *class_json(const struct report_classes *c, int i)
{
    struct class_scores s = classes_score(c, i);
    cJSON *j = cJSON_CreateObject();

    json_put_string(j, "name", c->names[i]);
    json_put_number(j, "support", (double)s.support);
    json_put_number(j, "precision", s.precision);
    json_put_number(j, "recall", s.recall);
    json_put_number(j, "f1", s.f1);
    return j;
}

cJSON *json_classes(const struct report_classes *c)
{
    cJSON *j, *list, *matrix;

    if (!c)
        return cJSON_CreateNull();
    j = cJSON_CreateObject();
    json_put_number(j, "images", (double)c->images);
    json_put_number(j, "covered", (double)c->covered);
    json_put_number(j, "folds", c->folds);
    json_put_number(j, "accuracy", classes_accuracy(c));
    list = cJSON_AddArrayToObject(j, "classes");
    matrix = cJSON_AddArrayToObject(j, "confusion");
    for (int i = 0; i < c->classes; i++) {
        cJSON *row = cJSON_CreateArray();

        cJSON_AddItemToArray(list, class_json(c, i));
        for (int k = 0; k < c->classes; k++)
            cJSON_AddItemToArray(
                row, json_number((double)c->confusion[(size_t)i * (size_t)c->classes + (size_t)k]));
        cJSON_AddItemToArray(matrix, row);
    }
    return j;
}

cJSON *json_labels(const struct report_labels *l, int top)
{
    cJSON *j = cJSON_CreateObject(), *list;

    json_put_number(j, "images", (double)l->images);
    json_put_number(j, "covered", (double)l->covered);
    json_put_number(j, "trials", l->trials);
    json_put_number(j, "better_trials", l->better);
    json_put_number(j, "trials_without", l->without);
    json_put_number(j, "flagged", (double)l->n);
    list = cJSON_AddArrayToObject(j, "suspects");
    for (int64_t i = 0; i < l->n && (!top || i < top); i++) {
        const struct report_label *f = &l->flagged[i];
        cJSON *s = cJSON_CreateObject();

        json_put_string(s, "path", l->paths[f->image]);
        json_put_string(s, "label", l->names[f->given]);
        json_put_string(s, "suggested", l->names[f->suggested]);
        json_put_number(s, "score", (double)f->score);
        json_put_number(s, "p_label", (double)f->p_given);
        json_put_number(s, "p_suggested", (double)f->p_suggested);
        json_put_number(s, "trials", f->trials);
        json_put_number(s, "doubt", f->trials ? (double)f->doubt / f->trials : 0);
        cJSON_AddItemToArray(list, s);
    }
    return j;
}
