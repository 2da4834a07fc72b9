"""What users build on: initialize, transform, activations by layer, their own loss, callbacks.

And the derivatives of a Network beyond those of its objective. Callbacks came with scikit-learn
1.9: with an older one their tests do not exist, but one that says that set_callbacks does not.
"""

import copy
import io
import pickle
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
import sklearn
from reference import ReferenceNetwork
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import get_scorer, r2_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version
from tasks import ESTIMATORS, STOCHASTIC, assert_equal_networks, assert_same_state, public_state

from fastbp import BackpropClassifier, BackpropRegressor, Network, check_gradient

try:
    from sklearn.callback import ProgressBar, ScoringMonitor, _callback_context

    HAS_CALLBACKS = True
except ImportError:
    HAS_CALLBACKS = False

# Few epochs everywhere; that training would go on is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, N_FEATURES = 48, 4
EVERY_SOLVER = pytest.mark.parametrize(
    "solver", ["sgd", "adam", "rprop", "lbfgs", "levenberg_marquardt"]
)


def features(n=N, seed=0):
    return np.random.default_rng(seed).normal(size=(n, N_FEATURES))


def real():
    X = features()
    return X, np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] + 0.3 * features(seed=1)[:, 0]


def classes():
    X = features()
    codes = (X[:, :3] + 0.5 * features(seed=1)[:, :3]).argmax(axis=1)
    return X, np.array(["ant", "bee", "cow"])[codes]


def task(cls):
    return classes() if cls is BackpropClassifier else real()


def small(cls, **params):
    defaults = dict(hidden_layer_sizes=(6, 5), activation="tanh", max_iter=5, random_state=0)
    defaults |= dict(learning_rate_init=0.02, batch_size=16, alpha=0.1)
    if params.get("solver") == "levenberg_marquardt":
        defaults["loss"] = "squared_error"
    return cls(**(defaults | params))


def loss_of(estimator, X, y):
    """The objective at the estimator's weights."""
    codes = y
    if isinstance(estimator, BackpropClassifier):
        codes = np.searchsorted(estimator.classes_, y)
    return estimator.network_.loss(X, codes)


# --- initialize ---


@ESTIMATORS
@EVERY_SOLVER
def test_initialize_makes_a_fitted_estimator_without_training(cls, solver):
    X, y = task(cls)
    estimator = small(cls, solver=solver)
    assert estimator.initialize(X, y) is estimator
    assert estimator.predict(X).shape == (N,)
    assert np.isfinite(estimator.score(X, y))
    assert (estimator.n_iter_, estimator.t_, estimator.loss_curve_) == (0, 0, [])
    assert np.isnan(estimator.loss_)
    assert estimator.best_loss_ == np.inf
    assert estimator.validation_scores_ is estimator.validation_loss_curve_ is None
    assert estimator.n_features_in_ == N_FEATURES
    if cls is BackpropClassifier:
        np.testing.assert_array_equal(estimator.classes_, ["ant", "bee", "cow"])
        np.testing.assert_allclose(estimator.predict_proba(X).sum(axis=1), 1)
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict(X), estimator.predict(X))


@ESTIMATORS
@pytest.mark.parametrize("activation", ["tanh", "selu", ["relu", "gelu"]])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_initial_weights_are_those_that_fit_begins_with(cls, activation, dtype):
    """They are looked at when the first epoch asks for its learning rate, by way of Ctrl-C."""
    X, y = task(cls)
    X = X.astype(dtype)

    def learning_rate(epoch):
        raise KeyboardInterrupt

    interrupted = small(cls, activation=activation, learning_rate=learning_rate)
    with pytest.warns(UserWarning, match="interrupted by user"):
        interrupted.fit(X, y)
    initial = small(cls, activation=activation).initialize(X, y)
    assert initial.network_.dtype == dtype
    assert_equal_networks(interrupted, initial)
    output = "softmax" if cls is BackpropClassifier else "identity"
    alone = Network(
        initial.network_.layer_sizes, activation=activation, output_activation=output, dtype=dtype,
        loss=initial.loss, random_state=0,
    )  # fmt: skip
    np.testing.assert_array_equal(initial.network_.params, alone.params)
    other = small(cls, activation=activation, random_state=1).initialize(X, y)
    assert not np.array_equal(initial.network_.params, other.network_.params)


@ESTIMATORS
@EVERY_SOLVER
def test_a_warm_start_goes_on_from_there(cls, solver):
    X, y = task(cls)
    plain = small(cls, solver=solver, shuffle=False).fit(X, y)
    begun = small(cls, solver=solver, shuffle=False, warm_start=True).initialize(X, y)
    assert_equal_networks(begun.fit(X, y), plain)
    assert begun.loss_curve_ == plain.loss_curve_
    # without, fit begins anew
    coefs = [np.zeros_like(coef) for coef in plain.coefs_]
    anew = small(cls, solver=solver, shuffle=False).initialize(X, y, coefs=coefs)
    assert_equal_networks(anew.fit(X, y), plain)


@ESTIMATORS
@STOCHASTIC
def test_partial_fit_goes_on_from_there(cls, solver):
    """Without being told the classes, which are known by then."""
    X, y = task(cls)
    plain = small(cls, solver=solver, shuffle=False).fit(X, y)
    begun = small(cls, solver=solver, shuffle=False).initialize(X, y)
    for _ in range(5):
        begun.partial_fit(X, y)
    assert_equal_networks(begun, plain)
    assert begun.loss_curve_ == plain.loss_curve_


@ESTIMATORS
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_given_weights_are_where_training_begins(cls, solver):
    """Another network's, as its attributes give them; the user's arrays are copied."""
    X, y = task(cls)
    donor = small(cls, random_state=7).fit(X, y)
    coefs = [coef.copy() for coef in donor.coefs_]
    lists = [intercept.tolist() for intercept in donor.intercepts_]
    estimator = small(cls, solver=solver, warm_start=True)
    estimator.initialize(X, y, coefs=coefs, intercepts=lists)
    assert_equal_networks(estimator, donor)
    np.testing.assert_array_equal(estimator.predict(X), donor.predict(X))
    before = loss_of(donor, X, y)
    assert loss_of(estimator.fit(X, y), X, y) < before
    np.testing.assert_array_equal(coefs[0], donor.coefs_[0])


