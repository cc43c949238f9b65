#!/usr/bin/env python3
"""Images a second on a GPU, ours and PyTorch's, in the same run.

    gpu_train.py BENCH_DEVICE [--quick] [--only NAME,...] [--ways WAY,...] [--rounds N] [--seconds S] [--arrays N]
                 [--device cuda:0] [--precision bf16]
    gpu_train.py BENCH_DEVICE --check         only that both sides have the same networks; needs no GPU

Networks of tests/kernels/nets.h on made-up pictures of 32 x 32: convnet of width 16, 64, 256, resnet20 and resnet18, at
batch 64, 256 and 1024. Both keep uint8 pictures on the GPU, crop and flip them there, train with SGD and Nesterov
momentum. PyTorch: channels_last, autocast, fused optimizer, each of the WAYS of gpu_peer.Trainer; the best one counts. The
two run alternately; medians of the rounds, and their ratio. --arrays N: ours with N networks at once, all together,
beside PyTorch's one after the other. Asserts nothing about time. Needs torch.
"""
import argparse
import statistics
import subprocess
import sys
import time

from gpu_peer import SKIP, Trainer, Watch, made_up, need, network, rate, row, same_network, skip, torch

CASES = [("convnet", 16), ("resnet20", 16), ("convnet", 64), ("resnet18", 64), ("convnet", 256)]

p = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1], add_help=False)
p.add_argument("bench")
p.add_argument("--check", action="store_true")
p.add_argument("--quick", action="store_true")
p.add_argument("--only", default="")
p.add_argument("--batches", default="")
p.add_argument("--ways", default="")
p.add_argument("--rounds", type=int, default=0)
p.add_argument("--seconds", type=int, default=3)
p.add_argument("--arrays", type=int, default=5)
p.add_argument("--images", type=int, default=8192)
p.add_argument("--device", default="cuda:0")
p.add_argument("--precision", default="bf16", choices=["fp32", "tf32", "bf16", "fp16"])
a = p.parse_args()
rounds = a.rounds or (1 if a.quick else 3)
ways = a.ways.split(",") if a.ways else ["graph", "compile"] if a.quick else ["compile", "autotune", "reduce-overhead"]
if set(ways) - set(Trainer.WAYS):
    sys.exit("--ways: there are " + " ".join(Trainer.WAYS))
cases = [c for c in CASES if not a.only or c[0] + str(c[1]) in a.only.split(",") or c[0] in a.only.split(",")]
batches = [int(b) for b in a.batches.split(",")] if a.batches else [256] if a.quick else [64, 256, 1024]

if a.check:
    for name, width in CASES + [("convnet", 4), ("resnet", 16)]:
        print("%s, width %d: %d weights on both sides" % (name, width, same_network(a.bench, name, width)))
    sys.exit(0)
device = need(a.device)
dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(a.precision, torch.float32)
torch.backends.cudnn.benchmark = True
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = a.precision == "tf32"


def ours(name, width, batch, models=1):
    """Images a second and MiB of the plan."""
    r = subprocess.run([a.bench, a.device if device.type == "cuda" else "cpu", name, str(width), str(batch), a.precision,
                        str(models), str(a.seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       universal_newlines=True)
    if r.returncode == SKIP:
        skip(r.stdout.strip().replace("skipped: ", ""))
    if r.returncode:
        print("  ours, %s %d: %s" % (name, width, (r.stderr or r.stdout).strip()), flush=True)
        return None
    return [float(w) for w in r.stdout.split()]


def peers(name, width, batch):
    """A trainer for each way that works here; what does not is said."""
    ret = {}
    for way in ways:
        begin = time.monotonic()
        try:
            torch.manual_seed(0)
            if hasattr(torch, "_dynamo"):
                torch._dynamo.reset()  # or a few shapes later it gives up compiling
            ret[way] = Trainer(network(name, width), images, batch, way, dtype=dtype)
            rate(ret[way], batch, 0, images)
        except Exception as e:  # no compiler for Triton, no memory, ...: the other ways are left
            ret.pop(way, None)
            print("  PyTorch, %s: %s" % (way, str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__))
        else:
            print("  PyTorch, %s: ready in %.0f s" % (way, time.monotonic() - begin), flush=True)
    return ret


images = made_up(a.images, device)
print("torch %s, %s, %s, medians of %d" % (
    torch.__version__, torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu", a.precision, rounds))
table, failed = [], 0
for name, width in cases:
    print("%s, width %d: %d weights on both sides" % (name, width, same_network(a.bench, name, width)), flush=True)
    for batch in batches:
        trainers = peers(name, width, batch)
        got = {"ours": [], "arrays": [], **{w: [] for w in trainers}}
        plan, load = None, {}
        for _ in range(rounds):
            with Watch() as watch:
                r = ours(name, width, batch)
            load = watch.told() or load
            if r:
                got["ours"].append(r[0])
                plan = r[1]
            for way, t in trainers.items():
                got[way].append(rate(t, batch, a.seconds, images))
            r = ours(name, width, batch, a.arrays) if a.arrays > 1 else None
            if r:
                got["arrays"].append(r[0])
        median = {k: statistics.median(v) for k, v in got.items() if v}
        best = max((w for w in trainers), key=lambda w: median[w], default=None)
        if "ours" not in median or best is None:
            failed += 1
            continue
        table.append((name, width, batch, median["ours"], median.get("arrays"), median[best], best, plan))
        row(bench="train", network=name, width=width, batch=batch, precision=a.precision, plan_mib=plan, models=a.arrays,
            best=best, ratio=round(median["ours"] / median[best], 3), images_per_s={k: round(v) for k, v in median.items()},
            **load)
        del trainers
        if device.type == "cuda":
            torch.cuda.empty_cache()

print("\n%-10s %5s %6s %12s %12s %-16s %6s %14s %6s %9s" % (
    "network", "width", "batch", "hpo", "PyTorch", "", "ratio", "hpo, %d at once" % a.arrays, "ratio", "plan MiB"))
for name, width, batch, one, many, peer, best, plan in table:
    print("%-10s %5d %6d %12.0f %12.0f %-16s %6.2f %14s %6s %9.0f" % (
        name, width, batch, one, peer, best, one / peer, "%.0f" % many if many else "-",
        "%.2f" % (many / peer) if many else "-", plan))
sys.exit(1 if failed else 0)
