#!/usr/bin/env python3
"""Where the time of a large training goes, kernel by kernel: gpu_profile.py BENCH_DEVICE [NETWORK WIDTH BATCH PRECISION]

Measured by Nsight Compute (ncu) or Nsight Systems (nsys), whichever works here. Prints the share of the time that passes
outside cuDNN and cuBLAS, and the kernels that take most, with what they were counted as, told by their names. Steps run
without CUDA graphs, kernels one by one. Skips without a profiler. Only Python's standard library is used.
"""
import csv
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIP = 77
LIBRARY = re.compile(r"cudnn|cublas|cutlass|xmma|gemm|gemv|implicit|fprop|dgrad|wgrad|nchwTo|nhwcTo|winograd|splitK|conv2d|"
                     r"^sm\d+_|_sm\d+_|cask", re.I)
NANO = {"ns": 1, "nsecond": 1, "us": 1e3, "usecond": 1e3, "ms": 1e6, "msecond": 1e6, "s": 1e9, "second": 1e9}

bench = os.path.abspath(sys.argv[1])
case = sys.argv[2:] or ["resnet18", "64", "1024", "bf16"]
command = [bench, "cuda:0", *case, "1", "1"]
env = dict(os.environ, HPO_CUDA_GRAPH="0")


def tool(name):
    places = sorted(glob.glob("/opt/nvidia/nsight-*/*"), reverse=True) + ["/usr/local/cuda/bin"]
    return shutil.which(name) or next((os.path.join(d, name) for d in places if os.access(os.path.join(d, name), os.X_OK)), None)


def run(args):
    r = subprocess.run(args, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, errors="replace")
    if r.returncode:
        print("%s: exit status %d: %s" % (os.path.basename(args[0]), r.returncode, (r.stderr or r.stdout).strip()[-500:]))
    return r.stdout if r.returncode == 0 else ""


def by_ncu(path):
    """{kernel: nanoseconds} of launches after the first steps, which choose and load."""
    out = run([path, "--metrics", "gpu__time_duration.sum", "--clock-control", "none", "--csv", "--page", "raw",
               "--target-processes", "all", "--launch-skip", "600", "--launch-count", "1200", *command])
    rows = list(csv.reader(line for line in out.splitlines() if line.startswith('"')))
    ret = {}
    if len(rows) > 2:
        name, time = rows[0].index("Kernel Name"), rows[0].index("gpu__time_duration.sum")
        unit = NANO[rows[1][time]]
        for r in rows[2:]:
            ret[r[name]] = ret.get(r[name], 0) + float(r[time].replace(",", "")) * unit
    return ret


def by_nsys(path):
    with tempfile.TemporaryDirectory(prefix="hpo-bench-") as box:
        report = os.path.join(box, "report")
        run([path, "profile", "-t", "cuda", "-s", "none", "-o", report, *command])
        files = glob.glob(report + ".nsys-rep")
        out = run([path, "stats", "-q", "--report", "cuda_gpu_kern_sum", "--format", "csv", files[0]]) if files else ""
    rows = list(csv.DictReader(line for line in out.splitlines() if line.count(",") > 3))
    return {r["Name"]: float(r["Total Time (ns)"]) for r in rows if r.get("Total Time (ns)")}


times, by = {}, ""
for by, measure in (("ncu", by_ncu), ("nsys", by_nsys)):
    path = tool(by)
    times = measure(path) if path else {}
    if times:
        break
if not times:
    print("skipped: no ncu or nsys that works here")
    sys.exit(SKIP)
total = sum(times.values())
own = sum(t for k, t in times.items() if not LIBRARY.search(k))
print("%s, by %s: %.1f ms in kernels, top 25:" % (" ".join(case), by, total / 1e6))
for kernel, t in sorted(times.items(), key=lambda i: -i[1])[:25]:
    print("%6.1f %%  %-7s  %s" % (100 * t / total, "library" if LIBRARY.search(kernel) else "ours", kernel[:110]))
print(json.dumps({"bench": "profile", "case": case, "by": by, "outside_libraries": round(own / total, 4)}))
print("outside cuDNN and cuBLAS: %.1f %% of the time in kernels" % (100 * own / total))
