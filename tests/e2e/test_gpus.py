"""Studies on GPUs, as far as that shows without one: the program loads a module whose devices compute on the CPU and
fail when they are told to (tests/kernels/cuda/fake_module.c). What devices there are, which ones a study takes, what
happens when one fails, when memory lacks, when none is there."""
import json
import os
import re
import signal
import sys

from harness import Box, check, content, equal, same_study, sound, until

box = Box()
box.data()
MODULE = os.path.abspath(sys.argv[2])


def run(study, *args, name="tiny", rc=0, texts=(), **fake):
    """hpo run with the fake module, which is told FAKE_... what to do."""
    env = dict(box.env, HPO_CUDA_MODULE=MODULE, **{k: str(v) for k, v in fake.items()})
    return box.hpo("run", study, "--dir", box.path(name), *args, env=env).want(rc, *texts)


def trials(name):
    return box.db(runs=name).execute(
        "SELECT number, state, reason FROM trials LEFT JOIN hpo_trials USING (trial_id) ORDER BY number").fetchall()


gpus = dict(box.env, HPO_CUDA_MODULE=MODULE)
check("cuda:1  Fake GPU, 7.5 GiB, 3.7 of them free" in box.hpo("list", "devices", env=gpus).want(0).out, "hpo list devices")
listed = json.loads(box.hpo("list", "devices", "--json", env=gpus).want(0).out)["devices"]
cuda = [k for k in listed if k["name"] == "cuda"][0]["devices"]
equal([(d["name"], d["memory_total"]) for d in cuda], [("Fake GPU", 8e9)] * 2, "hpo list devices --json")

# auto takes all of them, and the trials are those of the CPU: what differs is where they ran.
study = box.study(study={"trials": 6})
run(study, name="cpu")
reference = content(box.db(runs="cpu"))
r = run(study, "--set", "devices.use=auto", name="auto")
for device in ("cuda:0", "cuda:1"):
    check("starts on " + device in r.out, "a trial on " + device, r)
same_study(content(box.db(runs="auto")), reference, "two GPUs differ from the CPU:")
run(study, "--set", "devices.use=[cuda:0, cpu]", "--set", "devices.trials_per_device=2", name="mixed")
same_study(content(box.db(runs="mixed")), reference, "a GPU and the CPU differ from the CPU:")

check("note: cuda:0 is Fake GPU, 7.5 GiB" in r.out and "cpu is" not in r.out, "what a GPU is called", r)

# A checkpoint that was written on one goes on on the other, and so does the whole study.
slow = dict(box.env, HPO_CUDA_MODULE=MODULE, FAKE_GPU_STEP_MS="25")
for first, then in (("cuda:0", "cpu"), ("[cpu, cuda:1]", "cuda:0")):
    name = "moves-from-" + first[0:2]
    p = box.start("run", study, "--dir", box.path(name), "--set", "devices.use=" + first, env=slow)
    until(box, p, "fold 0 epoch 1: accuracy", 2)
    p.send_signal(signal.SIGINT)
    box.finish(p).want(130)
    check("RUNNING" in [t[1] for t in trials(name)], "a trial was under way", trials(name))
    r = run(study, "--set", "devices.use=" + then, name=name)
    check(re.search(r"trial \d+ goes on on " + then, r.out), "a trial goes on elsewhere", r)
    same_study(content(box.db(runs=name)), reference, "a study that moved from %s to %s:" % (first, then))

# None: said once where the choice was left open, and an error where it was not.
r = run(study, "--set", "devices.use=auto", name="none", FAKE_GPUS=0)
equal((r.out + r.err).count("trials run on the CPU: the fake has no GPU"), 1, "times that it was said in:\n%s" % r)
r = run(study, name="quiet", FAKE_GPUS=0)
check("no GPU" not in r.out + r.err, "who asks for the CPU need not hear of GPUs", r)
run(study, "--set", "devices.use=cuda", rc=1, texts=["there is no cuda:0: the fake has no GPU"], FAKE_GPUS=0)
r = box.hpo("check", study, "--set", "devices.use=auto", env=dict(gpus, FAKE_GPUS="0")).want(0, "the fake has no GPU")

# A device that fails once is tried again, and the study is none the worse for it.
once = box.path("fail-once")
open(once, "w").close()
r = run(study, "--set", "devices.use=cuda:0", name="once", FAKE_GPU_FAIL_ONCE=once, texts=["illegal memory access"])
equal((r.out + r.err).count("cuda:0 failed (CUDA, train"), 1, "failures told in:\n%s" % r)
same_study(content(box.db(runs="once")), reference, "a study on a device that failed once:")

# One that fails whatever is tried on it is left out; no trial is lost over it.
for use in ("[cuda:0, cuda:1]", "[cpu, cuda:1]"):
    name = "left-out-" + use[1:4]
    long = box.study("long.yaml", study={"trials": 40}, trainer={"epochs": 40})
    r = run(long, "--set", "devices.use=" + use, name=name, FAKE_GPU_FAIL="1:train",
            texts=["with more than one trial: going on without it"])
    sound(box.db(runs=name), 40)
    equal([t for t in trials(name) if t[1] != "COMPLETE"], [], "trials that did not end well in:\n%s" % r)
run(study, "--set", "devices.use=[cuda:0, cuda:1]", name="closed", FAKE_GPU_FAIL="1:open", texts=["cuda:1 failed (CUDA, open"])
equal([t[1] for t in trials("closed")], ["COMPLETE"] * 6, "trials beside a device that could not be opened")
run(study, "--set", "devices.use=cuda:1", name="shut", rc=1, FAKE_GPU_FAIL="1:open", texts=["cuda:1 cannot be used: CUDA, open"])
equal(trials("shut"), [], "trials without a device")

# The only one: the trial that met it fails, the next one shows that it is the device. The same command goes on later.
r = run(study, "--set", "devices.use=cuda:0", name="lost", rc=1, FAKE_GPU_FAIL="0:train",
        texts=["cuda:0 failed 4 times in a row, with more than one trial", "no device is left"])
equal([t[1] for t in trials("lost")], ["FAIL", "RUNNING"], "trials on a device that is lost")
check("its device failed 3 times" in trials("lost")[0][2] and "illegal memory access" in trials("lost")[0][2], trials("lost"))
run(study, "--set", "devices.use=cuda:0", name="lost")
equal(sorted({t[1] for t in trials("lost")[1:]}), ["COMPLETE"], "trials once the device is back")

# Out of memory is the failure of the trial that wanted it, with the numbers; its neighbours go on.
big = box.study(study={"trials": 4, "max_failures": 20},
                space=("=", {"model.width": {"type": "categorical", "choices": [4, 200]},
                             "optimizer.lr": {"type": "float", "low": 0.01, "high": 0.1}}))
run(big, "--set", "devices.use=cuda:0", "--set", "devices.trials_per_device=3", name="memory", FAKE_GPU_MEMORY=10e6)
failed = [t for t in trials("memory") if t[1] == "FAIL"]
equal(len(trials("memory")) - len(failed), 4, "trials that were small enough")
check(failed and all("bytes are needed" in t[2] and "10000000 are free" in t[2] for t in failed), failed)
