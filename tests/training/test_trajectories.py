"""The estimators walk the trajectory of scikit-learn's MLP.

Both classes get the same parameters, random_state and data; after six epochs of four batches the
weights, the reported losses and scores, the counters and the predictions must agree. The weights
hang on every draw of the random state, on the order of the batches, on each gradient and each
update, and on the epoch at which training stops, so that little can be wrong unseen.

Bounds. In float64 the two sides differ by the rounding of sums only; the epochs multiply that
to about 1e-12 on these data, and 1e-7 is promised. L-BFGS amplifies rounding in its line search:
1e-4. The float32 bounds are explained where they stand.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import sklearn.neural_network
from covering import at_first
from problems import CUT_SHORT, OLD_LBFGS
from scipy import sparse
from sklearn.neural_network import MLPClassifier, MLPRegressor

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = [CUT_SHORT, OLD_LBFGS]

CLASSIFIER_TASKS = ("binary", "multiclass", "multilabel")
REGRESSOR_TASKS = ("regression", "multioutput", "poisson", "poisson2")
TASKS = CLASSIFIER_TASKS + REGRESSOR_TASKS
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
STOCHASTIC = ("sgd", "adam")

N_SAMPLES = 61  # prime: every batch size leaves a short last batch
N_FEATURES = 6


# --- data ---


def make_data(task, dtype=np.float64):
    """Features of unit scale and targets that depend on them, with noise; a third are zeros."""
    rng = np.random.default_rng(zlib.crc32(task.encode()))
    X = rng.standard_normal((N_SAMPLES, N_FEATURES))
    X[rng.random(X.shape) < 1 / 3] = 0.0
    scores = X @ rng.standard_normal((N_FEATURES, 3)) + 0.3 * rng.standard_normal((N_SAMPLES, 3))
    targets = {
        "binary": lambda: (scores[:, 0] > 0).astype(int),
        "multiclass": lambda: scores.argmax(axis=1),
        "multilabel": lambda: (scores > 0).astype(int),
        "regression": lambda: np.sin(scores[:, 0]) + 0.5 * scores[:, 1],
        "multioutput": lambda: np.sin(scores[:, :2]) + 1.0,
        "poisson": lambda: rng.poisson(np.exp(0.3 * scores[:, 0])).astype(float),
        "poisson2": lambda: rng.poisson(np.exp(0.3 * scores[:, :2])).astype(float),
    }
    return X.astype(dtype), targets[task]()


def make_weights():
    """Positive weights, and a few zeros."""
    rng = np.random.default_rng(12)
    weights = rng.uniform(0.2, 3.0, N_SAMPLES)
    weights[::17] = 0.0
    return weights


# --- ways to train ---


def fit_once(estimator, X, y, weights):
    estimator.fit(X, y, sample_weight=weights)


def fit_twice(estimator, X, y, weights):
    """A cold start must forget the first fit altogether."""
    estimator.fit(X[:40], y[:40])
    estimator.fit(X, y, sample_weight=weights)


def fit_warm(estimator, X, y, weights):
    """Three warm starts; solver settings change in between."""
    estimator.set_params(warm_start=True)
    estimator.fit(X, y, sample_weight=weights)
    estimator.set_params(max_iter=4, learning_rate_init=0.004)
    estimator.fit(X, y, sample_weight=weights)
    estimator.set_params(batch_size=30)
    estimator.fit(X, y, sample_weight=weights)


def partial_fit_chunks(estimator, X, y, weights):
    """Two rounds over three chunks of unequal size."""
    first_call = first_call_arguments(estimator, y)
    for start, stop in [(0, 20), (20, 37), (37, 61)] * 2:
        rows = slice(start, stop)
        chunk_weights = None if weights is None else weights[rows]
        estimator.partial_fit(X[rows], y[rows], sample_weight=chunk_weights, **first_call)
        first_call = {}


def partial_fit_warm(estimator, X, y, weights):
    """warm_start changes nothing for partial_fit, apart from the check of the classes."""
    estimator.set_params(warm_start=True)
    first_call = first_call_arguments(estimator, y)
    for _ in range(5):
        estimator.partial_fit(X, y, sample_weight=weights, **first_call)
        first_call = {}


def fit_then_partial_fit(estimator, X, y, weights):
    """The optimizer's moments and the loss curve go on."""
    estimator.fit(X, y, sample_weight=weights)
    for _ in range(4):
        estimator.partial_fit(X[:33], y[:33], sample_weight=None)


