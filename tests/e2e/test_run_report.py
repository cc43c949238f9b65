"""A small study from images to the best trial; what every form of the report says; a second run; the cache."""
import csv
import io
import json
import os
import statistics

from harness import Box, check, equal, sound

box = Box()
box.data()
study = box.study()

run = box.hpo("run", study, "--json").want(0)
check(all(line.startswith("{") for line in run.out.splitlines()), "--json prints JSON lines only", run)
equal(run.event("data")["decoded"], 60, "images decoded by the first run")
sound(box.db(), 3)

# The report against the database, read independently of the program.
best = json.loads(box.hpo("report", "tiny", "--best", "--json").want(0).out)
for key in ("study", "direction", "metric", "counts", "best"):
    check(key in best, "no %r in report --json --best: %r" % (key, best))
equal((best["study"], best["direction"], best["metric"]), ("tiny", "maximize", "accuracy"), "head of the report")
equal({k: best["counts"][k] for k in ("complete", "pruned", "failed", "running")},
      {"complete": 3, "pruned": 0, "failed": 0, "running": 0}, "counts")
rows = box.db().execute("SELECT t.number, v.value FROM trials t JOIN trial_values v USING (trial_id) "
                        "ORDER BY v.value DESC, t.number").fetchall()
b = best["best"]
equal((b["number"], b["value"]), rows[0], "the best trial")
folds = [f["value"] if isinstance(f, dict) else f for f in b["folds"]]
equal(len(folds), 2, "folds of the best trial")
check(abs(statistics.mean(folds) - b["value"]) < 1e-12, "the value is the folds' mean", b)
check(abs(statistics.pstdev(folds) - b["std"]) < 1e-12, "std is the folds' (population) standard deviation", b)
check(b["duration_s"] > 0 and 1e-3 <= b["params"]["optimizer.lr"] <= 0.3, "duration and parameters", b)
equal("optimizer.momentum" in b["params"], b["params"]["optimizer.type"] == "sgd", "`when` is obeyed")
check(b["params"]["batch_size"] in (8, 16, 24), "an int parameter with a step", b)

text = box.hpo("report", "tiny", "--best").want(0, "accuracy").out
check("%.4f" % b["value"] in text or "%.3f" % b["value"] in text or "%.2f" % (100 * b["value"]) in text,
      "the best value in the text", text)
table = list(csv.DictReader(io.StringIO(box.hpo("report", "tiny", "--csv").want(0).out)))
equal([int(r["number"]) for r in table], [0, 1, 2], "rows of the CSV")
equal({int(r["number"]): float(r["value"]) for r in table}, dict(rows), "values of the CSV")
trials = json.loads(box.hpo("report", "tiny", "--json").want(0).out)["trials"]
equal({t["number"]: t["value"] for t in trials}, dict(rows), "values of the JSON")
top = list(csv.DictReader(io.StringIO(box.hpo("report", "tiny", "--csv", "--top", "2").want(0).out)))
equal(len(top), 2, "rows of --top 2")
equal(int(top[0]["number"]), b["number"], "--top starts with the best")
box.hpo("report", "tiny", "--trial", "1").want(0)
box.hpo("report", "tiny", "--trial", "99").want(2, "99")

# A study is named by its name, its folder or its file; nothing named: the last one run here.
for name in (["tiny"], [os.path.join("runs", "tiny")], [study], []):
    equal(json.loads(box.hpo("report", *name, "--best", "--json").want(0).out), best, "report %s" % name)
check(os.path.exists(box.path("runs", "tiny", "study.yaml")), "the resolved study is written")

# The same command again: nothing to do, and it says so.
before = box.db().execute("SELECT count(*) FROM trials").fetchone()
again = box.hpo("run", study).want(0)
check("done" in (again.out + again.err).lower() or "finished" in (again.out + again.err).lower(), "says it is done", again)
equal(box.db().execute("SELECT count(*) FROM trials").fetchone(), before, "trials after a second run")

# More trials are more of the same study.
box.hpo("run", study, "--set", "study.trials=4").want(0)
sound(box.db(), 4)

# Another study on the same images decodes nothing.
other = box.hpo("run", study, "--json", "--set", "study.name=other", "--set", "study.trials=1").want(0)
equal(other.event("data")["decoded"], 0, "images decoded by a second study")

# What was printed as the best configuration gives its value again, bit for bit: folds, weights and the order
# of images are the study's, not the trial's.
single = best["best"].get("yaml") or json.loads(
    box.hpo("report", "tiny", "--best", "--json").out)["best"].get("config")
if single:
    path = box.write("single.yaml", single)
    box.hpo("run", path, "--set", "study.name=single", "--set", "study.trials=1").want(0)
    value = json.loads(box.hpo("report", "single", "--best", "--json").want(0).out)["best"]["value"]
    equal(value, b["value"], "the value of the best configuration run by itself")
