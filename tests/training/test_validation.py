"""Validation samples that the user gives: X_val, y_val, sample_weight_val.

What is recorded of an epoch must be the loss, and the score, of an estimator that was trained for
so many epochs and no more.
"""

import copy

import numpy as np
import pandas as pd
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    EVERY_SOLVER,
    EVERY_STOPPED,
    N_TRAINING,
    N_VAL,
    assert_equal_networks,
    assert_same_state,
    curves,
    data_loss,
    early,
    make_features,
    make_regression,
    make_validated_task,
    public_state,
    takes_l1,
    watched,
)
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT


# --- what is recorded ---


@ESTIMATORS
@pytest.mark.parametrize("weighted", [False, True])
@EVERY_SOLVER
def test_both_curves_are_those_of_shorter_runs(cls, solver, weighted):
    X, y, X_val, y_val, w = make_validated_task(cls)
    validation = dict(X_val=X_val, y_val=y_val, sample_weight_val=w if weighted else None)
    params = dict(solver=solver, l1_ratio=0.4 if takes_l1(solver) else 0.0)
    whole = watched(cls, **params).fit(X, y, **validation)
    losses, scores = curves(whole)
    assert len(losses) == len(scores) == len(whole.loss_curve_) == whole.n_iter_ == 7
    for n_epochs in (1, 2, 7):
        shorter = watched(cls, max_iter=n_epochs, **params).fit(X, y)
        w_val = validation["sample_weight_val"]
        expected = data_loss(shorter, X_val, y_val, w_val)
        assert losses[n_epochs - 1] == pytest.approx(expected, rel=1e-10)
        score = shorter.score(X_val, y_val, sample_weight=w_val)
        assert scores[n_epochs - 1] == pytest.approx(score, rel=1e-12)
        assert shorter.validation_loss_curve_ is shorter.validation_scores_ is None
        assert shorter.best_validation_score_ is None


@ESTIMATORS
@EVERY_SOLVER
def test_watching_changes_nothing(cls, solver):
    """Without early stopping the weights are those of a run without validation samples."""
    X, y, X_val, y_val, _ = make_validated_task(cls)
    observed = watched(cls, solver=solver).fit(X, y, X_val=X_val, y_val=y_val)
    plain = watched(cls, solver=solver).fit(X, y)
    assert_equal_networks(observed, plain)
    assert observed.loss_curve_ == plain.loss_curve_
    assert observed.best_loss_ == plain.best_loss_
    assert observed.best_validation_score_ is None


@ESTIMATORS
@EVERY_STOPPED
def test_early_stopping_records_the_same_curves(cls, solver):
    X, y, X_val, y_val, w = make_validated_task(cls)
    validation = dict(X_val=X_val, y_val=y_val, sample_weight_val=w)
    stopping = early(cls, solver=solver, max_iter=12).fit(X, y, **validation)
    watching = early(cls, solver=solver, max_iter=12, early_stopping=False)
    assert curves(stopping) == curves(watching.fit(X, y, **validation))
    assert stopping.loss_curve_ == watching.loss_curve_
    assert stopping.best_loss_ is None and watching.best_loss_ == min(watching.loss_curve_)
    assert stopping.best_validation_score_ == max(stopping.validation_scores_)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_more_kinds_of_targets(solver):
    X, X_val = make_features(N_TRAINING, seed=0), make_features(N_VAL, seed=1)

    def check(estimator, y, y_val, network_y):
        estimator.set_params(solver=solver).fit(X, y, X_val=X_val, y_val=y_val)
        losses, scores = curves(estimator)
        assert scores[-1] == pytest.approx(estimator.score(X_val, y_val), rel=1e-12)
        network = estimator.network_
        assert network.l2 == 0
        assert losses[-1] == pytest.approx(network.loss(X_val, network_y), rel=1e-12)

    two = np.column_stack([X[:, 0], np.sin(X[:, 1])]), np.column_stack([X_val[:, 1], X_val[:, 0]])
    check(watched(BackpropRegressor, alpha=0.0), *two, two[1])
    quantiles = watched(BackpropRegressor, alpha=0.0, loss="quantile", quantile=[0.2, 0.5, 0.9])
    check(quantiles, two[0][:, 0], two[1][:, 0], two[1][:, 0])
    labels = (X[:, :3] > 0).astype(int), (X_val[:, :3] > 0.1).astype(int)
    check(watched(BackpropClassifier, alpha=0.0), *labels, labels[1])
    binary = (X[:, 0] > 0).astype(int), (X_val[:, 0] > 0.1).astype(int)
    check(watched(BackpropClassifier, alpha=0.0), *binary, binary[1])
    sharp = watched(BackpropClassifier, alpha=0.0, label_smoothing=0.2)
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
    """For training samples of either kind."""
    X, y, X_val, y_val, w = make_validated_task(cls)
    X = sparse.csr_matrix(X) if of_training == "CSR" else X
    pack_X, pack_y = CONTAINERS[container]
    plain = watched(cls).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=w)
    packed = watched(cls).fit(
        X, y, X_val=pack_X(X_val), y_val=pack_y(y_val), sample_weight_val=w.tolist()
    )
    assert_equal_networks(plain, packed)
    for ours, expected in zip(curves(packed), curves(plain), strict=True):
        # the products of a sparse row add up in another order
        np.testing.assert_allclose(ours, expected, rtol=1e-12 if "CS" in container else 0)