def partial_fit_then_fit(estimator, X, y, weights):
    """A cold fit starts afresh, with an optimizer of its own."""
    estimator.partial_fit(X, y, **first_call_arguments(estimator, y))
    estimator.fit(X, y, sample_weight=weights)


def warm_fit_then_partial_fit(estimator, X, y, weights):
    fit_warm(estimator, X, y, weights)
    for _ in range(3):
        estimator.partial_fit(X, y, sample_weight=weights)


def first_call_arguments(estimator, y):
    if isinstance(estimator, MLPRegressor | BackpropRegressor):
        return {}
    return {"classes": np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])}


# --- the cases ---


@dataclass(frozen=True)
class Case:
    id: str
    task: str
    params: dict
    weighted: bool = False
    container: Callable = np.asarray
    train: Callable = fit_once
    # whether training must end by its stopping rule, and not by max_iter
    stops: bool = False


def case(
    group, task, *, weighted=False, container=np.asarray, train=fit_once, stops=False, **params
):
    """A case whose id names all that it sets."""
    words = [group, task, *(f"{name}={value}" for name, value in params.items())]
    words += ["weighted"] if weighted else []
    words += [container.__name__] if container is not np.asarray else []
    words += [train.__name__] if train is not fit_once else []
    return Case("-".join(words), task, params, weighted, container, train, stops)


def activation_cases():
    for task in TASKS:
        for activation in ACTIVATIONS:
            for solver in STOCHASTIC:
                yield case("activation", task, solver=solver, activation=activation)


def schedule_cases():
    for task in ("binary", "multiclass", "regression"):
        for schedule in ("constant", "invscaling", "adaptive"):
            for momentum, nesterov in [(0.0, True), (0.6, False), (0.9, True)]:
                yield case(
                    "schedule",
                    task,
                    solver="sgd",
                    learning_rate=schedule,
                    momentum=momentum,
                    nesterovs_momentum=nesterov,
                )
    for power_t in (0.0, 0.25, 1.0):
        yield case("schedule", "binary", solver="sgd", learning_rate="invscaling", power_t=power_t)
    for momentum in (0.0, 1.0):
        yield case("schedule", "regression", solver="sgd", momentum=momentum)
    # the schedules belong to sgd: adam must ignore them
    for schedule in ("invscaling", "adaptive"):
        yield case("schedule", "multiclass", solver="adam", learning_rate=schedule)


def batch_cases():
    for task in ("multiclass", "multioutput"):
        for solver in STOCHASTIC:
            for batch_size in (1, 7, 32, N_SAMPLES, "auto"):
                for shuffle in (True, False):
                    yield case("batch", task, solver=solver, batch_size=batch_size, shuffle=shuffle)


def weight_cases():
    for task in TASKS:
        for solver in STOCHASTIC:
            for batch_size in (11, "auto"):
                yield case("weights", task, weighted=True, solver=solver, batch_size=batch_size)


def early_stopping_cases():
    for task in TASKS:
        for solver in STOCHASTIC:
            for weighted in (False, True):
                yield case(
                    "early",
                    task,
                    weighted=weighted,
                    solver=solver,
                    early_stopping=True,
                    validation_fraction=0.2,
                )
    for task in ("binary", "multilabel", "regression", "multioutput"):
        yield case(
            "early",
            task,
            solver="adam",
            early_stopping=True,
            shuffle=False,
            validation_fraction=0.3,
            n_iter_no_change=3,
            max_iter=300,
            tol=1e-3,
            stops=True,
        )
        yield case(
            "early",
            task,
            solver="sgd",
            learning_rate="adaptive",
            early_stopping=True,
            validation_fraction=0.3,
            n_iter_no_change=2,
            max_iter=300,
            tol=1e-2,
            stops=True,
        )


