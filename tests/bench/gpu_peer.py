"""What the GPU benchmarks share: our networks in PyTorch, a data set that lives on the GPU, training steps as somebody
who knows PyTorch writes them, and the GPU's load meanwhile.

The networks are those of tests/kernels/nets.h and trainer/models: the same layers in the same order. `same_network`
compares every weight's name and shape with what the program has, so that nothing is measured against something else.
"""
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

SKIP = 77
SIZE, CLASSES, PADDING = 32, 10, 4


def skip(why):
    print("skipped: " + why)
    sys.exit(SKIP)


try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    skip("%s has no torch" % sys.executable)


def need(device):
    """The torch device, or the end of the script where it is not there."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        skip("torch %s sees no GPU" % torch.__version__)
    return torch.device(device)


def row(**values):
    """A result for programs; scripts/gpu-check collects these lines."""
    print(json.dumps(values), flush=True)


# ---------------------------------------------------------------- networks


class ConvNet(nn.Module):
    """Stages of two 3x3 convolutions with batch norm and ReLU, a max pool between; average pool, dropout, linear."""

    def __init__(self, width, stages=3, dropout=0.0, classes=CLASSES):
        super().__init__()
        c, self.stages = 3, stages
        for s in range(stages):
            stage = nn.Module()
            for k in range(2):
                setattr(stage, "conv%d" % k, nn.Conv2d(c, width << s, 3, padding=1, bias=False))
                setattr(stage, "bn%d" % k, nn.BatchNorm2d(width << s))
                c = width << s
            setattr(self, "stage%d" % s, stage)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(c, classes)

    def forward(self, x):
        for s in range(self.stages):
            stage = getattr(self, "stage%d" % s)
            x = F.relu(stage.bn0(stage.conv0(x)))
            x = F.relu(stage.bn1(stage.conv1(x)))
            if s + 1 < self.stages:
                x = F.max_pool2d(x, 2)
        return self.fc(self.dropout(x.mean((2, 3))))


class Block(nn.Module):
    def __init__(self, c, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or c != width:
            self.downsample = nn.Sequential(nn.Conv2d(c, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Basic blocks after a 3x3 stem: three stages are the CIFAR form, four of two blocks ResNet-18."""

    def __init__(self, width, stages, blocks, classes=CLASSES):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stages, c = stages, width
        for s in range(stages):
            layer = []
            for b in range(blocks):
                layer.append(Block(c, width << s, 2 if s and not b else 1))
                c = width << s
            setattr(self, "layer%d" % (s + 1), nn.Sequential(*layer))
        self.fc = nn.Linear(c, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for s in range(self.stages):
            x = getattr(self, "layer%d" % (s + 1))(x)
        return self.fc(x.mean((2, 3)))


def network(name, width):
    """By the name that bench_device knows."""
    return {"convnet": lambda: ConvNet(width), "resnet": lambda: ResNet(width, 3, 1),
            "resnet20": lambda: ResNet(width, 3, 3), "resnet18": lambda: ResNet(width, 4, 2)}[name]()


def same_network(bench_device, name, width):
    """Both sides have the same weights, and the peer's logits the shape that they must have."""
    lines = subprocess.run([bench_device, "shapes", name, str(width)], check=True, stdout=subprocess.PIPE,
                           universal_newlines=True).stdout.splitlines()
    ours = [(w[0], tuple(map(int, w[1:]))) for w in (line.split() for line in lines)]
    net = network(name, width)
    theirs = [(n, tuple(p.shape)) for n, p in net.named_parameters()]
    if sorted(ours) != sorted(theirs):
        sys.exit("%s %d: not the same network\n  only ours:     %s\n  only PyTorch's: %s" % (
            name, width, sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))))
    if tuple(net.eval()(torch.zeros(2, 3, SIZE, SIZE)).shape) != (2, CLASSES):
        sys.exit("%s %d: logits of a wrong shape" % (name, width))
    return sum(p.numel() for p in net.parameters())


# ---------------------------------------------------------------- data


