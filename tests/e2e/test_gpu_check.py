"""scripts/gpu-check: what it packs starts elsewhere, says why it skips, and can fail.

    test_gpu_check.py GPU_CHECK BUILD [MODULE]     MODULE: the stand-in for a GPU (tests/kernels/cuda/fake_module.c)
"""
import json
import os
import subprocess
import sys
import tarfile
import tempfile

script, build, module = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), (sys.argv[3:] + [None])[0]
box = tempfile.TemporaryDirectory(prefix="hpo-e2e-")
HOME = os.path.join(box.name, "unpacked", "gpu-check")
env = {k: v for k, v in os.environ.items() if not k.startswith(("HPO_", "FAKE_"))}


def check(condition, *what):
    if not condition:
        raise AssertionError("\n".join(map(str, what)))


def run(*args, rc=0, cwd=box.name, **more):
    r = subprocess.run(args, cwd=cwd, env=dict(env, **more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       universal_newlines=True, timeout=240)
    check(r.returncode == rc, "%s: exit status %d, expected %d" % (" ".join(args), r.returncode, rc), r.stdout)
    return r.stdout


def steps(only, rc=0, **more):
    """{name: result} of a run; the table and results.json say the same."""
    out = run("./gpu-check", "run", "--quick", "--only", only, "--out", "out", rc=rc, cwd=HOME, **more)
    with open(os.path.join(HOME, "out", "results.json")) as f:
        told = json.load(f)
    check(out.splitlines()[-1] == "%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % told, out)
    for s in told["steps"]:
        check(any(line.split()[:2] == [s["name"], s["result"]] for line in out.splitlines()), s["name"], out)
        check(s["result"] != "skipped" or s["reason"], "a skip without a reason:", out)
        check(not s["log"] or os.path.exists(os.path.join(HOME, "out", s["log"])), s)
    return {s["name"]: s["result"] for s in told["steps"]}, out


archive = os.path.join(box.name, "a.tar.gz")
out = run(script, "pack", archive, "--build", build)
check(os.path.getsize(archive) < 64 << 20 and "MiB" in out, out)
with tarfile.open(archive) as t:
    check(all(m.name.split("/")[0] == "gpu-check" and (m.isfile() or m.isdir()) for m in t.getmembers()), t.getnames())
    t.extractall(os.path.join(box.name, "unpacked"))
for name in ("hpo", "bench_device"):
    check(os.access(os.path.join(HOME, "bin", name), os.X_OK), name)

got, out = steps("programs,device,study")
check(got["programs"] == "passed" and got["device"] != "failed", out)
check(got["study"] == ("passed" if got["device"] == "passed" else "skipped"), out)
run("./gpu-check", "run", "--only", "nonsense", rc=1, cwd=HOME)
check("compute-sanitizer" in run("./gpu-check", "list", cwd=HOME), "the list of steps")
if module:
    got, out = steps("device,backend,memory,kill", HPO_CUDA_MODULE=os.path.abspath(module))
    check(set(got.values()) == {"passed"} and len(got) == 4, out)
    got, out = steps("device,study", rc=1, HPO_CUDA_MODULE=os.path.abspath(module), FAKE_GPU_FAIL="0:train")
    check(got == {"device": "passed", "study": "failed"}, out)
print(out.splitlines()[-1])