def sparse_cases():
    for task in TASKS:
        for solver in STOCHASTIC:
            yield case("sparse", task, container=sparse.csr_matrix, solver=solver)
    for solver in STOCHASTIC:
        yield case("sparse", "binary", container=sparse.csc_matrix, solver=solver)
        yield case("sparse", "regression", container=sparse.csr_array, solver=solver)
        yield case(
            "sparse",
            "multiclass",
            container=sparse.csr_matrix,
            weighted=True,
            solver=solver,
            early_stopping=True,
            validation_fraction=0.2,
        )
        yield case(
            "sparse",
            "poisson",
            container=sparse.csr_matrix,
            solver=solver,
            shuffle=False,
            hidden_layer_sizes=(),
        )


def stopping_cases():
    for task in ("binary", "multiclass", "multilabel", "regression", "poisson"):
        yield case(
            "stopping",
            task,
            solver="adam",
            learning_rate_init=0.05,
            tol=1e-2,
            n_iter_no_change=2,
            max_iter=300,
            stops=True,
        )
        yield case(
            "stopping", task, solver="sgd", tol=1e-2, n_iter_no_change=1, max_iter=300, stops=True
        )
        # divided by five until the rate is below 1e-6: eight or more stops overruled
        yield case(
            "stopping",
            task,
            solver="sgd",
            learning_rate="adaptive",
            tol=1e-2,
            n_iter_no_change=1,
            max_iter=300,
            stops=True,
        )
    yield case("stopping", "binary", solver="adam", tol=10.0, n_iter_no_change=1, stops=True)
    yield case("stopping", "binary", solver="adam", tol=10.0, n_iter_no_change=np.inf)


def architecture_cases():
    for sizes in ((), (1,), 9, (4, 3), (6, 5, 4), [8], np.array([5, 2])):
        for task, solver in [("binary", "sgd"), ("multiclass", "adam"), ("multioutput", "adam")]:
            yield case("layers", task, solver=solver, hidden_layer_sizes=sizes)


