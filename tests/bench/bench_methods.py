#!/usr/bin/env python3
"""What each method of the trainer brings, and what it costs.

    bench_methods.py HPO gain DATA [--limit N] [--folds K] [--epochs N] [--width N] [--jobs N] [METHOD...]
    bench_methods.py HPO cost [--rounds N] [METHOD...]

gain: `convnet` on a folder of images, each method by itself beside the plain training, same folds and initial weights:
mean accuracy and deviation over folds, and the mean difference with its standard error over folds (they are paired).
cost: training images/s on pictures made for the purpose, one thread, the plain training between any two methods, medians
of the ratios. Prints numbers and asserts nothing. Only Python's standard library is used.
"""
import argparse
import concurrent.futures
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

PLAIN = ["augment.flip=false", "augment.crop_padding=0"]
MODEL = "model.dropout=0.2"
METHODS = {  # name -> what it sets under `trainer`, beside PLAIN
    "flip": ["augment.flip=true"],
    "flip, crop 2": ["augment.flip=true", "augment.crop_padding=2"],
    "flip, crop 4": ["augment.flip=true", "augment.crop_padding=4"],
    "mixup 0.2": ["augment.flip=true", "augment.mixup=0.2"],
    "cutmix 1.0": ["augment.flip=true", "augment.cutmix=1.0"],
    "erasing 0.25": ["augment.flip=true", "augment.erasing=0.25"],
    "cutout 8": ["augment.flip=true", "augment.cutout=8"],
    "jitter 0.2": ["augment.flip=true", "augment.brightness=0.2", "augment.contrast=0.2", "augment.saturation=0.2"],
    "smoothing 0.1": ["augment.flip=true", "loss.label_smoothing=0.1"],
    "focal 2": ["augment.flip=true", "loss={type: focal, gamma: 2}"],
    "EMA 0.99": ["augment.flip=true", "average={type: ema, decay: 0.99}"],
    "SWA": ["augment.flip=true", "average={type: swa, start: 0.75}"],
    "dropout 0.2": ["augment.flip=true", MODEL],
    "multi-sample dropout": ["augment.flip=true", MODEL, "model.dropout_samples=4"],
    "no decay of bias, norm": ["augment.flip=true", "optimizer.decay_bias_norm=false"],
    "clip 1.0": ["augment.flip=true", "optimizer.clip_norm=1.0"],
    "accumulate 2": ["augment.flip=true", "optimizer.accumulate=2"],
    "one cycle": ["augment.flip=true", "schedule={type: one_cycle}"],
    "AdamW": ["augment.flip=true", "optimizer={type: adamw, lr: 0.003, weight_decay: 0.05}"],
    "Lion": ["augment.flip=true", "optimizer={type: lion, lr: 0.0005, weight_decay: 0.5}"],
    "Muon": ["augment.flip=true", "optimizer={type: muon, lr: 0.02, weight_decay: 0.05}"],
}
STUDY = """\
study: {name: %(name)s, metric: accuracy, trials: 1, seed: 1}
sampler: random
devices: {use: cpu, trials_per_device: 1, threads: 1}
data: {path: %(data)s, image_size: 32, folds: {k: %(folds)d, run: %(run)d}%(limit)s}
trainer:
  model: {type: convnet, width: %(width)d, stages: 3}
  batch_size: 64
  epochs: %(epochs)d
  optimizer: {type: sgd, lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 5e-4}
  schedule: {type: cosine, warmup_epochs: 0.5}
"""


