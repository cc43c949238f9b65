"""The problems of bench_regret.c once more: their functions in Python, written from the formulas.

`Problem.check` holds them against the C program, so both sides search the same landscape.
"""
import hashlib
import json
import math
import random
import subprocess


def branin(x):
    a, b = x
    return ((b - 5.1 * a * a / (4 * math.pi**2) + 5 * a / math.pi - 6) ** 2
            + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10)


def hartmann6(x):
    a = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8],
         [17, 8, 0.05, 10, 0.1, 14]]
    p = [[.1312, .1696, .5569, .0124, .8283, .5886], [.2329, .4135, .8307, .3736, .1004, .9991],
         [.2348, .1451, .3522, .2883, .3047, .6650], [.4047, .8828, .8732, .5743, .1091, .0381]]
    return -sum(c * math.exp(-sum(w * (v - m) ** 2 for w, v, m in zip(ai, x, pi)))
                for c, ai, pi in zip([1.0, 1.2, 3.0, 3.2], a, p))


def ackley(x):
    n = len(x)
    return (-20 * math.exp(-0.2 * math.sqrt(sum(v * v for v in x) / n))
            - math.exp(sum(math.cos(2 * math.pi * v) for v in x) / n) + 20 + math.e)


def styblinski_tang(x):
    return 0.5 * sum(v**4 - 16 * v**2 + 5 * v for v in x)


def rosenbrock(x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


CLASSICAL = {f.__name__: f for f in (branin, hartmann6, ackley, styblinski_tang, rosenbrock)}


class Param:
    def __init__(self, d):
        self.__dict__.update(d)
        self.choice = self.kind == "categorical"
        self.cells = 0  # continuous
        if self.choice or self.step > 0:
            self.cells = round((self.high - self.low) / (self.step or 1)) + 1

    def edges(self):
        return math.log(self.low - 0.5), math.log(self.high + 0.5)

    def share(self, v):
        """What part of the range lies below v; the middle of its cell for discrete ones."""
        if self.kind == "int" and self.log:
            lo, hi = self.edges()
            return ((math.log(v - 0.5) + math.log(v + 0.5)) / 2 - lo) / (hi - lo)
        if self.log:
            return math.log(v / self.low) / math.log(self.high / self.low)
        if self.cells:
            return (round((v - self.low) / (self.step or 1)) + 0.5) / self.cells
        return (v - self.low) / (self.high - self.low)

    def at(self, u):
        """Its inverse for 0 <= u < 1."""
        if self.kind == "int" and self.log:
            lo, hi = self.edges()
            return min(max(round(math.exp(lo + (hi - lo) * u)), self.low), self.high)
        if self.log:
            return self.low * (self.high / self.low) ** u
        if self.cells:
            return self.low + min(int(u * self.cells), self.cells - 1) * (self.step or 1)
        return self.low + (self.high - self.low) * u

    def miss(self, i, v):
        """Distance from the optimum: a share of the range, or the rank of a choice."""
        if self.choice:
            return (int(v) + i + 1) % self.cells / (self.cells - 1)
        t = 0.15 + 0.7 * math.modf(0.5 + 0.618034 * (i + 1))[0]
        return self.share(v) - (self.share(self.at(t)) if self.cells else t)


def valley(params, values):
    q = [p.miss(i, v) for i, (p, v) in enumerate(zip(params, values)) if not p.choice]
    return sum(a * a for a in q) + 4 * sum((b - a) ** 2 for a, b in zip(q, q[1:]))


def mixed(params, values):
    e = [(p.choice, p.miss(i, v)) for i, (p, v) in enumerate(zip(params, values))]
    ranks = [r for choice, r in e if choice]
    q = [d for choice, d in e if not choice]
    q[0] += 0.25 * sum(ranks) / len(ranks)
    return 0.3 * sum(ranks) + sum(d * d + 0.02 * (1 - math.cos(6 * math.pi * d)) for d in q)


def conditional(params, values):
    total = 0
    for i, (p, v) in enumerate(zip(params, values)):
        if math.isnan(v):
            continue
        parents = [abs(params[w[0]].miss(w[0], values[w[0]])) for w in p.when]
        weight = 1 + 4 * (1 - sum(parents) / len(parents)) if parents else 1
        e = p.miss(i, v)
        total += weight * (0.3 * e if p.choice else e * e)
    return total


LANDSCAPES = {f.__name__: f for f in (valley, mixed, conditional)}


class Problem:
    def __init__(self, program, line):
        d = json.loads(line)
        self.program, self.name, self.function = program, d["name"], d["function"]
        self.noise, self.minimum = d["noise"], d["minimum"]
        self.params = [Param(p) for p in d["space"]]
        probes = [f"{v:.9g}" for v in self.theirs(self.points(5))]
        # What was measured on another space or formula is of no use any more.
        self.key = hashlib.sha1((line + " ".join(probes)).encode()).hexdigest()[:12]

    @classmethod
    def all(cls, program):
        out = subprocess.run([program, "problems"], check=True, stdout=subprocess.PIPE, text=True)
        return [cls(program, line) for line in out.stdout.splitlines()]

    def active(self, i, values):
        return all(values[w[0]] in w[1:] for w in self.params[i].when)

    def value(self, values):
        """Values in order, NaN for inactive ones, the index of a choice."""
        if self.function in CLASSICAL:
            return CLASSICAL[self.function](values)
        return LANDSCAPES[self.function](self.params, values)

    def points(self, n):
        rng = random.Random(self.name)
        out = []
        for _ in range(n):
            values = []
            for i, p in enumerate(self.params):
                u = rng.random()
                values.append(float(p.at(u)) if self.active(i, values) else math.nan)
            out.append(values)
        return out

    def theirs(self, points):
        text = "\n".join(" ".join(map(repr, p)) for p in points)
        out = subprocess.run([self.program, "eval", self.name], input=text, check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        return [float(v) for v in out.split()]

    def check(self, n=300):
        """The largest relative difference between both sides."""
        points = self.points(n)
        theirs = self.theirs(points)
        assert len(theirs) == n
        return max(abs(self.value(p) - v) / (1 + abs(v)) for p, v in zip(points, theirs))
