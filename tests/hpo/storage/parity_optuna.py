#!/usr/bin/env python3
"""Does Optuna see in our file what we wrote, and do we see in it what Optuna goes on to write?

parity_optuna.py PARITY_WRITER
"""
import json
import math
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import warnings

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import find_optuna  # noqa: E402  (it may start another Python)

optuna = find_optuna.optuna

from optuna.distributions import CategoricalDistribution as Cat
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)
VERSION = tuple(int(x) for x in optuna.__version__.split(".")[:2])
UTC = VERSION >= (5, 0)  # it reads naive times as UTC; before, as local time
INF, NAN = math.inf, math.nan
NAME = "cifar10"

TYPES = ["sgd", "adamw"]
MIXED = ['a "quoted" caf\u00e9', 3, 2.5, True, None]
DISTRIBUTIONS = {
    "optimizer.lr": Float(1e-5, 0.1, log=True),
    "model.dropout": Float(0.0, 0.5, step=0.1),
    "units": Int(1, 9, step=2),
    "width": Int(16, 256, log=True),
    "optimizer.type": Cat(TYPES),
    "mixed": Cat(MIXED),
    "optimizer.momentum": Float(0.8, 0.99),
}
# As parity_writer.c ends them: state, value, intermediate values; smaller is better.
ENDS = [
    ("COMPLETE", 0.75, [0.5, NAN, 0.75]),
    ("COMPLETE", 0.1 + 0.2, [0.25, INF]),
    ("PRUNED", 1.5, [1.5]),
    ("PRUNED", None, []),
    ("FAIL", None, [-INF, 1e-300]),
    ("COMPLETE", 0.1 + 0.2, []),
    ("COMPLETE", INF, []),
    ("COMPLETE", 0.5, [0.0]),
    ("RUNNING", None, [0.125]),
]


def params_of(n):
    """fx_values in fixture.h, as Optuna sees them."""
    p = {
        "optimizer.lr": math.exp(
            math.log(1e-5) + (n % 17 + 0.5) / 17 * (math.log(0.1) - math.log(1e-5))),
        "model.dropout": (n % 6) * 0.1,
        "units": 1 + 2 * (n % 5),
        "width": 16 + n * 7 % 241,
        "optimizer.type": TYPES[n % 2],
        "mixed": MIXED[n % 5],
    }
    if n % 2 == 0:
        p["optimizer.momentum"] = 0.8 + 0.01 * (n % 19)
    return p


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return (a != a and b != b) or a == b
    return type(a) is type(b) and a == b


def check(what, ours, theirs):
    if not same(ours, theirs):
        sys.exit(f"{what}: {ours!r} was written and Optuna {optuna.__version__} reads {theirs!r}")


def storage(path):
    # Before 3.2 Optuna refuses the newer revision, although the tables are the same.
    kwargs = {"skip_compatibility_check": True} if VERSION < (3, 2) else {}
    return optuna.storages.RDBStorage("sqlite:///" + path, **kwargs)


