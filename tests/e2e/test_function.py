"""Studies of a test function: every sampler and pruner through the whole program, stop rules, time limits."""
import json
import time

from harness import Box, HPO, check, content, equal, same_study, sound

box = Box()


def study(name, **more):
    s = {
        "study": {"name": name, "seed": 3, "trials": 20, **more.pop("study", {})},
        "objective": {"type": "function", "name": "mixed", "curves": True, "steps": 9, "folds": 2,
                      "fold_spread": 0.05, "wobble": 0.01, **more.pop("objective", {})},
        "space": {
            "a": {"type": "float", "low": 0, "high": 1},
            "lr": {"type": "float", "low": 1e-4, "high": 1, "log": True},
            "n": {"type": "int", "low": 1, "high": 12},
            "kind": {"type": "categorical", "choices": ["x", "y"]},
            "deep": {"type": "float", "low": 0, "high": 1, "step": 0.1, "when": {"kind": "y"}},
        },
        "devices": {"use": "cpu"},
        **more,
    }
    return box.write(name + ".yaml", "".join("%s: %s\n" % (k, json.dumps(v)) for k, v in s.items()))


def names(what):
    return [p["name"] for p in json.loads(box.hpo("list", what, "--json").want(0).out)[what]]


# Every sampler with every pruner: it ends, nothing is left open, and the same command does nothing more.
samplers, pruners = names("samplers"), names("pruners")
check(len(samplers) >= 5 and len(pruners) >= 8, samplers, pruners)
for i, sampler in enumerate(samplers):
    options = {"type": sampler, "points": 3} if sampler == "grid" else {"type": sampler}
    pruner = {"type": pruners[i % len(pruners)]}
    if pruner["type"] == "threshold":
        pruner["upper"] = 100
    file = study("s-" + sampler, sampler=options, pruner=pruner)
    box.hpo("run", file).want(0, "20 trials finished")
    sound(box.db("s-" + sampler), 20)
    before = content(box.db("s-" + sampler))
    box.hpo("run", file).want(0)
    same_study(content(box.db("s-" + sampler)), before, "running a finished study again changed it:")
for pruner in pruners:
    options = {"type": pruner}
    if pruner == "threshold":
        options["upper"] = 100
    if pruner == "patient":
        options.update(patience=2, wrapped={"type": "percentile", "percentile": 30})
    file = study("p-" + pruner, sampler={"type": "tpe"}, pruner=options, study={"trials": 60})
    r = box.hpo("run", file, "--json").want(0)
    sound(box.db("p-" + pruner), 60)
    again = study("p-" + pruner, sampler={"type": "tpe"}, pruner=options, study={"trials": 60})
    box.hpo("run", again, "--dir", box.path("again")).want(0)
    same_study(content(box.db("p-" + pruner, "again")), content(box.db("p-" + pruner)), "not repeatable: " + pruner)

# Stop rules.
r = box.hpo("run", study("target", study={"target": 50, "trials": 100000}, pruner={"type": "none"})).want(0, "study.target")
r = box.hpo("run", study("patience", study={"patience": 5, "trials": 100000}, sampler={"type": "random"})).want(0, "study.patience")

# A timeout interrupts what runs; a trial's own limit ends it, with its last report as its value or as a failure.
begin = time.monotonic()
file = study("timeout", study={"timeout": "1s", "trials": 5}, objective={"delay": "10m"})
box.hpo("run", file).want(0, "study.timeout")
equal([s for (s,) in box.db("timeout").execute("SELECT state FROM trials")], ["RUNNING"], "states after a timeout")
file = study("late", study={"max_seconds": 1, "trials": 1}, objective={"delay": "5s"}, pruner={"type": "none"})
box.hpo("run", file).want(0)
equal([s for (s,) in box.db("late").execute("SELECT state FROM trials")], ["PRUNED"], "states after max_seconds")
file = study("silent", study={"max_seconds": 1, "trials": 2, "max_failures": 1}, objective={"delay": "10m"})
box.hpo("run", file).want(1, "took longer than study.max_seconds")
check(time.monotonic() - begin < 200, "the limits were not obeyed")

# An extension of the space is taken, anything else is refused.
file = study("grow", sampler={"type": "tpe"})
box.hpo("run", file).want(0)
box.hpo("run", file, "--set", "space.a.high=2", "--set", "study.trials=25").want(0, "25 trials finished")
box.hpo("run", file, "--set", "space.a.high=1.5", "--set", "study.trials=30").want(2, "space.a")

# What it found out helps another study.
file = study("heir", sampler={"type": "tpe"}, study={"warm_start": "grow"})
box.hpo("run", file, "--set", "space.a.high=2").want(0, "warm start: the sampler knows")
best = json.loads(box.hpo("report", "heir", "--best", "--json").want(0).out)
check(best, "no best trial")
