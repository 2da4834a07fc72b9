"""Validation samples that the user gives: X_val, y_val, sample_weight_val, and the scoring.

What is recorded of an epoch must be the loss, and the score, of an estimator that was trained for
so many epochs and no more. Early stopping on X_val must be what early stopping on a split is.
"""

import copy

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import get_scorer, make_scorer, mean_absolute_error
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight
from tasks import ESTIMATORS, assert_equal_networks, assert_same_state, make_task, public_state
from test_interrupt import assert_usable, run

from fastbp import BackpropClassifier, BackpropRegressor, Network

# Few epochs everywhere; that training would go on is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, N_VAL, N_FEATURES = 60, 25, 4
BY_EPOCHS = ["sgd", "adam", "rprop"]
EVERY_SOLVER = [*BY_EPOCHS, "lbfgs", "levenberg_marquardt"]


def features(n, seed):
    return np.random.default_rng(seed).normal(size=(n, N_FEATURES))


def real(n, seed):
    X = features(n, seed)
    return X, np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] + 0.3 * features(n, seed + 10)[:, 0]


def classes(n, seed, labels=("ant", "bee", "cow")):
    X = features(n, seed)
    k = len(labels)
    return X, np.array(labels)[(X[:, :k] + 0.8 * features(n, seed + 10)[:, :k]).argmax(axis=1)]


def task(cls):
    """Training and validation samples, and weights of the latter."""
    make = classes if cls is BackpropClassifier else real
    return *make(N, 0), *make(N_VAL, 1), np.random.default_rng(2).uniform(0.1, 3, N_VAL)


def small(cls, **params):
    defaults = dict(hidden_layer_sizes=(6,), activation="tanh", max_iter=7, random_state=0)
    defaults |= dict(batch_size=16, learning_rate_init=0.02, alpha=0.3)
    if params.get("solver") == "levenberg_marquardt":
        defaults |= dict(loss="squared_error", tol=1e-9)
    return cls(**(defaults | params))


def early(cls, **params):
    """Early stopping that never stops by itself, so that the last epochs are past the best."""
    defaults = dict(early_stopping=True, n_iter_no_change=np.inf, learning_rate_init=0.1)
    return small(cls, **(defaults | dict(max_iter=40, hidden_layer_sizes=(12,)) | params))


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


# --- what is recorded ---


@ESTIMATORS
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_both_curves_are_those_of_shorter_runs(cls, solver, weighted):
    X, y, X_val, y_val, w = task(cls)
    validation = dict(X_val=X_val, y_val=y_val, sample_weight_val=w if weighted else None)
    params = dict(solver=solver, l1_ratio=0.0 if solver == "levenberg_marquardt" else 0.4)
    whole = small(cls, **params).fit(X, y, **validation)
    losses, scores = curves(whole)
    assert len(losses) == len(scores) == len(whole.loss_curve_) == whole.n_iter_ == 7
    for n_epochs in (1, 2, 7):
        shorter = small(cls, max_iter=n_epochs, **params).fit(X, y)
        w_val = validation["sample_weight_val"]
        expected = data_loss(shorter, X_val, y_val, w_val)
        assert losses[n_epochs - 1] == pytest.approx(expected, rel=1e-10)
        score = shorter.score(X_val, y_val, sample_weight=w_val)
        assert scores[n_epochs - 1] == pytest.approx(score, rel=1e-12)
        assert shorter.validation_loss_curve_ is shorter.validation_scores_ is None
        assert shorter.best_validation_score_ is None


@ESTIMATORS
@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_watching_changes_nothing(cls, solver):
    """Without early stopping the weights are those of a run without validation samples."""
    X, y, X_val, y_val, _ = task(cls)
    watched = small(cls, solver=solver).fit(X, y, X_val=X_val, y_val=y_val)
    plain = small(cls, solver=solver).fit(X, y)
    assert_equal_networks(watched, plain)
    assert watched.loss_curve_ == plain.loss_curve_
    assert watched.best_loss_ == plain.best_loss_
    assert watched.best_validation_score_ is None


