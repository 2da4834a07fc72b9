"""to_onnx against predict and predict_proba, in onnxruntime."""

import numpy as np
import pytest
from exported import (
    FACTORS,
    covering_cases,
    error_of,
    make_estimator,
    name_of_case,
    other_cases,
    scales_of_sums,
)
from onnx_sessions import results_of

from fastbp import BackpropClassifier, to_onnx

# Relative to the largest number of the same column, or of the terms that it is a sum of.
BOUNDS = {"float32": 1e-6, "float64": 1e-14}


def error_in_onnxruntime(case):
    """The error of a case's values; its labels are compared."""
    estimator, X = make_estimator(case)
    results = results_of(to_onnx(estimator), X)
    names = list(results)
    scales = scales_of_sums(estimator, X)
    if not isinstance(estimator, BackpropClassifier):
        if estimator.loss != "gaussian":
            assert names == ["variable"]
            return error_of(results["variable"], estimator.predict(X), scales)
        assert names == ["variable", "std"]
        mean, std = estimator.predict(X, return_std=True)
        return max(error_of(results["variable"], mean, scales), error_of(results["std"], std))
    if estimator.out_activation_ == "identity":
        assert names == ["label", "scores"]
        values = estimator.network_.forward(X)
    else:
        assert names == ["label", "probabilities"]
        values = estimator.predict_proba(X)
    assert_same_labels(estimator, X, results["label"], values)
    return error_of(results[names[1]], values, scales)


def assert_same_labels(estimator, X, labels, values):
    expected = estimator.predict(X)
    if hasattr(expected, "toarray"):
        expected = expected.toarray()
    assert labels.shape == expected.shape
    assert labels.dtype == (object if expected.dtype.kind in "OU" else np.int64)
    # at a tie, rounding decides
    if expected.ndim == 2:
        margins = np.abs(values - 0.5)
    elif values.shape[1] == 1:
        margins = np.abs(values[:, 0] - 0.5)
    else:
        margins = np.abs(np.diff(np.sort(values, axis=1)[:, -2:], axis=1))[:, 0]
    is_clear = margins > 10 * BOUNDS[values.dtype.name]
    assert is_clear.mean() > 0.98
    np.testing.assert_array_equal(labels[is_clear], expected[is_clear])


def assert_within_bounds(cases):
    assert cases
    errors = {name_of_case(case): (error_in_onnxruntime(case), case["dtype"]) for case in cases}
    beyond = {name: error for name, (error, dtype) in errors.items() if not error <= BOUNDS[dtype]}
    assert not beyond, "\n".join(f"{error:.2e}: {name}" for name, error in beyond.items())


@pytest.mark.grid(covering="test_predictions_of_every_two_parts")
def test_predictions_of_every_kind():
    """With those below: each activation with each task and type."""
    assert_within_bounds(other_cases())


@pytest.mark.parametrize("dtype", FACTORS["dtype"])
def test_predictions_of_every_two_parts(dtype):
    assert_within_bounds([case for case in covering_cases() if case["dtype"] == dtype])


@pytest.mark.parametrize("dtype", FACTORS["dtype"])
@pytest.mark.parametrize("activation", FACTORS["activation"], ids=str)
def test_another_runtime(activation, dtype):
    """The reference implementation of onnx, in NumPy."""
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    others = dict(front="periodic", fit_intercept=True, sizes=(7, 5))
    case = dict(others, activation=activation, task="three quantiles", dtype=dtype)
    estimator, X = make_estimator(case)
    (actual,) = evaluator(to_onnx(estimator)).run(None, {"X": X})
    scales = scales_of_sums(estimator, X)
    assert error_of(actual.astype(dtype), estimator.predict(X), scales) < BOUNDS[dtype]
