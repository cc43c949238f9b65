#include "trainer/averaging.h"

const struct averaging_ops averaging_none = {
    .plugin = {"none", "the weights as they are", 0, NULL},
};
