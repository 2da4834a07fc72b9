"""Targets at the input gate, as tables: see test_inputs.py."""

import copy

import numpy as np
import pandas as pd
import pytest
from arrays import (
    as_type,
    assert_unchanged,
    byte_swapped,
    column,
    csr,
    read_only,
    reversed_view,
    unaligned,
    with_value,
)
from problems import CUT_SHORT, ESTIMATORS, N_FEATURES, RAGGED, tiny
from sklearn.exceptions import DataConversionWarning
from tables import (
    N_ROWS,
    NETWORK_METHODS,
    NUMBERS,
    make_network,
    make_quarters,
    make_targets,
    raises,
    same_arrays,
    table,
    train,
)

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = [CUT_SHORT, RAGGED]


# What regressors and classifiers refuse or accept alike.
Y_TABLE = [
    ("strided", lambda y: np.repeat(y, 2)[::2], None, ""),
    ("negative strides", reversed_view, None, ""),
    ("unaligned", unaligned, None, ""),
    ("other byte order", byte_swapped, None, ""),
    ("read-only", read_only, None, ""),
    ("list", lambda y: y.tolist(), None, ""),
    ("Series", pd.Series, None, ""),
    ("float32", as_type(np.float32), None, ""),
    ("None", lambda y: None, (ValueError, TypeError), "None|requires y"),
    ("too short", lambda y: y[:-1], ValueError, "inconsistent numbers"),
    ("too long", lambda y: np.append(y, 0), ValueError, "inconsistent numbers"),
    ("empty", lambda y: y[:0], ValueError, "inconsistent|0 sample"),
    ("a number", lambda y: 1.0, (ValueError, TypeError), "scalar|1d|0D|shape|dim|valid collection"),
    ("three dimensions", lambda y: np.ones((N_ROWS, 2, 2)), ValueError, "dim|Unknown label"),
    ("NaN", with_value(np.nan), ValueError, "NaN"),
    ("infinity", with_value(np.inf), ValueError, "infinity"),
    ("None in objects", with_value(None, object), (ValueError, TypeError), "."),
    ("complex", as_type(complex), ValueError, "Complex data not supported|Unknown label"),
]

REGRESSION_Y_TABLE = [
    *Y_TABLE,
    ("int", lambda y: (4 * y).astype(int), None, ""),
    ("bool", as_type(bool), None, ""),
    ("float16", as_type(np.float16), None, ""),
    ("longdouble", as_type(np.longdouble), None, ""),
    ("object of numbers", as_type(object), None, ""),
    ("two outputs", lambda y: np.column_stack([y, -y]), None, ""),
    ("two outputs, Fortran order", lambda y: np.asfortranarray(np.outer(y, [1, 2])), None, ""),
    ("zero stride", lambda y: np.broadcast_to(y[1], y.shape), None, ""),
    ("text", lambda y: np.full(y.shape, "x"), ValueError, NUMBERS),
    ("text in objects", with_value("x", object), ValueError, NUMBERS),
    ("sparse", lambda y: csr(column(y)), (ValueError, TypeError), "sparse"),
    ("no outputs", lambda y: np.ones((N_ROWS, 0)), ValueError, "."),
]

CLASSIFICATION_Y_TABLE = [
    *Y_TABLE,
    ("uint8", as_type(np.uint8), None, ""),
    ("float64", as_type(np.float64), None, ""),
    ("indicator", lambda y: np.eye(3, dtype=int)[y], None, ""),
    ("indicator of bool", lambda y: np.eye(3, dtype=bool)[y], None, ""),
    ("indicator, Fortran order", lambda y: np.asfortranarray(np.eye(3)[y]), None, ""),
    ("continuous", lambda y: y + 0.5, ValueError, "Unknown label type"),
    ("columns of classes", lambda y: np.column_stack([y, y]), ValueError, "[Mm]ultioutput"),
    ("columns of numbers", lambda y: np.eye(3)[y] + 0.25, ValueError, "Unknown label type"),
    ("text and numbers", with_value("x", object), (ValueError, TypeError), "."),
]


def clean_targets(y):
    return np.array(np.asarray(y), order="C", copy=True)


def check_targets(cls, make, expected, words):
    X, y = make_quarters(), make(make_targets(cls))
    if expected is not None:
        with raises(expected, words):
            tiny(cls).fit(X, y)
        return
    before = copy.deepcopy(y)
    odd = train("fit", tiny(cls), X, y)
    assert_unchanged(y, before)
    clean = clean_targets(y)
    if clean.dtype != bool and clean.dtype.kind != "i":
        clean = clean.astype(float)
    same_arrays(odd, train("fit", tiny(cls), X, clean))


@table(REGRESSION_Y_TABLE)
def test_regression_targets(make, expected, words):
    check_targets(BackpropRegressor, make, expected, words)


@table(CLASSIFICATION_Y_TABLE)
def test_class_labels(make, expected, words):
    check_targets(BackpropClassifier, make, expected, words)


@ESTIMATORS
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_column_is_flattened_with_a_warning(cls, method):
    X, y = make_quarters(), make_targets(cls)
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        from_column = train(method, tiny(cls), X, column(y))
    same_arrays(from_column, train(method, tiny(cls), X, y))


