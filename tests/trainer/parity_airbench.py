"""airbench's network and recipe in PyTorch: initial weights by numpy and torch, logits with and without mirror images,
and steps of its optimizer as its script states them (rate and decay per 1,024 images, rates apart for batch norm's
biases, Lookahead, the sum of the losses) against ours as studies/airbench.yaml states them.
Usage: parity_airbench.py PARITY_AIRBENCH PARITY_MODEL"""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    from torch import nn
except ImportError as e:
    print("skipped: %s" % e)
    sys.exit(77)

torch.set_num_threads(2)


class Norm(nn.BatchNorm2d):
    def __init__(self, channels, momentum):
        super().__init__(channels, eps=1e-12, momentum=1 - momentum)
        self.weight.requires_grad_(False)


class Block(nn.Module):
    def __init__(self, before, channels, depth, momentum):
        super().__init__()
        self.depth = depth
        for i in range(depth):
            setattr(self, "conv%d" % (i + 1), nn.Conv2d(channels if i else before, channels, 3, padding=1, bias=False))
            setattr(self, "norm%d" % (i + 1), Norm(channels, momentum))

    def forward(self, x):
        gelu = nn.functional.gelu
        x = shortcut = gelu(self.norm1(nn.functional.max_pool2d(self.conv1(x), 2)))
        x = gelu(self.norm2(self.conv2(x)))
        return gelu(self.norm3(self.conv3(x)) + shortcut) if self.depth == 3 else x


class Net(nn.Module):
    def __init__(self, width, growth, depth, classes, momentum, pixels):
        super().__init__()
        wide = int(width * growth + 0.5)
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.weight.requires_grad_(False)
        self.layers = nn.Sequential(nn.GELU(), Block(24, width, depth, momentum), Block(width, wide, depth, momentum),
                                    Block(wide, wide, depth, momentum), nn.MaxPool2d(3), nn.Flatten())
        self.head = nn.Linear(wide * pixels, classes, bias=False)

    def forward(self, x):
        return self.head(self.layers(self.whiten(x))) / 9


def check_whitening(filters, x):
    """Up to sign; and, where eigenvalues are close, up to nothing: there are none here."""
    patches = torch.nn.functional.unfold(x.double(), 2).transpose(1, 2).reshape(-1, 12).numpy()
    values, vectors = np.linalg.eigh(patches.T @ patches / len(patches))
    want = (vectors / np.sqrt(values + 5e-4)).T[::-1]
    got = filters.reshape(24, 12)
    worst = 0.0
    for i in range(12):
        sign = np.sign(got[i] @ want[i])
        worst = max(worst, np.abs(got[i] * sign - want[i]).max() / np.abs(want[i]).max())
        assert np.array_equal(got[12 + i], -got[i])
    assert worst < 1e-5, "a whitening filter differs by %g" % worst
    return worst


def check_identity(w):
    """torch.nn.init.dirac_ on as many filters as there are inputs; the others are drawn within their bound."""
    w = torch.from_numpy(w.copy())
    same = min(w.shape[0], w.shape[1])
    assert torch.equal(w[:same], torch.nn.init.dirac_(torch.empty_like(w[:same])))
    bound = 1 / np.sqrt(w[0].numel())
    rest = w[same:].abs()
    assert not rest.numel() or bound * 0.9 < rest.max() <= bound


