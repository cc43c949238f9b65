"""Our pruners' decisions beside Optuna's: random studies are replayed through both.

    parity_pruners.py REPLAY [STUDIES [SEED]]      (REPLAY: the helper built from replay.c;
                                                    STUDIES: of each kind)

Every study has random options, directions, gaps between steps, ties, NaNs and infinities. After
each report Optuna is asked; a trial that it stops ends there as PRUNED, the others end as COMPLETE or
FAIL, or stay RUNNING. Ours must give the same answer to every question, and put every trial into the
same bracket. $HPO_OPTUNA_PYTHON names a Python with another Optuna; WilcoxonPruner came with 3.6.

Where ours are meant to differ, so that it is not asked:
- a trial that lost at the second or a later one of several rungs that it reached with one report
  (rungs.h): at which of them is only in Optuna's own record, and the study ends with it;
- resources are never learnt from complete trials: hyperband's `auto` is the study's number of steps;
- wilcoxon over folds does not stop a trial after its last fold;
- patient counts anew in each fold where folds are trained one after the other;
- percentiles of infinities when maximising, which are not the mirror image of those of their
  negatives, and of ties at 100 - p, which rounds otherwise than p.
"""
import math
import os
import random
import subprocess
import sys
import warnings

other = os.environ.pop("HPO_OPTUNA_PYTHON", "")
if other:
    os.execv(other, [other] + sys.argv)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "storage"))
from find_optuna import optuna  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
REPLAY = sys.argv[1]
STUDIES = int(sys.argv[2]) if len(sys.argv) > 2 else 100
dice = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 11)
P = optuna.pruners
PLAIN = ["median", "percentile", "threshold", "asha", "hyperband"]
try:
    from scipy.stats import wilcoxon

    P.WilcoxonPruner
    # scipy's choice of method in the presence of ties and zeros has changed.
    WILCOXON_TIES = bool(wilcoxon([0.0, 0.0], alternative="greater", zero_method="zsplit").pvalue == 1)
    PLAIN.append("wilcoxon")
except (ImportError, AttributeError):
    print("without wilcoxon: Optuna %s has none, or there is no scipy" % optuna.__version__)
KINDS = PLAIN + ["patient"] + ["patient " + k for k in PLAIN] + ["folds"] * ("wilcoxon" in PLAIN)


def rank_options():
    return {"startup_trials": dice.randint(0, 4), "warmup_steps": dice.choice([0, 0, 1, 3]),
            "interval_steps": dice.choice([1, 1, 2, 4]), "min_trials": dice.choice([1, 1, 2, 4])}


def make_threshold():
    o = {k: v for k, v in rank_options().items() if k in ("warmup_steps", "interval_steps")}
    lower, upper = sorted(round(dice.gauss(0, 1.5), 1) for _ in range(2))
    which = dice.choice(["lower", "upper", "both"])
    o.update({} if which == "upper" else {"lower": lower}, **({} if which == "lower" else {"upper": upper}))
    return o, P.ThresholdPruner(o.get("lower"), o.get("upper"), o["warmup_steps"], o["interval_steps"])


def make(kind):
    """Options as ours, and Optuna's pruner with the same."""
    if kind.startswith("patient"):
        o = {"patience": dice.choice([0, 0, 1, 2, 3]), "min_delta": dice.choice([0.0, 0.0, 0.3, 1.0])}
        inner, theirs = make(kind[8:]) if kind != "patient" else ({}, None)
        nested = {"wrapped": kind[8:], **{"wrapped." + k: v for k, v in inner.items()}} if theirs else {}
        return {**nested, **o}, P.PatientPruner(theirs, **o)
    if kind in ("median", "percentile"):
        o = rank_options()
        theirs = {"n_" + k if k != "interval_steps" else k: v for k, v in o.items()}
        if kind == "median":
            return o, P.MedianPruner(**theirs)
        o["percentile"] = dice.choice([0.0, 10.0, 25.0, 33.3, 50.0, 62.5, 75.0, 100.0])
        return o, P.PercentilePruner(o["percentile"], **theirs)
    if kind == "threshold":
        return make_threshold()
    if kind == "asha":
        o = {"min_resource": dice.choice([1, 1, 2, 3]), "reduction_factor": dice.choice([2, 2, 3, 4]),
             "min_early_stopping_rate": dice.choice([0, 0, 1]), "bootstrap_count": dice.choice([0, 0, 0, 2])}
        return o, P.SuccessiveHalvingPruner(**o)
    if kind == "hyperband":
        o = {"min_resource": dice.choice([1, 1, 2]), "max_resource": dice.choice([2, 5, 9, 12, 27, 243, 1000]),
             "reduction_factor": dice.choice([2, 2, 3, 10]), "bootstrap_count": dice.choice([0, 0, 0, 2])}
        return o, P.HyperbandPruner(**o)
    o = {"p_threshold": dice.choice([0.0, 0.05, 0.0625, 0.1, 0.2, 0.3, 0.5, 1.0]),
         "startup_steps": dice.choice([2, 2, 3, 4, 14])}
    return o, P.WilcoxonPruner(p_threshold=o["p_threshold"], n_startup_steps=o["startup_steps"])


