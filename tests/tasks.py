"""Small problems and estimators that the estimators' tests share."""

import copy

import numpy as np
import pytest

from fastbp import BackpropClassifier, BackpropRegressor

ESTIMATORS = pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
SOLVERS = pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
STOCHASTIC = pytest.mark.parametrize("solver", ["sgd", "adam"])

N_SAMPLES = 50


def make_features(n_samples=N_SAMPLES, n_features=4, seed=0):
    return np.random.default_rng(seed).standard_normal((n_samples, n_features))


def make_regression(n_outputs=1):
    X = make_features()
    Y = np.column_stack([np.sin(X[:, k]) + 0.5 * X[:, 3] for k in range(n_outputs)])
    return X, Y[:, 0] if n_outputs == 1 else Y


def make_classes(n_classes=2, labels=None):
    X = make_features()
    codes = (X[:, :n_classes] + 0.2 * make_features(seed=1)[:, :n_classes]).argmax(axis=1)
    return X, codes if labels is None else np.asarray(labels)[codes]


def make_multilabel():
    X = make_features()
    return X, (X[:, :3] + 0.2 * make_features(seed=1)[:, :3] > 0).astype(int)


def make_task(cls):
    return make_classes(3) if cls is BackpropClassifier else make_regression()


def small(cls, **params):
    """An estimator that learns something in a few epochs."""
    defaults = {"hidden_layer_sizes": (6,), "max_iter": 8, "random_state": 0, "batch_size": 16}
    return cls(**{**defaults, "learning_rate_init": 0.01, **params})


def first_call(cls, y):
    return {"classes": np.unique(y)} if cls is BackpropClassifier else {}


def assert_equal_networks(one, other):
    assert one.network_.layer_sizes == other.network_.layer_sizes
    np.testing.assert_array_equal(one.network_.params, other.network_.params)


def public_state(estimator):
    """Parameters and fitted attributes, copied, but for views of network_.params."""
    state = {name: copy.deepcopy(value) for name, value in vars(estimator).items()}
    state["network_"] = estimator.network_.params.copy() if "network_" in state else None
    return {name: value for name, value in state.items() if not name.startswith("_")}


def assert_same_state(before, after):
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)