def run(hpo, box, name, sets, **kw):
    """The report of the one trial of a study with these settings."""
    path = os.path.join(box, "study.yaml")
    name = "".join(c if c.isalnum() else "-" for c in name)
    with open(os.path.join(box, name + ".yaml"), "w") as f:
        f.write(STUDY % dict(kw, name=name))
    path = f.name
    args = [hpo, "run", path, "--dir", os.path.join(box, "runs"), "--fresh"]
    for s in PLAIN + sets:
        args += ["--set", "trainer." + s]
    p = subprocess.run(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if p.returncode:
        sys.exit("%s: exit status %d\n%s" % (" ".join(args), p.returncode, p.stderr))
    out = subprocess.run([hpo, "report", os.path.join(box, "runs", name), "--trial", "0", "--json"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out)


def folds_of(report):
    return [f["value"] for f in report["trial"]["fold_results"]]


def gain(a, box):
    kw = dict(data=os.path.abspath(a.data), folds=a.folds, run=a.folds, width=a.width, epochs=a.epochs,
              limit=", limit: %d" % a.limit if a.limit else "")
    chosen = {m: METHODS[m] for m in a.methods or METHODS}
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        jobs = {m: pool.submit(run, a.hpo, box, m, sets, **kw) for m, sets in {"plain": [], **chosen}.items()}
    folds = {m: folds_of(j.result()) for m, j in jobs.items()}
    print("%d images, %d folds, %d epochs, width %d" % (a.limit, a.folds, a.epochs, a.width))
    print("| method | accuracy | deviation | beside | difference | standard error |\n|---|---|---|---|---|---|")
    for m, v in folds.items():
        base = "plain" if m in ("plain", "flip") else "flip"
        d = [x - y for x, y in zip(v, folds.get(base, folds["plain"]))]
        print("| %s | %.4f | %.4f | %s | %s | %s |" % (
            m, statistics.mean(v), statistics.pstdev(v), "" if m == "plain" else base,
            "" if m == "plain" else "%+.4f" % statistics.mean(d),
            "" if m == "plain" or len(d) < 2 else "%.4f" % (statistics.stdev(d) / math.sqrt(len(d)))))


def seconds_of(report):
    """Of the epochs but the first, which warms up."""
    return sum(e["seconds"] for e in report["trial"]["curve"] if e["epoch"] > 0)


def cost(a, box):
    data = os.path.join(box, "data")
    subprocess.run([a.hpo, "data", "synth", data, "--images", "2000", "--size", "32"], check=True,
                   stdout=subprocess.DEVNULL)
    kw = dict(data=data, folds=2, run=1, width=a.width, epochs=4, limit="")
    chosen = {m: METHODS[m] for m in a.methods or METHODS}
    ratios = {m: [] for m in chosen}
    for _ in range(a.rounds):
        for m, sets in chosen.items():
            plain = seconds_of(run(a.hpo, box, "plain", [], **kw))
            ratios[m].append(plain / seconds_of(run(a.hpo, box, m, sets, **kw)))
            again = seconds_of(run(a.hpo, box, "plain", [], **kw))
            ratios[m][-1] *= (1 + again / plain) / 2
    print("width %d, %d rounds: images/s, the plain training's being 1" % (a.width, a.rounds))
    for m, r in ratios.items():
        print("| %s | %.2f | (%.2f to %.2f) |" % (m, statistics.median(r), min(r), max(r)))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("hpo", type=os.path.abspath)
    p.add_argument("what", choices=["gain", "cost"])
    p.add_argument("rest", nargs="*")
    p.add_argument("--limit", type=int, default=6000)
    p.add_argument("--folds", type=int, default=5)
    p.add_argument("--epochs", type=int, default=12)
    p.add_argument("--width", type=int, default=16)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_intermixed_args()
    if a.what == "gain" and not a.rest:
        p.error("gain: which images?")
    a.data, a.methods = (a.rest[0], a.rest[1:]) if a.what == "gain" else (None, a.rest)
    unknown = [m for m in a.methods if m not in METHODS]
    if unknown:
        p.error("unknown method %s; there are %s" % (unknown[0], ", ".join(METHODS)))
    with tempfile.TemporaryDirectory(prefix="hpo-bench-") as box:
        (gain if a.what == "gain" else cost)(a, box)


main()
