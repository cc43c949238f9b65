/* For parity_rank.py: "n x1 ... xn y1 ... yn" a line on stdin; on stdout rho, its interval, tau,
 * its interval, in that order. */
#include <stdio.h>
#include <stdlib.h>

#include "hpo/report/rank.h"

int main(void)
{
    double v[2000];
    int n;

    while (scanf("%d", &n) == 1 && n >= 0 && n <= 1000) {
        struct rank_interval a, b;
        double rho, tau;

        for (int i = 0; i < 2 * n; i++)
            if (scanf("%lf", &v[i]) != 1)
                abort();
        rho = rank_spearman(v, v + n, n);
        tau = rank_kendall(v, v + n, n);
        a = rank_spearman_interval(rho, n);
        b = rank_kendall_interval(tau, n);
        printf("%.17g %.17g %.17g %.17g %.17g %.17g\n", rho, a.low, a.high, tau, b.low, b.high);
    }
    return 0;
}
