"""What the estimators promise beyond scikit-learn's trajectory, and how training ends and goes on.

The numbers of a plain fit are compared with scikit-learn's in test_trajectories.py.
"""

import copy
import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import check_is_fitted

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = [
    # Many fits here are cut short by max_iter on purpose; the one test of that warning asks for it.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # scikit-learn 1.7's own L-BFGS hands SciPy an option that newer SciPy deprecates.
    pytest.mark.filterwarnings("ignore:scipy.optimize.*`iprint` options:DeprecationWarning"),
]

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


# --- verbose lines and warnings ---

VERBOSE_RUNS = {
    "adam": {"solver": "adam"},
    "tol": {"solver": "adam", "tol": 0.5, "n_iter_no_change": 2, "max_iter": 50},
    "adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "tol": 0.1,
        "n_iter_no_change": 1,
        "max_iter": 200,
    },
    "early stopping": {"solver": "adam", "early_stopping": True, "validation_fraction": 0.2},
    "early stopping by tol": {
        "solver": "sgd",
        "early_stopping": True,
        "tol": 0.2,
        "n_iter_no_change": 2,
        "validation_fraction": 0.2,
        "max_iter": 200,
    },
    "verbosity as a number": {"solver": "sgd", "verbose": 2},
}


@pytest.mark.parametrize("params", VERBOSE_RUNS.values(), ids=VERBOSE_RUNS.keys())
@pytest.mark.parametrize(
    ("ours", "theirs"), [(BackpropClassifier, MLPClassifier), (BackpropRegressor, MLPRegressor)]
)
def test_verbose_lines_are_those_of_scikit_learn(ours, theirs, params, capsys):
    X, y = make_task(ours)
    printed = []
    for cls in (ours, theirs):
        small(cls, **{"verbose": True, **params}).fit(X, y)
        printed.append(capsys.readouterr().out)
    assert printed[0].startswith("Iteration 1, loss = ")
    assert printed[0] == printed[1]


def test_verbose_lines_of_partial_fit(capsys):
    X, y = make_regression()
    printed = []
    for cls in (BackpropRegressor, MLPRegressor):
        estimator = small(cls, verbose=True)
        estimator.partial_fit(X, y).partial_fit(X, y)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert printed[0].count("Iteration 1,") == 2


@ESTIMATORS
@SOLVERS
def test_silent_by_default(cls, solver, capsys):
    small(cls, solver=solver).fit(*make_task(cls))
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@ESTIMATORS
@STOCHASTIC
def test_warns_at_max_iter(cls, solver):
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
        small(cls, solver=solver, max_iter=3).fit(*make_task(cls))


@ESTIMATORS
def test_lbfgs_warns_at_max_iter(cls):
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        small(cls, solver="lbfgs", max_iter=3).fit(*make_task(cls))


@ESTIMATORS
@SOLVERS
def test_no_warning_when_converged(cls, solver):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = small(cls, solver=solver, max_iter=500, tol=0.05, alpha=1.0)
        estimator.fit(*make_task(cls))
    assert estimator.n_iter_ < 500


@ESTIMATORS
def test_too_large_a_batch_is_clipped_with_a_warning(cls):
    X, y = make_task(cls)
    with pytest.warns(UserWarning, match="Got `batch_size` less than 1 or larger"):
        clipped = small(cls, batch_size=1000).fit(X, y)
    assert_equal_networks(clipped, small(cls, batch_size=N_SAMPLES).fit(X, y))


# --- early stopping ---


@ESTIMATORS
@STOCHASTIC
def test_early_stopping_restores_the_best_weights(cls, solver):
    """The weights are those of a run that was stopped right after the best epoch."""
    X, y = make_task(cls)
    params = {
        "solver": solver,
        "early_stopping": True,
        "validation_fraction": 0.3,
        "n_iter_no_change": 50,
        "learning_rate_init": 0.05,
    }
    long = small(cls, max_iter=40, **params).fit(X, y)
    best = int(np.argmax(long.validation_scores_))
    assert best + 1 < long.n_iter_, "the last epoch must not be the best one in this test"
    assert long.best_validation_score_ == long.validation_scores_[best]
    assert long.best_loss_ is None
    stopped = small(cls, max_iter=best + 1, **params).fit(X, y)
    assert_equal_networks(long, stopped)


