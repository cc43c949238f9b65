"""The JSON Schema against Python's jsonschema: it accepts what the program accepts and refuses
what the program refuses (of what a schema can express).  usage: test_schema.py HPO SOURCE_ROOT"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import jsonschema
    import yaml
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

hpo, root = sys.argv[1], pathlib.Path(sys.argv[2])


class Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, which editors use: 1e-3 is a number, yes is a text."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", list("-+.0123456789")),
]:
    Loader.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), first)
Loader.add_constructor("tag:yaml.org,2002:float",
                       lambda loader, node: float(loader.construct_scalar(node)))

schema = json.loads(subprocess.run([hpo, "schema"], check=True, capture_output=True).stdout)
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)

D = "data: {path: d}\n"
F = "objective: {type: function, name: branin}\n"
C = "objective: {type: command, run: [python3, train.py, 3, '{x}']}\n"
S = "space: {x: {type: float, low: -5, high: 10}, y: {type: float, low: 0, high: 15}}\n"
good = [p.read_text() for p in sorted((root / "studies").glob("*.yaml"))] + [
    D,
    D + "sampler: random\npruner:\ntrainer: {model: mlp}\n",
    D + "study: {timeout: 1h30m, name: n}\n",
    D + "study: {timeout: 90}\n",
    D + "study: {timeout: null}\ndevices: {use: [cpu, cpu], threads: auto}\n",
    D + "trainer: {optimizer: {type: adamw, beta1: 0.8}}\n",
    D + "trainer: {optimizer: {momentum: 0.8}}\n",
    D + "trainer: {optimizer: {momentum: 0.8, beta1: 0.5}}\n"
        "space: {optimizer.type: {type: categorical, choices: [sgd, adamw]}}\n",
    D + "space: {epochs: {type: int, low: 1, high: 4, log: true}, image_size: {type: categorical, "
        "choices: [16, 32]}, augment.flip: {type: categorical, choices: [true, false], when: "
        "{epochs: [1, 2]}}}\n",
    D + "space: {optimizer.lr: {type: float, low: 1e-3, high: 1}}\n",
    D + "study: {target: 0.9, patience: 3, min_delta: 0.1, max_seconds: 30s, retries: 2}\n",
    D + "study: {enqueue: [{optimizer.lr: 0.1}, {optimizer.lr: 1}]}\n"
        "space: {optimizer.lr: {type: float, low: 1e-3, high: 1}}\n",
    D + "study: {enqueue: null, warm_start: other}\nobjective: training\n",
    D + "fidelity: [{limit: 100, trainer.epochs: 2, promote: 0.5, explore: 1}, {folds.run: 1, promote: 2}, {}]\n",
    D + "fidelity: null\n",
    D + "objective: {}\nsampler: {type: random, lag: 2, duplicates: allow}\n",
    D + "objective:\nsampler: {lag: 2}\n",
    F + S,
    F + S + "study: {metric: loss, direction: maximize}\ndevices: {use: [cuda, cpu]}\n",
    F + "space:\n  anything.at_all-1: {type: int, low: -5, high: 5}\n"
        "  y: {type: float, low: 0, high: 1}\n"
        "  z: {type: categorical, choices: [a, 1, null], when: {anything.at_all-1: [1, 2]}}\n",
    C + S + "study: {direction: minimize}\n",
    D + "pruner: {type: patient, wrapped: {type: percentile, percentile: 25}}\n",
    D + "pruner: {type: patient, wrapped: median}\n",
    D + "pruner: {type: patient, wrapped: {type: patient, wrapped: {type: threshold, upper: 1}}}\n",
]
bad = [
    D + "fidelity: [{epochs: 1}]\n",
    D + "fidelity: [{nosuch: 1}, {}]\n",
    D + "fidelity: [{epochs: 0}, {}]\n",
    D + "fidelity: [{epochs: 1, promote: 0}, {}]\n",
    F + S + "fidelity: [{epochs: 1}, {}]\n",
    "study: {}\n",
    "data: {}\n",
    D + "smapler: random\n",
    D + "sampler: nosuch\n",
    D + "sampler: {type: random, nosuch: 1}\n",
    D + "study: {trials: 0}\n",
    D + "study: {trials: 1.5}\n",
    D + "study: {metric: acuracy}\n",
    D + "study: {timeout: 3x}\n",
    D + "data2: {}\n",
    D + "trainer: {epochs: '3'}\n",
    D + "trainer: {precision: fp23}\n",
    D + "trainer: {model: {type: nosuch}}\n",
    D + "trainer: {augment: {flip: yes}}\n",
    D + "trainer: {optimizer: {lr: -1}}\n",
    D + "trainer: {optimizer: {beta1: 0.5}}\n",
    D + "trainer: {optimizer: {type: adamw, momentum: 0.5}}\n",
    D + "space: {optimizer.typo: {type: float, low: 0, high: 1}}\n",
    D + "space: {limit: {type: int, low: 0, high: 1}}\n",
    D + "space: {epochs: {type: float, low: 1, high: 2}}\n",
    D + "space: {epochs: {type: int, low: 0, high: 2}}\n",
    D + "space: {epochs: {type: int, low: 1}}\n",
    D + "space: {epochs: {type: categorical, choices: []}}\n",
    D + "space: {epochs: {type: categorical, choices: [1, 1]}}\n",
    D + "space: {epochs: {type: int, low: 1, high: 2, when: {}}}\n",
    D + "space: {model.type: {type: categorical, choices: [convnet, vgg]}}\n",
    D + "study: {retries: -1}\n",
    D + "study: {min_delta: -0.5}\n",
    D + "study: {max_seconds: 0}\n",
    D + "study: {enqueue: {optimizer.lr: 1}}\n",
    D + "study: {enqueue: [{}]}\nspace: {optimizer.lr: {type: float, low: 1e-3, high: 1}}\n",
    D + "sampler: {type: random, lag: 1025}\n",
    D + "sampler: {type: random, duplicates: never}\n",
    D + "objective: {type: training, name: sphere}\n",
    D + "objective: nosuch\n",
    F,
    F + D + S,
    F + "trainer: {epochs: 2}\n" + S,
    F + "space: {}\n",
    F + "space: {a b: {type: float, low: 0, high: 1}}\n",
    F + "space: {a: {type: float, low: 0}}\n",
    C + S,
    "objective: command\nstudy: {direction: minimize}\n" + S,
    "objective: {type: command}\nstudy: {direction: minimize}\n" + S,
    "objective: {type: command, run: python train.py}\nstudy: {direction: minimize}\n" + S,
    "objective: {type: command, run: []}\nstudy: {direction: minimize}\n" + S,
    D + "pruner: {type: patient, wrapped: nosuch}\n",
    D + "pruner: {type: patient, wrapped: {percentile: 25}}\n",
    D + "pruner: {type: patient, wrapped: {type: median, percentile: 25}}\n",
    D + "pruner: {type: patient, wrapped: {type: percentile, percentile: 125}}\n",
    D + "pruner: {type: patient, wrapped: [median]}\n",
]

failed = 0
with tempfile.TemporaryDirectory() as folder:
    (pathlib.Path(folder) / "d" / "a").mkdir(parents=True)
    for text, want in [(t, True) for t in good] + [(t, False) for t in bad]:
        errors = [e.message for e in validator.iter_errors(yaml.load(text, Loader))]
        path = pathlib.Path(folder) / "s.yaml"
        path.write_text(text)
        # The program's own answer: mistakes of the file are lines that begin with its name; that
        # there are no images comes later, and otherwise.
        said = subprocess.run([hpo, "check", str(path)], capture_output=True, text=True).stderr
        accepted = not re.search("^" + re.escape(str(path)) + r":\d+:\d+: ", said, re.M)
        if (not errors) != want or accepted != want:
            failed += 1
            print(f"--- want {want}, schema {not errors}, hpo {accepted}\n{text}{errors}\n{said}")
print(f"{len(good)} accepted, {len(bad)} refused, {failed} wrong")
sys.exit(1 if failed else 0)
