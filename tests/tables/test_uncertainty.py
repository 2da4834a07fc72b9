"""Intervals, spread and importances, on data whose distribution is known."""

import numpy as np
import pytest
from covering import grid
from internals import (
    ConformalErrors,
    make_splits,
    n_rows_used,
    permutation_importances,
)

from fastbp import Network, TabularClassifier, TabularRegressor

# --- intervals ---


def by_definition(y, lows, highs, stds, own, lows_at, highs_at, stds_at, coverage):
    """CV+ row by row: `own` are the sets of members that did not see each row."""
    n = len(y)
    errors = [max(lows[i] - y[i], y[i] - highs[i]) / stds[i] for i in range(n)]
    rank = int(np.ceil(coverage * (n + 1)))
    ends = []
    for at in range(lows_at.shape[1]):
        widths = [np.mean(stds_at[own[i], at]) * errors[i] for i in range(n)]
        below = [np.mean(lows_at[own[i], at]) - widths[i] for i in range(n)]
        above = [np.mean(highs_at[own[i], at]) + widths[i] for i in range(n)]
        ends.append([np.sort(below)[::-1][rank - 1], np.sort(above)[rank - 1]])
    return np.array(ends)


@pytest.mark.parametrize("n_members", [1, 3, 5, 8])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_bounds_are_those_of_the_definition(n_members, n_outputs, coverage):
    rng = np.random.default_rng(n_members)
    n, n_new = 120, 7
    y = rng.standard_normal(n)
    outputs = np.sort(rng.standard_normal((n, n_outputs)), axis=1)
    new = np.sort(rng.standard_normal((n_members, n_new, n_outputs)), axis=2)
    stds, new_stds = rng.uniform(0.5, 2, n), rng.uniform(0.5, 2, (n_members, n_new))
    splits = make_splits(None, n, n_members, 5, np.random.RandomState(0))
    own = [[k for k, (_, rows) in enumerate(splits) if i in rows] for i in range(n)]
    known = [i for i in range(n) if own[i]]
    expected = by_definition(
        y[known],
        outputs[known, 0],
        outputs[known, -1],
        stds[known],
        [own[i] for i in known],
        new[:, :, 0],
        new[:, :, -1],
        new_stds,
        coverage,
    )
    found = ConformalErrors.of(y, outputs, stds, splits).interval(new, new_stds, coverage)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


ERRORS = {
    "normal": lambda rng, g, n: rng.normal(size=n),
    "wild": lambda rng, g, n: rng.standard_cauchy(n),
    "mostly zeros": lambda rng, g, n: rng.normal(size=n) * (rng.random(n) < 0.4),
    "integers": lambda rng, g, n: np.rint(rng.normal(size=n)),
    "equal": lambda rng, g, n: np.ones(n),
    "equal in a group": lambda rng, g, n: np.full(n, g),
    "of other sizes": lambda rng, g, n: g + 10.0**g * rng.normal(size=1 + n // (g + 1)),
}


@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("n_errors", [40, 400])
@pytest.mark.parametrize("coverage", [0.02, 0.5, 0.9, 0.97])
def test_bounds_are_found_among_errors_of_every_kind(make, n_errors, coverage):
    """Few errors are all looked at, many are searched."""
    rng = np.random.default_rng(0)
    sets = [np.sort(make(rng, g, n_errors)) for g in range(4)]
    errors = ConformalErrors(np.eye(4, dtype=bool), sets)
    n_rows, n = 60, sum(map(len, sets))
    centers = rng.normal(size=n_rows) + 0.1 * rng.normal(size=(4, n_rows))
    centers[:, ::3] = np.rint(centers[:, ::3])
    stds = np.where(rng.random(n_rows) < 0.5, 1.0, rng.uniform(0.5, 2, (4, n_rows)))
    found = errors.interval(centers[:, :, np.newaxis], stds, coverage)
    parts = [
        (c[:, np.newaxis], s[:, np.newaxis] * e)
        for c, s, e in zip(centers, stds, sets, strict=True)
    ]
    rank = int(np.ceil(coverage * (n + 1)))
    low = np.sort(np.hstack([center - width for center, width in parts]), axis=1)[:, -rank]
    high = np.sort(np.hstack([center + width for center, width in parts]), axis=1)[:, rank - 1]
    np.testing.assert_allclose(found, np.column_stack([low, high]), rtol=1e-13, atol=1e-13)
    alone = errors.interval(centers[:, 7:8, np.newaxis], stds[:, 7:8], coverage)
    np.testing.assert_allclose(alone[0], found[7], rtol=1e-13, atol=1e-13)


def test_too_few_rows_for_a_coverage():
    splits = make_splits(None, 10, 5, 5, np.random.RandomState(0))
    errors = ConformalErrors.of(np.zeros(10), np.ones((10, 1)), np.ones(10), splits)
    new = np.ones((5, 2, 1)), np.ones((5, 2))
    np.testing.assert_array_equal(errors.interval(*new, 0.95), [[-np.inf, np.inf]] * 2)
    np.testing.assert_allclose(errors.interval(*new, 0.9), [[0, 2]] * 2, atol=1e-9)


def noisy(n_samples, seed, noise=lambda x: 0.5):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n_samples, 3))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] + noise(X[:, 2]) * rng.standard_normal(n_samples)


