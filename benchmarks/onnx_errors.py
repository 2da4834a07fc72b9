"""How far models of to_onnx in onnxruntime are from predict and predict_proba.

    python benchmarks/onnx_errors.py      # half a minute; Markdown to stdout

The estimators are those of tests/exchange: every activation, output and loss, in both types. Beside
the errors stands how far fastbp's float32 predictions are from the same networks in float64: what
is rounding of float32 itself.
"""

import sys
import warnings
from copy import copy
from pathlib import Path

import numpy as np
from instruments.tables import markdown_table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import onnxruntime
from exported import error_of, every_case, make_estimator, scales_of_sums
from onnx_sessions import results_of

from fastbp import BackpropClassifier, Network, show_versions, to_onnx


def values_of(estimator, X):
    """Probabilities, outputs of classifiers without such, or numbers; a column for each."""
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(X)
    if isinstance(estimator, BackpropClassifier):
        return estimator.network_.forward(X)
    return estimator.predict(X).reshape(len(X), -1)


def in_float64(estimator):
    """A copy with the same numbers as parameters."""
    network, twin = estimator.network_, copy(estimator)
    twin.network_ = Network(
        network.layer_sizes,
        activation=network.activation,
        output_activation=network.output_activation,
        loss=network.loss_name,
        quantile=network.quantile,
        fit_intercept=network.fit_intercept,
        front=network.front,
        n_periodic=network.n_periodic,
    )
    twin.network_.params = network.params
    return twin


def errors_of(case):
    """Relative to the largest number of a column; or of its sum; and those of float32 itself."""
    estimator, X = make_estimator(case)
    results = results_of(to_onnx(estimator), X)
    actual = next(
        results[name] for name in ("probabilities", "scores", "variable") if name in results
    )
    expected = values_of(estimator, X)
    own = np.nan
    if case["dtype"] == "float32":
        exact = values_of(in_float64(estimator), X.astype(np.float64))
        own = error_of(expected.astype(np.float64), exact)
    scales = scales_of_sums(estimator, X)
    return error_of(actual, expected), error_of(actual, expected, scales), own


def report():
    errors = {}
    for case in every_case():
        errors.setdefault(case["dtype"], []).append(errors_of(case))
    rows = []
    for dtype, found in errors.items():
        by_column, by_sum, own = np.max(found, axis=0)
        shown = "" if np.isnan(own) else f"{own:.1e}"
        rows.append([dtype, str(len(found)), f"{by_column:.1e}", f"{by_sum:.1e}", shown])
    header = [
        "dtype",
        "estimators",
        "worst error, of the largest number of a column",
        "... or of the terms of its sum",
        "predict's own rounding, of the largest number",
    ]
    return markdown_table(header, rows, 1)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(report())
    print(f"\nonnxruntime {onnxruntime.__version__}\n")
    show_versions()
