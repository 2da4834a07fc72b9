"""Ctrl-C between any two lines of a run: an epoch counts everywhere, or nowhere."""

import copy

import numpy as np
import pytest
from interrupts import Interrupter, count_steps
from problems import (
    BY_EPOCHS,
    CUT_SHORT,
    assert_same_state,
    assert_unfitted,
    make_task,
    public_state,
    small,
)

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = [CUT_SHORT, pytest.mark.filterwarnings("ignore:Training interrupted by user")]

FILES = tuple(f"fastbp/training/{name}.py" for name in ("run", "monitor", "stochastic"))
# In which an epoch is counted, in one step. (extend_curves is whole between bytecodes, not lines.)
FILES_OF_FIT = (*FILES, "fastbp/training/state.py")


def arguments(cls):
    X, y = make_task(cls)
    return (X, y), dict(X_val=X[:9], y_val=y[:9])


def assert_counted(estimator, n_before, n_samples):
    """Every curve and number says the same number of epochs; n_before are of earlier calls."""
    n_epochs = n_before + estimator.n_iter_
    curves = estimator.validation_loss_curve_, estimator.validation_scores_
    assert [len(curve) for curve in curves] == [n_epochs, n_epochs]
    if n_epochs or n_samples:
        assert len(estimator.loss_curve_) == n_epochs
    if n_samples:
        assert estimator.t_ == n_epochs * n_samples
    if n_epochs:
        assert estimator.loss_ == estimator.loss_curve_[-1]
        if estimator.early_stopping:
            assert estimator.best_validation_score_ == max(estimator.validation_scores_)
        elif n_samples:
            assert estimator.best_loss_ == min(estimator.loss_curve_)


CASES = [
    *(pytest.param(solver, True, marks=[pytest.mark.grid]) for solver in BY_EPOCHS[1:]),
    (BY_EPOCHS[0], False),
    (BY_EPOCHS[0], True),
    ("levenberg_marquardt", True),
    ("lbfgs", False),
]


@pytest.mark.slow
@pytest.mark.parametrize(("solver", "early_stopping"), CASES)
def test_fit(solver, early_stopping):
    data, validation = arguments(BackpropRegressor)
    params = dict(solver=solver, early_stopping=early_stopping, max_iter=2, tol=0, scoring="loss")
    whole = small(BackpropRegressor, **params).fit(*data, **validation)
    n_samples = len(data[0]) if solver in BY_EPOCHS else 0

    def fit():
        nonlocal estimator
        estimator = small(BackpropRegressor, **params)
        estimator.fit(*data, **validation)

    estimator = None
    seen = set()
    n_steps = count_steps(FILES_OF_FIT, fit)
    assert n_steps > 60
    for step in range(1, n_steps + 1):
        if Interrupter(FILES_OF_FIT, step).run(fit):
            assert_unfitted(estimator)
            continue
        assert_counted(estimator, 0, n_samples)
        seen.add(estimator.n_iter_)
        n_losses = estimator.n_iter_
        assert estimator.loss_curve_[:n_losses] == whole.loss_curve_[:n_losses]
        assert estimator.validation_scores_ == whole.validation_scores_[: estimator.n_iter_]
    assert seen == {0, 1, 2}


# What a classifier adds is done before the first epoch, and of adam and sgd the lines are the same.
EITHER = [
    (BackpropRegressor, "sgd"),
    (BackpropRegressor, "adam"),
    pytest.param(BackpropClassifier, "adam", marks=pytest.mark.grid),
]


@pytest.mark.slow
@pytest.mark.parametrize(("cls", "solver"), EITHER)
def test_partial_fit(cls, solver):
    data, validation = arguments(cls)
    fitted = small(cls, solver=solver).fit(*data, **validation)

    def fit():
        nonlocal estimator
        estimator = copy.deepcopy(fitted)
        estimator.partial_fit(*data, **validation)

    estimator = None
    seen = set()
    for step in range(1, count_steps(FILES, fit) + 1):
        if Interrupter(FILES, step).run(fit):
            assert_same_state(public_state(fitted), public_state(estimator))
            continue
        assert_counted(estimator, 5, len(data[0]))
        seen.add(estimator.n_iter_)
        if estimator.n_iter_ == 0:
            np.testing.assert_array_equal(estimator.loss_curve_, fitted.loss_curve_)
    assert seen == {0, 1}


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["lbfgs", "levenberg_marquardt"])
def test_the_last_loss_is_that_of_the_parameters(solver):
    X, y = make_task(BackpropRegressor)
    files = (*FILES_OF_FIT, f"fastbp/training/{solver}.py")

    def fit():
        nonlocal estimator
        estimator = small(BackpropRegressor, solver=solver, max_iter=3, tol=0)
        estimator.fit(X, y)

    estimator = None
    seen = set()
    for step in range(1, count_steps(files, fit) + 1):
        if Interrupter(files, step).run(fit):
            assert_unfitted(estimator)
            continue
        assert len(estimator.loss_curve_) == max(estimator.n_iter_, len(estimator.loss_curve_[:1]))
        seen.add(estimator.n_iter_)
        if estimator.n_iter_:
            loss = estimator.network_.loss(X, y)
            assert estimator.loss_ == pytest.approx(loss, rel=1e-12), step
            assert estimator.best_loss_ == min(estimator.loss_curve_)
    assert seen == {0, 1, 2, 3}
