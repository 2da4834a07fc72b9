"""RobustSmoothScaler: its formula, missing values, extreme numbers, and back."""

import math
import pickle
import statistics

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from fastbp import RobustSmoothScaler

BOTH_TYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def expected(x, column):
    """One number, in Python floats."""
    values = sorted(v for v in column if not math.isnan(v))
    if len(values) > 1:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        scale = high - low or (values[-1] - values[0]) / 2
    else:
        scale = 0
    z = (x - statistics.median(values)) / scale if scale else 0 * x
    return z / math.sqrt(1 + (z / 3) ** 2)


def make_numbers(dtype=np.float64, n_rows=101):
    rng = np.random.default_rng(0)
    columns = [
        rng.normal(size=n_rows),
        1e3 + 50 * rng.normal(size=n_rows),
        np.exp(4 * rng.normal(size=n_rows)),
        np.where(np.arange(n_rows) % 5, 0, rng.integers(1, 9, n_rows)),  # mostly zeros
        rng.integers(0, 3, n_rows),
        np.full(n_rows, 7.5),
    ]
    return np.column_stack(columns).astype(dtype)


@BOTH_TYPES
@pytest.mark.parametrize("order", ["C", "F"])
def test_formula(dtype, order):
    X = make_numbers(dtype)
    X[3, 0] = X[5, 3] = np.nan
    scaled = RobustSmoothScaler().fit(X).transform(np.asarray(X, order=order))
    assert scaled.dtype == dtype and scaled.flags.c_contiguous
    reference = [[expected(float(x), column.astype(float)) for x in column] for column in X.T]
    bound = 1e-13 if dtype == np.float64 else 1e-6
    np.testing.assert_allclose(scaled, np.transpose(reference), rtol=bound, atol=1e-14)


def test_scale_is_the_distance_of_quartiles_or_half_the_range():
    X = np.array([[0.0, 0, 5], [1, 0, 5], [2, 0, 5], [3, 0, 5], [4, 8, 5]])
    scaler = RobustSmoothScaler().fit(X)
    assert scaler.center_.tolist() == [2, 0, 5]
    assert scaler.scale_.tolist() == [2, 4, 0]


def test_constant_column_is_zero_for_other_numbers_too():
    scaler = RobustSmoothScaler().fit(np.ones((4, 1)))
    assert scaler.transform([[1.0], [-5e300], [np.nan]]).tolist()[:2] == [[0], [0]]
    assert scaler.inverse_transform([[0.0], [2.0], [3.0]]).tolist() == [[1], [1], [1]]


@BOTH_TYPES
def test_missing_values_stay_missing_and_are_left_out(dtype):
    X = make_numbers(dtype)
    gaps = np.vstack([X, np.full_like(X, np.nan)])
    scaler, clean = RobustSmoothScaler().fit(gaps), RobustSmoothScaler().fit(X)
    np.testing.assert_array_equal(scaler.center_, clean.center_)
    np.testing.assert_array_equal(scaler.scale_, clean.scale_)
    scaled = scaler.transform(gaps)
    np.testing.assert_array_equal(scaled[: len(X)], clean.transform(X))
    assert np.isnan(scaled[len(X) :]).all()
    assert np.isnan(scaler.inverse_transform(scaled)[len(X) :]).all()


def test_column_without_values():
    scaler = RobustSmoothScaler().fit([[np.nan, 1.0], [np.nan, 2.0]])
    assert np.isnan(scaler.center_[0]) and scaler.scale_[0] == 0
    assert np.isnan(scaler.transform([[3.0, 1.0]])).tolist() == [[True, False]]


