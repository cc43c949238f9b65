"""The example studies: all are read without a mistake, and those that need no data set run as they are."""
import glob
import json
import os
import re

from harness import Box, check, equal, sound

box = Box()
folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "studies")
files = {os.path.basename(f)[:-5]: f for f in sorted(glob.glob(os.path.join(folder, "*.yaml")))}
check(len(files) >= 7, files)

# Each names its study after itself; where images are needed, others will do.
data = box.data(classes=3, per_class=20)
for name, file in files.items():
    with open(file) as f:
        needs_data = re.search("^data:", f.read(), re.M)
    box.hpo("check", file, *(["--set", "data.path=" + data] if needs_data else [])).want(0, "study      " + name + ":")

# The program finds its script from wherever hpo was started.
os.mkdir(box.path("elsewhere"))
box.hpo("run", files["command"], cwd=box.path("elsewhere")).want(0, "study command: done, 40 trials finished")
runs = os.path.join("elsewhere", "runs")
states = [s for _, s in sound(box.db("command", runs), 40)]
check("PRUNED" in states and "COMPLETE" in states, states)
with open(box.path(runs, "command", "trials", "0000", "output.log")) as f:
    lines = [json.loads(line) for line in f]
equal([line["step"] for line in lines], list(range(len(lines))), "the steps that the script printed")

# The file that `report --best` prints repeats the best trial, wherever it is saved.
r = box.hpo("report", "command", "--best", cwd=box.path("elsewhere")).want(0)
box.write("best.yaml", r.out[r.out.index("# this configuration alone"):])
best = re.search(r"best trial is trial (\d+)", r.out).group(1)
box.hpo("run", box.path("best.yaml")).want(0, "1 trials finished")
values = [db.execute("SELECT value FROM trial_values JOIN trials USING (trial_id) WHERE number = ?", (n,)).fetchone()
          for db, n in ((box.db("command", runs), best), (box.db("command-single"), 0))]
equal(values[1], values[0], "the value of the best trial, run again")

# TPE is better than chance, and the pruner saves most of the reports.
for sampler in ("tpe", "random"):
    box.hpo("run", files["function"], "--set", "study.trials=400", "--set", "sampler=" + sampler,
            "--set", "study.name=" + sampler).want(0, "400 trials finished")
tpe, random = (box.db(s).execute("SELECT min(value) FROM trial_values JOIN trials USING (trial_id) "
                             "WHERE state = 'COMPLETE'").fetchone()[0] for s in ("tpe", "random"))
check(tpe < random, "tpe", tpe, "random", random)
states = [s for _, s in sound(box.db("tpe"), 400)]
check(states.count("PRUNED") > 100, states.count("PRUNED"))
