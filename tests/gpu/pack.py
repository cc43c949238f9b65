"""scripts/gpu-check pack: build, and put everything that another machine needs into one archive."""
import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import loader

MAX_BYTES = 64 << 20
NAME = "gpu-check"
BUILD = ["-Dbuildtype=release", "-Dcuda=enabled", "-Dtests=true"]

# Programs, by their targets; and whichever tests of single operations are linked with CUDA.
PROGRAMS = ["hpo/cli/hpo", "tests/kernels/test_gpu", "tests/kernels/test_gpu_step", "tests/kernels/test_cuda_device",
            "tests/bench/bench_device", "tests/bench/dump_data"]
MODULE = "kernels/cuda/hpo-cuda.so"
OPERATIONS = re.compile(r"^tests/.*/ops_\w+_cuda$")
SCRIPTS = {
    "tests/gpu": ["loader.py", "machine.py", "run.py", "steps.py"],
    "tests/bench": ["gpu_peer.py", "gpu_train.py", "gpu_study.py", "gpu_cifar.py", "gpu_profile.py"],
    "tests/e2e": ["harness.py", "test_gpu_trials.py", "test_kill_sweep.py", "test_interrupt.py", "test_two_workers.py",
                  "test_pruning.py", "test_lag.py"],
}


def die(text):
    sys.exit("gpu-check: " + text)


def call(*args):
    """What it printed; when it fails, that is shown and the end."""
    try:
        r = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, errors="replace")
    except OSError as e:
        die("%s: %s" % (args[0], e.strerror))
    if r.returncode:
        print("\n".join(r.stdout.splitlines()[-40:]))
        die("failed: %s" % " ".join(args))
    return r.stdout


def build(root, folder):
    """{name in bin/: file} of what was built."""
    if not os.path.isfile(os.path.join(folder, "build.ninja")):
        call("meson", "setup", folder, root, *BUILD)
    call("ninja", "-C", folder, "build.ninja")
    targets = {line.split(":")[0] for line in call("ninja", "-C", folder, "-t", "targets", "all").splitlines()}
    wanted = [t for t in PROGRAMS + [MODULE] if t in targets] + sorted(t for t in targets if OPERATIONS.match(t))
    if PROGRAMS[0] not in targets:
        die("%s is no build folder of this program" % folder)
    for t in PROGRAMS[1:]:
        if t not in targets:
            print("note: this build has no %s" % os.path.basename(t))
    if MODULE not in targets:
        print("note: this build has no hpo-cuda.so (CUDA, cuDNN and cuBLAS are needed): there is nothing that could run on a GPU")
    print("building %d programs in %s" % (len(wanted), os.path.relpath(folder)), flush=True)
    call("ninja", "-C", folder, *wanted)
    return {os.path.basename(t): os.path.join(folder, t) for t in wanted}


def copy_programs(files, to):
    """Programs into bin, stripped; what the loader finds for them here into lib."""
    libraries = {}
    os.makedirs(os.path.join(to, "bin"))
    os.makedirs(os.path.join(to, "lib", "fallback"))
    for name, path in files.items():
        for lib, where in loader.needed(path).items():
            if not lib:
                die("%s: %s" % (path, where))
            if loader.SYSTEM.match(lib) or loader.NVIDIA.match(lib):
                continue
            if where is None:
                die("%s needs %s, which is not found here" % (name, lib))
            libraries[lib] = where
        shutil.copy2(path, os.path.join(to, "bin", name))
        call("strip", "--strip-unneeded", os.path.join(to, "bin", name))
    for lib, where in libraries.items():
        folder = os.path.join("lib", "fallback") if loader.FALLBACK.match(lib) else "lib"
        shutil.copy2(where, os.path.join(to, folder, lib))
    return sorted(libraries)


