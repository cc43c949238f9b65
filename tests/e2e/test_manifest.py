"""A manifest with groups, folds and crop boxes: no group in two folds, a box is what PIL cuts out, and what is wrong
is said with its place."""
import json
import os
import random
import struct

from harness import Box, check, equal

try:
    from PIL import Image, ImageOps
except ImportError:
    Image = None

SIDE, SIZE = 64, 16
box = Box()
random.seed(5)
data = box.data(classes=3, per_class=40, size=SIDE)
classes = sorted(os.listdir(data))
images = [(c, "data/%s/%s" % (c, n)) for c in classes for n in sorted(os.listdir(os.path.join(data, c)))]

# Persons: each has some pictures of some classes. A box of the size that is trained on needs no resizing.
group = {path: "person %d" % random.randrange(25) for _, path in images}
boxes = {path: (random.randrange(SIDE - SIZE), random.randrange(SIDE - SIZE), SIZE, SIZE) for _, path in images}
half = [path for _, path in images[::4]]
for path in half:  # twice the size: every pixel is the mean of four
    boxes[path] = (random.randrange(SIDE // 2), random.randrange(SIDE // 2), 2 * SIZE, 2 * SIZE)
turned = [path for _, path in images[1::4]]
if Image:  # photos of a camera that was held sideways
    for i, path in enumerate(turned):
        with Image.open(box.path(path)) as im:
            exif = Image.Exif()
            exif[0x0112] = 2 + i % 7
            im.convert("RGB").save(box.path(path), quality=95, exif=exif)


def manifest(name, rows=images, **columns):
    """Writes it; columns: name -> {path: value}."""
    lines = [",".join(["path", "label"] + list(columns))]
    for label, path in rows:
        lines.append(",".join([path, label] + [str(columns[c].get(path, "")) for c in columns]))
    return box.write(name, "\n".join(lines) + "\n")


def box_columns(of):
    return {name: {p: b[i] for p, b in of.items()} for i, name in enumerate("xywh")}


def study(path, name="tiny", folds=None, **more):
    return box.study(name + ".yaml", study={"name": name, "trials": 1}, data={"path": path, "image_size": SIZE,
                     "folds": ("=", folds or {}), **more})


def read_pack(path):
    """The squares of a packed file, as the program trains on them."""
    with open(path, "rb") as f:
        content = f.read()
    n, _, size = struct.unpack_from("<qqi", content, 32)
    each = size * size * 3
    return [content[4096 + i * each:4096 + (i + 1) * each] for i in range(n)]


# Boxes, against PIL.
path = manifest("boxes.csv", group=group, **box_columns(boxes))
out = box.hpo("data", "pack", path, "--size", str(SIZE), "--cache", box.path("packs")).want(0).out
squares = read_pack(out.split(" into ")[1].strip())
equal(len(squares), len(images), "squares in the packed file")
if Image:
    worst = 0
    for (label, name), square in zip(images, squares):
        x, y, w, h = boxes[name]
        with Image.open(box.path(name)) as im:
            im = ImageOps.exif_transpose(im).convert("RGB").crop((x, y, x + w, y + h))
        if w != SIZE:
            im = im.resize((SIZE, SIZE), Image.BOX)
        worst = max(worst, max(abs(a - b) for a, b in zip(im.tobytes(), square)))
    check(worst <= 2, "a box differs from PIL's crop by up to %d grey levels" % worst)
    print("%d boxes agree with PIL %s to %d grey levels" % (len(images), Image.__version__, worst))
else:
    print("no PIL: the pixels of the boxes were not compared")

# Another box makes another data set; the same file may be in it twice.
lines = open(path).read().splitlines()
twice = box.write("twice.csv", "\n".join(lines + [lines[1].rsplit(",", 4)[0] + ",0,0,9,9"]) + "\n")
a, b = (json.loads(box.hpo("data", "info", p, "--size", str(SIZE), "--json").want(0).out) for p in (path, twice))
equal(b["images"], a["images"] + 1, "rows that share a file")
check(a["digest"] != b["digest"], "boxes are part of what a data set is known by")

# Groups: what the program validates where is in its training; the counts of `check` must be whole groups.
sizes = {}
for label, name in images:
    sizes.setdefault(group[name], dict.fromkeys(classes, 0))[label] += 1


def counts_of(r):
    """For each fold how many images of each class validate."""
    found = json.loads(r.out)["data"]["classes"]
    return [tuple(c["folds"][k] for c in found) for k in range(len(found[0]["folds"]))]


def can_be_whole(counts):
    """Is there a set of groups with these class counts?"""
    reached = {(0,) * len(classes)}
    for g in sizes.values():
        reached |= {tuple(a + g[c] for a, c in zip(at, classes)) for at in reached}
        reached = {r for r in reached if all(a <= b for a, b in zip(r, counts))}
    return tuple(counts) in reached


for folds in ({"k": 4, "group": True}, {"k": 4, "group": True, "stratified": False}, {"k": 3, "group": True, "repeats": 2},
              {"k": 1, "valid": 0.25, "group": True}):
    r = box.hpo("check", study(path, folds=folds), "--json").want(0)
    counts = counts_of(r)
    equal(len(counts), folds["k"] * folds.get("repeats", 1), "folds of %r" % folds)
    check(all(can_be_whole(c) for c in counts), "a fold is not made of whole groups:", folds, counts)
    if folds["k"] > 1:
        for split in range(0, len(counts), folds["k"]):
            equal([sum(c) for c in zip(*counts[split:split + folds["k"]])], [40] * 3, "every image validates once a split")
    else:
        check(20 <= sum(counts[0]) <= 40, "a holdout of about a quarter:", counts)
r = box.hpo("run", study(path, "groups", {"k": 3, "group": True, "repeats": 2})).want(0)
equal([f for f, in box.db("groups").execute("SELECT fold FROM hpo_folds ORDER BY fold")], list(range(6)), "folds stored")
r = box.hpo("report", "groups", "--json").want(0)
equal(len(json.loads(r.out)["trials"][0]["folds"]), 6, "folds reported")

# The column says who validates; k follows it, also when the study goes on.
fold = {name: i % 4 - 1 for i, (_, name) in enumerate(images)}
given = manifest("given.csv", fold=fold, group=group)
r = box.hpo("check", study(given, "given"), "--json").want(0)
equal([sum(c) for c in counts_of(r)], [30, 30, 30], "images that validate in the column's folds")
check(any("are split over folds" in w for w in json.loads(r.out)["warnings"]), "unused groups are warned about", r)
box.hpo("run", study(given, "given")).want(0, "fold 2 epoch 1")
box.hpo("run", study(given, "given", {"k": 3}), "--set", "study.trials=2").want(0, "2 trials finished")
fold[images[0][1]] = 2
manifest("given.csv", fold=fold, group=group)
box.hpo("run", study(given, "given"), "--set", "study.trials=3").want(2, "differs from this file", "data (")

# A holdout, and one fold of it.
r = box.hpo("check", study("data", folds={"k": 1, "valid": 0.3})).want(0, "1 of 1 trained", "30 % of the images validate")
box.hpo("run", study("data", "holdout", {"k": 1, "valid": 0.3})).want(0, "complete")

# Equal pictures, a class that folds lack, a group of several labels: said by check, and once by run.
with open(box.path(images[0][1]), "rb") as f:
    content = f.read()
with open(box.path("data", "extra.jpg"), "wb") as f:
    f.write(content)
rare = manifest("rare.csv", images + [("rare", "data/extra.jpg")], group={**group, "data/extra.jpg": "nobody"})
r = box.hpo("check", study(rare, "rare", {"k": 4, "group": True})).want(
    0, "1 class is missing where a fold validates: 'rare' (1 image of 1 group) in folds ",
    "1 class is validated by a fold that has none to train on: 'rare'", "groups have images of several labels: 'person",
    "1 pair of equal images has different labels: '%s' (line 2) and 'data/extra.jpg' (line 122)" % images[0][1])
r = box.hpo("run", study(rare, "rare", {"k": 4, "group": True})).want(0)
equal(r.err.count("rare' (1 image"), 2, "each warning once in a run\n%s" % r)

# Mistakes: all of them end with status 2 and their place.
wrong = dict(boxes)
wrong[images[2][1]] = (50, 0, 15, 10)
for path, folds, words in [
    (manifest("outside.csv", **box_columns(wrong)), {}, ["outside.csv:4:", "outside", "50,0,15,10 of 64 x 64"]),
    (manifest("empty.csv", **box_columns({**boxes, images[2][1]: (5, 5, 0, 10)})), {}, ["empty.csv:4:", "box is empty"]),
    (manifest("some.csv", x={}, y={}, w={}), {}, ["some.csv:1:", "'h' is missing"]),
    (manifest("hole.csv", fold={n: 2 * (i % 2) for i, (_, n) in enumerate(images)}), {}, ["hole.csv", "no image is of fold 1"]),
    (manifest("word.csv", fold={images[1][1]: "train"}), {}, ["word.csv:3:", "the fold is 'train'"]),
    (manifest("plain.csv"), {"group": True}, ["bad.yaml:", "data.folds.group", "plain.csv"]),
    ("data", {"group": True}, ["bad.yaml:", "data.folds.group", "is a folder"]),
    (given, {"k": 4}, ["bad.yaml:", "data.folds.k", "has 3 folds"]),
    (given, {"repeats": 2}, ["bad.yaml:", "data.folds.repeats"]),
    (given, {"k": 1, "valid": 0.2}, ["bad.yaml:", "data.folds.valid"]),
    (given, {"run": 4}, ["bad.yaml:", "data.folds.run", "4 is more than the 3 folds"]),
    (given, {"group": True}, ["given.csv:", "group 'person", "on line"]),
    (manifest("few.csv", group={n: "p%d" % (i % 3) for i, (_, n) in enumerate(images)}), {"k": 4, "group": True},
     ["bad.yaml:", "data.folds.k", "4 folds of 3 groups"]),
    (manifest("one.csv", fold={n: 0 for _, n in images}), {}, ["fold 0 of 1 has nothing to train on"]),
]:
    for command in ("check", "run"):
        r = box.hpo(command, study(path, "bad", folds)).want(2, *words)
        check(not os.path.exists(box.path("runs", "bad")), "a mistake leaves no study behind:", r)
r = box.hpo("check", study(box.path("outside.csv"), "bad"), "--set", "data.on_error=skip").want(0, "1 left out", "has its box outside")