@ESTIMATORS
def test_one_kind_of_weights_may_be_given(cls):
    X, y = task(cls)
    drawn = small(cls).initialize(X, y)
    zeros = [np.zeros_like(coef) for coef in drawn.coefs_]
    only_coefs = small(cls).initialize(X, y, coefs=zeros)
    assert not any(coef.any() for coef in only_coefs.coefs_)
    ones = [np.ones_like(intercept) for intercept in drawn.intercepts_]
    only_intercepts = small(cls).initialize(X, y, intercepts=ones)
    for given, expected in [
        (only_coefs.intercepts_, drawn.intercepts_),
        (only_intercepts.coefs_, drawn.coefs_),
        (only_intercepts.intercepts_, ones),
    ]:
        for one, other in zip(given, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_network_without_intercepts_takes_those_that_it_shows():
    """Its intercepts_ are zeros: what one estimator gives, another can begin with."""
    X, y = real()
    donor = small(BackpropRegressor, fit_intercept=False).fit(X, y)
    twin = small(BackpropRegressor, fit_intercept=False)
    twin.initialize(X, y, coefs=donor.coefs_, intercepts=donor.intercepts_)
    np.testing.assert_array_equal(twin.predict(X), donor.predict(X))


def cases_of_wrong_weights():
    coefs = [np.zeros((4, 6)), np.zeros((6, 5)), np.zeros((5, 1))]
    intercepts = [np.zeros(6), np.zeros(5), np.zeros(1)]
    yield dict(coefs=coefs[:2]), "coefs holds 2 arrays; this network has 3 layers of them"
    yield dict(coefs=[*coefs, coefs[0]]), "coefs holds 4 arrays"
    yield dict(coefs=[c.T for c in coefs]), r"coefs\[0\] has shape \(6, 4\); \(4, 6\) is needed"
    yield dict(coefs=[*coefs[:2], np.zeros(5)]), r"coefs\[2\] has shape \(5,\); \(5, 1\)"
    yield dict(intercepts=intercepts[:1]), "intercepts holds 1 arrays"
    yield dict(intercepts=[*intercepts[:2], 0.0]), r"intercepts\[2\] has shape \(\); \(1,\)"
    nan, infinite = coefs[1] + np.nan, intercepts[1] + np.inf
    yield dict(coefs=[coefs[0], nan, coefs[2]]), r"coefs\[1\] contains NaN or infinity"
    yield (
        dict(intercepts=[intercepts[0], infinite, intercepts[2]]),
        r"intercepts\[1\] contains NaN or infinity",
    )
    yield dict(coefs=[["a"] * 6] * 3), "could not convert string to float"


def test_wrong_weights_leave_the_estimator_as_it_was():
    X, y = real()
    fitted = small(BackpropRegressor).fit(X, y)
    before = public_state(fitted)
    for arguments, words in cases_of_wrong_weights():
        estimator = small(BackpropRegressor)
        with pytest.raises(ValueError, match=words):
            estimator.initialize(X, y, **arguments)
        assert vars(estimator) == estimator.get_params()
        with pytest.raises(ValueError, match=words):
            fitted.initialize(X, y, **arguments)
    assert_same_state(before, public_state(fitted))


@ESTIMATORS
def test_initialize_checks_what_fit_checks(cls):
    X, y = task(cls)
    for params, arguments, words in [
        (dict(alpha=-1.0), (X, y), "'alpha' parameter"),
        ({}, (X[:, 0], y), "Expected 2D array"),
        ({}, (X, y[:-1]), "inconsistent numbers of samples"),
        (dict(activation=["tanh"]), (X, y), "hidden layer 1 has none"),
    ]:
        estimator = small(cls, **params)
        with pytest.raises(ValueError, match=words):
            estimator.initialize(*arguments)
        assert vars(estimator) == estimator.get_params()


@ESTIMATORS
def test_initialize_keeps_the_names_of_the_features(cls):
    X, y = task(cls)
    frame = pd.DataFrame(X, columns=[*"abcd"])
    estimator = small(cls).initialize(frame, y)
    np.testing.assert_array_equal(estimator.feature_names_in_, [*"abcd"])
    np.testing.assert_array_equal(
        estimator.predict(frame), small(cls).initialize(X, y).predict(sparse.csr_matrix(X))
    )
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.partial_fit(frame[[*"dcba"]], y)


# --- transform ---


@ESTIMATORS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, np.asfortranarray])
def test_transform_gives_the_last_hidden_layer(cls, container):
    X, y = task(cls)
    fitted = small(cls, activation=["tanh", "silu"]).fit(X, y)
    transformed = fitted.transform(container(X))
    expected = ReferenceNetwork.like(fitted.network_).propagate(X)[1][-2]
    np.testing.assert_allclose(transformed, expected, rtol=1e-10)
    np.testing.assert_array_equal(fitted.network_.activations(container(X))[-2], transformed)
    # which is what the output layer is given
    scores = transformed @ fitted.coefs_[-1] + fitted.intercepts_[-1]
    if cls is BackpropClassifier:
        np.testing.assert_array_equal(fitted.classes_[scores.argmax(axis=1)], fitted.predict(X))
    else:
        np.testing.assert_allclose(scores.ravel(), fitted.predict(X), rtol=1e-10)


@ESTIMATORS
def test_fit_transform_is_fit_and_transform(cls):
    X, y = task(cls)
    w = np.random.default_rng(2).uniform(0.1, 2, N)
    at_once = small(cls)
    transformed = at_once.fit_transform(X, y, sample_weight=w)
    fitted = small(cls).fit(X, y, sample_weight=w)
    assert_equal_networks(at_once, fitted)
    np.testing.assert_array_equal(transformed, fitted.transform(X))


@ESTIMATORS
def test_transform_has_the_type_of_the_network(cls):
    X, y = task(cls)
    single = small(cls).fit(X.astype(np.float32), y)
    assert single.transform(X).dtype == np.float32
    assert small(cls).fit(X, y).transform(X.astype(np.float32)).dtype == np.float64


