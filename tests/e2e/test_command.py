"""A program of the user's as a trial: it runs, is pruned, survives SIGKILL of everything, and is resumed."""
import json
import os
import random
import signal
import sys
import time

from harness import Box, alive, check, children, content, equal, same_study, sound, until, wait_for

box = Box()
box.write("train.py", """
import json, os, sys, time
lr, width = float(sys.argv[2]), json.loads(os.environ["HPO_PARAMS"])["width"]
print("training with", lr, file=sys.stderr)
for step in range(6):
    time.sleep(0.03)
    loss = abs(lr - 0.1) + 1 / (step + 1) / width
    print(json.dumps({"step": step, "value": loss, "width": width}), flush=True)
print(json.dumps({"value": loss}))
""")


def study(name, **more):
    s = {
        "study": {"name": name, "seed": 3, "trials": 12, "direction": "minimize", **more.pop("study", {})},
        "objective": {"type": "command", "run": [sys.executable, "train.py", "--lr", "{lr}"], "steps": 6,
                      **more.pop("objective", {})},
        "sampler": {"type": "tpe", "startup_trials": 4},
        "pruner": {"type": "median", "startup_trials": 2},
        "space": {"lr": {"type": "float", "low": 1e-3, "high": 1, "log": True},
                  "width": {"type": "int", "low": 1, "high": 8}},
        **more,
    }
    return box.write(name + ".yaml", "".join("%s: %s\n" % (k, json.dumps(v)) for k, v in s.items()))


# From another folder: the program runs where the study file lies.
file = study("plain")
os.mkdir(box.path("elsewhere"))
r = box.hpo("run", file, "--dir", box.path("runs"), cwd=box.path("elsewhere")).want(0, "12 trials finished")
states = [s for _, s in sound(box.db("plain"), 12)]
check("PRUNED" in states and "COMPLETE" in states, states)
with open(box.path("runs", "plain", "trials", "0000", "output.log")) as f:
    text = f.read()
check("training with" in text and '"step": 5' in text, text)
check(all(os.path.exists(box.path("runs", "plain", "trials", "%04d" % n, "output.log")) for n in range(12)))
best = json.loads(box.hpo("report", "plain", "--best", "--json").want(0).out)
check("width" in json.dumps(best), best)
box.hpo("report", "plain", "--trial", "0").want(0, "lr", "width")

# SIGKILL of the controller, of a worker, of both: the same trials, and no command outlives them.
dice = random.Random(5)
file = study("plain")
kills, p = 0, None
while True:
    if p is None:
        p = box.start("run", file, "--dir", box.path("killed"))
    end = time.monotonic() + dice.uniform(0.1, 0.6)
    while p.poll() is None and (time.monotonic() < end or kills >= 8):
        time.sleep(0.005)
    if p.poll() is not None:
        box.finish(p).want(0)
        break
    workers = children(p.pid)
    guards = [g for w in workers for g in children(w)]
    commands = [c for g in guards for c in children(g)]
    whom = dice.choice(["controller", "worker", "both"])
    if whom == "worker":
        if not workers:
            continue
        os.kill(workers[0], signal.SIGKILL)
    elif whom == "controller":
        os.kill(p.pid, signal.SIGKILL)
    else:
        os.killpg(p.pid, signal.SIGKILL)
    kills += 1
    wait_for("the command of a killed worker is gone", lambda: not any(alive(c) for c in commands), limit=20)
    if whom != "worker":
        p.wait()
        p = None
same_study(content(box.db("plain", "killed")), content(box.db("plain")), "after %d kills:" % kills)
print("%d kills" % kills)

# Ctrl-C ends it soon, also when the program is deaf, and leaves nothing behind.
deaf = study("deaf", objective={"run": [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, "
                                        "signal.SIG_IGN); print('{\"step\": 0, \"value\": 1}', flush=True); "
                                        "time.sleep(1000)"]})
p = box.start("run", deaf)
until(box, p, "step 0")
commands = [c for w in children(p.pid) for g in children(w) for c in children(g)]
check(len(commands) == 1, commands)
os.kill(p.pid, signal.SIGINT)
box.finish(p, limit=30).want(130)
wait_for("the deaf command is gone", lambda: not any(alive(c) for c in commands), limit=20)

# What goes wrong is said in one line, and stops the study after a few.
broken = study("broken", objective={"run": [sys.executable, "-c", "raise SystemExit('no such data set')"]},
               study={"max_failures": 3})
box.hpo("run", broken).want(1, "ended with status 1: no such data set", "3 trials in a row failed")
silent = study("silent", objective={"run": ["true"]}, study={"max_failures": 2, "retries": 1})
box.hpo("run", silent).want(1, "ended without a value", "(trial 0 again)")
box.hpo("check", study("typo", objective={"run": ["pyton3", "{lr}"]})).want(2, "typo.yaml:2", "not a program in $PATH")
