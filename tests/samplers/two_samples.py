"""Do two samples come from one distribution? Kolmogorov-Smirnov for continuous ones and for those
with too many cells to count, chi-square for the others."""
import numpy as np
from scipy import stats

CELLS_MAX = 1000
THIN = 20  # cells with fewer draws than this are put together: the approximation needs some


def two_samples(a, b, continuous):
    """-> (name of the test, p)"""
    key = a.dtype.kind == "f"
    a, b = (np.round(x, 9) if key and not continuous else x for x in (a, b))
    cells = np.unique(np.concatenate([a, b]))
    if continuous or len(cells) > CELLS_MAX:
        return "Kolmogorov-Smirnov", stats.ks_2samp(a, b).pvalue
    table = np.array([[np.count_nonzero(x == c) for c in cells] for x in (a, b)])
    thin = table.sum(0) < THIN
    if thin.any():
        table = np.column_stack([table[:, ~thin], table[:, thin].sum(1)])
    p = stats.chi2_contingency(table).pvalue if table.shape[1] > 1 else 1.0
    return f"chi-square over {table.shape[1]} cells", p
