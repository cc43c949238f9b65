"""sampler.lag: a study on two workers is the same each time, and when it is killed and resumed.

    test_lag.py HPO [KILLS [SEED]]
"""
import os
import random
import signal
import sys
import time

from harness import Box, check, children, content, equal, same_study, sound

kills = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("KILLS", "3"))
seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**6)
dice = random.Random(seed)
print("seed %d" % seed, flush=True)

TRIALS = 12
box = Box()
box.data(classes=3, per_class=30)
study = box.study(study={"trials": TRIALS}, sampler={"type": "tpe", "startup_trials": 3, "lag": 2},
                  pruner=("=", {"type": "median", "startup_trials": 2}), devices={"use": ["cpu", "cpu"]},
                  trainer={"epochs": 6})


def run(runs):
    begin = time.monotonic()
    box.hpo("run", study, "--dir", box.path(runs)).want(0)
    return time.monotonic() - begin


lasts = run("one")
states = [s for _, s in sound(box.db(runs="one"), TRIALS)]
check("PRUNED" in states, states)
expected = content(box.db(runs="one"))
for runs in ("two", "three"):
    run(runs)
    same_study(content(box.db(runs=runs)), expected, "two runs of one study differ:")

done, rounds = 0, 0
while done < kills:
    check(rounds < 10 * kills, "the kills never landed")
    rounds += 1
    p, runs = None, "killed%d" % rounds
    while True:
        p = p or box.start("run", study, "--dir", box.path(runs))
        end = time.monotonic() + dice.uniform(0, max(lasts / 3, 0.1))
        while p.poll() is None and (time.monotonic() < end or done >= kills):
            time.sleep(0.002)
        if p.poll() is not None:
            box.finish(p).want(0)
            break
        workers = children(p.pid)
        if dice.random() < 0.3 and len(workers) == 2:
            os.kill(dice.choice(workers), signal.SIGKILL)
        else:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            p = None
        done += 1
    same_study(content(box.db(runs=runs)), expected, "killed and resumed, it differs (seed %d):" % seed)
print("three runs, and %d more with %d kills: all equal" % (rounds, done))
