"""Estimators with a loss of the user's own: when it is called, its errors, its copies."""

import copy
import pickle

import numpy as np
import pytest
from own_losses import Failing, LogCosh, OwnError
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    N_FEATURES,
    N_SAMPLES,
    STOCHASTIC,
    assert_equal_networks,
    assert_same_state,
    make_features,
    make_named_classes,
    make_named_task,
    make_regression,
    public_state,
    small,
)
from reference import ReferenceNetwork
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from fastbp import BackpropClassifier, BackpropRegressor, Network, check_gradient

pytestmark = CUT_SHORT


@ESTIMATORS
@STOCHASTIC
@pytest.mark.parametrize("n_threads", [None, 1, 2])
def test_a_loss_is_called_once_a_batch(cls, solver, n_threads):
    X, y = make_named_task(cls)
    loss = LogCosh()
    estimator = small(cls, loss=loss, solver=solver, batch_size=20, max_iter=2, n_threads=n_threads)
    estimator.fit(X, y)
    assert estimator.loss is loss
    both = [[("loss", rows), ("gradient", rows)] for rows in (20, 20, 8)]
    assert loss.take_calls() == 2 * sum(both, [])
    estimator.partial_fit(X, y)
    assert loss.take_calls() == sum(both, [])
    estimator.predict(X)
    assert not loss.calls
    alone = small(cls, loss=LogCosh(), solver=solver, batch_size=20, max_iter=2).fit(X, y)
    assert_equal_networks(alone.partial_fit(X, y), estimator)


def test_a_loss_is_called_once_for_all_samples():
    """Also for more samples than fit into one block of the kernels."""
    n = 20_000
    X = make_features(n)
    y = X[:, :2]
    loss = LogCosh()
    net = Network([N_FEATURES, 3, 2], loss=loss, random_state=0)
    net.loss(X, y)
    assert loss.take_calls() == [("loss", n)]
    net.loss_gradient(X, y)
    assert loss.take_calls() == [("loss", n), ("gradient", n)]
    for method in (net.per_sample_gradients, net.per_sample_gradient_norms, net.input_gradient):
        method(X[:50], y[:50])
        assert ("gradient", 50) in loss.take_calls()
    net.forward(X), net.activations(X), net.jacobian(X[:9]), net.input_jacobian(X[:9])
    assert not loss.calls
    estimator = BackpropRegressor((3,), loss=loss, batch_size=n, max_iter=1).fit(X, y)
    assert loss.take_calls() == [("loss", n), ("gradient", n)]
    assert estimator.n_iter_ == 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_loss_sees_targets_and_predictions_of_the_networks_type(dtype):
    X, y = make_regression()
    loss = LogCosh()
    estimator = small(BackpropRegressor, loss=loss, max_iter=1, batch_size=N_SAMPLES, alpha=0.0)
    estimator.fit(X.astype(dtype), y)
    assert {call[2:] for call in loss.calls} == {(np.dtype(dtype), np.dtype(dtype))}
    start = clone(estimator).initialize(X.astype(dtype), y)
    expected = np.log(np.cosh(start.predict(X) - y)).mean()
    assert estimator.loss_ == pytest.approx(expected, rel=1e-5 if dtype == np.float32 else 1e-12)


def test_a_loss_sees_the_targets_of_the_network():
    """One-hot rows for softmax outputs, 0 and 1 for two classes, else the targets themselves."""
    seen = []

    class Watching(LogCosh):
        def loss(self, y, outputs):
            seen.append((y, outputs))
            return super().loss(y, outputs)

    X, y = make_named_classes()
    params = dict(loss=Watching(), max_iter=1, batch_size=N_SAMPLES, shuffle=False)
    three = small(BackpropClassifier, **params).initialize(X, y)
    probabilities = three.predict_proba(X)
    three.set_params(warm_start=True).fit(X, y)
    np.testing.assert_array_equal(seen[0][0], np.eye(3)[np.searchsorted(three.classes_, y)])
    np.testing.assert_allclose(seen[0][1], probabilities, rtol=1e-12)
    small(BackpropClassifier, **params).fit(X, y == "ant")
    np.testing.assert_array_equal(seen[1][0], (y == "ant").astype(float)[:, np.newaxis])
    small(BackpropRegressor, **params).fit(X, X[:, :3])
    np.testing.assert_array_equal(seen[2][0], X[:, :3])
    # what was seen may be kept: it is not overwritten
    np.testing.assert_allclose(seen[0][1], probabilities, rtol=1e-12)


