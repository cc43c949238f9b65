"""The learning curves of finished studies as text, for bench_pruners.

    record_curves.py RUN_FOLDER... > CURVES      (RUN_FOLDER: runs/NAME of a study with pruner: none)

    study NAME MAXIMIZE FOLDS FOLD_STEPS TRIALS
    trial VALUE POINTS  then POINTS pairs STEP VALUE       (a line a COMPLETE trial, by number)

Values are the user's, not flipped; "nan" and "inf" as words.
"""
import math
import os
import sqlite3
import sys

SPECIAL = {"NAN": math.nan, "INF_POS": math.inf, "INF_NEG": -math.inf}


def number(value, kind):
    return "%.6g" % (value if kind == "FINITE" else SPECIAL[kind])


def epochs_of(folder):
    """The most epochs of a fold, from the resolved study."""
    import yaml

    with open(os.path.join(folder, "study.yaml"), encoding="utf-8") as f:
        study = yaml.safe_load(f)
    searched = (study.get("space") or {}).get("epochs")
    if not searched:
        return study["trainer"]["epochs"]
    return max(searched["choices"]) if "choices" in searched else searched["high"]


def main():
    for folder in sys.argv[1:]:
        db = sqlite3.connect("file:%s?mode=ro" % os.path.join(folder, "study.db"), uri=True)
        (name, direction), = db.execute("SELECT study_name, direction FROM studies"
                                        " JOIN study_directions USING (study_id)")
        (folds,), = db.execute("SELECT max(fold) + 1 FROM hpo_folds")
        trials = db.execute("SELECT trial_id, value, value_type FROM trials JOIN trial_values"
                            " USING (trial_id) WHERE state = 'COMPLETE' ORDER BY number").fetchall()
        print("study", name, int(direction == "MAXIMIZE"), folds, epochs_of(folder), len(trials))
        for trial, value, kind in trials:
            points = db.execute(
                "SELECT step, intermediate_value, intermediate_value_type FROM"
                " trial_intermediate_values WHERE trial_id = ? ORDER BY step", (trial,)).fetchall()
            print("trial", number(value, kind), len(points),
                  " ".join("%d %s" % (s, number(v, k)) for s, v, k in points))


main()