@ESTIMATORS
@pytest.mark.parametrize("solver", [*BY_EPOCHS, "levenberg_marquardt"])
def test_early_stopping_records_the_same_curves(cls, solver):
    X, y, X_val, y_val, w = task(cls)
    validation = dict(X_val=X_val, y_val=y_val, sample_weight_val=w)
    stopping = early(cls, solver=solver, max_iter=12).fit(X, y, **validation)
    watching = early(cls, solver=solver, max_iter=12, early_stopping=False)
    assert curves(stopping) == curves(watching.fit(X, y, **validation))
    assert stopping.loss_curve_ == watching.loss_curve_
    assert stopping.best_loss_ is None and watching.best_loss_ == min(watching.loss_curve_)
    assert stopping.best_validation_score_ == max(stopping.validation_scores_)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_more_kinds_of_targets(solver):
    X, X_val = features(N, 0), features(N_VAL, 1)

    def check(estimator, y, y_val, network_y):
        estimator.set_params(solver=solver).fit(X, y, X_val=X_val, y_val=y_val)
        losses, scores = curves(estimator)
        assert scores[-1] == pytest.approx(estimator.score(X_val, y_val), rel=1e-12)
        network = estimator.network_
        assert network.l2 == 0
        assert losses[-1] == pytest.approx(network.loss(X_val, network_y), rel=1e-12)

    two = np.column_stack([X[:, 0], np.sin(X[:, 1])]), np.column_stack([X_val[:, 1], X_val[:, 0]])
    check(small(BackpropRegressor, alpha=0.0), *two, two[1])
    quantiles = small(BackpropRegressor, alpha=0.0, loss="quantile", quantile=[0.2, 0.5, 0.9])
    check(quantiles, two[0][:, 0], two[1][:, 0], two[1][:, 0])
    labels = (X[:, :3] > 0).astype(int), (X_val[:, :3] > 0.1).astype(int)
    check(small(BackpropClassifier, alpha=0.0), *labels, labels[1])
    binary = (X[:, 0] > 0).astype(int), (X_val[:, 0] > 0.1).astype(int)
    check(small(BackpropClassifier, alpha=0.0), *binary, binary[1])
    sharp = small(BackpropClassifier, alpha=0.0, label_smoothing=0.2)
    check(sharp, *binary, binary[1])


CONTAINERS = {
    "list": (lambda X: X.tolist(), lambda y: y.tolist()),
    "CSR": (sparse.csr_matrix, np.asarray),
    "CSC": (sparse.csc_matrix, np.asarray),
    "Fortran order": (np.asfortranarray, pd.Series),
    "read-only": (lambda X: np.frombuffer(X.tobytes()).reshape(X.shape), tuple),
}


