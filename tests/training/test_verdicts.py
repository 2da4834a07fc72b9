"""A fit that ends worse than a constant prediction, or far above its first loss, says so."""

import itertools
import re
import warnings

import numpy as np
import pytest
from covering import covering
from internals import LOSS_RECORDS, LOSSES, OPTIMIZERS, DataSet, Targets, loss_of_constant
from own_losses import SquaredError
from problems import make_weights
from scipy import sparse
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from fastbp import BackpropClassifier, BackpropRegressor, Network

WORSE = re.compile(
    r"The fit is worse than predicting the same for every sample: its loss is (\S+), that of the "
    r"best constant (\S+?)\.(?: |$)"
)
X, y = load_diabetes(return_X_y=True)
SCALED = scale(X)


def said_by(model, *data, **validation):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*data, **validation)
    said = [str(one.message) for one in caught if one.category is ConvergenceWarning]
    assert len(said) <= 1
    return said[0] if said else ""


# --- what is said ---


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_both_numbers_and_what_to_scale(solver):
    """R^2 is -3 and less."""
    model = BackpropRegressor((20,), solver=solver, learning_rate_init=1e-6, random_state=0)
    said = said_by(model, X, y)
    loss, constant = map(float, WORSE.search(said).groups())
    assert loss == pytest.approx(np.mean((y - model.predict(X)) ** 2) / 2, rel=1e-3)
    assert constant == pytest.approx(np.var(y) / 2, rel=1e-3)
    assert "y has a root mean square of 171: scale it, " in said


def test_targets_so_small_that_tol_ends_the_fit():
    """R^2 is some -2,000, and nothing else would say so."""
    model = BackpropRegressor((20,), random_state=0)
    said = said_by(model, SCALED, y / 1e5)
    assert WORSE.match(said)
    assert said.endswith("scale it, for example with TransformedTargetRegressor.")
    assert model.n_iter_ < model.max_iter and model.score(SCALED, y / 1e5) < -100


def test_something_is_recommended_where_nothing_is_of_an_odd_size():
    model = BackpropRegressor((20,), learning_rate_init=1e-9, n_iter_no_change=2, random_state=0)
    assert said_by(model, X, 5 * scale(y) + 20).endswith(
        "Scale X (StandardScaler) and y (TransformedTargetRegressor), or change "
        "learning_rate_init or max_iter."
    )
    Z, labels = load_wine(return_X_y=True)
    model = BackpropClassifier(
        (9,), learning_rate_init=1e-9, n_iter_no_change=2, random_state=0, activation="relu"
    )
    said = said_by(model, 10 * scale(Z), labels)
    assert said.endswith("Scale X (StandardScaler), or change learning_rate_init or max_iter.")


@pytest.mark.parametrize("solver", ["lbfgs", "levenberg_marquardt"])
def test_of_solvers_of_all_samples(solver):
    """They are hardly ever worse than a constant, unless they may only take a few steps."""
    model = BackpropRegressor((2,), solver=solver, max_iter=2, alpha=1e9, random_state=0)
    said = said_by(model, SCALED, y)
    assert said.startswith(f"{solver} failed to converge after 2")
    assert WORSE.search(said)


@pytest.mark.parametrize("own", [False, True])
def test_far_above_the_first_loss(own):
    """For a loss of the user's own, which has no known constant, too; here with steps too large."""
    loss = SquaredError() if own else "squared_error"
    model = BackpropRegressor(
        (), loss=loss, solver="sgd", momentum=0.0, learning_rate_init=0.6, batch_size=len(X),
        max_iter=9, random_state=0, alpha=0.0,
    )  # fmt: skip
    said = said_by(model, SCALED, scale(y))
    if own:
        found = re.search(r"far above its first loss: at (\S+), after (\S+?)\.$", said)
        last, first = map(float, found.groups())
        assert first == pytest.approx(model.loss_curve_[0], rel=1e-3) and last > 2 * first
        assert last == pytest.approx(np.mean((scale(y) - model.predict(SCALED)) ** 2) / 2, rel=1e-3)
    else:
        assert WORSE.search(said)


