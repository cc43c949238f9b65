#!/usr/bin/env python3
"""Trials an hour of a small study on one GPU: the program, and Optuna with PyTorch.

    gpu_study.py HPO DUMP_DATA DATA [--trials 20] [--folds 3] [--epochs 5] [--width 32] [--limit N] [--device cuda:0]

The same space, folds, pictures and epochs, TPE on both sides, nothing pruned. The peer is the script that its users write,
well: uint8 pictures on the GPU for the whole study, augmented there, channels_last, autocast, fused SGD; one trial after
the other, not compiled, because each trial would wait for that. Ours runs with trials_per_device 1 and auto. The time is
that of the whole command, Python's start and CUDA's included; decoding is done before. Where Optuna is not installed, the
peer trains random configurations of the space. Asserts nothing about time. Needs torch.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time

from gpu_peer import ConvNet, Folds, Watch, need, row, torch, train_fold

STAGES, WARMUP, PADDING = 3, 1.0, 4

p = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1], add_help=False)
p.add_argument("hpo")
p.add_argument("dump_data")
p.add_argument("data")
p.add_argument("--trials", type=int, default=20)
p.add_argument("--folds", type=int, default=3)
p.add_argument("--epochs", type=int, default=5)
p.add_argument("--width", type=int, default=32)
p.add_argument("--limit", type=int, default=0)
p.add_argument("--device", default="cuda:0")
p.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
a = p.parse_args()
device = need(a.device)
SEED = 42


def optuna_or_none():
    try:
        import optuna
    except ImportError:
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def peer():
    """What runs in a process of its own: prints the best value."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    torch.backends.cudnn.benchmark = True
    data = Folds(a.dump_data, a.data, SEED, a.folds, a.limit, device)

    def train(lr, decay, batch, smoothing):
        torch.manual_seed(SEED)
        return sum(max(train_fold(data, fold, ConvNet(a.width, STAGES, 0.0, data.classes), batch, a.epochs, lr, decay,
                                  smoothing, WARMUP, PADDING, dtype)) for fold in range(a.folds)) / a.folds

    optuna = optuna_or_none()
    if optuna:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=SEED))
        study.optimize(lambda t: train(t.suggest_float("lr", 0.01, 0.3, log=True),
                                       t.suggest_float("weight_decay", 1e-5, 1e-2, log=True),
                                       t.suggest_categorical("batch_size", [64, 128, 256]),
                                       t.suggest_float("label_smoothing", 0.0, 0.1, step=0.05)), n_trials=a.trials)
        print(study.best_value)
    else:
        dice = random.Random(SEED)
        print(max(train(0.01 * 30 ** dice.random(), 1e-5 * 1000 ** dice.random(), dice.choice([64, 128, 256]),
                        dice.choice([0.0, 0.05, 0.1])) for _ in range(a.trials)))


STUDY = {
    "study": {"metric": "accuracy", "trials": a.trials, "seed": SEED, "name": "study"},
    "sampler": {"type": "tpe"},
    "pruner": {"type": "none"},
    "devices": {"use": a.device if device.type == "cuda" else "cpu"},
    "data": {"path": os.path.abspath(a.data), "image_size": 32, "limit": a.limit, "folds": {"k": a.folds}},
    "trainer": {"model": {"type": "convnet", "width": a.width, "stages": STAGES}, "epochs": a.epochs,
                "optimizer": {"type": "sgd", "momentum": 0.9, "nesterov": True},
                "schedule": {"type": "cosine", "warmup_epochs": WARMUP},
                "augment": {"flip": True, "crop_padding": PADDING}},
    "space": {"optimizer.lr": {"type": "float", "low": 0.01, "high": 0.3, "log": True},
              "optimizer.weight_decay": {"type": "float", "low": 1e-5, "high": 1e-2, "log": True},
              "batch_size": {"type": "categorical", "choices": [64, 128, 256]},
              "loss.label_smoothing": {"type": "float", "low": 0.0, "high": 0.1, "step": 0.05}},
}


def timed(name, args, best):
    """Run it, watch the GPU, tell; best: from its output."""
    begin = time.monotonic()
    with Watch() as watch:
        r = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    seconds = time.monotonic() - begin
    if r.returncode:
        print("%s: exit status %d\n%s" % (name, r.returncode, (r.stdout + r.stderr)[-4000:]), flush=True)
        return None
    value, load = best(r.stdout), watch.told()
    print("%-28s %6.0f trials an hour (%d in %.1f s), best accuracy %.4f%s" % (
        name, a.trials * 3600 / seconds, a.trials, seconds, value,
        "; GPU busy %(gpu_percent)d %%, at most %(memory_mib)d MiB" % load if load else ""), flush=True)
    row(bench="study", what=name, trials=a.trials, seconds=round(seconds, 2), trials_per_hour=round(a.trials * 3600 / seconds, 1),
        best=value, **load)
    return seconds


if a.peer:
    peer()
    sys.exit(0)
with tempfile.TemporaryDirectory(prefix="hpo-bench-") as box:
    study = os.path.join(box, "study.yaml")
    with open(study, "w") as f:
        for key, value in STUDY.items():
            f.write("%s: %s\n" % (key, json.dumps(value)))
    subprocess.run([a.hpo, "check", study], check=True, stdout=subprocess.DEVNULL)  # decodes
    times = {}
    for n in ("1", "auto"):
        times[n] = timed("hpo, trials_per_device %s" % n, [
            a.hpo, "run", study, "--json", "--dir", os.path.join(box, "runs" + n), "--set", "devices.trials_per_device=" + n],
            lambda out: [e for e in map(json.loads, out.splitlines()) if e["event"] == "done"][-1]["value"])
    name = "Optuna + PyTorch" if optuna_or_none() else "PyTorch (no Optuna here)"
    theirs = timed(name, [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--peer"],
                   lambda out: float(out.split()[-1]))
    for n, ours in times.items():
        if ours and theirs:
            print("trials_per_device %s: %.2f times as many trials an hour" % (n, theirs / ours))
            row(bench="study", what="ratio, trials_per_device %s" % n, ratio=round(theirs / ours, 3))
sys.exit(0 if theirs and all(times.values()) else 1)
