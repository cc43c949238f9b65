"""devices: [cpu, cpu] - two workers give the trials and values of one (random sampler, threads fixed)."""
from harness import Box, content, same_study, sound

box = Box()
box.data()
study = box.study(study={"trials": 6})
box.hpo("run", study, "--dir", box.path("one")).want(0)
box.hpo("run", study, "--dir", box.path("two"), "--set", "devices.use=[cpu, cpu]").want(0)
box.hpo("run", study, "--dir", box.path("slots"), "--set", "devices.trials_per_device=2").want(0)


def by_number(db):
    """With several workers, trial_id order is still the number's; only rows' own keys may differ."""
    sound(db, 6)
    return content(db)


one = by_number(box.db(runs="one"))
same_study(by_number(box.db(runs="two")), one, "two workers differ from one:")
same_study(by_number(box.db(runs="slots")), one, "two trials on one device differ from one:")
