"""Our pruners' decisions beside Optuna's: random studies are replayed through both.

    parity_pruners.py REPLAY [STUDIES [SEED]]      (REPLAY: the helper built from replay.c)

Every study has random options, directions, gaps between steps, ties, NaNs and infinities. After
each report Optuna is asked; a trial that it stops ends there as PRUNED, the others end as COMPLETE or
FAIL. Ours must give the same answer to every question.
"""
import math
import os
import random
import subprocess
import sys
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "storage"))
from find_optuna import optuna  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
REPLAY = sys.argv[1]
STUDIES = int(sys.argv[2]) if len(sys.argv) > 2 else 1200
dice = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 11)
P = optuna.pruners


def rank_options():
    return {"startup_trials": dice.randint(0, 4), "warmup_steps": dice.choice([0, 0, 1, 3]),
            "interval_steps": dice.choice([1, 1, 2, 4]), "min_trials": dice.choice([1, 1, 2, 4])}


def make(kind):
    """Options as ours, and Optuna's pruner with the same."""
    o = rank_options()
    theirs = {"n_" + k if k != "interval_steps" else k: v for k, v in o.items()}
    if kind == "median":
        return o, P.MedianPruner(**theirs)
    if kind == "percentile":
        o["percentile"] = dice.choice([0.0, 10.0, 25.0, 33.3, 50.0, 62.5, 75.0, 100.0])
        return o, P.PercentilePruner(o["percentile"], **theirs)
    if kind == "threshold":
        o = {k: o[k] for k in ("warmup_steps", "interval_steps")}
        lower, upper = sorted(round(dice.gauss(0, 1.5), 1) for _ in range(2))
        which = dice.choice(["lower", "upper", "both"])
        o.update({} if which == "upper" else {"lower": lower}, **({} if which == "lower" else {"upper": upper}))
        return o, P.ThresholdPruner(o.get("lower"), o.get("upper"), o["warmup_steps"], o["interval_steps"])
    o = {"min_resource": dice.choice([1, 1, 2, 3]), "reduction_factor": dice.choice([2, 2, 3, 4]),
         "min_early_stopping_rate": dice.choice([0, 0, 1]), "bootstrap_count": dice.choice([0, 0, 0, 2])}
    return o, P.SuccessiveHalvingPruner(**o)


def report(style):
    if style == "odd" and dice.random() < 0.25:
        return dice.choice([math.nan, math.nan, math.inf, -math.inf])
    if style == "nan" and dice.random() < 0.25:
        return math.nan
    return float(dice.randint(-3, 3)) if style in ("ties", "odd") else dice.gauss(0, 1)


def rungs(o, before, step):
    """How many rungs a report at this step reaches that the one before did not."""
    at = [o["min_resource"] * o["reduction_factor"] ** (o["min_early_stopping_rate"] + k) for k in range(12)]
    return sum(before < a <= step for a in at)


def points(p):
    return "%d %s" % (len(p), " ".join("%d %r" % x for x in p))


def replay(kind, count):
    """A study through Optuna: the text for our side, and Optuna's answers."""
    options, pruner = make(kind)
    maximize = dice.random() < 0.5
    # numpy's percentile of infinities is not the mirror image of that of their negatives.
    styles = ["smooth", "ties", "nan"] + (["odd"] if not maximize or kind in ("threshold", "asha") else [])
    style, gaps = dice.choice(styles), dice.random() < 0.3
    if style == "ties" and kind == "percentile" and maximize:
        style = "smooth"  # 100 - p rounds otherwise than p: a tie may fall to either side
    study = optuna.create_study(direction="maximize" if maximize else "minimize", pruner=pruner)
    text, answers = ["study %s %d %s end" % (kind, maximize, " ".join("%s %r" % x for x in options.items()))], ""
    for _ in range(dice.randint(1, 18)):
        trial, told, step, before, stop, unclear = study.ask(), [], -1, -1, False, False
        for _ in range(dice.randint(0, 12)):
            step += dice.randint(1, 5) if gaps else 1
            told.append((step, report(style)))
            trial.report(told[-1][1], step)
            stop = bool(trial.should_prune())
            answers += "01"[stop]
            count[stop] += 1
            text.append("ask " + points(told))
            if stop:
                unclear = kind == "asha" and rungs(options, before, step) > 1
                break
            before = step
        state = TrialState.PRUNED if stop else dice.choice([TrialState.COMPLETE] * 4 + [TrialState.FAIL])
        study.tell(trial, state=state, values=0.0 if state == TrialState.COMPLETE else None)
        text.append("trial %s %s" % (state.name, points(told)))
        if unclear:
            break  # at which of the rungs it lost is only in Optuna's own record
    return "\n".join(text + ["done"]), answers


texts, expected, kinds = [], [], []
for i in range(STUDIES):
    kind = ("median", "percentile", "threshold", "asha")[i % 4]
    count = [0, 0]
    text, answers = replay(kind, count)
    texts.append(text)
    expected.append(answers)
    kinds.append((kind, count))
got = subprocess.run([REPLAY], input="\n".join(texts) + "\n", capture_output=True, text=True, check=True)
lines = got.stdout.split("\n")[:-1]
assert len(lines) == STUDIES, "%d answers to %d studies: %s" % (len(lines), STUDIES, got.stderr)
wrong = [i for i in range(STUDIES) if lines[i] != expected[i]]
for i in wrong[:3]:
    print("differs:\n%s\n  ours:   %s\n  Optuna: %s" % (texts[i], lines[i], expected[i]))
for kind in ("median", "percentile", "threshold", "asha"):
    go, stop = (sum(c[k] for name, c in kinds if name == kind) for k in (0, 1))
    print("%s: %d decisions, %d of them to stop" % (kind, go + stop, stop))
    assert go > 100 and stop > 100, "too few of either to say anything"
print("Optuna %s: %d studies, %d differ" % (optuna.__version__, STUDIES, len(wrong)))
sys.exit(bool(wrong))
