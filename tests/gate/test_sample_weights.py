"""Sample weights at the input gate, as tables: see test_inputs.py."""

import copy

import numpy as np
import pandas as pd
from arrays import (
    as_type,
    assert_unchanged,
    byte_swapped,
    column,
    read_only,
    reversed_view,
    unaligned,
    with_value,
)
from problems import CUT_SHORT, ESTIMATORS, RAGGED, tiny
from tables import (
    BOTH,
    N_ROWS,
    NUMBERS,
    make_network,
    make_quarters,
    make_targets,
    raises,
    same_arrays,
    table,
    table_in_turn,
    train,
)

from fastbp import BackpropClassifier

pytestmark = [CUT_SHORT, RAGGED]


WEIGHT_TABLE = [
    ("float", lambda w: w, None, ""),
    ("int", lambda w: np.arange(N_ROWS) + 1, None, ""),
    ("bool", lambda w: np.arange(N_ROWS) > 3, None, ""),
    ("float32", as_type(np.float32), None, ""),
    ("longdouble", as_type(np.longdouble), None, ""),
    ("list", lambda w: w.tolist(), None, ""),
    ("Series", pd.Series, None, ""),
    ("strided", lambda w: np.repeat(w, 2)[::2], None, ""),
    ("negative strides", reversed_view, None, ""),
    ("zero stride", lambda w: np.broadcast_to(w[1], w.shape), None, ""),
    ("unaligned", unaligned, None, ""),
    ("other byte order", byte_swapped, None, ""),
    ("read-only", read_only, None, ""),
    ("some zero", lambda w: np.where(np.arange(N_ROWS) % 3 == 0, 0, w), None, ""),
    ("negative", with_value(-0.5), ValueError, "[Nn]egative.*-0.5"),
    ("all zero", lambda w: 0 * w, ValueError, "zero"),
    ("too short", lambda w: w[:-1], ValueError, r"\(23,\).*\(24,\)"),
    ("too long", lambda w: np.append(w, 1), ValueError, r"\(25,\).*\(24,\)"),
    ("empty", lambda w: w[:0], ValueError, r"\(0,\).*\(24,\)"),
    ("column", column, ValueError, r"\(24, 1\)|1D"),
    ("NaN", with_value(np.nan), ValueError, "NaN"),
    ("infinity", with_value(np.inf), ValueError, "infinity"),
    ("sum too large", lambda w: np.full(w.shape, 1e308), ValueError, "sum|large"),
    ("text", lambda w: np.full(w.shape, "x"), ValueError, NUMBERS),
    ("complex", as_type(complex), ValueError, "Complex"),
    ("negative number", lambda w: -1.0, ValueError, "[Nn]egative"),
    ("zero", lambda w: 0.0, ValueError, "zero"),
]


def make_weights():
    return (np.arange(N_ROWS) % 5 + 1) / 4


@table_in_turn(WEIGHT_TABLE, cls=BOTH)
def test_training_weights(cls, make, expected, words):
    X, y = make_quarters(), make_targets(cls)
    for method in "fit", "partial_fit":
        weights = make(make_weights())
        if expected is not None:
            with raises(expected, words):
                train(method, tiny(cls), X, y, weights)
            continue
        before = copy.deepcopy(weights)
        odd = train(method, tiny(cls), X, y, weights)
        assert_unchanged(weights, before)
        clean = train(method, tiny(cls), X, y, np.array(weights, dtype=float))
        same_arrays(odd, clean, what=method)


@table(WEIGHT_TABLE)
def test_network_weights(make, expected, words):
    network, X, y = make_network(), make_quarters(), make_targets(BackpropClassifier)
    for evaluate in (
        lambda weights: network.loss(X, y, weights),
        lambda weights: network.loss_gradient(X, y, weights).flat,
    ):
        weights = make(make_weights())
        if expected is not None:
            with raises(expected, words):
                evaluate(weights)
            continue
        before = copy.deepcopy(weights)
        np.testing.assert_array_equal(evaluate(weights), evaluate(np.array(weights, dtype=float)))
        assert_unchanged(weights, before)


@ESTIMATORS
def test_a_single_weight_stands_for_all(cls):
    X, y = make_quarters(), make_targets(cls)
    same_arrays(
        train("fit", tiny(cls), X, y, 2.5),
        train("fit", tiny(cls), X, y, np.full(N_ROWS, 2.5)),
    )
