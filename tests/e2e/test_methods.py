"""Methods that need more than a line of the study file: pretrained weights (a file beside it, in safetensors format), a
backbone that is frozen, folds that end early, several seeds; a killed study goes on to the same results."""
import json
import os
import random
import signal
import struct
import time

from harness import Box, check, content, equal, same_study, sound

WIDTH = 4


def tensors(classes):
    """The state dict of `resnet18`, width 4, with random weights: name -> shape."""
    ret = {}

    def conv_bn(conv, bn, out, into, kernel):
        ret[conv + ".weight"] = [out, into, kernel, kernel]
        for part in "weight", "bias", "running_mean", "running_var":
            ret["%s.%s" % (bn, part)] = [out]

    conv_bn("conv1", "bn1", WIDTH, 3, 3)
    into = WIDTH
    for g in range(4):
        out = WIDTH << g
        for i in range(2):
            name = "layer%d.%d." % (g + 1, i)
            conv_bn(name + "conv1", name + "bn1", out, into, 3)
            conv_bn(name + "conv2", name + "bn2", out, out, 3)
            if g and not i:
                conv_bn(name + "downsample.0", name + "downsample.1", out, into, 1)
            into = out
    ret["fc.weight"], ret["fc.bias"] = [classes, into], [classes]
    return ret


def save(path, shapes, seed=1):
    rng, header, body = random.Random(seed), {}, b""
    for name, shape in shapes.items():
        n = 1
        for d in shape:
            n *= d
        positive = name.endswith("running_var")
        blob = struct.pack("<%df" % n, *(rng.uniform(0.5, 1.5) if positive else rng.gauss(0, 0.2) for _ in range(n)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(blob)]}
        body += blob
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


box = Box()
box.data()
shapes = tensors(7)
save(box.path("weights.safetensors"), shapes)
MODEL = {"type": "resnet18", "width": WIDTH, "pretrained": "weights.safetensors", "freeze": "backbone",
         "unfreeze_epoch": 1}


def study(name, seeds=2, **model):
    trainer = {"model": ("=", dict(MODEL, **model)), "epochs": 3, "seeds": seeds, "early_stopping": {"patience": 1}}
    return box.study(name, trainer=trainer, study={"name": name.split(".")[0]})


# What fits, and what does not, is told before anything runs.
whole = study("whole.yaml")
box.hpo("check", whole).want(0, "100 of 100 tensors from", "the last layer, fc, begins at random")
less = dict(shapes)
del less["layer1.0.conv1.weight"]
save(box.path("less.safetensors"), less)
box.hpo("check", study("less.yaml", pretrained="less.safetensors")).want(
    0, "99 of 100", "layer1.0.conv1.weight, which begins at random")
for path, text in ("nowhere.safetensors", "nowhere.safetensors: no such file"), ("whole.yaml", "not a safetensors file"):
    box.hpo("check", study("wrong.yaml", pretrained=path)).want(2, text)
box.hpo("check", study("wrong.yaml", type="mlp")).want(2, "fits model mlp")
box.hpo("check", study("other.yaml", type="resnet", depth=8)).want(
    0, "45 of 45 tensors", "of the file's are not in the network: layer1.1.conv1.weight, ")
box.hpo("check", study("wrong.yaml", seeds=40)).want(2, "trainer.seeds", "at most 64")

# In one go, and killed again and again.
box.hpo("run", whole).want(0)
first = content(box.db("whole"))
sound(box.db("whole"), 3)
report = json.loads(box.hpo("report", "whole", "--json", "--trial", "0").want(0).out)["trial"]
equal(sorted({(f["fold"], f["seed"]) for f in report["fold_results"]}), [(f, s) for f in range(2) for s in range(2)],
      "folds and seeds")
check(abs(report["std"] ** 2 - report["std_folds"] ** 2 - report["std_seeds"] ** 2) < 1e-12, "deviations", report)
check(len(report["curve"]) <= 12, "folds that end early", report["curve"])
os.rename(box.path("runs", "whole"), box.path("runs", "first"))
for i in range(6):
    p = box.start("run", whole)
    time.sleep(0.15 * (i + 1))
    if p.poll() is None:
        os.killpg(p.pid, signal.SIGKILL)
    p.wait()
box.hpo("run", whole).want(0)
same_study(content(box.db("whole")), first, "killed six times:")

# Other weights are another study, even under the same name; the same ones elsewhere are not.
os.rename(box.path("weights.safetensors"), box.path("moved.safetensors"))
box.hpo("run", study("whole.yaml", pretrained="moved.safetensors")).want(0)
save(box.path("weights.safetensors"), shapes, seed=2)
box.hpo("run", study("whole.yaml")).want(2, "data (content", "--fresh")
