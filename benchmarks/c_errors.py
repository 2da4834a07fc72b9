"""How far the C of to_c is from predict and predict_proba.

    python benchmarks/c_errors.py      # a minute; needs gcc; Markdown to stdout

Two measures of an error. One is in ulps of the number itself: the distance to the next float. The
other is in ulps of the sums that it comes from: see rounding_units in tests/c_programs.py. Beside
the C stands predict for one row, whose sums are added in another order than those of many.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from instruments.tables import markdown_table

from fastbp import show_versions, to_c

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from c_programs import Library, rounding_units, ulps, values_of
from exported import every_case, make_estimator

FEW_ULPS = 4
# as the machine has it, and as the standard has it everywhere
OPTIONS = {"C": ["-O1", "-w"], "C with -mfma": ["-O1", "-w", "-mfma"]}


def errors(cases):
    """For each way to compute: errors in units, and whether they are few ulps."""
    models = [make_estimator(case) for case in cases]
    text = "\n".join(to_c(model, name=f"model_{k}") for k, (model, _) in enumerate(models))
    libraries = {}
    for name, options in OPTIONS.items():
        libraries[name] = Library(text, Path(tempfile.mkdtemp()), *options)
    found = {name: ([], []) for name in [*OPTIONS, "predict for one row"]}
    for k, (model, X) in enumerate(models):
        expected, units = values_of(model, X), rounding_units(model, X)
        n = expected.shape[1]
        ways = {name: one.values(f"model_{k}", X, n) for name, one in libraries.items()}
        rows = [values_of(model, X[i : i + 1]) for i in range(len(X))]
        ways["predict for one row"] = np.concatenate(rows)
        for name, values in ways.items():
            far = np.abs(values.astype(float) - expected)
            found[name][0].append((far / np.where(units, units, 1)).max())
            found[name][1].append((far <= FEW_ULPS * ulps(expected, X.dtype)).ravel())
    return found


def report():
    rows, cases = [], every_case()
    for dtype in ("float64", "float32"):
        own = [case for case in cases if case["dtype"] == dtype]
        for name, (units, are_few) in errors(own).items():
            share = f"{100 * np.concatenate(are_few).mean():.1f} %"
            rows.append([dtype, name, str(len(own)), f"{max(units):.2f}", share])
    header = ["dtype", "", "estimators", "worst error, in ulps of sums", f"within {FEW_ULPS} ulps"]
    return markdown_table(header, rows, 2)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(report(), "\n")
    show_versions()
