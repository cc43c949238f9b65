/* trainer/data/synth.h - a small set of labelled JPEGs made from nothing: coloured shapes on noise,
 * learnable but not trivial, so that a first run needs no download. */
#ifndef HPO_TRAINER_DATA_SYNTH_H
#define HPO_TRAINER_DATA_SYNTH_H

#include <stdint.h>

#include "base/err.h"

struct tr_synth_spec {
    int classes;   /* 2 .. 10 */
    int per_class; /* images */
    int size;      /* pixels, square */
    double noise;  /* 0 .. 1: how hard it is */
    uint64_t seed;
};

/* Writes dir/<class>/0000.jpg ... Refuses (HPO_ECONFIG) when dir exists and is not empty. The same
 * spec gives the same images. */
int tr_synth(const char *dir, const struct tr_synth_spec *spec, struct hpo_err *err);

#endif
