"""What goes wrong inside trials: a loss that is no number, a worker that dies again and again, too many failures in
a row, a study that runs out of time. The study goes on, or says why it does not."""
import os
import signal
import time

from harness import Box, check, children, equal, sound, until, wait_for

box = Box()
box.data()


def trials(name):
    return box.db(name).execute(
        "SELECT number, state, reason FROM trials LEFT JOIN hpo_trials USING (trial_id) ORDER BY number").fetchall()


# Some trials diverge: they are FAIL with their reason, the others finish, and the study ends in order.
wild = {"name": "wild", "trials": 3, "max_failures": 10}
space = ("=", {"optimizer.lr": {"type": "categorical", "choices": [1e9, 0.01]},
               "optimizer.weight_decay": {"type": "float", "low": 0.0, "high": 0.01}})
box.hpo("run", box.study(study=wild, trainer={"optimizer": {"momentum": 0.9}}, space=space)).want(0)
rows = sound(box.db("wild"), len(trials("wild")))
equal([s for _, s in rows].count("COMPLETE"), 3, "complete trials beside failed ones")
failed = [t for t in trials("wild") if t[1] == "FAIL"]
check(failed and all("NaN" in t[2] or "infinite" in t[2] or "finite" in t[2] for t in failed), "reasons", failed)
check(not box.db("wild").execute("SELECT 1 FROM trial_values JOIN trials USING (trial_id) WHERE state = 'FAIL'").fetchone(),
      "a failed trial has no value")
box.hpo("report", "wild").want(0)

# All of them: N in a row stop the study, which says so; it does not go on for ever.
all_bad = box.study(study={"name": "bad", "trials": 50, "max_failures": 3}, trainer={"optimizer": {"momentum": 0.9}},
                    space=("=", {"optimizer.lr": {"type": "float", "low": 1e8, "high": 1e9}}))
box.hpo("run", all_bad).want(1, "in a row")
equal([t[1] for t in trials("bad")], ["FAIL"] * 3, "trials of a study that failed throughout")
box.hpo("report", "bad", "--best").want(0)

# A worker that dies three times without getting anywhere: that trial's failure, not the study's.
box.data("large", classes=2, per_class=400, size=32)
slow = box.study(study={"name": "dying", "trials": 2, "max_failures": 1}, data={"path": box.path("large"), "image_size": 32},
                 trainer={"model": {"width": 32, "stages": 3}, "epochs": 1})
p = box.start("run", slow)
for death in range(3):
    until(box, p, "trial 0 ", death + 1)  # it starts, or goes on
    before = box.result(p, None).out.count("trial 0 ")
    for worker in children(p.pid):
        os.kill(worker, signal.SIGKILL)
    wait_for("trial 0 is handed out again, or ends", lambda: p.poll() is not None
             or box.result(p, None).out.count("trial 0 ") > before)
r = box.finish(p)
if trials("dying")[0][1] == "FAIL":
    r.want(1, "3 times")
    check("died" in trials("dying")[0][2], "reason", trials("dying"))
else:  # it was quicker than the kills and reported an epoch between two of them
    print("the trial got further than expected: %s" % trials("dying"))

# Two trials in one worker that dies three times: only the first is found guilty. Nobody knows which of them it was
# until the third attempt, where it trains alone.
pair = box.study(study={"name": "pair", "trials": 2, "max_failures": 1}, data={"path": box.path("large"), "image_size": 32},
                 devices={"trials_per_device": 2}, trainer={"model": {"width": 32, "stages": 3}, "epochs": 1})
p = box.start("run", pair)
for death in range(3):
    until(box, p, "trial 0 ", death + 1)  # it starts, or goes on
    if death < 2:
        until(box, p, "trial 1 ", death + 1)
    for worker in children(p.pid):
        os.kill(worker, signal.SIGKILL)
r = box.finish(p)
states = [t[1] for t in trials("pair")]
if " fold " in r.out[: r.out.rfind("trial 0 goes on")]:
    print("the trials got further than expected: %s" % trials("pair"))
else:
    r.want(1, "3 times")
    equal(states, ["FAIL", "RUNNING"], "only the trial that was alone with the last death failed")
    box.hpo("run", pair, "--set", "study.trials=1").want(0)  # the other one is as good as ever
    equal([t[1] for t in trials("pair")], ["FAIL", "COMPLETE"], "trials of the study in the end")

# A time limit ends a run in order; the next one goes on.
limited = box.study(study={"name": "limited", "trials": 100000, "timeout": "1s"})
begin = time.monotonic()
box.hpo("run", limited).want(0, "timeout")
check(time.monotonic() - begin < 60, "the time limit is obeyed")
n = len(trials("limited"))
check(0 < n < 100000, "trials within the limit", n)
box.hpo("run", limited).want(0, "timeout")
check(len(trials("limited")) > n, "a second run goes on")