@pytest.mark.parametrize("output", ["identity", "logistic", "softmax", "exp", "increasing"])
def test_the_gradient_of_a_users_loss_is_that_of_the_objective(output):
    X = make_features()
    Y = np.abs(make_features(seed=3)[:, :3]) % 1
    net = Network(
        [N_FEATURES, 5, 3], activation="silu", output_activation=output, loss=LogCosh(), l2=0.1,
        l1=0.01, random_state=0,
    )  # fmt: skip
    w = np.random.default_rng(1).uniform(0.1, 2, N_SAMPLES)
    assert check_gradient(net, X, Y, w).passed
    twin = ReferenceNetwork.like(net)
    loss, flat = twin.loss_gradient(X, Y, w)
    ours = net.loss_gradient(X, Y, w)
    assert ours.loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(ours.flat, flat, atol=1e-12)
    np.testing.assert_allclose(net.input_gradient(X, Y), twin.input_gradient(X, Y), atol=1e-12)


@pytest.mark.parametrize("output", ["identity", "softmax"])
def test_check_gradient_finds_a_wrong_gradient(output):
    class Wrong(LogCosh):
        def gradient(self, y, outputs):
            return 1.01 * super().gradient(y, outputs)

    X = make_features()
    Y = np.eye(3)[np.arange(N_SAMPLES) % 3]
    nets = [
        Network([N_FEATURES, 5, 3], output_activation=output, activation="tanh", loss=loss)
        for loss in (LogCosh(), Wrong())
    ]
    right, wrong = (check_gradient(net, X, Y) for net in nets)
    assert right.passed
    assert not wrong.passed and wrong.worst == pytest.approx(0.01, rel=0.1)


@ESTIMATORS
@pytest.mark.parametrize("method", ["loss", "gradient"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "rprop", "lbfgs"])
@pytest.mark.parametrize("error", [OwnError, MemoryError, SystemExit])
def test_an_exception_in_a_loss_is_the_users(cls, method, solver, error):
    X, y = make_named_task(cls)
    failing = Failing(method, 4, error)
    estimator = small(cls, loss=failing, solver=solver)
    with pytest.raises(error, match="in the user's code"):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()
    fitted = small(cls, loss=LogCosh(), solver=solver, warm_start=True).fit(X, y)
    before = public_state(fitted)
    failing = Failing(method, 4, error)
    with pytest.raises(error, match="in the user's code"):
        fitted.set_params(loss=failing).fit(X, y)
    after = public_state(fitted.set_params(loss=before["loss"]))
    assert_same_state({**before, "loss": None}, {**after, "loss": None})
    # no trace of it is left
    fitted.fit(X, y)


@pytest.mark.parametrize("method", ["loss", "gradient"])
def test_an_exception_in_a_loss_leaves_a_network_that_works(method):
    X, y = make_regression()
    net = Network([N_FEATURES, 3, 1], loss=Failing(method, 1), random_state=0)
    before = net.params.copy()
    calls = [net.loss_gradient]
    if method == "loss":
        calls.append(net.loss)
    else:
        calls += [net.per_sample_gradients, net.per_sample_gradient_norms, net.input_gradient]
    for call in calls:
        net.loss_name.calls.clear()
        with pytest.raises(OwnError):
            call(X, y)
    np.testing.assert_array_equal(net.params, before)
    net.loss_name.at = None
    good = Network([N_FEATURES, 3, 1], loss=LogCosh(), random_state=0)
    np.testing.assert_array_equal(net.loss_gradient(X, y).flat, good.loss_gradient(X, y).flat)


def test_ctrl_c_in_a_loss_ends_training():
    X, y = make_regression()
    estimator = small(BackpropRegressor, loss=Failing("gradient", 8, KeyboardInterrupt))
    with pytest.warns(UserWarning, match="^Training interrupted by user.$"):
        estimator.fit(X, y)
    # three batches an epoch
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 2
    assert np.isfinite(estimator.predict(X)).all()


class Returning:
    """A loss that returns what the test wants."""

    def __init__(self, loss=None, gradient=None):
        self.of_loss, self.of_gradient = loss, gradient

    def loss(self, y, outputs):
        return np.zeros(len(y)) if self.of_loss is None else self.of_loss(y)

    def gradient(self, y, outputs):
        return np.zeros(y.shape) if self.of_gradient is None else self.of_gradient(y)


WRONG_RETURNS = {
    "a column of losses": (dict(loss=lambda y: np.zeros((len(y), 1))), r"loss\(\)", r"\(48, 1\)"),
    "a mean loss": (dict(loss=lambda y: 0.5), r"loss\(\)", r"\(\)"),
    "a loss for each output": (dict(loss=lambda y: 0 * y), r"loss\(\)", r"\(48, 2\)"),
    "complex losses": (dict(loss=lambda y: 1j * y[:, 0]), r"loss\(\)", "complex128"),
    "a vector of gradients": (dict(gradient=lambda y: y[:, 0]), r"gradient\(\)", r"\(48,\)"),
    "a transposed gradient": (dict(gradient=lambda y: y.T), r"gradient\(\)", r"\(2, 48\)"),
    "no gradient": (dict(gradient=lambda y: [None]), r"gradient\(\)", "dtype object"),
    "names": (dict(gradient=lambda y: y.astype(str)), r"gradient\(\)", "dtype <U"),
}