def pictures(hpo, data, limit, to):
    """A folder a class with JPEGs and PNGs: they take a sixth of the room that decoded ones do."""
    if data is None:
        call(hpo, "data", "synth", to, "--classes", "10", "--images", "500", "--size", "32")
        return sum(len(names) for _, _, names in os.walk(to))
    classes = sorted(d for d in os.listdir(data) if os.path.isdir(os.path.join(data, d)))
    lists = {c: sorted(n for n in os.listdir(os.path.join(data, c)) if n.lower().endswith((".jpg", ".jpeg", ".png")))
             for c in classes}
    total = sum(map(len, lists.values()))
    if not total:
        die("%s has no folders of pictures" % data)
    copied = 0
    for c, names in lists.items():
        os.makedirs(os.path.join(to, c))
        for name in names[:max(1, round(len(names) * min(1, limit / total))) if limit else None]:
            shutil.copyfile(os.path.join(data, c, name), os.path.join(to, c, name))
            copied += 1
    return copied


def write_archive(folder, out):
    """Same content, same bytes: no times, no owners."""
    def plain(info):
        info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    part = out + ".part"
    with open(part, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as tar:
            tar.add(folder, NAME, filter=plain)
    os.replace(part, out)
    return os.path.getsize(out)


def version(root):
    try:
        r = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty"], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, universal_newlines=True)
        return r.stdout.strip()
    except OSError:
        return ""


def fill(root, to, a):
    files = build(root, os.path.abspath(a.build) if a.build else os.path.join(root, "build-gpu"))
    libraries = copy_programs(files, to)
    shutil.copy2(os.path.join(root, "scripts", "gpu-check"), os.path.join(to, "gpu-check"))
    for folder, names in SCRIPTS.items():
        os.makedirs(os.path.join(to, folder))
        for name in names:
            shutil.copy2(os.path.join(root, folder, name), os.path.join(to, folder, name))
    shutil.copytree(os.path.join(root, "studies"), os.path.join(to, "studies"),
                    ignore=shutil.ignore_patterns("meson.build", "__pycache__"))
    n = pictures(files["hpo"], a.data, a.limit, os.path.join(to, "data"))
    natives = [os.path.join(at, f) for top in ("bin", "lib") for at, _, names in os.walk(os.path.join(to, top)) for f in names]
    manifest = {"version": version(root), "programs": sorted(files), "libraries": libraries, "pictures": n,
                "drawn": a.data is None, "glibc": "%d.%d" % loader.glibc_of(natives)}
    with open(os.path.join(to, "manifest.json"), "w") as f:
        json.dump(manifest, f, indent=1, sort_keys=True)
    return manifest


def main(root, words):
    p = argparse.ArgumentParser(prog="gpu-check pack", add_help=False, usage="gpu-check pack [OUT.tar.gz] [--build DIR] "
                                "[--data DIR] [--limit N]; gpu-check --help says more")
    p.add_argument("out", nargs="?", default="gpu-check.tar.gz")
    p.add_argument("--build")
    p.add_argument("--data")
    p.add_argument("--limit", type=int, default=0)
    a = p.parse_args(words)
    if not os.path.isfile(os.path.join(root, "meson.build")):
        die("pack works in a checkout; this is an unpacked archive: ./gpu-check run")
    if a.data and not os.path.isdir(a.data):
        die("%s is not a folder" % a.data)
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as box:
        to = os.path.join(box, NAME)
        os.makedirs(to)
        m = fill(root, to, a)
        size = write_archive(to, a.out)
        print("%s: %.1f MiB; %d programs, %d libraries, %d pictures, for glibc %s or newer" % (
            a.out, size / 2**20, len(m["programs"]), len(m["libraries"]), m["pictures"], m["glibc"]))
        if size > MAX_BYTES:
            sizes = sorted(((os.path.getsize(os.path.join(at, f)), os.path.relpath(os.path.join(at, f), to))
                            for at, _, names in os.walk(to) for f in names), reverse=True)
            print("the largest files, before compression: " + ", ".join("%s %.1f MiB" % (n, s / 2**20) for s, n in sizes[:5]))
            die("more than %d MiB: give it fewer pictures (--limit)" % (MAX_BYTES >> 20))
    print("on the other machine: tar xzf %s && cd %s && ./gpu-check run" % (os.path.basename(a.out), NAME))
    return 0
