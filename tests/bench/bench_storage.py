#!/usr/bin/env python3
"""Durable trials a second: ours, and Optuna's RDB storage doing the same in the same folder.

bench_storage.py BENCH_STORAGE [TRIALS]
bench_storage.py --peer FOLDER TRIALS   (itself, in a Python that has Optuna)
"""
import json
import os
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../hpo/storage"))


def peer(folder, n):
    import find_optuna
    optuna = find_optuna.optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage="sqlite:///" + os.path.join(folder, "peer.db"),
                                direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    started = time.monotonic()
    for _ in range(n):
        trial = study.ask()
        trial.suggest_float("optimizer.lr", 1e-5, 0.1, log=True)
        trial.suggest_float("model.dropout", 0.0, 0.5, step=0.1)
        trial.suggest_int("batch_size", 16, 256, step=16)
        trial.suggest_float("optimizer.momentum", 0.8, 0.99)
        trial.suggest_categorical("optimizer.type", ["sgd", "adamw"])
        for epoch in range(5):
            trial.report(0.5 + 0.01 * epoch, epoch)
        study.tell(trial, 0.5)
    print(json.dumps([optuna.__version__, n / (time.monotonic() - started)]))


def main():
    if sys.argv[1] == "--peer":
        peer(sys.argv[2], int(sys.argv[3]))
        return
    n = sys.argv[2] if len(sys.argv) > 2 else "2000"
    with tempfile.TemporaryDirectory(dir=".") as folder:
        ours, *plain = map(json.loads, subprocess.run(
            [sys.argv[1], n, folder], check=True, stdout=subprocess.PIPE).stdout.splitlines())
        print("hpo          {trials_per_s:8.1f} durable trials/s, {ms_per_trial:.3f} ms each, "
              "{bytes_per_trial:.0f} bytes each; {trials} loaded in {load_s:.3f} s".format(**ours))
        for group in plain:
            print("a function   {trials_per_s:8.1f} durable trials/s, {group} in a transaction; "
                  "{trials} loaded in {load_s:.3f} s".format(**group))
        r = subprocess.run([sys.executable, os.path.abspath(__file__), "--peer", folder, "40"],
                           stdout=subprocess.PIPE)
        if r.returncode:
            print(r.stdout.decode().strip() or "Optuna could not be measured")
            return
        version, rate = json.loads(r.stdout)
        print(f"Optuna {version:6s}{rate:8.1f} trials/s (its defaults): "
              f"{ours['trials_per_s'] / rate:.0f}x")


main()