@ESTIMATORS
@pytest.mark.parametrize("of_training", ["dense", "CSR"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_validation_samples_in_any_container(cls, container, of_training):
    """Whatever the training samples are in."""
    X, y, X_val, y_val, w = task(cls)
    X = sparse.csr_matrix(X) if of_training == "CSR" else X
    pack_X, pack_y = CONTAINERS[container]
    plain = small(cls).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=w)
    packed = small(cls).fit(
        X, y, X_val=pack_X(X_val), y_val=pack_y(y_val), sample_weight_val=w.tolist()
    )
    assert_equal_networks(plain, packed)
    for ours, expected in zip(curves(packed), curves(plain), strict=True):
        # the products of a sparse row add up in another order
        np.testing.assert_allclose(ours, expected, rtol=1e-12 if "CS" in container else 0)


@ESTIMATORS
def test_data_frames_are_checked_by_their_names(cls):
    X, y, X_val, y_val, _ = task(cls)
    frame, frame_val = (pd.DataFrame(values, columns=[*"abcd"]) for values in (X, X_val))
    plain = small(cls).fit(X, y, X_val=X_val, y_val=y_val)
    framed = small(cls).fit(frame, y, X_val=frame_val, y_val=pd.Series(y_val))
    assert curves(framed) == curves(plain)
    assert_equal_networks(framed, plain)
    before = public_state(framed)
    for columns in ("bacd", "abce"):
        wrong = pd.DataFrame(X_val, columns=[*columns])
        with pytest.raises(ValueError, match="feature names should match"):
            framed.fit(frame, y, X_val=wrong, y_val=y_val)
    assert_same_state(before, public_state(framed))
    # as in predict
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        framed.fit(frame, y, X_val=X_val, y_val=y_val)
    with pytest.warns(UserWarning, match="fitted without feature names"):
        plain.fit(X, y, X_val=frame_val, y_val=y_val)


@ESTIMATORS
@pytest.mark.parametrize("scoring", ["accuracy", "predict"])
def test_a_scorer_of_data_frames_gives_no_warnings(cls, scoring):
    """It is called with arrays, and the estimator that it is given knows no names."""
    X, y, X_val, y_val, _ = task(cls)
    frame, frame_val = (pd.DataFrame(values, columns=[*"abcd"]) for values in (X, X_val))
    if scoring == "accuracy" and cls is BackpropRegressor:
        scoring = "r2"
    elif scoring == "predict":

        def scoring(estimator, X, y):
            return np.mean(estimator.predict(X) == y)

    framed = small(cls, scoring=scoring).fit(frame, y, X_val=frame_val, y_val=y_val)
    plain = small(cls, scoring=scoring).fit(X, y, X_val=X_val, y_val=y_val)
    assert curves(framed) == curves(plain)
    np.testing.assert_array_equal(framed.feature_names_in_, [*"abcd"])


@ESTIMATORS
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_validation_samples_take_the_type_of_the_network(cls, solver):
    X, y, X_val, y_val, w = task(cls)
    double, single = np.float64, np.float32
    for of_training, of_validation in [(double, single), (single, double), (single, single)]:
        fitted = small(cls, solver=solver, alpha=0.0).fit(
            X.astype(of_training), y, X_val=X_val.astype(of_validation), y_val=y_val,
            sample_weight_val=w.astype(of_validation),
        )  # fmt: skip
        assert fitted.network_.dtype == of_training
        expected = data_loss(fitted, X_val.astype(single), y_val, w.astype(single))
        assert fitted.validation_loss_curve_[-1] == pytest.approx(expected, rel=2e-5)
        score = fitted.score(X_val.astype(of_training), y_val, sample_weight=w)
        assert fitted.validation_scores_[-1] == pytest.approx(score, rel=1e-4)


@ESTIMATORS
def test_a_column_of_validation_targets_is_a_vector_with_a_warning(cls):
    X, y, X_val, y_val, _ = task(cls)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        column = small(cls).fit(X, y, X_val=X_val, y_val=y_val[:, np.newaxis])
    assert curves(column) == curves(small(cls).fit(X, y, X_val=X_val, y_val=y_val))


@ESTIMATORS
@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_verbose_lines_name_the_score(cls, solver, capsys):
    X, y, X_val, y_val, _ = task(cls)
    fitted = small(cls, solver=solver, verbose=True).fit(X, y, X_val=X_val, y_val=y_val)
    printed = [line for line in capsys.readouterr().out.splitlines() if "score" in line]
    assert printed == [f"Validation score: {score:f}" for score in fitted.validation_scores_]


# --- early stopping ---


@ESTIMATORS
@pytest.mark.parametrize("solver", [*BY_EPOCHS, "levenberg_marquardt"])
def test_early_stopping_restores_the_best_weights(cls, solver):
    X, y, X_val, y_val, w = task(cls)
    validation = dict(X_val=X_val, y_val=y_val, sample_weight_val=w)
    long = early(cls, solver=solver, scoring="loss").fit(X, y, **validation)
    best = int(np.argmax(long.validation_scores_))
    assert best + 1 < long.n_iter_, "the last epoch must not be the best one in this test"
    assert long.best_validation_score_ == long.validation_scores_[best]
    stopped = early(cls, solver=solver, scoring="loss", max_iter=best + 1).fit(X, y, **validation)
    assert_equal_networks(long, stopped)
    assert data_loss(long, X_val, y_val, w) == pytest.approx(-long.best_validation_score_)


@ESTIMATORS
@pytest.mark.parametrize("solver", [*BY_EPOCHS, "levenberg_marquardt"])
def test_early_stopping_ends_the_run(cls, solver):
    """As soon as n_iter_no_change + 1 epochs have not improved; all samples were trained on."""
    X, y, X_val, y_val, _ = task(cls)
    params = dict(solver=solver, n_iter_no_change=3, tol=1e-3, max_iter=500, scoring="loss")
    if solver == "levenberg_marquardt":
        params |= dict(tol=1e-9)
    fitted = early(cls, **params).fit(X, y, X_val=X_val, y_val=y_val)
    scores, best, without = fitted.validation_scores_, -np.inf, 0
    for n_epochs, score in enumerate(scores, start=1):
        without = without + 1 if score < best + fitted.tol else 0
        best = max(best, score)
        assert (without > 3) == (n_epochs == len(scores))
    if solver in BY_EPOCHS:
        assert fitted.t_ == N * fitted.n_iter_


@ESTIMATORS
def test_lbfgs_ignores_early_stopping_and_records(cls):
    X, y, X_val, y_val, _ = task(cls)
    params = dict(solver="lbfgs", max_iter=30, n_iter_no_change=1)
    stopping = small(cls, early_stopping=True, **params).fit(X, y, X_val=X_val, y_val=y_val)
    plain = small(cls, **params).fit(X, y)
    assert_equal_networks(stopping, plain)
    assert len(stopping.validation_scores_) == stopping.n_iter_ == plain.n_iter_
    assert stopping.best_loss_ == plain.best_loss_


class Interrupting:
    """A learning rate, or a score, at which Ctrl-C comes."""

    def __init__(self, at):
        self.at, self.calls = at, 0

    def __call__(self, *arguments, **keywords):
        self.calls += 1
        if self.calls == self.at + 1:
            raise KeyboardInterrupt
        return 0.1

    def score(self, estimator, X, y):
        self()
        return -float(np.mean((estimator.predict(X) - y) ** 2))


@ESTIMATORS
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_an_interrupted_run_has_the_weights_of_the_best_epoch(cls, solver):
    """Bit for bit those of a run that was not interrupted and has the same best epoch."""
    X, y, X_val, y_val, _ = task(cls)
    params = dict(solver=solver, learning_rate=Interrupting(-1), scoring="loss")
    whole = early(cls, **params).fit(X, y, X_val=X_val, y_val=y_val)
    best = int(np.argmax(whole.validation_scores_))
    n_epochs = min(best + 5, 39)
    assert best < n_epochs
    params["learning_rate"] = Interrupting(n_epochs)
    interrupted = early(cls, **params)
    with pytest.warns(UserWarning, match="^Training interrupted by user.$"):
        interrupted.fit(X, y, X_val=X_val, y_val=y_val)
    assert interrupted.n_iter_ == n_epochs
    assert interrupted.best_validation_score_ == whole.best_validation_score_
    assert curves(interrupted) == tuple(curve[:n_epochs] for curve in curves(whole))
    assert_equal_networks(interrupted, whole)


def test_an_interrupted_levenberg_marquardt_has_the_weights_of_the_best_iteration():
    X, y, X_val, y_val, _ = task(BackpropRegressor)
    y = y + features(N, 7)[:, 0]  # to have something to overfit
    params = dict(solver="levenberg_marquardt", hidden_layer_sizes=(15,), alpha=0.0)
    whole = early(BackpropRegressor, scoring=Interrupting(-1).score, **params)
    whole.fit(X, y, X_val=X_val, y_val=y_val)
    best = int(np.argmax(whole.validation_scores_))
    n_whole = best + 2
    assert n_whole < whole.n_iter_
    interrupted = early(BackpropRegressor, scoring=Interrupting(n_whole).score, **params)
    with pytest.warns(UserWarning, match="^Training interrupted by user.$"):
        interrupted.fit(X, y, X_val=X_val, y_val=y_val)
    assert interrupted.validation_scores_ == whole.validation_scores_[:n_whole]
    assert_equal_networks(interrupted, whole)


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "levenberg_marquardt"])
def test_an_interrupt_during_a_score_leaves_curves_of_one_length(solver):
    """A score is Python's, and may take long: it is where Ctrl-C is likely to come."""
    X, y, X_val, y_val, _ = task(BackpropRegressor)
    estimator = small(BackpropRegressor, solver=solver, scoring=Interrupting(4).score)
    with pytest.warns(UserWarning, match="^Training interrupted by user.$"):
        estimator.fit(X, y, X_val=X_val, y_val=y_val)
    assert len(estimator.validation_scores_) == 4
    assert len(estimator.validation_loss_curve_) == len(estimator.loss_curve_) == 4