class Images:
    """uint8 pixels (n, h, w, 3) on the device, with a black border once and for all, and labels."""

    def __init__(self, pixels, labels, device, padding=PADDING, mean=(0.49, 0.48, 0.45), std=(0.25, 0.24, 0.26)):
        self.size, self.padding = pixels.shape[1], padding
        self.pixels = F.pad(pixels.to(device), (0, 0, padding, padding, padding, padding))
        self.labels = labels.to(device)
        self.mean = torch.tensor(mean, device=device)
        self.scale = 1 / torch.tensor(std, device=device)
        self.at = torch.arange(self.size, device=device)

    def batch(self, rows, dtype, augment=True):
        """Random crop of the padded picture and a flip, normalised; channels_last by construction."""
        n, device = rows.shape[0], rows.device
        if augment:
            dy = torch.randint(0, 2 * self.padding + 1, (n, 1), device=device) + self.at
            dx = torch.randint(0, 2 * self.padding + 1, (n, 1), device=device) + self.at
            dx = torch.where(torch.rand(n, 1, device=device) < 0.5, dx.flip(1), dx)
        else:
            dy = dx = (self.at + self.padding).expand(n, -1)
        x = self.pixels[rows[:, None, None], dy[:, :, None], dx[:, None, :]]
        x = ((x.float() * (1 / 255) - self.mean) * self.scale).to(dtype)
        return x.permute(0, 3, 1, 2), self.labels[rows]


def made_up(n, device):
    pixels = torch.randint(0, 256, (n, SIZE, SIZE, 3), dtype=torch.uint8)
    return Images(pixels, torch.arange(n) % CLASSES, device)


# ---------------------------------------------------------------- training


def autocast(device, dtype):
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


