# Fits a polynomial to noisy points of a sine. hpo gives it HPO_PARAMS and reads what it prints: that is all there is to it.
import json, math, os, random

p = json.loads(os.environ["HPO_PARAMS"])  # such as {"lr": 0.05, "decay": 0.001, "degree": 7}
random.seed(0)                            # the same points for every trial
points = [(x, math.sin(4 * x) + random.gauss(0, 0.1)) for x in [random.uniform(-1, 1) for _ in range(200)]]
weights = [0.0] * (p["degree"] + 1)
def error(x, y): return sum(w * x ** i for i, w in enumerate(weights)) - y

for epoch in range(30):
    for x, y in points[:100]:
        e = error(x, y)
        weights = [w - p["lr"] * (e * x ** i + p["decay"] * w) for i, w in enumerate(weights)]
    print(json.dumps({"step": epoch, "value": sum(abs(error(x, y)) for x, y in points[100:]) / 100}), flush=True)