@ESTIMATORS
def test_transform_without_hidden_layers_is_the_identity(cls):
    X, y = task(cls)
    fitted = small(cls, hidden_layer_sizes=()).fit(X, y)
    np.testing.assert_array_equal(fitted.transform(X), X)
    assert fitted.transform(sparse.csr_matrix(X)).shape == X.shape
    assert len(fitted.get_feature_names_out()) == N_FEATURES


@ESTIMATORS
def test_transform_checks_its_samples(cls):
    X, y = task(cls)
    for method in ("transform", "get_feature_names_out"):
        with pytest.raises(NotFittedError):
            getattr(small(cls), method)(*([X] if method == "transform" else []))
    fitted = small(cls).fit(pd.DataFrame(X, columns=[*"abcd"]), y)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(pd.DataFrame(X, columns=[*"abce"]))
    with pytest.raises(ValueError, match="3 features, but .* is expecting 4"):
        small(cls).fit(X, y).transform(X[:, :3])
    with pytest.raises(ValueError, match="NaN"):
        small(cls).fit(X, y).transform(np.where(X > 1, np.nan, X))


@ESTIMATORS
def test_names_of_the_units_and_data_frames(cls):
    X, y = task(cls)
    frame = pd.DataFrame(X, columns=[*"abcd"], index=range(100, 100 + N))
    fitted = small(cls).fit(frame, y)
    names = [f"{cls.__name__.lower()}{unit}" for unit in range(5)]
    np.testing.assert_array_equal(fitted.get_feature_names_out(), names)
    plain = fitted.transform(frame)
    framed = fitted.set_output(transform="pandas").transform(frame)
    assert list(framed.columns) == names and list(framed.index) == list(frame.index)
    np.testing.assert_array_equal(framed.to_numpy(), plain)
    # predictions are no transformation
    assert isinstance(fitted.predict(frame), np.ndarray)
    united = make_union(StandardScaler(), small(cls)).fit(frame, y)
    assert list(united.get_feature_names_out())[3:5] == [
        "standardscaler__d",
        f"{cls.__name__.lower()}__{names[0]}",
    ]


@pytest.mark.parametrize(
    ("cls", "last"),
    [
        (BackpropClassifier, LogisticRegression(solver="newton-cholesky")),
        (BackpropRegressor, Ridge()),
    ],
)
def test_units_as_features_of_another_estimator(cls, last):
    X, y = task(cls)
    pipeline = make_pipeline(StandardScaler(), small(cls, max_iter=40), clone(last)).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    net = small(cls, max_iter=40).fit(scaled, y)
    alone = clone(last).fit(net.transform(scaled), y)
    np.testing.assert_allclose(pipeline[-1].coef_, alone.coef_)
    np.testing.assert_array_equal(pipeline.predict(X), alone.predict(net.transform(scaled)))
    # the net itself is not worse than a constant, nor is what stands on it
    assert pipeline.score(X, y) > 0.5
    names = pipeline[:-1].get_feature_names_out([*"abcd"])
    assert len(names) == pipeline[-1].n_features_in_ == 5


# --- activations by layer ---


@ESTIMATORS
@pytest.mark.parametrize("container", [list, tuple])
def test_each_hidden_layer_may_have_its_own_activation(cls, container):
    X, y = task(cls)
    names = container(["leaky_relu", "mish"])
    fitted = small(cls, activation=names).fit(X, y)
    assert fitted.activation is names
    assert fitted.network_.hidden_activations == fitted.network_.activation == tuple(names)
    twin = ReferenceNetwork.like(fitted.network_)
    for ours, expected in zip(fitted.network_.activations(X), twin.propagate(X)[1], strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)
    twice, once = (small(cls, activation=a).fit(X, y) for a in (["elu", "elu"], "elu"))
    assert_equal_networks(twice, once)
    assert once.network_.activation == "elu"
    assert once.network_.hidden_activations == ("elu", "elu")
    assert_equal_networks(clone(fitted).fit(X, y), fitted)
    assert_equal_networks(pickle.loads(pickle.dumps(fitted)), fitted)


ALLOWED = "'identity', 'logistic', 'tanh', 'relu', 'leaky_relu', 'elu', 'selu'"


@ESTIMATORS
@pytest.mark.parametrize(
    ("hidden_layer_sizes", "activation", "words"),
    [
        ((6, 5), ["tanh"], r"names 1 activations for 2 hidden layers: hidden layer 1 has none"),
        ((6, 5), ["tanh"] * 3, r"for 2 hidden layers: activation\[2\]='tanh' has no layer"),
        ((), ["tanh"], r"for 0 hidden layers: activation\[0\]='tanh' has no layer"),
        ((6, 5), ["tanh", "relux"], rf"activation\[1\]='relux' is not one of {ALLOWED}"),
        ((6, 5), [None, "relu"], rf"activation\[0\]=None is not one of {ALLOWED}"),
        ((6, 5), "relux", "'activation' parameter of Backprop.* must be a str among"),
        ((6, 5), {"tanh": 2}, "'activation' parameter of Backprop.* must be a str among"),
    ],
)
def test_wrong_activations_are_named_with_their_layer(cls, hidden_layer_sizes, activation, words):
    X, y = task(cls)
    estimator = small(cls, hidden_layer_sizes=hidden_layer_sizes, activation=activation)
    with pytest.raises(ValueError, match=words):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


def test_an_empty_list_is_for_no_hidden_layers():
    X, y = real()
    none = small(BackpropRegressor, hidden_layer_sizes=(), activation=[]).fit(X, y)
    plain = small(BackpropRegressor, hidden_layer_sizes=(), activation="identity").fit(X, y)
    assert_equal_networks(none, plain)


# --- the user's own loss ---


class LogCosh:
    """log cosh(p - y), and a record of the calls."""

    def __init__(self):
        self.calls = []

    def loss(self, y, outputs):
        self.calls.append(("loss", y.shape, y.dtype, outputs.dtype))
        assert outputs.shape == y.shape
        return np.log(np.cosh(outputs - y)).sum(axis=1)

    def gradient(self, y, outputs):
        self.calls.append(("gradient", y.shape, y.dtype, outputs.dtype))
        return np.tanh(outputs - y)