def pick_style(kind, maximize):
    inner = kind[8:] if kind.startswith("patient ") else kind
    styles = ["smooth", "ties", "nan", "odd"]
    if maximize and inner in ("median", "percentile"):
        styles.remove("odd")
    if maximize and inner == "percentile":
        styles.remove("ties")
    if inner in ("wilcoxon", "folds"):
        styles = ["smooth"] * 3 + ["ties"] * 3 * WILCOXON_TIES + ["nan"]
    return dice.choice(styles)


def pairs(style, options, choices):
    """How many, at most: with ties, scipy tries 2^n signs one by one up to 13 pairs, slowly."""
    startup = options.get("startup_steps", options.get("wrapped.startup_steps"))
    n = dice.choice(choices)
    return n if style != "ties" or startup == 14 else min(n, dice.randint(5, 9))


def report(style, odds=0.25):
    if style == "odd" and dice.random() < odds:
        return dice.choice([math.nan, math.nan, math.inf, -math.inf])
    if style == "nan" and dice.random() < odds:
        return math.nan
    return float(dice.randint(-3, 3)) if style in ("ties", "odd") else dice.gauss(0, 1)


def points(p):
    return "%d %s" % (len(p), " ".join("%d %r" % x for x in p))


def rungs_passed(trial):
    attrs = trial.storage.get_trial(trial._trial_id).system_attrs
    return sum(k.startswith("completed_rung_") for k in attrs)


def opening(kind, study, options, maximize):
    name, shape = kind.split()[0], dice.choice([(0, 0), (1, 0), (1, 50)])
    if kind == "hyperband" and dice.random() < 0.5:  # as the study knows it
        options = dict(options)
        steps = options.pop("max_resource")
        folds = dice.choice([f for f in (1, 2, 3, 5) if steps % f == 0])
        shape = folds, steps // folds
    words = " ".join("%s %s" % (k, v if isinstance(v, str) else repr(v)) for k, v in options.items())
    return "study %s %s %d %d %d %s end" % (study.study_name, name, maximize, *shape, words)


def new_study(pruner, maximize):
    return optuna.create_study(study_name="s%d" % dice.randint(0, 10 ** 6), pruner=pruner,
                               direction="maximize" if maximize else "minimize")


def end_trial(study, trial, stop, value, text, told):
    states = [TrialState.COMPLETE] * 5 + [TrialState.FAIL, TrialState.RUNNING]
    state = TrialState.PRUNED if stop else dice.choice(states)
    if state == TrialState.COMPLETE and math.isnan(value):
        state = TrialState.FAIL
    complete = state == TrialState.COMPLETE
    if state != TrialState.RUNNING:
        study.tell(trial, state=state, values=value if complete else None)
    text.append("trial %s %r %s" % (state.name, value if complete else math.nan, points(told)))
    return complete


