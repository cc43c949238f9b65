"""gpu-check run: every step, its log, one table, results.json."""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time

from machine import Machine
from steps import steps

SKIP = 77
FIRST = ("programs", "device")  # what is told of the machine itself


class Result:
    def __init__(self, name, result, reason="", seconds=0.0, log="", text=""):
        self.name, self.result, self.reason, self.seconds, self.log = name, result, reason, seconds, log
        self.data = [json.loads(line) for line in text.splitlines() if line.startswith('{"bench"')]
        self.tail = text[-4000:]


class Run:
    def __init__(self, root, a):
        self.root, self.quick = root, a.quick
        self.out = os.path.abspath(a.out)
        os.makedirs(os.path.join(self.out, "logs"), exist_ok=True)
        self.deadline = time.monotonic() + a.budget if a.budget else None
        self.budget, self.results = a.budget, []
        self.machine = Machine(root, a.python)
        self.folders = {"bin": self.machine.wrappers(os.path.join(self.out, "bin")), "root": root, "out": self.out,
                        "data": os.path.join(root, "data")}

    # ---------------------------------------------------------------- the machine

    def programs(self):
        m = self.machine
        if m.trouble:
            return Result("programs", "failed", m.trouble)
        return Result("programs", "passed", "%d programs start" % sum(not p.endswith(".so") for p in m.programs))

    def device(self):
        """A machine without a GPU is no failure; one whose GPU cannot be used is."""
        m = self.machine
        text = "\n".join(m.lines + self.driver_says())
        if m.gpu:
            return Result("device", "passed", "%(name)s, %(detail)s" % m.gpu, text=text)
        if m.trouble or not m.driver:
            return Result("device", "skipped", m.no_gpu, text=text)
        return Result("device", "failed", "there is a GPU (%s), but %s" % (
            m.driver, m.no_cuda or m.no_gpu), text=text)

    @staticmethod
    def driver_says():
        try:
            r = subprocess.run(["nvidia-smi"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                               timeout=60)
            return [r.stdout]
        except (OSError, subprocess.TimeoutExpired):
            return ["no nvidia-smi"]

    # ---------------------------------------------------------------- steps

    def command(self, step):
        """(words, environment), or why it is skipped."""
        m, words = self.machine, [w.format(**self.folders) for w in step.command]
        if m.trouble or (m.no_gpu and not step.alone):
            return m.trouble or m.no_gpu
        if words[0] in m.programs and m.lacks(words[0]):
            return m.lacks(words[0])
        own = dict(XDG_CACHE_HOME=os.path.join(self.out, "cache"), PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1", **step.env)
        if step.tool:
            tool = m.tool(step.tool)
            if not tool:
                return "there is no " + step.tool
            at = next(i for i, w in enumerate(words) if w in m.programs)
            words[at] = os.path.join(m.bin, words[at])
            return [tool, *words], dict(m.env, **own)
        if words[0].endswith(".py"):
            if step.torch and not m.python:
                return "no python3 with PyTorch was found (--python names one)"
            python = m.python if step.torch else sys.executable
            return [python, os.path.join(self.root, words[0]), *words[1:]], dict(os.environ, **own)
        return [os.path.join(m.bin, words[0]), *words[1:]], dict(m.env, **own)

    def left(self):
        return max(0.0, self.deadline - time.monotonic()) if self.deadline else float("inf")

    def step(self, step):
        got = self.command(step)
        if isinstance(got, str):
            return Result(step.name, "skipped", got)
        if self.left() < 5:
            return Result(step.name, "skipped", "the budget of %d s was used up" % self.budget)
        limit, log = min(step.limit, self.left()), os.path.join("logs", step.name + ".log")
        begin = time.monotonic()
        with open(os.path.join(self.out, log), "w+", errors="replace") as f:
            p = subprocess.Popen(got[0], env=got[1], cwd=self.out, stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                 start_new_session=True)
            try:
                status = p.wait(limit)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                self.end(p)
            f.seek(0)
            text = f.read()
        return self.judge(step, status, limit, Result(step.name, "", "", time.monotonic() - begin, log, text), text)

    def judge(self, step, status, limit, r, text):
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip() and not line.startswith("{")), "")
        if status is None:
            r.result = "failed" if limit >= step.limit else "skipped"
            why = "the budget was used up" if r.result == "skipped" else "it hangs or is slow"
            r.reason = "stopped after %d s: %s" % (limit, why)
        elif status == 0:
            r.result, r.reason = "passed", "" if re.match(r"\[ *(PASSED|=)|=====", last) else last
        elif status == SKIP:
            r.result, r.reason = "skipped", last.replace("skipped: ", "", 1)
        else:
            r.result = "failed"
            r.reason = ("signal %d" % -status if status < 0 else "exit status %d" % status) + (": " + last if last else "")
        return r

    @staticmethod
    def end(p):
        """Whatever a step left running; its group is its own."""
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        p.wait()

    # ---------------------------------------------------------------- all of it

    def add(self, r):
        self.results.append(r)
        print("%-24s %-8s %7.1f s  %s" % (r.name, r.result, r.seconds, r.reason), flush=True)

    def all(self, only):
        chosen = lambda name: not only or any(name.startswith(o) for o in only)
        for line in self.machine.lines:
            print(line)
        for name in FIRST:
            if chosen(name) or self.machine.trouble:
                self.add(getattr(self, name)())
        todo = [s for s in steps(self.machine.programs, self.quick) if chosen(s.name)]
        if only:  # in the order in which they were named
            todo.sort(key=lambda s: next(i for i, o in enumerate(only) if s.name.startswith(o)))
        for s in todo:
            try:
                self.add(self.step(s))
            except KeyboardInterrupt:
                self.add(Result(s.name, "skipped", "interrupted"))
                break

    def close(self):
        count = {k: sum(r.result == k for r in self.results) for k in ("passed", "failed", "skipped")}
        with open(os.path.join(self.out, "results.json"), "w") as f:
            json.dump({"archive": self.machine.manifest, "machine": self.machine.lines, "quick": self.quick,
                       "steps": [vars(r) for r in self.results], **count}, f, indent=1)
        wide = max(len(r.name) for r in self.results) if self.results else 0
        print("\n%-*s  %-8s %9s  %s" % (wide, "step", "result", "seconds", ""))
        for r in self.results:
            print("%-*s  %-8s %9.1f  %s" % (wide, r.name, r.result, r.seconds, r.reason[:160]))
        print("results.json and logs are in %s" % self.out)
        print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % count)
        return 1 if count["failed"] else 0


