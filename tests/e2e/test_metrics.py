"""Any metric judges a study, all of them are recorded, and a metric of other classes is a mistake."""
import json
import sqlite3

from harness import Box, check, equal

box = Box()
names = {m["name"]: m for m in json.loads(box.hpo("list", "metrics", "--json").want(0).out)["metrics"]}
two_only = {n for n, m in names.items() if m["max_classes"] == 2}
more_only = {n for n, m in names.items() if (m["min_classes"] or 2) > 3}
check(len(two_only) == 6 and len(more_only) == 2, "unexpected metrics:", names)


def recorded(name):
    rows = box.db(name).execute("SELECT DISTINCT name FROM hpo_epochs JOIN hpo_metrics USING (metric_id)")
    return {row[0] for row in rows}


def study(name, classes, metric, others):
    data = box.data(name, classes=classes)
    path = box.study(name + ".yaml", study={"name": name, "metric": metric}, data={"path": data})
    box.hpo("run", path).want(0)
    equal(recorded(name), set(names) - others | {"train_loss", "seconds"}, "recorded with %d classes" % classes)
    trial = json.loads(box.hpo("report", name, "--best", "--json").want(0).out)["best"]
    of_folds = trial["metrics"][metric]
    equal(of_folds["folds"], trial["folds"], metric + " of the folds")
    check(abs(of_folds["mean"] - trial["value"]) < 1e-12, "the trial's value is the mean:", trial["value"], of_folds)
    for fold, result in enumerate(trial["fold_results"]):  # the best epoch by this metric
        curve = [e[metric] for e in trial["curve"] if e["fold"] == fold]
        equal(curve[result["epoch"]], max(curve), "best epoch of fold %d" % fold)
    text = box.hpo("report", name, "--trial", str(trial["number"])).want(0).out
    for n in recorded(name):
        check("\n  %s " % n in text, "no %s in the report:" % n, text)
    check(len(box.hpo("report", name, "--best", "--csv").want(0).out.split("\r\n")[0].split(",metrics_")) > 20, "csv")
    return path


two = study("two", 2, "roc_auc", more_only)
three = study("three", 3, "mcc", two_only | more_only)

r = box.hpo("check", three, "--set", "study.metric=f1_at_threshold").want(2)
check("f1_at_threshold is a metric of 2 classes" in r.err and "has 3" in r.err, "the mistake is named", r)
r = box.hpo("run", three, "--set", "study.metric=top3_accuracy", "--set", "study.name=new").want(2)
check("top3_accuracy is a metric of 4 classes or more" in r.err, "the mistake is named", r)
r = box.hpo("check", two, "--set", "study.metric=f1_threshold").want(2)
check("neither better nor worse" in r.err, "the mistake is named", r)
box.hpo("check", two, "--set", "study.metric=f1_at_threshold").want(0)

# A study begun when there were fewer metrics is read, and goes on with all of them.
few = ("accuracy", "roc_auc", "train_loss", "seconds")
with sqlite3.connect(box.path("runs", "two", "study.db")) as db:
    db.execute("DELETE FROM hpo_epochs WHERE metric_id IN (SELECT metric_id FROM hpo_metrics WHERE name NOT IN (?, ?, ?, ?))", few)
    db.execute("DELETE FROM hpo_metrics WHERE name NOT IN (?, ?, ?, ?)", few)
db.close()
equal(recorded("two"), set(few), "recorded before")
box.hpo("run", two, "--set", "study.trials=4").want(0)
old, new = (json.loads(box.hpo("report", "two", "--trial", n, "--json").want(0).out) for n in ("0", "3"))
old, new = (next(v for v in j.values() if isinstance(v, dict) and "curve" in v) for j in (old, new))
equal(set(old["metrics"]), set(few), "of a trial of before")
equal(set(new["metrics"]), set(names) - more_only | {"train_loss", "seconds"}, "of a new trial")
check("accuracy" in box.hpo("report", "two", "--trial", "0").want(0).out, "an old trial is shown")
