"""Studies on a real GPU: python3 test_gpu_trials.py HPO [PART...]; without PARTs all of them, in this order.

study       trials in fp32 come to what the CPU comes to, in every precision near it, and to the same bits again
packing     two and three trials at once on one GPU, and beside the CPU: the same bits as one by one
memory      more than the device has is that trial's failure, with the numbers, and its neighbours go on
checkpoint  a trial that began on the GPU goes on on the CPU, and the other way round

Skips where there is no GPU. What a kill does is test_kill_sweep.py with E2E_DEVICE=cuda:0.
"""
import json
import os
import signal
import sys

from harness import Box, check, content, equal, same_study, skip, sound, until

box = Box()
if "HPO_CUDA_MODULE" in os.environ:  # a stand-in for a GPU
    box.env["HPO_CUDA_MODULE"] = os.environ["HPO_CUDA_MODULE"]
backends = json.loads(box.hpo("list", "devices", "--json").want(0).out)["devices"]
cuda = next((b for b in backends if b["name"] == "cuda"), None)
if not cuda or not cuda["devices"]:
    skip(cuda["none_because"] if cuda else "this build has no CUDA")
gpu = cuda["devices"][0]
check("error" not in gpu, gpu)
print("cuda:0 is %s, %s" % (gpu["name"], gpu["detail"]), flush=True)
box.data(per_class=30)
GPU = ["--set", "devices.use=cuda:0"]
FP32 = ["--set", "trainer.precision=fp32"]


def run(study, name, *args, texts=()):
    return box.hpo("run", study, "--dir", box.path(name), *args).want(0, *texts)


def trials(name):
    return box.db(runs=name).execute(
        "SELECT number, state, value, reason FROM trials LEFT JOIN trial_values USING (trial_id) "
        "LEFT JOIN hpo_trials USING (trial_id) ORDER BY number").fetchall()


def values(name):
    return [t[2] for t in trials(name)]


def near(got, expected, share, what):
    check(len(got) == len(expected) and all(abs(a - b) <= share * abs(b) for a, b in zip(got, expected)),
          what, "  got:      %r" % (got,), "  expected: %r, each to %g of it" % (expected, share))


def gentle(file="study.yaml", **sections):
    """A study whose value is smooth, so that rounding moves it a little and not from one class to another."""
    return box.study(file, study={"metric": "log_loss", "direction": "minimize", **sections.pop("study", {})},
                     space={"optimizer.lr": {"high": 0.03}}, **sections)


def study():
    plan = gentle()
    run(plan, "cpu", *FP32)
    for precision, share in (("fp32", 1e-3), ("tf32", 2e-2), ("bf16", 1e-1), ("fp16", 2e-2)):
        run(plan, precision, *GPU, "--set", "trainer.precision=" + precision)
        near(values(precision), values("cpu"), share, "%s on the GPU differs from fp32 on the CPU:" % precision)
        print("  %s: log losses %s" % (precision, " ".join("%.5f" % v for v in values(precision))), flush=True)
        run(plan, "again", *GPU, "--set", "trainer.precision=" + precision, "--fresh")
        same_study(content(box.db(runs="again")), content(box.db(runs=precision)), "%s, a second time:" % precision)
    run(plan, "apart", *GPU, *FP32, "--set", "data.folds.parallel=1")
    near(values("apart"), values("fp32"), 1e-3, "folds one by one differ from folds side by side:")
    run(plan, "auto", *GPU)
    equal(values("auto"), values("bf16" if "capability 7" not in gpu["detail"] else "fp32"), "what precision auto is")


