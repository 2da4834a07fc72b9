"""What the tables of the input gate are made of."""

import numpy as np
import pytest
from covering import in_turn
from problems import N_FEATURES

from fastbp import BackpropClassifier, BackpropRegressor, Network

BOTH = [BackpropClassifier, BackpropRegressor]

N_ROWS = 24

# words for the messages of scikit-learn's checks and ours
FINITE = r"NaN|infinity|too large|finite"
NUMBERS = r"convert|numbers|must be|dtype|not supported|Unable|numeric"

# scikit-learn's check casts extended precision to double before it looks for infinities.
CAST = pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")

NETWORK_METHODS = {
    "forward": lambda net, X, y: net.forward(X),
    "activations": lambda net, X, y: net.activations(X)[1:],
    "loss": lambda net, X, y: [net.loss(X, y)],
    "loss_gradient": lambda net, X, y: net.loss_gradient(X, y).flat,
    "per_sample_gradients": lambda net, X, y: net.per_sample_gradients(X, y),
}


ARGUMENTS = ("make", "expected", "words")


def params_of(entries):
    return [pytest.param(*entry[1:], id=entry[0]) for entry in entries]


def table(entries):
    """Parametrise a test with the entries of a table."""
    return pytest.mark.parametrize(ARGUMENTS, params_of(entries))


def table_in_turn(entries, **factor):
    """The same, each with one value of a factor, in turn."""
    return in_turn(ARGUMENTS, params_of(entries), **factor)


def make_quarters(n_rows=N_ROWS, n_features=N_FEATURES):
    """Multiples of 1/4 in [0, 8): every dtype of the tables holds them exactly."""
    return np.random.default_rng(0).integers(0, 32, (n_rows, n_features)) / 4


def make_targets(cls, n_rows=N_ROWS):
    codes = np.arange(n_rows) % 3
    return codes if cls is BackpropClassifier else codes / 4


def make_network(**params):
    defaults = {"activation": "tanh", "output_activation": "softmax", "loss": "log_loss"}
    return Network([N_FEATURES, 3, 3], random_state=0, **{**defaults, **params})


def raises(expected, words):
    return pytest.raises(expected, match=f"(?is){words}")


def same_arrays(ours, clean, exact=True, what=""):
    """Bit for bit, unless entries of a CSR row are stored, and so added, in another order."""
    bound = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-5, "atol": 1e-7}
    for one, other in zip(ours, clean, strict=True):
        np.testing.assert_allclose(one, other, **bound, err_msg=what)


def fitted_arrays(estimator):
    return [*estimator.coefs_, *estimator.intercepts_, estimator.loss_curve_]


def train(method, estimator, X, y, weights=None):
    """fit or partial_fit; the parameters and losses afterwards."""
    arguments = {}
    if method == "partial_fit" and isinstance(estimator, BackpropClassifier):
        arguments = {"classes": [0, 1, 2]}
    getattr(estimator, method)(X, y, sample_weight=weights, **arguments)
    return fitted_arrays(estimator)


def predictions(estimator, X):
    """What every method that predicts returns."""
    results = [estimator.predict(X)]
    if hasattr(estimator, "predict_proba"):
        results += [estimator.predict_proba(X), estimator.predict_log_proba(X)]
    return results
