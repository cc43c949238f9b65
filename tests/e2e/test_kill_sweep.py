"""SIGKILL at random moments, to the controller, a worker, or all of them; the same command again each time.

    test_kill_sweep.py HPO [KILLS [SEED]]

The study that was killed must equal, bit for bit, the one that was left alone: trials, parameters, folds, values,
every epoch's report, the checkpoints that are kept, and the out-of-fold predictions.
"""
import os
import random
import shutil
import signal
import sys
import time

from harness import DEVICE, Box, alive, check, children, content, equal, kept_files, same_study, sound, wait_for

kills = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("KILLS", "4"))
seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**6)
dice = random.Random(seed)
print("seed %d, %d kills" % (seed, kills), flush=True)

box = Box()
box.data(classes=3, per_class=30)
study = box.study(study={"trials": 4}, trainer={"epochs": 12, "model": {"width": 8, "dropout": 0.1},
                                                "augment": {"flip": True, "crop_padding": 1}})
VARIANTS = [
    [],
    ["--set", "data.folds.order=epoch_first"],
    ["--set", "devices.use=[%s, %s]" % (DEVICE, DEVICE)],
    ["--set", "devices.trials_per_device=2"],
]


def left_files(runs):
    """Checkpoints and predictions. What a worker was writing at its end is removed by the next run, if there is one."""
    files = {}
    for part in ("trials", "oof"):
        for name, digest in kept_files(os.path.join(runs, "tiny", part)).items():
            if not (part == "oof" and ".tmp-" in name):
                files[part + "/" + name] = digest
    return files


def reference(n):
    """What variant n must come to: its database, its kept files, and how long it takes."""
    runs = "reference%d" % n
    begin = time.monotonic()
    box.hpo("run", study, "--dir", box.path(runs), *VARIANTS[n]).want(0)
    lasts = time.monotonic() - begin
    db = box.db(runs=runs)
    sound(db, 4)
    expected, files = content(db), left_files(box.path(runs))
    check(expected["trial_intermediate_values"], "the reference has no reports")
    check(any("checkpoint" in f for f in files), "the reference keeps no checkpoint", files)
    equal(sorted(f for f in files if f.endswith(".oof")), ["oof/%04d.oof" % i for i in range(4)], "predictions")
    print("reference %s: %.1f s, %d reports, %d kept files" % (
        " ".join(VARIANTS[n]), lasts, len(expected["trial_intermediate_values"]), len(files)), flush=True)
    return expected, files, lasts


def kill(p, whom):
    """False when there was nothing to kill: the run was over, or no worker had started yet."""
    workers = children(p.pid)
    if p.poll() is not None or (whom == "worker" and not workers):
        return False
    if whom == "worker":
        os.kill(dice.choice(workers), signal.SIGKILL)
        return True
    if whom == "controller":
        os.kill(p.pid, signal.SIGKILL)
    else:
        os.killpg(p.pid, signal.SIGKILL)
    p.wait()
    # A controller's workers end by themselves. Half of the time the next run does not wait for that.
    if dice.random() < 0.5:
        wait_for("the workers of a dead controller are gone", lambda: not any(alive(w) for w in workers), limit=20)
    return True


def one_study(n, limit):
    """Run variant n to its end under at most so many kills; returns those that were dealt."""
    expected, files, lasts = references[n]
    runs = box.path("killed")
    shutil.rmtree(runs, ignore_errors=True)
    dealt, p = [], None
    while True:
        if p is None:
            p = box.start("run", study, "--dir", runs, *VARIANTS[n])
        # A third of the study between two kills, so that one study takes several and still ends.
        end = time.monotonic() + dice.uniform(0, max(lasts / 3, 0.2))
        while p.poll() is None and (time.monotonic() < end or len(dealt) >= limit):
            time.sleep(0.002)
        if p.poll() is not None:
            box.finish(p).want(0)
            break
        # The third death under one trial would be that trial's failure: two workers a study are enough.
        whom = dice.choice(["controller", "worker", "both"] if dealt.count("worker") < 2 else ["controller", "both"])
        if kill(p, whom):
            dealt.append(whom)
            if whom != "worker":
                p = None
    db = box.db(runs="killed")
    sound(db, 4)
    same_study(content(db), expected, "a killed and resumed study differs from the reference (seed %d):" % seed)
    equal(left_files(runs), files, "kept checkpoints and predictions (seed %d)" % seed)
    return dealt


references, done, rounds = {}, 0, 0
while done < kills:
    check(rounds < 20 * kills + 20, "the kills never landed")
    n = rounds % len(VARIANTS)
    if n not in references:
        references[n] = reference(n)
    dealt = one_study(n, min(kills - done, max(2, kills // 6)))
    done += len(dealt)
    rounds += 1
    print("round %d %s: %s" % (rounds, " ".join(VARIANTS[n]), " ".join(dealt) or "no kill"), flush=True)
print("%d kills, %d studies: all equal to the reference" % (done, rounds))
