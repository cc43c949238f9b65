"""State dicts of timm, saved by the safetensors library and loaded as pretrained weights, give timm's logits.
Usage: parity_timm.py PARITY_MODEL"""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import timm
    import torch
    from safetensors.torch import save_file
except ImportError as e:
    print("skipped: %s" % e)
    sys.exit(77)

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
CASES = {"resnet18": "stem=imagenet", "resnet34": "stem=imagenet", "resnet50": "stem=imagenet",
         "efficientnet_b0": "stem=imagenet stochastic_depth=0 dropout=0",
         "efficientnet_b1": "stem=imagenet stochastic_depth=0 dropout=0"}
SIZE, CLASSES, BATCH = 96, 10, 3


def peer(name):
    torch.manual_seed(3)
    model = timm.create_model(name, pretrained=False, num_classes=CLASSES).eval()
    for m in model.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(m.weight, 0.7, 1.3)
            torch.nn.init.uniform_(m.bias, -0.2, 0.2)
            torch.nn.init.uniform_(m.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(m.running_var, 0.5, 1.5)
    return model


def compare(program, name, sets):
    model = peer(name)
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as d:
        weights, images, out = (os.path.join(d, n) for n in ("weights.safetensors", "in", "out"))
        save_file(model.state_dict(), weights)
        with open(images, "wb") as f:
            f.write(pixels.tobytes() + np.zeros(BATCH, np.int32).tobytes())
        subprocess.run([program, name, sets, str(SIZE), str(CLASSES), str(BATCH), "0", weights, images, out], check=True)
        logits = np.fromfile(out, dtype=np.float32)[:BATCH * CLASSES].reshape(BATCH, CLASSES)
    with torch.no_grad():
        want = model(((torch.from_numpy(pixels).float() / 255 - MEAN) / STD).permute(0, 3, 1, 2)).numpy()
    worst = float(np.abs(logits - want).max() / max(1.0, np.abs(want).max()))
    assert worst < 1e-4, "%s: logits differ by %g" % (name, worst)
    print("%s: logits %.1e" % (name, worst))


for case, options in CASES.items():
    compare(sys.argv[1], case, options)
