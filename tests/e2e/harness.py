"""What the end-to-end tests share: a sandbox folder, studies, running the program, reading what it left.

A test is a script: python3 test_x.py HPO. Exit status 0 is success, 77 a skip with its reason on the last
line, anything else a failure. Only Python's standard library is used. Studies train on the CPU, or where $E2E_DEVICE
says (cuda:0); several scripts hold there as well, and scripts/gpu-check runs them.
"""
import atexit
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

if len(sys.argv) > 1:
    HPO = os.path.abspath(sys.argv[1])
elif "HPO_BIN" in os.environ:
    HPO = os.path.abspath(os.environ["HPO_BIN"])
else:
    sys.exit("usage: %s HPO (the program's path, or in $HPO_BIN)" % sys.argv[0])

DEVICE = os.environ.get("E2E_DEVICE", "cpu")
LIMIT = 240  # seconds until a command that hangs is a failure; sanitizers are slow
SKIP = 77


def skip(why):
    print("skipped: " + why)
    sys.exit(SKIP)


def check(condition, *what):
    """An assertion that survives python -O and prints what it knows."""
    if not condition:
        raise AssertionError("\n".join(str(w) for w in what) or "check failed")


def equal(got, expected, what):
    check(got == expected, what, "  got:      %r" % (got,), "  expected: %r" % (expected,))


class Result:
    def __init__(self, args, rc, out, err):
        self.args, self.rc, self.out, self.err = args, rc, out, err

    def __str__(self):
        return "hpo %s\nexit status %s\n--- stdout\n%s\n--- stderr\n%s" % (
            " ".join(self.args), self.rc, self.out[-4000:], self.err[-4000:])

    def want(self, rc, *texts):
        """Exit status and words that the messages must have."""
        check(self.rc == rc, "expected exit status %s:" % rc, self)
        for t in texts:
            check(t.lower() in (self.out + self.err).lower(), "no %r in the output of:" % t, self)
        return self

    @property
    def events(self):
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]

    def event(self, kind):
        found = [e for e in self.events if e.get("event") == kind]
        check(found, "no %r event:" % kind, self)
        return found[-1]


