"""Who may include whom, and what else holds for every source file.

    check_includes.py ROOT

Prints `file:line: what is wrong` for each violation and exits 1 when there is one. The rules are
those of docs/architecture.md: the lower layers know nothing of the upper ones, a plug-in knows its
interface and nothing of its neighbours, and a path in an #include starts at the root.
"""
import re
import sys
from pathlib import Path

FOLDERS = ["base", "kernels", "trainer", "samplers", "hpo", "tests"]
LINES_MAX, LINES_WARN = 600, 450

# Folder of a file -> what it may include: folders ("x/", with all below), or patterns. The longest
# folder that fits counts. Everything may include its own folder.
PUBLIC = r"[^/]+\.h"
RULES = {
    "base": [],
    "kernels": ["base/"],
    "kernels/math": ["base/"],
    "trainer": ["base/", "kernels/net.h", "kernels/backend.h", "kernels/math/"],
    "hpo/core": ["base/"],
    "samplers": ["base/", "hpo/core/"],
    "hpo/pruners": ["base/", "hpo/core/"],
    # What a trial is: the study file, and what it trains.
    "hpo/objectives": ["base/", "hpo/core/", "hpo/config.h", "hpo/objective.h", f"kernels/{PUBLIC}",
                       f"trainer/{PUBLIC}", f"trainer/data/{PUBLIC}"],
    "hpo/storage": ["base/", "hpo/core/"],
    "hpo/report": ["base/", "hpo/core/"],
    # The engine: every interface, and no plug-in from the inside.
    "hpo": ["base/", "hpo/core/", f"kernels/{PUBLIC}", "kernels/math/", f"trainer/{PUBLIC}",
            f"trainer/data/{PUBLIC}", f"hpo/{PUBLIC}"],
    "hpo/cli": [".*"],
    "tests": [".*"],
}
# Where "its own folder" is not the whole tree below it: parts that must not see their siblings.
ALONE = {
    "kernels": [PUBLIC, "math/.*", "cpu/.*", "cuda/.*"],
    "kernels/math": [".*"],
    "hpo": [PUBLIC],
}
BACKENDS = ("kernels/cpu", "kernels/cuda")

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
ABSOLUTE = re.compile(r'(?<![\w.)])/(?:home|root|work|usr|opt|mnt|srv|media|Users)/|'
                      r'"/(?:home|root|work|usr|opt|mnt|srv|media|Users)"')


def folder_of(path):
    parts = path.split("/")[:-1]
    while parts and "/".join(parts) not in RULES:
        parts.pop()
    return "/".join(parts)


def fits(target, rules):
    return any(target.startswith(r) if r.endswith("/") else re.fullmatch(r, target) for r in rules)


def allowed(path, target):
    home = folder_of(path)
    own = [f"{home}/{r}" for r in ALONE[home]] if home in ALONE else [f"{home}/"]
    for backend in BACKENDS:
        if target.startswith(backend + "/") and not path.startswith((backend + "/", "tests/",
                                                                     "hpo/cli/")):
            return False
    return fits(target, RULES[home] + own)


def check(files):
    """files: {path: text} -> violations, warnings; each (path, line, text)."""
    bad, warnings = [], []
    for path, text in sorted(files.items()):
        lines = text.splitlines()
        if not path.startswith("tests/") and len(lines) > LINES_MAX:
            bad.append((path, LINES_MAX + 1, f"{len(lines)} lines, at most {LINES_MAX}: "
                        "split it along a seam"))
        elif len(lines) > LINES_WARN:
            warnings.append((path, LINES_WARN + 1, f"{len(lines)} lines, more than {LINES_WARN}"))
        for number, line in enumerate(lines, 1):
            if not path.startswith("tests/") and ABSOLUTE.search(line):
                bad.append((path, number, "an absolute path of some machine"))
            m = INCLUDE.match(line)
            if not m or (path.startswith("tests/") and "/" not in m[1]):
                continue
            target = m[1]
            if "/" not in target or target.startswith(".") or target not in files:
                bad.append((path, number, f'no file "{target}" from the root: '
                            "the path of an #include starts there"))
            elif not allowed(path, target):
                bad.append((path, number, f"{folder_of(path)}/ may not include {target}"))
    return bad, warnings


def self_test():
    """The check itself can fail: every rule once broken, once kept."""
    good = {
        "base/str.h": "", "kernels/net.h": "", "kernels/math/loss.h": "", "kernels/cpu/plan.h": "",
        "kernels/cpu/plan.c": '#include "kernels/cpu/plan.h"\n#include "base/str.h"\n',
        "trainer/config.h": '#include "kernels/net.h"\n', "hpo/config.h": "", "hpo/core/trial.h": "",
        "trainer/losses/x.c": '#include "kernels/math/loss.h"\n#include "trainer/config.h"\n',
        "samplers/math/kde.h": "", "samplers/tpe.c": '#include "samplers/math/kde.h"\n',
        "hpo/study.c": '#include "hpo/config.h"\n#include "trainer/config.h"\n',
        "hpo/cli/main.c": '#include "hpo/config.h"\n#include "kernels/cpu/plan.h"\n',
        "hpo/report/a.h": "", "hpo/pruners/p.c": '#include "hpo/core/trial.h"\n',
        "tests/x.c": '#include "local.h"\n#include "samplers/math/kde.h"\n/* /home/x */\n',
    }
    assert check(good)[0] == [], check(good)[0]
    broken = {
        "base/a.c": '#include "kernels/net.h"', "kernels/a.c": '#include "trainer/config.h"',
        "kernels/b.c": '#include "kernels/cpu/plan.h"',
        "kernels/cuda/a.c": '#include "kernels/cpu/plan.h"',
        "kernels/math/a.h": '#include "kernels/net.h"',
        "trainer/a.c": '#include "hpo/core/trial.h"',
        "trainer/b.c": '#include "kernels/cpu/plan.h"',
        "hpo/core/a.c": '#include "trainer/config.h"', "samplers/a.c": '#include "hpo/config.h"',
        "hpo/pruners/a.c": '#include "hpo/report/a.h"', "hpo/storage/a.c": '#include "hpo/config.h"',
        "hpo/a.c": '#include "samplers/math/kde.h"', "hpo/b.c": '#include "hpo/report/a.h"',
        "hpo/c.c": '#include "kernels/cpu/plan.h"', "hpo/d.c": '#include "config.h"',
        "hpo/e.c": '#include "../base/str.h"', "hpo/f.c": "const char *p = \"/home/me/data\";",
        "hpo/g.c": "\n" * (LINES_MAX + 1),
    }
    for path, text in broken.items():
        found = check({**good, path: text})[0]
        assert [f[0] for f in found] == [path], (path, found)


def main():
    self_test()
    root = Path(sys.argv[1])
    files = {p.relative_to(root).as_posix(): p.read_text(errors="replace")
             for folder in FOLDERS for p in (root / folder).rglob("*")
             if p.suffix in (".c", ".h", ".cu", ".cuh") and p.is_file()}
    bad, warnings = check(files)
    for path, line, text in warnings:
        print(f"{path}:{line}: warning: {text}")
    for path, line, text in bad:
        print(f"{path}:{line}: {text}")
    print(f"{len(files)} files, {len(bad)} violations")
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main())
