"""partial_fit: one epoch a call, over chunks of every kind."""

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    N_SAMPLES,
    STOCHASTIC,
    assert_equal_networks,
    first_call,
    make_classes,
    make_multilabel,
    make_regression,
    make_task,
    small,
)
from scipy import sparse

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT


@ESTIMATORS
@STOCHASTIC
def test_partial_fit_is_one_epoch(cls, solver):
    """Unshuffled, five calls are the five epochs of a fit."""
    X, y = make_task(cls)
    params = {"solver": solver, "tol": 0.0, "shuffle": False}
    whole = small(cls, **params).fit(X, y)
    stepwise = small(cls, **params)
    for _ in range(5):
        stepwise.partial_fit(X, y, **first_call(cls, y))
        assert stepwise.n_iter_ == 1
    assert_equal_networks(whole, stepwise)
    assert whole.loss_curve_ == stepwise.loss_curve_
    assert whole.t_ == stepwise.t_


@STOCHASTIC
@pytest.mark.parametrize("target_type", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_multilabel_partial_fit_is_one_epoch(solver, target_type):
    """scikit-learn's issue 12505: its partial_fit asks for known classes."""
    X, Y = make_multilabel()
    Y = target_type(Y)
    params = {"solver": solver, "tol": 0.0, "shuffle": False}
    whole = small(BackpropClassifier, **params).fit(X, Y)
    stepwise = small(BackpropClassifier, **params)
    for _ in range(5):
        stepwise.partial_fit(X, Y)
    assert_equal_networks(whole, stepwise)
    assert stepwise.out_activation_ == "logistic"
    np.testing.assert_array_equal(stepwise.classes_, [0, 1, 2])
    np.testing.assert_array_equal(whole.predict_proba(X), stepwise.predict_proba(X))


@pytest.mark.parametrize("classes", [None, [0, 1, 2], [0, 1], ["a", "b", "c"]], ids=str)
def test_multilabel_partial_fit_needs_no_classes(classes):
    """The columns are the classes, whatever the argument says."""
    X, Y = make_multilabel()
    clf = small(BackpropClassifier).partial_fit(X, Y, classes=classes)
    assert_equal_networks(clf, small(BackpropClassifier).partial_fit(X, Y))
    clf.partial_fit(X, Y, classes=classes)
    assert clf.predict(X).shape == Y.shape


def test_multilabel_partial_fit_takes_odd_chunks():
    """One row, a label that is always there, a label that never is: still three labels."""
    X, Y = make_multilabel()
    clf = small(BackpropClassifier, batch_size=1)
    for chunk in (Y[:1], np.ones((2, 3), int), np.zeros((2, 3), int), np.eye(3, dtype=int)):
        clf.partial_fit(X[: len(chunk)], chunk)
    assert clf.n_outputs_ == 3
    assert clf.t_ == 8


def test_multilabel_partial_fit_refuses_other_columns():
    X, Y = make_multilabel()
    clf = small(BackpropClassifier).partial_fit(X, Y)
    with pytest.raises(ValueError, match="classes"):
        clf.partial_fit(X, Y[:, :2])
    with pytest.raises(ValueError, match="classes"):
        clf.partial_fit(X, Y[:, 0])


def test_partial_fit_needs_the_classes_once():
    X, y = make_classes(3)
    clf = small(BackpropClassifier)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clf.partial_fit(X, y)
    clf.partial_fit(X, y, classes=[2, 0, 1])
    np.testing.assert_array_equal(clf.classes_, [0, 1, 2])
    clf.partial_fit(X, y).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="not the same as on last call"):
        clf.partial_fit(X, y, classes=[0, 1])


def test_partial_fit_takes_some_of_the_classes():
    X, y = make_classes(3, ["ant", "bee", "cow"])
    clf = small(BackpropClassifier)
    clf.partial_fit(X[y != "cow"], y[y != "cow"], classes=["ant", "bee", "cow", "dog"])
    clf.partial_fit(X[:16], np.full(16, "cow"))
    assert clf.predict_proba(X).shape == (N_SAMPLES, 4)
    with pytest.raises(ValueError, match="has classes not in"):
        clf.partial_fit(X, np.where(y == "ant", "elk", y))


def test_partial_fit_after_fit_needs_no_classes():
    X, y = make_classes(3)
    clf = small(BackpropClassifier).fit(X, y)
    assert len(clf.partial_fit(X, y).loss_curve_) == 6


@ESTIMATORS
def test_partial_fit_takes_chunks_of_every_size(cls):
    X, y = make_task(cls)
    estimator = small(cls, batch_size="auto")
    for size in (48, 1, 7, 33):
        estimator.partial_fit(X[:size], y[:size], **first_call(cls, y))
    assert estimator.t_ == 89
    assert len(estimator.loss_curve_) == 4


def test_partial_fit_refuses_another_architecture():
    X, y = make_regression()
    reg = small(BackpropRegressor).partial_fit(X, y)
    with pytest.raises(ValueError, match="layer sizes"):
        reg.set_params(hidden_layer_sizes=(5, 5)).partial_fit(X, y)


def test_partial_fit_keeps_the_type_of_the_network():
    X, y = make_regression()
    reg = small(BackpropRegressor).fit(X.astype(np.float32), y)
    reg.partial_fit(X, y)
    assert reg.coefs_[0].dtype == np.float32


@ESTIMATORS
def test_solver_may_change_between_calls(cls):
    X, y = make_task(cls)
    estimator = small(cls, solver="sgd").partial_fit(X, y, **first_call(cls, y))
    for solver in ("adam", "sgd"):
        estimator.set_params(solver=solver).partial_fit(X, y)
    estimator.set_params(solver="lbfgs", warm_start=True).fit(X, y)
    estimator.set_params(solver="adam").fit(X, y)
    assert all(np.isfinite(coef).all() for coef in estimator.coefs_)