def hyperparameter_cases():
    for alpha in (0.0, 0.1, 10.0):
        for task in ("multiclass", "poisson"):
            for solver in STOCHASTIC:
                yield case("alpha", task, solver=solver, alpha=alpha)
    yield case("alpha", "regression", solver="adam", alpha=1.0, weighted=True, batch_size=9)
    yield case("alpha", "multilabel", solver="sgd", alpha=1.0, container=sparse.csr_matrix)
    for beta_1, beta_2, epsilon in [(0.0, 0.0, 1e-2), (0.5, 0.9, 1e-8), (0.99, 0.9999, 1e-4)]:
        yield case("adam", "binary", beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
        yield case("adam", "regression", beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
    for learning_rate_init in (1e-4, 0.1):
        for solver in STOCHASTIC:
            yield case("rate", "binary", solver=solver, learning_rate_init=learning_rate_init)


def continuation_cases():
    ways = (
        fit_twice,
        fit_warm,
        partial_fit_chunks,
        partial_fit_warm,
        fit_then_partial_fit,
        partial_fit_then_fit,
        warm_fit_then_partial_fit,
    )
    for train in ways:
        for task, solver in [
            ("binary", "adam"),
            ("multiclass", "sgd"),
            ("multilabel", "adam"),
            ("regression", "sgd"),
            ("multioutput", "adam"),
            ("poisson", "adam"),
        ]:
            yield case("continued", task, solver=solver, train=train)
        yield case("continued", "multiclass", solver="adam", train=train, weighted=True)
        yield case("continued", "binary", solver="adam", train=train, random_state="instance")
        yield case(
            "continued",
            "regression",
            solver="sgd",
            train=train,
            container=sparse.csr_matrix,
            learning_rate="invscaling",
        )
    # Here each fit improves on the score of the one before. Where none does, scikit-learn trains on
    # its record of the best weights itself: see test_estimators.py.
    yield case(
        "continued",
        "regression",
        solver="sgd",
        train=fit_warm,
        early_stopping=True,
        validation_fraction=0.2,
        max_iter=3,
    )
    yield case(
        "continued",
        "regression",
        solver="sgd",
        learning_rate="adaptive",
        tol=0.02,
        n_iter_no_change=1,
        train=fit_warm,
    )
    yield case(
        "continued",
        "regression",
        solver="sgd",
        learning_rate="adaptive",
        tol=0.02,
        n_iter_no_change=1,
        train=fit_then_partial_fit,
    )


def default_cases():
    """Nothing set but the random state and few epochs."""
    for task in ("binary", "multiclass", "multilabel", "regression", "poisson"):
        yield Case(f"defaults-{task}", task, {"defaults": True, "max_iter": 12})


CASES = [
    *activation_cases(),
    *schedule_cases(),
    *batch_cases(),
    *weight_cases(),
    *early_stopping_cases(),
    *sparse_cases(),
    *stopping_cases(),
    *architecture_cases(),
    *hyperparameter_cases(),
    *continuation_cases(),
    *default_cases(),
]


def lbfgs_cases():
    for task in ("binary", "multiclass", "multilabel", "regression", "poisson"):
        for activation in ("identity", "logistic", "tanh"):
            yield case("lbfgs", task, activation=activation)
        yield case("lbfgs", task, hidden_layer_sizes=())
        yield case("lbfgs", task, activation="tanh", weighted=True)
        yield case("lbfgs", task, activation="tanh", container=sparse.csr_matrix)
    yield case("lbfgs", "poisson2", activation="tanh")
    yield case("lbfgs", "binary", activation="relu", max_iter=15)
    yield case("lbfgs", "regression", activation="relu", max_iter=15)
    yield case("lbfgs", "multiclass", activation="tanh", max_fun=9)
    yield case("lbfgs", "multiclass", activation="logistic", tol=0.05)
    yield case("lbfgs", "binary", activation="tanh", warm_start=True, train=fit_twice)


LBFGS_CASES = list(lbfgs_cases())


def values(one):
    """All that a case sets, as (name, value)."""
    settings = [*one.params.items(), ("task", one.task), ("weighted", one.weighted)]
    settings += [("container", one.container), ("train", one.train), ("stops", one.stops)]
    return {(name, str(value)) for name, value in settings}


def each(cases):
    """Parametrise a test with the cases; those that set nothing new are marked `grid`."""
    return pytest.mark.parametrize("case", at_first(cases, values))


# --- comparison ---


def parameters(case, solver_defaults):
    """The case's own parameters over settings under which a few epochs do visible work."""
    given = dict(case.params)
    if given.pop("defaults", False):
        return {"random_state": 5, **given}
    solver = given.get("solver", "adam")
    params = {
        "hidden_layer_sizes": (7, 5),
        "batch_size": 16,
        "max_iter": 6 if given.get("batch_size") != 1 else 2,  # of 61 batches
        "tol": 0.0,
        "n_iter_no_change": 20,
        "learning_rate_init": 0.02 if solver == "sgd" else 0.01,
        "random_state": 5,
        **solver_defaults,
        **given,
    }
    if case.task == "multioutput":
        # without a penalty the two reported losses differ by a factor only
        params.setdefault("alpha", 0.0)
    if params["random_state"] == "instance":
        params["random_state"] = np.random.RandomState(5)
    if case.task.startswith("poisson"):
        params["loss"] = "poisson"
    return params


def train_both(case, dtype=np.float64, **solver_defaults):
    """Our estimator and scikit-learn's, trained the same way, and the data."""
    X, y = make_data(case.task, dtype)
    X = case.container(X)
    weights = make_weights() if case.weighted else None
    classes = (
        (BackpropClassifier, MLPClassifier)
        if case.task in CLASSIFIER_TASKS
        else (BackpropRegressor, MLPRegressor)
    )
    # a RandomState instance is used up by training: each side gets its own
    ours, theirs = (cls(**parameters(case, solver_defaults)) for cls in classes)
    for estimator in (ours, theirs):
        case.train(estimator, X, y, weights)
    return ours, theirs, X


def loss_factor(case):
    """Reported squared error: the sum over outputs here, the mean in scikit-learn (issue 8349)."""
    return 2 if case.task == "multioutput" else 1


def assert_same_parameters(ours, theirs, rtol, atol):
    assert len(ours.coefs_) == len(theirs.coefs_)
    assert len(ours.intercepts_) == len(theirs.intercepts_)
    pairs = zip(
        [*ours.coefs_, *ours.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True
    )
    for our_array, their_array in pairs:
        assert our_array.dtype == their_array.dtype
        np.testing.assert_allclose(our_array, their_array, rtol=rtol, atol=atol)


def assert_same_counters(ours, theirs):
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name


def assert_same_history(ours, theirs, factor, rtol):
    """loss_, loss_curve_ and best_loss_; the scores, or None in their place."""
    np.testing.assert_allclose(ours.loss_, factor * theirs.loss_, rtol=rtol)
    np.testing.assert_allclose(ours.loss_curve_, factor * np.array(theirs.loss_curve_), rtol=rtol)
    if theirs.best_loss_ is None:
        assert ours.best_loss_ is None
        # a score is 1 minus an error: near 0 only its absolute size says anything
        np.testing.assert_allclose(
            [*ours.validation_scores_, ours.best_validation_score_],
            [*theirs.validation_scores_, theirs.best_validation_score_],
            rtol=rtol,
            atol=rtol,
        )
    else:
        assert ours.validation_scores_ is None
        assert ours.best_validation_score_ is None
        np.testing.assert_allclose(ours.best_loss_, factor * theirs.best_loss_, rtol=rtol)


def assert_same_predictions(ours, theirs, X, rtol, atol):
    our_prediction, their_prediction = ours.predict(X), theirs.predict(X)
    assert our_prediction.shape == their_prediction.shape
    assert our_prediction.dtype == their_prediction.dtype
    np.testing.assert_allclose(our_prediction, their_prediction, rtol=rtol, atol=atol)
    if isinstance(theirs, MLPRegressor):
        return
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    our_proba, their_proba = ours.predict_proba(X), theirs.predict_proba(X)
    assert our_proba.shape == their_proba.shape
    assert our_proba.dtype == their_proba.dtype
    np.testing.assert_allclose(our_proba, their_proba, rtol=rtol, atol=atol)
    np.testing.assert_allclose(
        ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=rtol, atol=atol
    )


# --- sgd and adam ---


def test_the_grid_is_as_large_as_promised():
    assert len({one.id for one in CASES + LBFGS_CASES}) == len(CASES) + len(LBFGS_CASES)
    assert len(CASES) >= 200
    assert len(LBFGS_CASES) >= 24


@each(CASES)
def test_stochastic_trajectory(case):
    ours, theirs, X = train_both(case)
    assert_same_counters(ours, theirs)
    assert_same_parameters(ours, theirs, rtol=1e-7, atol=1e-7)
    assert_same_history(ours, theirs, loss_factor(case), rtol=1e-7)
    assert_same_predictions(ours, theirs, X, rtol=1e-6, atol=1e-6)
    if case.stops:
        assert theirs.n_iter_ < theirs.max_iter


# A gradient in single precision carries a relative error of about 6e-8 times the number of
# additions; sgd hands it on unchanged. adam divides by the gradient's own size, so that a gradient
# lost in rounding still moves its weight by up to the learning rate, here 0.01; and scikit-learn
# multiplies by float64 scalars where everything here stays float32.
FLOAT32_BOUNDS = {"sgd": 1e-5, "adam": 1e-4}


def float32_cases():
    yield from activation_cases()
    for task in ("binary", "regression"):
        for solver in STOCHASTIC:
            yield case("sparse", task, solver=solver, container=sparse.csr_matrix)
            yield case("weights", task, solver=solver, weighted=True)
            yield case("early", task, solver=solver, early_stopping=True, validation_fraction=0.2)
            yield case("continued", task, solver=solver, train=partial_fit_chunks)


FLOAT32_CASES = list(float32_cases())


@each(FLOAT32_CASES)
def test_float32_trajectory(case):
    ours, theirs, X = train_both(case, np.float32)
    bound = FLOAT32_BOUNDS[theirs.solver]
    assert ours.coefs_[0].dtype == np.float32
    assert_same_counters(ours, theirs)
    assert_same_parameters(ours, theirs, rtol=bound, atol=bound)
    assert_same_history(ours, theirs, loss_factor(case), rtol=bound)
    assert_same_predictions(ours, theirs, X, rtol=10 * bound, atol=10 * bound)


# --- L-BFGS ---

# A strong penalty makes the minimum well-conditioned.
LBFGS = {
    "solver": "lbfgs",
    "hidden_layer_sizes": (4,),
    "alpha": 1.0,
    "max_iter": 40,
    "tol": 1e-4,
}


@each(LBFGS_CASES)
def test_lbfgs_trajectory(case):
    ours, theirs, X = train_both(case, **LBFGS)
    assert_same_counters(ours, theirs)
    assert_same_parameters(ours, theirs, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-6)
    assert_same_predictions(ours, theirs, X, rtol=1e-3, atol=1e-3)
    # scikit-learn keeps no curve for this solver
    curve = ours.loss_curve_[-ours.n_iter_ :]
    assert curve[-1] == ours.loss_
    assert curve == sorted(curve, reverse=True)


def test_lbfgs_float32():
    one = case("lbfgs", "regression", activation="tanh")
    ours, theirs, X = train_both(one, np.float32, **LBFGS)
    # scikit-learn's weights come back as SciPy's float64 copy; a float32 network stays float32
    assert ours.coefs_[0].dtype == np.float32
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-3)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-2)


# --- several outputs with squared error: scikit-learn reports a mean and descends a sum ---


def penalty(estimator, n_samples):
    """alpha / (2 n) ||W||^2, as both sides report it."""
    squares = sum(np.sum(coef**2) for coef in estimator.coefs_)
    return 0.5 * estimator.alpha * squares / n_samples


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_multioutput_weights_agree_with_a_penalty(solver, weighted):
    one = case("multioutput", "multioutput", solver=solver, alpha=2.0, weighted=weighted)
    ours, theirs, X = train_both(one)
    assert_same_parameters(ours, theirs, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("solver", STOCHASTIC)
def test_multioutput_loss_is_the_sum_over_outputs(solver):
    # the rate is too small to move a weight, so that the reported loss is that of coefs_
    one = case(
        "multioutput",
        "multioutput",
        solver=solver,
        alpha=2.0,
        batch_size=N_SAMPLES,
        learning_rate_init=1e-300,
        max_iter=2,
    )
    ours, theirs, X = train_both(one)
    _, y = make_data(one.task)
    data_loss = 0.5 * np.mean(np.sum((ours.predict(X) - y) ** 2, axis=1))
    np.testing.assert_allclose(ours.loss_, data_loss + penalty(ours, N_SAMPLES), rtol=1e-12)
    np.testing.assert_allclose(theirs.loss_, data_loss / 2 + penalty(ours, N_SAMPLES), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh"])
def test_multioutput_lbfgs_agrees_where_scikit_learn_takes_the_sum(
    activation, weighted, monkeypatch
):
    """Its gradient is that of the sum, and its loss the mean: that is all the difference."""
    one = case("lbfgs", "multioutput", activation=activation, weighted=weighted)
    ours, theirs, _ = train_both(one, **LBFGS)
    assert max(np.abs(a - b).max() for a, b in zip(ours.coefs_, theirs.coefs_, strict=True)) > 1e-4

    losses = sklearn.neural_network._multilayer_perceptron.LOSS_FUNCTIONS
    mean = losses["squared_error"]
    monkeypatch.setitem(
        losses,
        "squared_error",
        lambda y, outputs, *weights: mean(y, outputs, *weights) * y.shape[1],
    )
    ours, theirs, X = train_both(one, **LBFGS)
    assert_same_counters(ours, theirs)
    assert_same_parameters(ours, theirs, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-6)
    assert_same_predictions(ours, theirs, X, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sizes", [(), (4,)], ids=str)
def test_multioutput_lbfgs_descends_what_it_reports(sizes):
    """scikit-learn hands SciPy a mean and the gradient of a sum; no trajectory to follow here."""
    X, y = make_data("multioutput")
    ours = BackpropRegressor(
        sizes, solver="lbfgs", activation="tanh", alpha=1.0, max_iter=500, tol=1e-6, random_state=5
    ).fit(X, y)
    residuals = ours.predict(X) - y
    objective = 0.5 * np.mean(np.sum(residuals**2, axis=1)) + penalty(ours, N_SAMPLES)
    np.testing.assert_allclose(ours.loss_, objective, rtol=1e-10)
    # SciPy stops when the objective falls by less than 2e-9: the gradient is then its root
    assert np.abs(ours.network_.loss_gradient(X, y).flat).max() < 1e-3