def test_warm_start_keeps_the_best_weights_when_nothing_improves():
    """scikit-learn's second fit trains on its record of the best weights, and so loses them."""
    X, y = make_regression()
    params = {"early_stopping": True, "validation_fraction": 0.2, "warm_start": True}
    ours, theirs = (small(cls, **params) for cls in (BackpropRegressor, MLPRegressor))
    for estimator in (ours, theirs):
        estimator.fit(X, y)
        # a step so large that no score improves
        estimator.set_params(learning_rate_init=3.0, max_iter=3)
    best = ours.network_.params.copy()
    their_best = theirs.coefs_[0].copy()
    for estimator in (ours, theirs):
        estimator.fit(X, y)
        assert len(estimator.validation_scores_) == 11
        assert max(estimator.validation_scores_[8:]) < estimator.best_validation_score_
    np.testing.assert_array_equal(ours.network_.params, best)
    assert not np.array_equal(theirs.coefs_[0], their_best)


@ESTIMATORS
def test_early_stopping_needs_two_validation_samples(cls):
    X, y = make_task(cls)
    with pytest.raises(ValueError, match="validation"):
        small(cls, early_stopping=True, validation_fraction=0.01).fit(X, y)


@ESTIMATORS
@pytest.mark.parametrize("heavy", [0, 7, 31])
def test_early_stopping_needs_weight_on_both_sides_of_the_split(cls, heavy):
    """A single row counts: either nothing is left to train on, or nothing to validate with."""
    X, y = make_task(cls)
    weights = np.zeros(N_SAMPLES)
    weights[heavy] = 1.0
    for seed in range(5):
        estimator = small(cls, early_stopping=True, validation_fraction=0.5, random_state=seed)
        with pytest.raises(ValueError, match="[Ww]eight"):
            estimator.fit(X, y, sample_weight=weights)
        assert vars(estimator) == estimator.get_params()


@ESTIMATORS
def test_early_stopping_is_not_for_partial_fit(cls):
    X, y = make_task(cls)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        small(cls, early_stopping=True).partial_fit(X, y, **first_call(cls, y))


@ESTIMATORS
def test_lbfgs_ignores_early_stopping(cls):
    X, y = make_task(cls)
    plain = small(cls, solver="lbfgs").fit(X, y)
    assert_equal_networks(plain, small(cls, solver="lbfgs", early_stopping=True).fit(X, y))


# --- warm start ---


@ESTIMATORS
def test_warm_start_goes_on(cls):
    """Two fits of four epochs are one of eight; momentum would start afresh and is off here."""
    X, y = make_task(cls)
    params = {"solver": "sgd", "momentum": 0.0, "tol": 0.0, "shuffle": False}
    once = small(cls, max_iter=8, **params).fit(X, y)
    twice = small(cls, max_iter=4, warm_start=True, **params).fit(X, y).fit(X, y)
    assert_equal_networks(once, twice)
    assert twice.loss_curve_ == once.loss_curve_
    assert (twice.n_iter_, once.n_iter_) == (4, 8)
    assert twice.t_ == once.t_ == 8 * N_SAMPLES


@ESTIMATORS
@SOLVERS
def test_warm_start_of_a_converged_network_stays(cls, solver):
    X, y = make_task(cls)
    estimator = small(cls, solver="lbfgs", alpha=1.0, max_iter=5000, tol=1e-8, warm_start=True)
    first = estimator.fit(X, y).loss_
    estimator.set_params(solver=solver, max_iter=3, learning_rate_init=1e-5, batch_size=N_SAMPLES)
    np.testing.assert_allclose(estimator.fit(X, y).loss_, first, rtol=1e-3)


@ESTIMATORS
def test_without_warm_start_nothing_is_remembered(cls):
    X, y = make_task(cls)
    twice = small(cls).fit(X[:20, :3], y[:20]).fit(X, y)
    once = small(cls).fit(X, y)
    assert_equal_networks(once, twice)
    assert_same_state(public_state(once), public_state(twice))


def test_warm_start_refuses_other_classes():
    X, y = make_classes(3)
    clf = small(BackpropClassifier, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="same classes as in the previous call to fit"):
        clf.fit(X, np.where(y == 2, 7, y))
    with pytest.raises(ValueError, match="same classes as in the previous call to fit"):
        clf.fit(X[y < 2], y[y < 2])
    clf.fit(X, y)


