"""How training ends and continues: verbose lines, warnings, early stopping, warm start.

The numbers of a plain fit are compared with scikit-learn's in test_trajectories.py.
"""

import re
import warnings

import numpy as np
import pytest
from internals import SOLVER_RECORDS
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    EVERY_SOLVER,
    N_SAMPLES,
    OLD_LBFGS,
    SCIKIT_SOLVERS,
    STOCHASTIC,
    assert_equal_networks,
    assert_same_state,
    first_call,
    make_classes,
    make_regression,
    make_task,
    public_state,
    small,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = [CUT_SHORT, OLD_LBFGS]

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
    "verbosity as a number": {"solver": "sgd", "verbose": 1},
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
    assert_same_beginnings(*printed)


def assert_same_beginnings(ours, theirs):
    """Each of scikit-learn's lines is whole at the beginning of one of ours."""
    for our_line, their_line in zip(ours.splitlines(), theirs.splitlines(), strict=True):
        assert our_line == their_line or our_line.startswith(f"{their_line}, ")


def test_verbose_lines_of_partial_fit(capsys):
    X, y = make_regression()
    printed = []
    for cls in (BackpropRegressor, MLPRegressor):
        estimator = small(cls, verbose=True)
        estimator.partial_fit(X, y).partial_fit(X, y)
        printed.append(capsys.readouterr().out)
    assert_same_beginnings(*printed)
    assert printed[0].count("Iteration 1,") == 2


LINE = re.compile(
    r"Iteration (\d+), loss = (\d+\.\d{8})(?:, learning rate = (\S+))?, time = (\d+\.\d\d) s"
)


@ESTIMATORS
@EVERY_SOLVER
def test_verbose_lines_show_rate_time_and_validation(cls, solver, capsys):
    X, y = make_task(cls)
    model = small(cls, solver=solver, verbose=True, tol=1e-9, max_iter=4)
    model.fit(X, y, X_val=X[:20], y_val=y[:20])
    lines = capsys.readouterr().out.splitlines()
    shown = [LINE.fullmatch(line).groups() for line in lines[::2]]
    assert [int(number) for number, *_ in shown] == [1, 2, 3, 4]
    assert [float(loss) for _, loss, *_ in shown] == pytest.approx(model.loss_curve_, abs=1e-8)
    has_rate = "learning_rate" not in SOLVER_RECORDS[solver].ignores
    assert {rate for *_, rate, _ in shown} == {"0.02" if has_rate else None}
    times = [float(time) for *_, time in shown]
    assert times == sorted(times) and times[-1] < 60
    assert lines[1::2] == [
        f"Validation score: {score:f}, validation loss = {loss:.8f}"
        for score, loss in zip(model.validation_scores_, model.validation_loss_curve_, strict=True)
    ]


def test_verbose_lines_show_the_rate_of_the_last_step(capsys):
    X, y = make_regression()
    params = {"invscaling": {"solver": "sgd", "batch_size": 24}, "exponential": {"decay_rate": 0.5}}
    rates = {}
    for schedule, more in params.items():
        small(BackpropRegressor, learning_rate=schedule, verbose=True, max_iter=3, **more).fit(X, y)
        lines = capsys.readouterr().out.splitlines()
        rates[schedule] = [float(LINE.fullmatch(line)[3]) for line in lines]
    assert rates["exponential"] == [0.02, 0.01, 0.005]
    expected = [0.02, *(0.02 / np.sqrt(n * N_SAMPLES + 1) for n in (1, 2))]
    assert rates["invscaling"] == pytest.approx(expected, rel=1e-3)
    small(BackpropRegressor, learning_rate="cosine", verbose=True, max_iter=2).fit(X, y)
    last = float(LINE.fullmatch(capsys.readouterr().out.splitlines()[-1])[3])
    assert last == pytest.approx(0.01 * (1 + np.cos(np.pi * 5 / 6)), rel=1e-3)


@EVERY_SOLVER
def test_verbose_as_a_number_prints_every_nth_epoch(solver, capsys):
    X, y = make_task(BackpropRegressor)
    model = small(BackpropRegressor, solver=solver, verbose=3, tol=1e-9, max_iter=10)
    numbers = []
    for warm in False, True:  # counted anew
        model.set_params(warm_start=warm).fit(X, y)
        printed = capsys.readouterr().out
        numbers.append(
            [int(one) for one in re.findall(r"^Iteration (\d+),", printed, re.MULTILINE)]
        )
    assert numbers[0] == [3, 6, 9]
    assert numbers[1] == [n for n in range(1, model.n_iter_ + 1) if n % 3 == 0]


def test_verbose_as_a_number_counts_calls_of_partial_fit(capsys):
    X, y = make_regression()
    model = small(BackpropRegressor, verbose=3)
    printed = []
    for _ in range(7):
        model.partial_fit(X, y)
        printed.append(bool(capsys.readouterr().out))
    assert printed == [False, False, True] * 2 + [False]


@ESTIMATORS
@SCIKIT_SOLVERS
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
@SCIKIT_SOLVERS
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
    """scikit-learn's second fit trains its record of the best weights itself, and loses them."""
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
        assert len(estimator.validation_scores_) == 8
        assert max(estimator.validation_scores_[5:]) < estimator.best_validation_score_
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
    """A single row has weight: either the training or the validation samples have none."""
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
@SCIKIT_SOLVERS
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
    estimator.set_params(hidden_layer_sizes=(6, 5)).fit(X, y)


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


# --- losses that are not finite -----------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_loss_that_is_not_finite_is_an_error(solver):
    """Also where the weights still are finite: nothing useful is trained there."""
    X, y = make_regression()
    estimator = BackpropRegressor((3,), solver=solver, max_iter=3, random_state=0)
    with pytest.raises(ValueError, match="non-finite (loss|parameter weights)"):
        estimator.fit(X, y * 1e200)
    assert not hasattr(estimator, "network_")
