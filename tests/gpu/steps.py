"""What gpu-check runs, the most telling first: each a command, for how long at most, and what it needs.

A command's first word: a program of ours, or a script of the archive, which is run by the Python that runs this, or where
`torch` is set by the one that has PyTorch. {bin}, {data}, {root} and {out} stand for folders.
"""


class Step:
    def __init__(self, name, what, command, limit, tool=None, torch=False, env=None, when=None, alone=False):
        self.name, self.what, self.command, self.limit = name, what, command, limit
        self.tool, self.torch, self.env = tool, torch, env or {}
        self.when = when    # this program is in the archive
        self.alone = alone  # says something without a GPU as well


def operations(programs):
    """Tests of single operations, whichever this archive has."""
    return sorted(p for p in programs if p.startswith("ops_") and p.endswith("_cuda"))


def short(name):
    return name[:-len("_cuda")]


def sanitized(tool, program, what, command, limit):
    return Step("%s_%s" % (tool, program), "compute-sanitizer %s: %s" % (tool, what),
                ["--tool", tool, "--error-exitcode", "1", "--target-processes", "all", *command], limit,
                tool="compute-sanitizer", env={"HPO_CUDA_GRAPH": "0"})


def steps(programs, quick):
    e2e, bench = "tests/e2e/test_%s.py", "tests/bench/gpu_%s.py"
    trained = {"E2E_DEVICE": "cuda:0"}
    ret = [Step(short(p), "single operations beside the CPU's", [p], 900) for p in operations(programs)]
    ret += [
        Step("data", "devices, uploads, data that is larger than memory", ["test_cuda_device"], 300, when="test_cuda_device",
             alone=True),
        Step("backend", "networks beside the CPU backend, every precision; 200 steps' losses; side by side; no memory",
             ["test_gpu"], 1200, when="test_gpu"),
        Step("methods", "optimizers, class weights, mixing, clipping, micro-batches, averages, freezing beside the CPU backend",
             ["test_gpu_step"], 1200, when="test_gpu_step"),
    ]
    slow = 240 if quick else 1800  # a sanitizer makes kernels tens of times as slow
    ret += [sanitized("memcheck", short(p), "single operations", [p], slow) for p in operations(programs)]
    train = [("train", ["bench_device", "cuda:0", "convnet", "16", "32", "bf16", "2", "1"]),
             ("train_resnet", ["bench_device", "cuda:0", "resnet", "16", "32", "fp16", "1", "1"])]
    ret += [sanitized("memcheck", n, "a short training", c, slow) for n, c in (train[:1] if quick else train)]
    ret += [sanitized("racecheck", short(p), "single operations", [p], slow) for p in operations(programs)]
    ret += [sanitized("racecheck", n, "a short training", c, slow) for n, c in (train[:1] if quick else train)]
    for part, what in (("study", "a study beside the CPU's, every precision, twice the same bits"),
                       ("memory", "out of memory on purpose"), ("packing", "two and three trials on one GPU"),
                       ("checkpoint", "from GPU to CPU in the middle of a trial, and back")):
        ret.append(Step(part, what, [e2e % "gpu_trials", "{bin}/hpo", part], 900))
    ret += [
        Step("kill", "kill -9 of worker and controller, the same bits after all",
             [e2e % "kill_sweep", "{bin}/hpo", "3" if quick else "12"], 1800, env=trained),
        Step("interrupt", "Ctrl-C and going on", [e2e % "interrupt", "{bin}/hpo"], 600, env=trained),
        Step("train", "images a second beside PyTorch", [bench % "train", "{bin}/bench_device"] + (["--quick"] if quick else []),
             7200, torch=True),
        Step("cifar", "accuracy beside PyTorch, same folds, three seeds",
             [bench % "cifar", "{bin}/hpo", "{bin}/dump_data", "{root}/studies/cifar10.yaml", "{data}"] +
             (["--limit", "5000", "--folds", "3"] if quick else []), 3600, torch=True),
        Step("trials", "trials an hour beside Optuna and PyTorch",
             [bench % "study", "{bin}/hpo", "{bin}/dump_data", "{data}"] +
             (["--trials", "8", "--epochs", "3", "--limit", "5000"] if quick else []), 3600, torch=True),
        Step("profile", "where the time of a large training goes", [bench % "profile", "{bin}/bench_device"], 600),
    ]
    if not quick:
        ret += [
            Step("tuned", "images a second with convolutions chosen by measuring",
                 [bench % "train", "{bin}/bench_device", "--ways", "autotune", "--batches", "256"], 3600, torch=True,
                 env={"HPO_CUDA_TUNE": "1"}),
            Step("workers", "two workers on one GPU", [e2e % "two_workers", "{bin}/hpo"], 600, env=trained),
            Step("pruning", "trials that are pruned", [e2e % "pruning", "{bin}/hpo"], 600, env=trained),
            Step("lag", "a study that repeats itself", [e2e % "lag", "{bin}/hpo"], 900, env=trained),
        ]
    return [s for s in ret if s.when is None or s.when in programs]
