"""Checkpoints: a run that is cut off anywhere ends with the bits of one that was not."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from internals import SOLVERS
from problems import CUT_SHORT, ESTIMATORS, assert_same_bits
from scipy import sparse
from separate import CAN_FORK, HANGS, HAS_FORK, in_forked_child
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from torture import shares, times

from fastbp import BackpropClassifier, BackpropRegressor, ModelFileError, archives, save_model
from fastbp.training import checkpoints

pytestmark = CUT_SHORT

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
LABELS = (X[:, 0] > 0) + 2 * (X[:, 1] > 0)
NUMBERS = np.sin(X[:, :2])

# What a run may keep between two epochs: parameters of each case.
RUNS = {
    "adam": {},
    "sgd, adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "n_iter_no_change": 1,
        "tol": 1,
    },
    "sgd, invscaling": {"solver": "sgd", "learning_rate": "invscaling", "momentum": 0.5},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
    "cosine": {"learning_rate": "cosine", "warmup_epochs": 2},
    "dropout": {"dropout": 0.3, "input_dropout": 0.1},
    "no shuffling": {"shuffle": False, "max_grad_norm": 0.1},
    "rprop": {"solver": "rprop"},
    "levenberg_marquardt": {"solver": "levenberg_marquardt", "hidden_layer_sizes": (2,)},
    "levenberg_marquardt, early stopping": {
        "solver": "levenberg_marquardt",
        "hidden_layer_sizes": (2,),
        "early_stopping": True,
    },
}
_solvers = {"adam", "lbfgs"} | {run.get("solver") for run in RUNS.values()}
RUNS |= {solver: {"solver": solver} for solver in SOLVERS if solver not in _solvers}


def make(cls, **parameters):
    parameters = {"hidden_layer_sizes": (5,), "max_iter": 6, "batch_size": 11} | parameters
    if parameters.get("solver") == "levenberg_marquardt" and cls is BackpropClassifier:
        parameters |= {"loss": "squared_error", "output_activation": "identity"}
    return cls(**({"random_state": 0} | parameters))


def targets(cls):
    return LABELS if cls is BackpropClassifier else NUMBERS


@pytest.fixture
def path(tmp_path, monkeypatch):
    # what a disk keeps when the power fails is not looked at here, and takes most of the time
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    return tmp_path / "run.npz"


def every_file(estimator, path, monkeypatch, *data, **more):
    """What the file held after each epoch of a fit."""
    contents, write = [], archives.write_archive

    def write_and_copy(*arguments):
        write(*arguments)
        contents.append(path.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_archive", write_and_copy)
        estimator.set_params(checkpoint=path, checkpoint_interval=0).fit(*data, **more)
    return contents


# Other forms of X change nothing between two epochs: make check tries them with one run, and the
# other runs go on from every third file.
CASES = [(run, "float64") for run in RUNS] + [("adam", "float32"), ("adam", "CSR")]
CASES += [
    pytest.param(run, form, marks=pytest.mark.grid)
    for run in RUNS
    if run != "adam"
    for form in ("float32", "CSR")
]


@pytest.mark.parametrize(("run", "form"), CASES)
@ESTIMATORS
def test_cut_off_after_any_epoch(cls, run, form, path, monkeypatch):
    inputs = sparse.csr_matrix(X) if form == "CSR" else X.astype(form)
    y = targets(cls)
    alone = make(cls, **RUNS[run]).fit(inputs, y)
    contents = every_file(make(cls, **RUNS[run]), path, monkeypatch, inputs, y)
    assert len(contents) >= alone.n_iter_ + 2
    for content in contents[:: 1 if form == "float64" or run == "adam" else 3]:
        path.write_bytes(content)
        resumed = make(cls, **RUNS[run], checkpoint=path).fit(inputs, y)
        assert_same_bits(resumed, alone)
        assert (resumed.t_, resumed.n_iter_) == (alone.t_, alone.n_iter_)
    if cls is BackpropRegressor and run == "adam":  # and training goes on as it would have
        assert_same_bits(resumed.partial_fit(inputs, y), alone.partial_fit(inputs, y))


@pytest.mark.slow
def test_lbfgs_starts_again_from_its_point(path, monkeypatch):
    parameters = {"solver": "lbfgs", "max_iter": 500, "alpha": 0.1, "tol": 1e-6}
    alone = make(BackpropRegressor, **parameters).fit(X, NUMBERS)
    contents = every_file(make(BackpropRegressor, **parameters), path, monkeypatch, X, NUMBERS)
    for content in contents[:: len(contents) // 4]:
        path.write_bytes(content)
        resumed = make(BackpropRegressor, **parameters, checkpoint=path).fit(X, NUMBERS)
        assert len(resumed.loss_curve_) == resumed.n_iter_
        assert resumed.loss_ <= 1.05 * alone.loss_
    path.write_bytes(contents[-1])
    finished = make(BackpropRegressor, **parameters, checkpoint=path).fit(X, NUMBERS)
    assert_same_bits(finished, alone)


@pytest.mark.parametrize("random_state", [None, "RandomState", "PCG64"])
def test_runs_without_a_seed(random_state, path, monkeypatch):
    """The file knows where the random numbers were at the start."""

    def source(seed):
        if random_state is None:
            np.random.seed(seed)
            return None
        if random_state == "PCG64":
            return np.random.RandomState(np.random.PCG64(seed))
        return np.random.RandomState(seed)

    run = {"early_stopping": True, "dropout": 0.1}
    alone = make(BackpropClassifier, random_state=source(5), **run).fit(X, LABELS)
    estimator = make(BackpropClassifier, random_state=source(5), **run)
    contents = every_file(estimator, path, monkeypatch, X, LABELS)
    path.write_bytes(contents[3])
    again = make(BackpropClassifier, random_state=source(6), checkpoint=path, **run)
    assert_same_bits(again.fit(X, LABELS), alone)


def test_validation_samples_and_weights(path, monkeypatch):
    more = {"sample_weight": rng.uniform(0.5, 2, 60), "X_val": X[:9], "y_val": LABELS[:9]}
    alone = make(BackpropClassifier).fit(X, LABELS, **more)
    contents = every_file(make(BackpropClassifier), path, monkeypatch, X, LABELS, **more)
    path.write_bytes(contents[2])
    again = make(BackpropClassifier, checkpoint=path)
    with pytest.raises(ValueError, match="other data: X_val, sample_weight"):
        again.fit(X, LABELS)
    assert_same_bits(again.fit(X, LABELS, **more), alone)


# --- killed processes -----------------------------------------------------------------------------

IN_ONE_TEST = 5
SEEDS = shares(times(10, 500), IN_ONE_TEST)


@CAN_FORK
@pytest.mark.parametrize(
    "seed", [SEEDS[0], *(pytest.param(s, marks=pytest.mark.grid) for s in SEEDS[1:])]
)
def test_killed_at_random_moments(seed, path):
    """kill -9, again and again, until a fit comes to its end: the bits of an unbroken one."""
    moments = np.random.default_rng(seed)
    run = {"max_iter": 400, "early_stopping": True, "n_iter_no_change": 400, "dropout": 0.1}
    alone = make(BackpropClassifier, **run).fit(X, LABELS)
    n_killed = 0
    for after in moments.uniform(0.001, 0.15, IN_ONE_TEST):
        child = os.fork()
        if child == 0:
            try:
                # the signal ends the process wherever it is, without a word to Python
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, after)
                estimator = make(BackpropClassifier, checkpoint=path, checkpoint_interval=0, **run)
                estimator.fit(X, LABELS)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        n_killed += os.WIFSIGNALED(status)
        if path.exists():
            archives.read_archive(path)
    assert n_killed > 0
    resumed = make(BackpropClassifier, checkpoint=path, **run).fit(X, LABELS)
    assert_same_bits(resumed, alone)


def test_interrupted_by_the_user(path, monkeypatch):
    """The file is that of the last whole epoch; the estimator has what was reached."""
    run = {"max_iter": 10**6, "tol": 0, "n_iter_no_change": 10**6}

    end_epoch, has_epoch = checkpoints.Checkpoint.end_epoch, threading.Event()

    def end_epoch_and_tell(*arguments):
        end_epoch(*arguments)
        has_epoch.set()

    monkeypatch.setattr(checkpoints.Checkpoint, "end_epoch", end_epoch_and_tell)

    def interrupt():
        has_epoch.wait(HANGS)
        time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)

    def interrupted():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=interrupt).start()
        estimator = make(BackpropClassifier, checkpoint=path, **run)
        with pytest.warns(UserWarning, match="interrupted by user"):
            return estimator.fit(X, LABELS).n_iter_

    n_iter = in_forked_child(interrupted) if HAS_FORK else interrupted()
    assert n_iter > 0
    run["max_iter"] = n_iter + 5
    resumed = make(BackpropClassifier, checkpoint=path, **run).fit(X, LABELS)
    assert_same_bits(resumed, make(BackpropClassifier, **run).fit(X, LABELS))


def test_max_time_is_no_end(path):
    run = {"max_iter": 300, "tol": 0, "n_iter_no_change": 300}
    short = make(BackpropRegressor, checkpoint=path, max_time=1e-9, **run).fit(X, NUMBERS)
    assert short.n_iter_ == 1
    resumed = make(BackpropRegressor, checkpoint=path, **run).fit(X, NUMBERS)
    assert_same_bits(resumed, make(BackpropRegressor, **run).fit(X, NUMBERS))


# --- the end --------------------------------------------------------------------------------------


def test_a_finished_run_is_not_run_again(path, capsys):
    finished = make(BackpropClassifier, checkpoint=path).fit(X, LABELS)
    before = path.read_bytes()
    again = clone(finished).set_params(verbose=True).fit(X, LABELS)
    assert_same_bits(again, finished)
    assert capsys.readouterr().out == f"Resumed from {str(path)!r} after iteration 6.\n"
    assert path.read_bytes() == before


def test_more_iterations_go_on(path):
    make(BackpropClassifier, checkpoint=path).fit(X, LABELS)
    longer = make(BackpropClassifier, checkpoint=path, max_iter=9).fit(X, LABELS)
    assert_same_bits(longer, make(BackpropClassifier, max_iter=9).fit(X, LABELS))


def test_more_iterations_than_stagnation_allows(path):
    run = {"tol": 10, "n_iter_no_change": 2}
    short = make(BackpropClassifier, checkpoint=path, max_iter=4, **run).fit(X, LABELS)
    longer = make(BackpropClassifier, checkpoint=path, max_iter=9, **run).fit(X, LABELS)
    assert short.n_iter_ == longer.n_iter_ == 4
    assert_same_bits(longer, make(BackpropClassifier, max_iter=9, **run).fit(X, LABELS))


def test_a_schedule_with_an_end_is_another_run(path):
    make(BackpropClassifier, checkpoint=path, learning_rate="cosine").fit(X, LABELS)
    longer = make(BackpropClassifier, checkpoint=path, learning_rate="cosine", max_iter=9)
    with pytest.raises(ValueError, match="max_iter=6, now 9"):
        longer.fit(X, LABELS)


# --- other runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0.5}, "other parameters: alpha=0.0001, now 0.5"),
        ({"hidden_layer_sizes": (5, 5)}, r"hidden_layer_sizes=\(5,\), now \(5, 5\)"),
        ({"random_state": 1, "solver": "sgd"}, "random_state=0, now 1, solver='adam', now 'sgd'"),
        ({"learning_rate": abs}, "learning_rate='constant', now .*builtins.abs"),
    ],
)
def test_other_parameters_are_named(parameters, message, path):
    make(BackpropClassifier, checkpoint=path).fit(X, LABELS)
    before = path.read_bytes()
    estimator = make(BackpropClassifier, checkpoint=path).set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, LABELS)
    assert not hasattr(estimator, "network_")
    assert path.read_bytes() == before
    free = {"verbose": False, "n_threads": 2, "max_time": 100.0, "checkpoint_interval": 3}
    make(BackpropClassifier, checkpoint=path, **free).fit(X, LABELS)


def test_other_data_are_named(path):
    make(BackpropClassifier, checkpoint=path).fit(X, LABELS)
    estimator = make(BackpropClassifier, checkpoint=path)
    other = X.copy()
    other[3, 2] += 1e-12
    with pytest.raises(ValueError, match=r"other data: X\. Remove the file"):
        estimator.fit(other, LABELS)
    with pytest.raises(ValueError, match="other data: y"):
        estimator.fit(X, np.array(list("abcd"))[LABELS])
    with pytest.raises(ValueError, match="run of BackpropClassifier"):
        make(BackpropRegressor, checkpoint=path).fit(X, NUMBERS)


def test_warm_start_is_a_run_of_its_own(path, tmp_path):
    estimator = make(BackpropClassifier, checkpoint=path, warm_start=True).fit(X, LABELS)
    with pytest.raises(ValueError, match="the network that warm_start continues from"):
        estimator.fit(X, LABELS)
    estimator.set_params(checkpoint=tmp_path / "second.npz").fit(X, LABELS)
    expected = make(BackpropClassifier, warm_start=True).fit(X, LABELS).fit(X, LABELS)
    assert_same_bits(estimator, expected)


def test_searches(tmp_path):
    """With {run} in the path each fit has a file; without, the second one is refused."""
    grid = {"alpha": [1e-4, 1.0]}
    expected = GridSearchCV(make(BackpropClassifier), grid, cv=2).fit(X, LABELS)
    template = os.fspath(tmp_path / "run-{run}.npz")
    estimator = make(BackpropClassifier, checkpoint=template)
    for _ in range(2):
        search = GridSearchCV(estimator, grid, cv=2, error_score="raise").fit(X, LABELS)
        assert len(os.listdir(tmp_path)) == 5
        np.testing.assert_array_equal(
            search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
        )
    estimator.set_params(checkpoint=tmp_path / "one.npz")
    with pytest.raises(ValueError, match="{run} in the path"):
        cross_val_score(estimator, X, LABELS, cv=2, error_score="raise")


def test_partial_fit_has_none(path):
    make(BackpropClassifier, checkpoint=path).partial_fit(X, LABELS, classes=range(4))
    assert not path.exists()


# --- the file -------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_ends_the_fit_at_once(tmp_path):
    estimator = make(BackpropClassifier, checkpoint=tmp_path / "none" / "run.npz", max_iter=10**9)
    with pytest.raises(FileNotFoundError):
        estimator.fit(X, LABELS)
    assert not hasattr(estimator, "network_")


def test_a_full_disk_costs_the_file_not_the_fit(path, monkeypatch):
    estimator = make(BackpropClassifier, checkpoint=path, checkpoint_interval=0)
    write, n_written = archives.write_archive, 0

    def fill_up(*arguments):
        nonlocal n_written
        n_written += 1
        if n_written > 3:
            raise OSError(28, "No space left on device")
        write(*arguments)

    with monkeypatch.context() as patch, pytest.warns(RuntimeWarning, match="No space left.*goes"):
        patch.setattr(checkpoints, "write_archive", fill_up)
        estimator.fit(X, LABELS)
    alone = make(BackpropClassifier).fit(X, LABELS)
    assert_same_bits(estimator, alone)
    assert_same_bits(make(BackpropClassifier, checkpoint=path).fit(X, LABELS), alone)


@pytest.mark.slow
def test_damaged_files(path, monkeypatch):
    contents = every_file(make(BackpropClassifier), path, monkeypatch, X, LABELS)
    alone = make(BackpropClassifier).fit(X, LABELS)
    damage = np.random.default_rng(0)
    for _ in range(times(100, 10_000)):
        changed = bytearray(contents[3])
        changed[damage.integers(len(changed))] ^= 1 << damage.integers(8)
        path.write_bytes(changed)
        estimator = make(BackpropClassifier, checkpoint=path)
        try:
            estimator.fit(X, LABELS)
        except ModelFileError:
            assert not hasattr(estimator, "network_")
        else:
            assert_same_bits(estimator, alone)


def changes(header, arrays):
    """Checkpoints that fit the run in name only."""
    yield "order", header, {**arrays, "order": np.zeros_like(arrays["order"])}
    yield "order", header, {**arrays, "order": arrays["order"] + 10**9}
    yield "params", header, {**arrays, "params": arrays["params"][1:]}
    yield "params", header, {**arrays, "params": arrays["params"] * np.nan}
    yield "moments", header, {**arrays, "moments": arrays["moments"][:1]}
    yield "unknown members", header, {**arrays, "more": arrays["order"]}
    yield "loss_curve", header, {name: one for name, one in arrays.items() if name != "loss_curve"}
    yield "validation_scores", header, {**arrays, "validation_scores": np.zeros(3)}
    for name in "random_state", "random_state_at_start":
        yield "random state", {**header, name: {"dict": [["bit_generator", "MT19937"]]}}, arrays
    yield "iterations", {**header, "state": {**header["state"], "n_iter": 10**6}}, arrays
    yield "n_iter", {**header, "state": {**header["state"], "n_iter": "x"}}, arrays
    yield "wrong type", {**header, "is_finished": 1}, arrays
    yield "format 1", {**header, "format": 2}, arrays
    yield "no checkpoint", {**header, "kind": "model"}, arrays
    yield "which data", {**header, "run": {**header["run"], "data": 3}}, arrays


def test_files_that_do_not_fit(path, monkeypatch):
    path.write_bytes(every_file(make(BackpropClassifier), path, monkeypatch, X, LABELS)[3])
    header, arrays = archives.read_archive(path)
    for message, other_header, other_arrays in changes(header, arrays):
        archives.write_archive(path, other_header, other_arrays)
        estimator = make(BackpropClassifier, checkpoint=path)
        with pytest.raises(ModelFileError, match=message) as caught:
            estimator.fit(X, LABELS)
        assert "run.npz" in str(caught.value)
        assert not hasattr(estimator, "network_")


def test_a_model_is_no_checkpoint(path):
    save_model(make(BackpropClassifier).fit(X, LABELS), path)
    with pytest.raises(ModelFileError, match="no checkpoint"):
        make(BackpropClassifier, checkpoint=path).fit(X, LABELS)


def test_the_interval_is_kept(path, monkeypatch):
    estimator = make(BackpropClassifier, checkpoint_interval=3600)
    contents, write = [], archives.write_archive
    monkeypatch.setattr(
        checkpoints, "write_archive", lambda *arguments: contents.append(write(*arguments))
    )
    estimator.set_params(checkpoint=path, max_iter=50).fit(X, LABELS)
    assert len(contents) == 2  # the beginning and the end
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for interval, n_written in (-0.0, 52), (1e-9, 2):
        contents.clear()
        path.unlink()
        estimator.set_params(checkpoint_interval=interval).fit(X, LABELS)
        assert len(contents) == n_written
