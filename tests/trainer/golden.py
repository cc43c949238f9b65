"""Prints the golden numbers of the tests of losses, optimizers and schedules, from PyTorch: golden.py

What a line says is what the test of that name has; a table that cannot be made again here is not golden."""
import warnings

import torch
from torch.nn import functional as F

warnings.simplefilter("ignore")
LOGITS = torch.tensor([[1, 2, 3], [0.5, -1, 0.25], [-2, 0, 1.5], [3, 0.1, -0.4]], dtype=torch.float64)
TARGETS = torch.tensor([2, 0, 1, 0])


def losses():
    for s in 0.0, 0.1:
        print("cross_entropy label_smoothing=%g: %.16f" % (s, F.cross_entropy(LOGITS, TARGETS, label_smoothing=s)))
    logp = F.log_softmax(LOGITS, 1).gather(1, TARGETS[:, None])[:, 0]
    for gamma in 0.5, 2, 5:
        print("focal gamma=%g: %.17g" % (gamma, -((1 - logp.exp()) ** gamma * logp).mean()))


def trajectory(name, make, steps=3):
    """Of (3 a^2 + b^2) / 2 from (1, -2)."""
    w = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    opt, points = make([w]), []
    for _ in range(steps):
        opt.zero_grad()
        ((3 * w[0] ** 2 + w[1] ** 2) / 2).backward()
        opt.step()
        points.append("{%.10g, %.10g}" % tuple(w.tolist()))
    print("%s: %s" % (name, ", ".join(points)))


def optimizers():
    o = torch.optim
    trajectory("sgd lr=0.1 momentum=0.9 weight_decay=0.01",
               lambda p: o.SGD(p, 0.1, momentum=0.9, weight_decay=0.01))
    trajectory("sgd momentum=0.9 nesterov=true weight_decay=0.01",
               lambda p: o.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01))
    trajectory("sgd", lambda p: o.SGD(p, 0.1))
    trajectory("adam lr=0.1 weight_decay=0.01", lambda p: o.Adam(p, 0.1, weight_decay=0.01))
    trajectory("adamw lr=0.1", lambda p: o.AdamW(p, 0.1))
    trajectory("rmsprop lr=0.1 momentum=0.9", lambda p: o.RMSprop(p, 0.1, momentum=0.9))


def schedule(name, make, n, values=None):
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    s, rates, momenta = make(torch.optim.lr_scheduler, opt), [], []
    for i in range(n):
        rates.append("%.10g" % opt.param_groups[0]["lr"])
        momenta.append("%.10g" % opt.param_groups[0]["momentum"])
        if i + 1 < n:
            s.step(*([values[i]] if values else []))
    print("%s: %s" % (name, ", ".join(rates)))
    if len(set(momenta)) > 1:
        print("    momentum: %s" % ", ".join(momenta))


def schedules():
    schedule("cosine min_factor=0.1", lambda s, o: s.CosineAnnealingLR(o, 10, 0.1), 11)
    schedule("step step_size=3 gamma=0.5", lambda s, o: s.StepLR(o, 3, 0.5), 7)
    schedule("multi_step milestones=2,5 gamma=0.5", lambda s, o: s.MultiStepLR(o, [2, 5], 0.5), 8)
    schedule("cosine_restarts t_0=4 t_mult=2", lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 2), 13)
    schedule("cosine_restarts t_0=3 min_factor=0.1", lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, eta_min=0.1), 8)
    for words, kw in (("", {}), ("three_phase=true", {"three_phase": True}),
                      ("anneal=linear div_factor=10 final_div_factor=100 pct_start=0.4",
                       {"anneal_strategy": "linear", "div_factor": 10, "final_div_factor": 100, "pct_start": 0.4}),
                      ("anneal=linear pct_start=0.4 base_momentum=0.8 max_momentum=0.9",
                       {"anneal_strategy": "linear", "pct_start": 0.4, "base_momentum": 0.8, "max_momentum": 0.9})):
        schedule("one_cycle " + words, lambda s, o: s.OneCycleLR(o, 1.0, 10, **kw), 10)
    schedule("plateau patience=2 factor=0.5", lambda s, o: s.ReduceLROnPlateau(o, "min", 0.5, 2), 10,
             [1, 0.9, 0.9, 0.89995, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8])


if __name__ == "__main__":
    print("PyTorch %s" % torch.__version__)
    losses()
    optimizers()
    schedules()
