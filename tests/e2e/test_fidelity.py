"""`fidelity`: a study of two rungs on two workers is the same each time, and when it is killed and resumed; the report
speaks of its rungs; Optuna's best trial is one of the last rung.

    test_fidelity.py HPO [KILLS [SEED]]
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from harness import Box, check, children, content, equal, kept_files, same_study, sound

kills = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("KILLS", "4"))
seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**6)
dice = random.Random(seed)
print("seed %d" % seed, flush=True)

box = Box()
box.data(classes=3, per_class=30)
RUNGS = [{"limit": 45, "image_size": 8, "folds.run": 1, "epochs": 2, "promote": 4, "explore": 1},
         {"epochs": 3, "promote": 0.5}, {}]
TRIALS = 8 + 5 + 2
study = box.study(study={"trials": 8}, sampler={"type": "tpe", "startup_trials": 3, "lag": 2},
                  devices={"use": ["cpu", "cpu"]}, trainer={"epochs": 5}, data={"image_size": 12}, fidelity=RUNGS)


def run(runs):
    begin = time.monotonic()
    box.hpo("run", study, "--dir", box.path(runs)).want(0)
    return time.monotonic() - begin


# What it costs is said before.
r = json.loads(box.hpo("check", study, "--json").want(0).out)
equal([x["trials"] for x in r["rungs"]], [8, 5, 2], "trials of the rungs")
check(0 < r["cost_of_full_fidelity"] < 1, r)
box.hpo("check", study).want(0, "rungs      trials", "limit 45, image_size 8, folds.run 1, epochs 2")

lasts = run("one")
db = box.db(runs="one")
states = [s for _, s in sound(db, TRIALS)]
equal(states, ["PRUNED"] * 13 + ["COMPLETE"] * 2, "what Optuna sees")
rungs = db.execute("SELECT t.number, r.rung, r.promoted_from, r.explored FROM trials t"
                   " LEFT JOIN hpo_rungs r USING (trial_id) ORDER BY t.number").fetchall()
equal([r[1] for r in rungs], [0] * 8 + [1] * 5 + [2] * 2, "rungs")
values = dict(db.execute("SELECT number, value FROM trials JOIN trial_values USING (trial_id)").fetchall())
cheap = sorted(range(8), key=lambda n: (-values[n], n))
equal([r[2] for r in rungs[8:12]], cheap[:4], "the best of the first rung go on")
check(rungs[12][2] in cheap[4:] and rungs[12][3], rungs[12])
params = [db.execute("SELECT param_name, param_value FROM trial_params JOIN trials USING (trial_id) WHERE number = ?"
                     " ORDER BY param_name", (n,)).fetchall() for n in range(TRIALS)]
for number, rung, origin, _ in rungs[8:]:
    equal(params[number], params[origin], "what trial %d has of trial %d" % (number, origin))
# The other data set, fewer folds and epochs.
epochs = db.execute("SELECT t.number, count(DISTINCT fold), max(epoch) + 1 FROM hpo_epochs JOIN trials t USING (trial_id)"
                    " GROUP BY t.number ORDER BY t.number").fetchall()
equal([e[1:] for e in epochs], [(1, 2)] * 8 + [(2, 3)] * 5 + [(2, 5)] * 2, "folds and epochs of each trial")

report = json.loads(box.hpo("report", "tiny", "--json", "--dir", box.path("one")).want(0).out)
check(report["best_trial"] in (13, 14), report["best_trial"])
equal([t["rung"] for t in report["trials"]], [r[1] for r in rungs], "rungs in the report")
equal([t["state"] for t in report["trials"]], ["COMPLETE"] * TRIALS, "states in the report")
equal((report["rungs"][0]["promoted"]["pairs"], report["rungs"][0]["all"]["pairs"]), (4, 5), "pairs")
box.hpo("report", "tiny", "--dir", box.path("one")).want(0, "rung 0 against rung 1", "rung 1 against rung 2")

# Optuna, where it is installed: its best trial is ours, though a cheap one has a better value or not.
OPTUNA = '''
import json, sys
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = optuna.storages.RDBStorage("sqlite:///" + sys.argv[1], skip_compatibility_check=True)
study = optuna.load_study(study_name=None, storage=storage)
print(json.dumps([study.best_trial.number, [[t.user_attrs["rung"], t.user_attrs.get("promoted_from")] for t in study.trials]]))
'''
for python in (os.environ.get("HPO_OPTUNA_PYTHON"), sys.executable, shutil.which("python3"), "/usr/bin/python3"):
    if python and not subprocess.run([python, "-c", "import optuna"], stderr=subprocess.DEVNULL).returncode:
        shutil.copy(box.path("one", "tiny", "study.db"), box.path("copy.db"))
        out = subprocess.run([python, "-c", OPTUNA, box.path("copy.db")], check=True, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, universal_newlines=True).stdout
        best, attrs = json.loads(out)
        equal(best, report["best_trial"], "Optuna's best trial")
        equal(attrs, [[r[1], r[2]] for r in rungs], "what Optuna sees of the rungs")
        print("Optuna sees the same best trial")
        break

# What --best and --trial print of a trial, run on its own, comes to its value: each has the settings of its rung.
for number in (0, 14):
    text = json.loads(box.hpo("report", "tiny", "--json", "--trial", str(number), "--dir", box.path("one")).want(0).out)
    file = box.write("single%d.yaml" % number, text["trial"]["yaml"])
    box.hpo("run", file, "--dir", box.path("single%d" % number)).want(0)
    one = box.db(study="tiny-single", runs="single%d" % number)
    equal(one.execute("SELECT value FROM trial_values").fetchone()[0], values[number], "trial %d on its own" % number)

expected, files = content(db), kept_files(box.path("one", "tiny", "trials"))
run("two")
same_study(content(box.db(runs="two")), expected, "two runs of one study differ:")

done, rounds = 0, 0
while done < kills:
    check(rounds < 10 * kills, "the kills never landed")
    rounds += 1
    p, runs = None, "killed%d" % rounds
    while True:
        p = p or box.start("run", study, "--dir", box.path(runs))
        end = time.monotonic() + dice.uniform(0, max(lasts / 2, 0.1))
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
    same_study(content(box.db(runs=runs)), expected, "a killed and resumed study differs (seed %d):" % seed)
    equal(kept_files(box.path(runs, "tiny", "trials")), files, "kept checkpoints (seed %d)" % seed)

# The rungs are part of what the study is.
r = box.hpo("run", study, "--dir", box.path("one"), "--set", "fidelity=[{epochs: 1}, {}]")
check(r.rc != 0 and "fidelity.0.epochs: 2 -> 1" in r.err, r)
print("%d kills, %d studies: all equal" % (done, rounds))
