"""Tables, targets, weights and recipes that cannot be used are refused, with what to do."""

import numpy as np
import pandas as pd
import pytest

from fastbp import TabularClassifier, TabularRegressor

N_SAMPLES = 20
X = pd.DataFrame({"a": np.arange(N_SAMPLES) / 7, "b": ["u", "v"] * (N_SAMPLES // 2)})
y = X.a.to_numpy() ** 2
LABELS = np.array([["yes", "no"][k % 2] for k in range(N_SAMPLES)], dtype=object)


def quick(cls=TabularRegressor, **params):
    return cls(**{"n_estimators": 1, "max_iter": 1, "random_state": 0, **params})


def lazy_frame():
    return pytest.importorskip("polars").DataFrame({"a": y}).lazy()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dict(X), r"X is a dict: make a table of it by pandas.DataFrame\(X\)"),
        (lambda: "table.csv", "X is a str: pass a table of pandas, polars or pyarrow, an array"),
        (lambda: iter(X.to_numpy()), "X is a .*iterator: pass a table"),
        (lazy_frame, r"X is a LazyFrame, which has no rows yet: pass X.collect\(\)"),
    ],
    ids="dict path iterator lazy".split(),
)
def test_what_is_no_table(make, words):
    with pytest.raises(TypeError, match=words):
        quick().fit(make(), y)
    with pytest.raises(TypeError, match=f"X_val and y_val cannot be used. {words}"):
        quick().fit(X, y, X_val=make(), y_val=y)
    with pytest.raises(TypeError, match=words):
        quick().fit(X, y).predict(make())


@pytest.mark.parametrize("dates", [pd.date_range, pd.timedelta_range], ids=lambda one: one.__name__)
def test_targets_that_are_dates(dates):
    values = dates("1 day" if dates is pd.timedelta_range else "2020", periods=N_SAMPLES)
    for targets in values, values.to_series(), values.to_series().to_frame(), values.to_numpy():
        with pytest.raises(ValueError, match="y must hold numbers, got dates or times"):
            quick().fit(X, targets)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_targets_of_other_libraries_that_are_dates(library):
    dates = pd.date_range("2020", periods=N_SAMPLES).to_numpy()
    library = pytest.importorskip(library)
    make = library.Series if hasattr(library, "Series") else library.array
    with pytest.raises(ValueError, match="y must hold numbers, got dates or times"):
        quick().fit(X, make(dates))


@pytest.mark.parametrize(("value", "word"), [(None, "NaN"), (np.inf, "infinity")])
def test_targets_that_are_missing_or_infinite(value, word):
    targets = y.astype(object)
    targets[3] = value
    two = np.column_stack([y.astype(object), targets])
    for given in targets, targets.tolist(), pd.Series(targets, dtype=object), two:
        with pytest.raises(ValueError, match=f"y.* contains {word}"):
            quick().fit(X, given)
    with pytest.raises(ValueError, match="X_val and y_val cannot be used. y contains"):
        quick().fit(X, y, X_val=X, y_val=targets)


@pytest.mark.parametrize("scale", [1e-170, 1e-320])
def test_targets_that_are_too_small(scale):
    """Their variance is no number: all predictions would be the same."""
    with pytest.raises(ValueError, match="differences that are too small; multiply it by a const"):
        quick().fit(X, y * scale)
    assert (quick().fit(X, np.full(N_SAMPLES, scale)).predict(X) == scale).all()


@pytest.mark.parametrize("weight", [1e-50, 1e50])
def test_weights_that_float32_cannot_hold(weight):
    with pytest.raises(ValueError, match="which float32 cannot hold; scale the weights"):
        quick().fit(X, y, np.full(N_SAMPLES, weight))


@pytest.mark.parametrize(
    ("class_weight", "words"),
    [
        ({"yes": 0, "no": 0}, "sample_weight is zero for every sample"),
        ({"yes": np.nan, "no": 1}, "sample_weight contains NaN"),
    ],
    ids=["zero", "NaN"],
)
def test_class_weights_that_are_none(class_weight, words):
    with pytest.raises(ValueError, match=words):
        quick(TabularClassifier, class_weight=class_weight).fit(X, LABELS)


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ({"n_folds": 1}, "n_folds=1 must be a whole number >= 2"),
        ({"n_folds": 2.5}, "n_folds=2.5 must be a whole number >= 2"),
        ({"batch_size": "auto"}, "batch_size='auto' must be a whole number >= 1"),
        ({"batch_size": 0}, "batch_size=0 must be a whole number >= 1"),
    ],
    ids=str,
)
def test_parts_of_a_recipe(preset, words):
    with pytest.raises(ValueError, match=f"^preset: {words}.$"):
        quick(preset=preset).fit(X, y)


def test_labels_of_several_types_and_missing_ones():
    labels = LABELS.copy()
    labels[3] = None
    with pytest.raises(ValueError, match=r"missing labels \(None\), 1 of 20, the first in row 3"):
        quick(TabularClassifier).fit(X, labels)
    labels[3] = 1
    with pytest.raises(ValueError, match=r"several types: 1 \(int\), 'no' \(str\). Convert them"):
        quick(TabularClassifier).fit(X, labels)
