/* hpo/report/json_predictions.h - what predictions say, as JSON. */
#ifndef HPO_REPORT_JSON_PREDICTIONS_H
#define HPO_REPORT_JSON_PREDICTIONS_H

#include "base/json.h"
#include "hpo/core/report.h"

cJSON *json_classes(const struct report_classes *c); /* c NULL: null */
cJSON *json_labels(const struct report_labels *l, int top);

#endif