def compare(program, namer, sets, width, growth, depth, size, classes, n, steps, k, momentum=0.6):
    rng = np.random.default_rng(7)
    smooth = torch.nn.functional.interpolate(torch.from_numpy(rng.normal(size=(n, 3, 8, 8))), size=size,
                                             mode="bilinear", align_corners=False).numpy()
    tint = rng.normal(size=(n, 1, 1, 1)) * np.array([1, 1.3, 0.6]).reshape(1, 3, 1, 1)
    pixels = np.clip(smooth * 40 + tint * 30 + rng.normal(size=(n, 3, size, size)) * 9 + 120, 0, 255)
    pixels = pixels.astype(np.uint8).transpose(0, 2, 3, 1).copy()
    labels = rng.integers(0, classes, n).astype(np.int32)
    lines = subprocess.run([namer, "--names", "airbench", sets, str(size), str(classes)], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    names = [(s.split()[0], s.split()[1], tuple(map(int, s.split()[2:]))) for s in lines]
    with tempfile.TemporaryDirectory() as d:
        with open(os.path.join(d, "in"), "wb") as f:
            f.write(pixels.tobytes() + labels.tobytes())
        subprocess.run([program, sets, str(size), str(classes), str(n), str(steps), str(k), os.path.join(d, "in"),
                        os.path.join(d, "out")], check=True)
        out = np.fromfile(os.path.join(d, "out"), dtype=np.float32)
    weights, buffers = (sum(int(np.prod(s)) for kind, _, s in names if kind == c) for c in "wb")
    parts = np.split(out, np.cumsum([3, 3, weights, n * classes, n * classes, steps, weights]))
    mean, std, first, logits, mirrored, losses, last, stats = parts
    assert len(stats) == buffers

    pool = size - 1
    for _ in range(3):
        pool //= 2
    model = Net(width, growth, depth, classes, momentum, (pool // 3) ** 2)
    state = {s for s in model.state_dict() if not s.endswith("num_batches_tracked")}
    assert {s for _, s, _ in names} == state, {s for _, s, _ in names} ^ state
    initial, at = {}, 0
    for kind, name, shape in names:
        if kind == "w":
            initial[name] = first[at:at + int(np.prod(shape))].reshape(shape)
            at += int(np.prod(shape))
    x = torch.from_numpy((pixels.astype(np.float32) / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()
    y = torch.from_numpy(labels.astype(np.int64))
    worst = check_whitening(initial["whiten.weight"], x)
    assert not initial["whiten.bias"].any()
    for name, w in initial.items():
        if ".conv" in name:
            check_identity(w)
    model.load_state_dict({s: torch.from_numpy(w.copy()) for s, w in initial.items()}, strict=False)

    model.eval()
    with torch.no_grad():
        plain = model(x)
        both = 0.5 * plain + 0.5 * model(x.flip(-1))
    far = [float(np.abs(got - want.numpy().ravel()).max()) / max(1.0, float(want.abs().max()))
           for got, want in ((logits, plain), (mirrored, both))]
    assert max(far) < 1e-5, "logits differ by %g, of mirror images by %g" % tuple(far)

    # As the script has it, for the sum of the losses.
    kilostep = 1024 * (1 + 1 / (1 - 0.85))
    lr, decay = 11.5 / kilostep, 0.0153 * n / kilostep
    biases = [p for s, p in model.named_parameters() if "norm" in s and p.requires_grad]
    others = [p for s, p in model.named_parameters() if "norm" not in s and p.requires_grad]
    optimizer = torch.optim.SGD([dict(params=biases, lr=lr * 64, weight_decay=decay / (lr * 64)),
                                 dict(params=others, lr=lr, weight_decay=decay / lr)], momentum=0.85, nesterov=True)
    peak = int(0.23 * steps)
    rates = np.interp(np.arange(steps + 1), [0, peak, steps], [0.2, 1, 0.07])
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: rates[i])
    criterion = nn.CrossEntropyLoss(label_smoothing=0.2, reduction="none")
    slow = {s: v.clone() for s, v in model.state_dict().items()}
    model.train()
    for step in range(steps):
        model.whiten.bias.requires_grad_(step < steps // 2)
        loss = criterion(model(x), y).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        scheduler.step()
        assert abs(losses[step] * n / loss.item() - 1) < 2e-3, \
            "loss %d is %g, not %g" % (step, losses[step], loss.item() / n)
        if (step + 1) % k == 0:
            share = 0.95 ** 5 * ((step + 1) / steps) ** 3
            for s, v in model.state_dict().items():
                if v.dtype == torch.float32:
                    slow[s].lerp_(v, 1 - share)
                    v.copy_(slow[s])
    state, at, drift = model.state_dict(), {"w": 0, "b": 0}, 0.0
    for kind, name, shape in names:
        count, source = int(np.prod(shape)), last if kind == "w" else stats
        got, want = source[at[kind]:at[kind] + count], state[name].numpy().ravel()
        at[kind] += count
        if name in ("whiten.weight",) or (kind == "w" and "norm" in name and name.endswith("weight")):
            assert np.array_equal(got, initial[name].ravel()), "%s moved" % name
        else:
            moved = np.linalg.norm(want - initial[name].ravel()) if kind == "w" else np.linalg.norm(want)
            assert moved > 0, name
            drift = max(drift, float(np.linalg.norm(got - want)) / float(moved))
    assert drift < 2e-2, "after %d steps parameters differ by %g of their way" % (steps, drift)
    print("airbench %s, %d pixels: filters %.1e, logits %.1e, mirrored %.1e, after %d steps %.1e of the way; loss "
          "%.3f -> %.3f" % (sets, size, worst, far[0], far[1], steps, drift, losses[0], losses[-1]))


exe, model_exe = sys.argv[1:3]
compare(exe, model_exe, "width=16", 16, 4, 2, 32, 10, 64, 10, 5)
compare(exe, model_exe, "width=12 growth=3 depth=3", 12, 3, 3, 32, 7, 48, 8, 2)
compare(exe, model_exe, "width=8 growth=2 batchnorm_momentum=0.9", 8, 2, 2, 50, 5, 32, 6, 3, 0.9)