@pytest.mark.parametrize("case", WRONG_RETURNS)
def test_what_a_loss_returns_is_checked(case):
    methods, which, got = WRONG_RETURNS[case]
    X = make_features()
    y = X[:, :2]
    needed = r"\(48,\)" if which.startswith("loss") else r"\(48, 2\)"
    words = rf"the loss's {which} must return numbers of shape {needed}, got an array of .*{got}"
    with pytest.raises(ValueError, match=words):
        Network([N_FEATURES, 2], loss=Returning(**methods)).loss_gradient(X, y)
    estimator = small(BackpropRegressor, loss=Returning(**methods), batch_size=N_SAMPLES)
    with pytest.raises(ValueError, match=words):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


def test_a_loss_may_return_what_numpy_makes_an_array_of():
    X = make_features()
    y = X[:, :2]
    lists = Returning(loss=lambda y: [1] * len(y), gradient=lambda y: (y > 0).tolist())
    gradient = Network([N_FEATURES, 2], loss=lists, random_state=0).loss_gradient(X, y)
    assert gradient.loss == 1
    np.testing.assert_allclose(gradient.intercepts[0], (y > 0).mean(axis=0))


def test_a_loss_may_not_write_to_what_it_is_given():
    X, y = make_regression()

    class Writing(LogCosh):
        def __init__(self, which):
            super().__init__()
            self.which = which

        def gradient(self, y, outputs):
            (y if self.which == "y" else outputs)[...] = 0
            return outputs

    for which in ("y", "outputs"):
        estimator = small(BackpropRegressor, loss=Writing(which))
        with pytest.raises(ValueError, match="read-only"):
            estimator.fit(X, y)
        assert vars(estimator) == estimator.get_params()


@pytest.mark.parametrize("method", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_ends_training_with_an_error(method):
    X, y = make_regression()
    nan = Returning(**{method: lambda y: np.full(y.shape[: 1 + (method == "gradient")], np.nan)})
    estimator = small(BackpropRegressor, loss=nan)
    with pytest.raises(ValueError, match=r"non-finite (loss|parameter weights)\. .* in epoch 1"):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


@ESTIMATORS
@pytest.mark.parametrize("loss", [LogCosh, "mse", None, 3, len], ids=str)
def test_what_is_no_loss_is_refused(cls, loss):
    X, y = make_named_task(cls)
    estimator = small(cls, loss=loss)
    with pytest.raises((ValueError, TypeError), match="'loss' parameter of|^loss=<class .*LogCosh"):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


@ESTIMATORS
def test_estimators_with_a_loss_are_copied_and_pickled(cls):
    X, y = make_named_task(cls)
    loss = LogCosh()
    fitted = small(cls, loss=loss, dropout=0.1).fit(X, y, X_val=X[:9], y_val=y[:9])
    again = pickle.loads(pickle.dumps(fitted))
    assert type(again.loss) is LogCosh and again.loss is not loss
    for one in (fitted, again):
        one.partial_fit(X, y)
    assert_equal_networks(fitted, again)
    twin = clone(fitted)
    assert type(twin.loss) is LogCosh
    assert vars(twin) == twin.get_params()
    assert_equal_networks(copy.deepcopy(fitted), fitted)
    net = pickle.loads(pickle.dumps(fitted.network_))
    codes = np.searchsorted(fitted.classes_, y) if cls is BackpropClassifier else y
    assert net.loss(X, codes) == fitted.network_.loss(X, codes)


@pytest.mark.slow
def test_a_loss_in_several_processes_and_threads():
    X, y = make_regression()
    grid = {"alpha": [0.0, 1.0]}
    found = [
        GridSearchCV(small(BackpropRegressor, loss=LogCosh()), grid, cv=2, n_jobs=n).fit(X, y)
        for n in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in found]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("given", [False, True])
def test_early_stopping_watches_a_users_loss(given):
    X, y = make_regression()
    X_val, y_val = make_features(seed=5), np.sin(2 * make_features(seed=5)[:, 0])
    validation = dict(X_val=X_val, y_val=y_val) if given else {}
    params = dict(early_stopping=True, scoring="loss", n_iter_no_change=100)
    params |= dict(learning_rate_init=0.1, hidden_layer_sizes=(20,))
    long = small(BackpropRegressor, loss=LogCosh(), max_iter=40, **params).fit(X, y, **validation)
    losses = long.validation_loss_curve_
    best = int(np.argmin(losses))
    assert best + 1 < len(losses) == 40
    stopped = small(BackpropRegressor, loss=LogCosh(), max_iter=best + 1, **params)
    assert_equal_networks(stopped.fit(X, y, **validation), long)
    if given:
        expected = np.log(np.cosh(long.predict(X_val) - y_val)).mean()
        assert losses[best] == pytest.approx(expected, rel=1e-10)