@ESTIMATORS
def test_data_frames_are_checked_by_their_names(cls):
    X, y, X_val, y_val, _ = make_validated_task(cls)
    frame, frame_val = (pd.DataFrame(values, columns=[*"abcd"]) for values in (X, X_val))
    plain = watched(cls).fit(X, y, X_val=X_val, y_val=y_val)
    framed = watched(cls).fit(frame, y, X_val=frame_val, y_val=pd.Series(y_val))
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
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_validation_samples_take_the_type_of_the_network(cls, solver):
    X, y, X_val, y_val, w = make_validated_task(cls)
    double, single = np.float64, np.float32
    for of_training, of_validation in [(double, single), (single, double), (single, single)]:
        fitted = watched(cls, solver=solver, alpha=0.0).fit(
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
    X, y, X_val, y_val, _ = make_validated_task(cls)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        column = watched(cls).fit(X, y, X_val=X_val, y_val=y_val[:, np.newaxis])
    assert curves(column) == curves(watched(cls).fit(X, y, X_val=X_val, y_val=y_val))


@ESTIMATORS
@EVERY_SOLVER
def test_verbose_lines_name_the_score(cls, solver, capsys):
    X, y, X_val, y_val, _ = make_validated_task(cls)
    fitted = watched(cls, solver=solver, verbose=True).fit(X, y, X_val=X_val, y_val=y_val)
    printed = [line for line in capsys.readouterr().out.splitlines() if "score" in line]
    printed = [line.partition(",")[0] for line in printed]
    assert printed == [f"Validation score: {score:f}" for score in fitted.validation_scores_]


# --- partial_fit ---


@ESTIMATORS
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_records_each_call(cls, solver):
    """Unshuffled, seven calls are the seven epochs of a fit."""
    X, y, X_val, y_val, w = make_validated_task(cls)
    validation = dict(X_val=X_val, y_val=y_val, sample_weight_val=w)
    params = dict(solver=solver, shuffle=False, tol=0.0)
    whole = watched(cls, **params).fit(X, y, **validation)
    stepwise = watched(cls, **params)
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
    """A call without validation samples adds nothing and removes nothing."""
    X, y, X_val, y_val, _ = make_validated_task(cls)
    estimator = watched(cls).partial_fit(
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
    """It starts from the best weights; the recorded curves stay."""
    X, y, X_val, y_val, _ = make_validated_task(cls)
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
    """partial_fit has no early stopping, but with X_val there is nothing to split."""
    X, y, X_val, y_val, _ = make_validated_task(BackpropRegressor)
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
    X, y, X_val, y_val, w = make_validated_task(cls)
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
    X, y, *_ = make_validated_task(cls)
    first = {}
    if cls is BackpropClassifier and method == "partial_fit":
        first["classes"] = np.unique(y)
    fitted = watched(cls, warm_start=True).fit(X, y)
    before = public_state(fitted)
    n_cases = 0
    for arguments, words in cases_of_errors(cls):
        estimator = watched(cls)
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
    X, y = make_regression(n_samples=N_TRAINING)
    y = np.exp(y)
    estimator = watched(BackpropRegressor, loss=loss)
    with pytest.raises(ValueError, match="has the value -0.5"):
        estimator.fit(X, y, X_val=X[:2], y_val=[-0.5, 1.0])
    assert vars(estimator) == estimator.get_params()


def test_validation_labels_must_have_the_columns_of_the_training_labels():
    X, X_val = make_features(N_TRAINING, seed=0), make_features(N_VAL, seed=1)
    Y, Y_val = (X[:, :3] > 0).astype(int), (X_val[:, :3] > 0).astype(int)
    estimator = watched(BackpropClassifier)
    with pytest.raises(ValueError, match="`y_val` has classes not in"):
        estimator.fit(X, Y, X_val=X_val, y_val=Y_val[:, :2])
    assert vars(estimator) == estimator.get_params()
    in_columns = watched(BackpropClassifier).fit(X, Y, X_val=X_val, y_val=sparse.csr_matrix(Y_val))
    assert curves(in_columns) == curves(estimator.fit(X, Y, X_val=X_val, y_val=Y_val))
