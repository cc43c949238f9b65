"""The architectures of torchvision with the same weights: logits in evaluation, losses, gradients and running
statistics in training agree. Usage: parity_torchvision.py PARITY_MODEL [MODEL...]"""
import json
import os
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torchvision
    from torch.nn import functional as F
except ImportError as e:
    print("skipped: %s" % e)
    sys.exit(77)

torch.set_num_threads(2)
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
# model -> our options, pixels, classes, batch. Without dropout and stochastic depth: they draw other numbers.
CASES = {
    "resnet18": ("stem=imagenet", 96, 1000, 4),
    "resnet34": ("stem=imagenet", 64, 7, 3),
    "resnet50": ("stem=imagenet", 96, 10, 6),
    "efficientnet_b0": ("stem=imagenet stochastic_depth=0 dropout=0", 96, 1000, 4),
    "efficientnet_b1": ("stem=imagenet stochastic_depth=0 dropout=0", 64, 5, 3),
    "efficientnet_b2": ("stem=imagenet stochastic_depth=0 dropout=0", 64, 5, 3),
    "efficientnet_b3": ("stem=imagenet stochastic_depth=0 dropout=0", 64, 5, 3),
    "mobilenet_v3_small": ("stem=imagenet dropout=0", 96, 11, 5),
}


def peer(name, classes):
    torch.manual_seed(5)
    kw = {"num_classes": classes}
    if name.startswith("efficientnet"):
        kw["stochastic_depth_prob"] = 0.0
    model = getattr(torchvision.models, name)(**kw)
    for m in model.modules():
        if isinstance(m, torch.nn.Dropout):
            m.p = 0.0
        if isinstance(m, torch.nn.BatchNorm2d):  # not the values that everything begins with
            torch.nn.init.uniform_(m.weight, 0.7, 1.3)
            torch.nn.init.uniform_(m.bias, -0.2, 0.2)
            torch.nn.init.uniform_(m.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(m.running_var, 0.5, 1.5)
    return model


def save_file(state, path):
    """As safetensors.torch.save_file does."""
    header, blobs, at = {}, [], 0
    for name, tensor in state.items():
        blob = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype],
                        "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def distance(got, want):
    return float(np.linalg.norm(got.ravel() - want.ravel()) / (np.linalg.norm(want.ravel()) + 1e-12))


def compare(program, name):
    sets, size, classes, batch = CASES[name]
    steps, model = 1, peer(name, classes)
    lines = subprocess.run([program, "--names", name, sets, str(size), str(classes)], check=True, capture_output=True,
                           text=True).stdout.split("\n")[:-1]
    state = model.state_dict()
    ours = [(line.split()[0], line.split()[1], tuple(map(int, line.split()[2:]))) for line in lines]
    theirs = {k for k in state if not k.endswith("num_batches_tracked")}
    assert {n for _, n, _ in ours} == theirs, sorted({n for _, n, _ in ours} ^ theirs)[:10]
    for _, n, dims in ours:
        assert tuple(state[n].shape) == dims, (n, dims, state[n].shape)

    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    labels = rng.integers(0, classes, batch).astype(np.int32)
    with tempfile.TemporaryDirectory() as d:
        path, weights = os.path.join(d, "in"), os.path.join(d, "weights.safetensors")
        save_file(state, weights)
        with open(path, "wb") as f:
            f.write(pixels.tobytes())
            f.write(labels.tobytes())
        subprocess.run([program, name, sets, str(size), str(classes), str(batch), str(steps), weights, path,
                        os.path.join(d, "out")], check=True)
        out = np.fromfile(os.path.join(d, "out"), dtype=np.float32)
    logits, out = np.split(out, [batch * classes])
    losses, out = np.split(out, [steps])
    n_weights = sum(int(np.prod(s)) for k, _, s in ours if k == "w")
    gradients, buffers = np.split(out, [n_weights])

    x = ((torch.from_numpy(pixels).float() / 255 - MEAN) / STD).permute(0, 3, 1, 2).contiguous()
    y = torch.from_numpy(labels.astype(np.int64))
    model.eval()
    with torch.no_grad():
        want = model(x).numpy().ravel()
    worst = float(np.abs(logits - want).max() / max(1.0, np.abs(want).max()))
    assert worst < 1e-4, "%s: logits differ by %g" % (name, worst)

    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for step in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        assert abs(losses[step] / loss.item() - 1) < (1e-4 if not step else 0.3), \
            "%s: loss %d is %g, not %g" % (name, step, losses[step], loss.item())
        if not step:
            grads = {n: p.grad.numpy().copy() for n, p in model.named_parameters()}
        optimizer.step()
    at, whole = 0, np.sqrt(sum(float((g ** 2).sum()) for g in grads.values()))
    far = 0.0
    for k, n, shape in ours:
        if k == "w":
            count = int(np.prod(shape))
            far = max(far, float(np.linalg.norm(gradients[at:at + count] - grads[n].ravel())) /
                      max(float(np.linalg.norm(grads[n])), 1e-2 * whole))
            at += count
    assert far < 2e-2, "%s: gradients differ by %g" % (name, far)
    at, buffer = 0, 0.0
    state = model.state_dict()
    for k, n, shape in ours:
        if k == "b":
            count = int(np.prod(shape))
            buffer = max(buffer, distance(buffers[at:at + count], state[n].numpy()))
            at += count
    assert buffer < 1e-2, "%s: running statistics differ by %g" % (name, buffer)
    print("%s: %d parameters, logits %.1e, gradients %.1e, statistics %.1e" % (name, n_weights, worst, far, buffer))


for case in sys.argv[2:] or CASES:
    compare(sys.argv[1], case)
