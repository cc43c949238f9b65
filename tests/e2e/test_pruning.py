"""A study that prunes: what is stopped and when, what is stored of it, and the same after SIGKILLs.

    test_pruning.py HPO [KILLS [SEED]]
"""
import json
import os
import random
import shutil
import signal
import statistics
import sys
import time

from harness import Box, alive, check, children, content, equal, kept_files, same_study, sound, wait_for

kills = int(sys.argv[2]) if len(sys.argv) > 2 else 6
seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**6)
dice = random.Random(seed)
TRIALS, EPOCHS, STARTUP = 10, 10, 2

box = Box()
box.data(classes=3, per_class=30)
study = box.study(study={"trials": TRIALS}, trainer={"epochs": EPOCHS, "model": {"width": 16}},
                  pruner={"type": "median", "startup_trials": STARTUP})


def look(db):
    """[(state, value, {step: report})] by number."""
    reports = {}
    for trial, step, value in db.execute("SELECT trial_id, step, intermediate_value FROM trial_intermediate_values"):
        reports.setdefault(trial, {})[step] = value
    values = dict(db.execute("SELECT trial_id, value FROM trial_values"))
    return [(state, values.get(trial), reports.get(trial, {}))
            for trial, state in db.execute("SELECT trial_id, state FROM trials ORDER BY number")]


def right(trials, steps):
    """The rule, written a second time: one worker, so a trial's past is what has a lower number."""
    for number, (state, value, reports) in enumerate(trials):
        past = [r for s, _, r in trials[:number] if s == "COMPLETE"]
        equal(sorted(reports), list(range(len(reports))), "steps of trial %d" % number)
        for step in sorted(reports):
            best = max(reports[s] for s in range(step + 1))
            stop = len(past) >= STARTUP and best < statistics.median(r[step] for r in past)
            equal(stop, state == "PRUNED" and step == max(reports), "trial %d is stopped at step %d" % (number, step))
        if state == "PRUNED":
            equal(value, reports[max(reports)], "a pruned trial's value is its last report, trial %d" % number)
        else:
            equal((state, len(reports)), ("COMPLETE", steps), "trial %d" % number)
    states = [state for state, _, _ in trials]
    check(states.count("PRUNED") >= 2 and states.count("COMPLETE") > STARTUP, "too little to see", states)
    return states


def killed(expected, files, lasts, options):
    """The same study, the controller or everything killed at random moments; one worker."""
    runs, dealt = box.path("killed"), 0
    shutil.rmtree(runs, ignore_errors=True)
    while True:
        p = box.start("run", study, "--dir", runs, *options)
        end = time.monotonic() + dice.uniform(0, lasts / 2)
        while p.poll() is None and (time.monotonic() < end or dealt >= kills):
            time.sleep(0.002)
        if p.poll() is not None:
            box.finish(p).want(0)
            break
        workers = children(p.pid)
        (os.kill if dice.random() < 0.5 else os.killpg)(p.pid, signal.SIGKILL)
        p.wait()
        dealt += 1
        wait_for("the workers of a dead controller are gone", lambda: not any(alive(w) for w in workers), limit=20)
    db = box.db(runs="killed")
    sound(db, TRIALS)
    same_study(content(db), expected, "a killed and resumed study differs from the reference (seed %d):" % seed)
    equal(kept_files(os.path.join(runs, "tiny", "trials")), files, "kept checkpoints (seed %d)" % seed)
    return dealt


for order, steps in (("fold_first", 2 * EPOCHS), ("epoch_first", EPOCHS)):
    options = ["--set", "data.folds.order=" + order]
    begin = time.monotonic()
    box.hpo("run", study, "--dir", box.path(order), *options).want(0)
    lasts = time.monotonic() - begin
    db = box.db(runs=order)
    sound(db, TRIALS)
    trials = look(db)
    states = right(trials, steps)
    print("%s: %s, %d reports" % (order, " ".join(states), sum(len(r) for _, _, r in trials)), flush=True)

    best = max((v, -n) for n, (s, v, _) in enumerate(trials) if s == "COMPLETE")
    equal(os.listdir(box.path(order, "tiny", "trials")), ["%04d" % -best[1]], "only the best trial's files are kept")
    report = json.loads(box.hpo("report", box.path(order, "tiny"), "--json").want(0).out)
    equal((report["counts"]["complete"], report["counts"]["pruned"]),
          (states.count("COMPLETE"), states.count("PRUNED")), "counts of the report")
    equal([(t["state"], t["value"]) for t in report["trials"]], [(s, v) for s, v, _ in trials], "rows of the report")
    box.hpo("report", box.path(order, "tiny")).want(0, "%d pruned" % states.count("PRUNED"))
    # Pruned trials count: there is nothing left to do.
    box.hpo("run", study, "--dir", box.path(order), *options).want(0)
    equal(look(box.db(runs=order)), trials, "a second run changes nothing")

    expected, files = content(db), kept_files(box.path(order, "tiny", "trials"))
    dealt = rounds = 0
    while dealt < kills:
        check(rounds < 20, "the kills never landed")
        dealt += killed(expected, files, lasts, options)
        rounds += 1
    print("%s: %.1f s, %d kills: equal to the reference" % (order, lasts, dealt), flush=True)
