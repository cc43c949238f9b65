"""A finite space ends the study before `trials`, and it says so: grid, and random over few configurations."""
from harness import Box, check, equal, sound

box = Box()
box.data()
space = ("=", {
    "optimizer.lr": {"type": "float", "low": 0.1, "high": 0.3, "step": 0.1},
    "optimizer.type": {"type": "categorical", "choices": ["sgd", "adamw"]},
    "optimizer.momentum": {"type": "categorical", "choices": [0.5, 0.9], "when": {"optimizer.type": "sgd"}},
})
expected = 3 * 2 + 3  # sgd has the momentum, adamw does not
for sampler in ("grid", "random"):
    study = box.study(study={"name": sampler, "trials": 50}, sampler={"type": sampler}, space=space,
                      trainer={"epochs": 1}, data={"folds": {"run": 1}})
    r = box.hpo("run", study).want(0)
    check(any(w in (r.out + r.err).lower() for w in ("every", "exhausted", "nothing left", "all ")), "says why it ended:", r)
    db = box.db(sampler)
    sound(db, expected)
    seen = {tuple(db.execute("SELECT param_name, param_value FROM trial_params WHERE trial_id = ? ORDER BY 1", t).fetchall())
            for t in db.execute("SELECT trial_id FROM trials").fetchall()}
    equal(len(seen), expected, "different configurations of the %s sampler" % sampler)
    box.hpo("run", study).want(0)  # still nothing left
    sound(box.db(sampler), expected)
