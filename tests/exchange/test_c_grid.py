"""The C of to_c, compiled, against predict, predict_proba and predict's labels."""

import numpy as np
import pytest
from c_programs import MOST_UNITS, Library, rounding_units, values_of
from exported import FACTORS, covering_cases, make_estimator, name_of_case, other_cases

from fastbp import BackpropClassifier, to_c

pytestmark = pytest.mark.slow


def check_models(cases, folder):
    """Compile the estimators of all cases at once; compare values and labels."""
    assert cases
    models = [make_estimator(case) for case in cases]
    texts = [to_c(model, name=f"model_{k}") for k, (model, _) in enumerate(models)]
    library = Library("\n".join(texts), folder)
    beyond = []
    for k, (case, (model, X)) in enumerate(zip(cases, models, strict=True)):
        expected, name = values_of(model, X), f"model_{k}"
        values = library.values(name, X, expected.shape[1])
        units = rounding_units(model, X)
        # predict computes few rows in another order
        single = np.concatenate([values_of(model, X[i : i + 1]) for i in range(3)])
        for actual, wanted in ((values, expected), (values[:3], single)):
            far = np.abs(actual.astype(float) - wanted) / np.where(units, units, 1)[: len(wanted)]
            if not far.max() <= MOST_UNITS:
                beyond.append(f"{far.max():.3g} units: {name_of_case(case)}")
        if model.__class__ is BackpropClassifier:
            check_labels(library, name, model, X, units)
        elif model.loss == "gaussian":
            check_std(library, name, model, X)
    assert not beyond, "\n".join(beyond)


def check_labels(library, name, model, X, units):
    expected, outputs = model.predict(X), model.network_.forward(X)
    if hasattr(expected, "toarray"):
        expected = expected.toarray()
    if expected.ndim == 2:
        (labels,) = library.call(f"{name}_labels", X, (expected.shape[1], np.intc))
        margins = np.abs(outputs - 0.5).min(axis=1)
    else:
        (places,) = library.call(f"{name}_label", X, restype=int)
        labels = model.classes_[places]
        margins = np.abs(outputs[:, 0] - 0.5)
        if outputs.shape[1] > 1:
            margins = np.abs(np.diff(np.sort(outputs, axis=1)[:, -2:], axis=1))[:, 0]
    # at a tie, rounding decides
    is_clear = margins > 2 * MOST_UNITS * units.max(axis=1)
    assert is_clear.mean() > 0.9
    np.testing.assert_array_equal(labels[is_clear], expected[is_clear])


def check_std(library, name, model, X):
    mean, std = library.call(f"{name}_predict_std", X, (1, X.dtype), (1, X.dtype))
    np.testing.assert_array_equal(mean, library.values(name, X, 1))
    expected = model.predict(X, return_std=True)[1]
    np.testing.assert_allclose(std[:, 0], expected, rtol=50 * np.finfo(X.dtype).eps)


@pytest.mark.grid(covering="test_values_of_every_two_parts")
def test_values_of_every_kind(tmp_path):
    """With those below: each activation with each task and type."""
    check_models(other_cases(), tmp_path)


@pytest.mark.parametrize("dtype", FACTORS["dtype"])
def test_values_of_every_two_parts(dtype, tmp_path):
    check_models([case for case in covering_cases() if case["dtype"] == dtype], tmp_path)
