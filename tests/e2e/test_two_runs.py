"""Two `hpo run` on one study: the second says who holds it, and the first is not disturbed. A lock that a dead
process left holds nobody up."""
import json
import os
import signal

from harness import Box, check, equal, sound, until, wait_for

box = Box()
box.data()
study = box.study(study={"trials": 2}, trainer={"epochs": 400, "model": {"width": 8}})
p = box.start("run", study, "--json")
until(box, p, '"event":"epoch"')
second = box.hpo("run", study).want(1)
check(str(p.pid) in second.err, "the second run names the process %d" % p.pid, second)
box.hpo("run", study, "--fresh").want(1)  # least of all may this one touch the files
r = box.hpo("report", "tiny", "--json").want(0)  # a reader is welcome at any time
equal(json.loads(r.out)["interrupted"], False, "a study that runs is not interrupted")
check(p.poll() is None, "the first run goes on", box.result(p, p.returncode))
os.killpg(p.pid, signal.SIGKILL)
p.wait()
wait_for("the workers let go of the lock", lambda: json.loads(box.hpo("report", "tiny", "--json").want(0).out)["interrupted"])
box.hpo("run", study).want(0)
sound(box.db(), 2)
