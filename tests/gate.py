"""What the tables of the input gate are made of."""

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

from fastbp import BackpropClassifier, BackpropRegressor, Network

ESTIMATORS = pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
SCIKIT = {BackpropClassifier: MLPClassifier, BackpropRegressor: MLPRegressor}

N_SAMPLES, N_FEATURES = 24, 4


def table(entries):
    """Parametrise a test with the entries of a table."""
    return pytest.mark.parametrize(
        ("make", "expected", "words"),
        [pytest.param(*entry[1:], id=entry[0]) for entry in entries],
    )


def make_features():
    """Multiples of 1/4 in [0, 8): every dtype of the tables holds them exactly."""
    return np.random.default_rng(0).integers(0, 32, (N_SAMPLES, N_FEATURES)) / 4


def make_y(cls):
    codes = np.arange(N_SAMPLES) % 3
    return codes if cls is BackpropClassifier else codes / 4


def small(cls, **params):
    defaults = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0, "batch_size": 7}
    return cls(**{**defaults, **params})


def make_network(**params):
    defaults = {"activation": "tanh", "output_activation": "softmax", "loss": "log_loss"}
    return Network([N_FEATURES, 3, 3], random_state=0, **{**defaults, **params})


def unaligned(array):
    """The same numbers, starting one byte after a multiple of the item size."""
    raw = np.zeros(array.nbytes + 1, dtype=np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


def byte_swapped(array):
    return array.astype(array.dtype.newbyteorder())


def same_arrays(ours, clean, exact=True):
    """Bit for bit; entries of a CSR row may come in another order, and add up in another."""
    bound = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-5, "atol": 1e-7}
    for one, other in zip(ours, clean, strict=True):
        np.testing.assert_allclose(one, other, **bound)


def train(method, estimator, X, y, weights=None):
    """fit or partial_fit; the parameters and losses afterwards."""
    arguments = {}
    if method == "partial_fit" and isinstance(estimator, BackpropClassifier):
        arguments = {"classes": [0, 1, 2]}
    getattr(estimator, method)(X, y, sample_weight=weights, **arguments)
    return [*estimator.coefs_, *estimator.intercepts_, estimator.loss_curve_]
