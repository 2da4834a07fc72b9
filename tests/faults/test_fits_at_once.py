"""Several fits at once, one within another, and data that change meanwhile.

An estimator is fitted by one call at a time; a second one is refused, and nothing changes for the
first. A user's code that is called during a fit may fit other estimators and use any network. X and
y are read where they are: what the user's code writes there, later batches see.
"""

import copy
import re
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from internals import OPTIMIZERS
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    EVERY_SOLVER,
    assert_same_bits,
    assert_same_state,
    assert_unfitted,
    make_task,
    public_state,
    small,
)
from separate import CAN_FORK, in_forked_child
from torture import times

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = CUT_SHORT

WAIT = 60  # seconds, for what takes a fraction of one


class During:
    """The squared error; at its third call it does something else as well."""

    def __init__(self, action):
        self.action, self.n_calls = action, 0

    def loss(self, y, outputs):
        self.n_calls += 1
        if self.n_calls == 3:
            self.action()
        return ((outputs - y) ** 2).sum(axis=1) / 2

    def gradient(self, y, outputs):
        return outputs - y

    def __deepcopy__(self, memo):
        return self


def nothing():
    pass


# --- one estimator --------------------------------------------------------------------------------


@ESTIMATORS
@pytest.mark.parametrize("method", ["fit", "partial_fit", "initialize"])
def test_a_second_fit_of_the_same_estimator_is_refused(cls, method):
    """From another thread, and from the code that the first one calls."""
    X, y = make_task(cls)
    errors = []

    def fit_again():
        with pytest.raises(RuntimeError, match=f"This {cls.__name__} is being fitted already"):
            getattr(estimator, method)(X[:, :2], y)
        errors.append(threading.get_ident())

    def fit_here_and_there():
        fit_again()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(fit_again).result(WAIT)

    estimator = small(cls, early_stopping=True, max_iter=4)
    alone = copy.deepcopy(estimator).fit(X, y)
    n_epochs = 0

    def scoring(model, X, y):
        nonlocal n_epochs
        n_epochs += 1
        if n_epochs == 2:
            fit_here_and_there()
        return alone.validation_scores_[n_epochs - 1]

    estimator.set_params(scoring=scoring).fit(X, y)
    assert len(errors) == len(set(errors)) == 2
    np.testing.assert_array_equal(estimator.network_.params, alone.network_.params)
    assert estimator.n_features_in_ == alone.n_features_in_
    assert_same_bits(estimator.set_params(scoring=None).fit(X, y), alone)


def test_many_fits_of_the_same_estimator():
    """One at a time ends well, the others with a RuntimeError; the result is that of one alone."""
    X, y = make_task(BackpropRegressor)
    alone = small(BackpropRegressor).fit(X, y)
    estimator = small(BackpropRegressor)
    outcomes = []

    def fit(_):
        try:
            estimator.fit(X, y)
        except RuntimeError as error:
            assert "being fitted already" in str(error)
            return False
        return True

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(fit, range(times(200, 5_000))))
    assert any(outcomes)
    assert_same_bits(estimator, alone)


def test_a_failing_fit_never_takes_the_parameters_away():
    """Another thread reads them at any moment."""
    X, y = make_task(BackpropRegressor)
    estimator = small(BackpropRegressor)
    ended = threading.Event()

    def read():
        while not ended.is_set():
            assert estimator.get_params()["alpha"] == 0.1

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for _ in range(times(200, 5_000)):
            with pytest.raises(ValueError):
                estimator.fit(X[:-1], y)
        ended.set()
        reading.result(WAIT)
    assert_unfitted(estimator)


@CAN_FORK
def test_a_child_forked_during_a_fit_can_fit():
    X, y = make_task(BackpropRegressor)
    results = []

    def fit_in_child():
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: results.append(in_forked_child(fit_plain))).result(WAIT)

    def fit_plain():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return estimator.set_params(loss="squared_error").fit(X, y).network_.params

    estimator = small(BackpropRegressor, loss=During(fit_in_child))
    estimator.fit(X, y)
    alone = small(BackpropRegressor, loss="squared_error").fit(X, y)
    np.testing.assert_array_equal(results[0], alone.network_.params)


def test_predictions_during_a_fit_are_those_of_the_old_network():
    X, y = make_task(BackpropRegressor)
    estimator = small(BackpropRegressor).fit(X, y)
    before, seen = estimator.predict(X), []
    estimator.set_params(loss=During(lambda: seen.append(estimator.predict(X))), random_state=1)
    estimator.fit(X, y)
    np.testing.assert_array_equal(seen[0], before)
    assert (estimator.predict(X) != before).any()


# --- within a user's loss -------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
@pytest.mark.parametrize("inner_solver", ["adam", "lbfgs"])
def test_a_loss_that_fits_another_estimator(solver, inner_solver):
    """Neither fit has another bit than alone."""
    X, y = make_task(BackpropRegressor)
    alone = small(BackpropRegressor, solver=solver, loss=During(nothing)).fit(X, y)
    inner_alone = small(BackpropClassifier, solver=inner_solver).fit(X, y > 0)
    inner = []

    def fit_inner():
        inner.append(small(BackpropClassifier, solver=inner_solver).fit(X, y > 0))

    outer = small(BackpropRegressor, solver=solver, loss=During(fit_inner)).fit(X, y)
    assert_same_bits(outer, alone)
    assert_same_bits(inner[0], inner_alone)