class Trainer:
    """One network, its optimizer, and a step over a batch of rows, in one of several ways:

    eager            as it is written
    graph            the whole step recorded in a CUDA graph
    compile          torch.compile, the whole step recorded in a CUDA graph
    autotune         the same with mode max-autotune: kernels chosen by measuring
    reduce-overhead  torch.compile's own CUDA graphs, the optimizer outside of them
    max-autotune     the same with kernels chosen by measuring
    """

    WAYS = ("eager", "graph", "compile", "autotune", "reduce-overhead", "max-autotune")

    def __init__(self, net, images, batch, way, lr=0.001, decay=5e-4, dtype=torch.bfloat16):
        device = images.labels.device
        self.images, self.dtype, self.device = images, dtype, device
        self.net = net.to(device).to(memory_format=torch.channels_last).train()
        fused = {"fused": True} if device.type == "cuda" else {}
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=decay,
                                         **fused)
        self.rows = torch.zeros(batch, dtype=torch.int64, device=device)
        self.graph = None
        self.loss = self._loss
        mode = {"compile": "default", "autotune": "max-autotune-no-cudagraphs"}.get(way, way)
        if way not in ("eager", "graph"):
            self.loss = torch.compile(self._loss, mode=mode, fullgraph=True, dynamic=False)
        if way in ("graph", "compile", "autotune"):
            self._record()

    def _loss(self, rows):
        x, y = self.images.batch(rows, self.dtype)
        with autocast(self.device, self.dtype):
            return F.cross_entropy(self.net(x), y)

    def _step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.rows)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def _record(self):
        """The recipe of PyTorch's notes on CUDA graphs: warm up on another stream, then record."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(4):
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        self.optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.last = self._step()

    def step(self, rows):
        self.rows.copy_(rows, non_blocking=True)
        if self.graph is None:
            return self._step()
        self.graph.replay()
        return self.last


def rate(trainer, batch, seconds, images):
    """Images a second; waits for the device now and then, because what is queued is not yet done."""
    wait = torch.cuda.synchronize if trainer.device.type == "cuda" else (lambda: None)
    n = images.labels.shape[0]
    order = torch.randperm(n, device=trainer.device).repeat(1 + (batch + n - 1) // n)
    step, begin = -10, 0.0
    while True:
        if step == 0 or (step > 0 and step % 64 == 0):
            wait()
        if step == 0:
            begin = time.perf_counter()
        if step > 3 and time.perf_counter() - begin > seconds:
            break
        at = (step + 10) * batch % n
        trainer.step(order[at:at + batch])
        step += 1
    wait()
    return step * batch / (time.perf_counter() - begin)


# ---------------------------------------------------------------- the GPU's load


class Watch:
    """Utilisation and memory of the first GPU while a block runs, as nvidia-smi samples them five times a second."""

    def __enter__(self):
        self.load, self.used, self.process = [], [], None
        try:
            self.process = subprocess.Popen(
                ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-i", "0",
                 "-lms", "200"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
            self.thread = threading.Thread(target=self._read, daemon=True)
            self.thread.start()
        except OSError:
            pass
        return self

    def _read(self):
        for line in self.process.stdout:
            try:
                load, used = line.split(",")
                self.load.append(float(load))
                self.used.append(float(used))
            except ValueError:  # "[N/A]"
                pass

    def __exit__(self, *args):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.thread.join(5)

    def told(self):
        if not self.load:
            return {}
        return {"gpu_percent": round(statistics.mean(self.load)), "memory_mib": round(max(self.used))}


# ---------------------------------------------------------------- k-fold training on the program's own pixels


class Folds:
    """The pixels, labels and folds that the program uses for a study seed, written by dump_data."""

    def __init__(self, dump_data, path, seed, k, limit, device):
        with tempfile.TemporaryDirectory(prefix="hpo-bench-") as out:
            n, classes = map(int, subprocess.run([dump_data, path, str(SIZE), str(limit), str(seed), str(k), out], check=True,
                                                 stdout=subprocess.PIPE, universal_newlines=True).stdout.split())
            load = lambda name, dtype: torch.frombuffer(bytearray(open(os.path.join(out, name), "rb").read()), dtype=dtype)
            self.pixels = load("pixels", torch.uint8).view(n, SIZE, SIZE, 3).to(device)
            self.labels = load("labels", torch.int32).long().to(device)
            self.fold = load("folds", torch.int32).to(device)
        self.k, self.classes, self.device = k, classes, device

    def images(self, fold, padding):
        """All pictures, normalised by the training part of this fold; its rows for training and for validation."""
        train = (self.fold != fold).nonzero().flatten()
        sums, squares, count = 0, 0, len(train) * SIZE * SIZE
        for part in self.pixels[train].split(5000):  # doubles of a whole data set are large
            x = part.flatten(0, 2).double() / 255
            sums, squares = sums + x.sum(0), squares + x.square().sum(0)
        mean = sums / count
        std = (squares / count - mean.square()).sqrt()
        images = Images(self.pixels, self.labels, self.device, padding, mean.tolist(), std.tolist())
        return images, train, (self.fold == fold).nonzero().flatten()


def train_fold(data, fold, net, batch, epochs, lr, decay, smoothing=0.0, warmup=0.5, padding=0, dtype=torch.bfloat16):
    """Accuracy on the validation part after every epoch. SGD with Nesterov momentum, half a cosine after a linear
    warm-up, followed step by step; the last rows of an epoch that fill no batch are left out."""
    images, train, valid = data.images(fold, padding)
    device = data.device
    net = net.to(device).to(memory_format=torch.channels_last)
    fused = {"fused": True} if device.type == "cuda" else {}
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=decay, **fused)
    batch = min(batch, len(train))
    steps, ret = len(train) // batch, []
    for epoch in range(epochs):
        net.train()
        order = train[torch.randperm(len(train), device=device)]
        for step in range(steps):
            t = epoch + step / steps
            factor = (0.01 + 0.99 * t / warmup if t < warmup else
                      (1 + math.cos(math.pi * (t - warmup) / (epochs - warmup))) / 2 if epochs > warmup else 1)
            for group in optimizer.param_groups:
                group["lr"] = lr * factor
            x, y = images.batch(order[step * batch:(step + 1) * batch], dtype)
            with autocast(device, dtype):
                loss = F.cross_entropy(net(x).float(), y, label_smoothing=smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        net.eval()
        right = 0
        with torch.no_grad(), autocast(device, dtype):
            for rows in valid.split(1024):
                x, y = images.batch(rows, dtype, augment=False)
                right += (net(x).argmax(1) == y).sum()
        ret.append(float(right) / len(valid))
    return ret