def calls_of(loss):
    """(method, rows) of each call, and the record is empty again."""
    calls, loss.calls = [(method, shape[0]) for method, shape, *_ in loss.calls], []
    return calls


@ESTIMATORS
@STOCHASTIC
@pytest.mark.parametrize("n_threads", [None, 1, 2])
def test_a_loss_is_called_once_a_batch(cls, solver, n_threads):
    X, y = task(cls)
    loss = LogCosh()
    estimator = small(cls, loss=loss, solver=solver, batch_size=20, max_iter=2, n_threads=n_threads)
    estimator.fit(X, y)
    assert estimator.loss is loss
    both = [[("loss", rows), ("gradient", rows)] for rows in (20, 20, 8)]
    assert calls_of(loss) == 2 * sum(both, [])
    estimator.partial_fit(X, y)
    assert calls_of(loss) == sum(both, [])
    estimator.predict(X)
    assert not loss.calls
    alone = small(cls, loss=LogCosh(), solver=solver, batch_size=20, max_iter=2).fit(X, y)
    assert_equal_networks(alone.partial_fit(X, y), estimator)


def test_a_loss_is_called_once_for_all_samples():
    """Also for more of them than a block of the kernels holds."""
    n = 20_000
    X = features(n)
    y = X[:, :2]
    loss = LogCosh()
    net = Network([N_FEATURES, 3, 2], loss=loss, random_state=0)
    net.loss(X, y)
    assert calls_of(loss) == [("loss", n)]
    net.loss_gradient(X, y)
    assert calls_of(loss) == [("loss", n), ("gradient", n)]
    for method in (net.per_sample_gradients, net.per_sample_gradient_norms, net.input_gradient):
        method(X[:50], y[:50])
        assert ("gradient", 50) in calls_of(loss)
    net.forward(X), net.activations(X), net.jacobian(X[:9]), net.input_jacobian(X[:9])
    assert not loss.calls
    estimator = BackpropRegressor((3,), loss=loss, batch_size=n, max_iter=1).fit(X, y)
    assert calls_of(loss) == [("loss", n), ("gradient", n)]
    assert estimator.n_iter_ == 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_loss_sees_targets_and_predictions_of_the_networks_type(dtype):
    X, y = real()
    loss = LogCosh()
    estimator = small(BackpropRegressor, loss=loss, max_iter=1, batch_size=N, alpha=0.0)
    estimator.fit(X.astype(dtype), y)
    assert {call[2:] for call in loss.calls} == {(np.dtype(dtype), np.dtype(dtype))}
    start = clone(estimator).initialize(X.astype(dtype), y)
    expected = np.log(np.cosh(start.predict(X) - y)).mean()
    assert estimator.loss_ == pytest.approx(expected, rel=1e-5 if dtype == np.float32 else 1e-12)


def test_a_loss_sees_the_targets_of_the_network():
    """Labels as one-hot rows for softmax outputs, as 0 and 1 for two classes, and as they are."""
    seen = []

    class Watching(LogCosh):
        def loss(self, y, outputs):
            seen.append((y, outputs))
            return super().loss(y, outputs)

    X, y = classes()
    params = dict(loss=Watching(), max_iter=1, batch_size=N, shuffle=False)
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
    X = features()
    Y = np.abs(features(seed=3)[:, :3]) % 1
    net = Network(
        [N_FEATURES, 5, 3], activation="silu", output_activation=output, loss=LogCosh(), l2=0.1,
        l1=0.01, random_state=0,
    )  # fmt: skip
    w = np.random.default_rng(1).uniform(0.1, 2, N)
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

    X = features()
    Y = np.eye(3)[np.arange(N) % 3]
    nets = [
        Network([N_FEATURES, 5, 3], output_activation=output, activation="tanh", loss=loss)
        for loss in (LogCosh(), Wrong())
    ]
    right, wrong = (check_gradient(net, X, Y) for net in nets)
    assert right.passed
    assert not wrong.passed and wrong.worst == pytest.approx(0.01, rel=0.1)


class OwnError(Exception):
    pass


class Failing(LogCosh):
    """Raises in the given call of a method."""

    def __init__(self, method, at, error=OwnError):
        super().__init__()
        self.method, self.at, self.error = method, at, error

    def fail(self, method):
        if method == self.method and sum(call[0] == method for call in self.calls) == self.at:
            raise self.error("in the user's code")

    def loss(self, y, outputs):
        values = super().loss(y, outputs)
        self.fail("loss")
        return values

    def gradient(self, y, outputs):
        values = super().gradient(y, outputs)
        self.fail("gradient")
        return values


@ESTIMATORS
@pytest.mark.parametrize("method", ["loss", "gradient"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "rprop", "lbfgs"])
@pytest.mark.parametrize("error", [OwnError, MemoryError, SystemExit])
def test_an_exception_in_a_loss_is_the_users(cls, method, solver, error):
    X, y = task(cls)
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
    # nothing of it is left behind
    fitted.fit(X, y)


@pytest.mark.parametrize("method", ["loss", "gradient"])
def test_an_exception_in_a_loss_leaves_a_network_that_works(method):
    X, y = real()
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
    X, y = real()
    estimator = small(BackpropRegressor, loss=Failing("gradient", 8, KeyboardInterrupt))
    with pytest.warns(UserWarning, match="^Training interrupted by user.$"):
        estimator.fit(X, y)
    # three batches an epoch
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 2
    assert np.isfinite(estimator.predict(X)).all()


class Returning:
    """A loss that returns what it is told to."""

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
    X = features()
    y = X[:, :2]
    needed = r"\(48,\)" if which.startswith("loss") else r"\(48, 2\)"
    words = rf"the loss's {which} must return numbers of shape {needed}, got an array of .*{got}"
    with pytest.raises(ValueError, match=words):
        Network([N_FEATURES, 2], loss=Returning(**methods)).loss_gradient(X, y)
    estimator = small(BackpropRegressor, loss=Returning(**methods), batch_size=N)
    with pytest.raises(ValueError, match=words):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