def check_written(path, sign):
    study = optuna.load_study(study_name=NAME, storage=storage(path))
    trials = study.trials
    check("direction", "MAXIMIZE" if sign < 0 else "MINIMIZE", study.direction.name)
    check("number of trials", len(ENDS), len(trials))
    if hasattr(study, "metric_names"):
        check("metric names", ["accuracy"], study.metric_names)
    for n, (state, value, points) in enumerate(ENDS):
        t = trials[n]
        check(f"number {n}", n, t.number)
        check(f"state {n}", state, t.state.name)
        check(f"value {n}", None if value is None else sign * value, t.value)
        names = list(t.params)
        check(f"names {n}", list(params_of(n)) if names != sorted(names) else sorted(params_of(n)),
              names)  # early versions sort them
        for name, v in params_of(n).items():
            check(f"param {n} {name}", v, t.params[name])
            check(f"distribution {n} {name}", DISTRIBUTIONS[name], t.distributions[name])
        check(f"steps {n}", [2 * i for i in range(len(points))], sorted(t.intermediate_values))
        for i, v in enumerate(points):
            check(f"point {n} {i}", sign * v, t.intermediate_values[2 * i])
        if state == "RUNNING":
            check(f"complete {n}", None, t.datetime_complete)
        else:
            check(f"duration {n}", 62.5, t.duration.total_seconds())
        if UTC:
            check(f"start {n}", 1790000000.25 + 100 * n, t.datetime_start.timestamp())
        if state == "COMPLETE":
            check(f"folds {n}", [0.25, 0.75], t.user_attrs["fold_values"])
            check(f"std {n}", 0.25, t.user_attrs["std"])
            check(f"scores {n}", [0.25, 0.75], t.system_attrs["terminator:cv_scores"])
        if state == "FAIL":
            check(f"reason {n}", "loss is NaN\nin fold 0", t.user_attrs["fail_reason"])
    check_best(path, sign)


def check_best(path, sign):
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "best.db")
        shutil.copy(path, copy)
        if VERSION < (4, 0):
            # Its query takes the NULL of an infinite value for the smallest number.
            db = sqlite3.connect(copy)
            db.execute("UPDATE trials SET state = 'FAIL' WHERE number = 6")
            db.commit()
            db.close()
        study = optuna.load_study(study_name=NAME, storage=storage(copy))
        check("best trial", 1, study.best_trial.number)
        check("best value", sign * (0.1 + 0.2), study.best_value)


def check_schema(path):
    """Our tables beside, Optuna's exactly as a fresh file of its own has them."""
    def schema(file):
        db = sqlite3.connect(file)
        rows = db.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
                          " AND tbl_name NOT LIKE 'hpo%'").fetchall()
        head = db.execute("SELECT version_num FROM alembic_version").fetchall()
        version = db.execute("SELECT schema_version FROM version_info").fetchall()
        db.close()
        words = [(t, n, re.sub(r"\s*([(),])\s*", r"\1", " ".join(s.split())))
                 for t, n, s in rows]
        return sorted(words), head, version

    with tempfile.TemporaryDirectory() as folder:
        fresh = os.path.join(folder, "fresh.db")
        optuna.create_study(storage="sqlite:///" + fresh)
        ours, theirs = schema(path), schema(fresh)
    for a, b in zip(ours[0], theirs[0]):
        check(f"schema of {b[1]}", b, a)
    check("schema", theirs, ours)


def objective(trial):
    n = trial.number
    lr = trial.suggest_float("optimizer.lr", 1e-5, 0.1, log=True)
    trial.suggest_float("model.dropout", 0.0, 0.5, step=0.1)
    trial.suggest_int("units", 1, 9, step=2)
    trial.suggest_int("width", 16, 256, log=True)
    if trial.suggest_categorical("optimizer.type", TYPES) == "sgd":
        trial.suggest_float("optimizer.momentum", 0.8, 0.99)
    trial.suggest_categorical("mixed", MIXED)
    trial.suggest_float("not.ours", 0.0, 1.0)
    trial.report(lr, 0)
    trial.report(NAN if n % 2 else INF, 1)
    if n == 10:
        raise optuna.TrialPruned()
    if n == 11:
        raise ValueError("it fails")
    return INF if n == 12 else lr


def internal(distribution, value):
    return float(distribution.to_internal_repr(value))


def number(v):
    return {"nan": NAN, "inf": INF, "-inf": -INF}[v] if isinstance(v, str) else float(v)


