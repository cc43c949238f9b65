/* hpo/pruners/signed_rank.h - Wilcoxon's signed-rank test of paired differences. */
#ifndef HPO_PRUNERS_SIGNED_RANK_H
#define HPO_PRUNERS_SIGNED_RANK_H

/* The probability that n differences, each as likely above as below zero, lean above it as much as
 * these do: 2^-n when all of them are above, in (0, 1], 1 for n = 0. Equal sizes share the mean of
 * their ranks, a zero counts as half above and half below.
 *
 * scipy.stats.wilcoxon(d, alternative="greater", zero_method="zsplit"), with its choice of method:
 * exact up to 50 differences (up to 13 when some are equal in size or zero), beyond that the normal
 * approximation, corrected for ties. No NaNs. */
double signed_rank_p(const double *d, int n);

#endif
