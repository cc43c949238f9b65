"""Our Sobol and Halton points beside scipy's.

    parity_qmc.py QMC_POINTS      (the helper built from qmc_points.c)

The plain sequences are compared point by point. Scrambled ones are drawn with other generators, so
their evenness is compared: the centred discrepancy, and the error of an integral, over many seeds.
Runs again under HPO_OPTUNA_PYTHON, when that is set, for the scipy that its Optuna uses.
"""
import os
import subprocess
import sys
import warnings

OTHER = os.environ.get("HPO_OPTUNA_PYTHON")
if OTHER and os.path.realpath(OTHER) != os.path.realpath(sys.executable):
    os.execve(OTHER, [OTHER, *sys.argv],
              {k: v for k, v in os.environ.items() if k != "HPO_OPTUNA_PYTHON"})

try:
    import numpy as np
    from scipy.stats import qmc
except ImportError as e:
    print(f"skipped: {sys.executable} has no {e.name}")
    sys.exit(77)

warnings.simplefilter("ignore")
POINTS = sys.argv[1]
SEEDS = 40
failed = []


def ours(kind, d, n, seed=0):
    run = subprocess.run([POINTS, kind, str(d), str(n), str(seed)], capture_output=True, text=True,
                         check=True)
    return np.array(run.stdout.split(), dtype=float).reshape(n, d)


def theirs(kind, d, n, seed=None):
    engine = qmc.Sobol if kind == "sobol" else qmc.Halton
    return engine(d, scramble=seed is not None, seed=seed).random(n)


def check(what, good, detail):
    print(f"{'ok  ' if good else 'FAIL'} {what}: {detail}")
    if not good:
        failed.append(what)


for kind, dims in [("sobol", [1, 2, 7, 40, 128]), ("halton", [1, 2, 7, 40, 200])]:
    for d in dims:
        n = 1024
        diff = np.abs(ours(kind, d, n) - theirs(kind, d, n)).max()
        check(f"{kind}, {d} coordinates", diff <= 1e-14, f"{n} points, largest difference {diff:g}")
    for d, n in [(2, 64), (5, 128), (10, 256)]:
        def spread(draw):
            found = [qmc.discrepancy(draw(seed)) for seed in range(1, SEEDS + 1)]
            return np.mean(found), np.std(found) / SEEDS ** 0.5

        (a, da), (b, db) = (spread(lambda s: ours(kind, d, n, s)),
                            spread(lambda s: theirs(kind, d, n, s)))
        c, _ = spread(lambda s: np.random.default_rng(s).random((n, d)))
        check(f"{kind} scrambled, {n} points in {d} dimensions",
              a < b + 4 * np.hypot(da, db) and a < c,
              f"discrepancy {a:.3g}; scipy {b:.3g}, random {c:.3g}")

        def error(draw):
            return np.mean([np.mean(np.prod(1 + (draw(s) - 0.5) / 2, axis=1)) - 1
                            for s in range(1, SEEDS + 1)]), np.sqrt(np.mean(
                                [(np.mean(np.prod(1 + (draw(s) - 0.5) / 2, axis=1)) - 1) ** 2
                                 for s in range(1, SEEDS + 1)]))

        (bias, a), (_, b) = error(lambda s: ours(kind, d, n, s)), error(
            lambda s: theirs(kind, d, n, s))
        check(f"{kind} integral, {n} points in {d} dimensions",
              a < 2 * b and abs(bias) < 4 * a / SEEDS ** 0.5,
              f"error {a:.3g}, bias {bias:.1g}; scipy's error {b:.3g}")
print(f"{len(failed)} failed")
sys.exit(1 if failed else 0)