@pytest.mark.slow
@pytest.mark.parametrize("n_estimators", [2, 5])
def test_intervals_cover_new_rows_as_often_as_they_say(n_estimators):
    X, y = noisy(3000, 0)
    X_new, y_new = noisy(20_000, 1)
    model = TabularRegressor(n_estimators, max_iter=24, random_state=0).fit(X, y)
    for coverage in 0.5, 0.9:
        low, high = model.predict_interval(X_new, coverage).T
        assert abs(np.mean((low <= y_new) & (y_new <= high)) - coverage) < 0.02
        assert (low < high).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "params", [{"loss": "quantile", "quantile": [0.05, 0.5, 0.95]}, {"loss": "gaussian"}]
)
def test_intervals_are_wide_where_targets_scatter(params):
    X, y = noisy(2500, 0, noise=lambda x: 0.1 + np.abs(x))
    X_new, y_new = noisy(20_000, 1, noise=lambda x: 0.1 + np.abs(x))
    model = TabularRegressor(**params, random_state=0).fit(X, y)
    low, high = model.predict_interval(X_new, 0.9).T
    assert 0.88 < np.mean((low <= y_new) & (y_new <= high)) < 0.92
    calm, wild = np.abs(X_new[:, 2]) < 0.3, np.abs(X_new[:, 2]) > 1.7
    assert 3 * np.mean((high - low)[calm]) < np.mean((high - low)[wild])
    inside = (low <= y_new) & (y_new <= high)
    assert inside[wild].mean() > 0.8


def test_intervals_that_cannot_be():
    X, y = noisy(100, 0)
    model = TabularRegressor(max_iter=2, hidden_layer_sizes=(4,), random_state=0)
    for coverage in (0, 1, 1.5, np.nan):
        with pytest.raises(ValueError, match=f"coverage must be < 1 and > 0, got {coverage}"):
            model.fit(X, y).predict_interval(X, coverage)
    with pytest.raises(TypeError, match="coverage must be a number, got '90%'"):
        model.predict_interval(X, "90%")
    with pytest.raises(ValueError, match="fit without X_val"):
        model.fit(X, y, X_val=X, y_val=y).predict_interval(X)
    with pytest.raises(ValueError, match="y of one column"):
        model.fit(X, np.column_stack([y, y])).predict_interval(X)


@pytest.mark.slow
def test_a_variance_of_known_data_is_found():
    X, y = noisy(4000, 0, noise=lambda x: 0.3 + 0.5 * (x > 0))
    model = TabularRegressor(loss="gaussian", random_state=0).fit(X, 1000 + 50 * y)
    X_new, _ = noisy(4000, 1)
    _, stds = model.predict(X_new, return_std=True)
    assert np.median(stds[X_new[:, 2] > 0.2]) == pytest.approx(50 * 0.8, rel=0.15)
    assert np.median(stds[X_new[:, 2] < -0.2]) == pytest.approx(50 * 0.3, rel=0.15)


def test_variances_add_up():
    X, y = noisy(200, 0)
    model = TabularRegressor(loss="gaussian", max_iter=4, random_state=0).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    encoded = model.encoder_.transform(X)
    scale = y.std()
    parts = [one.predict(encoded, return_std=True) for one in model.estimators_]
    means = np.clip([y.mean() + scale * part[0] for part in parts], y.min(), y.max())
    noises = np.array([scale * part[1] for part in parts])
    np.testing.assert_allclose(mean, means.mean(axis=0), rtol=1e-5)
    expected = means.var(axis=0) + (noises**2).mean(axis=0)
    np.testing.assert_allclose(std, np.sqrt(expected), rtol=1e-5)
    with pytest.raises(ValueError, match="needs a y of one column"):
        model.fit(X, np.column_stack([y, y]))


def test_networks_are_closer_together_where_there_is_more_to_learn_from():
    few, many = (
        TabularRegressor(random_state=0, max_iter=24).fit(*noisy(n, 0)) for n in (150, 2400)
    )
    X, _ = noisy(500, 1)
    apart = [np.median(model.predict(X, return_std=True)[1]) for model in (few, many)]
    assert apart[0] > 1.5 * apart[1]


