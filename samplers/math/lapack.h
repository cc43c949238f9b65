/* samplers/math/lapack.h - the LAPACK routines in use, by their Fortran names.
 *
 * Matrices are column-major; `lda` is the distance between columns. *info: 0 done, below 0 an
 * argument is wrong, above 0 a pivot is zero or not positive. The trailing sizes are the hidden
 * lengths of the character arguments. Source: the LAPACK Users' Guide, netlib.org/lapack. */
#ifndef SAMPLERS_MATH_LAPACK_H
#define SAMPLERS_MATH_LAPACK_H

#include <stddef.h>

/* A = L L^T (uplo "L") or U^T U (uplo "U"), in place; the other triangle is left alone. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t uplo_len);

/* B = A^-1 B, with the factor that dpotrf_ left. */
void dpotrs_(const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda,
             double *b, const int *ldb, int *info, size_t uplo_len);

/* One triangle of A^-1 in place of the factor that dpotrf_ left. */
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t uplo_len);

/* B = op(T)^-1 B for a triangular T; trans "N" or "T", diag "N" or "U" (ones). */
void dtrtrs_(const char *uplo, const char *trans, const char *diag, const int *n, const int *nrhs,
             const double *a, const int *lda, double *b, const int *ldb, int *info, size_t uplo_len,
             size_t trans_len, size_t diag_len);

/* Eigenvalues, rising, and with jobz "V" the eigenvectors in the columns of A, of a symmetric A.
 * *lwork -1: the best size of work is written to work[0]. */
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
            double *work, const int *lwork, int *info, size_t jobz_len, size_t uplo_len);

#endif