def test_the_loss_is_that_of_the_weights_that_are_kept():
    """With early stopping those of the best epoch, and of all samples."""
    model = BackpropRegressor(
        (20,), early_stopping=True, learning_rate_init=1e-5, max_iter=5, random_state=0
    )
    loss, _ = map(float, WORSE.search(said_by(model, X, y)).groups())
    assert loss == pytest.approx(np.mean((y - model.predict(X)) ** 2) / 2, rel=1e-3)


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "levenberg_marquardt"])
def test_the_loss_is_that_of_the_samples_as_they_were_checked(solver):
    """Somebody changes the indices of a sparse matrix in the last epoch."""
    matrix = sparse.csr_matrix(SCALED)

    def corrupting(*_):
        corrupting.n_calls += 1
        if corrupting.n_calls == 2:
            matrix.indices[:] = 2**31 - 1
        return 0.0

    corrupting.n_calls = 0
    model = BackpropRegressor((2,), solver=solver, max_iter=2, scoring=corrupting, random_state=0)
    model.set_params(alpha=1e9, learning_rate_init=1e-9)
    said = said_by(model, matrix, y, X_val=SCALED[:9], y_val=y[:9])
    loss, _ = map(float, WORSE.search(said).groups())
    assert loss == pytest.approx(np.mean((y - model.predict(SCALED)) ** 2) / 2, rel=1e-3)
    assert matrix.indices.max() > 9


# --- where nothing is said ---


CLASSES = [load_iris, load_wine, load_breast_cancer]
NUMBERS = [scale(y), np.random.default_rng(0).normal(size=len(y))]


@pytest.mark.slow
@pytest.mark.parametrize("load", CLASSES)
@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
def test_healthy_classifiers(load, solver):
    X, labels = load(return_X_y=True)
    for alpha, extra in itertools.product([1e-4, 1.0, 100.0], [{}, {"dropout": 0.5}]):
        model = BackpropClassifier((10,), solver=solver, alpha=alpha, random_state=0, **extra)
        said = said_by(model, scale(X), labels)
        assert not WORSE.search(said) and "far above" not in said


@pytest.mark.slow
@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "log_loss"])
@pytest.mark.parametrize("solver", [*OPTIMIZERS, "lbfgs"])
def test_healthy_regressors(loss, solver):
    """Targets of nothing but noise, and penalties that leave nothing but an intercept, too."""
    for case in covering(target=NUMBERS, alpha=[1e-4, 1.0, 100.0], early_stopping=[False, True]):
        target = case.pop("target")
        if loss in ("poisson", "gamma"):
            target = np.exp(target)
        model = BackpropRegressor((10,), loss=loss, solver=solver, random_state=0, **case)
        said = said_by(model, SCALED, target)
        assert not WORSE.search(said) and "far above" not in said


@pytest.mark.slow
@pytest.mark.parametrize("n_rare", [1, 5])
def test_a_rare_class_that_nothing_tells_apart(n_rare):
    """The probabilities are further from the frequency than its entropy is from 0."""
    X = np.random.default_rng(0).normal(size=(1000, 5))
    for solver in OPTIMIZERS:
        model = BackpropClassifier((10,), solver=solver, random_state=0)
        assert not WORSE.search(said_by(model, X, np.arange(1000) < n_rare))


@pytest.mark.parametrize(
    ("params", "target"),
    [({}, np.full(len(y), 1e3)), ({"fit_intercept": False}, y), ({"max_iter": 1}, y)],
    ids=["targets all the same", "no intercepts", "one epoch"],
)
def test_where_a_constant_is_no_measure(params, target):
    model = BackpropRegressor((3,), learning_rate_init=1e-9, random_state=0, max_iter=3)
    assert not WORSE.search(said_by(model.set_params(**params), SCALED, target))


def test_targets_that_are_all_the_same_where_there_is_weight():
    """As bootstrapped samples of an ensemble may be: the best constant has the loss 0."""
    model = BackpropRegressor((3,), learning_rate_init=1e-9, random_state=0, max_iter=3)
    said = said_by(model, SCALED, np.where(np.arange(len(y)) < 9, 7.0, 8.0), np.arange(len(y)) < 9)
    assert not WORSE.search(said)


def test_neither_in_partial_fit_nor_when_time_is_over():
    model = BackpropRegressor((3,), learning_rate_init=1e-9, random_state=0, max_time=1e-9)
    assert said_by(model, X, y).startswith("Training stopped after max_time")
    for _ in range(3):
        model.set_params(max_time=None).partial_fit(X, y)  # a warning would be an error


# --- the constant ---