@EVERY_SOLVER
def test_a_scorer_that_fits_another_estimator(solver):
    X, y = make_task(BackpropRegressor)
    held_out = {"X_val": X[:9], "y_val": y[:9]}
    inner = []

    def score(model, X_val, y_val):
        inner.append(small(BackpropRegressor, solver=solver).fit(X, y))
        return 0.5

    outer = small(BackpropRegressor, solver=solver, scoring=score).fit(X, y, **held_out)
    alone = small(BackpropRegressor, solver=solver, scoring=lambda *_: 0.5).fit(X, y, **held_out)
    assert_same_bits(outer, alone)
    for one in inner:
        assert_same_bits(one, inner[0])
    assert_same_bits(small(BackpropRegressor, solver=solver).fit(X, y), inner[0])


METHODS = {
    "forward": lambda net, X, y: net.forward(X),
    "loss": lambda net, X, y: net.loss(X, y),
    "loss_gradient": lambda net, X, y: net.loss_gradient(X, y).flat,
    "per_sample_gradients": lambda net, X, y: net.per_sample_gradients(X, y).flat,
    "input_gradient": lambda net, X, y: net.input_gradient(X, y),
}


@pytest.mark.parametrize("inner", METHODS)
@pytest.mark.parametrize("outer", [name for name in METHODS if name != "forward"])
def test_a_loss_that_uses_its_own_network(outer, inner):
    X, y = make_task(BackpropRegressor)
    calm = Network([X.shape[1], 5, 1], loss=During(nothing), random_state=0)
    expected = METHODS[inner](calm, X, y), METHODS[outer](calm, X, y)
    found = []

    class Reentrant(During):
        def call(self):
            if not found:
                found.append(None)
                found[0] = METHODS[inner](net, X, y)

        def loss(self, y, outputs):
            self.call()
            return super().loss(y, outputs)

        def gradient(self, y, outputs):
            self.call()
            return super().gradient(y, outputs)

    net = Network([X.shape[1], 5, 1], loss=Reentrant(nothing), random_state=0)
    np.testing.assert_array_equal(METHODS[outer](net, X, y), expected[1])
    np.testing.assert_array_equal(found[0], expected[0])


def test_a_loss_that_fits_its_own_estimator():
    """Refused, and the error ends the outer fit."""
    X, y = make_task(BackpropRegressor)
    estimator = small(BackpropRegressor).fit(X, y)
    estimator.set_params(loss=During(lambda: estimator.fit(X, y)))
    before = public_state(estimator)
    with pytest.raises(RuntimeError, match="being fitted already"):
        estimator.fit(X, y)
    assert_same_state(before, public_state(estimator))


# --- data that change -----------------------------------------------------------------------------


class AfterEpoch:
    """A constant rate; before the epoch of that number, something is done."""

    def __init__(self, epoch, action):
        self.epoch, self.action = epoch, action

    def __call__(self, epoch):
        if epoch == self.epoch:
            self.action()
        return 0.02


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_other_numbers_in_x_and_y_are_seen_from_the_next_epoch_on(dtype):
    """As if partial_fit had been called with the new ones."""
    X, y = make_task(BackpropRegressor)
    X, y = X.astype(dtype), y.astype(dtype)
    others = np.cos(X), np.sin(y)
    two_calls = small(BackpropRegressor, shuffle=False, learning_rate=AfterEpoch(99, nothing))
    for data in [(X, y), (X, y), others, others, others]:
        two_calls.partial_fit(*data)
    changing_X, changing_y = X.copy(), y.copy()

    def change():
        changing_X[:], changing_y[:] = others

    estimator = small(BackpropRegressor, shuffle=False, learning_rate=AfterEpoch(2, change))
    estimator.fit(changing_X, changing_y)
    assert_same_bits(estimator, two_calls)


@EVERY_SOLVER
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_no_fit_can_use_are_an_error(solver, value):
    """Written while the solver runs, past all checks: no result, and the estimator as before."""
    X, y = make_task(BackpropRegressor)
    estimator = small(BackpropRegressor, solver=solver, max_iter=8).fit(X, y)
    before = public_state(estimator)
    changing = X.copy()

    def spoil(model, X, y):
        changing[:] = value
        return 0.0

    estimator.set_params(scoring=spoil, early_stopping=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.fit(changing, y, X_val=X[:9], y_val=y[:9])
        except ValueError as error:
            assert re.search("non-finite|X contains (NaN|infinity)", str(error))
            after = public_state(estimator)
            assert_same_state(
                {name: value for name, value in before.items() if name != "scoring"},
                {name: value for name, value in after.items() if name != "scoring"},
            )
        else:
            assert np.isfinite(estimator.network_.params).all()