def test_ctrl_c_at_any_time_restores_the_best_weights():
    """In a process of its own: see test_interrupt.py."""
    facts = run("""
        rng = np.random.default_rng(0)
        X, X_val = rng.standard_normal((2, 200, 5))
        y, y_val = (
            np.sin(2 * X[:, 0]) + rng.standard_normal(200) for X in (X, X_val)
        )
        params = dict(
            hidden_layer_sizes=(20,), learning_rate_init=0.02, early_stopping=True, tol=0.0,
            n_iter_no_change=np.inf, random_state=0, scoring="loss",
        )
        validation = dict(X_val=X_val, y_val=y_val)
        estimator = BackpropRegressor(max_iter=ENDLESS, **params)
        messages = interrupted(lambda: estimator.fit(X, y, **validation), 0.5)
        best = int(np.argmax(estimator.validation_scores_))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            stopped = BackpropRegressor(max_iter=best + 1, **params).fit(X, y, **validation)
        same = bool((stopped.network_.params == estimator.network_.params).all())
        facts(
            estimator, X, y, messages=messages, best=best, same=same,
            n_scores=len(estimator.validation_scores_),
            n_validation_losses=len(estimator.validation_loss_curve_),
        )
    """)
    assert_usable(facts)
    assert facts["best"] + 1 < facts["n_iter"], "the last epoch must not be the best one"
    assert facts["same"]
    assert facts["n_iter"] == facts["n_scores"] == facts["n_validation_losses"]


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


@pytest.mark.parametrize("solver", [*BY_EPOCHS, "levenberg_marquardt"])
@pytest.mark.parametrize(
    ("kind", "weights"),
    [
        ("real", None),
        ("real", "samples"),
        ("two classes", None),
        ("two classes", "classes"),
        ("three classes", None),
        ("three classes", "samples"),
        ("three classes", "balanced"),
    ],
)
def test_the_samples_of_the_split_given_as_x_val_are_the_same_run(kind, weights, solver):
    cls = BackpropRegressor if kind == "real" else BackpropClassifier
    params = dict(solver=solver, shuffle=False, validation_fraction=0.3, max_iter=25)
    w = None
    if kind == "real":
        X, y = real(N, 0)
    else:
        X, y = classes(N, 0, ("ant", "bee", "cow")[: 2 if kind == "two classes" else 3])
    if weights == "samples":
        w = np.random.default_rng(3).uniform(0.1, 3, N)
    by_split = early(cls, **params)
    train_rows, val_rows = split_as_early_stopping_does(by_split, y)
    by_user = early(cls, **params)
    if weights == "classes":
        for estimator in (by_split, by_user):
            estimator.set_params(class_weight={"ant": 0.2, "bee": 3.0})
    elif weights == "balanced":
        # what is balanced is the y that fit was given, which differs: so it is said in numbers
        by_split.set_params(class_weight="balanced")
        labels = np.unique(y)
        balanced = compute_class_weight("balanced", classes=labels, y=y)
        by_user.set_params(class_weight=dict(zip(labels, balanced, strict=True)))
    by_split.fit(X, y, sample_weight=w)
    by_user.fit(
        X[train_rows],
        y[train_rows],
        sample_weight=None if w is None else w[train_rows],
        X_val=X[val_rows],
        y_val=y[val_rows],
        sample_weight_val=None if w is None else w[val_rows],
    )
    assert_equal_networks(by_split, by_user)
    assert curves(by_split) == curves(by_user)
    assert by_split.best_validation_score_ == by_user.best_validation_score_
    assert by_split.loss_curve_ == by_user.loss_curve_
    assert by_split.n_iter_ == by_user.n_iter_


