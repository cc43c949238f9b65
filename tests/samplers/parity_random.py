"""Our random draws beside Optuna's, our PCG beside numpy's.

    parity_random.py DRAWS       (DRAWS: the helper built from draws.c)

Optuna draws with another generator, so the distributions are compared: Kolmogorov-Smirnov for
continuous ones, chi-square for discrete ones. Seeds are fixed: the outcome is always the same.
"""
import decimal
import math
import random
import subprocess
import sys
import warnings

try:
    import numpy as np
    import optuna
    from optuna.distributions import CategoricalDistribution as Cat
    from optuna.distributions import FloatDistribution as Float
    from optuna.distributions import IntDistribution as Int
    from scipy import stats
    from two_samples import two_samples
except ImportError as e:
    print(f"skipped: {sys.executable} has no {e.name}")
    sys.exit(77)

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
DRAWS = sys.argv[1]
N = 8000
P_LOWEST = 1e-3
failed = []


def draws(*args, text=None):
    run = subprocess.run([DRAWS, *map(str, args)], input=text, capture_output=True, text=True,
                         check=True)
    return run.stdout.split()


def ours(dist):
    if isinstance(dist, Cat):
        values = draws("choice", len(dist.choices), N)
        return np.array([dist.choices[int(v)] for v in values])
    kind = "int" if isinstance(dist, Int) else "float"
    values = draws(kind, repr(dist.low), repr(dist.high), repr(dist.step or 0), int(dist.log), N)
    return np.array([float(v) for v in values])


def theirs(dist):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    sampler = study.sampler
    trial = study._storage.get_trial(study.ask()._trial_id)
    return np.array([sampler.sample_independent(study, trial, "p", dist) for _ in range(N)])


def check(what, good, detail):
    print(f"{'ok  ' if good else 'FAIL'} {what}: {detail}")
    if not good:
        failed.append(what)


def compare(dist):
    a, b = ours(dist), theirs(dist)
    inside = all(dist._contains(dist.to_internal_repr(
        v if isinstance(dist, Cat) else int(v) if isinstance(dist, Int) else float(v))) for v in a)
    check(f"{dist} inside", inside, "every value is one that Optuna accepts")
    name, p = two_samples(a, b, isinstance(dist, Float) and dist.step is None)
    check(f"{dist}", p > P_LOWEST, f"{name}, p = {p:.3g}")


def exact_shares():
    """The shares that Optuna's half-unit margins give an int log parameter, as a formula."""
    v = ours(Int(16, 256, log=True))
    edges = np.log(np.arange(16, 258) - 0.5)
    want = np.diff(edges) / (edges[-1] - edges[0])
    assert math.isclose(want[0], math.log(16.5 / 15.5) / math.log(256.5 / 15.5))
    got = np.bincount(v.astype(int), minlength=257)[16:]
    p = stats.chisquare(got, want * N).pvalue
    check("int log shares", p > P_LOWEST, f"chi-square against the formula, p = {p:.3g}")


def grid_high():
    rng = random.Random(7)
    rows = []
    while len(rows) < 3000:
        digits = rng.randrange(0, 7)
        low = round(rng.uniform(-10, 10), digits)
        step = round(rng.choice([1, 0.1, 0.01, 10]) * rng.uniform(0.01, 3), rng.randrange(1, 8))
        high = round(low + rng.choice([rng.uniform(0, 50), step * rng.randrange(1, 60)]), digits)
        if step > 0 and high > low:
            rows.append((low, high, step))
    rows += [(0.0, 0.5, 0.1), (0.0, 1.0, 0.3), (1e-5, 1e-4, 2e-5), (0.1, 0.7, 0.2)]
    text = "".join(f"{a!r} {b!r} {c!r}\n" for a, b, c in rows)
    got = [float(x) for x in draws("grid", text=text)]
    wrong = [(r, g) for r, g in zip(rows, got) if Float(r[0], r[1], step=r[2]).high != g]
    check("grid high", len(got) == len(rows) and not wrong,
          f"{len(rows)} rows, {len(wrong)} differ {wrong[:3]}")
    # The decimal definition itself, so that a change in Optuna is told from one of ours.
    d = decimal.Decimal
    wrong = [r for r, g in zip(rows, got)
             if float((d(str(r[1])) - d(str(r[0]))) // d(str(r[2])) * d(str(r[2])) + d(str(r[0])))
             != g]
    check("grid high, decimal", not wrong, f"{len(wrong)} differ {wrong[:3]}")


def pcg():
    for state, stream in [(42, 54), (0, 0), (2**64 - 1, 2**63), (123456789, 987654321)]:
        out = draws("pcg", state, stream, 2000)
        g = np.random.PCG64()
        g.state = {"bit_generator": "PCG64", "has_uint32": 0, "uinteger": 0,
                   "state": {"state": int(out[0], 16), "inc": int(out[1], 16)}}
        same = [int(x) for x in out[2:]] == [int(x) for x in g.random_raw(2000)]
        check(f"pcg64 {state}, {stream}", same, "2000 outputs, numpy's")


pcg()
grid_high()
exact_shares()
for d in [Float(-3.0, 5.0), Float(0.0, 1e-6), Float(1e-5, 1.0, log=True), Float(0.5, 0.6, log=True),
          Float(0.0, 0.5, step=0.1), Float(-1.0, 1.0, step=0.3), Float(2.0, 2.0), Int(-7, 12),
          Int(1, 100, step=7), Int(0, 1000000), Int(1, 16, log=True), Int(16, 256, log=True),
          Int(3, 3), Cat(["a", "b", "c"]), Cat(list("abcdefgh")), Cat(["only"])]:
    compare(d)
print(f"{len(failed)} failed")
sys.exit(1 if failed else 0)
