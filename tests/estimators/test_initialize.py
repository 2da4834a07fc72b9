"""initialize: a fitted estimator without training, with weights drawn or given."""

import pickle

import numpy as np
import pandas as pd
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    EVERY_SOLVER,
    N_FEATURES,
    N_SAMPLES,
    STOCHASTIC,
    assert_equal_networks,
    assert_same_state,
    make_named_task,
    make_regression,
    public_state,
    small,
)
from scipy import sparse

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = CUT_SHORT


def loss_of(estimator, X, y):
    """The objective at the estimator's weights."""
    codes = y
    if isinstance(estimator, BackpropClassifier):
        codes = np.searchsorted(estimator.classes_, y)
    return estimator.network_.loss(X, codes)


@ESTIMATORS
@EVERY_SOLVER
def test_initialize_makes_a_fitted_estimator_without_training(cls, solver):
    X, y = make_named_task(cls)
    estimator = small(cls, solver=solver)
    assert estimator.initialize(X, y) is estimator
    assert estimator.predict(X).shape == (N_SAMPLES,)
    assert np.isfinite(estimator.score(X, y))
    assert (estimator.n_iter_, estimator.t_, estimator.loss_curve_) == (0, 0, [])
    assert np.isnan(estimator.loss_)
    assert estimator.best_loss_ == np.inf
    assert estimator.validation_scores_ is estimator.validation_loss_curve_ is None
    assert estimator.n_features_in_ == N_FEATURES
    if cls is BackpropClassifier:
        np.testing.assert_array_equal(estimator.classes_, ["ant", "bee", "cow"])
        np.testing.assert_allclose(estimator.predict_proba(X).sum(axis=1), 1)
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict(X), estimator.predict(X))


@ESTIMATORS
@pytest.mark.parametrize("activation", ["tanh", "selu", ["relu", "gelu"]])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_initial_weights_are_those_that_fit_begins_with(cls, activation, dtype):
    """Ctrl-C in the first call of the learning rate leaves them to be looked at."""
    X, y = make_named_task(cls)
    X = X.astype(dtype)

    def learning_rate(epoch):
        raise KeyboardInterrupt

    interrupted = small(cls, activation=activation, learning_rate=learning_rate)
    with pytest.warns(UserWarning, match="interrupted by user"):
        interrupted.fit(X, y)
    initial = small(cls, activation=activation).initialize(X, y)
    assert initial.network_.dtype == dtype
    assert_equal_networks(interrupted, initial)
    output = "softmax" if cls is BackpropClassifier else "identity"
    alone = Network(
        initial.network_.layer_sizes, activation=activation, output_activation=output, dtype=dtype,
        loss=initial.loss, random_state=0,
    )  # fmt: skip
    np.testing.assert_array_equal(initial.network_.params, alone.params)
    other = small(cls, activation=activation, random_state=1).initialize(X, y)
    assert not np.array_equal(initial.network_.params, other.network_.params)


@ESTIMATORS
@EVERY_SOLVER
def test_a_warm_start_goes_on_from_there(cls, solver):
    X, y = make_named_task(cls)
    plain = small(cls, solver=solver, shuffle=False).fit(X, y)
    begun = small(cls, solver=solver, shuffle=False, warm_start=True).initialize(X, y)
    assert_equal_networks(begun.fit(X, y), plain)
    assert begun.loss_curve_ == plain.loss_curve_
    # without warm_start, fit starts again
    coefs = [np.zeros_like(coef) for coef in plain.coefs_]
    anew = small(cls, solver=solver, shuffle=False).initialize(X, y, coefs=coefs)
    assert_equal_networks(anew.fit(X, y), plain)


@ESTIMATORS
@STOCHASTIC
def test_partial_fit_goes_on_from_there(cls, solver):
    """The classes are known by then and need not be given."""
    X, y = make_named_task(cls)
    plain = small(cls, solver=solver, shuffle=False).fit(X, y)
    begun = small(cls, solver=solver, shuffle=False).initialize(X, y)
    for _ in range(5):
        begun.partial_fit(X, y)
    assert_equal_networks(begun, plain)
    assert begun.loss_curve_ == plain.loss_curve_


@ESTIMATORS
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_given_weights_are_where_training_begins(cls, solver):
    """The attributes of another estimator can be given. The user's arrays are copied."""
    X, y = make_named_task(cls)
    donor = small(cls, random_state=7).fit(X, y)
    coefs = [coef.copy() for coef in donor.coefs_]
    lists = [intercept.tolist() for intercept in donor.intercepts_]
    estimator = small(cls, solver=solver, warm_start=True)
    estimator.initialize(X, y, coefs=coefs, intercepts=lists)
    assert_equal_networks(estimator, donor)
    np.testing.assert_array_equal(estimator.predict(X), donor.predict(X))
    before = loss_of(donor, X, y)
    assert loss_of(estimator.fit(X, y), X, y) < before
    np.testing.assert_array_equal(coefs[0], donor.coefs_[0])