def check_continued(path, writer):
    study = optuna.load_study(study_name=NAME, storage=storage(path),
                              sampler=optuna.samplers.TPESampler(seed=1, n_startup_trials=1))
    study.optimize(objective, n_trials=5, catch=(ValueError,))
    study.enqueue_trial({"optimizer.lr": 0.01, "optimizer.type": "sgd"})
    trials = study.trials
    check("trials after five more", len(ENDS) + 6, len(trials))
    check("the last one waits", TrialState.WAITING.name, trials[-1].state.name)

    read = json.loads(subprocess.run([writer, "dump", path], check=True,
                                     stdout=subprocess.PIPE).stdout)
    check("trials read back", len(trials), len(read))
    for t, r in zip(trials, read):
        n = t.number
        check(f"read number {n}", n, int(r["number"]))
        check(f"read state {n}", t.state.name, r["state"])
        check(f"read value {n}", NAN if t.value is None else float(t.value), number(r["value"]))
        params = t.system_attrs["fixed_params"] if t.state == TrialState.WAITING else t.params
        theirs = {k: internal(DISTRIBUTIONS[k], v) for k, v in params.items()
                  if k in DISTRIBUTIONS}
        check(f"read params {n}", theirs, {k: float(v) for k, v in r["params"].items()})
        points = {int(k): number(v) for k, v in r["points"].items()}
        check(f"read steps {n}", sorted(t.intermediate_values), sorted(points))
        for step, v in t.intermediate_values.items():
            check(f"read point {n} {step}", float(v), points[step])
        if UTC and t.datetime_start:
            check(f"read start {n}", True, abs(t.datetime_start.timestamp() - r["started"]) < 2e-6)


def check_queue(path):
    """Repetitions are known to Optuna's helpers, and it runs what waits with what was asked for."""
    study = optuna.load_study(study_name=NAME, storage=storage(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # renamed in 4.9
        callback = optuna.storages.RetryFailedTrialCallback
        for n, (first, history) in enumerate([(None, []), (0, [0]), (0, [0, 1])]):
            check(f"retried trial {n}", first, callback.retried_trial_number(study.trials[n]))
            check(f"retry history {n}", history, callback.retry_history(study.trials[n]))
    check("states", ["FAIL", "FAIL", "COMPLETE", "RUNNING", "WAITING", "WAITING"],
          [t.state.name for t in study.trials])
    check("params of the claimed one", params_of(3), study.trials[3].params)
    check("its start", True, study.trials[3].datetime_start is not None)
    check("start of a waiting one", None, study.trials[4].datetime_start)
    study.optimize(objective, n_trials=3)
    trials = study.trials
    check("states then", ["RUNNING"] + ["COMPLETE"] * 3, [t.state.name for t in trials[3:]])
    for name, v in params_of(4).items():
        check(f"enqueued {name}", v, trials[4].params[name])
    for name, v in (("model.dropout", 0.3), ("width", 33), ("mixed", True)):
        check(f"enqueued {name}", v, trials[5].params[name])


def check_extended(path):
    """A study whose space has grown goes on in Optuna, except where choices were added."""
    study = optuna.load_study(study_name=NAME, storage=storage(path))
    trial = study.ask()
    check("a wider range", True, 1 <= trial.suggest_int("units", 1, 99, step=2) <= 99)
    try:
        trial.suggest_categorical("optimizer.type", TYPES + ["lion"])
        sys.exit("Optuna accepts more choices: say so in columns.h")
    except ValueError:
        pass
    study.tell(trial, 0.5)


def main():
    writer = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        for direction, sign in (("minimize", 1.0), ("maximize", -1.0)):
            path = os.path.join(folder, direction + ".db")
            copy = os.path.join(folder, direction + "-copy.db")
            subprocess.run([writer, "write", path, direction], check=True)
            check("files left", [direction + ".db"],
                  sorted(f for f in os.listdir(folder) if f.startswith(direction)))
            shutil.copy(path, copy)
            check_written(path, sign)
            if VERSION >= (3, 2):
                check_schema(path)
            check_continued(copy, writer)
        path = os.path.join(folder, "queue.db")
        subprocess.run([writer, "queue", path], check=True)
        check_queue(path)
        check_extended(path)
    print(f"Optuna {optuna.__version__} agrees")


main()
