"""partial_fit: one epoch a call, over chunks of every kind."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from covering import grid
from internals import check_everything
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    N_SAMPLES,
    STOCHASTIC,
    assert_equal_networks,
    assert_same_state,
    first_call,
    make_classes,
    make_multilabel,
    make_regression,
    make_task,
    public_state,
    small,
)
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropClassifier, BackpropRegressor
from fastbp.classes import Classes

pytestmark = CUT_SHORT


@ESTIMATORS
@STOCHASTIC
def test_partial_fit_is_one_epoch(cls, solver):
    """Unshuffled, five calls are the five epochs of a fit."""
    X, y = make_task(cls)
    params = {"solver": solver, "tol": 0.0, "shuffle": False}
    whole = small(cls, **params).fit(X, y)
    stepwise = small(cls, **params)
    for _ in range(5):
        stepwise.partial_fit(X, y, **first_call(cls, y))
        assert stepwise.n_iter_ == 1
    assert_equal_networks(whole, stepwise)
    assert whole.loss_curve_ == stepwise.loss_curve_
    assert whole.t_ == stepwise.t_


@STOCHASTIC
@pytest.mark.parametrize("target_type", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_multilabel_partial_fit_is_one_epoch(solver, target_type):
    """scikit-learn's issue 12505: its partial_fit asks for known classes."""
    X, Y = make_multilabel()
    Y = target_type(Y)
    params = {"solver": solver, "tol": 0.0, "shuffle": False}
    whole = small(BackpropClassifier, **params).fit(X, Y)
    stepwise = small(BackpropClassifier, **params)
    for _ in range(5):
        stepwise.partial_fit(X, Y)
    assert_equal_networks(whole, stepwise)
    assert stepwise.out_activation_ == "logistic"
    np.testing.assert_array_equal(stepwise.classes_, [0, 1, 2])
    np.testing.assert_array_equal(whole.predict_proba(X), stepwise.predict_proba(X))


@pytest.mark.parametrize("classes", [None, [0, 1, 2], [0, 1], ["a", "b", "c"]], ids=str)
def test_multilabel_partial_fit_needs_no_classes(classes):
    """The columns are the classes, whatever the argument says."""
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


FRUITS = np.array(["apple", "fig", "pear"])
ROWS = np.arange(48)
LATER_LABELS = {
    "the same": ROWS % 3,
    "one class": np.zeros(48, int),
    "other numbers": (ROWS % 3).astype(np.float32),
    "bool": ROWS % 2 == 0,
    "small ints": (ROWS % 3).astype(np.uint8),
    "unknown": ROWS % 4,
    "negative": -(ROWS % 3),
    "fractions": ROWS % 3 + 0.5,
    "infinite": np.where(ROWS == 5, np.inf, 1.0),
    "nan": np.where(ROWS == 5, np.nan, 1.0),
    "complex": ROWS % 3 + 0j,
    "objects": (ROWS % 3).astype(object),
    "a column": (ROWS % 3).reshape(-1, 1),
    "two columns": np.c_[ROWS % 3, ROWS % 3],
    "an indicator": np.eye(3, dtype=int)[ROWS % 3],
    "an indicator of floats": np.eye(3)[ROWS % 3],
    "a sparse indicator": sparse.csr_matrix(np.eye(3, dtype=int)[ROWS % 3]),
    "halves": np.eye(3)[ROWS % 3] / 2,
    "dates": ROWS.astype("datetime64[D]"),
    "text": FRUITS[ROWS % 3],
    "long text": FRUITS[ROWS % 3].astype("U40"),
    "text as objects": FRUITS[ROWS % 3].astype(object),
    "unknown text": np.where(ROWS == 5, "plum", FRUITS[ROWS % 3]),
    "bytes": FRUITS[ROWS % 3].astype("S"),
    "none among text": np.where(ROWS == 5, None, FRUITS[ROWS % 3].astype(object)),
    "a number among text": np.where(ROWS == 5, 1, FRUITS[ROWS % 3].astype(object)),
    "text of digits": (ROWS % 3).astype(str),
    "a list": (ROWS % 3).tolist(),
    "a list of text": FRUITS[ROWS % 3].tolist(),
}
LATER_CLASSES = {
    "same": lambda first: first.tolist(),
    "array": lambda first: first,
    "tuple": lambda first: tuple(first),
    "other order": lambda first: first[::-1],
    "as objects": lambda first: first.astype(object),
    "fewer": lambda first: first[:-1],
    "as text": lambda first: first.astype(str),
    "as bytes": lambda first: first.astype(str).astype("S"),
    "nested": lambda first: [first.tolist()],
    "number": lambda first: 3,
}
FIRST_LABELS = {
    "numbers": ROWS % 3,
    "floats": (ROWS % 3).astype(float),
    "two": ROWS % 2 == 0,
    "text": FRUITS[ROWS % 3],
    "indicator": np.eye(3, dtype=int)[ROWS % 3],
    "many": ROWS % 16,
}


