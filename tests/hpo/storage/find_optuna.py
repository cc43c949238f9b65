"""`import find_optuna` and use find_optuna.optuna: a Python that lacks Optuna is replaced by one that
has it ($PYTHON_OPTUNA, else the first python3 on the path); exit status 77, said, when none has."""
import os
import sys

try:
    import optuna  # noqa: F401
except ImportError:
    tried = os.environ.get("FIND_OPTUNA_TRIED", "").split(os.pathsep)
    folders = (os.environ.get("PATH", "") + os.pathsep + os.defpath).split(os.pathsep)
    for python in [os.environ.get("PYTHON_OPTUNA", "")] + [f + "/python3" for f in folders]:
        if python not in tried and os.path.isfile(python) and os.access(python, os.X_OK):
            os.environ["FIND_OPTUNA_TRIED"] = os.pathsep.join(tried + [python])
            os.execv(python, [python] + sys.argv)
    print("skipped: no Python with Optuna here")
    sys.exit(77)
