"""The thread that reads: ahead of training, no further than allowed, and gone at the end."""

import gc
import threading
import time

import numpy as np
import pytest
from own_losses import Failing, OwnError
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    assert_same_bits,
    make_named_task,
    make_regression,
    small,
)
from separate import CAN_FORK, HANGS, in_forked_child, run
from sklearn import config_context, get_config
from streams_of import batches_of

from fastbp import BackpropRegressor, BatchError
from fastbp.training import reader

pytestmark = CUT_SHORT

X, y = make_regression(n_samples=200)


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "fastbp reader"]


class Watched:
    """Batches that say how far they have been read, and whether they were closed."""

    def __init__(self, size=10, error_at=None):
        self.size, self.error_at = size, error_at
        self.n_opened = self.n_closed = self.n_rows = 0
        self.threads = set()

    def __call__(self):
        self.n_opened += 1
        try:
            for batch in batches_of(X, y, size=self.size)():
                self.threads.add(threading.current_thread())
                self.n_rows += len(batch[0])
                if self.n_rows == self.error_at:
                    raise OwnError
                yield batch
        finally:
            self.n_closed += 1


@ESTIMATORS
def test_a_thread_reads_and_is_gone_at_the_end(cls):
    rows, targets = make_named_task(cls)
    seen = set()

    def batches():
        seen.add(threading.current_thread())
        yield rows, targets

    small(cls).fit_batches(batches)
    assert threading.main_thread() not in seen
    assert not readers()


def test_each_epoch_is_read_once():
    batches = Watched()
    small(BackpropRegressor, max_iter=4).fit_batches(batches, buffer_rows=32)
    assert (batches.n_opened, batches.n_closed, batches.n_rows) == (4, 4, 800)
    assert not readers()


def end_by_validation(batches):
    model = small(BackpropRegressor, early_stopping=True, n_iter_no_change=1, tol=1.0)
    model.set_params(max_iter=100).fit_batches(batches, buffer_rows=32, X_val=X, y_val=y)
    assert model.n_iter_ == 3


def end_by_time(batches):
    with pytest.warns(UserWarning, match="max_time"):
        small(BackpropRegressor, max_time=1e-9, max_iter=9).fit_batches(batches, buffer_rows=32)


def end_by_divergence(batches):
    model = small(BackpropRegressor, solver="sgd", learning_rate_init=1e100)
    with pytest.raises(ValueError, match="non-finite"):
        model.fit_batches(batches, buffer_rows=32)


def end_by_a_loss(batches):
    with pytest.raises(OwnError):
        small(BackpropRegressor, loss=Failing("loss", 3)).fit_batches(batches, buffer_rows=32)


def end_by_their_error(batches):
    batches.error_at = 150
    with pytest.raises(OwnError):
        small(BackpropRegressor).fit_batches(batches, buffer_rows=32)


def end_by_a_bad_batch(batches):
    def with_nan():
        for number, (rows, targets) in enumerate(batches()):
            yield (np.full_like(rows, np.nan) if number == 5 else rows), targets

    with pytest.raises(BatchError):
        small(BackpropRegressor).fit_batches(with_nan, buffer_rows=32)


def end_by_parameters(batches):
    with pytest.raises(ValueError, match="quantile"):
        small(BackpropRegressor, loss="quantile", quantile=[0.9, 0.1]).fit_batches(batches)


ENDS = [
    end_by_validation,
    end_by_time,
    end_by_divergence,
    end_by_a_loss,
    end_by_their_error,
    end_by_a_bad_batch,
    end_by_parameters,
]


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_the_iterators_are_closed_however_a_fit_ends(end):
    batches = Watched()
    end(batches)
    assert not readers()
    gc.collect()
    assert batches.n_opened == batches.n_closed
    assert batches.n_opened >= 1


def test_what_is_read_ahead_is_bounded():
    """At most the buffer and as many rows again, and two batches."""
    ahead = []

    class Slow:
        def loss(self, targets, outputs):
            ahead.append(batches.n_rows - len(targets) * len(ahead))
            time.sleep(0.001)
            return np.sum((outputs - targets) ** 2, axis=1) / 2

        def gradient(self, targets, outputs):
            return outputs - targets

    batches = Watched(size=5)
    model = small(BackpropRegressor, loss=Slow(), batch_size=10, max_iter=1)
    model.fit_batches(batches, buffer_rows=40)
    assert max(ahead) <= 40 + 2 * 20 + 2 * 5 + 20
    assert len(ahead) >= 20


