"""scikit-learn's checks are skipped only where they would change nothing and find nothing.

With and without them predictions and fits are the same, and so are warnings and errors.
"""

import itertools
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from arrays import DOORS, MATRIX, as_type, byte_swapped, read_only, strided, unaligned, with_value
from covering import grid
from internals import ACTIVATIONS, BUILDS, DTYPES, OPTIMIZERS, check_everything
from problems import CUT_SHORT, ESTIMATORS, SCIKIT, tiny
from reference import ReferenceNetwork
from scipy import sparse
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from tables import (
    BOTH,
    fitted_arrays,
    make_quarters,
    make_targets,
    predictions,
    same_arrays,
)

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT


# --- predictions ----------------------------------------------------------------------------------


def outcome(action):
    """The warnings and the error of an action, ours and scikit-learn's in the same words."""
    error = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            action()
        except Exception as raised:
            error = type(raised), str(raised).replace("MLP", "Backprop")
    return [(one.category, str(one.message).replace("MLP", "Backprop")) for one in caught], error


@pytest.fixture
def all_checks(monkeypatch):
    """A function. After its call all of scikit-learn's checks are done."""
    return lambda: check_everything(monkeypatch)


@MATRIX
@grid(1, door=[door for door in DOORS if door != "matrix"], dtype=DTYPES, cls=BOTH)
def test_predictions_through_every_door(all_checks, cls, dtype, door):
    X = make_quarters().astype(dtype)
    estimator = tiny(cls).fit(X, make_targets(cls))
    expected = predictions(estimator, X)
    same_arrays(predictions(estimator, DOORS[door](X)), expected)
    all_checks()
    same_arrays(predictions(estimator, X), expected)


NAMES = list("abcd")
SEEN_IN_FIT = {"array": lambda X: X, "frame": lambda X: pd.DataFrame(X, columns=NAMES)}
PREDICTED = {
    "array": lambda X: X,
    "Fortran order": np.asfortranarray,
    "list": lambda X: X.tolist(),
    "frame": lambda X: pd.DataFrame(X, columns=NAMES),
    "frame with numbered columns": pd.DataFrame,
    "frame with other names": lambda X: pd.DataFrame(X, columns=list("abce")),
    "frame in another order": lambda X: pd.DataFrame(X, columns=NAMES)[list("bacd")],
    "NaN": with_value(np.nan),
    "infinity": with_value(np.inf),
    "NaN in Fortran order": lambda X: np.asfortranarray(with_value(np.nan)(X)),
    "NaN in a frame": lambda X: pd.DataFrame(with_value(np.nan)(X), columns=NAMES),
    "a column less": lambda X: X[:, :3].copy(),
    "a column more": lambda X: np.hstack([X, X[:, :1]]),
    "no rows": lambda X: X[:0],
    "no columns": lambda X: X[:, :0],
    "one dimension": lambda X: X[0],
    "three dimensions": lambda X: X[None],
    "complex": as_type(complex),
}


@cache
def fitted(cls, seen="array", activation="relu", *, theirs=False):
    """An estimator, or scikit-learn's beside it, which many tests predict with."""
    X, y = SEEN_IN_FIT[seen](make_quarters()), make_targets(cls)
    return tiny(SCIKIT[cls] if theirs else cls, activation=activation).fit(X, y)


@grid(1, predicted=PREDICTED, seen=SEEN_IN_FIT, cls=BOTH)
def test_predictions_warn_and_refuse_as_scikit_learns(all_checks, cls, seen, predicted):
    odd = PREDICTED[predicted](make_quarters())
    ours, theirs = fitted(cls, seen), fitted(cls, seen, theirs=True)
    expected = outcome(lambda: theirs.predict(odd))
    assert outcome(lambda: ours.predict(odd)) == expected
    if cls is BackpropClassifier:
        assert outcome(lambda: ours.predict_proba(odd)) == expected
    all_checks()
    assert outcome(lambda: ours.predict(odd)) == expected


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_predictions_before_fit(method):
    for X in make_quarters(), make_quarters().tolist(), with_value(np.nan)(make_quarters()), None:
        ours, theirs = (
            outcome(lambda cls=cls, X=X: getattr(cls(), method)(X))
            for cls in (BackpropClassifier, SCIKIT[BackpropClassifier])
        )
        assert ours == theirs
        assert ours[1][0].__name__ == "NotFittedError"
    X = make_quarters()
    assert outcome(lambda: BackpropRegressor().predict(X)) == outcome(
        lambda: SCIKIT[BackpropRegressor]().predict(X)
    )


SCIKIT_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")


