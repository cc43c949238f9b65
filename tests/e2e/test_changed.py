"""A study whose file changed in a way that would mix results is refused, with what changed; --fresh starts anew."""
import json
import os

from harness import Box, check, content, equal, same_study, sound

box = Box()
box.data()
box.data("other", classes=3, per_class=21)
study = box.study()
box.hpo("run", study).want(0)
first = content(box.db())


def refused(*texts, **sections):
    path = box.study("changed.yaml", **sections)
    r = box.hpo("run", path)
    check(r.rc in (1, 2), "a changed study must be refused:", r)
    for t in texts:
        check(t in r.err, "no %r in the message of:" % t, r)
    check("--fresh" in r.err, "the way out is named", r)
    same_study(content(box.db()), first, "a refused run changed the study:")


refused("epochs", trainer={"epochs": 3})
refused("image_size", data={"image_size": 12})
refused("folds", data={"folds": {"k": 4}})
refused("data", data={"path": box.path("other")})
refused("optimizer.lr", space={"optimizer.lr": {"high": 0.2}})  # a larger one may be: test_function.py
refused("weight_decay", space={"optimizer.weight_decay": {"type": "float", "low": 0.0, "high": 0.1}})
refused("metric", study={"metric": "macro_f1"})
refused("seed", study={"seed": 8})
refused("metric", "direction", study={"metric": "log_loss", "direction": "minimize"})
refused("epochs", "width", trainer={"epochs": 3, "model": {"width": 6}})  # all of them, not the first

# What does not touch results may change: how many trials, on how many threads' devices, the file's own name and place.
os.makedirs(box.path("elsewhere"))
moved = box.study(os.path.join("elsewhere", "renamed.yaml"), study={"trials": 4, "timeout": "1h"})
box.hpo("run", moved).want(0)
sound(box.db(), 4)
box.hpo("run", study).want(0)  # fewer than there are: done already
sound(box.db(), 4)

# The same images at another place are the same data.
os.rename(box.path("data"), box.path("data-moved"))
box.hpo("run", box.study(data={"path": box.path("data-moved")}, study={"trials": 5})).want(0)
sound(box.db(), 5)

# --fresh.
changed = box.study("changed.yaml", data={"path": box.path("data-moved")}, trainer={"epochs": 3}, study={"trials": 2})
box.hpo("run", changed, "--fresh").want(0)
sound(box.db(), 2)
report = json.loads(box.hpo("report", "tiny", "--json", "--best").want(0).out)
equal(report["counts"]["complete"], 2, "trials of the fresh study")