@BOTH_TYPES
def test_extreme_numbers_end_at_the_bound(dtype):
    """The square of z overflows long before z does: 3, not 0."""
    largest = np.finfo(dtype).max
    X = np.array([-1, 0, 1, 2, 3], dtype=dtype).reshape(-1, 1)
    scaler = RobustSmoothScaler().fit(X)
    extremes = np.array([-largest, -1e30, 1e20, largest], dtype=dtype).reshape(-1, 1)
    assert scaler.transform(extremes).ravel().tolist() == [-3, -3, 3, 3]
    wide = np.array([-largest, -largest, 0, largest, largest], dtype=dtype).reshape(-1, 1)
    scaled = RobustSmoothScaler().fit_transform(wide).ravel()
    assert np.isfinite(scaled).all() and (np.diff(scaled) >= 0).all() and scaled[2] == 0
    narrow = np.array([0, 0, 5e-324, 1e-323, 1], dtype=np.float64).reshape(-1, 1)
    assert np.isfinite(RobustSmoothScaler().fit_transform(narrow)).all()


@BOTH_TYPES
def test_inverse(dtype):
    X = make_numbers(dtype)
    scaler = RobustSmoothScaler().fit(X)
    scaled = scaler.transform(X)
    back = scaler.inverse_transform(scaled)
    assert back.dtype == dtype
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(scaler.scale_ == 0, 0, (X.astype(float) - scaler.center_) / scaler.scale_)
    # what the docstring says of rounding errors
    error = 4 * np.finfo(dtype).eps * (1 + (z / 3) ** 2) ** 1.5 * np.maximum(1, abs(z))
    error = error * scaler.scale_ + 4 * np.finfo(dtype).eps * abs(X)
    inside = abs(scaled) < 3
    assert inside.mean() > 0.9
    np.testing.assert_array_less(abs(back - X)[inside], error[inside] + 1e-300)


def test_inverse_at_the_bound_and_beyond_is_infinite():
    scaler = RobustSmoothScaler().fit(make_numbers()[:, :1])
    back = scaler.inverse_transform([[3.0], [-3.0], [4.0], [-1e300]]).ravel()
    assert back.tolist() == [np.inf, -np.inf, np.inf, -np.inf]


def test_many_rows_are_scaled_as_few_are():
    """In blocks."""
    X = np.random.default_rng(0).normal(size=(70_001, 3))
    scaler = RobustSmoothScaler().fit(X)
    scaled = scaler.transform(X)
    for rows in (slice(0, 5), slice(32_760, 32_780), slice(-3, None)):
        np.testing.assert_array_equal(scaled[rows], scaler.transform(X[rows]))
    np.testing.assert_allclose(scaler.inverse_transform(scaled), X, rtol=1e-9, atol=1e-12)


def test_input_is_left_alone():
    X = make_numbers()
    before = X.copy()
    scaler = RobustSmoothScaler().fit(X)
    scaler.inverse_transform(scaler.transform(X))
    np.testing.assert_array_equal(X, before)


def test_names_and_frames():
    X = pd.DataFrame(make_numbers(), columns=[*"abcdef"])
    scaler = RobustSmoothScaler().set_output(transform="pandas").fit(X)
    assert scaler.get_feature_names_out().tolist() == [*"abcdef"]
    assert scaler.transform(X).columns.tolist() == [*"abcdef"]
    with pytest.raises(ValueError, match="same order"):
        scaler.transform(X[[*"fedcba"]])


def test_in_pipelines():
    X = make_numbers()
    y = X[:, 0] + X[:, 1]
    model = TransformedTargetRegressor(
        make_pipeline(RobustSmoothScaler(), Ridge(1e-6)), transformer=RobustSmoothScaler()
    )
    assert clone(model).fit(X, y).score(X, y) > 0.95
    scaler = RobustSmoothScaler().fit(X)
    copied = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(copied.transform(X), scaler.transform(X))


@pytest.mark.parametrize(
    ("X", "words"),
    [
        ([[np.inf]], "infinity"),
        ([["text"]], "could not convert"),
        (np.ma.masked_array([[1.0], [2.0]], mask=[[True], [False]]), "mask"),
        (np.zeros(3, dtype=[("a", float)]), "dtype"),
    ],
)
def test_what_is_refused(X, words):
    with pytest.raises(ValueError, match=words):
        RobustSmoothScaler().fit(X)
