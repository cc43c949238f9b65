/* samplers/math/tpe_group.h - which parameters TPE searches jointly. */
#ifndef SAMPLERS_MATH_TPE_GROUP_H
#define SAMPLERS_MATH_TPE_GROUP_H

#include "samplers/math/tpe_past.h"

/* ret[i]: the first parameter (by position) of the block that parameter i belongs to. */

/* Each one for itself. */
void tpe_group_none(const struct hpo_space *space, int *ret);
/* Those with the same conditions. */
void tpe_group_declared(const struct hpo_space *space, int *ret);
/* Those that have occurred in the same trials: Optuna's group=True (the partition of the union of
 * all trials' parameters). What never occurred stands for itself. What waits to run does not count:
 * only the parameters that somebody asked for are known. */
void tpe_group_seen(const struct hpo_space *space, const struct tpe_past *p, int *ret);

#endif
