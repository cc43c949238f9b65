"""A broken image is named with its reason; data.on_error: skip goes on without it and says so. Manifests."""
import json
import os

from harness import Box, check, equal

box = Box()
data = box.data(classes=2, per_class=12)
study = box.study(study={"trials": 1})
classes = sorted(os.listdir(data))
victims = [os.path.join(classes[0], sorted(os.listdir(os.path.join(data, classes[0])))[i]) for i in (1, 2, 3)]
whole = open(os.path.join(data, victims[0]), "rb").read()
for name, content in zip(victims, [whole[:len(whole) // 3], b"", b"this is no picture"]):
    with open(os.path.join(data, name), "wb") as f:
        f.write(content)

r = box.hpo("run", study).want(1, *victims)  # every one of them, not only the first
r = box.hpo("run", study, "--json", "--set", "data.on_error=skip").want(0)
equal((r.event("data")["decoded"], r.event("data")["left_out"]), (21, 3), "images decoded and left out")
info = json.loads(box.hpo("data", "info", data, "--size", "8", "--skip", "--json").want(0).out)
equal(sorted(b["path"] for b in info["left_out"]), sorted(victims), "images that data info lists as left out")
check(all(b["reason"] for b in info["left_out"]), "each with its reason", info)

# A manifest: the same pictures in another arrangement; a path out of the folder is refused with its line.
os.makedirs(box.path("m"))
rows = ["path,label"]
for c in classes:
    os.rename(os.path.join(data, c), box.path("m", c))
    rows += ["%s/%s,%s" % (c, n, c) for n in sorted(os.listdir(box.path("m", c))) if os.path.join(c, n) not in victims]
manifest = box.write(os.path.join("m", "train.csv"), "\n".join(rows) + "\n")
box.hpo("run", box.study(study={"trials": 1, "name": "manifest"}, data={"path": manifest})).want(0)
for bad in ("../study.yaml", "/etc/passwd", "%s/../../study.yaml" % classes[0]):
    path = box.write(os.path.join("m", "bad.csv"), "\n".join(rows[:5] + ["%s,%s" % (bad, classes[0])]) + "\n")
    r = box.hpo("run", box.study(study={"name": "bad"}, data={"path": path}))
    check(r.rc in (1, 2) and "bad.csv:6" in r.err, "a path that leaves the folder is refused with its line:", r)