RANGE_TABLE = [
    ("poisson, negative", {"loss": "poisson"}, -0.5, ">= 0.*-0.5"),
    ("exp, negative", {"output_activation": "exp"}, -0.5, ">= 0.*-0.5"),
    ("logistic, above 1", {"output_activation": "logistic"}, 1.5, "between 0 and 1.*1.5"),
    ("logistic, below 0", {"output_activation": "logistic"}, -0.25, "between 0 and 1.*-0.25"),
    ("softmax, above 1", {"output_activation": "softmax"}, 1.5, "between 0 and 1.*1.5"),
]


@pytest.mark.parametrize(
    ("params", "value", "words"),
    [pytest.param(*entry[1:], id=entry[0]) for entry in RANGE_TABLE],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_targets_that_the_output_cannot_reach(params, value, words, method):
    X, y = make_quarters(), make_targets(BackpropRegressor)
    train(method, tiny(BackpropRegressor, **params), X, y)
    with pytest.raises(ValueError, match=words):
        train(method, tiny(BackpropRegressor, **params), X, with_value(value)(y))


def test_targets_too_large_for_single_precision():
    X, y = make_quarters().astype(np.float32), with_value(1e39)(make_targets(BackpropRegressor))
    with pytest.raises(ValueError, match="too large for.*float32"):
        tiny(BackpropRegressor).fit(X, y)
    network = Network([N_FEATURES, 1], dtype="float32")
    with pytest.raises(ValueError, match="too large for.*float32"):
        network.loss(X, y)
    with pytest.raises(ValueError, match="too large for.*float32"):
        network.forward(1e39 * make_quarters())


NETWORK_Y_TABLE = [
    ("labels", lambda y: y, None, ""),
    ("labels of uint8", as_type(np.uint8), None, ""),
    ("labels, strided", lambda y: np.repeat(y, 2)[::2], None, ""),
    ("labels, other byte order", byte_swapped, None, ""),
    ("labels, list", lambda y: y.tolist(), None, ""),
    ("one-hot", lambda y: np.eye(3)[y], None, ""),
    ("one-hot, Fortran order", lambda y: np.asfortranarray(np.eye(3)[y]), None, ""),
    ("one-hot of bool", lambda y: np.eye(3, dtype=bool)[y], None, ""),
    ("one-hot, unaligned", lambda y: unaligned(np.eye(3)[y]), None, ""),
    ("soft", lambda y: np.full((N_ROWS, 3), 0.25), None, ""),
    ("label too large", lambda y: y + 1, ValueError, "label 3.*0..2"),
    ("negative label", lambda y: y - 1, ValueError, "label -1.*0..2"),
    ("labels too short", lambda y: y[:-1], ValueError, "shape"),
    ("labels as floats", lambda y: y.astype(float), ValueError, "shape"),
    ("columns missing", lambda y: np.eye(3)[y][:, :2], ValueError, "shape"),
    ("rows missing", lambda y: np.eye(3)[y][:-1], ValueError, "shape"),
    ("three dimensions", lambda y: np.ones((N_ROWS, 3, 1)), ValueError, "shape"),
    ("a number", lambda y: 1, ValueError, "shape"),
    ("None", lambda y: None, (ValueError, TypeError), "None"),
    ("NaN", lambda y: with_value(np.nan)(np.eye(3)[y]), ValueError, "NaN"),
    ("infinity", lambda y: with_value(np.inf)(np.eye(3)[y]), ValueError, "infinity"),
    ("above 1", lambda y: 2 * np.eye(3)[y], ValueError, "between 0 and 1"),
    ("negative", lambda y: -np.eye(3)[y], ValueError, "between 0 and 1"),
    ("text", lambda y: np.full(N_ROWS, "x"), ValueError, NUMBERS),
    ("complex", lambda y: np.eye(3)[y].astype(complex), ValueError, "Complex"),
    ("sparse", lambda y: csr(np.eye(3)[y]), (ValueError, TypeError), "sparse"),
]


@table(NETWORK_Y_TABLE)
def test_network_targets(make, expected, words):
    network, X, y = make_network(), make_quarters(), make(make_targets(BackpropClassifier))
    for name in "loss", "loss_gradient", "per_sample_gradients":
        method = NETWORK_METHODS[name]
        if expected is not None:
            with raises(expected, words):
                method(network, X, y)
            continue
        before = copy.deepcopy(y)
        clean = np.asarray(y) if np.ndim(y) == 2 else np.eye(3)[np.asarray(y)]
        odd, reference = (method(network, X, one) for one in (y, np.array(clean, float, order="C")))
        assert_unchanged(y, before)
        np.testing.assert_allclose(odd, reference, rtol=1e-12, atol=1e-15, err_msg=name)


def test_network_targets_of_poisson():
    network = make_network(output_activation="exp", loss="poisson")
    with pytest.raises(ValueError, match=">= 0.*-1"):
        network.loss(make_quarters(), -np.ones((N_ROWS, 3)))
