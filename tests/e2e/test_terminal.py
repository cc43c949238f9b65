"""On a terminal: a live view that leaves the screen in order, colours unless NO_COLOR is set, Ctrl-C by the key."""
import os
import pty
import re
import select
import subprocess
import time

from harness import HPO, LIMIT, Box, check, equal, skip, sound

box = Box()
box.data()
study = box.study(trainer={"epochs": 30, "model": {"width": 8}})


def on_terminal(args, env, key_after=None):
    """Run with a terminal for stdin, stdout and stderr; returns what it printed and its exit status."""
    try:
        pid, fd = pty.fork()
    except OSError as e:
        skip("no pseudo-terminal can be had here: %s" % e)
    if pid == 0:
        os.chdir(box.dir)
        os.execve(HPO, [HPO, *args], env)
    out, end = b"", time.monotonic() + LIMIT
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                got = os.read(fd, 65536)
            except OSError:
                break  # the other end is closed
            if not got:
                break
            out += got
        if key_after and key_after in out:
            os.write(fd, b"\x03")
            key_after = None
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return out.decode(errors="replace"), os.waitstatus_to_exitcode(status)


plain = dict(box.env, TERM="xterm")
colour = {k: v for k, v in plain.items() if k != "NO_COLOR"}
SGR = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")

out, rc = on_terminal(["run", study, "--set", "study.trials=2"], colour)
equal(rc, 0, "exit status on a terminal\n" + out)
check("tiny" in out and "2" in out, "the live view names the study", out)
check(out.count("\x1b[?25l") == out.count("\x1b[?25h"), "a hidden cursor is shown again", repr(out[-500:]))
check(SGR.search(out), "colours on a terminal", repr(out[-500:]))
out, rc = on_terminal(["run", study], plain)
equal(rc, 0, "exit status with NO_COLOR\n" + out)
check(not SGR.search(out), "no colours with NO_COLOR", repr(out[-500:]))
out, rc = on_terminal(["report", "tiny"], plain)
check(rc == 0 and not SGR.search(out), "a report without colours", repr(out[-500:]))
out, rc = on_terminal(["run", study, "--set", "study.name=key", "--set", "trainer.epochs=2000"], plain, b"fold")
equal(rc, 130, "exit status after Ctrl-C\n" + out[-2000:])
sound_rows = box.db("key").execute("SELECT count(*) FROM trials WHERE state = 'RUNNING'").fetchone()[0]
equal(sound_rows, 1, "the interrupted trial waits for the next run")

# Piped into something that stops reading: the study is not lost.
reader = subprocess.run("'%s' run '%s' --set study.name=pipe | head -n 1" % (HPO, study), shell=True, cwd=box.dir,
                        env=box.env, stdout=subprocess.PIPE, timeout=LIMIT)
box.hpo("run", study, "--set", "study.name=pipe").want(0)
sound(box.db("pipe"), 3)
