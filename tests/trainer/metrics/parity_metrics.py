"""Every metric is scikit-learn's, on random predictions: two classes and more, ties, classes that do not occur."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import numpy as np
    from reference import METRICS, reference
except ImportError as e:
    print("skipped: %s" % e)
    sys.exit(77)

random = np.random.default_rng(7)


def draw(i):
    k = 2 if i % 2 else int(random.integers(3, 12))
    n = int(random.integers(1, 5) if i % 10 == 0 else random.integers(5, 60 if k == 2 else 300))
    logits = random.normal(size=(n, k)) * random.choice([0.3, 1, 4, 40])
    y = (logits + random.normal(size=(n, k)) * 3).argmax(axis=1) % (k if i % 3 else max(1, k - 2))
    if i % 4 == 0:  # few different values: ties within a row, and between rows
        p = random.integers(0, 4, size=(n, k)) + 1e-9 + 1.0
    else:
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return y, (p / p.sum(axis=1, keepdims=True)).astype(np.float32)


sets = [draw(i) for i in range(600)]
text = []
for y, p in sets:
    text.append("%d %d" % p.shape)
    text.append(" ".join(map(str, y)))
    text.append(" ".join("%.9g" % v for v in p.ravel()))
out = subprocess.run([sys.argv[1]], input="\n".join(text), stdout=subprocess.PIPE, check=True, text=True).stdout
lines = out.splitlines()
assert len(lines) == len(sets), (len(lines), len(sets))

worst, seen = {}, {}
for (y, p), line in zip(sets, lines):
    ours = {name: float(v) for name, v in (word.split("=") for word in line.split())}
    theirs = reference(y, p)
    assert ours.keys() == theirs.keys(), (sorted(ours), sorted(theirs))
    for name, want in theirs.items():
        seen[name] = seen.get(name, 0) + 1
        worst[name] = max(worst.get(name, 0), abs(ours[name] - want))
        # scikit-learn takes the logarithms of float probabilities in float
        tolerance = 1e-5 if name == "log_loss" else 1e-12
        assert abs(ours[name] - want) <= tolerance, (name, ours[name], want, p.shape, y[:20], p[:5])
for name in METRICS:
    print("%-32s %4d sets, largest difference %.1e" % (name, seen[name], worst[name]))
