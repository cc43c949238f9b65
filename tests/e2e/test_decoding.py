"""A trial that waits for its images (another program decodes them; here: the test holds the cache's lock) holds up
neither the other trials on its device nor the end of the run."""
import fcntl
import os
import signal
import time

from harness import Box, check, equal, sound, until, wait_for

box = Box()
box.data(classes=2, per_class=300, size=32)
cache = box.path("cache", "hpo")


def lock_name():
    """The name of the lock for images of 12 pixels: seen while they are made, which is then cut off."""
    found = []

    def seen():
        found[:] = [n for n in (os.listdir(cache) if os.path.isdir(cache) else []) if n.endswith(".lock")]
        return found or p.poll() is not None

    for _ in range(20):
        p = box.start("data", "pack", box.path("data"), "--size", "12")
        wait_for("a lock in the cache", seen, step=0)
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        if found:
            return found[0]
        for name in os.listdir(cache):
            os.unlink(os.path.join(cache, name))
    raise AssertionError("the lock is never to be seen")


name = lock_name()
box.hpo("data", "pack", box.path("data"), "--size", "8").want(0)
# Both sizes at once, whichever comes first: 8 goes on by itself, 12 waits.
study = box.study(study={"trials": 2}, sampler={"type": "grid"}, devices={"trials_per_device": 2},
                  trainer={"epochs": 2}, space=("=", {"image_size": {"type": "categorical", "choices": [8, 12]}}))
lock = os.open(os.path.join(cache, name), os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
p = box.start("run", study)
until(box, p, " complete: ")
time.sleep(0.5)  # the other one would end now, too, if it did not wait
equal(box.result(p, None).out.count(" complete: "), 1, "trials that end while one waits for its images")
p.send_signal(signal.SIGINT)
r = box.finish(p, 20).want(130, "the same command goes on")
check("killed" not in r.out + r.err, "the worker obeys while it waits for images", r)
os.close(lock)
box.hpo("run", study).want(0)
sound(box.db(), 2)
