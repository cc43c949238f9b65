"""A full disk: a clear message, nothing lost, and the same command goes on when there is room again."""
import atexit
import os
import subprocess

from harness import Box, check, content, same_study, skip, sound

box = Box()
disk = box.path("disk")
os.makedirs(disk)
if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk],
                                       stderr=subprocess.DEVNULL).returncode:
    skip("only root can mount a small file system here")
atexit.register(lambda: subprocess.run(["umount", "-l", disk]))

box.data()
study = box.study(study={"trials": 4}, trainer={"epochs": 10, "model": {"width": 16}})
box.hpo("run", study, "--dir", box.path("reference")).want(0)
expected = content(box.db(runs="reference"))

for left in (0, 40, 100, 160, 250):  # KiB: it runs out at the start, in the database, in a checkpoint ...
    runs = os.path.join(disk, "runs")
    subprocess.run(["rm", "-rf", runs], check=True)
    with open(os.path.join(disk, "filler"), "wb", buffering=0) as f:
        try:
            while f.write(b"\0" * 4096):
                pass
        except OSError:
            pass
        f.truncate(max(0, f.tell() - left * 1024))
    r = box.hpo("run", study, "--dir", runs)
    full = r.rc != 0
    print("%d KiB left: exit status %d: %s" % (left, r.rc, r.err.strip().splitlines()[-1:] or ""))
    if full:
        r.want(1)
        check("space" in r.err.lower() or "full" in r.err.lower(), "says that the disk is full:", r)
    os.unlink(os.path.join(disk, "filler"))
    box.hpo("run", study, "--dir", runs).want(0)
    db = box.db(runs=runs)
    sound(db, 4)
    same_study(content(db), expected, "the study that met a full disk (%d KiB left) differs:" % left)
