"""The data and the estimators that the tests share, and comparisons of estimators.

`small` learns something in a few epochs; `tiny` is for tables of odd arguments, where two epochs
tell a right from a wrong array. Tests that need other settings say so beside the name.
"""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
from internals import OPTIMIZERS, SOLVER_RECORDS, SOLVERS
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor

from fastbp import BackpropClassifier, BackpropRegressor, Network

ESTIMATORS = pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
# scikit-learn's estimator beside ours
SCIKIT = {BackpropClassifier: MLPClassifier, BackpropRegressor: MLPRegressor}

EVERY_SOLVER = pytest.mark.parametrize("solver", SOLVERS)
# those that make steps of their own, epoch by epoch
EVERY_OPTIMIZER = pytest.mark.parametrize("solver", OPTIMIZERS)
EVERY_STOPPED = pytest.mark.parametrize(
    "solver", [one for one in SOLVERS if "early_stopping" not in SOLVER_RECORDS[one].ignores]
)
SCIKIT_SOLVERS = pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
STOCHASTIC = pytest.mark.parametrize("solver", ["sgd", "adam"])

# The relative error that a correct gradient keeps in check_gradient.
GRADIENT_BOUND = 1e-6

# Runs are cut short on purpose: that training has not converged is no news.
CUT_SHORT = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# scikit-learn 1.7's own L-BFGS hands SciPy an option that newer SciPy deprecates.
OLD_LBFGS = pytest.mark.filterwarnings("ignore:scipy.optimize.*`iprint` options:DeprecationWarning")
# Said by NumPy before 1.24, where later ones raise a ValueError at once.
RAGGED = pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged nested sequences")

N_SAMPLES, N_FEATURES = 48, 4


# --- data ---


def make_features(n_samples=N_SAMPLES, n_features=N_FEATURES, seed=0):
    return np.random.default_rng(seed).standard_normal((n_samples, n_features))


def make_weights(n_samples=N_SAMPLES, seed=2):
    return np.random.default_rng(seed).uniform(0.1, 2, n_samples)


def make_regression(n_outputs=1, *, noise=0.3, n_samples=N_SAMPLES, n_features=N_FEATURES, seed=0):
    """A wave of one feature and a slope of the next; y is a vector where there is one output."""
    X = make_features(n_samples, n_features, seed)
    errors = make_features(n_samples, n_outputs, seed + 10)
    waves = [np.sin(2 * X[:, k]) + 0.5 * X[:, k + 1] for k in range(n_outputs)]
    Y = np.column_stack(waves) + noise * errors
    return X, Y[:, 0] if n_outputs == 1 else Y


def make_classes(
    n_classes=3, labels=None, *, noise=0.5, n_samples=N_SAMPLES, n_features=N_FEATURES, seed=0
):
    """The class is the largest of as many features; codes from 0, or labels in their places."""
    X = make_features(n_samples, n_features, seed)
    errors = make_features(n_samples, n_classes, seed + 10)
    codes = (X[:, :n_classes] + noise * errors).argmax(axis=1)
    return X, codes if labels is None else np.asarray(labels)[codes]


def make_multilabel(*, noise=0.5, n_samples=N_SAMPLES, n_features=N_FEATURES, seed=0):
    """Three labels, of which the last is rare."""
    X = make_features(n_samples, n_features, seed)
    errors = make_features(n_samples, 3, seed + 10)
    return X, (X[:, :3] + noise * errors > [0.0, 0.4, 0.9]).astype(int)


def make_task(cls, **sizes):
    """Three classes, or one output."""
    return make_classes(**sizes) if cls is BackpropClassifier else make_regression(**sizes)


def make_named_classes(**sizes):
    """Three classes with names."""
    return make_classes(labels=["ant", "bee", "cow"], **sizes)


def make_named_task(cls, **sizes):
    """The same with names for the classes."""
    return make_named_classes(**sizes) if cls is BackpropClassifier else make_regression(**sizes)


def first_call(cls, y):
    """What the first call of partial_fit needs besides X and y."""
    return {"classes": np.unique(y)} if cls is BackpropClassifier else {}


# Of the tests of a Network itself.
SIZES = [3, 5, 4, 2]


