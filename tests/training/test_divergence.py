"""Runs that diverge: with early stopping they end with their best epoch, else with an error.

scikit-learn's issue 29504.
"""

import copy
import warnings

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    SCIKIT,
    STOCHASTIC,
    assert_equal_networks,
    assert_same_bits,
    assert_same_state,
    early,
    make_classes,
    make_validated_task,
    public_state,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from fastbp import BackpropClassifier, BackpropRegressor, archives, load_model, save_model
from fastbp.training import levenberg_marquardt

# What people match: the whole sentences of scikit-learn.
SENTENCES = (
    "Solver produced non-finite parameter weights. The input data may contain large values and "
    "need to be preprocessed."
)
N_SOUND = 7  # epochs before the rate is too large


def exploding(epoch):
    return 0.1 if epoch < N_SOUND else 1e300


def arguments(cls):
    X, y, X_val, y_val, w = make_validated_task(cls)
    return (X, y), dict(X_val=X_val, y_val=y_val, sample_weight_val=w)


def explode(cls, solver="sgd", **params):
    """A fitted estimator, and what it warned of."""
    data, validation = arguments(cls)
    params = dict(solver=solver, learning_rate=exploding, scoring="loss") | params
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = early(cls, **params).fit(*data, **validation)
    return fitted, caught


