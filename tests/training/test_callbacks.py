"""scikit-learn's callbacks: a task per epoch, and what its hooks are given.

Callbacks came with scikit-learn 1.9. With an older one these tests do not exist, except one that
says that set_callbacks does not exist either.
"""

import io
import pickle
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
import sklearn
from internals import trained_moments
from own_losses import Failing, OwnError
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    EVERY_SOLVER,
    N_SAMPLES,
    assert_equal_networks,
    make_named_classes,
    make_named_task,
    make_regression,
    small,
)
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from fastbp import BackpropClassifier, BackpropRegressor

try:
    from sklearn.callback import ProgressBar, ScoringMonitor, _callback_context

    HAS_CALLBACKS = True
except ImportError:
    HAS_CALLBACKS = False

pytestmark = CUT_SHORT


def with_callbacks(test):
    """The test if scikit-learn has callbacks, else None."""
    return test if HAS_CALLBACKS else None


@ESTIMATORS
def test_estimators_take_callbacks_where_scikit_learn_has_them(cls):
    assert HAS_CALLBACKS == (parse_version(sklearn.__version__) >= parse_version("1.9"))
    assert hasattr(cls, "set_callbacks") == HAS_CALLBACKS
    X, y = make_named_task(cls)
    assert not [name for name in vars(small(cls).fit(X, y)) if "callback" in name]


class Recording:
    """Records what its hooks are given.

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
    X, y = make_named_task(cls)
    callback = Recording()
    estimator = small(cls, solver=solver).set_callbacks(callback).fit(X, y)
    assert estimator.n_iter_ == 5
    expected = ["setup", "begin fit 0", *epochs_of(range(5)), "end fit 0", "teardown"]
    assert callback.events == expected
    # no trace is left, and the training is the same
    assert [name for name in vars(estimator) if "callback" in name] == ["_skl_callbacks"]
    assert_equal_networks(estimator, small(cls, solver=solver).fit(X, y))


@with_callbacks
@ESTIMATORS
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_run_that_converges_may_end_an_epoch_that_was_only_begun(cls, solver):
    """As in scikit-learn's LogisticRegression: it began before this was known."""
    X, y = make_named_task(cls)
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
    """The weights are those of a run of so many epochs, and training leaves them alone."""
    X, y = make_named_task(cls)
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
    X, y = make_named_task(cls)

    class Meddling(Recording):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if fitted_estimator is not None and context.task_name == "epoch":
                fitted_estimator.network_.params[...] = 7.0
                fitted_estimator.loss_curve_.append(-1.0)
                trained_moments(fitted_estimator)[...] = 9.0

    for solver in ("adam", "lbfgs"):
        meddled = small(cls, solver=solver).set_callbacks(Meddling()).fit(X, y)
        plain = small(cls, solver=solver).fit(X, y)
        assert_equal_networks(meddled, plain)
        assert meddled.loss_curve_ == plain.loss_curve_


@with_callbacks
@ESTIMATORS
def test_hooks_are_given_the_training_data(cls):
    X, y = make_named_task(cls)
    w = np.random.default_rng(2).uniform(0.1, 2, N_SAMPLES)
    for arguments, weights in ((dict(), None), (dict(sample_weight=w), w)):
        callback = Recording()
        small(cls).set_callbacks(callback).fit(X, y, **arguments)
        for given_X, given_y, metadata, _ in callback.epochs:
            np.testing.assert_array_equal(given_X, X)
            np.testing.assert_array_equal(given_y, y)
            np.testing.assert_array_equal((metadata or {}).get("sample_weight"), weights)


@with_callbacks
def test_the_weights_of_the_hooks_are_the_users():
    """They are not multiplied by class weights: a callback scores what the user asked for."""
    X, y = make_named_classes()
    w = np.random.default_rng(2).uniform(0.1, 2, N_SAMPLES)
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
    """At the end of the third epoch, and without a warning."""
    X, y = make_named_task(cls)
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
    X, y = make_regression()
    callback = Recording(at=lambda hook, n_epochs: hook == "end" and n_epochs == 3)
    stopped = small(BackpropRegressor, max_iter=50, solver=solver).set_callbacks(callback)
    assert stopped.fit(X, y).n_iter_ == 3


@with_callbacks
@ESTIMATORS
@EVERY_SOLVER
@pytest.mark.parametrize("where", ["setup", "begin", "end"])
def test_an_exception_in_a_hook_tears_down(cls, solver, where):
    X, y = make_named_task(cls)

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
    # and when training itself fails
    callback.events.clear()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        estimator.set_callbacks(Recording()).fit(X, y[:-1])
    assert [name for name in vars(estimator) if "callback" in name] == ["_skl_callbacks"]


@with_callbacks
def test_an_error_in_training_tears_down():
    X, y = make_regression()
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

    X, y = make_named_task(cls)
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
    X, y = make_regression()
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
    X, y = make_named_task(cls)
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
    X, y = make_named_task(cls)
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
    X, y = make_named_task(cls)
    w = np.random.default_rng(2).uniform(0.1, 2, N_SAMPLES)
    names = ["neg_log_loss", "accuracy"] if cls is BackpropClassifier else ["r2"]
    monitor = ScoringMonitor(scoring=names)
    estimator = small(cls).set_callbacks(monitor).fit(X, y, sample_weight=w)
    last = monitor.get_logs().data[-1]
    for name in names:
        assert last[name] == get_scorer(name)(estimator, X, y, sample_weight=w)


@with_callbacks
@ESTIMATORS
def test_scoring_monitor_with_data_frames_gives_no_warnings(cls):
    X, y = make_named_task(cls)
    frame = pd.DataFrame(X, columns=[*"abcd"])
    monitor = ScoringMonitor(scoring=score_of(cls))
    estimator = small(cls).set_callbacks(monitor).fit(frame, y)
    assert monitor.get_logs().data[-1][score_of(cls)] == estimator.score(frame, y)


@with_callbacks
@ESTIMATORS
def test_callbacks_in_a_search(cls):
    """ProgressBar is set on the search, which passes it on; ScoringMonitor on the estimator."""
    X, y = make_named_task(cls)
    name = score_of(cls)
    monitor = ScoringMonitor(scoring=name)
    estimator = small(cls).set_callbacks(monitor)
    grid, folds = {"alpha": [0.0, 3.0]}, [(np.arange(24), np.arange(24, N_SAMPLES))]
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
    X, y = make_named_task(cls)
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
@pytest.mark.slow
def test_callbacks_in_several_processes():
    X, y = make_regression()
    monitor = ScoringMonitor(scoring="r2")
    estimator = small(BackpropRegressor).set_callbacks(monitor)
    GridSearchCV(estimator, {"alpha": [0.0, 3.0]}, cv=2, n_jobs=2).fit(X, y)
    of_epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(of_epochs) == 25
