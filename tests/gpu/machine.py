"""The machine that gpu-check runs on: does the program start here, is there a GPU, where are CUDA's libraries, which
Python has PyTorch."""
import glob
import json
import os
import platform
import re
import shutil
import subprocess
import sys

import loader

# In a process of its own: what asks the driver keeps it.
COUNT_GPUS = """
import ctypes
d = ctypes.CDLL("libcuda.so.1")
n, v = ctypes.c_int(), ctypes.c_int()
rc = d.cuInit(0) or d.cuDeviceGetCount(ctypes.byref(n)) or d.cuDriverGetVersion(ctypes.byref(v))
print(rc, n.value, v.value)
"""
SITES = "import site, sys; print('\\n'.join(site.getsitepackages() + [site.getusersitepackages()] + sys.path))"
TORCH = "import torch; print(torch.__version__, torch.version.cuda, torch.cuda.is_available())"


def output(*args, env=None, limit=120):
    """(exit status, stdout and stderr), or (None, why) when it cannot be run."""
    try:
        r = subprocess.run(args, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                           universal_newlines=True, errors="replace", timeout=limit)
        return r.returncode, r.stdout
    except OSError as e:
        return None, e.strerror
    except subprocess.TimeoutExpired:
        return None, "no answer within %d s" % limit


def unique(paths):
    return list(dict.fromkeys(p for p in paths if p))


