"""PiecewiseLinearEncoder: its formula, its edges, missing values, names."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.tree import DecisionTreeRegressor

from fastbp import PiecewiseLinearEncoder, RobustSmoothScaler

BOTH_TYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
BOTH_EDGES = pytest.mark.parametrize("edges", ["quantile", "tree"])


def expected(x, edges):
    """Of one number, as the paper writes it, clipped."""
    if np.isnan(x):
        return [0.0] * max(0, len(edges) - 1)
    parts = []
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        parts.append(0.0 if x < left else 1.0 if x >= right else (x - left) / (right - left))
    return parts


def make_numbers(dtype=np.float64, n_rows=200):
    rng = np.random.default_rng(0)
    columns = [
        rng.normal(size=n_rows),
        np.where(rng.random(n_rows) < 0.9, 0, rng.exponential(1000, n_rows)),
        rng.integers(0, 3, n_rows),
        np.full(n_rows, 2.0),
    ]
    return np.column_stack(columns).astype(dtype)


@BOTH_TYPES
@BOTH_EDGES
@pytest.mark.parametrize("n_bins", [1, 2, 16])
def test_formula(dtype, edges, n_bins):
    X = make_numbers(dtype)
    X[7, 0] = np.nan
    encoder = PiecewiseLinearEncoder(n_bins, edges=edges).fit(X, np.nan_to_num(X[:, 0]))
    beyond = np.array([[-1e9], [1e9]]) * np.ones(X.shape[1])
    rows = np.vstack([X, beyond]).astype(dtype)
    encoded = encoder.transform(rows)
    assert encoded.dtype == dtype and encoded.flags.c_contiguous
    reference = [
        np.concatenate(
            [expected(float(x), e) for x, e in zip(row, encoder.bin_edges_, strict=True)]
        )
        for row in rows
    ]
    np.testing.assert_allclose(encoded, reference, atol=1e-14 if dtype == np.float64 else 1e-7)
    assert encoder.n_bins_.tolist() == [max(0, len(e) - 1) for e in encoder.bin_edges_]
    assert encoded.shape[1] == encoder.n_bins_.sum() == len(encoder.feature_of_column_)
    assert encoder.n_bins_.max() <= n_bins


def test_quantiles():
    X = np.arange(33.0).reshape(-1, 1)
    encoder = PiecewiseLinearEncoder(4).fit(X)
    assert encoder.bin_edges_[0].tolist() == [0, 8, 16, 24, 32]
    assert encoder.transform([[10.0]]).tolist() == [[1, 0.25, 0, 0]]
    # each bin, and so each of its columns, has the same number of samples
    assert np.histogram(X, encoder.bin_edges_[0])[0].tolist() == [8, 8, 8, 9]


@BOTH_EDGES
def test_edges_are_different_and_a_constant_column_has_none(edges):
    X = make_numbers()
    encoder = PiecewiseLinearEncoder(16, edges=edges).fit(X, X[:, 1])
    for found in encoder.bin_edges_[:3]:
        assert (np.diff(found) > 0).all()
    assert encoder.bin_edges_[3].size == 0 and encoder.n_bins_[3] == 0
    assert 1 <= encoder.n_bins_[1] < 16  # mostly zeros
    assert 1 <= encoder.n_bins_[2] <= 3  # 0, 1, 2, and the tree's thresholds between them
    assert 3 not in encoder.feature_of_column_


def test_a_tree_finds_what_quantiles_miss():
    """A column that is 0 in 98 % of the rows, and y steps up where it is above 500."""
    rng = np.random.default_rng(0)
    x = np.where(rng.random(5000) < 0.98, 0, rng.uniform(1, 1000, 5000))
    y = (x > 500).astype(int)
    tree = PiecewiseLinearEncoder(4, edges="tree", min_samples_leaf=5).fit(x.reshape(-1, 1), y)
    assert np.abs(tree.bin_edges_[0] - 500).min() < 40
    quantile = PiecewiseLinearEncoder(4).fit(x.reshape(-1, 1))
    assert quantile.n_bins_.tolist() == [1]


@pytest.mark.parametrize(
    ("y", "target_type", "is_classes"),
    [
        (np.arange(90) % 3, "auto", True),
        (np.array(["low", "high", "none"])[np.arange(90) % 3], "auto", True),
        (np.linspace(0, 1, 90), "auto", False),
        (np.arange(90) % 3, "continuous", False),
        (np.arange(90) % 3 * 1.0, "auto", False),
        (np.arange(90), "auto", False),
        (np.arange(90) % 2 == 0, "auto", True),
        (np.arange(180).reshape(90, 2) % 2, "auto", True),
        (np.arange(90) % 3 / 2, "classes", None),
        (np.arange(180).reshape(90, 2) / 7, "auto", False),
    ],
)
def test_targets_of_trees(y, target_type, is_classes):
    X = np.random.default_rng(0).normal(size=(90, 2))
    encoder = PiecewiseLinearEncoder(4, edges="tree", target_type=target_type)
    if is_classes is None:  # fractions are no classes
        with pytest.raises(ValueError, match="label type: continuous"):
            encoder.fit(X, y)
        return
    tree = type(encoder._tree_for(y)).__name__
    assert tree == ("DecisionTreeClassifier" if is_classes else "DecisionTreeRegressor")
    assert (encoder.fit(X, y).n_bins_ >= 1).all()


def test_thresholds_are_those_of_scikit_learns_tree():
    X, y = load_diabetes(return_X_y=True)
    encoder = PiecewiseLinearEncoder(6, edges="tree", min_samples_leaf=10).fit(X[:, [2]], y)
    tree = DecisionTreeRegressor(max_leaf_nodes=6, min_samples_leaf=10, random_state=0)
    tree.fit(X[:, [2]], y)
    thresholds = np.sort(tree.tree_.threshold[tree.tree_.children_left >= 0])
    np.testing.assert_allclose(encoder.bin_edges_[0][1:-1], thresholds, rtol=1e-6)


def test_trees_tell_large_numbers_apart():
    """2**40 + 1 and 2**40 are equal in float32, in which trees work."""
    x = 2.0**40 + np.arange(100)
    encoder = PiecewiseLinearEncoder(2, edges="tree").fit(x.reshape(-1, 1), np.arange(100) >= 60)
    assert encoder.bin_edges_[0].tolist() == [x[0], x[59] + 0.5, x[99]]


@BOTH_EDGES
def test_missing_values_are_left_out_and_become_zero(edges):
    X = make_numbers()
    gaps = np.vstack([X, np.full_like(X, np.nan)])
    y = np.concatenate([X[:, 0], np.full(len(X), 1e3)])
    encoder = PiecewiseLinearEncoder(edges=edges).fit(gaps, y)
    clean = PiecewiseLinearEncoder(edges=edges).fit(X, X[:, 0])
    for one, other in zip(encoder.bin_edges_, clean.bin_edges_, strict=True):
        np.testing.assert_array_equal(one, other)
    encoded = encoder.transform(gaps)
    np.testing.assert_array_equal(encoded[: len(X)], clean.transform(X))
    assert not encoded[len(X) :].any()


@BOTH_EDGES
def test_column_without_values_has_no_bins(edges):
    X = np.column_stack([np.full(40, np.nan), np.arange(40.0)])
    encoder = PiecewiseLinearEncoder(2, edges=edges).fit(X, np.arange(40.0))
    assert encoder.n_bins_.tolist() == [0, 2]
    assert encoder.transform([[1.0, 39.0]]).tolist() == [[1, 1]]


@BOTH_TYPES
def test_extreme_numbers(dtype):
    X = np.array([[-1.0], [0], [1]], dtype=dtype) * np.finfo(dtype).max
    encoded = PiecewiseLinearEncoder(2).fit(X[1:] / 2).transform(X)
    assert encoded.tolist() == [[0, 0], [0, 0], [1, 1]]


def test_nothing_is_left_of_constant_columns():
    assert PiecewiseLinearEncoder().fit_transform(np.ones((5, 2))).shape == (5, 0)


def test_names_and_frames():
    X = pd.DataFrame(make_numbers(), columns=["a", "b", "c", "d"])
    encoder = PiecewiseLinearEncoder(2).set_output(transform="pandas").fit(X)
    assert encoder.get_feature_names_out().tolist() == ["a_bin1", "a_bin2", "b_bin1"] + [
        f"c_bin{t}" for t in range(1, encoder.n_bins_[2] + 1)
    ]
    assert encoder.transform(X).columns.tolist() == encoder.get_feature_names_out().tolist()
    plain = PiecewiseLinearEncoder(2).fit(X.to_numpy())
    assert plain.get_feature_names_out()[0] == "x0_bin1"


def test_many_rows_are_encoded_as_few_are():
    """In blocks."""
    X = np.random.default_rng(0).normal(size=(5001, 3))
    encoder = PiecewiseLinearEncoder(16).fit(X)
    encoded = encoder.transform(X)
    for rows in (slice(0, 5), slice(680, 690), slice(-3, None)):
        np.testing.assert_array_equal(encoded[rows], encoder.transform(X[rows]))


def test_linear_models_bend():
    """In a pipeline, beside the scaled number, and in a search."""
    x = np.random.default_rng(0).uniform(-3, 3, (500, 1))
    y = np.abs(x[:, 0])
    straight = make_pipeline(RobustSmoothScaler(), Ridge(1e-3)).fit(x, y)
    both = make_union(RobustSmoothScaler(), PiecewiseLinearEncoder(8))
    bent = make_pipeline(both, Ridge(1e-3)).fit(x, y)
    assert straight.score(x, y) < 0.1 and bent.score(x, y) > 0.95
    model = make_pipeline(PiecewiseLinearEncoder(edges="tree"), LogisticRegression())
    grid = {"piecewiselinearencoder__n_bins": [1, 8]}
    search = GridSearchCV(model, grid, cv=3).fit(x, y > 1)
    assert search.best_params_ == {"piecewiselinearencoder__n_bins": 8}
    copied = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(copied.predict_proba(x), search.predict_proba(x))


def test_trees_need_targets():
    with pytest.raises(ValueError, match="requires y"):
        PiecewiseLinearEncoder(edges="tree").fit([[1.0], [2.0]])


@pytest.mark.parametrize(
    "params", [{"n_bins": 0}, {"n_bins": 2.5}, {"edges": "kmeans"}, {"target_type": "counts"}]
)
def test_parameters_are_checked(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        PiecewiseLinearEncoder(**params).fit([[1.0], [2.0]])
