"""What the estimators promise beyond scikit-learn's trajectory.

The numbers of a plain fit are compared with scikit-learn's in test_trajectories.py.
"""

import copy
import pickle

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    N_SAMPLES,
    OLD_LBFGS,
    SCIKIT_SOLVERS,
    STOCHASTIC,
    assert_equal_networks,
    assert_same_state,
    first_call,
    make_classes,
    make_features,
    make_multilabel,
    make_regression,
    make_task,
    public_state,
    small,
)
from scipy import sparse
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.neural_network import MLPClassifier

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = [CUT_SHORT, OLD_LBFGS]

# --- no hidden layer: linear models with matched penalties ---
# J = mean loss + alpha / (2 n) ||W||^2, so that n J is the objective of Ridge(alpha) halved, and
# of LogisticRegression(C=1/alpha). SciPy's stop at a relative decrease of 2e-9 leaves 1e-4.

LINEAR = {
    "hidden_layer_sizes": (),
    "solver": "lbfgs",
    "alpha": 2.0,
    "max_iter": 10_000,
    "tol": 1e-9,
    "random_state": 0,
}


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_no_hidden_layer_is_ridge(n_outputs, fit_intercept):
    X, y = make_regression(n_outputs)
    y = y + 1.0
    ours = BackpropRegressor(fit_intercept=fit_intercept, **LINEAR).fit(X, y)
    ridge = Ridge(alpha=2.0, fit_intercept=fit_intercept).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, np.atleast_2d(ridge.coef_), atol=1e-4)
    np.testing.assert_allclose(ours.intercepts_[0], ridge.intercept_, atol=1e-4)
    np.testing.assert_allclose(ours.predict(X), ridge.predict(X), atol=1e-3)


def test_no_hidden_layer_is_weighted_ridge():
    X, y = make_regression()
    weights = np.random.default_rng(0).uniform(0.1, 3, N_SAMPLES)
    ours = BackpropRegressor(**LINEAR).fit(X, y, sample_weight=weights)
    ridge = Ridge(alpha=2.0).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(ours.coefs_[0].ravel(), ridge.coef_, atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_no_hidden_layer_is_logistic_regression(n_classes, fit_intercept):
    X, y = make_classes(n_classes)
    ours = BackpropClassifier(fit_intercept=fit_intercept, **LINEAR).fit(X, y)
    theirs = LogisticRegression(C=0.5, fit_intercept=fit_intercept, tol=1e-9, max_iter=1000)
    theirs.fit(X, y)
    assert ours.out_activation_ == ("logistic" if n_classes == 2 else "softmax")
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)


def test_no_hidden_layer_is_poisson_regression():
    X = make_features()
    y = np.random.default_rng(0).poisson(np.exp(0.5 * X[:, 0]))
    ours = BackpropRegressor(loss="poisson", **LINEAR).fit(X, y)
    theirs = PoissonRegressor(alpha=2.0 / N_SAMPLES, tol=1e-9, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].ravel(), theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-3)


@STOCHASTIC
def test_no_hidden_layer_with_stochastic_solvers(solver):
    X, y = make_regression()
    rate = {"sgd": 0.05, "adam": 0.01}[solver]
    params = {**LINEAR, "solver": solver, "batch_size": N_SAMPLES, "max_iter": 3000}
    ours = BackpropRegressor(learning_rate_init=rate, n_iter_no_change=np.inf, **params).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].ravel(), Ridge(alpha=2.0).fit(X, y).coef_, atol=1e-5)


