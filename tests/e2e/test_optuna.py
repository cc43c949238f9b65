"""Optuna opens study.db: the same trials and the same best one; it goes on with a copy of the study."""
import json
import os
import shutil
import subprocess
import sys

from harness import Box, check, equal, skip

OPTUNA = r'''
import json, math, sys
import optuna
from optuna.storages import RDBStorage
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = RDBStorage("sqlite:///" + sys.argv[1], skip_compatibility_check=True)
study = optuna.load_study(study_name=None, storage=storage)
out = {"version": optuna.__version__, "name": study.study_name, "direction": study.direction.name,
       "best": [study.best_trial.number, study.best_value, study.best_params],
       "trials": [[t.number, t.state.name, t.value, t.params, sorted(t.intermediate_values.items()),
                   t.datetime_start is not None, t.datetime_complete is not None] for t in study.trials]}
def objective(trial):
    lr = trial.suggest_float("optimizer.lr", 1e-3, 0.3, log=True)
    trial.suggest_int("batch_size", 8, 24, step=8)
    if trial.suggest_categorical("optimizer.type", ["sgd", "adamw"]) == "sgd":
        trial.suggest_float("optimizer.momentum", 0.5, 0.95)
    trial.report(lr, 0)
    return lr
study.sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=2)
study.optimize(objective, n_trials=5)
out["after"] = [t.state.name for t in study.trials]
out["numbers"] = [t.number for t in study.trials]
print(json.dumps(out))
'''


def python_with_optuna():
    for python in (os.environ.get("HPO_OPTUNA_PYTHON"), sys.executable, shutil.which("python3"), "/usr/bin/python3"):
        if python and subprocess.run([python, "-c", "import optuna"], stderr=subprocess.DEVNULL).returncode == 0:
            return python
    skip("Optuna is not installed (Debian: python3-optuna)")


python = python_with_optuna()
box = Box()
box.data()
study = box.study(study={"trials": 4})
box.hpo("run", study).want(0)
ours = json.loads(box.hpo("report", "tiny", "--json").want(0).out)
best = json.loads(box.hpo("report", "tiny", "--json", "--best").want(0).out)["best"]

copy = box.path("copy.db")
shutil.copy(box.path("runs", "tiny", "study.db"), copy)  # closed in order: the log is folded in
r = subprocess.run([python, "-W", "error::UserWarning", "-c", OPTUNA, copy], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                   universal_newlines=True, timeout=200)
check(r.returncode == 0, "Optuna could not use the database:", r.stdout, r.stderr)
theirs = json.loads(r.stdout)
print("Optuna", theirs["version"])
equal((theirs["name"], theirs["direction"]), ("tiny", "MAXIMIZE"), "name and direction")
equal(theirs["best"], [best["number"], best["value"], best["params"]], "the best trial")
for mine, other in zip(ours["trials"], theirs["trials"]):
    number, state, value, params, steps, started, ended = other
    equal((number, state, value, params), (mine["number"], mine["state"].upper(), mine["value"], mine["params"]), "trial")
    equal([s for s, _ in steps], [0, 1, 2, 3], "steps of the intermediate values (2 folds of 2 epochs)")
    check(started and ended, "times of trial %d" % number)
equal(theirs["after"], ["COMPLETE"] * 9, "states after five more trials by Optuna")
equal(theirs["numbers"], list(range(9)), "numbers after five more trials by Optuna")

# And back: the study with Optuna's trials in it is still a study of ours.
shutil.copy(copy, box.path("runs", "tiny", "study.db"))
r = json.loads(box.hpo("report", "tiny", "--json", "--best").want(0).out)
equal(r["counts"]["complete"], 9, "complete trials with Optuna's five")
box.hpo("run", study, "--set", "study.trials=10").want(0)
equal(json.loads(box.hpo("report", "tiny", "--json", "--best").out)["counts"]["complete"], 10, "one more of ours")