@ESTIMATORS
@STOCHASTIC
def test_the_best_weights_and_a_warning(cls, solver):
    fitted, caught = explode(cls, solver)
    (warning,) = caught
    assert warning.category is ConvergenceWarning
    assert SENTENCES in str(warning.message)
    assert f"in epoch {N_SOUND + 1} " in str(warning.message)
    assert f"best validation score, {fitted.best_validation_score_:g}" in str(warning.message)
    best = int(np.argmax(fitted.validation_scores_))
    data, validation = arguments(cls)
    params = dict(solver=solver, learning_rate=exploding, scoring="loss", max_iter=best + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_equal_networks(fitted, early(cls, **params).fit(*data, **validation))
    # the epoch that diverged is not counted
    assert fitted.n_iter_ == len(fitted.loss_curve_) == len(fitted.validation_scores_) == N_SOUND
    assert fitted.t_ == N_SOUND * len(data[0])
    assert np.isfinite(fitted.loss_curve_).all()


@CUT_SHORT
@ESTIMATORS
@STOCHASTIC
def test_the_estimator_can_be_used(cls, solver, tmp_path):
    """Saved and trained further: the moments of the last epoch are not kept."""
    fitted, _ = explode(cls, solver)
    save_model(fitted.set_params(learning_rate="constant"), tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    assert_same_bits(again, fitted)
    data, _ = arguments(cls)
    for one in fitted, again:
        one.set_params(early_stopping=False).partial_fit(*data)
        assert np.isfinite(one.network_.params).all()
    assert_same_bits(again, fitted)


@ESTIMATORS
@STOCHASTIC
def test_without_early_stopping_it_is_an_error(cls, solver):
    data, validation = arguments(cls)
    estimator = early(cls, solver=solver, learning_rate=exploding, early_stopping=False)
    with pytest.raises(ValueError) as caught:
        estimator.fit(*data, **validation)
    assert type(caught.value) is ValueError
    assert str(caught.value).startswith(SENTENCES)
    assert vars(estimator) == estimator.get_params()


@ESTIMATORS
@STOCHASTIC
def test_without_a_best_epoch_it_is_an_error(cls, solver):
    data, validation = arguments(cls)
    estimator = early(cls, solver=solver, learning_rate_init=1e300)
    with pytest.raises(ValueError, match="non-finite") as caught:
        estimator.fit(*data, **validation)
    assert type(caught.value) is ValueError
    assert vars(estimator) == estimator.get_params()


@CUT_SHORT
@ESTIMATORS
def test_a_warm_start_keeps_the_best_of_all_calls(cls):
    data, validation = arguments(cls)
    params = dict(solver="sgd", warm_start=True, max_iter=5, scoring="loss")
    first = early(cls, **params).fit(*data, **validation)
    second = copy.deepcopy(first).set_params(learning_rate_init=1e300)
    with pytest.warns(ConvergenceWarning, match="non-finite"):
        second.fit(*data, **validation)
    assert_equal_networks(first, second)
    assert second.n_iter_ == 0 and second.loss_curve_ == first.loss_curve_
    # without early stopping, the error, and the estimator as it was
    before = public_state(second.set_params(early_stopping=False))
    with pytest.raises(ValueError, match="non-finite"):
        second.fit(*data, **validation)
    assert_same_state(before, public_state(second))


def test_levenberg_marquardt(monkeypatch):
    data, validation = arguments(BackpropRegressor)
    params = dict(solver="levenberg_marquardt", scoring="loss", tol=0)
    assemble, n_calls = levenberg_marquardt._NormalEquations.assemble, 0

    def overflow(self):
        nonlocal n_calls
        n_calls += 1
        return assemble(self) and n_calls <= 4

    monkeypatch.setattr(levenberg_marquardt._NormalEquations, "assemble", overflow)
    with pytest.warns(ConvergenceWarning, match="non-finite derivatives.* iteration 5 of leven"):
        fitted = early(BackpropRegressor, **params).fit(*data, **validation)
    monkeypatch.undo()
    best = int(np.argmax(fitted.validation_scores_))
    assert fitted.n_iter_ == 4
    with pytest.warns(ConvergenceWarning, match="Increase max_iter"):
        stopped = early(BackpropRegressor, **params, max_iter=best + 1).fit(*data, **validation)
    assert_equal_networks(fitted, stopped)


@ESTIMATORS
def test_such_a_run_is_finished(cls, tmp_path):
    """Its checkpoint says so; run again, also with more epochs allowed, it gives the same."""
    path = tmp_path / "run.npz"
    fitted, _ = explode(cls, checkpoint=path)
    before = path.read_bytes()
    assert archives.read_archive(path)[0]["is_finished"] is True
    for max_iter in 40, 60:
        again, caught = explode(cls, checkpoint=path, max_iter=max_iter)
        assert not caught
        assert_same_bits(again, fitted)
        assert (again.n_iter_, again.t_) == (fitted.n_iter_, fitted.t_)
    assert path.read_bytes() == before


@ESTIMATORS
def test_cut_off_before(cls, tmp_path):
    path = tmp_path / "run.npz"
    fitted, _ = explode(cls)
    explode(cls, checkpoint=path, max_iter=N_SOUND - 2)
    again, caught = explode(cls, checkpoint=path)
    assert "non-finite" in str(caught[0].message)
    assert_same_bits(again, fitted)


def test_as_scikit_learn_does():
    """The same run there ends with a ConvergenceWarning and the weights of the same epoch."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4))
    y = np.sin(X[:, 0])
    params = dict(
        hidden_layer_sizes=(20,),
        solver="sgd",
        learning_rate_init=0.3,
        early_stopping=True,
        max_iter=100,
        n_iter_no_change=100,
        batch_size=8,
        random_state=0,
        momentum=0.99,
    )
    found = []
    for cls in MLPRegressor, BackpropRegressor:
        with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
            warnings.simplefilter("always")
            fitted = cls(**params).fit(X, y)
        assert any(one.category is ConvergenceWarning for one in caught)
        assert all(np.isfinite(coef).all() for coef in fitted.coefs_)
        found.append(fitted)
    theirs, ours = found
    assert ours.n_iter_ < theirs.n_iter_
    np.testing.assert_allclose(
        ours.best_validation_score_, theirs.best_validation_score_, rtol=1e-6
    )
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6)


# --- messages that people match -------------------------------------------------------------------


def message_of(cls, X, y, **params):
    with pytest.raises(ValueError) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cls(early_stopping=True, **params).fit(X, y)
    return str(caught.value)


def test_the_least_populated_class():
    X, y = make_classes(2)
    y[:], y[3] = 0, 1
    theirs, ours = (
        message_of(cls, X, y) for cls in (SCIKIT[BackpropClassifier], BackpropClassifier)
    )
    assert theirs.startswith("The least populated class")
    assert ours.startswith(theirs.split(" Classes with")[0])


def test_too_few_validation_samples():
    X, y = make_classes(3)
    theirs = message_of(SCIKIT[BackpropClassifier], X, y, validation_fraction=0.01)
    assert theirs.startswith("The validation set is too small. Increase 'validation_fraction' or")
    ours = message_of(BackpropClassifier, X, y, validation_fraction=0.01)
    assert ours.startswith(theirs.rstrip("."))
    assert "validation_fraction=0.01 of 48 samples are 1" in ours
