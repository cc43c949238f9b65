/* trainer/whiten.h - filters that whiten patches of the training images, for a first convolution
 * that begins with them (KN_INIT_WHITEN) and may keep them.
 *
 * Page, "How to train your ResNet 8", 2019; Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024 (arXiv
 * 2404.00498). With C the second moments of all k x k patches of the normalised images (3 k k
 * numbers each, channel by channel) and C v = l v, filter i is v / sqrt(l + 5e-4) of the i-th
 * largest l, filter 3 k k + i its negative. Of v and -v the first is the one whose largest
 * component is positive. */
#ifndef HPO_TRAINER_WHITEN_H
#define HPO_TRAINER_WHITEN_H

#include "kernels/backend.h"

/* Images that are looked at, at most: as many as airbench's 5,000 of 32 x 32 pixels have patches,
 * but no fewer than the least. */
#define TR_WHITEN_IMAGES 5000
#define TR_WHITEN_PATCHES 5e6
#define TR_WHITEN_LEAST 256

/* Fill the weights that begin so, canonical form; nothing when there are none. rows[n]: the
 * training rows, in sample order, of which evenly spaced ones are taken. mean, std: as in kn_hyper.
 * A pure function of its arguments: sums are exact, the rest is in double. HPO_ECONFIG: a parameter
 * that says so but is no such convolution. */
int tr_whiten(const struct kn_net *net, const struct kn_images *images, const int32_t *rows, int n,
              const float mean[3], const float std[3], float *weights, struct hpo_err *err);

/* Eigenvalues and eigenvectors of a symmetric matrix a (n, n), which is overwritten: value[i]
 * descending, vector row i of v (n, n), orthonormal. Jacobi rotations in a fixed order (Golub and
 * Van Loan, section 8.5). */
void tr_eigen(double *a, int n, double *value, double *v);

#endif
