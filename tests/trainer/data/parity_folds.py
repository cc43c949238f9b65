"""Folds against scikit-learn's, on random labels and groups.

Without shuffling the allocation is the same, sample by sample: KFold, StratifiedKFold, GroupKFold,
StratifiedGroupKFold. Shuffled, the number of samples of each class in each fold is; of groups, their
sizes (scikit-learn does not shuffle GroupKFold, and draws with another generator).
"""
import random
import subprocess
import sys
import warnings

try:
    import numpy
    import sklearn
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
except ImportError as e:
    print("skipped: %s" % e)
    sys.exit(77)

warnings.simplefilter("ignore")
random.seed(1)


class Case:
    def __init__(self, i):
        most = 400 if i % 50 == 0 else 200
        self.n, classes = random.randint(2, most), random.choice([1, 2, 3, 5, 8, 11, 40])
        if i % 97 == 0:
            classes = 300
        weights = [random.random() ** 3 + 0.01 for _ in range(classes)]
        self.y = random.choices(range(classes), weights, k=self.n)
        groups = random.randint(1, max(1, self.n // random.choice([1, 2, 4, 10])))
        self.groups = [random.randrange(groups) for _ in range(self.n)]
        if i % 5 == 0:  # most groups of one label, as persons are
            self.y = [g % classes if random.random() < 0.9 else c for g, c in zip(self.groups, self.y)]
        self.k = random.randint(2, 9)
        self.stratified, self.group, self.in_order = i % 3 > 0, i % 4 > 1, i % 7 > 1
        self.seed = random.randint(0, 10**6)

    def line(self):
        flags = [self.k, 1, 0, int(self.stratified), int(self.group), int(self.in_order), self.seed, self.n]
        return " ".join(map(str, flags + self.y + (self.groups if self.group else [])))

    def theirs(self):
        """The validation rows of each fold; None: refused, or a fold with nothing in it, which we refuse."""
        shuffled = dict(shuffle=not self.in_order, random_state=None if self.in_order else 0)
        if self.group and self.stratified:
            # Shuffling there moves counts between groups (fixed after 1.2): without it, it is well defined.
            split = StratifiedGroupKFold(self.k)
        elif self.group:
            split = GroupKFold(self.k)
        else:
            split = (StratifiedKFold if self.stratified else KFold)(self.k, **shuffled)
        try:
            folds = [list(v) for _, v in split.split(numpy.zeros(self.n), self.y, self.groups)]
        except ValueError:
            return None
        return folds if all(0 < len(v) < self.n for v in folds) else None


def stable_group_kfold(groups, k):
    """GroupKFold, where groups of one size come in a defined order (numpy's default sort leaves it open)."""
    size = numpy.bincount(groups)
    order = numpy.argsort(size, kind="stable")[::-1]
    load, of = numpy.zeros(k), numpy.zeros(len(size), int)
    for g in order:
        of[g] = numpy.argmin(load)
        load[of[g]] += size[g]
    return of[groups]


cases = [Case(i) for i in range(1200)]
text = "\n".join(c.line() for c in cases)
lines = subprocess.run([sys.argv[1]], input=text, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
assert len(lines) == len(cases), (len(lines), len(cases))

refused, exact, counts = 0, 0, 0
for c, line in zip(cases, lines):
    theirs = c.theirs()
    y, groups = numpy.array(c.y), numpy.unique(c.groups, return_inverse=True)[1]
    if theirs is None:
        # Shuffled, the greedy choice may end without an empty fold.
        assert line == "refused" or (c.group and not c.in_order), (c.line(), line)
        refused += 1
        continue
    if line == "refused":
        assert c.group and c.stratified and not c.in_order, c.line()
        continue
    ours = numpy.array(list(map(int, line.split())))
    assert len(ours) == c.n, line
    want = numpy.zeros(c.n, int)
    for fold, valid in enumerate(theirs):
        want[valid] = fold
    if c.group:
        for g in numpy.unique(groups):
            assert len(set(ours[groups == g])) == 1, ("a group in two folds", c.line())
    if c.in_order and c.group and not c.stratified:
        assert (ours == stable_group_kfold(groups, c.k)).all(), c.line()
        if groups.max() < 16:  # numpy sorts so few by insertion, which is stable
            assert (ours == want).all(), c.line()
        exact += 1
    elif c.in_order:
        assert (ours == want).all(), (c.line(), ours, want)
        exact += 1
    if not c.group or not c.stratified:
        assert (numpy.bincount(ours, minlength=c.k) == numpy.bincount(want, minlength=c.k)).all(), c.line()
        counts += 1
    if c.stratified and not c.group:
        for fold in range(c.k):
            assert (numpy.bincount(y[ours == fold], minlength=300) == numpy.bincount(y[want == fold], minlength=300)).all()
print("scikit-learn %s: %d allocations are the same, the sizes of %d; %d refused by both"
      % (sklearn.__version__, exact, counts, refused))
assert exact > 600 and 0 < refused < 500
