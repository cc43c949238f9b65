"""What our TPE proposes beside what Optuna's does, with the same history.

    parity_draws.py DRAWS       (DRAWS: the helper built from draws.c)

One parameter of each type, 30 trials. Each side proposes 2,000 times the best of 24 candidates, and
1,000 times the only one, a plain draw around the good trials. Their distributions are compared,
since the generators differ. Seeds are fixed: the outcome is always the same. Needs Optuna 4.9 or
later, of this interpreter or of $HPO_OPTUNA_PYTHON: before, bandwidths were others.
"""
import os
import random
import subprocess
import sys
import warnings

NEEDED = (4, 9)


def skip(why):
    """Go on in the other interpreter, or give up."""
    other = os.environ.pop("HPO_OPTUNA_PYTHON", None)
    if other and os.access(other, os.X_OK):
        os.execv(other, [other, *sys.argv])
    print(f"skipped: {sys.executable} {why}")
    sys.exit(77)


try:
    import numpy as np
    import optuna
    from optuna.distributions import CategoricalDistribution as Cat
    from optuna.distributions import FloatDistribution as Float
    from optuna.distributions import IntDistribution as Int
    from two_samples import two_samples
except ImportError as e:
    skip(f"has no {e.name}")
if tuple(int(v) for v in optuna.__version__.split(".")[:2]) < NEEDED:
    skip(f"has Optuna {optuna.__version__}, 4.9 or later is needed")

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
TRIALS, P_LOWEST = 30, 1e-3
DISTRIBUTIONS = [
    Float(-3.0, 5.0), Float(1e-5, 1.0, log=True), Float(0.0, 0.5, step=0.1),
    Float(-1.0, 1.0, step=0.05), Int(-7, 12), Int(1, 100, step=7), Int(16, 256, log=True),
    Cat(tuple("abc")), Cat(tuple("abcdefgh"))]


def history(dist):
    """(value of the parameter, value of the trial), best around a third of the range."""
    rng = random.Random(str(dist))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=rng.randrange(1000)))
    trial = study._storage.get_trial(study.ask()._trial_id)
    rows = []
    for _ in range(TRIALS):
        v = study.sampler.sample_independent(study, trial, "p", dist)
        if isinstance(dist, Cat):
            share = dist.choices.index(v) / len(dist.choices)
        elif dist.log:
            share = np.log(v / dist.low) / np.log(dist.high / dist.low)
        else:
            share = (v - dist.low) / (dist.high - dist.low)
        rows.append((v, abs(share - 0.3) + 0.2 * rng.random()))
    return rows


def ours(dist, rows, candidates, n):
    text = "".join(f"{dist.to_internal_repr(v)!r} {float(value)!r}\n" for v, value in rows)
    if isinstance(dist, Cat):
        args = ["choice", len(dist.choices), n]
    else:
        args = ["int" if isinstance(dist, Int) else "float", repr(dist.low), repr(dist.high),
                repr(dist.step or 0), int(dist.log), n]
    out = subprocess.run([sys.argv[1], "tpe", str(candidates), *map(str, args)], input=text,
                         text=True, stdout=subprocess.PIPE, check=True).stdout
    return np.array([float(v) for v in out.split()])


def theirs(dist, rows, candidates, n):
    sampler = optuna.samplers.TPESampler(seed=3, n_ei_candidates=candidates, multivariate=False,
                                         constant_liar=False)
    study = optuna.create_study(sampler=sampler)
    for v, value in rows:
        study.add_trial(optuna.create_trial(params={"p": v}, distributions={"p": dist},
                                            value=value))
    trial = study._storage.get_trial(study.ask()._trial_id)
    return np.array([float(dist.to_internal_repr(sampler.sample_independent(study, trial, "p",
                                                                            dist)))
                     for _ in range(n)])


def compare(dist, candidates, n):
    rows = history(dist)
    a, b = ours(dist, rows, candidates, n), theirs(dist, rows, candidates, n)
    assert len(a) == len(b) == n
    assert all(dist._contains(v) for v in a), dist
    name, p = two_samples(a, b, isinstance(dist, Float) and dist.step is None)
    print(f"{'ok  ' if p > P_LOWEST else 'FAIL'} {dist}, {candidates}: {name}, p = {p:.3g}")
    return p > P_LOWEST


def main():
    failed = sum(not compare(d, *c) for d in DISTRIBUTIONS for c in ((24, 2000), (1, 1000)))
    print(f"{failed} failed, beside Optuna {optuna.__version__}")
    return 1 if failed else 0


sys.exit(main())
