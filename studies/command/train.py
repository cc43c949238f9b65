# Fits a polynomial to noisy points of a sine by gradient descent. Only the lines with HPO_PARAMS and with print know of hpo.
import json, math, os, random

p = json.loads(os.environ["HPO_PARAMS"])  # such as {"lr": 0.05, "momentum": 0.9, "degree": 7}
dice = random.Random(0)                   # the same points for every trial
xs = [dice.uniform(-1, 1) for _ in range(200)]
points = [([x ** i for i in range(p["degree"] + 1)], math.sin(4 * x) + dice.gauss(0, 0.1)) for x in xs]
weights = speed = [0.0] * (p["degree"] + 1)

def error(x, y):
    return sum(w * a for w, a in zip(weights, x)) - y

for epoch in range(30):
    for x, y in points[:100]:
        e = error(x, y)
        speed = [p["momentum"] * s - p["lr"] * e * a for s, a in zip(speed, x)]
        weights = [w + s for w, s in zip(weights, speed)]
    mse = sum(error(x, y) * error(x, y) for x, y in points[100:]) / 100
    print(json.dumps({"step": epoch, "value": mse}), flush=True)
