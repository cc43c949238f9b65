"""Our rank correlations and those of scipy.stats on random lists, most of them with ties: equal to 1e-12.
The intervals against the formulas written down a second time, and by how often they cover.

    parity_rank.py RANKS [LISTS]
"""
import math
import random
import subprocess
import sys
import warnings

try:
    import numpy
    import scipy
    from scipy import stats
except ImportError:
    print("skipped: no scipy here (Debian: python3-scipy)")
    sys.exit(77)

warnings.simplefilter("ignore")  # of lists that are all ties
count = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
rng = random.Random(20)


def values(n):
    kind = rng.choice(["real", "real", "few", "two", "equal" if rng.random() < 0.1 else "few"])
    if kind == "real":
        return [rng.gauss(0, 1) for _ in range(n)]
    return [float(rng.randrange({"few": 5, "two": 2, "equal": 1}[kind])) for _ in range(n)]


def related(x):
    how = rng.random()
    if how < 0.1:
        return list(x)
    if how < 0.2:
        return [-v for v in x]
    return [v + rng.gauss(0, how * 3) for v in x] if how < 0.6 else values(len(x))


def ask(lists):
    text = "".join("%d %s\n" % (len(x), " ".join(map(repr, x + y))) for x, y in lists)
    out = subprocess.run([sys.argv[1]], input=text, stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    rows = [[float(v) for v in line.split()] for line in out.splitlines()]
    assert len(rows) == len(lists), (len(rows), len(lists))
    return rows


def close(a, b, what):
    if not (math.isnan(a) and math.isnan(b)) and not abs(a - b) <= 1e-12:
        sys.exit("%s: %r here, %r there" % (what, a, b))


def interval(r, variance):
    z, half = math.atanh(r), stats.norm.ppf(0.975) * math.sqrt(variance)
    return math.tanh(z - half), math.tanh(z + half)


lists, inside = [], 0
for _ in range(count):
    x = values(rng.choice([2, 3, 4, 5, 6, 8, 13, 40, 200]))
    lists.append((x, related(x)))
for (x, y), got in zip(lists, ask(lists)):
    n = len(x)
    rho, tau = stats.spearmanr(x, y)[0], stats.kendalltau(x, y)[0]
    close(got[0], rho, "rho of %r and %r" % (x, y))
    close(got[3], tau, "tau of %r and %r" % (x, y))
    if n >= 4 and abs(rho) < 1 - 1e-9:
        for a, b in zip(got[1:3], interval(rho, (1 + rho * rho / 2) / (n - 3))):
            close(a, b, "interval of rho, n %d" % n)
        inside += 1
    if n >= 5 and abs(tau) < 1 - 1e-9:
        for a, b in zip(got[4:6], interval(tau, 0.437 / (n - 4))):
            close(a, b, "interval of tau, n %d" % n)
    if n < 4 or math.isnan(rho):
        assert all(map(math.isnan, got[1:3])), got
    elif abs(rho) >= 1 - 1e-9:
        assert -1 <= got[1] < got[2] <= 1 and (got[2] == 1 if rho > 0 else got[1] == -1), got

# Of normal pairs whose rank correlation is known, about 95 % of the intervals must have it inside.
gauss = numpy.random.default_rng(3)
for r in (0.0, 0.5, 0.9):
    for n in (6, 10, 30):
        truth = [6 / math.pi * math.asin(r / 2), 2 / math.pi * math.asin(r)]
        pairs = gauss.multivariate_normal([0, 0], [[1, r], [r, 1]], size=(1500, n))
        got = ask([(list(map(float, p[:, 0])), list(map(float, p[:, 1]))) for p in pairs])
        covers = [sum(row[1 + 3 * k] <= truth[k] <= row[2 + 3 * k] for row in got) / len(got) for k in range(2)]
        print("r %.1f, n %2d: covered %.3f (rho), %.3f (tau)" % (r, n, *covers))
        assert min(covers) > 0.88, covers
print("scipy %s: %d lists, %d intervals: equal" % (scipy.__version__, count, inside))