def test_balanced_weights_of_validation_samples_are_those_of_the_training_classes():
    """A class counts what it counts in training, also where it is rarer, or missing."""
    X, y = classes(N, 0)
    X_val, y_val = classes(N_VAL, 1)
    labels = np.unique(y)
    balanced = compute_class_weight("balanced", classes=labels, y=y)
    in_numbers = small(BackpropClassifier, class_weight=dict(zip(labels, balanced, strict=True)))
    by_name = small(BackpropClassifier, class_weight="balanced")
    for rows in (np.arange(N_VAL), np.flatnonzero(y_val != "cow")):
        validation = dict(X_val=X_val[rows], y_val=y_val[rows])
        by_name.fit(X, y, **validation)
        in_numbers.fit(X, y, **validation)
        assert_equal_networks(by_name, in_numbers)
        np.testing.assert_allclose(curves(by_name), curves(in_numbers), rtol=1e-12)


@ESTIMATORS
def test_warm_start_goes_on_watching(cls):
    """Two fits of four epochs are one of eight; momentum would start afresh and is off here."""
    X, y, X_val, y_val, _ = task(cls)
    params = dict(solver="sgd", momentum=0.0, tol=0.0, shuffle=False, scoring="loss")
    once = early(cls, max_iter=8, **params).fit(X, y, X_val=X_val, y_val=y_val)
    assert (np.diff(once.validation_scores_) > 0).all(), "each epoch must be the best so far"
    twice = early(cls, max_iter=4, warm_start=True, **params)
    for _ in range(2):
        twice.fit(X, y, X_val=X_val, y_val=y_val)
    assert_equal_networks(once, twice)
    assert curves(once) == curves(twice)
    assert once.best_validation_score_ == twice.best_validation_score_


# --- scoring ---


def scorers_of(cls):
    if cls is BackpropRegressor:
        return [None, "r2", "neg_mean_absolute_error", make_scorer(mean_absolute_error)]
    return [None, "balanced_accuracy", "neg_log_loss", "roc_auc_ovr_weighted", "f1_macro"]


@ESTIMATORS
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_every_scoring_is_what_it_says_of_the_estimator(cls, solver):
    X, y, X_val, y_val, w = task(cls)
    shorter = {n: small(cls, solver=solver, max_iter=n).fit(X, y) for n in (1, 7)}
    for scoring in scorers_of(cls):
        scorer = cls.score if scoring is None else scoring
        scorer = get_scorer(scorer) if isinstance(scorer, str) else scorer
        for weights in (None, w):
            validation = dict(X_val=X_val, y_val=y_val, sample_weight_val=weights)
            fitted = small(cls, scoring=scoring, solver=solver).fit(X, y, **validation)
            for n_epochs, estimator in shorter.items():
                score = scorer(estimator, X_val, y_val, sample_weight=weights)
                assert fitted.validation_scores_[n_epochs - 1] == pytest.approx(score, rel=1e-12)


@ESTIMATORS
@pytest.mark.parametrize("given", [False, True])
def test_scoring_loss_is_minus_the_validation_loss(cls, given):
    X, y, X_val, y_val, w = task(cls)
    validation = dict(X_val=X_val, y_val=y_val, sample_weight_val=w) if given else {}
    fitted = early(cls, scoring="loss", max_iter=9).fit(X, y, **validation)
    losses, scores = curves(fitted)
    assert len(losses) == 9
    assert scores == [-loss for loss in losses]
    assert fitted.best_validation_score_ == -min(losses)


@ESTIMATORS
def test_a_split_is_scored_the_same_way(cls):
    """early_stopping without X_val records the validation loss, too."""
    X, y, *_ = task(cls)
    scoring = "neg_log_loss" if cls is BackpropClassifier else "neg_mean_absolute_error"
    split = early(cls, scoring=scoring, max_iter=9).fit(X, y)
    if cls is BackpropClassifier:
        # which is this score itself, for softmax outputs
        losses, scores = curves(split)
        np.testing.assert_allclose(-np.array(scores), losses, rtol=1e-10)
    _, val_rows = split_as_early_stopping_does(split, y)
    score = get_scorer(scoring)(split, X[val_rows], y[val_rows])
    assert split.best_validation_score_ == pytest.approx(score, rel=1e-12)


