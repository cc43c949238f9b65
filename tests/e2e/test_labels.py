"""Out-of-fold predictions: what `hpo report --trial` and `--labels` make of them. Labels that were changed are found."""
import csv
import io
import json
import os
import random
import shutil

from harness import Box, check, equal

CLASSES, EACH, FLIPS = 3, 100, 12

box = Box()
data = box.data(classes=CLASSES, per_class=EACH)
dice = random.Random(3)
names = sorted(os.listdir(data))
rows = [("%s/%s" % (c, f), c) for c in names for f in sorted(os.listdir(os.path.join(data, c)))]
changed = {path: label for path, label in dice.sample(rows, FLIPS)}
with open(os.path.join(data, "train.csv"), "w", newline="") as f:
    out = csv.writer(f)
    out.writerow(["path", "label"])
    out.writerows((p, dice.choice([c for c in names if c != l]) if p in changed else l) for p, l in rows)

study = box.study(
    data={"path": os.path.join(data, "train.csv"), "image_size": 16, "folds": {"k": 5, "run": ("=", 5)}},
    trainer={"epochs": 12, "model": {"width": 8}, "optimizer": {"momentum": 0.9}},
    space=("=", {"optimizer.lr": {"type": "float", "low": 0.03, "high": 0.08, "log": True}}))
box.hpo("run", study).want(0)
shutil.rmtree(data)  # a report needs no images
oof = box.path("runs", "tiny", "oof")


def report(*args):
    return json.loads(box.hpo("report", "tiny", *args, "--json").want(0).out)


# ---------------------------------------------------------------- one trial
for number in range(3):
    t = report("--trial", str(number))["trial"]
    p = t["predictions"]
    equal((p["images"], p["covered"], p["folds"]), (CLASSES * EACH, CLASSES * EACH, 5), "what is covered")
    # Folds of one size: the hits of all images are the mean over folds, to the last image.
    check(abs(p["accuracy"] - t["value"]) < 1e-9, "the accuracy is the trial's:", p["accuracy"], t["value"])
    equal([c["name"] for c in p["classes"]], names, "classes")
    equal(sum(map(sum, p["confusion"])), CLASSES * EACH, "images in the matrix")
    for i, c in enumerate(p["classes"]):
        hits, given, taken = p["confusion"][i][i], sum(p["confusion"][i]), sum(r[i] for r in p["confusion"])
        equal(c["support"], given, "support")
        for key, want in ("precision", hits / taken), ("recall", hits / given), ("f1", 2 * hits / (given + taken)):
            check(abs(c[key] - want) < 1e-9, key, c, want)
check(report("--best")["best"]["predictions"]["covered"] == CLASSES * EACH, "the best trial has them as well")
text = box.hpo("report", "tiny", "--trial", "0").want(0, "out-of-fold predictions", "300 of 300 images in 5 folds",
                                                      "precision", "macro average", "confusion matrix")

# ---------------------------------------------------------------- labels
found = report("--labels")["labels"]
equal((found["images"], found["covered"], found["trials"], found["trials_without"]), (CLASSES * EACH, CLASSES * EACH, 3, 0),
      "what the list is made from")
suspects = found["suspects"]
equal(len(suspects), found["flagged"], "images listed")
equal([s["score"] for s in suspects], sorted(s["score"] for s in suspects), "the worst first")
hits = [s for s in suspects if s["path"] in changed]
print("%d of %d changed labels are among the %d that are flagged, %d among the first %d" % (
    len(hits), FLIPS, len(suspects), sum(s["path"] in changed for s in suspects[:FLIPS]), FLIPS))
check(len(hits) >= FLIPS - 3, "changed labels are found:", suspects, changed)
check(sum(s["path"] in changed for s in suspects[:FLIPS]) >= FLIPS - 3, "and lead the list:", suspects, changed)
check(sum(s["suggested"] == changed[s["path"]] for s in hits) >= len(hits) - 1, "with the right class:", hits, changed)
for s in suspects:
    check(s["suggested"] != s["label"] and 0 <= s["doubt"] <= 1 and s["trials"] == 3, "a row of the list:", s)

equal(report("--labels", "--top", "4")["labels"]["suspects"], suspects[:4], "--top")
rows = list(csv.DictReader(io.StringIO(box.hpo("report", "tiny", "--labels", "--csv").want(0).out)))
equal([(r["path"], float(r["score"])) for r in rows], [(s["path"], s["score"]) for s in suspects], "as CSV")
box.hpo("report", "tiny", "--labels").want(0, "300 of 300 images have out-of-fold predictions, of 3 trials", suspects[0]["path"])
box.hpo("report", "tiny", "--labels", "--top", "2").want(0, "%d more are doubted" % (len(suspects) - 2))
box.hpo("report", "tiny", "--labels", "--trial", "1").want(2, "one of --best")

# ---------------------------------------------------------------- files that are damaged or gone
equal(sorted(f for f in os.listdir(oof) if f.endswith(".oof")), ["0000.oof", "0001.oof", "0002.oof"], "files")
path = os.path.join(oof, "0001.oof")
with open(path, "r+b") as f:
    f.seek(500)
    byte = f.read(1)
    f.seek(500)
    f.write(bytes([byte[0] ^ 1]))
box.hpo("report", "tiny", "--trial", "1").want(1, "0001.oof", "checksum")
equal(report("--labels")["labels"]["trials_without"], 1, "a damaged file is left out")
box.hpo("report", "tiny", "--labels").want(0, "1 more complete trial has no predictions")
os.unlink(path)
equal(report("--trial", "1")["trial"]["predictions"], None, "no predictions")
listed = [f for f in os.listdir(oof) if f.endswith(".tsv")]
equal(len(listed), 1, "the list of images")
os.rename(os.path.join(oof, listed[0]), os.path.join(oof, "kept"))
equal([c["name"] for c in report("--trial", "0")["trial"]["predictions"]["classes"]], ["0", "1", "2"], "classes without names")
box.hpo("report", "tiny", "--labels").want(1, "no complete trial")
os.rename(os.path.join(oof, "kept"), os.path.join(oof, listed[0]))

# ---------------------------------------------------------------- some folds only, and other images for some trials
box.data()
some = box.study("some.yaml", study={"name": "some", "trials": 4},
                 space=("=", {"image_size": {"type": "categorical", "choices": [8, 16]}}))
box.hpo("run", some, "--set", "sampler={type: grid}", "--set", "study.trials=2").want(0)
t = json.loads(box.hpo("report", "some", "--trial", "0", "--json").want(0).out)["trial"]["predictions"]
equal((t["images"], t["covered"], t["folds"]), (60, 40, 2), "two of three folds")
t = json.loads(box.hpo("report", "some", "--labels", "--json").want(0).out)["labels"]
equal((t["images"], t["covered"], t["trials"]), (60, 40, 2), "both sizes of the images")