def dataset(values, weights=None):
    values = np.asarray(values, float)
    values = values[:, None] if values.ndim == 1 else values
    return DataSet(np.zeros((len(values), 1)), values, Targets.matrix(values), weights)


def lowest_loss(data, n_outputs, **params):
    """What a search among all constants finds, from several starts."""
    net = Network([1, n_outputs], random_state=0, **params)
    targets = data.targets.labels if data.targets.values is None else data.targets.values

    def loss(z):
        net.params = np.concatenate([np.zeros(n_outputs), z])
        return net.loss(data.X, targets, data.weights)

    starts = np.random.default_rng(0).normal(size=(3, n_outputs))
    found = [minimize(loss, z, method="Nelder-Mead", options={"xatol": 1e-7}) for z in starts]
    return net, min(one.fun for one in found)


PARAMS = {
    "two outputs": ({}, 2),
    "logistic": ({"output_activation": "logistic"}, 2),
    "Bernoulli": ({"output_activation": "logistic", "loss": "log_loss"}, 2),
    "multinomial": (
        {"output_activation": "softmax", "loss": "log_loss"},
        3,
    ),
    "poisson": ({"output_activation": "exp", "loss": "poisson"}, 1),
    "gamma": ({"output_activation": "exp", "loss": "gamma"}, 2),
    "absolute_error": ({"loss": "absolute_error"}, 2),
    "quantile": ({"loss": "quantile", "quantile": 0.3}, 2),
    "quantiles": (
        {"loss": "quantile", "quantile": [0.1, 0.5, 0.8], "output_activation": "increasing"},
        3,
    ),
    "huber": ({"loss": "huber", "huber_delta": 0.2}, 2),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("params", "n_outputs"), PARAMS.values(), ids=PARAMS.keys())
def test_no_constant_is_better(params, n_outputs, weighted):
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.1, 2, 31) if weighted else None
    if params.get("output_activation") == "softmax":
        targets = Targets(None, rng.integers(0, n_outputs, 31), n_outputs)
        data = DataSet(np.zeros((31, 1)), None, targets, weights)
    else:
        values = rng.uniform(0.05, 0.95, (31, n_outputs))
        if "quantile" in params and isinstance(params["quantile"], list):
            values = np.repeat(values[:, :1], n_outputs, axis=1)
        data = dataset(values, weights)
    net, lowest = lowest_loss(data, n_outputs, **params)
    found = loss_of_constant(net, data)
    assert found >= lowest - 1e-9
    assert found == pytest.approx(lowest, rel=0.05 if params.get("loss") == "huber" else 1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_has_a_constant_or_says_that_none_is_known(loss):
    n_extra = LOSS_RECORDS[loss].n_extra
    net = Network([1, 1 + n_extra], loss=loss, output_activation=LOSS_RECORDS[loss].default_output)
    values = np.array([[0.2], [0.3], [1.0]])
    found = loss_of_constant(net, dataset(np.hstack([values, 0 * values[:, :n_extra]])))
    assert np.isfinite(found) == bool(LOSS_RECORDS[loss].best_constant)


@pytest.mark.parametrize("weights", [None, make_weights(31)], ids=["plain", "weighted"])
def test_the_constant_of_gaussian_is_mean_and_variance(weights):
    values = np.random.default_rng(1).normal(3, 2, 31)
    net = Network([1, 2], loss="gaussian")
    data = dataset(np.column_stack([values, np.zeros(31)]), weights)
    mean = np.average(values, weights=weights)
    variance = np.average((values - mean) ** 2, weights=weights)
    net.params = [0, 0, mean, np.log(variance)]
    lowest = net.loss(data.X, values, weights)
    assert loss_of_constant(net, data) == pytest.approx(lowest, rel=1e-12)


def test_constants_at_the_end_of_what_an_output_reaches():
    """A label that nobody has, and quantiles that are the same: the loss is finite."""
    net = Network([1, 2], loss="log_loss", output_activation="logistic")
    data = dataset([[0.0, 1.0], [0.0, 0.0]])
    assert loss_of_constant(net, data) == pytest.approx(np.log(2))
    net = Network([1, 2], loss="quantile", quantile=[0.2, 0.4], output_activation="increasing")
    assert loss_of_constant(net, dataset([[0.0] * 2] * 9 + [[1.0] * 2])) == pytest.approx(0.06)