def what_happens(action, forces_checks, monkeypatch):
    """The error and the warnings of an action, and the network after it."""
    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        if forces_checks:
            check_everything(patch)
            patch.setattr(Classes, "takes", lambda *_: False)
            patch.setattr(Classes, "are", lambda *_: False)
        error = model = None
        try:
            model = action()
        except Exception as raised:
            error = type(raised), str(raised)
    params = None if model is None else model.network_.params.tolist()
    return error, [(one.category, str(one.message)) for one in caught], params


@grid(1, first=FIRST_LABELS, n=[48, 21, 20])
def test_later_calls_refuse_and_warn_as_if_all_were_checked(first, n, monkeypatch):
    """Also of few rows, since scikit-learn warns of many classes from 21 rows on."""
    X, y = make_classes(3)[0], FIRST_LABELS[first]
    classes = {} if y.ndim == 2 else {"classes": np.unique(y)}
    model = BackpropClassifier((2,), random_state=0).partial_fit(X, y, **classes)

    def call(y, **classes):
        y = y[:n]
        return lambda: copy.deepcopy(model).partial_fit(X[:n], y, **classes)

    calls = {name: call(y) for name, y in LATER_LABELS.items()}
    if classes:
        calls |= {
            f"classes, {name}": call(y, classes=change(classes["classes"]))
            for name, change in LATER_CLASSES.items()
        }
    n_refused = 0
    for name, action in calls.items():
        short, whole = (what_happens(action, forced, monkeypatch) for forced in (False, True))
        assert short == whole, name
        n_refused += short[0] is not None
    assert 0 < n_refused < len(calls)


@pytest.mark.parametrize("first", FIRST_LABELS)
def test_labels_that_are_known_are_not_checked_again(first, monkeypatch):
    X, y = make_classes(3)[0], FIRST_LABELS[first]
    classes = {} if y.ndim == 2 else {"classes": np.unique(y)}
    model = BackpropClassifier((2,), random_state=0).partial_fit(X, y, **classes)
    for name in "check_labels", "_check_partial_fit_first_call":
        monkeypatch.delattr(f"fastbp.classifier.{name}")
    model.partial_fit(X, y, **classes).partial_fit(X, y, **{k: [*v] for k, v in classes.items()})


def test_partial_fit_after_fit_needs_no_classes():
    X, y = make_classes(3)
    clf = small(BackpropClassifier).fit(X, y)
    assert len(clf.partial_fit(X, y).loss_curve_) == 6


@ESTIMATORS
def test_partial_fit_takes_chunks_of_every_size(cls):
    X, y = make_task(cls)
    estimator = small(cls, batch_size="auto")
    for size in (48, 1, 7, 33):
        estimator.partial_fit(X[:size], y[:size], **first_call(cls, y))
    assert estimator.t_ == 89
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


