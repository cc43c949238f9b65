"""Learning curves of `hpo run`, with methods drawn at random, beside the same training written with PyTorch: the same
weights, images, folds and order of batches; the mean training loss and the validation log loss of every epoch agree.
Usage: parity_curve.py HPO ORDER_CLI PARITY_MODEL [SEED...]"""
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

try:
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError as e:
    print("skipped: %s" % e)
    sys.exit(77)

HPO, ORDER, MODEL = (os.path.abspath(p) for p in sys.argv[1:4])
SIZE, CLASSES, K, RUN, EPOCHS, BATCH, WIDTH = 12, 3, 3, 2, 3, 8, 6
COUNTS = (40, 26, 18)
TOLERANCE = 1e-3
torch.set_num_threads(1)
warnings.simplefilter("ignore")  # schedulers that step before the optimizer has

OPTIMIZERS = [
    {"type": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
    {"type": "sgd", "lr": 0.1},
    {"type": "adam", "lr": 2e-3, "eps": 1e-4, "weight_decay": 1e-3},
    {"type": "adamw", "lr": 2e-3, "eps": 1e-4, "weight_decay": 0.1},
    {"type": "rmsprop", "lr": 1e-3, "eps": 1e-3, "momentum": 0.5},
    {"type": "lion", "lr": 1e-4, "weight_decay": 0.1},
    {"type": "muon", "lr": 0.01, "other_lr": 1e-3, "eps": 1e-4, "weight_decay": 0.1},
]
SCHEDULES = [
    {"type": "constant", "warmup_epochs": 1},
    {"type": "step", "step_size": 1, "gamma": 0.5},
    {"type": "multi_step", "milestones": [1, 2], "gamma": 0.3},
    {"type": "cosine", "min_factor": 0.1},
    {"type": "cosine_restarts", "t_0": 1, "t_mult": 2},
    {"type": "one_cycle"},
    {"type": "one_cycle", "three_phase": True, "anneal": "linear"},
    {"type": "plateau", "patience": 0, "factor": 0.5, "watch": "train_loss", "threshold": 0.5},
]
LOSSES = [
    {"type": "cross_entropy"},
    {"type": "cross_entropy", "label_smoothing": 0.1},
    {"type": "cross_entropy", "class_weights": "balanced"},
    {"type": "cross_entropy", "class_weights": [1, 2, 0.5], "label_smoothing": 0.05},
    {"type": "focal", "gamma": 2},
    {"type": "focal", "gamma": 1.5, "class_weights": "effective", "effective_beta": 0.9},
]
AVERAGES = [{"type": "none"}, {"type": "ema", "decay": 0.9}, {"type": "ema", "decay": 0.8, "warmup": False},
            {"type": "swa", "start": 0.3}]


def png(path, pixels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    h, w, _ = pixels.shape
    rows = b"".join(b"\0" + pixels[y].tobytes() for y in range(h))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def save_file(state, path):
    header, blobs, at = {}, [], 0
    for name, a in state.items():
        blob = a.astype(np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(a.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


class Net(nn.Module):
    """hpo's `convnet`, parameters in its order."""

    def __init__(self):
        super().__init__()
        layers, c = [], 3
        for s in range(2):
            for _ in range(2):
                layers += [nn.Conv2d(c, WIDTH << s, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH << s), nn.ReLU()]
                c = WIDTH << s
            if not s:
                layers.append(nn.MaxPool2d(2))
        self.body, self.fc = nn.Sequential(*layers), nn.Linear(c, CLASSES)

    def forward(self, x):
        return self.fc(self.body(x).mean((2, 3)))


def buffers(net):
    return [b for b in net.buffers() if b.is_floating_point()]


class Lion(torch.optim.Optimizer):
    def __init__(self, groups, lr, betas, weight_decay):
        super().__init__(groups, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            b1, b2 = g["betas"]
            for p in g["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                c = b1 * m + (1 - b1) * p.grad
                p.mul_(1 - g["lr"] * g["weight_decay"]).sub_(g["lr"] * c.sign())
                m.mul_(b2).add_((1 - b2) * p.grad)


class Muon(torch.optim.Optimizer):
    """Of matrices; what is none is AdamW's."""

    def __init__(self, groups, lr, momentum, weight_decay):
        super().__init__(groups, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            for p in g["params"]:
                buf = self.state[p].setdefault("m", torch.zeros_like(p))
                buf.lerp_(p.grad, 1 - g["momentum"])
                u = p.grad.lerp(buf, g["momentum"]).flatten(1)
                rows, cols = u.shape
                x = u.T if rows > cols else u
                x = x / max(x.norm().item(), 1e-7)
                for _ in range(5):
                    a = x @ x.T
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                u = x.T if rows > cols else x
                p.mul_(1 - g["lr"] * g["weight_decay"]).sub_(g["lr"] * math.sqrt(max(1, rows / cols)) * u.view_as(p))


def groups_of(net, c):
    """A group for each parameter, with what its rate is multiplied by."""
    ret = []
    for p in net.parameters():
        vector = p.dim() == 1
        head = p is net.fc.weight or p is net.fc.bias
        wd = c["optimizer"].get("weight_decay", 0) * (c["optimizer"]["decay_bias_norm"] or not vector)
        ret.append({"params": [p], "weight_decay": wd, "factor": 1.0 if head else c["model"]["backbone_lr"],
                    "matrix": p.dim() > 1 and not head})
    return ret


def make_optimizers(net, c):
    o, groups = c["optimizer"], groups_of(net, c)
    kind, lr = o["type"], o["lr"]
    if kind == "sgd":
        return [torch.optim.SGD(groups, lr=lr, momentum=o.get("momentum", 0), nesterov=o.get("nesterov", False))]
    if kind in ("adam", "adamw"):
        return [{"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[kind](groups, lr=lr, eps=o["eps"])]
    if kind == "rmsprop":
        return [torch.optim.RMSprop(groups, lr=lr, eps=o["eps"], momentum=o["momentum"])]
    if kind == "lion":
        return [Lion(groups, lr, (0.9, 0.99), 0)]
    for g in groups:
        if not g["matrix"]:
            g["factor"] *= o["other_lr"] / lr
    return [Muon([g for g in groups if g["matrix"]], lr, 0.95, 0),
            torch.optim.AdamW([g for g in groups if not g["matrix"]], lr=lr, eps=o["eps"])]


class Schedule:
    """PyTorch's, stepped a batch at a time, on a rate of 1."""

    def __init__(self, c, steps):
        s, self.steps, total = c["schedule"], steps, EPOCHS * steps
        self.dummy = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.5)
        lrs, kind = torch.optim.lr_scheduler, s["type"]
        self.warmup = s.get("warmup_epochs", 0) * steps
        self.at, self.kind = 0, kind
        self.s = {
            "constant": lambda: lrs.LambdaLR(self.dummy, lambda t: 1.0),
            "step": lambda: lrs.StepLR(self.dummy, s["step_size"] * steps, s["gamma"]),
            "multi_step": lambda: lrs.MultiStepLR(self.dummy, [m * steps for m in s["milestones"]], s["gamma"]),
            "cosine": lambda: lrs.CosineAnnealingLR(self.dummy, total, s["min_factor"]),
            "cosine_restarts": lambda: lrs.CosineAnnealingWarmRestarts(self.dummy, s["t_0"] * steps, s["t_mult"]),
            "one_cycle": lambda: lrs.OneCycleLR(self.dummy, 1.0, total, three_phase=s.get("three_phase", False),
                                                anneal_strategy=s.get("anneal", "cos")),
            "plateau": lambda: lrs.ReduceLROnPlateau(self.dummy, "min", s["factor"], s["patience"], s["threshold"]),
        }[kind]()

    def now(self):
        """The factor, and the momentum or None."""
        g = self.dummy.param_groups[0]
        factor = g["lr"] if self.at >= self.warmup else 0.01 + 0.99 * self.at / self.warmup
        return factor, g["momentum"] if self.kind == "one_cycle" else None

    def batch_done(self):
        self.at += 1
        if self.kind != "plateau" and self.at < EPOCHS * self.steps:
            self.s.step()

    def epoch_done(self, loss):
        if self.kind == "plateau":
            self.s.step(loss)


def class_weights(c, labels):
    w, counts = c["loss"].get("class_weights"), np.bincount(labels, minlength=CLASSES)
    if w == "balanced":
        w = len(labels) / (CLASSES * counts)
    elif w == "effective":
        w = (1 - 0.9) / (1 - 0.9 ** counts)
        w = w * CLASSES / w.sum()
    return None if w is None else torch.tensor(np.array(w, dtype=np.float32)).double()


def loss_of(c, z, y, w):
    o = c["loss"]
    if o["type"] == "cross_entropy":
        return F.cross_entropy(z, y, weight=w, label_smoothing=o.get("label_smoothing", 0.0))
    logp = F.log_softmax(z, 1).gather(1, y[:, None])[:, 0]
    return -((1 - logp.exp()) ** o["gamma"] * logp * (w[y] if w is not None else 1)).mean()


def set_rates(optimizers, c, factor, momentum):
    for opt in optimizers:
        for g in opt.param_groups:
            g["lr"] = c["optimizer"]["lr"] * factor * g["factor"]
            if momentum is None:
                continue
            if "betas" in g and not isinstance(opt, Muon) and c["optimizer"]["type"] != "muon":
                g["betas"] = (momentum, g["betas"][1])
            elif g.get("momentum"):
                g["momentum"] = momentum


class Average:
    def __init__(self, c, net):
        self.o, self.c = c["average"], c
        self.start = min(math.ceil(self.o.get("start", 0) * EPOCHS), EPOCHS - 1)
        self.values = [t.detach().clone() for t in list(net.parameters()) + buffers(net)]

    def step(self, net, updates, epoch, last):
        if self.o["type"] == "ema":
            d = self.o["decay"]
            if self.o.get("warmup", True):
                d = min(d, 1 - updates ** (-2 / 3))
        else:
            n = epoch - self.start
            d = 1.0 if not last else n / (n + 1) if n > 0 else 0.0
        for a, t in zip(self.values, list(net.parameters()) + buffers(net)):
            a.mul_(d).add_((1 - d) * t.detach())

    def network(self, epoch, batches, frozen):
        """With the average in it, its batch norms estimated anew where hpo does so. (Those of a frozen backbone work as
        in evaluation throughout.)"""
        ret = Net().double()
        for t, a in zip(list(ret.parameters()) + buffers(ret), self.values):
            t.data.copy_(a)
        if self.o["type"] == "swa" and epoch > self.start and not frozen:
            torch.optim.swa_utils.update_bn(batches, ret)
            for b, a in zip(buffers(ret), self.values[len(list(ret.parameters())):]):
                a.copy_(b)
        return ret


def train_fold(c, weights, x, y, rows, valid, orders):
    """[(train loss, log loss)] of the epochs."""
    mean = x[rows].mean((0, 2, 3), keepdim=True)
    std = x[rows].std((0, 2, 3), unbiased=False, keepdim=True)
    x = (x - mean) / std
    w = class_weights(c, y[rows].numpy())
    net = Net().double()
    for t, v in zip(list(net.parameters()) + buffers(net), weights):
        t.data.copy_(torch.from_numpy(v).double())
    steps, each, curve = len(rows) // BATCH, c["optimizer"]["accumulate"], []
    schedule, average = Schedule(c, steps), None
    frozen_until = (c["model"]["unfreeze_epoch"] or EPOCHS) if c["model"]["freeze"] == "backbone" else 0
    updates = 0
    for epoch in range(EPOCHS):
        if epoch in (0, frozen_until):
            optimizers, updates = make_optimizers(net, c), 0
        if average is None and c["average"]["type"] != "none":
            average = Average(c, net)
        net.train()
        if epoch < frozen_until:
            net.body.eval()
        for p in net.body.parameters():
            p.requires_grad = epoch >= frozen_until
        total, batches = 0.0, [torch.tensor(orders[epoch][s * BATCH:(s + 1) * BATCH]) for s in range(steps)]
        for s, b in enumerate(batches):
            first = s // each * each
            micros = min(each, steps - first)
            if s == first:
                for p in net.parameters():
                    p.grad = None if not p.requires_grad else torch.zeros_like(p)
            loss = loss_of(c, net(x[b]), y[b], w)
            (loss / micros).backward()
            total += loss.item()
            if s + 1 == first + micros:
                if c["optimizer"]["clip_norm"]:
                    nn.utils.clip_grad_norm_(net.parameters(), c["optimizer"]["clip_norm"])
                set_rates(optimizers, c, *schedule.now())
                for opt in optimizers:
                    for g in opt.param_groups:
                        g["params"] = [p for p in g["params"] if p.grad is not None]
                    opt.step()
                updates += 1
                if average:
                    average.step(net, updates, epoch, s + 1 == steps)
            schedule.batch_done()
        schedule.epoch_done(total / steps)
        look = average.network(epoch, [x[b] for b in batches], epoch < frozen_until) if average else net
        look.eval()
        with torch.no_grad():
            curve.append((total / steps, F.cross_entropy(look(x[valid]), y[valid]).item()))
    return curve


def draw(rng):
    return {
        "model": {"type": "convnet", "width": WIDTH, "stages": 2, "pretrained": "weights.safetensors",
                  "freeze": rng.choice(["none", "none", "backbone"]), "unfreeze_epoch": rng.choice([0, 1, 2]),
                  "backbone_lr": rng.choice([1.0, 1.0, 0.1])},
        "optimizer": dict(rng.choice(OPTIMIZERS), decay_bias_norm=rng.random() < 0.5,
                          clip_norm=rng.choice([0, 0.3]), accumulate=rng.choice([1, 1, 2, 3])),
        "schedule": rng.choice(SCHEDULES), "loss": rng.choice(LOSSES), "average": rng.choice(AVERAGES),
        "augment": {"flip": False, "crop_padding": 0}, "normalize": "dataset", "batch_size": BATCH, "epochs": EPOCHS,
    }


def run(box, c):
    study = {"study": {"name": "parity", "trials": 1, "seed": 5}, "sampler": "random", "pruner": "none",
             "devices": {"use": "cpu", "threads": 1}, "trainer": c,
             "data": {"path": "images.csv", "image_size": SIZE, "folds": {"k": K, "run": RUN}}}
    with open(os.path.join(box, "study.yaml"), "w") as f:
        json.dump(study, f)
    env = dict(os.environ, XDG_CACHE_HOME=os.path.join(box, "cache"))
    for args in (["run", "study.yaml", "--fresh"], ["report", "parity", "--trial", "0", "--json"]):
        p = subprocess.run([HPO, *args], cwd=box, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if p.returncode:
            sys.exit("hpo %s: %s\n%s" % (" ".join(args), p.stderr, c))
    return [(e["train_loss"], e["log_loss"]) for e in json.loads(p.stdout)["trial"]["curve"]]


def compare(seed):
    """The largest relative difference, over folds and epochs."""
    rng, draws = random.Random(seed), np.random.default_rng(seed)
    c = draw(rng)
    labels = sum(([i] * n for i, n in enumerate(COUNTS)), [])
    rng.shuffle(labels)
    pixels = draws.integers(0, 120, (len(labels), SIZE, SIZE, 3), dtype=np.uint8)
    for i, label in enumerate(labels):
        pixels[i, 3:9, 3:9, label] += 100
    names = subprocess.run([MODEL, "--names", "convnet", "width=%d stages=2" % WIDTH, str(SIZE), str(CLASSES)],
                           check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    shapes = [(w[0], w[1], tuple(map(int, w[2:]))) for w in map(str.split, names)]
    state = {}
    for kind, name, shape in shapes:
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 0
        if fan:
            state[name] = draws.normal(0, math.sqrt(2 / fan), shape)
        elif name.endswith("running_var") or (name.endswith("weight")):
            state[name] = draws.uniform(0.7, 1.3, shape)
        else:
            state[name] = draws.uniform(-0.2, 0.2, shape)
        state[name] = state[name].astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="hpo-parity-") as box:
        save_file(state, os.path.join(box, "weights.safetensors"))
        with open(os.path.join(box, "images.csv"), "w") as f:
            f.write("path,label\n" + "".join("%03d.png,%s\n" % (i, "abc"[l]) for i, l in enumerate(labels)))
        for i in range(len(labels)):
            png(os.path.join(box, "%03d.png" % i), pixels[i])
        got = run(box, c)
    lines = subprocess.run([ORDER, "5", str(K), str(EPOCHS), str(CLASSES), *map(str, labels)], check=True,
                           stdout=subprocess.PIPE, text=True).stdout.splitlines()
    folds = np.array(lines[0].split(), dtype=int)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 255
    y = torch.tensor(labels)
    weights = [state[n] for kind in "wb" for k, n, _ in shapes if k == kind]
    want = []
    for fold in range(RUN):
        orders = [list(map(int, line.split())) for line in lines[1 + fold * EPOCHS:1 + (fold + 1) * EPOCHS]]
        rows, valid = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        want += train_fold(c, weights, x, y, torch.from_numpy(rows), torch.from_numpy(valid), orders)
    far = max(abs(g - w) / abs(w) for gs, ws in zip(got, want) for g, w in zip(gs, ws))
    words = [c[k]["type"] for k in ("optimizer", "schedule", "loss", "average")]
    print("%3d %-60s %.1e" % (seed, ", ".join(words) + ", freeze %s until %d, backbone %g, accumulate %d, clip %g" % (
        c["model"]["freeze"], c["model"]["unfreeze_epoch"], c["model"]["backbone_lr"], c["optimizer"]["accumulate"],
        c["optimizer"]["clip_norm"]), far))
    if len(got) != len(want) or far > TOLERANCE:
        print("   ", json.dumps(c))
        for g, w in zip(got, want):
            print("    %.6f %.6f   torch %.6f %.6f" % (*g, *w))
    return len(got) == len(want) and far <= TOLERANCE


def main():
    seeds = [int(s) for s in sys.argv[4:]] or range(40)
    failed = [s for s in seeds if not compare(s)]
    print("%d of %d agree to %g" % (len(seeds) - len(failed), len(seeds), TOLERANCE))
    # A ReLU or a sign within rounding of its corner may fall to one side here and to the other there.
    sys.exit(1 if len(failed) > len(seeds) // 10 else 0)


main()
