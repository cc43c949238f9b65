"""trials_per_device: auto, on a GPU that is not one (tests/kernels/cuda/fake_module.c): it runs as many trials at once
as get more done, or as there is memory for, says once how many, and a trial that has to wait for memory says why."""
import os
import re
import sys

from harness import Box, check, content, equal, same_study, sound, until

box = Box()
box.data(per_class=60)
MODULE = os.path.abspath(sys.argv[2])
study = box.study(
    study={"trials": 18}, devices={"use": "cuda:0", "trials_per_device": "auto"}, data={"folds": {"parallel": 1}},
    trainer={"epochs": 4}, space=("=", {"optimizer.lr": {"type": "float", "low": 0.01, "high": 0.1}}))


def run(name, *args, rc=0, texts=(), **fake):
    env = dict(box.env, HPO_CUDA_MODULE=MODULE, **{k: str(v) for k, v in fake.items()})
    return box.hpo("run", study, "--dir", box.path(name), *args, env=env).want(rc, *texts)


def most_at_once(r):
    """Of what the log says of starts and ends."""
    running, most = set(), 0
    for line in r.out.splitlines():
        started, ended = re.match(r"trial (\d+) starts on", line), re.match(r"trial (\d+) (complete|failed|pruned)", line)
        if started:
            running.add(started.group(1))
        if ended:
            running.discard(ended.group(1))
        most = max(most, len(running))
    return most


# Steps of 40 ms, of which three fit side by side.
LONG = ["--set", "trainer.epochs=10"]  # so that beginning and ending is little of it
r = run("grows", *LONG, FAKE_GPU_STEP_MS=40, FAKE_GPU_LANES=3)
said = re.findall(r"note: cuda:0: (\d+) trials at once: ([\d.]+)x the throughput of one", r.out)
equal(len(said), 1, "times that the choice was said in:\n%s" % r)
check(int(said[0][0]) in (3, 4) and 2.3 < float(said[0][1]) < 4, "three are best:", r)
check(most_at_once(r) in (4, 5), "one more was tried", r)
sound(box.db(runs="grows"), 18)
run("one", *LONG, "--set", "devices.trials_per_device=1", "--set", "devices.use=cpu")
same_study(content(box.db(runs="grows")), content(box.db(runs="one")), "how many ran at once shows:")

# With one lane, two at once are no better.
r = run("stays", "--set", "study.trials=7", FAKE_GPU_STEP_MS=40, texts=["cuda:0: one trial at a time"])
equal(most_at_once(r), 2, "trials at once where one fills the device, in:\n%s" % r)

env = dict(box.env, HPO_CUDA_MODULE=MODULE)
box.hpo("check", study, env=env).want(0, "cuda:0 (auto: measured while it runs, at most 16 at once)")
box.hpo("check", study, "--set", "sampler.lag=3", env=env).want(0, "at most 3 at once")
box.hpo("check", study, "--set", "devices.use=cpu", env=env).want(0, "thread")

# With a lag the study is the same one, whatever runs at once.
lag = ["--set", "sampler={type: tpe, lag: 3, startup_trials: 3}", "--set", "study.trials=10"]
run("lag", *lag, "--set", "trainer.epochs=8", FAKE_GPU_STEP_MS=40, FAKE_GPU_LANES=8)
run("lag-one", *lag, "--set", "trainer.epochs=8", "--set", "devices.trials_per_device=1", "--set", "devices.use=cpu")
same_study(content(box.db(runs="lag")), content(box.db(runs="lag-one")), "how many ran at once shows, in spite of the lag:")

# Each needs most of the device: they wait for each other, say so once a wait, and none fails.
need = float(re.search(r"([\d.]+) MB", box.hpo("check", study, env=env).out).group(1)) * 1e6
r = run("waits", "--set", "devices.trials_per_device=3", "--set", "study.trials=6", FAKE_GPU_MEMORY=1.6 * need)
waits = re.findall(r"note: (trial \d+) waits on cuda:0: (.*)", r.out)
check(waits and all("GiB of device memory are needed" in why or "before it" in why for _, why in waits), "why they wait:", r)
check(len(waits) == len(set(waits)) <= 6, "said once a wait", waits)
equal([s for _, s in sound(box.db(runs="waits"), 6)], ["COMPLETE"] * 6, "trials that had to wait, in:\n%s" % r)

# It is no time of the trial's, and an interrupt ends it.
r = run("late", "--set", "devices.trials_per_device=3", "--set", "study.trials=6", "--set", "study.max_seconds=3.5",
        "--set", "trainer.epochs=2", FAKE_GPU_MEMORY=1.6 * need, FAKE_GPU_STEP_MS=60)
equal([s for _, s in sound(box.db(runs="late"), 6)], ["COMPLETE"] * 6, "trials that waited longer than max_seconds:\n%s" % r)
p = box.start("run", study, "--dir", box.path("stopped"), "--set", "devices.trials_per_device=3",
              env=dict(env, FAKE_GPU_MEMORY=str(1.6 * need), FAKE_GPU_STEP_MS="40"))
until(box, p, "waits on cuda:0", 2)
p.send_signal(2)
box.finish(p, limit=20).want(130)

# Packed as memory lasts: three of them, and nobody waits.
r = run("full", FAKE_GPU_STEP_MS=40, FAKE_GPU_LANES=8, FAKE_GPU_MEMORY=3.5 * need,
        texts=["cuda:0: 3 trials at once", "there is no memory for another"])
equal(most_at_once(r), 3, "trials at once where three fit, in:\n%s" % r)
check("waits on" not in r.out, "nobody had to wait", r)
