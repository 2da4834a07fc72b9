"""The parameter scoring: every kind of scorer, and what it is given."""

import numpy as np
import pandas as pd
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    EVERY_OPTIMIZER,
    EVERY_SOLVER,
    N_VAL,
    assert_equal_networks,
    curves,
    early,
    make_validated_task,
    split_as_early_stopping_does,
    watched,
)
from sklearn.metrics import get_scorer, make_scorer, mean_absolute_error, r2_score

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT


@ESTIMATORS
@pytest.mark.parametrize("scoring", ["accuracy", "predict"])
def test_a_scorer_of_data_frames_gives_no_warnings(cls, scoring):
    """The scorer gets arrays, and an estimator without feature names."""
    X, y, X_val, y_val, _ = make_validated_task(cls)
    frame, frame_val = (pd.DataFrame(values, columns=[*"abcd"]) for values in (X, X_val))
    if scoring == "accuracy" and cls is BackpropRegressor:
        scoring = "r2"
    elif scoring == "predict":

        def scoring(estimator, X, y):
            return np.mean(estimator.predict(X) == y)

    framed = watched(cls, scoring=scoring).fit(frame, y, X_val=frame_val, y_val=y_val)
    plain = watched(cls, scoring=scoring).fit(X, y, X_val=X_val, y_val=y_val)
    assert curves(framed) == curves(plain)
    np.testing.assert_array_equal(framed.feature_names_in_, [*"abcd"])


def scorers_of(cls):
    if cls is BackpropRegressor:
        return [None, "r2", "neg_mean_absolute_error", make_scorer(mean_absolute_error)]
    return [None, "balanced_accuracy", "neg_log_loss", "roc_auc_ovr_weighted", "f1_macro"]


@ESTIMATORS
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_every_scoring_is_what_it_says_of_the_estimator(cls, solver):
    X, y, X_val, y_val, w = make_validated_task(cls)
    shorter = {n: watched(cls, solver=solver, max_iter=n).fit(X, y) for n in (1, 7)}
    for scoring in scorers_of(cls):
        scorer = cls.score if scoring is None else scoring
        scorer = get_scorer(scorer) if isinstance(scorer, str) else scorer
        for weights in (None, w):
            validation = dict(X_val=X_val, y_val=y_val, sample_weight_val=weights)
            fitted = watched(cls, scoring=scoring, solver=solver).fit(X, y, **validation)
            for n_epochs, estimator in shorter.items():
                score = scorer(estimator, X_val, y_val, sample_weight=weights)
                assert fitted.validation_scores_[n_epochs - 1] == pytest.approx(score, rel=1e-12)


@ESTIMATORS
@pytest.mark.parametrize("given", [False, True])
def test_scoring_loss_is_minus_the_validation_loss(cls, given):
    X, y, X_val, y_val, w = make_validated_task(cls)
    validation = dict(X_val=X_val, y_val=y_val, sample_weight_val=w) if given else {}
    fitted = early(cls, scoring="loss", max_iter=9).fit(X, y, **validation)
    losses, scores = curves(fitted)
    assert len(losses) == 9
    assert scores == [-loss for loss in losses]
    assert fitted.best_validation_score_ == -min(losses)


@ESTIMATORS
def test_a_split_is_scored_the_same_way(cls):
    """early_stopping without X_val records the validation loss, too."""
    X, y, *_ = make_validated_task(cls)
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
    X, y, X_val, y_val, _ = make_validated_task(BackpropRegressor)

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


@EVERY_SOLVER
def test_a_callable_is_given_what_it_needs(solver):
    """A fitted estimator, the samples as arrays, the user's labels, and weights if there are."""
    X, y, X_val, y_val, w = make_validated_task(BackpropClassifier)
    calls = []

    def scoring(estimator, X, y, **weights):
        calls.append((estimator, X, y, weights))
        assert estimator.predict_proba(X).shape == (N_VAL, 3)
        assert set(estimator.predict(X)) <= {"ant", "bee", "cow"}
        return estimator.score(X, y)

    fitted = watched(BackpropClassifier, solver=solver, scoring=scoring)
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
@EVERY_SOLVER
def test_an_error_of_the_scorer_leaves_the_estimator_as_it_was(cls, solver):
    X, y, X_val, y_val, _ = make_validated_task(cls)

    def scoring(estimator, X, y):
        raise ZeroDivisionError("no score")

    estimator = watched(cls, solver=solver, scoring=scoring)
    with pytest.raises(ZeroDivisionError, match="no score"):
        estimator.fit(X, y, X_val=X_val, y_val=y_val)
    assert vars(estimator) == estimator.get_params()


def test_scorers_that_cannot_be_are_refused():
    X, y, X_val, y_val, _ = make_validated_task(BackpropClassifier)
    validation = dict(X_val=X_val, y_val=y_val)
    with pytest.raises(ValueError, match="'scoring' parameter of BackpropClassifier"):
        watched(BackpropClassifier, scoring="no such score").fit(X, y)
    without = dict(loss="squared_error", output_activation="identity")
    with pytest.raises(AttributeError, match="predict_proba"):
        watched(BackpropClassifier, scoring="neg_log_loss", **without).fit(X, y, **validation)


# --- one quantile ---


@pytest.mark.parametrize("quantile", [0.9, [0.9]], ids=str)
@pytest.mark.parametrize("validates", [False, True])
@EVERY_OPTIMIZER
def test_the_loss_is_the_score_of_one_quantile(solver, validates, quantile):
    """R^2 would stop at the wrong epoch: it is best for the mean."""
    X, y, X_val, y_val, w = make_validated_task(BackpropRegressor)
    given = dict(X_val=X_val, y_val=y_val, sample_weight_val=w) if validates else {}
    params = dict(solver=solver, loss="quantile", quantile=quantile)
    one, other = (early(BackpropRegressor, **params, scoring=name) for name in (None, "loss"))
    one.fit(X, y, **given)
    assert_equal_networks(one, other.fit(X, y, **given))
    assert one.validation_scores_ == [-loss for loss in one.validation_loss_curve_]
    assert one.best_validation_score_ == -min(one.validation_loss_curve_)
    assert one.score(X, y) == pytest.approx(r2_score(y, one.predict(X)))


def test_lbfgs_records_the_loss_of_one_quantile():
    X, y, X_val, y_val, _ = make_validated_task(BackpropRegressor)
    fitted = watched(BackpropRegressor, solver="lbfgs", loss="quantile", quantile=0.9)
    fitted.fit(X, y, X_val=X_val, y_val=y_val)
    assert fitted.validation_scores_ == [-loss for loss in fitted.validation_loss_curve_]


def test_scores_of_several_quantiles_are_no_losses():
    X, y, X_val, y_val, _ = make_validated_task(BackpropRegressor)
    fitted = early(BackpropRegressor, loss="quantile", quantile=[0.2, 0.9])
    fitted.fit(X, y, X_val=X_val, y_val=y_val)
    assert max(fitted.validation_scores_) == pytest.approx(fitted.score(X_val, y_val))