def test_a_loss_may_return_what_numpy_makes_an_array_of():
    X = features()
    y = X[:, :2]
    lists = Returning(loss=lambda y: [1] * len(y), gradient=lambda y: (y > 0).tolist())
    gradient = Network([N_FEATURES, 2], loss=lists, random_state=0).loss_gradient(X, y)
    assert gradient.loss == 1
    np.testing.assert_allclose(gradient.intercepts[0], (y > 0).mean(axis=0))


def test_a_loss_may_not_write_to_what_it_is_given():
    X, y = real()

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
    X, y = real()
    nan = Returning(**{method: lambda y: np.full(y.shape[: 1 + (method == "gradient")], np.nan)})
    estimator = small(BackpropRegressor, loss=nan)
    with pytest.raises(ValueError, match="non-finite (loss|parameter weights) in epoch 1"):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


@ESTIMATORS
@pytest.mark.parametrize("loss", [LogCosh, "mse", None, 3, len], ids=str)
def test_what_is_no_loss_is_refused(cls, loss):
    X, y = task(cls)
    estimator = small(cls, loss=loss)
    with pytest.raises((ValueError, TypeError), match="'loss' parameter of|^loss=<class .*LogCosh"):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


@ESTIMATORS
def test_estimators_with_a_loss_are_copied_and_pickled(cls):
    X, y = task(cls)
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


def test_a_loss_in_several_processes_and_threads():
    X, y = real()
    grid = {"alpha": [0.0, 1.0]}
    found = [
        GridSearchCV(small(BackpropRegressor, loss=LogCosh()), grid, cv=2, n_jobs=n).fit(X, y)
        for n in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in found]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("given", [False, True])
def test_early_stopping_watches_a_users_loss(given):
    X, y = real()
    X_val, y_val = features(seed=5), np.sin(2 * features(seed=5)[:, 0])
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


# --- callbacks ---


def with_callbacks(test):
    """The test, where scikit-learn has callbacks; elsewhere there is none."""
    return test if HAS_CALLBACKS else None


@ESTIMATORS
def test_estimators_take_callbacks_where_scikit_learn_has_them(cls):
    assert HAS_CALLBACKS == (parse_version(sklearn.__version__) >= parse_version("1.9"))
    assert hasattr(cls, "set_callbacks") == HAS_CALLBACKS
    X, y = task(cls)
    assert not [name for name in vars(small(cls).fit(X, y)) if "callback" in name]


class Recording:
    """Keeps what its hooks are given, and acts as it is told to.

    ``at(hook, n_epochs)`` is called in each hook, with the epochs that have ended so far, and what
    it returns is returned.
    """

    def __init__(self, at=lambda hook, n_epochs: None):
        self.events, self.epochs, self.at, self.n_epochs = [], [], at, 0

    def setup(self, estimator, context):
        self.events.append("setup")
        self.at("setup", self.n_epochs)

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name} {context.task_id}")
        self.at("begin", self.n_epochs)

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.events.append(f"end {context.task_name} {context.task_id}")
        if context.task_name == "epoch" and fitted_estimator is not None:
            self.n_epochs += 1
            self.epochs.append((X, y, metadata, fitted_estimator))
        return self.at("end", self.n_epochs)


def epochs_of(numbers):
    return [f"{hook} epoch {number}" for number in numbers for hook in ("begin", "end")]


@with_callbacks
@ESTIMATORS
@EVERY_SOLVER
def test_hooks_come_in_order_one_pair_an_epoch(cls, solver):
    X, y = task(cls)
    callback = Recording()
    estimator = small(cls, solver=solver).set_callbacks(callback).fit(X, y)
    assert estimator.n_iter_ == 5
    expected = ["setup", "begin fit 0", *epochs_of(range(5)), "end fit 0", "teardown"]
    assert callback.events == expected
    # nothing of it is left, and the training is the same
    assert [name for name in vars(estimator) if "callback" in name] == ["_skl_callbacks"]
    assert_equal_networks(estimator, small(cls, solver=solver).fit(X, y))


@with_callbacks
@ESTIMATORS
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_run_that_converges_may_end_an_epoch_that_was_only_begun(cls, solver):
    """As scikit-learn's own LogisticRegression: it was begun before this was known."""
    X, y = task(cls)
    callback = Recording()
    estimator = small(cls, solver=solver, tol=0.02, n_iter_no_change=1, max_iter=500)
    n_iter = estimator.set_callbacks(callback).fit(X, y).n_iter_
    assert 1 < n_iter < 500
    assert callback.n_epochs == n_iter
    of_epochs = callback.events[2:-2]
    assert of_epochs in (epochs_of(range(n_iter)), epochs_of(range(n_iter + 1)))


@with_callbacks
@ESTIMATORS
@EVERY_SOLVER
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_fitted_estimator_has_the_weights_of_its_epoch(cls, solver, early_stopping):
    """Those of a run of so many epochs, and keeps them when training goes on."""
    X, y = task(cls)
    early_stopping = early_stopping and solver != "lbfgs"
    params = dict(solver=solver, early_stopping=early_stopping, validation_fraction=0.3)
    callback = Recording()
    estimator = small(cls, **params).set_callbacks(callback).fit(X, y)
    assert len(callback.epochs) == estimator.n_iter_ >= 4
    estimator.network_.params[...] = 0
    for n_epochs, (_, _, _, fitted) in enumerate(callback.epochs, start=1):
        shorter = small(cls, max_iter=n_epochs, **params)
        if early_stopping:
            # ... before the best weights are put back: so the last score must be the best one
            shorter.set_params(scoring=RisingScore())
        shorter.fit(X, y)
        assert_equal_networks(fitted, shorter)
        np.testing.assert_array_equal(fitted.predict(X), shorter.predict(X))
        assert fitted.loss_curve_ == shorter.loss_curve_
        assert fitted.n_iter_ == n_epochs
        assert fitted.score(X, y) == shorter.score(X, y)


class RisingScore:
    def __init__(self):
        self.calls = 0

    def __call__(self, estimator, X, y):
        self.calls += 1
        return self.calls