def make_data(n_samples=6, n_features=SIZES[0], n_outputs=SIZES[-1]):
    """X, and targets in [0, 1), which every loss can take."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_samples, n_features)), rng.random((n_samples, n_outputs))


# --- estimators ---


def small(cls, **params):
    defaults = dict(hidden_layer_sizes=(6, 5), activation="tanh", max_iter=5, random_state=0)
    defaults |= dict(learning_rate_init=0.02, batch_size=16, alpha=0.1)
    if params.get("solver") == "levenberg_marquardt":
        defaults["loss"] = "squared_error"
    return cls(**(defaults | params))


def tiny(cls, **params):
    defaults = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0, "batch_size": 7}
    return cls(**(defaults | params))


def make_clf(**params):
    """A classifier for the digits of the tests of what is drawn."""
    defaults = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0}
    return BackpropClassifier(**{**defaults, **params})


# --- validation samples ---

N_TRAINING, N_VAL = 60, 25
BY_EPOCHS = OPTIMIZERS


def make_validated_task(cls):
    """Training samples, validation samples, and weights of the latter; noisy enough to overfit."""
    noise = 0.8 if cls is BackpropClassifier else 1.0
    training = make_named_task(cls, n_samples=N_TRAINING, noise=noise)
    validation = make_named_task(cls, n_samples=N_VAL, noise=noise, seed=1)
    return *training, *validation, np.random.default_rng(2).uniform(0.1, 3, N_VAL)


def takes_l1(solver):
    """Whether a solver minimises objectives with an L1 penalty."""
    settings = SimpleNamespace(loss="squared_error", alpha=0.1, l1_ratio=0.4)
    try:
        SOLVER_RECORDS[solver].require(settings, 1, 1)
    except ValueError:
        return False
    return True


def watched(cls, **params):
    """Seven epochs; a solver that converges early needs a small tol."""
    defaults = dict(hidden_layer_sizes=(6,), max_iter=7, alpha=0.3)
    if params.get("solver") == "levenberg_marquardt":
        defaults["tol"] = 1e-9
    return small(cls, **(defaults | params))


def early(cls, **params):
    """Early stopping that never stops by itself, so that the last epochs are past the best."""
    defaults = dict(early_stopping=True, n_iter_no_change=np.inf, learning_rate_init=0.1)
    return watched(cls, **(defaults | dict(max_iter=40, hidden_layer_sizes=(12,)) | params))


def data_loss(estimator, X, y, sample_weight=None):
    """network_.loss without the penalties."""
    network = estimator.network_
    if isinstance(estimator, BackpropClassifier):
        y = np.searchsorted(estimator.classes_, y)
        if network.output_activation != "softmax":
            y = y if network.layer_sizes[-1] == 1 else np.eye(network.layer_sizes[-1])[y]
    squares = sum(np.sum(coef**2) for coef in network.coefs)
    sizes = sum(np.abs(coef).sum() for coef in network.coefs)
    return network.loss(X, y, sample_weight) - network.l2 * squares - network.l1 * sizes


def curves(estimator):
    return estimator.validation_loss_curve_, estimator.validation_scores_


def split_as_early_stopping_does(estimator, y):
    """Indices of training and validation samples: the draws after those of the weights."""
    random_state = np.random.RandomState(estimator.random_state)
    n_outputs = len(np.unique(y)) if isinstance(estimator, BackpropClassifier) else 1
    n_outputs = 1 if n_outputs == 2 else n_outputs
    sizes = [N_FEATURES, *estimator.hidden_layer_sizes, n_outputs]
    Network(sizes, activation=estimator.activation, random_state=random_state)
    stratify = y if isinstance(estimator, BackpropClassifier) and n_outputs == 1 else None
    return train_test_split(
        np.arange(len(y)),
        random_state=random_state,
        test_size=estimator.validation_fraction,
        stratify=stratify,
    )


# --- plain steps ---


def steady(cls, **params):
    """Batches of equal size, in the order of the samples."""
    return small(cls, **(dict(hidden_layer_sizes=(8, 7), alpha=0.5, shuffle=False) | params))


def plain_sgd(cls, **params):
    """One step of rate 1 along the gradient of all samples, and nothing else."""
    defaults = dict(
        solver="sgd", momentum=0.0, learning_rate_init=1.0, alpha=0.0, batch_size="auto"
    )
    return steady(cls, **(defaults | dict(max_iter=1) | params))


# --- runs of a known length ---


def unending(cls, **params):
    """Ten epochs: nothing but max_iter ends its training."""
    defaults = dict(hidden_layer_sizes=(7,), max_iter=10, learning_rate_init=0.05, alpha=0.2)
    defaults |= dict(batch_size="auto", tol=0.0, n_iter_no_change=np.inf)
    return small(cls, **(defaults | params))


# --- comparisons ---


def assert_equal_networks(one, other):
    """Bit for bit."""
    assert one.network_.layer_sizes == other.network_.layer_sizes
    np.testing.assert_array_equal(one.network_.params, other.network_.params)


def public_state(estimator):
    """Copies of the parameters and fitted attributes, the network's as its params."""
    state = {name: copy.deepcopy(value) for name, value in vars(estimator).items()}
    state["network_"] = estimator.network_.params.copy() if "network_" in state else None
    return {name: value for name, value in state.items() if not name.startswith("_")}


def assert_same_state(before, after):
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)


def assert_unfitted(estimator):
    """Nothing but its parameters is there."""
    assert vars(estimator) == estimator.get_params()


def assert_same_bits(one, other):
    assert np.array_equal(one.network_.params, other.network_.params)
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_scores_ == other.validation_scores_
    assert one.validation_loss_curve_ == other.validation_loss_curve_
