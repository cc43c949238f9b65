"""SIGINT and SIGTERM save everything and say so in the exit status; the same command goes on to the same result."""
import os
import random
import signal
import time

from harness import Box, alive, check, children, content, same_study, sound, until, wait_for

box = Box()
box.data(classes=3, per_class=30)
study = box.study(study={"trials": 3}, trainer={"epochs": 25, "model": {"width": 8}})
box.hpo("run", study, "--dir", box.path("reference")).want(0)
expected = content(box.db(runs="reference"))


def interrupted(signals, rc, group=False):
    """Start (or go on), signal in the middle of training, wait. Returns seconds from signal to exit."""
    p = box.start("run", study)
    until(box, p, " epoch ", random.randint(1, 12))
    workers = children(p.pid)
    begin = time.monotonic()
    for number in signals:
        if group:  # what a terminal does
            os.killpg(p.pid, number)
        else:
            p.send_signal(number)
        time.sleep(0.02)
    r = box.finish(p, 20 if len(signals) == 1 else 10).want(rc)
    took = time.monotonic() - begin
    wait_for("the workers are gone", lambda: not any(alive(w) for w in workers), limit=20)
    return r, took


r, took = interrupted([signal.SIGINT], 130)
print("SIGINT: %.2f s to exit" % took)
check("interrupted" in r.out + r.err and "the same command goes on" in r.out + r.err, "says how to go on", r)
check(box.db().execute("SELECT count(*) FROM trial_intermediate_values").fetchone()[0] > 0, "reports were stored")
r, took = interrupted([signal.SIGTERM], 143)
print("SIGTERM: %.2f s to exit" % took)
r, took = interrupted([signal.SIGINT], 130, group=True)
print("Ctrl-C: %.2f s to exit" % took)
r, took = interrupted([signal.SIGINT, signal.SIGINT], 130, group=True)
print("Ctrl-C twice: %.2f s to exit" % took)

box.hpo("run", study).want(0)
sound(box.db(), 3)
same_study(content(box.db()), expected, "the interrupted study differs from the one that was left alone:")
