"""The same study of 1,000 trials and 5 floats by our TPE and by Optuna's, in memory.

    bench_samplers.py BENCH_SAMPLERS [TRIALS]    (BENCH_SAMPLERS: built from bench_samplers.c)
"""
import re
import subprocess
import sys
import time
import warnings


def optuna_seconds(n):
    import optuna

    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # The defaults of Optuna 5, which are ours.
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(
        seed=1, multivariate=True, constant_liar=True))
    start = time.process_time()
    study.optimize(lambda t: sum((t.suggest_float(f"x{i}", 0, 1) - 0.3) ** 2 for i in range(5)),
                   n_trials=n)
    return optuna.__version__, time.process_time() - start


def main():
    out = subprocess.run([sys.argv[1]], check=True, stdout=subprocess.PIPE, text=True).stdout
    print(out, end="")
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    ours = float(re.search(r"study 1000 trials x 5: ([\d.]+) s", out)[1])
    try:
        version, theirs = optuna_seconds(n)
    except ImportError:
        print(f"{sys.executable} has no Optuna to compare with")
        return
    print(f"Optuna {version}, {n} trials: {theirs:.2f} s" +
          (f", {theirs / ours:.0f}x as long" if n == 1000 else ""))


main()
