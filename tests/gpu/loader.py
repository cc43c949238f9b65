"""What a program needs to start: the shared libraries that the loader finds for it, or does not."""
import os
import re
import subprocess

LOADER = "/lib64/ld-linux-x86-64.so.2"

# What the machine must have: the C library, whose parts belong to its kernel and loader, ...
SYSTEM = re.compile(r"^(linux-vdso|ld-linux-x86-64|libc|libm|libpthread|libdl|librt|libutil|libresolv|libanl|libmvec)\.so\b")
# ... and NVIDIA's.
NVIDIA = re.compile(r"^lib(cuda|cudart|cudnn\w*|cublas|cublasLt|nvrtc|nvidia[-\w]*|nvJitLink|nvblas)\.so\b")
# Every machine has some, and an older one in their place could break NVIDIA's: used only where there is none.
FALLBACK = re.compile(r"^lib(stdc\+\+|gcc_s)\.so\b")


def needed(path, env=None):
    """{name: where the loader finds it, or None}, of the file and of all that it needs in turn. An error that keeps the
    loader from telling (another machine's file, a C library that is too old) is in the key ''."""
    env = dict(os.environ if env is None else env, LD_TRACE_LOADED_OBJECTS="1")  # as ldd does: list and do not start
    try:
        r = subprocess.run([LOADER, path], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           universal_newlines=True)
    except OSError as e:
        return {"": "%s: %s" % (LOADER, e.strerror)}
    ret = {}
    for line in r.stdout.splitlines():
        m = re.match(r"\s*(\S+) => (not found|\S+)", line)
        if m:
            ret[os.path.basename(m.group(1))] = None if m.group(2) == "not found" else m.group(2)
        elif "version `" in line or "error while" in line or "invalid ELF" in line:
            ret[""] = line.strip()
    if r.returncode and not ret:
        ret[""] = r.stdout.strip()
    return ret


def glibc_of(paths):
    """The newest version of the C library that one of the files asks for, as (2, 36)."""
    found = {(2, 0)}
    for path in paths:
        with open(path, "rb") as f:
            found.update((2, int(v)) for v in re.findall(rb"(?<=\0)GLIBC_2\.(\d+)(?:\.\d+)?(?=\0)", f.read()))
    return max(found)
