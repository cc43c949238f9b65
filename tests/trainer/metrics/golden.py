"""Prints golden_sets.h: predictions, and what scikit-learn says of them. For where it is not installed:
    /usr/bin/python3 golden.py > golden_sets.h"""
import numpy as np
import sklearn
from reference import METRICS, reference

seven = [0, 1, 2, 4, 6, 0, 1, 2, 4, 6, 0, 0]
rows = [[(i * 5 + c * 3) % 11 + 1 + 9 * (c == y and i % 3 > 0) for c in range(7)] for i, y in enumerate(seven)]
SETS = {
    # Three classes, as few rows as can be checked by hand.
    "three": (
        [0, 0, 1, 1, 2, 2, 2, 0],
        [[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.2, 0.6, 0.2], [0.5, 0.3, 0.2],
         [0.1, 0.2, 0.7], [0.25, 0.25, 0.5], [0.4, 0.3, 0.3], [0.6, 0.3, 0.1]],
    ),
    # Two classes, with ties across them.
    "two": (
        [0, 0, 1, 1, 0, 1, 0, 1, 0, 0],
        [[1 - v, v] for v in (0.1, 0.4, 0.35, 0.8, 0.35, 0.65, 0.0, 0.4, 0.65, 0.2)],
    ),
    # Seven classes, of which two do not occur and one of these is predicted.
    "seven": (seven, [[v / sum(row) for v in row] for row in rows]),
    # Nothing but one class.
    "alone": ([1, 1, 1], [[0.4, 0.6], [0.7, 0.3], [0.2, 0.8]]),
}


def numbers(values, form):
    words, lines, line = [form(v) for v in values], [], ""
    for w in words:
        if len(line) + len(w) + 2 > 92:
            lines.append(line.rstrip())
            line = ""
        line += w + ", "
    return "\n    ".join(lines + [line.rstrip(" ,")])


def real(v):
    return repr(float(v))


print("/* Made by golden.py with scikit-learn %s. */" % sklearn.__version__)
print("#ifndef TESTS_TRAINER_METRICS_GOLDEN_SETS_H\n#define TESTS_TRAINER_METRICS_GOLDEN_SETS_H\n")
print("#include <math.h>\n#include <stdint.h>\n")
found = []
for name, (y, p) in SETS.items():
    y, p = np.array(y), np.array(p, dtype=np.float32)
    found.append(reference(y, p))
    print("static const int32_t labels_%s[] = {%s};" % (name, numbers(y, str)))
    print("static const float probs_%s[] = {\n    %s};\n" % (name, numbers(p.ravel(), lambda v: "%.9gf" % v if v % 1 else "%.1ff" % v)))
print("static const struct golden_set {\n    int n, classes;\n    const int32_t *labels;\n    const float *probs;\n} golden_sets[] = {")
for name, (y, p) in SETS.items():
    print("    {%d, %d, labels_%s, probs_%s}," % (len(y), len(p[0]), name, name))
print("};\n#define GOLDEN_SETS %d\n" % len(SETS))
print("/* NaN: does not apply. */\nstatic const struct golden_value {\n    const char *name;\n    double value[GOLDEN_SETS];\n} golden_values[] = {")
for name in sorted(METRICS):
    values = [real(f[name]) if name in f else "NAN" for f in found]
    line = '    {"%s", {%s}},' % (name, ", ".join(values))
    print(line if len(line) <= 100 else '    {"%s",\n     {%s}},' % (name, ", ".join(values)))
print("};\n\n#endif")
