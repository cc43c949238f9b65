"""hpo enqueue: before, while and after a study runs; then many clients at once, and nothing is lost.

    test_enqueue.py HPO [SECONDS]
"""
import json
import subprocess
import sys
import threading
import time

from harness import HPO, Box, check, equal, sound, until

seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 4
box = Box()


def study(name, trials, delay="0s", **more):
    s = {"study": {"name": name, "trials": trials, "seed": 3, "max_failures": 0, **more},
         "objective": {"type": "function", "name": "sphere", "delay": delay},
         "sampler": {"type": "random"},
         "space": {"x": {"type": "float", "low": -5, "high": 5},
                   "kind": {"type": "categorical", "choices": ["a", "b"]},
                   "deep": {"type": "int", "low": 1, "high": 9, "when": {"kind": "b"}}}}
    return box.write(name + ".yaml", "".join("%s: %s\n" % (k, json.dumps(v)) for k, v in s.items()))


def params(db, number):
    return dict(db.execute("SELECT param_name, param_value FROM trial_params JOIN trials USING (trial_id) "
                           "WHERE number = ?", (number,)))


# From the file, in its order; then by command, when nobody runs it.
file = study("plain", 3, enqueue=[{"x": 1.25}, {"kind": "b", "x": -2}])
box.hpo("run", file).want(0, "3 trials finished")
db = box.db("plain")
equal(params(db, 0)["x"], 1.25, "the first row")
equal((params(db, 1)["x"], params(db, 1)["kind"]), (-2, 1), "the second row")
check(1 <= params(db, 1)["deep"] <= 9, "what a given value wakes is drawn")
box.hpo("enqueue", "plain", "x=0.5", "kind=a").want(0, "trial 3", "study.trials=4")
box.hpo("enqueue", "plain", "x=9").want(2, "x", "-5")
box.hpo("enqueue", "plain", "y=9").want(2, "y")
box.hpo("enqueue", "plain", "kind=a", "deep=3").want(2, "deep")
box.hpo("enqueue", "plain").want(2, "usage")
box.hpo("enqueue", "nowhere", "x=1").want(1)
box.hpo("run", file, "--set", "study.trials=4").want(0)
equal(params(box.db("plain"), 3), {"x": 0.5, "kind": 0}, "the enqueued trial")

# While it runs: the running study answers, and takes the trial next.
p = box.start("run", study("live", 4, delay="1s"))
until(box, p, "trial 0 starts")
box.hpo("enqueue", "live", "x=3.5").want(0, "trial 1 of study live")
box.finish(p).want(0, "trial 1 was asked for")
equal(params(box.db("live"), 1)["x"], 3.5, "the trial that was asked for while it ran")
sound(box.db("live"), 4)

# Sixteen clients at once: they ask for trials, report, and try to run it.
file = study("busy", 1000000)
box.hpo("run", file, "--set", "study.trials=1").want(0)
asked, wrong, lock = [], [], threading.Lock()
stop = time.monotonic() + seconds
counts = {"enqueue": 0, "report": 0, "run": 0}


def client(n):
    i = 0
    while time.monotonic() < stop:
        i += 1
        kind = "enqueue" if n < 10 else "report" if n < 14 else "run"
        x = "%.17g" % ((n * 100003 + i) / 1e7)
        args = {"enqueue": ["enqueue", "busy", "x=" + x, "kind=a"], "report": ["report", "busy", "--top", "3"],
                "run": ["run", file, "--set", "study.trials=1000000", "--set", "study.timeout=1s"]}[kind]
        r = subprocess.run([HPO, *args], cwd=box.dir, env=box.env, stdin=subprocess.DEVNULL, capture_output=True,
                           text=True)
        ok = r.returncode == 0 or (kind == "run" and r.returncode == 1 and "is being run by" in r.stderr)
        with lock:
            counts[kind] += 1
            if not ok or "lock" in r.stderr.lower():
                wrong.append("%s: %d\n%s%s" % (args, r.returncode, r.stdout[-500:], r.stderr))
            elif kind == "enqueue":
                asked.append(float(x))


threads = [threading.Thread(target=client, args=(n,)) for n in range(16)]
for t in threads:
    t.start()
for t in threads:
    t.join()
check(not wrong, "%d of %s went wrong:" % (len(wrong), counts), *wrong[:5])
rows = box.db("busy").execute("SELECT number, state FROM trials ORDER BY trial_id").fetchall()
equal([n for n, _ in rows], list(range(len(rows))), "trial numbers")
waiting = len([s for _, s in rows if s == "WAITING"])
box.hpo("run", file, "--set", "study.trials=%d" % len(rows)).want(0)
db = box.db("busy")
sound(db, len(rows))
got = [v for (v,) in db.execute("SELECT param_value FROM trial_params WHERE param_name = 'x'")]
lost = [x for x in asked if x not in set(got)]
check(not lost, "%d of %d trials that were asked for are lost" % (len(lost), len(asked)), lost[:5])
print("%s; %d trials, %d asked for, %d still waited; nothing lost" % (counts, len(rows), len(asked), waiting))
