"""Dates as inputs, and labels of several types, are refused with what to do."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from problems import tiny

from fastbp import BackpropClassifier, BackpropRegressor, PiecewiseLinearEncoder, RobustSmoothScaler

DATES = pd.DataFrame({"a": pd.date_range("2020", periods=8)})
y = np.arange(8.0)


def polars_frame():
    return pytest.importorskip("polars").DataFrame({"a": DATES["a"].to_list()})


@pytest.mark.parametrize(
    "make",
    [
        lambda: DATES,
        lambda: DATES.assign(b=1.0),
        lambda: DATES.to_numpy(),
        lambda: DATES - DATES.iloc[0],
        lambda: DATES["a"].dt.tz_localize("UTC").to_frame(),
        polars_frame,
    ],
    ids="frame mixed array differences zone polars".split(),
)
def test_dates_are_no_numbers(make):
    X = make()
    words = r"X must hold numbers, got dates or times \(.*\): replace them by numbers, for example"
    for model in tiny(BackpropRegressor), RobustSmoothScaler(), PiecewiseLinearEncoder():
        with pytest.raises(ValueError, match=words):
            model.fit(X, y)
    with pytest.raises(ValueError, match=words):
        tiny(BackpropRegressor).initialize(y[:, np.newaxis], y).predict(X)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (None, r"y has missing labels \(None\), 1 of 8, the first in row 2, counted from 0: leave"),
        (7, r"y has labels of several types: 7 \(int\), 'b' \(str\). Convert them to one"),
    ],
)
def test_labels_of_several_types(label, words):
    labels = np.array(["a", "b"] * 4, dtype=object)
    labels[2] = label
    for call in "fit", "partial_fit", "initialize":
        with pytest.raises(ValueError, match=words):
            getattr(tiny(BackpropClassifier, solver="adam"), call)(np.eye(8), labels)


@pytest.mark.parametrize("kind", [int, bool, np.int32, Decimal])
def test_numbers_in_an_array_of_objects(kind):
    labels = np.array([kind(k % 2) for k in range(8)], dtype=object)
    to = "str" if kind is Decimal else "int"
    words = rf"labels of the type {kind.__name__} in an array of objects.*by y.astype\({to}\)"
    with pytest.raises(ValueError, match=words):
        tiny(BackpropClassifier).fit(np.eye(8), labels)