@with_callbacks
@ESTIMATORS
def test_a_fitted_estimator_may_be_trained_without_harm(cls):
    X, y = task(cls)

    class Meddling(Recording):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if fitted_estimator is not None and context.task_name == "epoch":
                fitted_estimator.network_.params[...] = 7.0
                fitted_estimator.loss_curve_.append(-1.0)
                fitted_estimator._training_state.moments[...] = 9.0

    for solver in ("adam", "lbfgs"):
        meddled = small(cls, solver=solver).set_callbacks(Meddling()).fit(X, y)
        plain = small(cls, solver=solver).fit(X, y)
        assert_equal_networks(meddled, plain)
        assert meddled.loss_curve_ == plain.loss_curve_


@with_callbacks
@ESTIMATORS
def test_hooks_are_given_the_training_data(cls):
    X, y = task(cls)
    w = np.random.default_rng(2).uniform(0.1, 2, N)
    for arguments, weights in ((dict(), None), (dict(sample_weight=w), w)):
        callback = Recording()
        small(cls).set_callbacks(callback).fit(X, y, **arguments)
        for given_X, given_y, metadata, _ in callback.epochs:
            np.testing.assert_array_equal(given_X, X)
            np.testing.assert_array_equal(given_y, y)
            np.testing.assert_array_equal((metadata or {}).get("sample_weight"), weights)


@with_callbacks
def test_the_weights_of_the_hooks_are_the_users():
    """Not multiplied by those of the classes: a callback's scores are those that the user asks."""
    X, y = classes()
    w = np.random.default_rng(2).uniform(0.1, 2, N)
    for weights in (None, w):
        callback = Recording()
        estimator = small(BackpropClassifier, class_weight="balanced").set_callbacks(callback)
        estimator.fit(X, y, sample_weight=weights)
        metadata = callback.epochs[0][2]
        np.testing.assert_array_equal((metadata or {}).get("sample_weight"), weights)


@with_callbacks
@ESTIMATORS
@EVERY_SOLVER
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_callback_can_stop_training(cls, solver, early_stopping):
    """At the end of the third epoch; without a warning, as whoever asks knows."""
    X, y = task(cls)
    validation = dict(X_val=X[:20], y_val=y[:20])
    params = dict(solver=solver, early_stopping=early_stopping)
    callback = Recording(at=lambda hook, n_epochs: hook == "end" and n_epochs == 3)
    stopped = small(cls, max_iter=50, **params).set_callbacks(callback)
    stopped.fit(X, y, **validation)
    assert stopped.n_iter_ == len(stopped.loss_curve_) == len(stopped.validation_scores_) == 3
    assert callback.events[-4:] == [*epochs_of([2]), "end fit 0", "teardown"]
    assert_equal_networks(stopped, small(cls, max_iter=3, **params).fit(X, y, **validation))


@with_callbacks
@EVERY_SOLVER
@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_a_stop_that_was_asked_for_is_no_warning(solver):
    X, y = real()
    callback = Recording(at=lambda hook, n_epochs: hook == "end" and n_epochs == 3)
    stopped = small(BackpropRegressor, max_iter=50, solver=solver).set_callbacks(callback)
    assert stopped.fit(X, y).n_iter_ == 3


@with_callbacks
@ESTIMATORS
@EVERY_SOLVER
@pytest.mark.parametrize("where", ["setup", "begin", "end"])
def test_an_exception_in_a_hook_tears_down(cls, solver, where):
    X, y = task(cls)

    def at(hook, n_epochs):
        if hook == where and n_epochs == (0 if where == "setup" else 2):
            raise OwnError("in a hook")

    callback = Recording(at)
    estimator = small(cls, solver=solver).set_callbacks(callback)
    with pytest.raises(OwnError, match="in a hook"):
        estimator.fit(X, y)
    assert callback.events[-1] == "teardown"
    assert callback.events.count("teardown") == callback.events.count("setup") == 1
    assert vars(estimator) == estimator.get_params() | {"_skl_callbacks": [callback]}
    # and when training fails, of itself
    callback.events.clear()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        estimator.set_callbacks(Recording()).fit(X, y[:-1])
    assert [name for name in vars(estimator) if "callback" in name] == ["_skl_callbacks"]


@with_callbacks
def test_an_error_in_training_tears_down():
    X, y = real()
    callback = Recording()
    estimator = small(BackpropRegressor, loss=Failing("gradient", 5)).set_callbacks(callback)
    with pytest.raises(OwnError):
        estimator.fit(X, y)
    assert callback.events[0] == "setup" and callback.events[-1] == "teardown"
    assert vars(estimator) == estimator.get_params() | {"_skl_callbacks": [callback]}