# --- curves that grow -----------------------------------------------------------------------------


def validated(cls):
    """Arguments of partial_fit."""
    X, y = make_task(cls)
    return (X, y), dict(X_val=X[:9], y_val=y[:9])


@ESTIMATORS
def test_a_call_does_not_copy_the_curves(cls):
    """The lists grow, as those of scikit-learn's MLP do."""
    data, validation = validated(cls)
    estimator = small(cls).partial_fit(*data, **first_call(cls, data[1]), **validation)
    curves = estimator.loss_curve_, estimator.validation_loss_curve_, estimator.validation_scores_
    for n_calls in range(2, 6):
        estimator.partial_fit(*data, **validation)
        assert estimator.loss_curve_ is curves[0] is estimator._training_state.loss_curve
        assert estimator.validation_loss_curve_ is curves[1]
        assert estimator.validation_scores_ is curves[2]
        assert [len(curve) for curve in curves] == [n_calls] * 3
        assert estimator.loss_ == curves[0][-1]
    estimator.partial_fit(*data)  # without validation samples
    assert [len(curve) for curve in curves] == [6, 5, 5]
    assert estimator.validation_scores_ is curves[2]


@ESTIMATORS
def test_validation_that_begins_later(cls):
    data, validation = validated(cls)
    estimator = small(cls).fit(*data)
    assert estimator.validation_scores_ is None
    estimator.partial_fit(*data, **validation).partial_fit(*data, **validation)
    assert len(estimator.loss_curve_) == 7
    assert len(estimator.validation_scores_) == len(estimator.validation_loss_curve_) == 2


@ESTIMATORS
@pytest.mark.parametrize(
    "make_copy", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_a_copy_has_curves_of_its_own(cls, make_copy):
    data, validation = validated(cls)
    estimator = small(cls).fit(*data, **validation)
    before = public_state(estimator)
    twin = make_copy(estimator)
    assert_same_state(before, public_state(twin))
    assert twin.loss_curve_ is twin._training_state.loss_curve
    twin.partial_fit(*data, **validation)
    assert len(twin.loss_curve_) == len(twin.validation_scores_) == 6
    before["network_"] = estimator.network_.params.copy()
    assert_same_state(before, public_state(estimator))


@ESTIMATORS
def test_a_call_that_fails_leaves_the_curves(cls):
    """Wherever it fails: also in a scorer, after the epoch, and by weights that diverge."""
    data, validation = validated(cls)
    estimator = small(cls, solver="sgd").fit(*data, **validation)

    def fail(estimator, X, y):
        raise ZeroDivisionError

    for params, error in [
        (dict(scoring=fail), ZeroDivisionError),
        (dict(scoring="no scorer"), ValueError),
        (dict(weight_decay=1e9), ValueError),
        (dict(hidden_layer_sizes=(3,)), ValueError),
    ]:
        tried = copy.deepcopy(estimator).set_params(**params)
        before, curves = public_state(tried), (tried.loss_curve_, tried.validation_scores_)
        with pytest.raises(error):
            tried.partial_fit(*data, **validation)
        assert_same_state(before, public_state(tried))
        assert tried.loss_curve_ is curves[0] and tried.validation_scores_ is curves[1]


@ESTIMATORS
def test_what_a_scorer_sees(cls):
    """The curves before the epoch whose validation samples it scores."""
    data, validation = validated(cls)
    seen = []

    def score(estimator, X, y):
        seen.append((list(estimator.loss_curve_), len(estimator.validation_scores_)))
        return 0.5

    estimator = small(cls, scoring=score)
    for n_calls in range(3):
        before = list(getattr(estimator, "loss_curve_", []))
        first = first_call(cls, data[1])
        estimator.partial_fit(*data, **first, **validation)
        assert seen[-1] == (before, n_calls)
        assert estimator.loss_curve_[:-1] == before
