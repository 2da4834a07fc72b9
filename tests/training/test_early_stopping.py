"""Early stopping on validation samples that the user gives.

On X_val it must be what it is on a split. The weights must be those of the best epoch, after an
interrupt too.
"""

import numpy as np
import pytest
from internals import SOLVER_RECORDS
from problems import (
    BY_EPOCHS,
    CUT_SHORT,
    ESTIMATORS,
    EVERY_STOPPED,
    N_TRAINING,
    N_VAL,
    assert_equal_networks,
    curves,
    early,
    make_classes,
    make_features,
    make_named_classes,
    make_regression,
    make_validated_task,
    split_as_early_stopping_does,
    watched,
)
from separate import assert_usable, run
from sklearn.utils.class_weight import compute_class_weight

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT


@ESTIMATORS
@EVERY_STOPPED
def test_early_stopping_restores_the_best_weights(cls, solver):
    X, y, X_val, _, w = make_validated_task(cls)
    # as predicted after five epochs, so that no later epoch is better, whatever the solver
    short = early(cls, solver=solver, early_stopping=False, max_iter=5).fit(X, y)
    validation = dict(X_val=X_val, y_val=short.predict(X_val), sample_weight_val=w)
    long = early(cls, solver=solver).fit(X, y, **validation)
    best = int(np.argmax(long.validation_scores_))
    assert best < 5 < long.n_iter_
    assert cls is BackpropClassifier or best == 4
    assert long.best_validation_score_ == long.validation_scores_[best] == pytest.approx(1)
    stopped = early(cls, solver=solver, early_stopping=False, max_iter=best + 1).fit(X, y)
    assert_equal_networks(long, stopped)
    assert long.score(X_val, validation["y_val"], w) == long.best_validation_score_


@ESTIMATORS
@EVERY_STOPPED
def test_early_stopping_ends_the_run(cls, solver):
    """As soon as n_iter_no_change + 1 epochs have not improved; all samples were trained on."""
    X, y, X_val, y_val, _ = make_validated_task(cls)
    params = dict(solver=solver, n_iter_no_change=3, tol=1e-3, max_iter=500, scoring="loss")
    if SOLVER_RECORDS[solver].is_full_batch:
        params |= dict(tol=1e-9)
    fitted = early(cls, **params).fit(X, y, X_val=X_val, y_val=y_val)
    scores, best, without = fitted.validation_scores_, -np.inf, 0
    for n_epochs, score in enumerate(scores, start=1):
        without = without + 1 if score < best + fitted.tol else 0
        best = max(best, score)
        assert (without > 3) == (n_epochs == len(scores))
    if solver in BY_EPOCHS:
        assert fitted.t_ == N_TRAINING * fitted.n_iter_


@ESTIMATORS
def test_lbfgs_ignores_early_stopping_and_records(cls):
    X, y, X_val, y_val, _ = make_validated_task(cls)
    params = dict(solver="lbfgs", max_iter=30, n_iter_no_change=1)
    stopping = watched(cls, early_stopping=True, **params).fit(X, y, X_val=X_val, y_val=y_val)
    plain = watched(cls, **params).fit(X, y)
    assert_equal_networks(stopping, plain)
    assert len(stopping.validation_scores_) == stopping.n_iter_ == plain.n_iter_
    assert stopping.best_loss_ == plain.best_loss_


class Interrupting:
    """A learning rate, or a score, that is interrupted by Ctrl-C."""

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
    X, y, X_val, y_val, _ = make_validated_task(cls)
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
    X, y, X_val, y_val, _ = make_validated_task(BackpropRegressor)
    y = y + make_features(N_TRAINING, seed=7)[:, 0]  # something to overfit
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
    """A score is Python code that may take long: Ctrl-C is likely to come there."""
    X, y, X_val, y_val, _ = make_validated_task(BackpropRegressor)
    estimator = watched(BackpropRegressor, solver=solver, scoring=Interrupting(4).score)
    with pytest.warns(UserWarning, match="^Training interrupted by user.$"):
        estimator.fit(X, y, X_val=X_val, y_val=y_val)
    assert len(estimator.validation_scores_) == 4
    assert len(estimator.validation_loss_curve_) == len(estimator.loss_curve_) == 4


@pytest.mark.slow
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
        messages = interrupted(lambda: estimator.fit(X, y, **validation), 0.05, trained(100))
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


@EVERY_STOPPED
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
        X, y = make_regression(n_samples=N_TRAINING)
    else:
        n = 2 if kind == "two classes" else 3
        X, y = make_classes(n, ["ant", "bee", "cow"][:n], n_samples=N_TRAINING, noise=0.8)
    if weights == "samples":
        w = np.random.default_rng(3).uniform(0.1, 3, N_TRAINING)
    by_split = early(cls, **params)
    train_rows, val_rows = split_as_early_stopping_does(by_split, y)
    by_user = early(cls, **params)
    if weights == "classes":
        for estimator in (by_split, by_user):
            estimator.set_params(class_weight={"ant": 0.2, "bee": 3.0})
    elif weights == "balanced":
        # "balanced" depends on the y given to fit, which differs here: so use numbers
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
    """A class has its training weight, also where it is rarer or missing."""
    X, y = make_named_classes(n_samples=N_TRAINING, noise=0.8)
    X_val, y_val = make_named_classes(n_samples=N_VAL, noise=0.8, seed=1)
    labels = np.unique(y)
    balanced = compute_class_weight("balanced", classes=labels, y=y)
    in_numbers = watched(BackpropClassifier, class_weight=dict(zip(labels, balanced, strict=True)))
    by_name = watched(BackpropClassifier, class_weight="balanced")
    for rows in (np.arange(N_VAL), np.flatnonzero(y_val != "cow")):
        validation = dict(X_val=X_val[rows], y_val=y_val[rows])
        by_name.fit(X, y, **validation)
        in_numbers.fit(X, y, **validation)
        assert_equal_networks(by_name, in_numbers)
        np.testing.assert_allclose(curves(by_name), curves(in_numbers), rtol=1e-12)


@ESTIMATORS
def test_warm_start_goes_on_watching(cls):
    """Two fits of four epochs are one of eight; momentum would start afresh and is off here."""
    X, y, X_val, y_val, _ = make_validated_task(cls)
    params = dict(solver="sgd", momentum=0.0, tol=0.0, shuffle=False, scoring="loss")
    once = early(cls, max_iter=8, **params).fit(X, y, X_val=X_val, y_val=y_val)
    assert (np.diff(once.validation_scores_) > 0).all(), "each epoch must be the best so far"
    twice = early(cls, max_iter=4, warm_start=True, **params)
    for _ in range(2):
        twice.fit(X, y, X_val=X_val, y_val=y_val)
    assert_equal_networks(once, twice)
    assert curves(once) == curves(twice)
    assert once.best_validation_score_ == twice.best_validation_score_
