"""Warnings point at the user's line, whatever lies between it and the warning."""

import inspect
import pickle
import warnings

import numpy as np
import pytest
from problems import ESTIMATORS, first_call, make_task, small
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, InconsistentVersionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropRegressor


def places_of_warnings(call, category):
    """The files that the warnings of a call point at."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return {one.filename for one in caught if issubclass(one.category, category)}


CALLS = {
    "fit": lambda model, X, y: model.fit(X, y),
    "of a pipeline": lambda model, X, y: make_pipeline(StandardScaler(), model).fit(X, y),
    "of a search": lambda model, X, y: GridSearchCV(model, {"alpha": [0.0, 1.0]}).fit(X, y),
    "cross_val_score": lambda model, X, y: cross_val_score(model, X, y),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@ESTIMATORS
def test_of_runs_that_have_not_converged(cls, solver, call):
    model, (X, y) = small(cls, solver=solver, max_iter=2), make_task(cls)
    assert places_of_warnings(lambda: call(model, X, y), ConvergenceWarning) == {__file__}


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "levenberg_marquardt"])
def test_of_runs_that_are_cut_off(solver):
    """For lbfgs, SciPy's frames lie in between."""
    X, y = make_task(BackpropRegressor)
    model = small(BackpropRegressor, solver=solver, max_time=1e-9)
    assert places_of_warnings(lambda: model.fit(X, y), ConvergenceWarning) == {__file__}


@ESTIMATORS
def test_of_batches_that_are_too_large(cls):
    X, y = make_task(cls)
    model = small(cls, batch_size=1000)
    first = first_call(cls, y)
    assert places_of_warnings(lambda: model.partial_fit(X, y, **first), UserWarning) == {__file__}


@pytest.mark.parametrize("method", ["fit", "partial_fit", "initialize"])
def test_of_columns(method):
    X, y = make_task(BackpropRegressor)
    fit = getattr(small(BackpropRegressor, tol=1e9, n_iter_no_change=1), method)
    assert places_of_warnings(lambda: fit(X, y[:, None]), DataConversionWarning) == {__file__}


def test_of_validation_samples():
    X, y = make_task(BackpropRegressor)
    model = small(BackpropRegressor)
    call = lambda: model.partial_fit(X, y, X_val=1e3 * X, y_val=y)  # noqa: E731
    assert places_of_warnings(call, UserWarning) == {__file__}


def test_of_pickles():
    dumped = pickle.dumps(BackpropRegressor())
    other = dumped.replace(b"0.1.0", b"9.9.0")
    assert other != dumped
    call = lambda: pickle.loads(other)  # noqa: E731
    assert places_of_warnings(call, InconsistentVersionWarning) == {__file__}


def test_the_line_is_that_of_the_call():
    X, y = make_task(BackpropRegressor)
    with pytest.warns(ConvergenceWarning) as caught:
        line = inspect.currentframe().f_lineno + 1
        small(BackpropRegressor, max_iter=2).fit(X, y)
    assert [one.lineno for one in caught] == [line]


def test_a_subclass_of_the_users_is_the_users_code():
    class Own(BackpropRegressor):
        def fit(self, X, y):
            return super().fit(X, y)

    X, y = make_task(BackpropRegressor)
    line = inspect.getsourcelines(Own.fit)[1] + 1
    with pytest.warns(ConvergenceWarning) as caught:
        Own((2,), max_iter=2).fit(X, np.asarray(y))
    assert [one.lineno for one in caught] == [line]