def test_rows_are_read_while_others_are_trained():
    """Each waits for the other: the first call of the loss, and what follows the buffer's rows."""
    in_loss, has_read = threading.Event(), threading.Event()

    class Waits:
        def loss(self, targets, outputs):
            in_loss.set()
            assert has_read.wait(HANGS)
            return np.sum((outputs - targets) ** 2, axis=1) / 2

        def gradient(self, targets, outputs):
            return outputs - targets

    def batches():
        for number, batch in enumerate(batches_of(X, y, size=10)()):
            if number == 3:  # two fill the buffer, one tells that there are more
                assert in_loss.wait(HANGS)
                has_read.set()
            yield batch

    model = small(BackpropRegressor, loss=Waits(), batch_size=10, max_iter=1)
    model.fit_batches(batches, buffer_rows=20)
    assert has_read.is_set()


def test_the_configuration_of_scikit_learn_is_the_users():
    seen = []

    def batches():
        seen.append(get_config()["assume_finite"])
        yield X, y

    with config_context(assume_finite=True):
        small(BackpropRegressor, max_iter=1).fit_batches(batches)
    assert seen == [True]


def test_warnings_point_at_the_users_line():
    with pytest.warns(UserWarning, match="column-vector y") as caught:
        small(BackpropRegressor, max_iter=1).fit_batches([(X, y[:, np.newaxis])])
    assert caught[0].filename == __file__


def test_a_batch_may_be_a_list_and_an_iterable_may_have_no_close():
    class Rows:
        def __iter__(self):
            return iter([[X[:100], y[:100]], [X[100:], y[100:]]])

    assert_same_bits(
        small(BackpropRegressor).fit_batches(Rows()), small(BackpropRegressor).fit(X, y)
    )