class Box:
    """A folder of its own with its own cache and home, gone when the test ends."""

    def __init__(self):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="hpo-e2e-"))
        self.started = []
        atexit.register(self.close)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("HPO_")}
        if DEVICE != "cpu" and "HPO_CUDA_MODULE" in os.environ:  # a stand-in for a GPU
            self.env["HPO_CUDA_MODULE"] = os.environ["HPO_CUDA_MODULE"]
        self.env.update(XDG_CACHE_HOME=self.path("cache"), HOME=self.dir, NO_COLOR="1", LC_ALL="C")
        # A sanitizer's report must not look like one of the program's own exit statuses.
        self.env["ASAN_OPTIONS"] = "exitcode=99:" + self.env.get("ASAN_OPTIONS", "")
        self.env["UBSAN_OPTIONS"] = "exitcode=99:" + self.env.get("UBSAN_OPTIONS", "")

    def close(self):
        for p in self.started:
            if p.poll() is None:
                try:
                    os.killpg(p.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def start(self, *args, cwd=None, env=None):
        """The program in a process group of its own; its output goes to files."""
        files = [self.path(".out%d" % len(self.started)), self.path(".err%d" % len(self.started))]
        with open(files[0], "w") as out, open(files[1], "w") as err:
            p = subprocess.Popen([HPO, *args], cwd=cwd or self.dir, env=env or self.env, stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=err, start_new_session=True)
        p.files, p.cmd = files, args
        self.started.append(p)
        return p

    def finish(self, p, limit=LIMIT):
        try:
            p.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            raise AssertionError("hangs: %s" % self.result(p, "(killed)"))
        return self.result(p, p.returncode)

    @staticmethod
    def result(p, rc):
        texts = []
        for name in p.files:
            with open(name, errors="replace") as f:
                texts.append(f.read())
        # A worker's sanitizer report shows in no exit status of the controller.
        check(not re.search("Sanitizer|runtime error:", texts[1]), "a sanitizer speaks:", texts[1][:8000])
        return Result(list(p.cmd), rc, *texts)

    def hpo(self, *args, cwd=None, env=None, limit=LIMIT):
        return self.finish(self.start(*args, cwd=cwd, env=env), limit)

    def data(self, name="data", classes=3, per_class=20, size=16):
        """A small set of JPEGs; returns its folder."""
        self.hpo("data", "synth", self.path(name), "--classes", str(classes), "--images", str(per_class),
                 "--size", str(size)).want(0)
        return self.path(name)

    def study(self, file="study.yaml", **sections):
        """Writes a small study; sections are merged into the base below, None removes a key."""
        path = self.path(file)
        with open(path, "w") as f:
            for key, value in merge(merge(BASE, {"data": {"path": self.path("data")}}), sections).items():
                f.write("%s: %s\n" % (key, json.dumps(value)))  # YAML's flow style
        return path

    def db(self, study="tiny", runs="runs"):
        """A connection to a copy, so that the look itself changes nothing."""
        copy = tempfile.mkdtemp(dir=self.dir)
        for end in ("", "-wal"):
            name = os.path.join(self.path(runs), study, "study.db" + end)
            if os.path.exists(name):
                shutil.copy(name, os.path.join(copy, "study.db" + end))
        return sqlite3.connect(os.path.join(copy, "study.db"))


BASE = {
    "study": {"name": "tiny", "direction": "maximize", "metric": "accuracy", "trials": 3, "seed": 7},
    "sampler": {"type": "random"},
    "pruner": {"type": "none"},
    "devices": {"use": DEVICE, "trials_per_device": 1, "threads": 1},
    # Folds that train side by side on a GPU may come to other bits than one by one, and how many do so hangs on its memory.
    "data": {"image_size": 8, "folds": {"k": 3, "run": 2, **({} if DEVICE == "cpu" else {"parallel": 1})}},
    "trainer": {
        "model": {"type": "convnet", "width": 4, "stages": 2},
        "batch_size": 16,
        "epochs": 2,
        "optimizer": {"type": "sgd", "lr": 0.05},
    },
    "space": {
        "optimizer.lr": {"type": "float", "low": 1e-3, "high": 0.3, "log": True},
        "optimizer.type": {"type": "categorical", "choices": ["sgd", "adamw"]},
        "optimizer.momentum": {"type": "float", "low": 0.5, "high": 0.95, "when": {"optimizer.type": "sgd"}},
        "batch_size": {"type": "int", "low": 8, "high": 24, "step": 8},
    },
}


def merge(base, more):
    """base with more laid over it, deeply; a value None takes the key away, ("=", value) replaces it whole."""
    ret = dict(base)
    for key, value in more.items():
        if value is None:
            ret.pop(key, None)
        elif isinstance(value, tuple):
            ret[key] = value[1]
        elif isinstance(value, dict) and isinstance(ret.get(key), dict):
            ret[key] = merge(ret[key], value)
        else:
            ret[key] = value
    return ret


def children(pid):
    """The processes that pid started and that still live."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(name))
    return found


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def wait_for(what, condition, limit=LIMIT, step=0.005):
    end = time.monotonic() + limit
    while not condition():
        check(time.monotonic() < end, "never happened: " + what)
        time.sleep(step)


def until(box, p, text, times=1):
    """Wait until a running command has printed `text` (to stdout or stderr) so many times."""
    def seen():
        r = box.result(p, None)
        if r.out.count(text) + r.err.count(text) >= times:
            return True
        check(p.poll() is None, "ended before it printed %r:" % text, box.result(p, p.returncode))
        return False
    wait_for("%r in the output of hpo %s" % (text, " ".join(p.cmd)), seen)


def bits(x):
    """Doubles by their bits, so that equality is equality."""
    return struct.pack("<d", x).hex() if isinstance(x, float) else x


# Columns and attributes that differ between two runs of the same study: when, where and how long.
CLOCK = ("time", "seconds", "started", "ended", "created", "pid", "host", "device", "attempt", "images_per_s",
         "interrupted", "duration", "boot", "config", "library_version")


def is_clock(name):
    return any(word in name.lower() for word in CLOCK)


def content(db):
    """{table: rows} of everything in the study's database but the clock's readings."""
    ret = {}
    metrics = dict(db.execute("SELECT metric_id, name FROM hpo_metrics"))
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
        if table.startswith("sqlite_") or table in ("version_info", "hpo_attempts"):
            continue
        names = [row[1] for row in db.execute('PRAGMA table_info("%s")' % table)]
        # A row's own key says in which order rows came, which two workers or a resume may change.
        keys = [row[1] for row in db.execute('PRAGMA table_info("%s")' % table) if row[5]]
        own = keys[0] if len(keys) == 1 and keys[0] not in ("trial_id", "study_id") else None
        keep = [n for n in names if not is_clock(n) and n != own]
        rows = []
        for row in db.execute('SELECT %s FROM "%s"' % (", ".join('"%s"' % n for n in names), table)):
            row = dict(zip(names, row))
            row["metric_id"] = metrics.get(row.get("metric_id"))
            if is_clock(str(row.get("key"))) or is_clock(str(row["metric_id"])):
                continue
            rows.append(tuple((n, bits(row[n])) for n in keep))
        ret[table] = sorted(rows, key=repr)
    return ret


def kept_files(folder):
    """{path: sha256} of the checkpoints that a study keeps; how long it took lies in files of its own."""
    ret = {}
    for at, _, names in os.walk(folder):
        for name in names:
            if name == "timing":
                continue
            with open(os.path.join(at, name), "rb") as f:
                ret[os.path.relpath(os.path.join(at, name), folder)] = hashlib.sha256(f.read()).hexdigest()
    return ret


def same_study(got, expected, what):
    """Two contents() of databases: every difference is printed."""
    lines = []
    for table in sorted(set(got) | set(expected)):
        a, b = set(got.get(table, [])), set(expected.get(table, []))
        lines += ["  %s, only here:      %s" % (table, dict(r)) for r in sorted(a - b, key=repr)[:5]]
        lines += ["  %s, only reference: %s" % (table, dict(r)) for r in sorted(b - a, key=repr)[:5]]
        if len(got.get(table, [])) != len(expected.get(table, [])):
            lines.append("  %s: %d rows, reference %d" % (table, len(got.get(table, [])), len(expected.get(table, []))))
    check(not lines, what, *lines)


def sound(db, trials):
    """What holds for every finished study: numbers 0..n-1 once each, nothing left running."""
    rows = db.execute("SELECT number, state FROM trials ORDER BY trial_id").fetchall()
    equal([n for n, _ in rows], list(range(trials)), "trial numbers")
    check(not [s for _, s in rows if s in ("RUNNING", "WAITING")], "trials left open", rows)
    equal(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)], "integrity of the database")
    return rows
