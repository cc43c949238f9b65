/* hpo/report/rank.h - do two lists put the same things in the same order?
 *
 * Spearman's rho (Pearson's correlation of mid-ranks) and Kendall's tau-b, as scipy.stats has them;
 * with ties. Intervals: Fisher's z, with the variance (1 + rho^2 / 2) / (n - 3) for rho (Bonett and
 * Wright 2000, Psychometrika 65) and 0.437 / (n - 4) for tau (Fieller, Hartley and Pearson 1957,
 * Biometrika 44). At -1 and 1, where z has no width to give, the nearest value that n pairs without
 * ties can have stands in: four pairs in the same order prove little. */
#ifndef HPO_REPORT_RANK_H
#define HPO_REPORT_RANK_H

#define RANK_MIN 4 /* pairs, below which nothing is said */

/* NaN: one of the lists is all ties, or n < 2. Values are finite. */
double rank_spearman(const double *x, const double *y, int n);
double rank_kendall(const double *x, const double *y, int n);

struct rank_interval {
    double low, high; /* 95 %; NaN: too few pairs for one (4 for rho, 5 for tau), or no value */
};
struct rank_interval rank_spearman_interval(double rho, int n);
struct rank_interval rank_kendall_interval(double tau, int n);

#endif