def test_many_fits_at_once():
    """Streams share nothing: each fit has the bits of one alone."""
    alone = small(BackpropRegressor).fit_batches(batches_of(X, y, size=10), buffer_rows=64)
    models = [small(BackpropRegressor) for _ in range(6)]
    threads = [
        threading.Thread(
            target=model.fit_batches, args=(batches_of(X, y, size=7),), kwargs={"buffer_rows": 64}
        )
        for model in models
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for model in models:
        assert_same_bits(model, alone)


@pytest.mark.slow
@CAN_FORK
def test_a_child_that_is_forked_from_the_reader_or_in_an_epoch_fits_as_well():
    expected = small(BackpropRegressor).fit_batches([(X, y)]).network_.params

    def fit_in_child():
        model = small(BackpropRegressor).fit_batches([(X, y)])
        assert (model.network_.params == expected).all()

    def batches():
        for number, batch in enumerate(batches_of(X, y, size=50)()):
            if number == 2:
                in_forked_child(fit_in_child)
            yield batch

    small(BackpropRegressor, max_iter=2).fit_batches(batches)


@pytest.mark.slow
@pytest.mark.parametrize("buffer_rows", [None, 100])
def test_ctrl_c_ends_the_fit_and_the_thread(buffer_rows):
    facts = run(f"""
        X = np.random.default_rng(0).standard_normal((500, 10))
        closed = []
        def batches():
            try:
                for start in range(0, 500, 50):
                    time.sleep(0.0005)
                    yield X[start:start + 50], X[start:start + 50, 0]
            finally:
                closed.append(1)
        estimator = BackpropRegressor(
            (20,), tol=0.0, n_iter_no_change=np.inf, max_iter=ENDLESS, learning_rate_init=1e-5,
            random_state=0,
        )
        # once before, so that the time is that of epochs: imports may take a busy machine a second
        seconds(lambda: BackpropRegressor((20,), max_iter=1).fit_batches(batches))
        closed.clear()
        messages = interrupted(
            lambda: estimator.fit_batches(batches, buffer_rows={buffer_rows}), 1.0
        )
        alive = [one.name for one in threading.enumerate() if one.name == "fastbp reader"]
        facts(estimator, X, X[:, 0], messages=messages, alive=alive, n_closed=len(closed))
    """)
    assert facts["messages"] == ["Training interrupted by user."]
    assert facts["alive"] == []
    assert facts["n_iter"] > 0
    assert facts["n_losses"] == facts["n_iter"]
    assert facts["n_closed"] - facts["n_iter"] in (0, 1, 2)
    assert facts["finite"]
    assert facts["predicts"]
    assert facts["pickles"]


@pytest.mark.parametrize("has_thread", [True, False])
@pytest.mark.parametrize("nth", [1, 2, 4])
def test_ctrl_c_while_a_thread_is_started(nth, has_thread, monkeypatch):
    """The thread ends, though the call that has started it never returned."""
    start, starts = threading.Thread.start, []

    def interrupted_start(thread):
        starts.append(thread)
        if has_thread or len(starts) != nth:
            start(thread)
        if len(starts) == nth:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    monkeypatch.setattr(reader, "PATIENCE", HANGS if has_thread else 0.01)
    batches = Watched()
    model = small(BackpropRegressor, max_iter=9)
    if nth == 1:
        with pytest.raises(KeyboardInterrupt):
            model.fit_batches(batches, buffer_rows=32)
    else:
        with pytest.warns(UserWarning, match="interrupted"):
            model.fit_batches(batches, buffer_rows=32)
    assert len(starts) == nth
    assert not readers()
    assert batches.n_opened == batches.n_closed == nth - (not has_thread)


@pytest.mark.slow
def test_ctrl_c_before_the_first_epoch():
    """Nothing has been trained: KeyboardInterrupt, and the estimator as it was."""
    facts = run("""
        def batches():
            while True:
                time.sleep(0.01)
                yield np.ones((5, 2)), np.ones(5)
        estimator = BackpropRegressor((20,))
        try:
            interrupted(lambda: estimator.fit_batches(batches, buffer_rows=10**9), 0.4)
        except KeyboardInterrupt:
            raised = True
        alive = [one.name for one in threading.enumerate() if one.name == "fastbp reader"]
        unfitted = vars(estimator) == estimator.get_params()
        print(json.dumps({"raised": raised, "alive": alive, "unfitted": unfitted}))
    """)
    assert facts == {"raised": True, "alive": [], "unfitted": True}


@pytest.mark.slow
def test_ctrl_c_while_the_reader_is_waited_for():
    """The source blocks: the fit ends all the same, and the thread once the source returns."""
    facts = run("""
        X = np.random.default_rng(0).standard_normal((500, 10))
        blocks, calls = threading.Event(), []
        def batches():
            calls.append(1)
            yield X, X[:, 0]
            if len(calls) == 3:
                blocks.wait(60)
        from fastbp.training import reader
        reader.PATIENCE = 0.2
        estimator = BackpropRegressor((20,), max_iter=9, random_state=0)
        began = time.perf_counter()
        messages = interrupted(lambda: estimator.fit_batches(batches), 2.0)
        took = time.perf_counter() - began
        waiting = [one for one in threading.enumerate() if one.name == "fastbp reader"]
        blocks.set()
        for one in waiting:
            one.join(60)
        alive = any(one.is_alive() for one in waiting)
        facts(estimator, X, X[:, 0], messages=messages, took=took, n=len(waiting), alive=alive)
    """)
    assert facts["messages"] == ["Training interrupted by user."]
    assert facts["n_iter"] == 2
    assert facts["took"] < 30
    assert facts["n"] == 1
    assert not facts["alive"]


@pytest.mark.slow
def test_nothing_of_it_is_imported_with_the_package():
    facts = run(
        """
        import sys
        import fastbp
        names = ["fastbp.batches", "fastbp.training.streams", "fastbp.training.reader"]
        before = [name for name in names if name in sys.modules]
        fastbp.BatchError
        print(json.dumps({"before": before, "listed": "BatchError" in dir(fastbp)}))
        """,
        fresh=True,
    )
    assert facts == {"before": [], "listed": True}