def test_the_best_weights_are_the_best_by_the_scoring():
    X, y, X_val, y_val, _ = task(BackpropRegressor)

    def early_in_training(estimator, X, y):
        """Best in the third epoch, whatever the weights."""
        early_in_training.calls += 1
        return -abs(early_in_training.calls - 3)

    early_in_training.calls = 0
    fitted = early(BackpropRegressor, scoring=early_in_training, n_iter_no_change=5)
    fitted.fit(X, y, X_val=X_val, y_val=y_val)
    assert fitted.validation_scores_ == [-2, -1, 0, -1, -2, -3, -4, -5, -6]
    third = early(BackpropRegressor, early_stopping=False, max_iter=3).fit(X, y)
    assert_equal_networks(fitted, third)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_a_callable_is_given_what_it_needs(solver):
    """A fitted estimator, the samples as arrays, the user's labels, and weights if there are."""
    X, y, X_val, y_val, w = task(BackpropClassifier)
    calls = []

    def scoring(estimator, X, y, **weights):
        calls.append((estimator, X, y, weights))
        assert estimator.predict_proba(X).shape == (N_VAL, 3)
        assert set(estimator.predict(X)) <= {"ant", "bee", "cow"}
        return estimator.score(X, y)

    fitted = small(BackpropClassifier, solver=solver, scoring=scoring)
    fitted.fit(X, y, X_val=X_val, y_val=y_val)
    assert len(calls) == fitted.n_iter_ == 7
    for estimator, given_X, given_y, weights in calls:
        assert estimator is not fitted and not weights
        np.testing.assert_array_equal(given_X, X_val)
        np.testing.assert_array_equal(given_y, y_val)
    calls.clear()
    fitted.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=w)
    np.testing.assert_array_equal(calls[-1][3]["sample_weight"], w)


@ESTIMATORS
@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_an_error_of_the_scorer_leaves_the_estimator_as_it_was(cls, solver):
    X, y, X_val, y_val, _ = task(cls)

    def scoring(estimator, X, y):
        raise ZeroDivisionError("no score")

    estimator = small(cls, solver=solver, scoring=scoring)
    with pytest.raises(ZeroDivisionError, match="no score"):
        estimator.fit(X, y, X_val=X_val, y_val=y_val)
    assert vars(estimator) == estimator.get_params()


def test_scorers_that_cannot_be_are_refused():
    X, y, X_val, y_val, _ = task(BackpropClassifier)
    validation = dict(X_val=X_val, y_val=y_val)
    with pytest.raises(ValueError, match="'scoring' parameter of BackpropClassifier"):
        small(BackpropClassifier, scoring="no such score").fit(X, y)
    without = dict(loss="squared_error", output_activation="identity")
    with pytest.raises(AttributeError, match="predict_proba"):
        small(BackpropClassifier, scoring="neg_log_loss", **without).fit(X, y, **validation)


# --- partial_fit ---


@ESTIMATORS
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_records_each_call(cls, solver):
    """Unshuffled, seven calls are the seven epochs of a fit."""
    X, y, X_val, y_val, w = task(cls)
    validation = dict(X_val=X_val, y_val=y_val, sample_weight_val=w)
    params = dict(solver=solver, shuffle=False, tol=0.0)
    whole = small(cls, **params).fit(X, y, **validation)
    stepwise = small(cls, **params)
    first = dict(classes=np.unique(y)) if cls is BackpropClassifier else {}
    for n_calls in range(1, 8):
        stepwise.partial_fit(X, y, **first, **validation)
        assert len(stepwise.validation_loss_curve_) == len(stepwise.validation_scores_) == n_calls
        score = stepwise.score(X_val, y_val, sample_weight=w)
        assert stepwise.validation_scores_[-1] == pytest.approx(score, rel=1e-12)
        expected = data_loss(stepwise, X_val, y_val, w)
        assert stepwise.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-10)
    assert curves(stepwise) == curves(whole)
    assert_equal_networks(stepwise, whole)


@ESTIMATORS
def test_partial_fit_with_and_without_validation(cls):
    """A call without records nothing, and forgets nothing."""
    X, y, X_val, y_val, _ = task(cls)
    estimator = small(cls).partial_fit(
        X, y, **(dict(classes=np.unique(y)) if cls is BackpropClassifier else {})
    )
    assert estimator.validation_loss_curve_ is estimator.validation_scores_ is None
    estimator.partial_fit(X, y, X_val=X_val, y_val=y_val)
    first = [curve.copy() for curve in curves(estimator)]
    estimator.partial_fit(X, y)
    assert [*curves(estimator)] == first
    estimator.partial_fit(X, y, X_val=X_val, y_val=y_val)
    assert [curve[:1] for curve in curves(estimator)] == first
    assert [len(curve) for curve in curves(estimator)] == [2, 2]