def main(root, words):
    p = argparse.ArgumentParser(prog="gpu-check", add_help=False, usage="gpu-check run [--quick] [--only NAME,...] "
                                "[--budget SECONDS] [--python PATH] [--out DIR]; gpu-check --help says more")
    p.add_argument("word")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--only", default="")
    p.add_argument("--budget", type=float, default=0)
    p.add_argument("--python")
    p.add_argument("--out", default="gpu-check-results")
    a = p.parse_args(words)
    manifest = os.path.join(root, "manifest.json")
    if not os.path.isfile(manifest):
        sys.exit("gpu-check: this is no unpacked archive: scripts/gpu-check pack makes one")
    with open(manifest) as f:
        known = [(n, "") for n in FIRST] + [(s.name, s.what) for s in steps(json.load(f)["programs"], a.quick)]
    if a.word == "list":
        for name, what in known:
            print("%-24s %s" % (name, what or "what the machine has"))
        return 0
    only = [o for o in a.only.split(",") if o]
    unknown = [o for o in only if not any(n.startswith(o) for n, _ in known)]
    if unknown:
        sys.exit("gpu-check: no step %s; there are: %s" % (unknown[0], " ".join(n for n, _ in known)))
    run = Run(root, a)
    try:
        run.all(only)
    except KeyboardInterrupt:
        print("interrupted")
    return run.close()
