"""What samplers find in 100 trials: ours beside Optuna's, on problems of many kinds.

    bench_regret.py BENCH_REGRET --check
    bench_regret.py BENCH_REGRET [--ours SAMPLER ...] [--optuna {random,tpe,cmaes,gp} ...]
                    [--cache FILE ...] [--seeds N] [--problems NAME ...] [--no-table]

BENCH_REGRET is built from bench_regret.c. --check only compares the functions of both sides.
--ours runs samplers of ours, with options if need be (tpe:multivariate=false). --optuna runs those
of the Optuna that this interpreter has, in its defaults, and appends what it finds to the first
--cache; what stands there is not run again, so a run that was killed goes on. Results of other
interpreters are read from all --cache files. Then one table is printed: the median regret over
seeds with a bootstrap 95% interval; and for each of ours a two-sided Mann-Whitney test beside its
counterparts, "better" or "worse" where p < 0.05.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import time
import warnings

from regret_functions import Problem

TRIALS = 100
# Whom ours is held against. There is no other for `auto` than what Optuna takes by default.
PEERS = {"random": ["random"], "qmc": ["random"], "tpe": ["tpe"], "cmaes": ["cmaes"], "gp": ["gp"],
         "auto": ["tpe", "gp", "cmaes"]}


def sampler_of(name, seed):
    from optuna import samplers

    if name == "random":
        return samplers.RandomSampler(seed=seed)
    if name == "tpe":
        return samplers.TPESampler(seed=seed)
    if name == "cmaes":
        return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    import torch

    torch.set_num_threads(1)
    return samplers.GPSampler(seed=seed)


def optuna_regret(problem, name, seed):
    import numpy as np
    import optuna

    noise = np.random.default_rng([seed, 20])
    best = [math.inf, math.inf]  # as seen, and in truth

    def suggest(trial, p):
        if p.choice:
            return trial.suggest_categorical(p.name, list(range(p.cells)))
        if p.kind == "int":
            return trial.suggest_int(p.name, int(p.low), int(p.high), step=int(p.step), log=p.log)
        return trial.suggest_float(p.name, p.low, p.high, step=p.step or None, log=p.log)

    def objective(trial):
        values = []
        for i, p in enumerate(problem.params):
            values.append(suggest(trial, p) if problem.active(i, values) else math.nan)
        value = problem.value(values)
        seen = value + (problem.noise * noise.standard_normal() if problem.noise else 0)
        if seen < best[0]:
            best[:] = seen, value
        return seen

    study = optuna.create_study(sampler=sampler_of(name, seed))
    study.optimize(objective, n_trials=TRIALS)
    return best[1] - problem.minimum


def load(paths, problems):
    """(problem, sampler) -> seed -> regret."""
    keys = {p.key: p.name for p in problems}
    found = {}
    for path in paths:
        for line in open(path) if os.path.exists(path) else []:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # the last line of a run that was killed
            if row["key"] in keys:
                who = f"Optuna {row['optuna']} {row['sampler']}"
                found.setdefault((keys[row["key"]], who), {})[row["seed"]] = row["regret"]
    return found


def run_optuna(args, problems):
    try:
        import optuna
    except ImportError:
        print(f"{sys.executable} has no Optuna to compare with", file=sys.stderr)
        return
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known = load(args.cache[:1], problems)
    with open(args.cache[0], "ab+") as out:
        if out.tell():
            out.seek(-1, os.SEEK_END)
            if out.read(1) != b"\n":
                out.write(b"\n")
        # Seeds outside, so that a run that is not over yet has something of everything.
        for seed, problem, name in ((s, p, n) for s in range(args.seeds) for p in problems
                                    for n in args.optuna):
            if seed in known.get((problem.name, f"Optuna {optuna.__version__} {name}"), {}):
                continue
            start = time.monotonic()
            regret = optuna_regret(problem, name, seed)
            row = {"key": problem.key, "problem": problem.name, "sampler": name,
                   "optuna": optuna.__version__, "seed": seed, "regret": regret,
                   "seconds": round(time.monotonic() - start, 3)}
            out.write((json.dumps(row) + "\n").encode())
            out.flush()


def run_ours(args, problems):
    found = {}
    for sampler in args.ours:
        out = subprocess.run([args.program, "run", sampler, "0", str(args.seeds - 1),
                              *(p.name for p in problems)], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
        for name, seed, regret in (line.split() for line in out.splitlines()):
            found.setdefault((name, sampler), {})[int(seed)] = float(regret)
    return found


def interval(values):
    import numpy as np

    draws = np.random.default_rng(1).choice(values, (4000, len(values)))
    return np.quantile(np.median(draws, axis=1), [0.025, 0.975])


def compare(ours, sampler, theirs, tally):
    """theirs: [(name, values)]."""
    from scipy import stats

    cells = []
    for name, values in theirs:
        p = stats.mannwhitneyu(ours, values, alternative="two-sided").pvalue
        # The share of pairs that ours wins: which way the difference goes.
        wins = stats.mannwhitneyu(ours, values).statistic / (len(ours) * len(values)) < 0.5
        verdict = "same" if p >= 0.05 else "better" if wins else "worse"
        cells.append(f"{verdict} than {name}, p {p:.2g}" if verdict != "same"
                     else f"as {name}, p {p:.2g}")
        tally.setdefault((sampler, name), []).append(verdict)
    return "; ".join(cells)


def print_table(results, samplers, problems):
    import numpy as np

    tally = {}
    others = sorted({who for _, who in results} - set(samplers))
    print(f"| problem | sampler | seeds | median regret | 95% interval | Mann-Whitney |\n"
          f"|---|---|---:|---:|---|---|")
    for problem in problems:
        for who in samplers + others:
            values = list(results.get((problem.name, who), {}).values())
            if not values:
                continue
            low, high = interval(values)
            peers = PEERS.get(who.split(":")[0], []) if who in samplers else []
            theirs = [(o, list(results[problem.name, o].values())) for p in peers for o in others
                      if o.split()[-1] == p and (problem.name, o) in results]
            print(f"| {problem.name} | {who} | {len(values)} | {np.median(values):.4g} | "
                  f"{low:.4g} to {high:.4g} | {compare(values, who, theirs, tally)} |")
    print()
    for (sampler, name), verdicts in tally.items():
        print(f"{sampler} beside {name}: " + ", ".join(
            f"{v} on {verdicts.count(v)}" for v in ("better", "same", "worse")))


def check(problems):
    worst = {p.name: p.check() for p in problems}
    for name, d in worst.items():
        print(f"{name}: differs by {d:.1e}")
    return 0 if max(worst.values()) < 1e-9 else 1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("program")
    ap.add_argument("--check", action="store_true")
    ap.add_argument("--ours", nargs="*", default=[])
    ap.add_argument("--optuna", nargs="*", default=[], choices=["random", "tpe", "cmaes", "gp"])
    ap.add_argument("--cache", nargs="*", default=[])
    ap.add_argument("--seeds", type=int, default=100)
    ap.add_argument("--problems", nargs="*", default=[])
    ap.add_argument("--no-table", action="store_true")
    args = ap.parse_args()
    problems = Problem.all(args.program)
    if args.check:
        return check(problems)
    unknown = set(args.problems) - {p.name for p in problems}
    if unknown or (args.optuna and not args.cache):
        ap.error(f"no such problem: {unknown}" if unknown else "--optuna takes a --cache")
    problems = [p for p in problems if not args.problems or p.name in args.problems]
    if args.optuna:
        run_optuna(args, problems)
    if args.no_table:
        return 0
    try:
        import scipy.stats  # noqa: F401
    except ImportError:
        print(f"{sys.executable} has no scipy for the table")
        return 0
    print_table({**load(args.cache, problems), **run_ours(args, problems)}, args.ours, problems)
    return 0


sys.exit(main())
