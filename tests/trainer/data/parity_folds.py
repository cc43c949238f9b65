"""The number of samples of each class in each fold is that of scikit-learn, on random label lists."""
import random
import subprocess
import sys
import warnings

try:
    import numpy
    from sklearn.model_selection import KFold, StratifiedKFold
except ImportError as e:
    print("skipped: %s" % e)
    sys.exit(77)

warnings.simplefilter("ignore")
random.seed(1)
cases = []
for i in range(300):
    n, classes = random.randint(2, 200), random.randint(1, 8)
    weights = [random.random() ** 3 + 0.01 for _ in range(classes)]
    y = random.choices(range(classes), weights, k=n)
    cases.append((random.randint(2, 7), i % 3 > 0, random.randint(0, 10**6), y))
text = "\n".join("%d %d %d %d %s" % (k, s, seed, len(y), " ".join(map(str, y))) for k, s, seed, y in cases)
lines = subprocess.run([sys.argv[1]], input=text, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
assert len(lines) == len(cases), (len(lines), len(cases))

refused = 0
for (k, stratified, seed, y), line in zip(cases, lines):
    y = numpy.array(y)
    split = StratifiedKFold(k, shuffle=True, random_state=0) if stratified else KFold(k, shuffle=True, random_state=0)
    try:
        theirs = list(split.split(numpy.zeros(len(y)), y))
    except ValueError:
        assert line == "refused", (k, stratified, list(y), line)
        refused += 1
        continue
    ours = numpy.array(list(map(int, line.split())))
    assert len(ours) == len(y), line
    for fold, (_, valid) in enumerate(theirs):
        if stratified:
            want, got = numpy.bincount(y[valid], minlength=8), numpy.bincount(y[ours == fold], minlength=8)
            assert (want == got).all(), (k, list(y), fold, want, got)
        else:
            assert len(valid) == (ours == fold).sum(), (k, len(y), fold)
print("%d label lists agree with scikit-learn, %d refused by both" % (len(cases) - refused, refused))
assert 0 < refused < 150