@ESTIMATORS
def test_one_kind_of_weights_may_be_given(cls):
    X, y = make_named_task(cls)
    drawn = small(cls).initialize(X, y)
    zeros = [np.zeros_like(coef) for coef in drawn.coefs_]
    only_coefs = small(cls).initialize(X, y, coefs=zeros)
    assert not any(coef.any() for coef in only_coefs.coefs_)
    ones = [np.ones_like(intercept) for intercept in drawn.intercepts_]
    only_intercepts = small(cls).initialize(X, y, intercepts=ones)
    for given, expected in [
        (only_coefs.intercepts_, drawn.intercepts_),
        (only_intercepts.coefs_, drawn.coefs_),
        (only_intercepts.intercepts_, ones),
    ]:
        for one, other in zip(given, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_network_without_intercepts_takes_those_that_it_shows():
    """Its intercepts_ are zeros, and another estimator can start from them."""
    X, y = make_regression()
    donor = small(BackpropRegressor, fit_intercept=False).fit(X, y)
    twin = small(BackpropRegressor, fit_intercept=False)
    twin.initialize(X, y, coefs=donor.coefs_, intercepts=donor.intercepts_)
    np.testing.assert_array_equal(twin.predict(X), donor.predict(X))


def cases_of_wrong_weights():
    coefs = [np.zeros((4, 6)), np.zeros((6, 5)), np.zeros((5, 1))]
    intercepts = [np.zeros(6), np.zeros(5), np.zeros(1)]
    yield dict(coefs=coefs[:2]), "coefs holds 2 arrays; this network has 3 layers of them"
    yield dict(coefs=[*coefs, coefs[0]]), "coefs holds 4 arrays"
    yield dict(coefs=[c.T for c in coefs]), r"coefs\[0\] has shape \(6, 4\); \(4, 6\) is needed"
    yield dict(coefs=[*coefs[:2], np.zeros(5)]), r"coefs\[2\] has shape \(5,\); \(5, 1\)"
    yield dict(intercepts=intercepts[:1]), "intercepts holds 1 arrays"
    yield dict(intercepts=[*intercepts[:2], 0.0]), r"intercepts\[2\] has shape \(\); \(1,\)"
    nan, infinite = coefs[1] + np.nan, intercepts[1] + np.inf
    yield dict(coefs=[coefs[0], nan, coefs[2]]), r"coefs\[1\] contains NaN;"
    yield (
        dict(intercepts=[intercepts[0], infinite, intercepts[2]]),
        r"intercepts\[1\] contains infinity;",
    )
    yield dict(coefs=[["a"] * 6] * 3), r"coefs\[0\] must hold numbers, got dtype <U1"
    yield dict(coefs=[c + 1j for c in coefs]), "Complex data not supported: coefs"
    dates = [c.astype("datetime64[s]") for c in coefs]
    yield dict(coefs=dates), r"coefs\[0\] must hold numbers, got dtype datetime64"


def test_wrong_weights_leave_the_estimator_as_it_was():
    X, y = make_regression()
    fitted = small(BackpropRegressor).fit(X, y)
    before = public_state(fitted)
    for arguments, words in cases_of_wrong_weights():
        estimator = small(BackpropRegressor)
        with pytest.raises(ValueError, match=words):
            estimator.initialize(X, y, **arguments)
        assert vars(estimator) == estimator.get_params()
        with pytest.raises(ValueError, match=words):
            fitted.initialize(X, y, **arguments)
    assert_same_state(before, public_state(fitted))


@ESTIMATORS
def test_initialize_checks_what_fit_checks(cls):
    X, y = make_named_task(cls)
    for params, arguments, words in [
        (dict(alpha=-1.0), (X, y), "'alpha' parameter"),
        ({}, (X[:, 0], y), "Expected 2D array"),
        ({}, (X, y[:-1]), "inconsistent numbers of samples"),
        (dict(activation=["tanh"]), (X, y), "hidden layer 1 has none"),
    ]:
        estimator = small(cls, **params)
        with pytest.raises(ValueError, match=words):
            estimator.initialize(*arguments)
        assert vars(estimator) == estimator.get_params()


@ESTIMATORS
def test_initialize_keeps_the_names_of_the_features(cls):
    X, y = make_named_task(cls)
    frame = pd.DataFrame(X, columns=[*"abcd"])
    estimator = small(cls).initialize(frame, y)
    np.testing.assert_array_equal(estimator.feature_names_in_, [*"abcd"])
    np.testing.assert_array_equal(
        estimator.predict(frame), small(cls).initialize(X, y).predict(sparse.csr_matrix(X))
    )
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.partial_fit(frame[[*"dcba"]], y)
