"""Buffers that hold a part of the rows: which rows are trained when, and what has no effect."""

import time

import numpy as np
import pytest
from covering import grid
from internals import SOLVER_RECORDS, SOLVERS
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    STOCHASTIC,
    assert_equal_networks,
    assert_same_bits,
    make_classes,
    make_multilabel,
    make_named_classes,
    make_named_task,
    make_regression,
    make_task,
    make_weights,
    small,
)
from scipy import sparse
from streams_of import batches_of, uneven_batches_of

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = CUT_SHORT

BUFFERS = [16, 17, 32, 33, 40, 47, 48, 49]


def orders_of_epochs(n_rows, n_places, batch_size, random_state, n_epochs):
    """The definition of streams.py, with a list of rows for the buffer."""
    kept = np.arange(n_rows)  # goes on from epoch to epoch where the buffer holds all rows
    for _ in range(n_epochs):
        if n_rows <= n_places:
            random_state.shuffle(kept)
            yield kept.copy()
            continue
        n_round = max(n_places // 2 // batch_size * batch_size, batch_size)
        buffer, rest, trained = list(range(n_places)), list(range(n_places, n_rows)), []
        places = np.arange(n_places)
        while rest:
            random_state.shuffle(places)
            now = places[:n_round].copy()
            trained += [buffer[place] for place in now]
            n_new = min(n_round, len(rest))
            for place, row in zip(now, rest, strict=False):
                buffer[place] = row
            rest = rest[n_new:]
            places = np.concatenate([places[n_round:], now[:n_new]])
        random_state.shuffle(places)
        yield np.array(trained + [buffer[place] for place in places])


def assert_equal_to_rounding(one, other):
    """Bit for bit, but for adam, whose powers of beta are computed anew in each round."""
    if one.solver == "sgd":
        assert_equal_networks(one, other)
    np.testing.assert_allclose(one.network_.params, other.network_.params, rtol=1e-9)


@pytest.mark.parametrize("n_places", BUFFERS)
@STOCHASTIC
def test_the_rows_are_trained_in_the_order_that_is_documented(n_places, solver):
    X, y = make_regression()
    model = small(BackpropRegressor, solver=solver, max_iter=3)
    model.fit_batches(uneven_batches_of(X, y), buffer_rows=n_places)

    random_state = np.random.RandomState(0)
    Network([4, 6, 5, 1], activation="tanh", random_state=random_state)  # draws the weights
    stepwise = small(BackpropRegressor, solver=solver, shuffle=False)
    orders = list(orders_of_epochs(48, n_places, 16, random_state, 3))
    for order in orders:
        assert sorted(order) == list(range(48))
        stepwise.partial_fit(X[order], y[order])
    assert_equal_to_rounding(model, stepwise)
    np.testing.assert_allclose(model.loss_curve_, stepwise.loss_curve_, rtol=1e-12)
    assert (model.t_, model.n_iter_) == (144, 3)


@grid(
    1,
    n_places=BUFFERS,
    setting=[
        {},
        {"learning_rate": "cosine"},
        {"warmup_epochs": 1.3},
        {"learning_rate": "one_cycle"},
    ],
    solver=["sgd", "adam"],
)
def test_without_shuffling_the_buffer_has_no_effect(n_places, setting, solver):
    X, y = make_named_classes()
    arrays = X, y, make_weights()
    params = {"shuffle": False, "batch_size": 10, "class_weight": "balanced"} | setting
    params["solver"] = solver
    whole = small(BackpropClassifier, **params).fit(*arrays)
    streamed = small(BackpropClassifier, **params)
    streamed.fit_batches(uneven_batches_of(*arrays), buffer_rows=n_places)
    assert_equal_to_rounding(streamed, whole)
    np.testing.assert_allclose(streamed.loss_curve_, whole.loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(streamed.network_.l2, whole.network_.l2, rtol=1e-15)


MANY = {
    "classes": (BackpropClassifier, make_named_classes),
    "labels": (BackpropClassifier, make_multilabel),
    "numbers": (BackpropRegressor, lambda **sizes: make_regression(2, **sizes)),
    "sparse": (BackpropClassifier, make_classes),
}


@pytest.mark.parametrize("n_places", [30, 64])
@pytest.mark.parametrize("problem", MANY)
def test_the_sizes_of_batches_have_no_effect(problem, n_places):
    cls, make = MANY[problem]
    X, y = make(n_samples=110)
    if problem == "sparse":
        X = sparse.csr_matrix(np.where(np.abs(X) > 0.5, X, 0))
    weights = make_weights(110)
    models = [
        small(cls, max_iter=3, dropout=0.1).fit_batches(batches, buffer_rows=n_places)
        for batches in (
            batches_of(X, y, weights, size=110),
            batches_of(X, y, weights, size=3),
            batches_of(X, y, weights, size=33),
            uneven_batches_of(X, y, weights),
        )
    ]
    for model in models[1:]:
        assert_same_bits(model, models[0])
        assert model.network_.l2 == models[0].network_.l2


def test_sparse_rows_are_trained_in_the_order_of_dense_ones():
    X, y = make_regression(n_samples=200)
    models = [
        small(BackpropRegressor).fit_batches(batches_of(kind(X), y, size=30), buffer_rows=64)
        for kind in (np.asarray, sparse.csr_matrix)
    ]
    dense, of_csr = (model.network_.params for model in models)
    np.testing.assert_allclose(of_csr, dense, rtol=1e-9)


def test_sorted_rows_are_mixed():
    """Rows wait in the buffer for a random time: two rounds and more, a quarter of them."""
    random_state = np.random.RandomState(0)
    (order,) = orders_of_epochs(10_000, 1000, 10, random_state, 1)
    delay = np.argsort(order) - np.arange(10_000)
    assert np.percentile(delay, 75) > 500 - 1000
    assert 0.3 < np.mean(delay[1000:9000] > -500) < 0.9


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("n_places", [48, 100])
def test_rows_may_be_others_in_each_epoch(n_places, kind):
    """As where noise is added to them: each epoch is read anew."""
    X, y = make_regression()
    calls = []

    def batches():
        calls.append(1)
        return batches_of(kind(X * len(calls)), y, size=10)()

    params = {"shuffle": False, "max_iter": 3}
    model = small(BackpropRegressor, **params).fit_batches(batches, buffer_rows=n_places)
    stepwise = small(BackpropRegressor, **params)
    for factor in (1, 2, 3):
        stepwise.partial_fit(kind(X * factor), y)
    assert_equal_networks(model, stepwise)


@ESTIMATORS
def test_batches_that_the_user_fills_again(cls):
    """The thread copies: what is read ahead is not overwritten."""
    X, y = make_task(cls, n_samples=200)

    def refilled():
        rows, targets = np.empty((10, 4)), np.empty(10, y.dtype)
        for start in range(0, 200, 10):
            rows[:], targets[:] = X[start : start + 10], y[start : start + 10]
            yield rows, targets

    model = small(cls).fit_batches(refilled, buffer_rows=64)
    assert_same_bits(model, small(cls).fit_batches([(X, y)], buffer_rows=64))


def test_a_slow_reader_has_no_effect():
    X, y = make_regression(n_samples=200)

    def slow():
        for start in range(0, 200, 20):
            time.sleep(0.002)
            yield X[start : start + 20], y[start : start + 20]

    model = small(BackpropRegressor).fit_batches(slow, buffer_rows=64)
    assert_same_bits(model, small(BackpropRegressor).fit_batches([(X, y)], buffer_rows=64))


def test_classes_that_come_late():
    """A pass over all rows finds them, unless they are given."""
    X, y = make_named_classes(n_samples=200)
    order = np.argsort(y)
    calls = []

    def batches():
        calls.append(1)
        return batches_of(X[order], y[order], size=25)()

    found = small(BackpropClassifier).fit_batches(batches, buffer_rows=32)
    assert found.classes_.tolist() == ["ant", "bee", "cow"]
    assert len(calls) == 6
    calls.clear()
    given = small(BackpropClassifier).fit_batches(
        batches, buffer_rows=32, classes=["ant", "bee", "cow"]
    )
    assert len(calls) == 5
    assert_same_bits(found, given)


def test_the_pass_over_all_rows_is_said(capsys):
    X, y = make_classes(n_samples=200)
    model = small(BackpropClassifier, verbose=True, max_iter=1)
    model.fit_batches(batches_of(X, y, size=25), buffer_rows=32)
    assert capsys.readouterr().out.startswith("Counted 200 rows, time = 0.")


def test_default_buffers():
    """As many rows as 128 MiB hold, in whatever type; all of them here."""
    X, y = make_regression()
    model = small(BackpropRegressor).fit_batches([(X, y)])
    assert_same_bits(model, small(BackpropRegressor).fit(X, y))
    wide = np.zeros((500, 10**6), np.float32)[:, ::2500]
    few = small(BackpropRegressor, max_iter=1).fit_batches([(wide, np.arange(500.0))])
    assert few.n_iter_ == 1


@pytest.mark.parametrize("n_places", [1, 15])
def test_buffers_that_hold_no_batch(n_places):
    X, y = make_regression()
    with pytest.raises(ValueError, match=f"buffer_rows={n_places} holds less than one batch of 16"):
        small(BackpropRegressor).fit_batches([(X, y)], buffer_rows=n_places)


def test_buffers_that_are_smaller_than_automatic_batches():
    X, y = make_regression()
    models = [
        small(BackpropRegressor, batch_size=batch_size).fit_batches([(X, y)], buffer_rows=20)
        for batch_size in ("auto", 20)
    ]
    assert_same_bits(*models)


@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError), ("8", TypeError)]
)
def test_odd_buffers(value, error):
    X, y = make_regression()
    with pytest.raises(error, match="buffer_rows"):
        small(BackpropRegressor).fit_batches([(X, y)], buffer_rows=value)


INCREMENTAL = [solver for solver, record in SOLVER_RECORDS.items() if record.is_incremental]


@pytest.mark.parametrize("solver", [solver for solver in SOLVERS if solver not in INCREMENTAL])
@ESTIMATORS
def test_solvers_that_need_all_samples(cls, solver):
    fitting = " or ".join(map(repr, INCREMENTAL))
    with pytest.raises(ValueError, match=f"solver={fitting}, got solver='{solver}'"):
        small(cls, solver=solver).fit_batches([make_named_task(cls)])


def test_early_stopping_needs_samples_to_validate_on():
    X, y = make_regression()
    with pytest.raises(ValueError, match="early_stopping=True needs X_val and y_val"):
        small(BackpropRegressor, early_stopping=True).fit_batches([(X, y)])