@ESTIMATORS
def test_warm_start_refuses_another_architecture(cls):
    """scikit-learn broadcasts, ignores, or fails with a shape error inside NumPy."""
    X, y = make_task(cls)
    estimator = small(cls, warm_start=True).fit(X, y)
    estimator.set_params(hidden_layer_sizes=(7,))
    with pytest.raises(ValueError, match=r"layer sizes.*warm_start=False"):
        estimator.fit(X, y)
    estimator.set_params(hidden_layer_sizes=(6,)).fit(X, y)


@ESTIMATORS
def test_warm_start_refuses_other_features(cls):
    X, y = make_task(cls)
    estimator = small(cls, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 4"):
        estimator.fit(X[:, :3], y)


def test_warm_start_refuses_another_number_of_targets():
    X, Y = make_regression(2)
    reg = small(BackpropRegressor, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="layer sizes"):
        reg.fit(X, Y[:, 0])


# --- partial_fit ---


@ESTIMATORS
@STOCHASTIC
def test_partial_fit_is_one_epoch(cls, solver):
    """Unshuffled, eight calls are the eight epochs of a fit."""
    X, y = make_task(cls)
    params = {"solver": solver, "tol": 0.0, "shuffle": False}
    whole = small(cls, **params).fit(X, y)
    stepwise = small(cls, **params)
    for _ in range(8):
        stepwise.partial_fit(X, y, **first_call(cls, y))
        assert stepwise.n_iter_ == 1
    assert_equal_networks(whole, stepwise)
    assert whole.loss_curve_ == stepwise.loss_curve_
    assert whole.t_ == stepwise.t_


@STOCHASTIC
@pytest.mark.parametrize("target_type", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_multilabel_partial_fit_is_one_epoch(solver, target_type):
    """scikit-learn's issue 12505: its partial_fit asks for what the columns say already."""
    X, Y = make_multilabel()
    Y = target_type(Y)
    params = {"solver": solver, "tol": 0.0, "shuffle": False}
    whole = small(BackpropClassifier, **params).fit(X, Y)
    stepwise = small(BackpropClassifier, **params)
    for _ in range(8):
        stepwise.partial_fit(X, Y)
    assert_equal_networks(whole, stepwise)
    assert stepwise.out_activation_ == "logistic"
    np.testing.assert_array_equal(stepwise.classes_, [0, 1, 2])
    np.testing.assert_array_equal(whole.predict_proba(X), stepwise.predict_proba(X))


@pytest.mark.parametrize("classes", [None, [0, 1, 2], [0, 1], ["a", "b", "c"]], ids=str)
def test_multilabel_partial_fit_needs_no_classes(classes):
    """The columns are the classes, whatever is said about them."""
    X, Y = make_multilabel()
    clf = small(BackpropClassifier).partial_fit(X, Y, classes=classes)
    assert_equal_networks(clf, small(BackpropClassifier).partial_fit(X, Y))
    clf.partial_fit(X, Y, classes=classes)
    assert clf.predict(X).shape == Y.shape


def test_multilabel_partial_fit_takes_odd_chunks():
    """One row, a label that is always there, a label that never is: still three labels."""
    X, Y = make_multilabel()
    clf = small(BackpropClassifier, batch_size=1)
    for chunk in (Y[:1], np.ones((2, 3), int), np.zeros((2, 3), int), np.eye(3, dtype=int)):
        clf.partial_fit(X[: len(chunk)], chunk)
    assert clf.n_outputs_ == 3
    assert clf.t_ == 8


def test_multilabel_partial_fit_refuses_other_columns():
    X, Y = make_multilabel()
    clf = small(BackpropClassifier).partial_fit(X, Y)
    with pytest.raises(ValueError, match="classes"):
        clf.partial_fit(X, Y[:, :2])
    with pytest.raises(ValueError, match="classes"):
        clf.partial_fit(X, Y[:, 0])


def test_partial_fit_needs_the_classes_once():
    X, y = make_classes(3)
    clf = small(BackpropClassifier)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clf.partial_fit(X, y)
    clf.partial_fit(X, y, classes=[2, 0, 1])
    np.testing.assert_array_equal(clf.classes_, [0, 1, 2])
    clf.partial_fit(X, y).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="not the same as on last call"):
        clf.partial_fit(X, y, classes=[0, 1])


def test_partial_fit_takes_some_of_the_classes():
    X, y = make_classes(3, ["ant", "bee", "cow"])
    clf = small(BackpropClassifier)
    clf.partial_fit(X[y != "cow"], y[y != "cow"], classes=["ant", "bee", "cow", "dog"])
    clf.partial_fit(X[:16], np.full(16, "cow"))
    assert clf.predict_proba(X).shape == (N_SAMPLES, 4)
    with pytest.raises(ValueError, match="has classes not in"):
        clf.partial_fit(X, np.where(y == "ant", "elk", y))


def test_partial_fit_after_fit_needs_no_classes():
    X, y = make_classes(3)
    clf = small(BackpropClassifier).fit(X, y)
    assert len(clf.partial_fit(X, y).loss_curve_) == 9


@ESTIMATORS
def test_partial_fit_takes_chunks_of_every_size(cls):
    X, y = make_task(cls)
    estimator = small(cls, batch_size="auto")
    for size in (50, 1, 7, 33):
        estimator.partial_fit(X[:size], y[:size], **first_call(cls, y))
    assert estimator.t_ == 91
    assert len(estimator.loss_curve_) == 4


def test_partial_fit_refuses_another_architecture():
    X, y = make_regression()
    reg = small(BackpropRegressor).partial_fit(X, y)
    with pytest.raises(ValueError, match="layer sizes"):
        reg.set_params(hidden_layer_sizes=(5, 5)).partial_fit(X, y)


def test_partial_fit_keeps_the_type_of_the_network():
    X, y = make_regression()
    reg = small(BackpropRegressor).fit(X.astype(np.float32), y)
    reg.partial_fit(X, y)
    assert reg.coefs_[0].dtype == np.float32


@ESTIMATORS
def test_solver_may_change_between_calls(cls):
    X, y = make_task(cls)
    estimator = small(cls, solver="sgd").partial_fit(X, y, **first_call(cls, y))
    for solver in ("adam", "sgd"):
        estimator.set_params(solver=solver).partial_fit(X, y)
    estimator.set_params(solver="lbfgs", warm_start=True).fit(X, y)
    estimator.set_params(solver="adam").fit(X, y)
    assert all(np.isfinite(coef).all() for coef in estimator.coefs_)


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
@SOLVERS
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
@SOLVERS
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
@SOLVERS
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


# --- intercepts ---


@ESTIMATORS
@SOLVERS
def test_without_intercepts(cls, solver):
    X, y = make_task(cls)
    estimator = small(cls, fit_intercept=False, activation="tanh", solver=solver).fit(X, y)
    sizes = estimator.network_.layer_sizes
    assert [b.shape for b in estimator.intercepts_] == [(size,) for size in sizes[1:]]
    assert all(not b.any() and b.dtype == X.dtype for b in estimator.intercepts_)
    assert estimator.network_.intercepts == ()
    # nothing goes in, nothing comes out: pre-activations of 0
    outputs = estimator.network_.forward(np.zeros((1, 4)))
    np.testing.assert_allclose(outputs, 1 / 3 if cls is BackpropClassifier else 0.0)


# --- sample weights ---


def weights_and_rows():
    """Integer weights with zeros, and the rows repeated that often."""
    counts = np.random.default_rng(5).integers(0, 4, N_SAMPLES)
    assert (counts == 0).any()
    return counts, np.repeat(np.arange(N_SAMPLES), counts)


@ESTIMATORS
@SOLVERS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
def test_integer_weights_are_repeated_rows(cls, solver, container):
    """Full batches: the order of the rows is then immaterial."""
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
@SOLVERS
def test_rows_of_weight_zero_are_not_there(cls, solver):
    X, y = make_task(cls)
    weights = np.random.default_rng(6).uniform(0.5, 2, N_SAMPLES)
    weights[::5] = 0.0
    X[::5], kept = 1e3, weights > 0  # what stands there must not matter
    params = {"solver": solver, "alpha": 0.5, "activation": "tanh", "batch_size": "auto"}
    zeroed = small(cls, **params).fit(X, y, sample_weight=weights)
    removed = small(cls, **params).fit(X[kept], y[kept], sample_weight=weights[kept])
    np.testing.assert_allclose(
        zeroed.network_.params, removed.network_.params, rtol=1e-7, atol=1e-9
    )


@ESTIMATORS
@SOLVERS
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
@SOLVERS
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
@SOLVERS
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
@SOLVERS
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


# --- failures leave the estimator as it was ---


HUGE_RATE = 1e200


def scale_weights(estimator, exponent):
    """Times a power of two, which is exact both ways."""
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
    # what is not public, as the optimizer's moments, is found out by going on
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