# --- outputs and losses ---


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("output", ["auto", "logistic", "softmax"])
@pytest.mark.parametrize("n_classes", [2, 3])
@SCIKIT_SOLVERS
def test_classifier_learns_with_every_output(loss, output, n_classes, solver):
    X, y = make_classes(n_classes, ["ant", "bee", "cow"])
    clf = small(
        BackpropClassifier,
        loss=loss,
        output_activation=output,
        solver=solver,
        learning_rate_init=0.3 if solver == "sgd" else 0.05,
        max_iter=200,
        alpha=0.01,
    ).fit(X, y)
    proba = clf.predict_proba(X)
    assert proba.shape == (N_SAMPLES, n_classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-12)
    assert proba.min() >= 0
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[proba.argmax(axis=1)])
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(clf.predict_log_proba(X), np.log(proba))
    assert clf.score(X, y) > 0.85
    expected = {"auto": "logistic" if n_classes == 2 else "softmax"}.get(output, output)
    assert clf.out_activation_ == expected
    assert clf.network_.loss_name == loss


@pytest.mark.parametrize("n_classes", [2, 3])
def test_identity_output_gives_no_probabilities(n_classes):
    X, y = make_classes(n_classes)
    clf = small(
        BackpropClassifier, loss="squared_error", output_activation="identity", max_iter=200
    ).fit(X, y)
    assert clf.score(X, y) > 0.85
    for name in ("predict_proba", "predict_log_proba"):
        assert not hasattr(clf, name)
        with pytest.raises(AttributeError, match=name):
            getattr(clf, name)
    outputs = clf.network_.forward(X)
    codes = outputs.argmax(axis=1) if n_classes == 3 else (outputs.ravel() > 0.5).astype(int)
    np.testing.assert_array_equal(clf.predict(X), codes)


def test_squared_error_classifier_is_the_brier_score():
    """The binary loss is half the mean squared distance of p and the 0/1 target."""
    X, y = make_classes(2)
    clf = small(BackpropClassifier, loss="squared_error", solver="lbfgs", alpha=0.0).fit(X, y)
    np.testing.assert_allclose(clf.loss_, 0.5 * np.mean((clf.predict_proba(X)[:, 1] - y) ** 2))


