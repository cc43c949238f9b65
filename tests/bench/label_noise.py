#!/usr/bin/env python3
"""Does `hpo report --labels` find wrong labels? Some labels of a real data set are changed, and nobody is told which.

    label_noise.py HPO DATA [--images 6000] [--flip 0.02] [--trials 3] [--epochs 14] [--folds 5] [--seed 1] [--dir DIR]

DATA: a folder a class. So many of its images, each class its share, are copied with a manifest in which --flip of the
labels are another class, drawn at random; a study of a few trials runs on it; then the images that `hpo report --labels`
lists are held against those whose label was changed. The data set's own mistakes count as wrongly suspected. Printed are
precision and recall of all that is flagged, and of as many images as were changed, from the top of the list; and beside
them those of drawing at random. --dir keeps the study there, and goes on with it. About ten minutes of two CPU cores.
"""
import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

p = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1], add_help=False)
p.add_argument("hpo")
p.add_argument("data")
p.add_argument("--images", type=int, default=6000)
p.add_argument("--flip", type=float, default=0.02)
p.add_argument("--trials", type=int, default=3)
p.add_argument("--epochs", type=int, default=14)
p.add_argument("--folds", type=int, default=5)
p.add_argument("--seed", type=int, default=1)
p.add_argument("--dir")
a = p.parse_args()
dice = random.Random(a.seed)
box = os.path.abspath(a.dir) if a.dir else tempfile.mkdtemp(prefix="hpo-label-noise-")
images = os.path.join(box, "images")


def make_manifest():
    """Copies the images and writes images/train.csv; returns {path: right label} of those that were changed."""
    classes = sorted(d for d in os.listdir(a.data) if os.path.isdir(os.path.join(a.data, d)))
    rows = []
    for k, name in enumerate(classes):
        files = sorted(os.listdir(os.path.join(a.data, name)))
        share = a.images * (k + 1) // len(classes) - a.images * k // len(classes)
        rows += [("%s/%s" % (name, f), name) for f in dice.sample(files, min(share, len(files)))]
    changed = {path: label for path, label in dice.sample(rows, round(a.flip * len(rows)))}
    # The path must not give the label away, not to a reader of the list either.
    names = {path: "%05d%s" % (i, os.path.splitext(path)[1]) for i, (path, _) in enumerate(dice.sample(rows, len(rows)))}
    if not os.path.isdir(images):
        os.makedirs(images)
        for path, name in names.items():
            shutil.copy(os.path.join(a.data, path), os.path.join(images, name))
    with open(os.path.join(images, "train.csv"), "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["path", "label"])
        for path, label in sorted(rows, key=lambda r: names[r[0]]):
            out.writerow([names[path], dice.choice([c for c in classes if c != label]) if path in changed else label])
    return len(rows), {names[path]: label for path, label in changed.items()}


def write_study():
    study = {
        "study": {"name": "noise", "metric": "accuracy", "trials": a.trials, "seed": a.seed},
        "sampler": {"type": "random"},
        "pruner": {"type": "none"},
        "devices": {"use": "cpu"},
        "data": {"path": os.path.join(images, "train.csv"), "image_size": 32, "cache": os.path.join(box, "cache"),
                 "folds": {"k": a.folds}},
        "trainer": {"model": {"type": "convnet", "width": 16, "stages": 3, "dropout": 0.1}, "batch_size": 64,
                    "epochs": a.epochs, "optimizer": {"type": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
                    "schedule": {"type": "cosine", "warmup_epochs": 1}, "loss": {"type": "cross_entropy", "label_smoothing": 0.1},
                    "augment": {"flip": True, "crop_padding": 4}},
        "space": {"optimizer.lr": {"type": "float", "low": 0.03, "high": 0.2, "log": True}},
    }
    path = os.path.join(box, "noise.yaml")
    with open(path, "w") as f:
        for key, value in study.items():
            f.write("%s: %s\n" % (key, json.dumps(value)))
    return path


def hpo(*args):
    r = subprocess.run([a.hpo, *args, "--dir", os.path.join(box, "runs")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       universal_newlines=True)
    if r.returncode:
        sys.exit("hpo %s: exit status %d\n%s" % (" ".join(args), r.returncode, (r.stdout + r.stderr)[-4000:]))
    return r.stdout


def row(what, listed, changed, right):
    hits = [r for r in listed if r["path"] in changed]
    same = sum(r["suggested"] == right[r["path"]] for r in hits)
    print("%-28s %6d %6d   %9.3f %9.3f   %12.3f" % (
        what, len(listed), len(hits), len(hits) / max(1, len(listed)), len(hits) / len(changed), same / max(1, len(hits))))


n, changed = make_manifest()
begin = time.monotonic()
hpo("run", write_study())
print("%d images, %d labels changed; a study of %d trials, %d folds, %d epochs in %.0f s" % (
    n, len(changed), a.trials, a.folds, a.epochs, time.monotonic() - begin))
report = json.loads(hpo("report", "noise", "--json"))
print("accuracy (on the changed labels): " + ", ".join("%.4f" % t["value"] for t in report["trials"]))
begin = time.monotonic()
listed = json.loads(hpo("report", "noise", "--labels", "--json"))["labels"]["suspects"]
print("hpo report --labels: %.2f s\n" % (time.monotonic() - begin))
print("%-28s %6s %6s   %9s %9s   %12s" % ("", "images", "hits", "precision", "recall", "right class"))
row("flagged", listed, changed, changed)
row("the first %d of them" % len(changed), listed[:len(changed)], changed, changed)
row("the first %d of them" % (len(changed) // 2), listed[:len(changed) // 2], changed, changed)
print("%-28s %6d %6s   %9.3f %9.3f" % ("drawn at random", len(changed), "", len(changed) / n, len(changed) / n))
if not a.dir:
    shutil.rmtree(box, ignore_errors=True)