@grid(build=BUILDS, cls=BOTH, activation=ACTIVATIONS)
def test_predictions_when_finiteness_is_assumed(build, cls, activation):
    """Values that are not finite then pass through the network into the outputs."""
    X, y = make_quarters(), make_targets(cls)
    known = activation in SCIKIT_ACTIVATIONS
    ours = tiny(cls, activation=activation).fit(X, y)
    theirs = fitted(cls, activation=activation if known else "relu", theirs=True)
    unchecked = X.copy()
    unchecked[3, 1], unchecked[7, 0], unchecked[8, 2] = np.nan, np.inf, -np.inf
    method = "predict_proba" if cls is BackpropClassifier else "predict"

    def expected(X):
        if known:
            return getattr(theirs, method)(X)
        outputs = ReferenceNetwork.like(ours.network_).forward(X)
        return outputs if cls is BackpropClassifier else outputs.ravel()

    with config_context(assume_finite=True), np.errstate(all="ignore"):
        for clean in X, X.tolist(), np.asfortranarray(X):
            np.testing.assert_allclose(getattr(ours, method)(clean), expected(clean), rtol=1e-9)
        for odd in unchecked, np.asfortranarray(unchecked), unchecked.tolist():
            np.testing.assert_allclose(getattr(ours, method)(odd), expected(odd), rtol=1e-9)
        words = outcome(lambda: ours.predict(X[:, :3].copy()))
        assert words == outcome(lambda: theirs.predict(X[:, :3].copy()))
    assert outcome(lambda: ours.predict(unchecked)) == outcome(lambda: theirs.predict(unchecked))


# --- fits -----------------------------------------------------------------------------------------


@grid(solver=[*OPTIMIZERS, "lbfgs"], dtype=DTYPES, cls=BOTH)
def test_fits_of_plain_arrays(all_checks, cls, dtype, solver):
    """With and without checks, and in every other form."""
    X, y = make_quarters().astype(dtype), make_targets(cls)

    def fitted(X, y):
        return fitted_arrays(tiny(cls, solver=solver).fit(X, y))

    expected = fitted(X, y)
    forms = [np.asfortranarray, strided, read_only, unaligned, pd.DataFrame]
    if dtype == "float64":  # which these become
        forms += [np.ndarray.tolist, byte_swapped, as_type(np.float16), as_type(object)]
    for form in forms:
        same_arrays(fitted(form(X), y), expected)
    for form in [np.ndarray.tolist, read_only, byte_swapped, unaligned, pd.Series, as_type(float)]:
        same_arrays(fitted(X, form(y)), expected)
    all_checks()
    same_arrays(fitted(X, y), expected)


BAD_X = {
    "NaN": with_value(np.nan),
    "infinity": with_value(np.inf),
    "-infinity": with_value(-np.inf),
    "NaN in float32": with_value(np.nan, np.float32),
    "infinity in float32": with_value(np.inf, np.float32),
    "NaN in Fortran order": lambda X: np.asfortranarray(with_value(np.nan)(X)),
    "complex": as_type(complex),
    "text": lambda X: np.full(X.shape, "x"),
    "text in objects": with_value("x", object),
    "None in objects": with_value(None, object),
    "no rows": lambda X: X[:0],
    "no columns": lambda X: X[:, :0],
    "empty list": lambda X: [],
    "too short": lambda X: X[:-1],
    "too long": lambda X: np.vstack([X, X]),
    "no dimension": lambda X: X[0, 0],
    "one dimension": lambda X: X[:, 0],
    "three dimensions": lambda X: X[:, :, None],
    "None": lambda X: None,
}
BAD_Y = {
    "NaN": with_value(np.nan),
    "infinity": with_value(np.inf),
    "-infinity": with_value(-np.inf),
    "NaN in float32": with_value(np.nan, np.float32),
    "NaN in two columns": lambda y: with_value(np.nan)(np.column_stack([y, y])),
    "complex": as_type(complex),
    "no rows": lambda y: y[:0],
    "no columns": lambda y: y.reshape(-1, 1)[:, :0],
    "too short": lambda y: y[:-1],
    "too long": lambda y: np.append(y, 0),
    "too short, two columns": lambda y: np.column_stack([y, y])[:-1],
    "no dimension": lambda y: y[0],
    "three dimensions": lambda y: np.stack([np.column_stack([y, y])] * 2),
    "three dimensions, as many as samples": lambda y: np.ones((len(y), 2, 2)),
    "sparse": lambda y: sparse.csr_matrix(y.reshape(-1, 1)),
    "None": lambda y: None,
}
# scikit-learn refuses these too, but not in its checks, and in other words.
BAD_Y_OF_OURS = {
    "text": lambda y: np.array(list("abc"))[np.arange(len(y)) % 3],
    "bytes": as_type("S"),
    "text in objects": with_value("x", object),
    "None in objects": with_value(None, object),
    "dates": as_type("datetime64[s]"),
    "structured": lambda y: np.zeros(len(y), dtype=[("a", float)]),
}
ODD_X = {
    "column": lambda X: X[:, :1].copy(),
    "row of rows": lambda X: np.ma.masked_array(X),
    "bool": lambda X: X > 0,
}
ODD_Y = {
    "column": lambda y: y.reshape(-1, 1),
    "bool": lambda y: y > 0,
    "uint8": lambda y: (4 * y).astype(np.uint8),
    "float16": as_type(np.float16),
    "longdouble": as_type(np.longdouble),
    "objects": lambda y: (4 * y).astype(int).astype(object),
    "indicators": lambda y: np.column_stack([y > 0, y == 0]).astype(int),
    "one class": np.zeros_like,
}