def packing():
    plan = box.study(study={"trials": 9}, trainer={"epochs": 6, "model": {"width": 16, "dropout": 0.1}},
                     data={"folds": {"parallel": 1}})  # folds side by side may round otherwise
    run(plan, "one", *GPU, "--set", "devices.trials_per_device=1")
    sound(box.db(runs="one"), 9)
    expected = content(box.db(runs="one"))
    for use, n in (("cuda:0", "2"), ("cuda:0", "3"), ("cuda:0", "auto"), ("[cuda:0, cuda:0]", "1")):
        name = "packed-%s-%d" % (n, len(use))
        run(plan, name, "--set", "devices.use=" + use, "--set", "devices.trials_per_device=" + n)
        same_study(content(box.db(runs=name)), expected, "%s trials at once on %s differ from one by one:" % (n, use))
    run(plan, "mixed", "--set", "devices.use=[cuda:0, cpu]")
    sound(box.db(runs="mixed"), 9)


def memory():
    """The smallest pictures at which a wide network takes more than there is, and a narrow one is easily held."""
    rows, wide = 40, 2048
    size = next((s for s in (32, 64, 128, 256, 512, 1024) if 4.0 * rows * s * s * wide * 2 > gpu["memory_total"]), 0)
    check(size, "no network is too large for", gpu)
    plan = box.study(study={"trials": 3, "max_failures": 20, "enqueue": [{"model.width": wide}, {"model.width": 4}]},
                     data={"image_size": size}, trainer={"model": {"stages": 1}, "batch_size": rows, "epochs": 1},
                     space=("=", {"model.width": {"type": "categorical", "choices": [4, wide]},
                                  "optimizer.lr": {"type": "float", "low": 0.01, "high": 0.1}}))
    run(plan, "memory", *GPU, "--set", "devices.trials_per_device=2")
    states = [t[1] for t in trials("memory")]
    check(states.count("COMPLETE") == 3 and "FAIL" in states, "trials of which some are too large:", trials("memory"))
    for number, state, _, reason in trials("memory"):
        if state == "FAIL":
            check("GiB" in reason and "free" in reason, "the numbers are missing:", reason)
            print("  trial %d: %s" % (number, reason), flush=True)
    width = dict(box.db(runs="memory").execute(
        "SELECT number, param_value FROM trials JOIN trial_params USING (trial_id) WHERE param_name = 'model.width'"))
    check(all((t[1] == "FAIL") == (width[t[0]] == 1) for t in trials("memory")), trials("memory"), width)


def checkpoint():
    # Small steps of SGD: with large ones, and with AdamW, what devices round differently has grown to a tenth of the
    # loss by the last epoch.
    plan = box.study(study={"metric": "log_loss", "direction": "minimize", "trials": 1},
                     trainer={"epochs": 60, "model": {"width": 16}},
                     space=("=", {"optimizer.lr": {"type": "float", "low": 0.001, "high": 0.003}}))
    run(plan, "whole", *FP32)
    for first, then in (("cuda:0", "cpu"), ("cpu", "cuda:0")):
        name = "from-" + first[:3]
        p = box.start("run", plan, "--dir", box.path(name), *FP32, "--set", "devices.use=" + first)
        until(box, p, " epoch ", 5)
        p.send_signal(signal.SIGINT)
        box.finish(p).want(130)
        reported = "SELECT count(*) FROM trial_intermediate_values"
        before = box.db(runs=name).execute(reported).fetchone()[0]
        check(5 <= before < 120, "reports before the interrupt: %d" % before)
        run(plan, name, *FP32, "--set", "devices.use=" + then, texts=["goes on on " + then])
        equal(box.db(runs=name).execute(reported).fetchone()[0], 120, "reports")
        near(values(name), values("whole"), 1e-3, "%s, then %s, differs from the CPU alone:" % (first, then))
        print("  %d epochs on %s, then %s: log loss %.5f, on the CPU alone %.5f" % (
            before, first, then, values(name)[0], values("whole")[0]), flush=True)


PARTS = {f.__name__: f for f in (study, packing, memory, checkpoint)}
wanted = sys.argv[2:] or list(PARTS)
if set(wanted) - set(PARTS):
    sys.exit("unknown part; there are: " + " ".join(PARTS))
for part in wanted:
    print(part, flush=True)
    PARTS[part]()
