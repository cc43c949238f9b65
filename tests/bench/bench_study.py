#!/usr/bin/env python3
"""What the engine costs around the training: start to first batch, overhead a trial, memory.

    bench_study.py HPO [TRIALS]

Prints numbers and asserts nothing. Only Python's standard library is used.
"""
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

HPO = os.path.abspath(sys.argv[1])
TRIALS = int(sys.argv[2]) if len(sys.argv) > 2 else 200
STUDY = """\
study: {{name: {name}, direction: maximize, metric: accuracy, trials: {trials}, seed: 1}}
sampler: {{type: random}}
devices: {{use: cpu}}
data: {{path: data, image_size: {size}, folds: {{k: 2, run: 1}}}}
trainer:
  model: {{type: convnet, width: {width}, stages: 2}}
  batch_size: {batch}
  epochs: {epochs}
  optimizer: {{type: sgd, lr: 0.05}}
space:
  optimizer.lr: {{type: float, low: 1.0e-3, high: 0.3, log: true}}
  optimizer.weight_decay: {{type: float, low: 1.0e-6, high: 1.0e-2, log: true}}
"""


def memory(pid, field):
    """Sum of a field of /proc/*/smaps_rollup or status over pid and its children: {pid: kB}."""
    ret = {}
    for name in [str(pid)] + [n for n in os.listdir("/proc") if n.isdigit() and parent(n) == pid]:
        try:
            with open("/proc/%s/status" % name) as f:
                for line in f:
                    if line.startswith(field + ":"):
                        ret[int(name)] = int(line.split()[1])
        except OSError:
            pass
    return ret


def parent(name):
    try:
        with open("/proc/%s/stat" % name) as f:
            return int(f.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


def run(args, env):
    """Events with the second at which each line arrived, and peak resident memory {role: kB}."""
    begin = time.monotonic()
    p = subprocess.Popen([HPO, *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    peak = {}

    def watch():
        while p.poll() is None:
            for pid, kb in memory(p.pid, "VmHWM").items():
                peak[pid] = max(kb, peak.get(pid, 0))
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    events = []
    for line in p.stdout:
        if line.startswith("{"):
            events.append((time.monotonic() - begin, json.loads(line)))
    err = p.stderr.read()
    p.wait()
    watcher.join()
    if p.returncode:
        sys.exit("hpo %s: exit status %d\n%s" % (" ".join(args), p.returncode, err))
    return events, time.monotonic() - begin, {
        "controller": peak.get(p.pid, 0), "workers": sum(kb for pid, kb in peak.items() if pid != p.pid)}


def study(name, **values):
    path = name + ".yaml"
    with open(path, "w") as f:
        f.write(STUDY.format(name=name, **{"trials": 1, "size": 32, "width": 16, "batch": 128, "epochs": 1, **values}))
    return path


with tempfile.TemporaryDirectory(prefix="hpo-bench-") as folder:
    os.chdir(folder)
    env = dict(os.environ, XDG_CACHE_HOME=os.path.join(folder, "cache"), NO_COLOR="1")
    subprocess.run([HPO, "data", "synth", "data", "--classes", "10", "--images", "200", "--size", "32"], env=env, check=True,
                   stdout=subprocess.DEVNULL)

    events, total, _ = run(["run", study("decode"), "--json"], env)
    data = [e for _, e in events if e.get("event") == "data"][-1]
    print("first run (decodes %d images): %.2f s" % (data["decoded"], total))

    # To the first epoch's report minus what the worker says the epoch took: start, cache, network, dispatch.
    for attempt in range(3):
        events, total, peak = run(["run", study("start%d" % attempt), "--json"], env)
        at, first = next((t, e) for t, e in events if e.get("event") == "epoch")
        seconds = sum(f["seconds"] for f in first["folds"])
        print("cached run %d: first epoch reported after %.3f s, of which it trained %.3f s: start %.3f s (wanted: under 0.3)"
              % (attempt + 1, at, seconds, at - seconds))
    print("peak memory, convnet width 16, batch 128, 32 px: controller %.0f MB, workers %.0f MB" % (
        peak["controller"] / 1024, peak["workers"] / 1024))

    # Overhead: wall time of many tiny trials minus the seconds that were training.
    events, total, peak = run(["run", study("overhead", trials=TRIALS, size=8, width=4, batch=100), "--json",
                               "--set", "data.limit=200"], env)
    finished = [t for t, e in events if e.get("event") == "end"]
    trained = sum(f["seconds"] for _, e in events if e.get("event") == "epoch" for f in e["folds"])
    wall = finished[-1] - finished[0] if len(finished) > 1 else total
    share = (len(finished) - 1) / len(finished) if len(finished) > 1 else 1
    print("%d tiny trials: %.2f ms a trial, of which training %.2f ms: overhead %.2f ms (wanted: under 5)" % (
        TRIALS, 1e3 * wall / max(1, len(finished) - 1), 1e3 * trained / TRIALS,
        1e3 * (wall - trained * share) / max(1, len(finished) - 1)))
    print("controller after %d trials: %.0f MB; database %.1f kB a trial" % (
        TRIALS, peak["controller"] / 1024, os.path.getsize(os.path.join("runs", "overhead", "study.db")) / 1024 / TRIALS))
