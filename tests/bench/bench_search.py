#!/usr/bin/env python3
"""A search that prunes beside random search that does not: the same study, seeds and budget a trial.

    bench_search.py HPO STUDY.yaml DATA [SEED...] [--set KEY=VALUE]...

For each seed: the study with its own sampler and pruner; random search without pruning; and the trials that were
pruned, trained to their end, to see whether the best one was among them. Prints numbers and asserts nothing.
Only Python's standard library is used.
"""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

HPO, STUDY, DATA = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), os.path.abspath(sys.argv[3])
SETS, seeds = ["--set", "data.path=" + DATA], []
rest = sys.argv[4:]
while rest:
    word = rest.pop(0)
    if word == "--set":
        SETS += ["--set", rest.pop(0)]
    else:
        seeds.append(int(word))
box = tempfile.mkdtemp(prefix="hpo-bench-")


def run(name, seed, *sets):
    """Events of a run, each with the seconds since its first trial began."""
    args = [HPO, "run", STUDY, "--json", "--dir", box, "--set", "study.name=" + name, "--set", "study.seed=%d" % seed,
            *SETS]
    for s in sets:
        args += ["--set", s]
    p = subprocess.Popen(args, stdout=subprocess.PIPE, universal_newlines=True)
    begin, events = None, []
    for line in p.stdout:
        e = json.loads(line)
        if e["event"] == "trial" and begin is None:
            begin = time.monotonic()
        e["at"] = time.monotonic() - begin if begin else 0
        events.append(e)
    if p.wait():
        sys.exit("%s: exit status %d" % (" ".join(args), p.returncode))
    return events


def curve(events):
    """[(seconds, best value so far)] over complete trials, the epochs trained, and the seconds in all."""
    best, ret = None, []
    for e in events:
        if e["event"] == "end" and e["state"] == "COMPLETE":
            if best is None or e["value"] > best:
                best = e["value"]
                ret.append((e["at"], best))
    return ret, sum(len(e["folds"]) for e in events if e["event"] == "epoch"), events[-1]["at"]


def reaches(points, value):
    return next((t for t, v in points if v >= value), None)


def pruned(name):
    """The parameters of the pruned trials, as rows of study.enqueue."""
    db = sqlite3.connect(os.path.join(box, name, "study.db"))
    rows = []
    for (trial,) in db.execute("SELECT trial_id FROM trials WHERE state = 'PRUNED' ORDER BY number").fetchall():
        row = {}
        for key, value, d in db.execute("SELECT param_name, param_value, distribution_json FROM trial_params "
                                        "WHERE trial_id = ?", (trial,)):
            d = json.loads(d)
            kind, a = d["name"], d["attributes"]
            row[key] = a["choices"][int(value)] if "Cat" in kind else int(value) if "Int" in kind else value
        rows.append(row)
    return rows


try:
    for seed in seeds or [42]:
        ours, epochs, seconds = curve(run("search", seed))
        plain, all_epochs, all_seconds = curve(run("random", seed, "sampler={type: random}", "pruner={type: none}"))
        rows = pruned("search")
        print("seed %d" % seed)
        print("  this study:            best %.4f, %4d epochs, %5.0f s, %d trials pruned" % (
            ours[-1][1], epochs, seconds, len(rows)))
        print("  random, never pruned:  best %.4f, %4d epochs, %5.0f s" % (plain[-1][1], all_epochs, all_seconds))
        both = min(ours[-1][1], plain[-1][1])
        a, b = reaches(ours, both), reaches(plain, both)
        print("  to the best value that both reach (%.4f): %.0f s and %.0f s, %.2fx" % (both, a, b, b / a))
        if rows:
            rest = run("rest", seed, "sampler={type: random}", "pruner={type: none}", "study.trials=%d" % len(rows),
                       "study.enqueue=" + json.dumps(rows))
            values = [e["value"] for e in rest if e["event"] == "end" and e["state"] == "COMPLETE"]
            lost = [v for v in values if v > ours[-1][1]]
            print("  the pruned ones, finished: the best of them %.4f; %d would have been the best%s" % (
                max(values), len(lost), " (by %.4f)" % (max(lost) - ours[-1][1]) if lost else ""))
            print("  pruning saved %.0f %% of the epochs" % (100 * (1 - epochs / all_epochs)))
        sys.stdout.flush()
        for name in ("search", "random", "rest"):
            shutil.rmtree(os.path.join(box, name), ignore_errors=True)
finally:
    shutil.rmtree(box, ignore_errors=True)