def replay(kind, count):
    """A study through Optuna: the text for our side, and Optuna's answers."""
    options, pruner = make(kind)
    maximize = dice.random() < 0.5
    style, gaps, paired = pick_style(kind, maximize), dice.random() < 0.3, kind.endswith("wilcoxon")
    study = new_study(pruner, maximize)
    brackets = getattr(pruner, "_wrapped_pruner", pruner)
    if hasattr(brackets, "_get_bracket_id"):
        brackets._try_initialization(study)
    else:
        brackets = None
    text, answers = [opening(kind, study, options, maximize)], ""
    longest = pairs(style, options, [12, 12, 30, 70]) if paired else 12
    level = [report(style, 0) for _ in range(6 * longest)]  # of each step, in every trial
    for _ in range(dice.randint(1, 18)):
        trial, told, step, stop, unclear = study.ask(), [], -1, False, False
        quality = dice.gauss(0, 1) * (style != "ties") if paired else 0
        slope = dice.choice([0, 0, -1 if maximize else 1]) if kind.startswith("patient ") else 0  # overfits
        if brackets:
            answers += "%d " % brackets._get_bracket_id(study, trial)
            text.append("bracket")
        for _ in range(dice.randint(0, longest)):
            step += dice.randint(1, 5) if gaps else 1
            value = report(style, 0.01 if paired else 0.25)
            told.append((step, value + slope * step + (quality + level[step] if paired else 0)))
            before = rungs_passed(trial)
            trial.report(told[-1][1], step)
            stop = bool(trial.should_prune())
            answers += "01"[stop]
            count[stop] += 1
            text.append("ask " + points(told))
            if stop:
                unclear = rungs_passed(trial) > before + 1
                break
        finite = [v for _, v in told if math.isfinite(v)] or [report("ties")]
        end_trial(study, trial, stop, sum(finite) / len(finite), text, told)
        if unclear:
            break
    return "\n".join(text + ["done"]), answers


def replay_folds(_, count):
    """wilcoxon where folds are trained one after the other: Optuna is told a value a fold."""
    options, pruner = make("wilcoxon")
    maximize, last = dice.random() < 0.5, dice.random() < 0.3
    style, steps = pick_style("folds", maximize), dice.randint(3, 6)
    folds = pairs(style, options, list(range(4, 17)))
    study, sign = new_study(pruner, maximize), 1 if maximize else -1
    level = [report(style, 0) for _ in range(folds)]
    words = " ".join("%s %r" % x for x in options.items())
    text, answers = ["study %s wilcoxon %d %d %d %s end" % (study.study_name, maximize, folds, steps, words)], ""
    for _ in range(dice.randint(2, 12)):
        trial, told, result, stop, quality = study.ask(), [], [], False, dice.gauss(0, 1) * (style != "ties")
        for fold in range(folds):
            epochs = dice.randint(3, steps) if not told else epochs
            curve = [report(style, 0.02) + quality + level[fold] for _ in range(epochs)]
            if last:
                curve[0] = (max if maximize else min)(curve) + sign  # so that the folds show it
            known = [v for v in curve if not math.isnan(v)] or [math.nan]
            value = curve[-1] if last else (max if maximize else min)(known)
            for epoch in range(epochs):
                told.append((fold * steps + epoch, curve[epoch]))
                if epoch == epochs - 1 and (epoch == steps - 1 or fold):
                    trial.report(value, fold)
                    stop = bool(trial.should_prune()) and fold < folds - 1
                    answers += "01"[stop]
                    count[stop] += 1
                    text.append("ask " + points(told))
                elif dice.random() < 0.2:  # nothing new
                    answers += "0"
                    text.append("ask " + points(told))
            if not fold and epochs < steps:  # not known to be all of the fold before the next begins
                trial.report(value, fold)
            result.append((value, curve.index(value) if value in curve else 0))
            if stop:
                break
        if end_trial(study, trial, stop, sum(v for v, _ in result) / len(result), text, told):
            text.append("folds %d %s" % (len(result), " ".join("%r %d" % r for r in result)))
    return "\n".join(text + ["done"]), answers


texts, expected, counts = [], [], {kind: [0, 0] for kind in KINDS}
for kind in KINDS * STUDIES:
    text, answers = (replay_folds if kind == "folds" else replay)(kind, counts[kind])
    texts.append(text)
    expected.append(answers)
got = subprocess.run([REPLAY], input="\n".join(texts) + "\n", capture_output=True, text=True, check=True)
lines = got.stdout.split("\n")[:-1]
assert len(lines) == len(texts), "%d answers to %d studies: %s" % (len(lines), len(texts), got.stderr)
wrong = [i for i in range(len(texts)) if lines[i] != expected[i]]
for i in wrong[:3]:
    print("differs:\n%s\n  ours:   %s\n  Optuna: %s" % (texts[i], lines[i], expected[i]))
for i, kind in enumerate(KINDS):
    go, stop = counts[kind]
    print("%-20s %6d decisions, %5d of them to stop, %d studies differ"
          % (kind, go + stop, stop, sum(w % len(KINDS) == i for w in wrong)))
    assert go > STUDIES / 4 and stop > STUDIES / 4, "too few of either to say anything"
print("Optuna %s: %d studies, %d differ" % (optuna.__version__, len(texts), len(wrong)))
sys.exit(bool(wrong))