def test_multilabel_takes_no_softmax():
    X, Y = make_multilabel()
    with pytest.raises(ValueError, match="softmax"):
        small(BackpropClassifier, output_activation="softmax").fit(X, Y)


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("target_type", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_multilabel_predictions_come_as_the_targets_did(loss, target_type):
    X, Y = make_multilabel()
    clf = small(BackpropClassifier, loss=loss, max_iter=300).fit(X, target_type(Y))
    prediction = clf.predict(X)
    assert sparse.issparse(prediction) == (target_type is sparse.csr_matrix)
    dense = prediction.toarray() if sparse.issparse(prediction) else prediction
    assert np.mean(dense == Y) > 0.9
    np.testing.assert_array_equal(dense, clf.predict_proba(X) > 0.5)


@pytest.mark.parametrize("output", ["identity", "logistic", "softmax", "exp"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@SCIKIT_SOLVERS
def test_regressor_learns_with_every_output(output, loss, solver):
    X = make_features()
    y = np.exp(X[:, :3] - 3 * np.abs(X[:, 3:]))
    y /= y.sum(axis=1, keepdims=True)
    reg = small(
        BackpropRegressor,
        loss=loss,
        output_activation=output,
        solver=solver,
        activation="tanh",
        alpha=0.0,
        learning_rate_init=0.05,
        max_iter=150,
    )
    if (loss, output) == ("poisson", "identity"):
        with pytest.raises(ValueError, match="poisson.*identity"):
            reg.fit(X, y)
        return
    reg.fit(X, y)
    assert reg.out_activation_ == output
    assert reg.score(X, y) > 0.7


@pytest.mark.parametrize(("loss", "expected"), [("squared_error", "identity"), ("poisson", "exp")])
def test_automatic_output_of_the_regressor(loss, expected):
    X, y = make_regression()
    assert small(BackpropRegressor, loss=loss).fit(X, np.abs(y)).out_activation_ == expected


@pytest.mark.parametrize("output", ["identity", "softmax", "logistic"])
def test_log_loss_refuses_an_identity_output(output):
    X, y = make_classes(2)
    clf = small(BackpropClassifier, output_activation=output)
    if output != "identity":
        clf.fit(X, y)
        return
    with pytest.raises(ValueError, match="log_loss.*identity"):
        clf.fit(X, y)


@pytest.mark.parametrize("n_rows", [1, 20])
@SCIKIT_SOLVERS
def test_a_single_class(n_rows, solver):
    X = make_features(n_rows)
    clf = small(BackpropClassifier, solver=solver, batch_size="auto").fit(X, ["only"] * n_rows)
    np.testing.assert_array_equal(clf.classes_, ["only"])
    np.testing.assert_array_equal(clf.predict(make_features(7)), ["only"] * 7)
    # one column for one class; scikit-learn's has two
    np.testing.assert_array_equal(clf.predict_proba(make_features(7)), np.ones((7, 1)))


@pytest.mark.parametrize(
    "labels",
    [["no", "yes", "maybe"], [-1, 1, 7], [2.0, 5.0, 9.0], [False, True], np.array(["a", "b"], "O")],
    ids=str,
)
def test_labels_of_every_kind(labels):
    X, codes = make_classes(len(labels))
    named = np.asarray(labels)[codes]
    clf = small(BackpropClassifier).fit(X, named)
    # class k of the network is the k-th label in sorted order
    plain = small(BackpropClassifier).fit(X, np.searchsorted(np.sort(labels), named))
    assert_equal_networks(clf, plain)
    np.testing.assert_array_equal(clf.classes_, np.sort(labels))
    np.testing.assert_array_equal(clf.predict(X), np.sort(labels)[plain.predict(X)])
    theirs = MLPClassifier(max_iter=1).fit(X, named)
    assert clf.classes_.dtype == theirs.classes_.dtype
    assert clf.predict(X).dtype == theirs.predict(X).dtype


def test_probabilities_follow_the_fitted_output_not_a_later_parameter():
    X, y = make_classes(3)
    clf = small(BackpropClassifier).fit(X, y)
    expected = clf.predict_proba(X)
    clf.set_params(output_activation="identity")
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


# --- intercepts ---


@ESTIMATORS
@SCIKIT_SOLVERS
def test_without_intercepts(cls, solver):
    X, y = make_task(cls)
    estimator = small(cls, fit_intercept=False, activation="tanh", solver=solver).fit(X, y)
    sizes = estimator.network_.layer_sizes
    assert [b.shape for b in estimator.intercepts_] == [(size,) for size in sizes[1:]]
    assert all(not b.any() and b.dtype == X.dtype for b in estimator.intercepts_)
    assert estimator.network_.intercepts == ()
    # inputs of 0 give pre-activations of 0
    outputs = estimator.network_.forward(np.zeros((1, 4)))
    np.testing.assert_allclose(outputs, 1 / 3 if cls is BackpropClassifier else 0.0)


# --- sample weights ---


def weights_and_rows():
    """Integer weights with zeros, and the rows repeated that often."""
    counts = np.random.default_rng(5).integers(0, 4, N_SAMPLES)
    assert (counts == 0).any()
    return counts, np.repeat(np.arange(N_SAMPLES), counts)


@ESTIMATORS
@SCIKIT_SOLVERS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
def test_integer_weights_are_repeated_rows(cls, solver, container):
    """With full batches the order of the rows does not matter."""
    X, y = make_task(cls)
    counts, rows = weights_and_rows()
    params = {"solver": solver, "alpha": 0.5, "activation": "tanh", "batch_size": "auto"}
    weighted = small(cls, **params).fit(container(X), y, sample_weight=counts)
    repeated = small(cls, **params).fit(container(X[rows]), y[rows])
    np.testing.assert_allclose(
        weighted.network_.params, repeated.network_.params, rtol=1e-7, atol=1e-9
    )
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)


@ESTIMATORS
@SCIKIT_SOLVERS
def test_rows_of_weight_zero_are_not_there(cls, solver):
    X, y = make_task(cls)
    weights = np.random.default_rng(6).uniform(0.5, 2, N_SAMPLES)
    weights[::5] = 0.0
    X[::5], kept = 1e3, weights > 0  # these values must not matter
    params = {"solver": solver, "alpha": 0.5, "activation": "tanh", "batch_size": "auto"}
    zeroed = small(cls, **params).fit(X, y, sample_weight=weights)
    removed = small(cls, **params).fit(X[kept], y[kept], sample_weight=weights[kept])
    np.testing.assert_allclose(
        zeroed.network_.params, removed.network_.params, rtol=1e-7, atol=1e-9
    )


@ESTIMATORS
@SCIKIT_SOLVERS
def test_weights_of_one_are_no_weights(cls, solver):
    X, y = make_task(cls)
    plain = small(cls, solver=solver).fit(X, y)
    weighted = small(cls, solver=solver).fit(X, y, sample_weight=np.ones(N_SAMPLES, int))
    assert_equal_networks(plain, weighted)
    assert_equal_networks(plain, small(cls, solver=solver).fit(X, y, sample_weight=1.0))


@ESTIMATORS
@STOCHASTIC
def test_a_batch_of_weight_zero_changes_nothing(cls, solver):
    """scikit-learn divides by zero."""
    X, y = make_task(cls)
    weights = np.ones(N_SAMPLES)
    weights[:10] = 0.0
    params = {"solver": solver, "momentum": 0.0, "batch_size": 10, "shuffle": False, "max_iter": 1}
    zeroed = small(cls, alpha=0.1, **params).fit(X, y, sample_weight=weights)
    assert np.isfinite(zeroed.network_.params).all()
    assert np.isfinite(zeroed.loss_)


@ESTIMATORS
def test_score_takes_weights(cls):
    X, y = make_task(cls)
    counts, rows = weights_and_rows()
    estimator = small(cls).fit(X, y)
    assert estimator.score(X, y, counts) == pytest.approx(estimator.score(X[rows], y[rows]))


# --- the network of an estimator ---


def encoded(cls, y):
    return np.eye(3)[y] if cls is BackpropClassifier else y.reshape(-1, 1)


@ESTIMATORS
@SCIKIT_SOLVERS
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_network_agrees_with_predict(cls, solver, dtype):
    X, y = make_task(cls)
    X = X.astype(dtype)
    estimator = small(cls, solver=solver).fit(X, y)
    network = estimator.network_
    assert isinstance(network, Network)
    assert network.dtype == network.params.dtype == dtype
    outputs = network.forward(X)
    if cls is BackpropClassifier:
        np.testing.assert_array_equal(outputs, estimator.predict_proba(X))
        np.testing.assert_array_equal(outputs.argmax(axis=1), estimator.predict(X))
    else:
        np.testing.assert_array_equal(outputs.ravel(), estimator.predict(X))
        assert estimator.predict(X).dtype == dtype


@ESTIMATORS
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_network_loss_is_the_objective(cls, weighted):
    X, y = make_task(cls)
    weights = np.random.default_rng(0).uniform(0.5, 2, N_SAMPLES) if weighted else None
    estimator = small(cls, solver="lbfgs", alpha=0.7).fit(X, y, sample_weight=weights)
    network, Y = estimator.network_, encoded(cls, y)
    np.testing.assert_allclose(network.loss(X, Y, weights), estimator.loss_, rtol=1e-12)

    outputs = network.forward(X)
    if cls is BackpropClassifier:
        losses = -np.sum(Y * np.log(outputs), axis=1)
    else:
        losses = 0.5 * np.sum((outputs - Y) ** 2, axis=1)
    n = N_SAMPLES if weights is None else weights.sum()
    penalty = 0.7 / (2 * n) * sum(np.sum(coef**2) for coef in network.coefs)
    expected = np.average(losses, weights=weights) + penalty
    np.testing.assert_allclose(network.loss(X, Y, weights), expected, rtol=1e-12)


@ESTIMATORS
def test_network_gradient_is_the_step_of_sgd(cls):
    """One full-batch step from the fitted weights is -rate times the network's gradient."""
    X, y = make_task(cls)
    params = {"solver": "sgd", "momentum": 0.0, "batch_size": N_SAMPLES, "alpha": 0.3}
    estimator = small(cls, warm_start=True, **params).fit(X, y)
    start = estimator.network_.params.copy()
    gradient = estimator.network_.loss_gradient(X, encoded(cls, y)).flat
    estimator.set_params(max_iter=1, learning_rate_init=0.125).fit(X, y)
    np.testing.assert_allclose(
        estimator.network_.params - start, -0.125 * gradient, rtol=1e-7, atol=1e-14
    )


def copies():
    return {
        "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
        "deepcopy": copy.deepcopy,
        "itself": lambda estimator: estimator,
    }


@ESTIMATORS
@pytest.mark.parametrize("way", copies().values(), ids=copies().keys())
def test_coefs_are_views(cls, way):
    X, y = make_task(cls)
    estimator = way(small(cls).fit(X, y))
    for part in (*estimator.coefs_, *estimator.intercepts_):
        assert np.shares_memory(part, estimator.network_.params)
        part[...] = 0.0
    outputs = estimator.network_.forward(X)
    np.testing.assert_allclose(outputs, 1 / 3 if cls is BackpropClassifier else 0.0)


@ESTIMATORS
def test_copies_are_independent(cls):
    X, y = make_task(cls)
    estimator = small(cls).fit(X, y)
    twin = copy.deepcopy(estimator)
    before = public_state(estimator)
    twin.network_.params[:] = 0
    twin.partial_fit(X, y)
    assert_same_state(before, public_state(estimator))


@ESTIMATORS
@STOCHASTIC
def test_pickling_between_partial_fits_changes_nothing(cls, solver):
    X, y = make_task(cls)
    kept = small(cls, solver=solver, learning_rate="invscaling")
    stored = small(cls, solver=solver, learning_rate="invscaling")
    for _ in range(4):
        kept.partial_fit(X, y, **first_call(cls, y))
        stored.partial_fit(X, y, **first_call(cls, y))
        stored = pickle.loads(pickle.dumps(stored))
    assert_equal_networks(kept, stored)
    assert_same_state(public_state(kept), public_state(stored))


@ESTIMATORS
@SCIKIT_SOLVERS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
def test_deterministic(cls, solver, container):
    X, y = make_task(cls)
    fits = [small(cls, solver=solver).fit(container(X), y) for _ in range(2)]
    assert_equal_networks(*fits)
    assert fits[0].loss_curve_ == fits[1].loss_curve_
    other = small(cls, solver=solver, random_state=1).fit(container(X), y)
    assert not np.array_equal(other.network_.params, fits[0].network_.params)


@ESTIMATORS
def test_random_state_none_differs_from_fit_to_fit(cls):
    X, y = make_task(cls)
    one, other = (small(cls, random_state=None).fit(X, y) for _ in range(2))
    assert not np.array_equal(one.network_.params, other.network_.params)


@ESTIMATORS
@SCIKIT_SOLVERS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
def test_inputs_are_never_modified(cls, solver, container):
    X, y = make_task(cls)
    X, weights = container(X), np.linspace(0, 2, N_SAMPLES)
    copied = copy.deepcopy((X, y, weights))
    estimator = small(cls, solver=solver).fit(X, y, sample_weight=weights)
    estimator.predict(X)
    estimator.score(X, y, weights)
    X_before, y_before, weights_before = copied
    np.testing.assert_array_equal(weights, weights_before)
    np.testing.assert_array_equal(y, y_before)
    if sparse.issparse(X):
        np.testing.assert_array_equal(X.data, X_before.data)
        np.testing.assert_array_equal(X.indices, X_before.indices)
    else:
        np.testing.assert_array_equal(X, X_before)