# --- importances ---


def test_importances_are_increases_of_the_loss():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3)).astype(np.float32)
    y = rng.standard_normal((50, 1)).astype(np.float32)
    network = Network((3, 4, 1), dtype="float32", random_state=0)
    before = X.copy()
    found = permutation_importances(
        [(network, X, y, None)], np.array([0, 1, 1]), 3, np.random.RandomState(5)
    )
    np.testing.assert_array_equal(X, before)
    order = np.random.RandomState(5).permutation(50)
    expected = []
    for columns in ([0], [1, 2], []):
        exchanged = X.copy()
        exchanged[:, columns] = X[order][:, columns]
        expected.append(network.loss(exchanged, y) - network.loss(X, y))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found[2] == 0


FRONTS = {
    "none": {},
    "scale": {"front": "scale"},
    "periodic": {"front": "periodic"},
    "periodic, some": {"front": "periodic", "n_periodic": 270},
    "periodic, none": {"front": "periodic", "n_periodic": 0},
}


@grid(1, front=FRONTS, hidden=[(), (6,), (5, 4)], output=["identity", "softmax", "gaussian"])
def test_importances_in_wide_tables_are_the_same(front, hidden, output):
    """There, the sums of the first layer are kept."""
    rng = np.random.default_rng(0)
    losses = {"softmax": {"loss": "log_loss", "output_activation": "softmax"}}
    losses["gaussian"] = {"loss": "gaussian"}
    n_outputs = {"identity": 1, "softmax": 3, "gaussian": 2}[output]
    network = Network(
        [300, *hidden, n_outputs],
        activation="gelu",
        l2=0.1,
        random_state=0,
        **FRONTS[front],
        **losses.get(output, {}),
    )
    network.params += 0.1 * rng.standard_normal(network.n_params)
    X = rng.standard_normal((30, 300))
    y = rng.integers(0, 3, 30) if output == "softmax" else rng.standard_normal((30, 1))
    weights = rng.uniform(0.5, 2, 30)
    feature_of_column = np.sort(rng.integers(0, 40, 300))
    feature_of_column[feature_of_column == 7] = 8
    X[:, feature_of_column == 3] = 1
    before = X.copy()
    found = permutation_importances(
        [(network, X, y, weights)], feature_of_column, 40, np.random.RandomState(5)
    )
    np.testing.assert_array_equal(X, before)
    order, loss = np.random.RandomState(5).permutation(30), network.loss(X, y, weights)
    for j in range(40):
        exchanged = np.where(feature_of_column == j, X[order], X)
        expected = network.loss(exchanged, y, weights) - loss
        assert found[j] == pytest.approx(expected, rel=1e-9, abs=1e-11)
    assert found[7] == found[3] == 0


def test_importances_in_wide_tables_take_no_pass_through_the_first_layer(monkeypatch):
    """Such passes took half of the time of a fit to 1,000 columns."""
    widths = []

    class Watched(Network):
        def loss(self, X, *args):
            widths.append(X.shape[1])
            return super().loss(X, *args)

    monkeypatch.setattr("fastbp.tables.importance.Network", Watched)
    network = Watched([60, 5, 1], dtype="float32", random_state=0)
    X, y = np.ones((9, 60), np.float32), np.ones(9)
    permutation_importances([(network, X, y, None)], np.arange(60), 60, np.random.RandomState(0))
    assert widths == [5] * 61


def test_rows_for_importances():
    assert n_rows_used(5000, 3) == 1000 and n_rows_used(70, 3) == 70
    assert n_rows_used(5000, 80) == 500 and n_rows_used(5000, 10_000) == 100


@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_columns_without_use_have_next_to_no_importance(cls):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((800, 4))
    X[:, 3] = 1
    y = 2 * X[:, 1] + X[:, 0]
    y = y if cls is TabularRegressor else (y > 0).astype(int)
    importances = cls(max_iter=20, random_state=0).fit(X, y).feature_importances_
    assert importances[1] > importances[0] > 10 * abs(importances[2])
    assert importances[3] == 0
    again = cls(max_iter=20, random_state=0, n_threads=1).fit(X, y).feature_importances_
    np.testing.assert_array_equal(importances, again)
    with_others = cls(max_iter=20, random_state=0).fit(X, y, X_val=X, y_val=y)
    assert with_others.feature_importances_.argmax() == 1


def test_select_from_model():
    from sklearn.feature_selection import SelectFromModel

    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 6))
    selector = SelectFromModel(TabularRegressor(max_iter=20, random_state=0))
    selector.fit(X, 3 * X[:, 2] - 3 * X[:, 5])
    assert selector.get_support().tolist() == [False, False, True, False, False, True]
