"""What a person gets wrong: every mistake at once, each with its place, and exit status 2."""
import os
import re
import subprocess

from harness import HPO, Box, check, equal

box = Box()
box.data(classes=2, per_class=6, size=8)

text = """\
study:
  name: ten
  direction: maximise
  metric: acuracy
  trials: 0
sampler: {type: rndom}
data:
  path: data
  image_sise: 8
  folds: {k: 0}
trainer:
  batch_size: 12.5
  optimizer: {type: sgd, lr: -1}
  loss: {type: cross_entropy, gamma: 2}
space:
  optimizer.lr: {type: float, low: 1.0, high: 0.1}
  model.wdth: {type: int, low: 4, high: 8}
"""
# (line, column of the key or value that is wrong, a word of the message)
expected = [(3, 14, "maximize"), (4, 11, "accuracy"), (5, 11, "1"), (6, 17, "random"), (9, 3, "image_size"),
            (10, 14, "1 to 64"), (12, 15, "12.5"), (13, 30, "-1"), (14, 31, "gamma"), (16, 36, "high"), (17, 3, "width")]
path = box.write("ten.yaml", text)
for command in ("run", "check"):
    r = box.hpo(command, path).want(2)
    found = [re.match(r"(.*?ten\.yaml):(\d+):(\d+): (.+)", line) for line in r.err.splitlines()]
    found = [m for m in found if m]
    equal([(int(m[2]), int(m[3])) for m in found], [e[:2] for e in expected], "places of the mistakes\n%s" % r)
    for m, (line, _, word) in zip(found, expected):
        check(word in m[4], "line %d: no %r in %r" % (line, word, m[4]))
check(not os.path.exists(box.path("runs")), "a study file with mistakes leaves nothing behind")

good = box.study()
for args, words in [
    (["run", "nowhere.yaml"], ["nowhere.yaml"]),
    (["run"], ["run"]),
    (["rnu", good], ["rnu", "run"]),
    (["frobnicate"], ["frobnicate"]),
    ([], ["run", "report"]),
    (["run", good, "--frsh"], ["--frsh", "--fresh"]),
    (["run", good, "--set"], ["--set"]),
    (["run", good, "--set", "study.trials"], ["study.trials"]),
    (["run", good, "--set", "study.trials=many"], ["many"]),
    (["run", good, "--set", "study.trails=3"], ["trails", "trials"]),
    (["run", good, "--set", "study.name=../../etc"], ["name"]),
    (["run", good, "extra"], ["extra"]),
    (["report", "nosuchstudy"], ["nosuchstudy"]),
    (["report", "--json", "--csv"], ["--csv"]),
    (["report", "--top", "x"], ["--top"]),
    (["report", "--top", "0"], ["--top", "from 1"]),
    (["run", good, "--dir", ""], ["--dir"]),
    (["help", "frobnicate"], ["frobnicate"]),
    (["data", "synth", "x", "--sede", "1"], ["data synth", "--seed"]),
    # A space that no trial, or not every trial, could be made of is refused before anything is written.
    (["run", good, "--set", "sampler=grid"], ["study.yaml", "optimizer.lr", "points"]),
    (["check", good, "--set", "sampler=grid"], ["study.yaml", "optimizer.lr", "points"]),
    (["check", good, "--set", "trainer.model={type: resnet}", "--set", "space.model.depth={type: int, low: 8, high: 20}"],
     ["model.depth: 9", "8 or 14"]),
    (["check", good, "--set", "space={model.type: {type: categorical, choices: [mlp, convnet, resnet]}, "
      "model.depth: {type: int, low: 8, high: 20}}"], ["model.depth: 9", "8 or 14"]),
    (["check", box.write("nested.yaml", "data: {path: data}\nspace: {trainer: {optimizer: {lr: {type: float, low: 0.1, high: 1}}}}\n")],
     ["nested.yaml:2:9", "'optimizer.lr: {...}'"]),
    (["check", box.write("space.yaml", "data:{path: data}\n")], ["a space belongs after ':'"]),
    (["check", good, "--set", "data.folds.k=9"], ["study.yaml", "data.folds.k", "6"]),
    (["check", good, "--set", "data.path=nowhere"], ["--set data.path=nowhere", "nowhere"]),
    (["check", good, "--set", "data.path=~/nowhere"], ["~/nowhere", "home"]),
    (["list", "nothings"], ["nothings", "samplers"]),
    (["run", box.write("empty.yaml", "")], ["empty.yaml"]),
    (["run", box.write("list.yaml", "- 1\n- 2\n")], ["list.yaml"]),
    (["run", box.write("broken.yaml", "study: {name: x\ndata: ]\n")], ["broken.yaml:"]),
    (["run", box.write("binary.yaml", "\0\1\2")], ["binary.yaml"]),
    (["run", box.write("twice.yaml", "study: {name: a}\nstudy: {name: b}\n")], ["twice.yaml:2"]),
    (["run", box.write("bomb.yaml", "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        "%s: &%s [%s]\n" % (c, c, ",".join(["*" + p] * 9)) for p, c in zip("abcdefghijk", "bcdefghijkl")))], ["bomb.yaml"]),
]:
    r = box.hpo(*args, limit=60)
    check(r.rc in (1, 2), "expected a refusal:", r)
    check(r.rc == 2 or args[0] == "report" or args[1:] == ["nowhere.yaml"], "expected exit status 2:", r)
    for w in words:
        check(w in r.err, "no %r in the message of:" % w, r)
    equal(r.out, "", "a mistake prints nothing to stdout\n%s" % r)

# One class is nothing to classify, and a folder that no cache can be in is no mistake of the file.
os.makedirs(box.path("one"))
os.rename(box.path("data", sorted(os.listdir(box.path("data")))[0]), box.path("one", "cat"))
r = box.hpo("check", box.study("one.yaml", data={"path": box.path("one")})).want(2, "'cat'", "two classes")
r = box.hpo("check", good, "--set", "data.cache=/dev/null/x").want(1, "data.cache", "/dev/null/x")
# What does not arrive is not done.
with open("/dev/full", "w") as full:
    for args in (["schema"], ["list"]):
        equal(subprocess.run([HPO, *args], stdout=full, stderr=subprocess.DEVNULL).returncode, 1, "hpo %s > /dev/full" % args[0])

# `hpo report` where nothing was ever run.
os.makedirs(box.path("empty"))
r = box.hpo("report", cwd=box.path("empty"))
check(r.rc in (1, 2) and "run" in r.err, "an empty folder has no report:", r)
# Data that is not there is named with the place in the study file, or the path.
r = box.hpo("run", box.study("nodata.yaml", data={"path": box.path("gone")}))
check(r.rc in (1, 2) and "gone" in r.err, "missing data is named:", r)
for args in (["--help"], ["help"], ["help", "run"], ["run", "--help"], ["--version"]):
    r = box.hpo(*args).want(0)
    check(r.out and not r.err, "help goes to stdout:", r)
for what in ("samplers", "pruners", "models", "losses", "optimizers", "schedules", "metrics", "devices"):
    box.hpo("list", what).want(0)
