#!/usr/bin/env python3
"""Accuracy at full size: one configuration of a study file, ours and PyTorch's, same pixels, same folds, several seeds.

    gpu_cifar.py HPO DUMP_DATA STUDY.yaml DATA [--seeds 42,43,44] [--folds 5] [--epochs N] [--limit N] [--device cuda:0]

STUDY.yaml: studies/cifar10.yaml; its network, schedule and augmentation are written out below for PyTorch (and the
configuration that is trained, a good one of its space). DATA: a folder a class. A seed's value is the mean over folds of
each fold's best epoch, as the program counts it. The status is 1 when our mean over seeds lies below PyTorch's by more than
the spread of seeds explains (three standard errors) and more than a hundredth. Needs torch.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from gpu_peer import ConvNet, Folds, Watch, need, row, skip, torch, train_fold

CONFIG = {"optimizer.lr": 0.05, "optimizer.weight_decay": 5e-4, "batch_size": 64, "loss.label_smoothing": 0.05}
WIDTH, STAGES, WARMUP, PADDING = 16, 3, 0.5, 0  # as in studies/cifar10.yaml

p = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1], add_help=False)
p.add_argument("hpo")
p.add_argument("dump_data")
p.add_argument("study")
p.add_argument("data")
p.add_argument("--seeds", default="42,43,44")
p.add_argument("--folds", type=int, default=5)
p.add_argument("--epochs", type=int, default=3)
p.add_argument("--limit", type=int, default=0)
p.add_argument("--device", default="cuda:0")
a = p.parse_args()
device = need(a.device)
dtype = torch.bfloat16 if device.type == "cuda" else torch.float32  # what trainer.precision auto is
torch.backends.cudnn.benchmark = True


def ours(seed, box):
    sets = {"data.path": os.path.abspath(a.data), "data.limit": a.limit, "data.folds.k": a.folds, "study.trials": 1,
            "study.seed": seed, "study.name": "seed%d" % seed, "study.enqueue": json.dumps([CONFIG]),
            "trainer.epochs": a.epochs, "devices.use": a.device if device.type == "cuda" else "cpu",
            "sampler": "random", "pruner": "none"}
    args = [a.hpo, "run", a.study, "--dir", box, "--json"]
    for key, value in sets.items():
        args += ["--set", "%s=%s" % (key, value)]
    r = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if r.returncode:
        sys.exit("%s: exit status %d\n%s" % (" ".join(args), r.returncode, (r.stdout + r.stderr)[-4000:]))
    end = [e for e in map(json.loads, r.stdout.splitlines()) if e["event"] == "end"][-1]
    if end["state"] != "COMPLETE":
        sys.exit("the trial is %s: %s" % (end["state"], end["reason"]))
    return end["value"]


def peer(seed, data):
    torch.manual_seed(seed)
    return statistics.mean(
        max(train_fold(data, fold, ConvNet(WIDTH, STAGES, 0.0, data.classes), CONFIG["batch_size"], a.epochs,
                       CONFIG["optimizer.lr"], CONFIG["optimizer.weight_decay"], CONFIG["loss.label_smoothing"], WARMUP,
                       PADDING, dtype)) for fold in range(a.folds))


got, want = [], []
with tempfile.TemporaryDirectory(prefix="hpo-bench-") as box:
    for seed in map(int, a.seeds.split(",")):
        data = Folds(a.dump_data, a.data, seed, a.folds, a.limit, device)  # decodes, for both
        begin = time.monotonic()
        with Watch() as watch:
            got.append(ours(seed, box))
        seconds = time.monotonic() - begin
        begin = time.monotonic()
        want.append(peer(seed, data))
        n = len(data.labels)
        print("seed %d, %d images, %d folds of %d epochs: hpo %.4f in %.1f s, PyTorch %.4f in %.1f s" % (
            seed, n, a.folds, a.epochs, got[-1], seconds, want[-1], time.monotonic() - begin), flush=True)
        row(bench="cifar", seed=seed, images=n, folds=a.folds, epochs=a.epochs, hpo=got[-1], pytorch=want[-1],
            hpo_seconds=round(seconds, 2), pytorch_seconds=round(time.monotonic() - begin, 2), **watch.told())
below = statistics.mean(want) - statistics.mean(got)
error = 0.0
if len(got) > 1:
    error = ((statistics.variance(got) + statistics.variance(want)) / len(got)) ** 0.5
print("mean of %d seeds: hpo %.4f, PyTorch %.4f, difference %+.4f, standard error %.4f" % (
    len(got), statistics.mean(got), statistics.mean(want), -below, error))
sys.exit(1 if below > max(0.01, 3 * error) else 0)
