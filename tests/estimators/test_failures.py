"""A failure leaves an estimator as it was."""

import copy

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    N_SAMPLES,
    STOCHASTIC,
    assert_equal_networks,
    assert_same_state,
    first_call,
    make_task,
    public_state,
    small,
)
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT


HUGE_RATE = 1e200


def scale_weights(estimator, exponent):
    """Multiply by a power of two, which is exact in both directions."""
    estimator.network_.params = np.ldexp(estimator.network_.params, exponent)


@ESTIMATORS
@STOCHASTIC
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_divergence_leaves_an_unfitted_estimator_unfitted(cls, solver, method):
    X, y = make_task(cls)
    estimator = small(cls, solver=solver, learning_rate_init=HUGE_RATE)
    arguments = first_call(cls, y) if method == "partial_fit" else {}
    with pytest.raises(ValueError, match=r"epoch \d+.*learning_rate_init=1e\+200.*lower"):
        getattr(estimator, method)(X, y, **arguments)
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)
    with pytest.raises(NotFittedError):
        estimator.predict(X)
    assert vars(estimator) == estimator.get_params()


@ESTIMATORS
@STOCHASTIC
@pytest.mark.parametrize("method", ["fit", "partial_fit", "warm fit"])
def test_divergence_leaves_a_fitted_estimator_as_it_was(cls, solver, method):
    X, y = make_task(cls)
    good = small(cls, solver=solver).fit(X, y)
    # hidden units of 1e180 and outputs beyond the largest number, whatever the learning rate
    scale_weights(good, 600)
    tried = copy.deepcopy(good)
    tried.set_params(learning_rate_init=HUGE_RATE, warm_start=method == "warm fit")
    with pytest.raises(ValueError, match="non-finite"):
        getattr(tried, method.split()[-1])(X, y)
    tried.set_params(**good.get_params())
    assert_same_state(public_state(good), public_state(tried))
    # more training shows what is not public, such as the optimizer's moments
    for estimator in (good, tried):
        scale_weights(estimator, -600)
        estimator.partial_fit(X, y)
    assert_equal_networks(good, tried)


@ESTIMATORS
def test_divergence_with_early_stopping(cls):
    X, y = make_task(cls)
    estimator = small(cls, early_stopping=True, learning_rate_init=HUGE_RATE)
    with pytest.raises(ValueError, match="non-finite"):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


def bad_calls(cls):
    X, y = make_task(cls)
    with_nan = X.copy()
    with_nan[3, 1] = np.nan
    odd = np.full(N_SAMPLES, "x", dtype=object) if cls is BackpropRegressor else np.linspace(0, 1)
    return {
        "NaN in X": (with_nan, y, None),
        "other features and NaN": (with_nan[:, :2], y, None),
        "length of y": (X[:, :3], y[:-1], None),
        "kind of y": (X[:, :2], odd, None),
        "negative weights": (X[:, :2], y, -np.ones(N_SAMPLES)),
        "length of weights": (X[:, :2], y, np.ones(3)),
        "no rows": (X[:0], y[:0], None),
    }


@ESTIMATORS
@pytest.mark.parametrize("name", bad_calls(BackpropRegressor))
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_input_leaves_a_fitted_estimator_as_it_was(cls, name, method):
    X, y = make_task(cls)
    estimator = small(cls).fit(X, y)
    before = public_state(estimator)
    bad_X, bad_y, bad_weights = bad_calls(cls)[name]
    with pytest.raises(ValueError):
        getattr(estimator, method)(bad_X, bad_y, sample_weight=bad_weights)
    assert_same_state(before, public_state(estimator))
    estimator.partial_fit(X, y)


@ESTIMATORS
@pytest.mark.parametrize("name", bad_calls(BackpropRegressor))
def test_bad_input_leaves_an_unfitted_estimator_unfitted(cls, name):
    estimator = small(cls)
    bad_X, bad_y, bad_weights = bad_calls(cls)[name]
    with pytest.raises(ValueError):
        estimator.fit(bad_X, bad_y, sample_weight=bad_weights)
    assert vars(estimator) == estimator.get_params()


@ESTIMATORS
def test_methods_before_fit(cls):
    X, y = make_task(cls)
    estimator = small(cls)
    methods = ["predict", "predict_proba", "predict_log_proba"]
    for name in methods if cls is BackpropClassifier else methods[:1]:
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(estimator, name)(X)
    with pytest.raises(NotFittedError):
        estimator.score(X, y)
    assert not hasattr(estimator, "coefs_")
    assert not hasattr(estimator, "network_")