@with_callbacks
@ESTIMATORS
def test_without_callbacks_there_is_no_context(cls, monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("a context was made")

    X, y = task(cls)
    monkeypatch.setattr(_callback_context.CallbackContext, "_from_estimator", refuse)
    small(cls).fit(X, y)
    # none were left by an empty call either
    small(cls).set_callbacks().fit(X, y)
    # neither partial_fit nor initialize have any
    estimator = small(cls).set_callbacks(Recording()).initialize(X, y).partial_fit(X, y)
    with pytest.raises(AssertionError, match="a context was made"):
        estimator.fit(X, y)


@with_callbacks
def test_estimators_with_callbacks_are_copied_and_pickled():
    X, y = real()
    estimator = small(BackpropRegressor).set_callbacks(Pickled()).fit(X, y)
    again = pickle.loads(pickle.dumps(estimator))
    assert_equal_networks(again, estimator)
    assert clone(estimator).fit(X, y)._skl_callbacks == estimator._skl_callbacks


class Pickled:
    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = on_fit_task_end = setup


@with_callbacks
@ESTIMATORS
@EVERY_SOLVER
def test_progress_bar_shows_the_epochs(cls, solver):
    X, y = task(cls)
    with redirect_stdout(io.StringIO()) as printed:
        small(cls, solver=solver).set_callbacks(ProgressBar()).fit(X, y)
    assert f"{cls.__name__} - fit" in printed.getvalue()
    assert "100%" in printed.getvalue()


def score_of(cls):
    return "accuracy" if cls is BackpropClassifier else "r2"


@with_callbacks
@ESTIMATORS
@EVERY_SOLVER
def test_scoring_monitor_logs_each_epoch(cls, solver):
    X, y = task(cls)
    name = score_of(cls)
    monitor = ScoringMonitor(scoring=name)
    estimator = small(cls, solver=solver).set_callbacks(monitor).fit(X, y)
    (log,) = monitor.get_logs(select="all")
    of_fit, *of_epochs = log.data
    assert of_fit["task_name"] == "fit"
    assert of_fit[name] == estimator.score(X, y)
    assert [row["task_id_path"] for row in of_epochs] == [(0, k) for k in range(5)]
    for n_epochs, row in enumerate(of_epochs, start=1):
        shorter = small(cls, solver=solver, max_iter=n_epochs).fit(X, y)
        assert row[name] == get_scorer(name)(shorter, X, y)


@with_callbacks
@ESTIMATORS
def test_scoring_monitor_is_given_weights_and_what_the_scorer_needs(cls):
    X, y = task(cls)
    w = np.random.default_rng(2).uniform(0.1, 2, N)
    names = ["neg_log_loss", "accuracy"] if cls is BackpropClassifier else ["r2"]
    monitor = ScoringMonitor(scoring=names)
    estimator = small(cls).set_callbacks(monitor).fit(X, y, sample_weight=w)
    last = monitor.get_logs().data[-1]
    for name in names:
        assert last[name] == get_scorer(name)(estimator, X, y, sample_weight=w)


@with_callbacks
@ESTIMATORS
def test_scoring_monitor_with_data_frames_gives_no_warnings(cls):
    X, y = task(cls)
    frame = pd.DataFrame(X, columns=[*"abcd"])
    monitor = ScoringMonitor(scoring=score_of(cls))
    estimator = small(cls).set_callbacks(monitor).fit(frame, y)
    assert monitor.get_logs().data[-1][score_of(cls)] == estimator.score(frame, y)


@with_callbacks
@ESTIMATORS
def test_callbacks_in_a_search(cls):
    """ProgressBar is set on the search, and handed down; ScoringMonitor on the estimator."""
    X, y = task(cls)
    name = score_of(cls)
    monitor = ScoringMonitor(scoring=name)
    estimator = small(cls).set_callbacks(monitor)
    grid, folds = {"alpha": [0.0, 3.0]}, [(np.arange(24), np.arange(24, N))]
    search = GridSearchCV(estimator, grid, cv=folds)
    with redirect_stdout(io.StringIO()) as printed:
        search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert f"candidate-split-evaluation | {cls.__name__} - fit #1" in printed.getvalue()
    log = monitor.get_logs()
    assert log.estimator_name == "GridSearchCV"
    # two candidates and the refit, each with five epochs
    of_epochs = [row for row in log.data if row["task_name"] == "epoch"]
    assert len(of_epochs) == 15
    train = folds[0][0]
    for number, alpha in enumerate(grid["alpha"]):
        scores = [row[name] for row in of_epochs if row["parent_task_id_path"] == (0, 0, number)]
        expected = [
            small(cls, alpha=alpha, max_iter=n).fit(X[train], y[train]).score(X[train], y[train])
            for n in range(1, 6)
        ]
        assert scores == expected
    assert [key for key in vars(search.best_estimator_) if "callback" in key] == ["_skl_callbacks"]


@with_callbacks
@ESTIMATORS
def test_callbacks_in_a_pipeline_and_in_cross_validate(cls):
    X, y = task(cls)
    name = score_of(cls)
    monitor = ScoringMonitor(scoring=name)
    pipeline = make_pipeline(StandardScaler(), small(cls).set_callbacks(monitor))
    with redirect_stdout(io.StringIO()) as printed:
        pipeline.set_callbacks(ProgressBar()).fit(X, y)
    assert f"fit-final-estimator | {cls.__name__} - fit #1" in printed.getvalue()
    assert monitor.get_logs().estimator_name == "Pipeline"
    monitor = ScoringMonitor(scoring=name)
    found = cross_validate(
        small(cls).set_callbacks(monitor), X, y, cv=2, return_train_score=True, scoring=name
    )
    runs = monitor.get_logs(select="all")
    assert len(runs) == 2
    for run, score in zip(runs, found["train_score"], strict=True):
        assert run.data[0][name] == run.data[-1][name] == score


@with_callbacks
def test_callbacks_in_several_processes():
    X, y = real()
    monitor = ScoringMonitor(scoring="r2")
    estimator = small(BackpropRegressor).set_callbacks(monitor)
    GridSearchCV(estimator, {"alpha": [0.0, 3.0]}, cv=2, n_jobs=2).fit(X, y)
    of_epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(of_epochs) == 25


# --- derivatives of a Network ---


def forward_differences(function, at, step=1e-6):
    """Central differences of an array-valued function by each entry of `at`: a new last axis."""
    columns = []
    for j in range(at.size):
        moved = at.copy()
        moved.flat[j] += step
        above = function(moved)
        moved.flat[j] -= 2 * step
        columns.append((above - function(moved)) / (2 * step))
    return np.stack(columns, axis=-1)


NETWORKS = {
    "softmax": dict(output_activation="softmax", loss="log_loss", label_smoothing=0.1),
    "logistic": dict(output_activation="logistic", loss="squared_error", loss_scale=3.0),
    "exp": dict(output_activation="exp", loss="gamma"),
    "increasing": dict(output_activation="increasing", loss="quantile", quantile=[0.1, 0.5, 0.8]),
    "linear": dict(loss="huber", huber_delta=0.7, reduction="sum", l2=0.3, l1=0.1),
    "own": dict(output_activation="softmax", loss=LogCosh(), fit_intercept=False),
}
EVERY_NETWORK = pytest.mark.parametrize("name", NETWORKS)
N_ROWS = 9


def make_network(name, **params):
    """Two hidden layers, and rows with many zeros, as a CSR matrix has them."""
    params = dict(activation=["tanh", "gelu"], random_state=0) | NETWORKS[name] | params
    net = Network([N_FEATURES, 5, 4, 3], **params)
    X = np.where(features(N_ROWS, seed=1) > 0.2, features(N_ROWS, seed=2), 0.0)
    y = np.abs(features(N_ROWS, seed=3)[:, :3]) % 1 + 0.01
    if name == "softmax":
        y = np.arange(N_ROWS) % 3
    return net, X, y


def by_params(net, function):
    """Differences by the parameters of a function of a network."""

    def moved(params):
        twin = copy.deepcopy(net)
        twin.params[...] = params
        return function(twin)

    return forward_differences(moved, net.params.copy())


def by_inputs(function, X):
    """Differences of function(X), row by row, by that row's inputs."""

    def moved(step):
        return function(X + step)

    return forward_differences(moved, np.zeros(X.shape[1]))


@EVERY_NETWORK
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "CSR"])
def test_jacobians_are_differences_of_the_outputs(name, container):
    net, X, _ = make_network(name)
    expected = by_params(net, lambda twin: twin.forward(X))
    assert expected.shape == (N_ROWS, 3, net.n_params)
    np.testing.assert_allclose(net.jacobian(container(X)), expected, atol=1e-8)
    expected = by_inputs(net.forward, X)
    assert expected.shape == (N_ROWS, 3, N_FEATURES)
    np.testing.assert_allclose(net.input_jacobian(container(X)), expected, atol=1e-8)


