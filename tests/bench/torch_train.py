"""What bench_train.c measures, in PyTorch on the CPU: the same convnet, batch, optimizer and
augmentation, images as uint8 in memory. Usage: torch_train.py WIDTH THREADS SECONDS nchw|nhwc
Prints "images/s images/cpu-second peak-MiB"."""
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, THREADS, SECONDS, FORMAT = (int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]),
                                   sys.argv[4])
BATCH, IMAGES, SIZE, PADDING = 128, 4096, 32, 4
torch.set_num_threads(THREADS)
torch.manual_seed(0)
memory_format = torch.channels_last if FORMAT == "nhwc" else torch.contiguous_format


def convnet(width, stages=3):
    layers, c = [], 3
    for s in range(stages):
        for _ in range(2):
            layers += [nn.Conv2d(c, width << s, 3, padding=1, bias=False),
                       nn.BatchNorm2d(width << s), nn.ReLU(inplace=True)]
            c = width << s
        if s + 1 < stages:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1),
                         nn.Linear(c, 10))


images = torch.randint(0, 256, (IMAGES, 3, SIZE, SIZE), dtype=torch.uint8)
labels = torch.arange(IMAGES) % 10
mean = torch.tensor([0.49, 0.48, 0.45]).view(1, 3, 1, 1)
std = torch.tensor([0.25, 0.24, 0.26]).view(1, 3, 1, 1)


def batch_of(rows):
    """Padded random crop and flip, all images at once."""
    x = F.pad(images[rows], (PADDING,) * 4)
    n = len(rows)
    dy = torch.randint(0, 2 * PADDING + 1, (n, 1)) + torch.arange(SIZE)
    dx = torch.randint(0, 2 * PADDING + 1, (n, 1)) + torch.arange(SIZE)
    dx = torch.where(torch.rand(n, 1) < 0.5, dx.flip(1), dx)
    x = x[torch.arange(n)[:, None, None], :, dy[:, :, None], dx[:, None, :]].permute(0, 3, 1, 2)
    return ((x.float() / 255 - mean) / std).contiguous(memory_format=memory_format)


net = convnet(WIDTH).to(memory_format=memory_format)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True,
                            weight_decay=5e-4)
step, start, cpu = 0, 0.0, 0.0
while True:
    if step == 3:
        start, cpu = time.perf_counter(), time.process_time()
    elif step > 3 and time.perf_counter() - start > SECONDS:
        break
    at = step * BATCH % IMAGES
    rows = torch.arange(at, at + BATCH)
    x = batch_of(rows)
    optimizer.zero_grad(set_to_none=True)
    F.cross_entropy(net(x), labels[rows]).backward()
    optimizer.step()
    step += 1
done = (step - 3) * BATCH
print(f"{done / (time.perf_counter() - start):.1f} {done / (time.process_time() - cpu):.1f} "
      f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
