"""Our TPE beside Optuna's: who is good and who is bad, weights and densities, to 1e-9.

    parity_tpe.py TPE_DENSITIES      (the helper built from tpe_densities.c)

Histories and points are random, with a fixed seed. Needs Optuna 4.9 or later: before, bandwidths
were others. Joint densities are compared from 5.0 on, for the same reason. HPO_OPTUNA_PYTHON names
an interpreter that has it, when the one that runs this has not.
"""
import os
import random
import subprocess
import sys
import warnings

OTHER = os.environ.pop("HPO_OPTUNA_PYTHON", None)
if OTHER:
    os.execv(OTHER, [OTHER, *sys.argv])

try:
    import numpy as np
    import optuna
    from optuna.distributions import CategoricalDistribution as Cat
    from optuna.distributions import FloatDistribution as Float
    from optuna.distributions import IntDistribution as Int
    from optuna.samplers._tpe import sampler as tpe
    from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
    from optuna.samplers._tpe.parzen_estimator import _ParzenEstimatorParameters
    from optuna.trial import TrialState, create_trial
except ImportError as e:
    print(f"skipped: {sys.executable} has no {e.name}")
    sys.exit(77)

VERSION = tuple(int(v) for v in optuna.__version__.split(".")[:2])
if VERSION < (4, 9):
    print(f"skipped: Optuna {optuna.__version__} has other bandwidths, 4.9 or later is needed")
    sys.exit(77)
warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
JOINT = VERSION >= (5, 0)
CASES = 1000
POINTS = 20
STATES = [TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED]  # in the order of our enum

# Equal values get their bandwidths in the order of a sort. Optuna's is numpy's fastest, which
# depends on the processor; ours keeps the order of the trials. So that both can be compared:
plain_argsort = np.argsort
np.argsort = lambda a, *args, **kw: plain_argsort(a, *args, **{"kind": "stable", **kw})


def distribution(rng):
    kind = rng.randrange(8)
    if kind == 0:
        low = rng.uniform(-5, 5)
        return Float(low, low + rng.uniform(0.1, 20))
    if kind == 1:
        return Float(10 ** rng.uniform(-6, -2), 10 ** rng.uniform(-1, 2), log=True)
    if kind == 2:
        return Float(0.0, rng.choice([0.5, 1.0, 4.0]), step=rng.choice([0.1, 0.25]))
    if kind == 3:
        return Int(rng.randint(-3, 3), rng.randint(5, 60), step=rng.choice([1, 2, 3]))
    if kind == 4:
        return Int(rng.randint(1, 4), rng.randint(8, 512), log=True)
    if kind == 5:
        return Int(-100, rng.choice([500, 5000, 20000]))
    if kind == 6:
        return Int(rng.randint(1, 100), 10 ** rng.randint(3, 5), log=True)
    return Cat(tuple("abcdefgh"[:rng.randint(2, 8)]))


def draw(rng, dist):
    if isinstance(dist, Cat):
        return rng.choice(dist.choices)
    if isinstance(dist, Int) and not dist.log:
        return rng.randrange(dist.low, dist.high + 1, dist.step)
    if isinstance(dist, Float) and dist.step:
        return min(dist.low + dist.step * rng.randint(0, round((dist.high - dist.low) / dist.step)),
                   dist.high)
    low, high = float(dist.low), float(dist.high)
    v = low * (high / low) ** rng.random() if dist.log else rng.uniform(low, high)
    return min(max(round(v), dist.low), dist.high) if isinstance(dist, Int) else v


def history(rng, space, n):
    trials = []
    for i in range(n):
        state = rng.choices(STATES, [1, 6, 3 if n % 2 else 30])[0]
        reports = {}
        if state == TrialState.PRUNED and rng.random() < 0.9:
            reports = {rng.randrange(5): rng.choice([0.5, rng.random(), float("nan"),
                                                     float("inf")])}
        value = rng.choice([rng.random(), rng.random(), 0.25, float("inf"), float("-inf")])
        t = create_trial(state=state, params={k: draw(rng, d) for k, d in space.items()},
                         distributions=space, intermediate_values=reports,
                         value=value if state == TrialState.COMPLETE else None)
        t.number = i
        trials.append(t)
    return trials


def as_text(space, trials, points):
    out = [f"{len(space)} {len(trials)} {len(points)} 1"]
    for d in space.values():
        if isinstance(d, Cat):
            out.append(f"2 0 {len(d.choices)} 0 0")
        else:
            out.append(f"{int(isinstance(d, Int))} {d.low!r} {d.high!r} {d.step or 0!r} {d.log:d}")
    for t in trials:
        step, last = max(t.intermediate_values.items(), default=(-1, 0))
        row = [STATES.index(t.state), t.value if t.state == TrialState.COMPLETE else "nan", step,
               last]
        out.append(" ".join(map(str, row + internal(space, t.params))))
    return "\n".join(out + [" ".join(map(str, internal(space, p))) for p in points]) + "\n"


def internal(space, params):
    return [repr(float(d.to_internal_repr(params[k]))) for k, d in space.items()]


def estimator(space, trials):
    extra = () if JOINT else ({},)
    parameters = _ParzenEstimatorParameters(1.0, True, False, tpe.default_weights,
                                            len(space) > 1, *extra)
    obs = {k: np.array([float(d.to_internal_repr(t.params[k])) for t in trials])
           for k, d in space.items()}
    return _ParzenEstimator(obs, space, parameters)


def expected(space, trials, points):
    study = optuna.create_study()
    n = sum(t.state != TrialState.RUNNING for t in trials)
    args = () if JOINT else (False,)
    below, above = tpe._split_trials(study, trials, tpe.default_gamma(n), *args)
    x = {k: np.array([float(d.to_internal_repr(p[k])) for p in points]) for k, d in space.items()}
    return [[t.number for t in below], [t.number for t in above],
            tpe.default_weights(len(above)), estimator(space, below).log_pdf(x),
            estimator(space, above).log_pdf(x)]


def main():
    rng = random.Random(20)
    cases = []
    for i in range(CASES):
        space = {f"p{k}": distribution(rng) for k in range(rng.randint(1, 4) if JOINT else 1)}
        trials = history(rng, space, rng.choice([0, 1, 2, rng.randint(3, 40),
                                                 rng.randint(40, 400)]))
        points = [{k: draw(rng, d) for k, d in space.items()} for _ in range(POINTS)]
        cases.append((space, trials, points))
    text = "".join(as_text(*c) for c in cases)
    run = subprocess.run([sys.argv[1]], input=text, capture_output=True, text=True, check=True)
    lines = run.stdout.split("\n")
    worst = 0
    for i, case in enumerate(cases):
        ours = [[float(v) for v in line.split()] for line in lines[5 * i:5 * i + 5]]
        for what, a, b in zip(["below", "above", "weights", "l", "g"], ours, expected(*case)):
            b = np.asarray(b, dtype=float)
            same = len(a) == len(b) and np.allclose(a, b, rtol=0 if what in ("below", "above")
                                                    else 1e-9, atol=1e-9)
            if not same:
                print(f"FAIL case {i}, {what}, {case[0]}: {a} is not {b.tolist()}")
                sys.exit(1)
            if what in ("l", "g"):
                worst = max(worst, float(np.max(np.abs(a - b), initial=0)))
    print(f"ok: {CASES} histories, {'joint' if JOINT else 'single'} densities as Optuna "
          f"{optuna.__version__}'s, largest difference {worst:.1e}")


main()
