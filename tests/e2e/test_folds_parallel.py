"""data.folds.parallel: how many folds of a trial train side by side shows in no result, not in which trials are pruned
at which report either, and it may change whenever a study is interrupted or killed.

    test_folds_parallel.py HPO [SEED]
"""
import os
import random
import signal
import sys
import time

from harness import Box, check, children, content, equal, same_study, sound

seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(10**6)
dice = random.Random(seed)
print("seed %d" % seed, flush=True)
box = Box()
box.data(per_class=30)
TRIALS = 10
study = box.study(
    study={"trials": TRIALS}, pruner=("=", {"type": "median", "startup_trials": 2, "warmup_steps": 0}),
    data={"folds": {"k": 5, "run": 5}}, trainer={"epochs": 8, "model": {"width": 16, "dropout": 0.1}})


def args(order, parallel, *more):
    return ["run", study, "--set", "data.folds.order=" + order, "--set", "data.folds.parallel=%s" % parallel, *more]


for order in ("fold_first", "epoch_first"):
    begin = time.monotonic()
    box.hpo(*args(order, 1), "--dir", box.path(order)).want(0)
    lasts = time.monotonic() - begin
    rows = sound(box.db(runs=order), TRIALS)
    expected = content(box.db(runs=order))
    check({s for _, s in rows} == {"COMPLETE", "PRUNED"}, "the reference has both kinds of trials:", rows)
    for parallel in (2, 3, 5, 64, "auto"):
        name = "%s-%s" % (order, parallel)
        r = box.hpo(*args(order, parallel), "--dir", box.path(name), "--set", "devices.threads=2").want(0) \
            if parallel == "auto" else box.hpo(*args(order, parallel), "--dir", box.path(name)).want(0)
        if parallel != "auto":  # other threads round otherwise
            same_study(content(box.db(runs=name)), expected, "%s at once, %s:" % (parallel, order))

    # Another number after every kill and every interrupt.
    name, dealt, begin = order + "-killed", 0, time.monotonic()
    while True:
        p = box.start(*args(order, dice.choice([1, 2, 3, 4, 5, "auto"])), "--dir", box.path(name))
        end = time.monotonic() + dice.uniform(0.05, lasts / 3)
        while p.poll() is None and (time.monotonic() < end or dealt >= 8):
            time.sleep(0.002)
        if p.poll() is not None:
            box.finish(p).want(0)
            break
        how = dice.choice(["kill", "killpg", "int"])
        if how == "int":
            p.send_signal(signal.SIGINT)
        elif how == "kill":
            p.kill()
        else:
            os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        dealt += 1
    check(dealt >= 2, "the kills never landed")
    same_study(content(box.db(runs=name)), expected, "%s, %d times killed or interrupted (seed %d):" % (order, dealt, seed))
    print("%s: %d kills and interrupts, %.0f s" % (order, dealt, time.monotonic() - begin), flush=True)

r = box.hpo("check", study, "--set", "data.folds.parallel=3").want(0, "one after the other, at most 3 at once")
r = box.hpo("check", study, "--set", "data.folds.order=epoch_first").want(0, "an epoch each, as many at once as memory holds")
box.hpo("check", study, "--set", "data.folds.parallel=0").want(2, "parallel")
box.hpo("check", study, "--set", "data.folds.parallel=65").want(2, "parallel")