def tried(method, cls, X, y):
    """What an estimator does with X and y: warnings, error, and what it has learnt."""
    estimator = tiny(cls)
    arguments = (
        {"classes": [0, 1, 2]}
        if method == "partial_fit" and hasattr(estimator, "predict_proba")
        else {}
    )
    before = vars(estimator).copy()
    said = outcome(lambda: getattr(estimator, method)(X, y, **arguments))
    if said[1] is None:
        return said, estimator.network_.params if "network_" in vars(estimator) else None
    if cls in SCIKIT:
        assert vars(estimator) == before
    return said, None


@pytest.mark.parametrize("bad", BAD_X)
@ESTIMATORS
def test_fits_refuse_inputs_as_scikit_learns(cls, bad):
    X, y = BAD_X[bad](make_quarters()), make_targets(cls)
    said, _ = tried("fit", cls, X, y)
    assert said == tried("fit", SCIKIT[cls], X, y)[0]
    assert said[1] is not None


@pytest.mark.parametrize("bad", BAD_Y)
@ESTIMATORS
def test_fits_refuse_targets_as_scikit_learns(cls, bad):
    X, y = make_quarters(), BAD_Y[bad](make_targets(cls))
    said, _ = tried("fit", cls, X, y)
    assert said == tried("fit", SCIKIT[cls], X, y)[0]
    assert said[1] is not None


@pytest.mark.parametrize("bad", BAD_Y_OF_OURS)
def test_regressors_refuse_targets_that_are_no_numbers(bad):
    X, y = make_quarters(), BAD_Y_OF_OURS[bad](make_targets(BackpropRegressor))
    (_, error), _ = tried("fit", BackpropRegressor, X, y)
    assert error is not None and error[0] is ValueError
    assert tried("fit", SCIKIT[BackpropRegressor], X, y)[0][1] is not None


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@ESTIMATORS
def test_fits_with_and_without_checks(all_checks, cls, method):
    """The result for an array does not depend on which checks were skipped."""
    inputs = {**BAD_X, **ODD_X, "plain": lambda X: X}
    targets = {**BAD_Y, **BAD_Y_OF_OURS, **ODD_Y}
    pairs = [(make(make_quarters()), make_targets(cls)) for make in inputs.values()]
    pairs += [(make_quarters(), make(make_targets(cls))) for make in targets.values()]
    fast = [tried(method, cls, X, y) for X, y in pairs]
    all_checks()
    for name, one, (X, y) in zip([*inputs, *targets], fast, pairs, strict=True):
        said, learnt = tried(method, cls, X, y)
        assert said == one[0], name
        np.testing.assert_array_equal(learnt, one[1], err_msg=name)


@ESTIMATORS
def test_fits_when_finiteness_is_assumed(cls):
    """What the checks would have found is found after the first epoch at the latest."""
    X, y = make_quarters(), make_targets(cls)
    expected = fitted_arrays(tiny(cls).fit(X, y))
    with config_context(assume_finite=True):
        same_arrays(fitted_arrays(tiny(cls).fit(X, y)), expected)
        for value, activation in itertools.product((np.nan, np.inf), ACTIVATIONS):
            estimator = tiny(cls, activation=activation)
            with pytest.raises(ValueError, match="non-finite"), np.errstate(all="ignore"):
                estimator.fit(with_value(value)(X), y)
            assert not hasattr(estimator, "network_")


def features_seen(estimator):
    names = getattr(estimator, "feature_names_in_", None)
    return getattr(estimator, "n_features_in_", None), None if names is None else list(names)


STEPS = {
    "array": lambda X: X,
    "frame": lambda X: pd.DataFrame(X, columns=NAMES),
    "frame with numbered columns": pd.DataFrame,
    "list": lambda X: X.tolist(),
    "fewer columns": lambda X: X[:, :3].copy(),
    "fewer columns with names": lambda X: pd.DataFrame(X[:, :3], columns=NAMES[:3]),
    "other names": lambda X: pd.DataFrame(X, columns=list("wxyz")),
    "NaN": with_value(np.nan),
}


@grid(
    cls=BOTH,
    first=["array", "frame", "NaN"],
    then=[("fit", False), ("fit", True), ("partial_fit", False)],
)
def test_features_seen_are_those_scikit_learn_saw(cls, first, then):
    """The first call sets them; the second replaces, removes, warns or refuses."""
    X, y = make_quarters(), make_targets(cls)
    method, warm_start = then
    for second in STEPS:
        records = []
        for one in cls, SCIKIT[cls]:
            estimator = tiny(one, warm_start=warm_start, max_iter=1)
            record = [outcome(lambda: estimator.fit(STEPS[first](X), y))]  # noqa: B023
            record += [features_seen(estimator)]
            if record[0][1] is None:
                train = getattr(estimator, method)
                record += [outcome(lambda: train(STEPS[second](X), y))]  # noqa: B023
                if record[-1][1] is None:
                    record += [features_seen(estimator)]
            records.append(record)
        ours, theirs = records
        if ours[0][1] is not None:  # a fit that fails leaves nothing of ours behind
            assert ours.pop() == (None, None)
            theirs.pop()
        assert ours == theirs, second