@ESTIMATORS
@pytest.mark.parametrize("given", [False, True])
def test_partial_fit_goes_on_after_early_stopping(cls, given):
    """From the best weights; what was recorded of the validation samples stays."""
    X, y, X_val, y_val, _ = task(cls)
    validation = dict(X_val=X_val, y_val=y_val) if given else {}
    fitted = early(cls, max_iter=10).fit(X, y, **validation)
    recorded = [curve.copy() for curve in curves(fitted)]
    fitted.set_params(early_stopping=False)
    with_validation = copy.deepcopy(fitted).partial_fit(X, y, X_val=X_val, y_val=y_val)
    fitted.partial_fit(X, y)
    assert_equal_networks(fitted, with_validation)
    assert [*curves(fitted)] == recorded
    assert [curve[:-1] for curve in curves(with_validation)] == recorded
    assert len(fitted.loss_curve_) == 11


def test_partial_fit_watches_without_restoring():
    """early_stopping is not for partial_fit; with X_val there is nothing to split, though."""
    X, y, X_val, y_val, _ = task(BackpropRegressor)
    watching, plain = early(BackpropRegressor), early(BackpropRegressor, early_stopping=False)
    for _ in range(3):
        watching.partial_fit(X, y, X_val=X_val, y_val=y_val)
        plain.partial_fit(X, y)
        assert_equal_networks(watching, plain)
    assert len(watching.validation_scores_) == 3
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        watching.partial_fit(X, y)


# --- errors ---


def cases_of_errors(cls):
    X, y, X_val, y_val, w = task(cls)
    negative, nan = w.copy(), w.copy()
    negative[3], nan[3] = -1, np.nan
    both = dict(X_val=X_val, y_val=y_val)
    yield dict(X_val=X_val), "X_val was given without y_val"
    yield dict(y_val=y_val), "y_val was given without X_val"
    yield dict(sample_weight_val=w), "sample_weight_val was given without X_val and y_val"
    yield dict(X_val=X_val, sample_weight_val=w), "X_val was given without y_val"
    yield both | dict(X_val=X_val[:, :3]), "3 features, but .* is expecting 4"
    yield both | dict(X_val=X_val[0]), "Expected 2D array, got 1D array"
    yield both | dict(X_val=np.where(X_val > 2, np.nan, X_val)), "NaN"
    yield both | dict(X_val=X_val[:0], y_val=y_val[:0]), "0 sample"
    yield both | dict(y_val=y_val[:-1]), "inconsistent numbers of samples"
    yield both | dict(sample_weight_val=w[:-1]), r"sample_weight_val.shape == \(24,\)"
    yield both | dict(sample_weight_val=negative), "passed to `sample_weight_val`: -1.0"
    yield both | dict(sample_weight_val=nan), "sample_weight_val contains NaN"
    yield both | dict(sample_weight_val=0 * w), "sample_weight_val is zero for every sample"
    if cls is BackpropClassifier:
        unknown = np.where(y_val == "ant", "elk", y_val)
        yield both | dict(y_val=unknown), "`y_val` has classes not in .*'y_val' has .*elk"
        yield both | dict(y_val=np.eye(3, dtype=int)[np.arange(N_VAL) % 3]), "`y_val` has classes"
        yield both | dict(y_val=X_val[:, 0]), "Unknown label type"
    else:
        yield both | dict(y_val=X_val[:, :2]), "y_val has 2 columns, y has 1"
        yield both | dict(y_val=np.full(N_VAL, np.inf)), "infinity"


@ESTIMATORS
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_errors_leave_the_estimator_as_it_was(cls, method):
    X, y, *_ = task(cls)
    first = {}
    if cls is BackpropClassifier and method == "partial_fit":
        first["classes"] = np.unique(y)
    fitted = small(cls, warm_start=True).fit(X, y)
    before = public_state(fitted)
    n_cases = 0
    for arguments, words in cases_of_errors(cls):
        estimator = small(cls)
        with pytest.raises(ValueError, match=words):
            getattr(estimator, method)(X, y, **first, **arguments)
        assert vars(estimator) == estimator.get_params(), words
        with pytest.raises(ValueError, match=words):
            getattr(fitted, method)(X, y, **arguments)
        n_cases += 1
    assert n_cases >= 15
    assert_same_state(before, public_state(fitted))
    getattr(fitted, method)(X, y)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_validation_targets_must_be_in_the_range_of_the_loss(loss):
    X, y = real(N, 0)
    y = np.exp(y)
    estimator = small(BackpropRegressor, loss=loss)
    with pytest.raises(ValueError, match="has the value -0.5"):
        estimator.fit(X, y, X_val=X[:2], y_val=[-0.5, 1.0])
    assert vars(estimator) == estimator.get_params()


