"""What every metric is, by scikit-learn (1.2 or newer), for golden.py and parity_metrics.py; and what this project says
where scikit-learn raises, warns or has no such function (docs/metrics.md)."""
import warnings

import numpy as np
from sklearn import metrics as sk

warnings.simplefilter("ignore")


def one_vs_rest(score, defined, otherwise):
    """The mean over classes of a binary score; of two classes the second one's."""

    def metric(y, p, pred):
        k = p.shape[1]
        values = [score(y == c, p[:, c]) for c in ([1] if k == 2 else range(k)) if defined(y == c)]
        return np.mean(values) if values else otherwise

    return metric


def roc_auc(y, p, pred):
    k = p.shape[1]
    if k > 2 and len(set(y)) == k:  # what scikit-learn says itself
        return sk.roc_auc_score(y, p, multi_class="ovr", average="macro")
    return one_vs_rest(sk.roc_auc_score, lambda of: of.any() and not of.all(), 0.5)(y, p, pred)


def ece(y, p, pred):
    confidence = p[np.arange(len(y)), pred].astype(np.float64)
    edges, sum = np.linspace(0, 1, 16), 0
    for low, high in zip(edges, edges[1:]):
        here = (confidence > low) & (confidence <= high)
        if here.any():
            sum += here.sum() * abs((pred == y)[here].mean() - confidence[here].mean())
    return sum / len(y)


def brier(y, p, pred):
    if p.shape[1] == 2:
        return sk.brier_score_loss(y, p[:, 1].astype(np.float64), pos_label=1)
    return ((p.astype(np.float64) - np.eye(p.shape[1])[y]) ** 2).sum(axis=1).mean()


def kappa(**more):
    def metric(y, p, pred):
        value = sk.cohen_kappa_score(y, pred, labels=range(p.shape[1]), **more)
        return 0.0 if np.isnan(value) else value

    return metric


def top(k):
    return lambda y, p, pred: sk.top_k_accuracy_score(y, p, k=k, labels=range(p.shape[1]))


def average(score, kind):
    return lambda y, p, pred: score(y, pred, average=kind, zero_division=0)


def best_cut(score):
    """By trying every cut, with scikit-learn's score of each."""

    def find(y, p, pred):
        s = sorted(set(p[:, 1].astype(np.float64)) | {0.0, 1.0})
        cuts = {(a + b) / 2 for a, b in zip(s, s[1:])} | ({0.0} if 0 in p[:, 1] else set())
        rank = lambda t: (round(score(y, (p[:, 1].astype(np.float64) >= t).astype(int)), 12), -abs(t - 0.5), t)
        best = max(cuts, key=rank)
        return best, score(y, (p[:, 1].astype(np.float64) >= best).astype(int))

    return (lambda *a: find(*a)[0]), (lambda *a: find(*a)[1])


cuts = {
    "f1": lambda y, pred: sk.f1_score(y, pred, labels=[0, 1], zero_division=0),
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
}
present = lambda of: of.any()

# name: (function of labels, probabilities and predictions, for how few and how many classes)
METRICS = {
    "accuracy": (lambda y, p, pred: sk.accuracy_score(y, pred), 2, 99),
    "balanced_accuracy": (lambda y, p, pred: sk.balanced_accuracy_score(y, pred), 2, 99),
    "macro_f1": (average(sk.f1_score, "macro"), 2, 99),
    "log_loss": (lambda y, p, pred: sk.log_loss(y, p, labels=range(p.shape[1]), eps=np.finfo(np.float32).eps), 2, 99),
    "top3_accuracy": (top(3), 4, 99),
    "top5_accuracy": (top(5), 6, 99),
    "roc_auc": (roc_auc, 2, 99),
    "average_precision": (one_vs_rest(sk.average_precision_score, present, 0.0), 2, 99),
    "cohen_kappa": (kappa(), 2, 99),
    "quadratic_kappa": (kappa(weights="quadratic"), 2, 99),
    "mcc": (lambda y, p, pred: sk.matthews_corrcoef(y, pred), 2, 99),
    "ece": (ece, 2, 99),
    "brier_score": (brier, 2, 99),
}
for kind in ("micro", "weighted", "macro"):
    METRICS["precision_" + kind] = (average(sk.precision_score, kind), 2, 99)
    METRICS["recall_" + kind] = (average(sk.recall_score, kind), 2, 99)
    if kind != "macro":
        METRICS["f1_" + kind] = (average(sk.f1_score, kind), 2, 99)
for name, score in cuts.items():
    threshold, at = best_cut(score)
    METRICS[name + "_threshold"] = (threshold, 2, 2)
    METRICS[name + "_at_threshold"] = (at, 2, 2)


def reference(y, p):
    """Of labels (n) and float32 probabilities (n, classes): {name: value}, without those that do not apply."""
    pred = p.argmax(axis=1)  # the lowest of equals
    return {name: float(f(y, p, pred)) for name, (f, low, high) in METRICS.items() if low <= p.shape[1] <= high}
