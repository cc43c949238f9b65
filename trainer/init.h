/* trainer/init.h - PyTorch's initial weights, drawn from this program's streams.
 *
 * Each parameter has a stream of its own, named by (seed, fold, index of the parameter), so that
 * all trials of a study that share a shape begin with the same weights (common random numbers). */
#ifndef HPO_TRAINER_INIT_H
#define HPO_TRAINER_INIT_H

#include <stdint.h>

#include "kernels/backend.h"

/* Fill state->weights and state->buffers of one model, and zero its n_slots slots.
 *
 * Convolution and linear: kaiming_uniform(a = sqrt 5), which is U(+-1 / sqrt fan_in), bias
 * likewise; KN_INIT_KAIMING_FAN_OUT: normal with deviation sqrt(2 / fan_out);
 * KN_INIT_DIRAC: the identity, as far as it goes. Batch norm: 1 and 0, running mean 0, running
 * variance 1. KN_INIT_WHITEN begins as by default: tr_whiten comes after. */
void tr_init_state(const struct kn_net *net, uint64_t seed, int fold, int n_slots,
                   struct kn_state *state);

#endif