def test_validation_labels_must_have_the_columns_of_the_training_labels():
    X, X_val = features(N, 0), features(N_VAL, 1)
    Y, Y_val = (X[:, :3] > 0).astype(int), (X_val[:, :3] > 0).astype(int)
    estimator = small(BackpropClassifier)
    with pytest.raises(ValueError, match="`y_val` has classes not in"):
        estimator.fit(X, Y, X_val=X_val, y_val=Y_val[:, :2])
    assert vars(estimator) == estimator.get_params()
    in_columns = small(BackpropClassifier).fit(X, Y, X_val=X_val, y_val=sparse.csr_matrix(Y_val))
    assert curves(in_columns) == curves(estimator.fit(X, Y, X_val=X_val, y_val=Y_val))


# --- metadata routing ---


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
@ESTIMATORS
def test_a_pipeline_transforms_the_validation_samples(cls):
    X, y, X_val, y_val, w_val = task(cls)
    X, X_val = 10 * X + 5, 10 * X_val + 5
    w = np.random.default_rng(5).uniform(0.1, 3, N)
    model = early(cls, max_iter=15).set_fit_request(
        X_val=True, y_val=True, sample_weight=True, sample_weight_val=True
    )
    pipeline = Pipeline(
        [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("net", model)],
        transform_input=["X_val"],
    )
    metadata = dict(sample_weight=w, X_val=X_val, y_val=y_val, sample_weight_val=w_val)
    pipeline.fit(X, y, **metadata)
    scaler = StandardScaler().fit(X)
    metadata["X_val"] = scaler.transform(X_val)
    alone = early(cls, max_iter=15).fit(scaler.transform(X), y, **metadata)
    assert_equal_networks(pipeline[-1], alone)
    assert curves(pipeline[-1]) == curves(alone)


@pytest.mark.usefixtures("routing")
@ESTIMATORS
def test_a_search_routes_weights_and_validation_samples(cls):
    """The rows of the weights are those of each split, and the validation samples the same."""
    X, y, X_val, y_val, _ = task(cls)
    w = np.random.default_rng(5).uniform(0.1, 3, N)
    model = small(cls).set_score_request(sample_weight=True)
    model.set_fit_request(sample_weight=True, X_val=True, y_val=True)
    folds = [(np.arange(30), np.arange(30, N)), (np.arange(30, N), np.arange(30))]
    search = GridSearchCV(model, {"alpha": [0.0, 3.0]}, cv=folds, refit=True)
    search.fit(X, y, sample_weight=w, X_val=X_val, y_val=y_val)
    scores = np.empty((2, 2))
    for row, alpha in enumerate([0.0, 3.0]):
        for column, (train, test) in enumerate(folds):
            alone = small(cls, alpha=alpha).fit(X[train], y[train], sample_weight=w[train])
            scores[row, column] = alone.score(X[test], y[test], sample_weight=w[test])
    found = search.cv_results_
    np.testing.assert_allclose(found["split0_test_score"], scores[:, 0], rtol=1e-12)
    np.testing.assert_allclose(found["split1_test_score"], scores[:, 1], rtol=1e-12)
    best = search.best_estimator_
    alone = small(cls, alpha=best.alpha).fit(X, y, w, X_val=X_val, y_val=y_val)
    assert_equal_networks(best, alone)
    assert curves(best) == curves(alone)


@pytest.mark.usefixtures("routing")
def test_metadata_that_was_not_asked_for_is_refused():
    X, y, X_val, y_val, _ = task(BackpropRegressor)
    pipeline = make_pipeline(StandardScaler(), small(BackpropRegressor))
    with pytest.raises(ValueError, match=r"\[X_val, y_val\] are passed but are not explicitly set"):
        pipeline.fit(X, y, X_val=X_val, y_val=y_val)


def test_without_routing_a_pipeline_hands_on_by_the_name_of_the_step():
    X, y, X_val, y_val, _ = task(BackpropRegressor)
    pipeline = Pipeline([("net", small(BackpropRegressor))])
    pipeline.fit(X, y, net__X_val=X_val, net__y_val=y_val)
    alone = small(BackpropRegressor).fit(X, y, X_val=X_val, y_val=y_val)
    assert curves(pipeline[-1]) == curves(alone)


@ESTIMATORS
def test_a_scorer_gets_the_weights_only_if_it_takes_them(cls):
    X, y = make_task(cls)
    seen = []

    def plain(estimator, X, y):
        seen.append(len(y))
        return 0.0

    def weighted(estimator, X, y, sample_weight=None):
        seen.append(sample_weight.sum())
        return 0.0

    weights = np.full(20, 0.5)
    for scoring in (plain, weighted):
        estimator = small(cls, max_iter=1, scoring=scoring)
        estimator.fit(X, y, X_val=X[:20], y_val=y[:20], sample_weight_val=weights)
    assert seen == [20, 10.0]