class Machine:
    def __init__(self, root, python=None):
        self.bin = os.path.join(root, "bin")
        with open(os.path.join(root, "manifest.json")) as f:
            self.manifest = json.load(f)
        self.programs = self.manifest["programs"]
        self.pythons = unique([python] if python else [
            sys.executable, shutil.which("python3"), "/usr/bin/python3", *sorted(glob.glob("/opt/*/bin/python3"))])
        self.path = [os.path.join(root, "lib")]  # LD_LIBRARY_PATH of our programs
        self.lines = []  # what there is to tell
        self.no_cuda = None  # what hpo-cuda.so lacks
        self.trouble = self.find_trouble(root)  # why programs do not start
        self.driver = "" if self.trouble else self.find_driver()
        self.gpu, self.no_gpu = (None, self.trouble) if self.trouble else self.find_gpu()
        self.python, self.torch = self.find_torch()

    @property
    def env(self):
        """For programs of ours."""
        more = os.environ.get("LD_LIBRARY_PATH")
        return dict(os.environ, LD_LIBRARY_PATH=os.pathsep.join(self.path + ([more] if more else [])))

    # ---------------------------------------------------------------- libraries

    def find_trouble(self, root):
        if platform.machine() != "x86_64":
            return "the programs are for x86-64, this machine is %s" % platform.machine()
        try:
            here = os.confstr("CS_GNU_LIBC_VERSION").split()[1]
        except (ValueError, OSError, AttributeError, IndexError):
            return "the programs need glibc, which this system is not built on"
        self.lines.append("glibc %s, the programs need %s" % (here, self.manifest["glibc"]))
        if tuple(map(int, here.split("."))) < tuple(map(int, self.manifest["glibc"].split("."))):
            return ("glibc here is %s, the archive was made where it is newer and needs %s: pack it on a system no newer "
                    "than this one" % (here, self.manifest["glibc"]))
        missing = self.missing()
        if any(loader.FALLBACK.match(n) for n in missing) or re.search("GLIBCXX_|CXXABI_|GCC_", missing.get("", "")):
            self.path.append(os.path.join(root, "lib", "fallback"))
            missing = self.missing()
        self.find_nvidia(missing)
        missing = self.missing()
        others = sorted(n for n in missing if not loader.NVIDIA.match(n))
        if others:
            return missing[""] if "" in others else "not found: %s (needed by %s)" % (others[0], missing[others[0]])
        self.lines += ["not found: %s, needed by %s%s" % (n, missing[n], self.similar(n)) for n in sorted(missing)]
        self.no_cuda = self.lacks("hpo-cuda.so")
        status, text = output(os.path.join(self.bin, "hpo"), "--version", env=self.env)
        return None if status == 0 else "hpo does not start: %s" % text.strip()

    def lacks(self, program):
        """Why this one cannot be loaded, or None."""
        if program not in self.programs:
            return None
        found = loader.needed(os.path.join(self.bin, program), self.env)
        names = sorted(n for n, where in found.items() if n and where is None)
        return found.get("") or (names and "not found: %s%s" % (names[0], self.similar(names[0]))) or None

    def missing(self):
        """{library that the loader does not find: who needs it}"""
        ret = {}
        for name in self.programs:
            for lib, where in loader.needed(os.path.join(self.bin, name), self.env).items():
                if not lib or where is None:
                    ret.setdefault(lib, name if lib else "%s: %s" % (name, where))
        return ret

    def folders(self):
        """Where CUDA's libraries may lie that the loader does not know of."""
        ret = []
        for home in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), os.environ.get("CUDNN_HOME"),
                     "/usr/local/cuda", *sorted(glob.glob("/usr/local/cuda-13*"), reverse=True)):
            if home:
                ret += [os.path.join(home, d) for d in ("lib64", "lib", "targets/x86_64-linux/lib")]
        for python in self.pythons:
            for site in output(python, "-c", SITES)[1].splitlines():
                if site.startswith("/"):
                    ret += sorted(glob.glob(os.path.join(site, "nvidia", "*", "lib")))
        ret += ["/usr/local/nvidia/lib64", "/usr/lib/wsl/lib", "/usr/lib64-nvidia"]
        return [d for d in unique(ret) if os.path.isdir(d)]

    def find_nvidia(self, missing):
        """Folders of what is missing go into the path; one that has more of it is as good for the rest."""
        wanted = {n for n in missing if loader.NVIDIA.match(n)}
        for folder in self.folders() if wanted else []:
            if any(os.path.exists(os.path.join(folder, n)) for n in wanted):
                self.path.append(folder)
                self.lines.append("CUDA's libraries in " + folder)
                wanted = {n for n in self.missing() if loader.NVIDIA.match(n)}
                if not wanted:
                    break

    def similar(self, name):
        stem = name.split(".so")[0] + ".so."
        found = unique(os.path.basename(f) for d in self.folders() for f in glob.glob(os.path.join(d, stem + "*")))
        return "; there is " + ", ".join(sorted(found)[:3]) if found else ""

    # ---------------------------------------------------------------- the GPU

    def find_driver(self):
        """"" without a GPU; what the driver says otherwise."""
        status, text = output(sys.executable, "-c", COUNT_GPUS, env=self.env)
        if status != 0:  # not where the loader looks?
            folder = next((d for d in ("/usr/local/nvidia/lib64", "/usr/lib/wsl/lib", "/usr/lib64-nvidia")
                           if os.path.exists(os.path.join(d, "libcuda.so.1"))), None)
            if folder:
                self.path.append(folder)
                status, text = output(sys.executable, "-c", COUNT_GPUS, env=self.env)
        if status != 0:
            return ""
        rc, n, version = map(int, text.split())
        if rc or not n:
            return ""
        return "%d GPU%s, a driver for CUDA %d.%d" % (n, "" if n == 1 else "s", version // 1000, version % 1000 // 10)

    def find_gpu(self):
        """(what the program says of its first GPU, None) or (None, why it has none)."""
        if self.driver:
            self.lines.append(self.driver)
        status, text = output(os.path.join(self.bin, "hpo"), "list", "devices", "--json", env=self.env)
        if status != 0:
            return None, "hpo list devices: " + text.strip()
        cuda = next((b for b in json.loads(text)["devices"] if b["name"] == "cuda"), None)
        if not cuda:
            return None, "this build has no CUDA"
        if not cuda["devices"]:
            return None, cuda["none_because"]
        gpu = cuda["devices"][0]
        if "error" in gpu:
            return None, gpu["error"]
        self.lines.append("cuda:0 is %s, %.1f GiB, %s" % (gpu["name"], gpu["memory_total"] / 2**30, gpu["detail"]))
        if os.environ.get("HPO_CUDA_MODULE"):
            self.lines.append("HPO_CUDA_MODULE is set: this is what that module says, not hpo-cuda.so")
        return gpu, None

    # ---------------------------------------------------------------- other programs

    def find_torch(self):
        """The first Python whose PyTorch sees a GPU; without any, the first that has PyTorch."""
        found = None
        for python in self.pythons:
            status, text = output(python, "-c", TORCH)
            words = text.split()
            if status == 0 and len(words) == 3:
                found = found or (python, text.strip())
                if words[2] == "True":
                    found = python, text.strip()
                    break
        if found:
            self.lines.append("PyTorch %s (for CUDA %s, sees a GPU: %s) in %s" % (*found[1].split(), found[0]))
        return found or (None, None)

    def tool(self, name):
        """A tool of the CUDA Toolkit or of Nsight."""
        places = [os.path.join(h, "bin") for h in (os.environ.get("CUDA_HOME"), "/usr/local/cuda") if h]
        places += sorted(glob.glob("/opt/nvidia/nsight-*/*"), reverse=True)
        return shutil.which(name) or next((os.path.join(d, name) for d in places if os.access(os.path.join(d, name), os.X_OK)),
                                          None)

    def wrappers(self, folder):
        """For scripts: programs that start with the right libraries, which Python itself must not see."""
        os.makedirs(folder, exist_ok=True)
        for name in self.programs:
            path = os.path.join(folder, name)
            if name.endswith(".so"):
                continue
            with open(path, "w") as f:
                f.write("#!/bin/sh\nLD_LIBRARY_PATH='%s' exec '%s' \"$@\"\n" % (
                    self.env["LD_LIBRARY_PATH"].replace("'", "'\\''"), os.path.join(self.bin, name).replace("'", "'\\''")))
            os.chmod(path, 0o755)
        return folder