def losses_of_rows(net, X, y):
    """loss_scale * sum_k l of each row, without penalties."""
    return np.array([net.loss(X[i : i + 1], y[i : i + 1]) for i in range(len(X))]) - penalty(net)


def penalty(net):
    return sum(net.l2 * np.sum(coef**2) + net.l1 * np.abs(coef).sum() for coef in net.coefs)


@EVERY_NETWORK
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "CSR"])
def test_gradients_of_rows_are_differences_of_their_losses(name, container):
    net, X, y = make_network(name)
    expected = by_params(net, lambda twin: losses_of_rows(twin, X, y))
    np.testing.assert_allclose(net.per_sample_gradients(container(X), y), expected, atol=1e-7)
    norms = net.per_sample_gradient_norms(container(X), y)
    np.testing.assert_allclose(norms, np.linalg.norm(expected, axis=1), atol=1e-6)
    expected = by_inputs(lambda moved: losses_of_rows(net, moved, y), X)
    np.testing.assert_allclose(net.input_gradient(container(X), y), expected, atol=1e-7)


@EVERY_NETWORK
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "CSR"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_norms_are_those_of_the_gradients(name, container, fit_intercept):
    net, X, y = make_network(name, fit_intercept=fit_intercept)
    gradients = net.per_sample_gradients(container(X), y)
    norms = net.per_sample_gradient_norms(container(X), y)
    assert norms.dtype == np.float64
    np.testing.assert_allclose(norms, np.linalg.norm(gradients, axis=1), rtol=1e-12)


@EVERY_NETWORK
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "CSR"])
def test_derivatives_in_float32_are_those_of_float64(name, container):
    double, X, y = make_network(name)
    single, _, _ = make_network(name, dtype="float32")
    double.params[...] = single.params
    X = X.astype(np.float32)
    for method, arguments in [
        ("jacobian", ()),
        ("input_jacobian", ()),
        ("input_gradient", (y,)),
        ("per_sample_gradients", (y,)),
        ("per_sample_gradient_norms", (y,)),
    ]:
        ours = getattr(single, method)(container(X), *arguments)
        expected = getattr(double, method)(X, *arguments)
        assert ours.dtype == (np.float64 if method.endswith("norms") else np.float32)
        assert ours.shape == expected.shape
        np.testing.assert_allclose(ours, expected, rtol=2e-4, atol=2e-5 * np.abs(expected).max())


@EVERY_NETWORK
def test_chain_rules_join_the_derivatives(name):
    """Of a loss by the outputs, and of the outputs: for any number of rows, one by one or not."""
    net, X, y = make_network(name)
    many = np.tile(X, (700, 1))
    np.testing.assert_allclose(
        net.jacobian(many).reshape(700, N_ROWS, 3, -1), np.tile(net.jacobian(X), (700, 1, 1, 1)),
        rtol=1e-9, atol=1e-12,
    )  # fmt: skip
    targets = np.tile(y, 700) if y.ndim == 1 else np.tile(y, (700, 1))
    np.testing.assert_allclose(
        net.input_gradient(many, targets), np.tile(net.input_gradient(X, y), (700, 1)),
        rtol=1e-9, atol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(
        net.per_sample_gradient_norms(many, targets),
        np.tile(net.per_sample_gradient_norms(X, y), 700),
        rtol=1e-9,
    )
    if name == "own":
        outputs = net.forward(X)
        by_outputs = np.tanh(outputs - y)[:, :, np.newaxis]
        expected = (by_outputs * net.input_jacobian(X)).sum(axis=1)
        np.testing.assert_allclose(net.input_gradient(X, y), expected, atol=1e-12)
        expected = (by_outputs * net.jacobian(X)).sum(axis=1)
        np.testing.assert_allclose(net.per_sample_gradients(X, y), expected, atol=1e-12)


def test_derivatives_check_their_arguments():
    net, X, y = make_network("linear")
    for call in (net.jacobian, net.input_jacobian):
        with pytest.raises(ValueError, match="X has 3 features, but this Network has 4 inputs"):
            call(X[:, :3])
        with pytest.raises(ValueError, match="NaN"):
            call(np.where(X == 0, np.nan, X))
    for call in (net.input_gradient, net.per_sample_gradient_norms):
        with pytest.raises(ValueError, match="y has shape"):
            call(X, y[:, :2])
        with pytest.raises(ValueError, match="X has 3 features"):
            call(X[:, :3], y)


def test_an_estimators_network_explains_its_predictions():
    """A linear one: the derivative by the inputs is the product of its weights, for every row."""
    X, y = real()
    linear = small(BackpropRegressor, activation="identity", max_iter=200).fit(X, y)
    slope = linear.coefs_[0] @ linear.coefs_[1] @ linear.coefs_[2]
    found = linear.network_.input_jacobian(X)
    np.testing.assert_allclose(found[:, 0], np.tile(slope.T, (N, 1)), atol=1e-12)
    plane = X @ slope.ravel()
    assert r2_score(linear.predict(X) - linear.predict(X).mean(), plane - plane.mean()) > 1 - 1e-9
