"""Where the output goes is no business of the study's: a reader that leaves, descriptors that come closed, a terminal
that hangs up under nohup. Trials run to their end, and what was not printed shows in the exit status."""
import os
import signal
import subprocess

from harness import HPO, Box, check, equal, sound, until

box = Box()
box.data()
study = box.study()


def shell(command):
    return subprocess.run(["bash", "-c", command, "bash", HPO, study], cwd=box.dir, env=box.env, timeout=240,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


for name, how in (("plain", ""), ("json", "--json")):
    r = shell('"$1" run "$2" --dir %s %s | head -n 1 > %s.txt; exit ${PIPESTATUS[0]}' % (name, how, name))
    equal((r.returncode, r.stdout), (1, b""), "exit status when nobody reads the output (%s): %r" % (name, r.stderr))
    check(b"writing the output failed" in r.stderr, "what failed is said", r.stderr)
    sound(box.db(runs=name), 3)

# Nothing that is printed may land in a file that was opened instead: the lock names its owner, and nobody else.
for name, closed in (("out", ">&-"), ("all", "<&- >&- 2>&-")):
    r = shell('"$1" run "$2" --dir %s %s' % (name, closed))
    equal((r.returncode, r.stdout), (1, b""), "exit status with closed descriptors (%s): %r" % (name, r.stderr))
    sound(box.db(runs=name), 3)
    with open(box.path(name, "tiny", "lock")) as f:
        text = f.read()
    check(text.startswith("pid ") and text.count("\n") == 1, "the lock of %s:" % name, text)

# nohup: SIGHUP comes ignored and stays so. Else it ends the run as SIGTERM does, also when it comes twice: from the
# terminal and from its shell.
longer = box.study("longer.yaml", study={"name": "longer", "trials": 2}, trainer={"epochs": 40})
signal.signal(signal.SIGHUP, signal.SIG_IGN)
p = box.start("run", longer)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
until(box, p, " epoch ", 2)
os.killpg(p.pid, signal.SIGHUP)
box.finish(p).want(0)
sound(box.db("longer"), 2)
p = box.start("run", longer, "--fresh")
until(box, p, " epoch ", 2)
os.killpg(p.pid, signal.SIGHUP)
box.finish(p).want(129, "the same command goes on")
