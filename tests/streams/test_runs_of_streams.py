"""What belongs to a run: checkpoints, callbacks, time, verbose lines, verdicts; memory limits."""

import itertools
import os
import signal
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from problems import CUT_SHORT, ESTIMATORS, assert_same_bits, small
from separate import CAN_FORK, run
from sklearn.exceptions import ConvergenceWarning
from streams_of import batches_of

from fastbp import BackpropClassifier, BackpropRegressor, BatchError, archives
from fastbp.training import checkpoints, monitor

try:
    from sklearn.callback import _callback_context  # noqa: F401

    HAS_CALLBACKS = True
except ImportError:
    HAS_CALLBACKS = False

pytestmark = CUT_SHORT

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4))
LABELS = (X[:, 0] > 0) + 2 * (X[:, 1] > 0)
NUMBERS = np.sin(X[:, :2])
WEIGHTS = rng.uniform(0.5, 2, 200)

RUNS = {
    "adam": {},
    "sgd, adaptive": {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1},
    "cosine": {"learning_rate": "cosine", "warmup_epochs": 2},
    "dropout": {"dropout": 0.3, "input_dropout": 0.1},
    "no shuffling": {"shuffle": False, "max_grad_norm": 0.1},
}


def targets(cls):
    return LABELS if cls is BackpropClassifier else NUMBERS


@pytest.fixture
def path(tmp_path, monkeypatch):
    # what a disk keeps when the power fails is not looked at here, and takes most of the time
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    return tmp_path / "run.npz"


@pytest.mark.slow
@pytest.mark.parametrize("buffer_rows", [None, 64])
@pytest.mark.parametrize("name", RUNS)
@ESTIMATORS
def test_cut_off_after_any_epoch(cls, name, buffer_rows, path, monkeypatch):
    def fit(**parameters):
        arrays = X, targets(cls), WEIGHTS
        model = small(cls, max_iter=4, **RUNS[name], **parameters)
        return model.fit_batches(batches_of(*arrays, size=30), buffer_rows=buffer_rows)

    alone, contents, write = fit(), [], archives.write_archive

    def write_and_copy(*arguments):
        write(*arguments)
        contents.append(path.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_archive", write_and_copy)
        fit(checkpoint=path, checkpoint_interval=0)
    assert len(contents) == 6
    for content in contents[:: 1 if buffer_rows else 2]:  # of all rows the run is that of fit
        path.write_bytes(content)
        resumed = fit(checkpoint=path)
        assert_same_bits(resumed, alone)
        assert (resumed.t_, resumed.n_iter_) == (alone.t_, alone.n_iter_)
        np.testing.assert_allclose(resumed.network_.l2, alone.network_.l2, rtol=1e-14)


def test_a_checkpoint_is_of_these_batches(path):
    batches = batches_of(X, NUMBERS, size=30)
    small(BackpropRegressor, checkpoint=path).fit_batches(batches, buffer_rows=64)
    again = small(BackpropRegressor, checkpoint=path)
    with pytest.raises(ValueError, match="buffer_rows=64, now 80"):
        again.fit_batches(batches, buffer_rows=80)
    with pytest.raises(ValueError, match="buffer_rows=64, now None"):
        again.fit(X, NUMBERS)
    with pytest.raises(ValueError, match="other data: X"):
        again.fit_batches(batches_of(X + 1, NUMBERS, size=30), buffer_rows=64)
    # in batches of another size they are the same rows
    again.fit_batches(batches_of(X, NUMBERS, size=17), buffer_rows=64)


def test_after_a_bad_batch_a_run_goes_on_from_its_checkpoint(path):
    calls = []

    def batches():
        calls.append(1)
        rows = np.where(len(calls) == 3, np.nan, X)
        return batches_of(rows, NUMBERS, size=30)()

    model = small(BackpropRegressor, checkpoint=path)
    with pytest.raises(BatchError) as caught:
        model.fit_batches(batches, buffer_rows=64)
    assert caught.value.epoch == 3
    resumed = small(BackpropRegressor, checkpoint=path).fit_batches(batches, buffer_rows=64)
    whole = batches_of(X, NUMBERS, size=30)
    assert_same_bits(resumed, small(BackpropRegressor).fit_batches(whole, buffer_rows=64))


@pytest.mark.slow
@CAN_FORK
def test_killed_at_random_moments(path):
    """kill -9, again and again, until a fit comes to its end: the bits of an unbroken one."""

    def fit(**parameters):
        model = small(BackpropRegressor, max_iter=100, n_iter_no_change=100, **parameters)
        return model.fit_batches(batches_of(X, NUMBERS, size=30), buffer_rows=64)

    n_killed = 0
    for after in np.random.default_rng(0).uniform(0.01, 0.2, 5):
        child = os.fork()
        if child == 0:
            try:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, after)
                fit(checkpoint=path, checkpoint_interval=0)
            finally:
                os._exit(0)
        n_killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert n_killed > 0
    assert_same_bits(fit(checkpoint=path), fit())


