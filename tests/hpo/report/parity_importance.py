"""Our importances and those of Optuna's PedAnovaImportanceEvaluator on random studies: equal to 1e-6.

    parity_importance.py SHARES [STUDIES]

Optuna 5.0 is the one we follow. 4.9 knows no conditional parameters and takes at least two good
trials, so it is asked about studies of 20 trials or more without conditions. Where a parameter has
more values than the estimate has points, 4.9 rounds those half-way by chance: it is not asked
about them. Optuna comes from $HPO_OPTUNA_PYTHON or this Python; exit status 77 when that has none
of these versions."""
import json
import math
import os
import random
import subprocess
import sys
import warnings

if os.environ.get("HPO_OPTUNA_PYTHON") and "PARITY_AGAIN" not in os.environ:
    python = os.environ["HPO_OPTUNA_PYTHON"]
    os.environ["PARITY_AGAIN"] = "1"
    os.execv(python, [python] + sys.argv)
try:
    import optuna
except ImportError:
    print("skipped: no Optuna here")
    sys.exit(77)

VERSION = tuple(int(x) for x in optuna.__version__.split(".")[:2])
if VERSION < (4, 7):
    print("skipped: Optuna", optuna.__version__, "has another PED-ANOVA")
    sys.exit(77)
CONDITIONAL = VERSION[0] >= 5
warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
FLOAT, INT, CAT = range(3)
D = optuna.distributions


def random_param(rng):
    kind = rng.choice([FLOAT, FLOAT, INT, CAT])
    if kind == CAT:
        n = rng.choice([1, 2, 3, 7, 60])
        return {"kind": CAT, "low": 0, "high": n - 1, "step": 0, "log": False, "n": n}
    log = rng.random() < 0.4
    if kind == INT:
        low = rng.randint(1, 5) if log else rng.randint(-50, 50)
        step = 1 if log else rng.choice([1, 1, 2, 3])
        high = low + step * rng.choice([0, 1, 3, 10, 48, 49] + ([50, 97, 1000] if CONDITIONAL else []))
        return {"kind": INT, "low": low, "high": high, "step": step, "log": log, "n": 0}
    if log:
        low = 10 ** rng.uniform(-6, 0)
        return {"kind": FLOAT, "low": low, "high": low * 10 ** rng.uniform(0.1, 5), "step": 0, "log": True, "n": 0}
    step = rng.choice([0, 0, 0.25, 0.5])
    low = rng.randint(-4, 4)
    return {"kind": FLOAT, "low": low, "high": low + (rng.randint(1, 40) if CONDITIONAL else rng.randint(1, 12)), "step": step, "log": False, "n": 0}


def distribution(p):
    if p["kind"] == CAT:
        return D.CategoricalDistribution(list(range(100, 100 + p["n"])))
    if p["kind"] == INT:
        return D.IntDistribution(p["low"], p["high"], step=p["step"], log=p["log"])
    return D.FloatDistribution(p["low"], p["high"], step=p["step"] or None, log=p["log"])


def draw(rng, p, narrow):
    u = rng.random() ** narrow
    if p["kind"] == CAT:
        return min(p["n"] - 1, int(u * p["n"]))
    if p["log"]:
        v = math.exp(math.log(p["low"]) + u * math.log(p["high"] / p["low"]))
        return min(max(p["low"], round(v)), p["high"]) if p["kind"] == INT else min(max(p["low"], v), p["high"])
    if p["step"]:
        n = int((p["high"] - p["low"]) / p["step"]) + 1
        return p["low"] + p["step"] * min(n - 1, int(u * n))
    return p["low"] + u * (p["high"] - p["low"])


def random_study(rng):
    params = [random_param(rng) for _ in range(rng.randint(1, 6))]
    weights = [rng.choice([0, 1, 3]) for _ in params]
    narrow = [rng.choice([1, 1, 2, 5]) for _ in params]
    conditional = [CONDITIONAL and rng.random() < 0.3 for _ in params]
    n = rng.choice([20, 33, 70, 100, 257] + ([2, 3, 5, 9, 11] if CONDITIONAL else []))
    ties = rng.random() < 0.2
    trials = []
    for _ in range(n):
        x = [None if c and rng.random() < 0.5 else draw(rng, p, k) for p, k, c in zip(params, narrow, conditional)]
        value = rng.gauss(0, 0.1)
        for v, p, w in zip(x, params, weights):
            if v is None:
                value += 0.3 * w
            elif p["high"] > p["low"]:
                value += w * ((v - p["low"]) / (p["high"] - p["low"]) - 0.3) ** 2
        trials.append([round(value, 1) if ties else value] + x)
    return {"params": params, "trials": trials}


def optunas(study):
    s = optuna.create_study()
    dists = [distribution(p) for p in study["params"]]
    for value, *x in study["trials"]:
        used = [i for i, v in enumerate(x) if v is not None]
        s.add_trial(optuna.trial.create_trial(
            value=value, distributions={"p%d" % i: dists[i] for i in used},
            params={"p%d" % i: dists[i].to_external_repr(x[i]) for i in used}))
    names = {"p%d" % i for i, _ in enumerate(dists)} & {k for t in s.trials for k in t.params}
    shares = optuna.importance.get_param_importances(s, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
    if VERSION < (5, 0):  # leaves out what has a single value
        shares.update({k: 0.0 for k in names - set(shares)})
    return [shares.get("p%d" % i) for i, _ in enumerate(dists)]


def main():
    rng = random.Random(7)
    studies = [random_study(rng) for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 150)]
    text = "".join(json.dumps(s) + "\n" for s in studies)
    out = subprocess.run([sys.argv[1]], input=text, stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    worst = 0.0
    for k, (study, line) in enumerate(zip(studies, out.splitlines())):
        ours, theirs = json.loads(line), optunas(study)
        if all(v in (0.0, None) for v in theirs):
            continue
        for a, b in zip(ours, theirs):
            if (a is None) != (b is None) or (a is not None and not abs(a - b) <= 1e-6):
                print("study %d, parameters %s:\nours    %s\nOptuna  %s" % (k, study["params"], ours, theirs))
                sys.exit(1)
            worst = max(worst, abs(a - b) if a is not None else 0)
    print("Optuna %s: %d studies, largest difference %.1e" % (optuna.__version__, len(studies), worst))


main()