def endless():
    for start in itertools.count(step=20):
        rows = np.arange(start, start + 20) % 200
        yield X[rows], NUMBERS[rows]


def test_max_time_ends_an_epoch_without_end():
    """The state is the one after Ctrl-C: trained weights, and no epoch that counts."""
    model = small(BackpropRegressor, max_time=0.05, max_iter=9, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"in the midst of the first epoch, after \d+ rows"):
        model.fit_batches(endless, buffer_rows=64)
    assert model.n_iter_ == 0 and model.t_ == 0 and model.loss_curve_ == []
    begun = small(BackpropRegressor, random_state=0).initialize(X, NUMBERS)
    assert (model.network_.params != begun.network_.params).any()
    assert all(thread.name != "fastbp reader" for thread in threading.enumerate())
    model.set_params(max_time=None, warm_start=True, max_iter=2)
    model.fit_batches(lambda: itertools.islice(endless(), 10), buffer_rows=64)
    assert model.n_iter_ == 2


def test_max_time_ends_a_long_first_epoch_but_finishes_the_others(monkeypatch):
    monkeypatch.setattr(monitor, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    ended = []
    for max_time in (0, 3.5, 40):
        clock = iter(range(1000))
        model = small(BackpropRegressor, max_time=max_time or 1e-9, max_iter=50, batch_size=20)
        with pytest.warns(ConvergenceWarning, match="Training stopped after max_time"):
            model.fit_batches(batches_of(X, NUMBERS, size=30), buffer_rows=40)
        ended.append((model.n_iter_, model.t_))
    assert ended[0] == ended[1] == (0, 0)
    assert ended[2][0] > 1 and ended[2][1] == 200 * ended[2][0]


def test_max_time_finishes_a_first_epoch_that_a_checkpoint_has_to_hold(path):
    model = small(BackpropRegressor, max_time=1e-9, max_iter=9, checkpoint=path)
    batches = batches_of(X, NUMBERS, size=30)
    for n in 1, 2:
        with pytest.warns(ConvergenceWarning, match=f"max_time=1e-09 seconds, in iteration {n};"):
            model.fit_batches(batches, buffer_rows=40)
        assert model.n_iter_ == n


def test_callbacks_get_no_arrays():
    if not HAS_CALLBACKS:  # before scikit-learn 1.9 set_callbacks does not exist
        assert not hasattr(BackpropRegressor, "set_callbacks")
        return
    events, fitted = [], []

    class Recording:
        def setup(self, estimator, context):
            events.append("setup")

        def teardown(self, estimator, context):
            events.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            events.append(f"begin {context.task_name} {context.task_id}")

        def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
            events.append(f"end {context.task_name} {context.task_id}")
            assert X is y is None
            if context.task_name == "epoch":
                fitted.append(fitted_estimator)
            return len(fitted) == 3

    model = small(BackpropRegressor).set_callbacks(Recording())
    batches = batches_of(X, NUMBERS, size=30)
    model.fit_batches(batches, buffer_rows=64)
    pairs = [f"{hook} epoch {k}" for k in range(3) for hook in ("begin", "end")]
    assert events == ["setup", "begin fit 0", *pairs, "end fit 0", "teardown"]
    assert model.n_iter_ == 3
    two = small(BackpropRegressor, max_iter=2).fit_batches(batches, buffer_rows=64)
    np.testing.assert_array_equal(fitted[1].predict(X), two.predict(X))


def test_verbose_lines_are_those_of_fit(capsys):
    small(BackpropRegressor, verbose=2).fit(X, NUMBERS)
    lines = [line.split(", time")[0] for line in capsys.readouterr().out.splitlines()]
    small(BackpropRegressor, verbose=2).fit_batches(batches_of(X, NUMBERS, size=30))
    assert lines == [line.split(", time")[0] for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2


def test_verdicts_are_those_of_fit():
    """What is large is found in the rows that the buffer holds."""
    params = {"solver": "sgd", "learning_rate_init": 0.5, "max_iter": 3, "momentum": 0.0}
    messages = []
    for fit in (
        lambda model: model.fit(X * 100, NUMBERS),
        lambda model: model.fit_batches([(X * 100, NUMBERS)]),
        lambda model: model.fit_batches([(X * 100, NUMBERS)], buffer_rows=64),
    ):
        with pytest.warns(ConvergenceWarning) as caught:
            fit(small(BackpropRegressor, **params))
        messages.append([str(one.message) for one in caught])
    assert messages[0] == messages[1]
    assert "root mean square" in messages[0][0]
    assert "root mean square" in messages[2][0]


LIMITED = """
    import resource
    from threadpoolctl import threadpool_limits

    # threads and buffers of BLAS that came later would need memory
    threadpool_limits(1, "blas")
    np.ones((500, 500), np.float32) @ np.ones((500, 500), np.float32)
    folder, n_rows = FOLDER, 500_000
    matrix = np.lib.format.open_memmap(
        folder + "/X.npy", "w+", np.float32, (n_rows, 25)
    )
    weights = np.linspace(-1, 1, 25, dtype=np.float32)
    rng = np.random.default_rng(0)
    for start in range(0, n_rows, 50_000):
        matrix[start:start + 50_000] = rng.standard_normal((50_000, 25), dtype=np.float32)
    del matrix

    def memory(name):
        with open("/proc/self/status") as status:
            (line,) = [line for line in status if line.startswith(name + ":")]
        return int(line.split()[1]) * 1024

    # private memory; the pages of the file do not count, and the system takes them back
    limit = memory("VmData") + 30 * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    X = np.load(folder + "/X.npy", mmap_mode="r")
    try:
        np.array(X)
    except MemoryError:
        in_memory = False
    else:
        in_memory = True

    def batches():
        for start in range(0, n_rows, 10_000):
            rows = X[start:start + 10_000]
            yield rows, rows @ weights > 0

    model = BackpropClassifier(
        (8,), max_iter=1, batch_size=500, learning_rate_init=0.01, random_state=0, n_threads=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit_batches(batches, classes=[False, True], buffer_rows=20_000)
    head = X[:20_000]
    score = model.score(head, head @ weights > 0)
    print(json.dumps({"in_memory": in_memory, "score": score, "t": model.t_}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")
def test_a_file_that_is_larger_than_memory(tmp_path):
    """50 MB of rows, with 30 MiB of memory beside what is in use.

    A child of this process could have its free memory, which is in use by that measure.
    """
    facts = run(LIMITED.replace("FOLDER", repr(str(tmp_path))), fresh=True)
    assert not facts["in_memory"]
    assert facts["t"] == 500_000
    assert facts["score"] > 0.98
