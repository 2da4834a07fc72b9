"""Ctrl-C inside a compiled call, however long one block of it takes.

A thread sends a signal every millisecond. Its handler runs in the midst of a call only where the
call looks for signals, which it does every 20 ms or so.
"""

import signal
import threading
import time

import numpy as np
import pytest
from internals import core, evaluator, trainer
from own_losses import LogCosh
from problems import CUT_SHORT
from scipy import sparse

from fastbp import BackpropRegressor, Network

pytestmark = CUT_SHORT

LOOKS = 4  # asked for in a call; one that looks at its end only has one or two


class Signals:
    """Sends a signal every millisecond, `delay` seconds after the start; as a context."""

    def __init__(self, handler, delay=0.001):
        self.handler, self.delay, self.ended = handler, delay, threading.Event()
        self.thread = threading.Thread(target=self._send, daemon=True)

    def _send(self):
        wait = self.delay
        while not self.ended.wait(wait):
            signal.raise_signal(signal.SIGINT)
            wait = 0.001

    def __enter__(self):
        self.before = signal.signal(signal.SIGINT, self.handler)
        self.thread.start()

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        signal.signal(signal.SIGINT, self.before)


def looks_in(call):
    """How often a call of compiled code ran the handler of signals."""
    n_looks = 0

    def count(*_):
        nonlocal n_looks
        n_looks += 1

    with Signals(count):
        time.sleep(0.01)
        n_looks = 0
        call()
        return n_looks


def network(*layer_sizes, **params):
    return Network(layer_sizes, activation="tanh", random_state=0, **params)


def jacobian_by_inputs(n_rows):
    net = network(50, 100, 400, output_activation="softmax", loss="log_loss")
    X = np.random.default_rng(0).normal(size=(n_rows, 50))
    return lambda: net.input_jacobian(X)


def jacobian_by_parameters(n_rows):
    net = network(50, 300, 20)
    X = np.random.default_rng(0).normal(size=(n_rows, 50))
    return lambda: net.jacobian(X)


def gradients_of_samples(n_rows):
    net = network(200, 1000, 2)
    X, y = np.random.default_rng(0).normal(size=(n_rows, 200)), np.zeros((n_rows, 2))
    return lambda: net.per_sample_gradients(X, y)


def outputs(n_rows):
    net = network(500, 2000, 2000, 2)
    X = np.random.default_rng(0).normal(size=(n_rows, 500))
    return lambda: net.forward(X)


def loss_of_a_user(n_rows):
    net = network(100, 500, 2, loss=LogCosh())
    X, y = np.random.default_rng(0).normal(size=(100 * n_rows, 100)), np.zeros((100 * n_rows, 2))
    evaluation, grad = evaluator(net, X, y), np.empty_like(net.params)
    return lambda: evaluation.evaluate(net.params, grad)


def epoch_of_one_batch(n_rows):
    net = network(500, 2000, 2000, 2)
    X, y = np.random.default_rng(0).normal(size=(n_rows, 500)), np.zeros((n_rows, 2))
    how = dict(optimizer="adam", learning_rate=1e-9, batch_size=n_rows, alpha=0.0, n_threads=1)
    run = trainer(net, X, y, **how)
    return lambda: run.train_epoch(np.arange(n_rows))


CALLS = [
    epoch_of_one_batch,
    gradients_of_samples,
    jacobian_by_inputs,
    jacobian_by_parameters,
    loss_of_a_user,
    outputs,
]


@pytest.mark.slow
@pytest.mark.parametrize("make", CALLS)
def test_one_block_is_interrupted(make):
    """256 rows, those of one block, or fewer where they take seconds, as in the debug build."""
    for n_rows in (64, 128, 256):
        call = make(n_rows)
        start = time.perf_counter()
        call()
        seconds = time.perf_counter() - start
        if seconds > 0.35:
            break
    # A call that takes less than 80 ms, on a fast machine, need not look so often. Pieces have 16
    # rows at least, and what comes in the last one is seen when the call is over.
    assert looks_in(call) >= min(LOOKS, int(seconds / 0.08), n_rows // 16 - 1)


@pytest.mark.slow
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    ("optimizer", "params"), [("sgd", {"momentum": 0.0}), ("adam", {}), ("rprop", {})]
)
def test_an_interrupted_epoch_has_taken_whole_steps(optimizer, params, n_threads):
    """Where plain steps move the parameters at once, too: all of a batch, or nothing of it."""
    rng = np.random.default_rng(0)
    n_rows, batch_size = 2000, 250
    X, y = rng.normal(size=(n_rows, 200)), rng.normal(size=(n_rows, 3))
    how = dict(optimizer=optimizer, learning_rate=1e-4, batch_size=batch_size, alpha=0.0, **params)
    order = rng.permutation(n_rows)
    net = network(200, 600, 3)
    start = net.params.copy()

    def after(n_steps):
        net.params = start
        run = trainer(net, X, y, n_threads=1, **how)
        run.train_epoch(order[: n_steps * batch_size])
        return net.params.copy()

    expected = [start, *map(after, range(1, n_rows // batch_size + 1))]

    def interrupt_once(*_):
        nonlocal is_due
        if is_due:
            is_due = False
            raise KeyboardInterrupt

    for delay in np.linspace(0.001, 0.06, 8):
        net.params = start
        run = trainer(net, X, y, n_threads=n_threads, **how)
        is_due = False
        with Signals(interrupt_once, delay), pytest.raises(KeyboardInterrupt):
            while True:
                net.params = start
                run = trainer(net, X, y, n_threads=n_threads, **how)
                is_due = True
                run.train_epoch(order)
                is_due = False
        np.testing.assert_array_equal(net.params, expected[int(run.n_steps)])


def is_flushed():
    """Whether the smallest number counts as zero in this thread."""
    return not (np.full(1, 5e-324) > 0)[0]


class Watching(LogCosh):
    """Notes whether denormal numbers are flushed while it runs."""

    seen = frozenset()

    def loss(self, y, outputs):
        self.seen |= {is_flushed()}
        return super().loss(y, outputs)

    def gradient(self, y, outputs):
        self.seen |= {is_flushed()}
        return super().gradient(y, outputs)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_users_loss_sees_denormal_numbers(solver):
    X, y = np.ones((20, 2)), np.ones(20)
    loss = Watching()
    BackpropRegressor((3,), solver=solver, loss=loss, max_iter=1).partial_fit(X, y)
    assert loss.seen == {False}


@pytest.mark.slow
def test_a_signal_handler_sees_denormal_numbers():
    seen, depth = set(), 0

    def handler(*_):
        if depth:
            seen.add(is_flushed())

    call = epoch_of_one_batch(256)
    with Signals(handler):
        while not seen:
            depth = 1
            call()
            depth = 0
    assert seen == {False}
    assert not is_flushed()


# --- what the kernels follow is their own ---------------------------------------------------------


def corrupt(X):
    X.indices[:] = 2**31 - 1
    X.indptr[1:-1] = 2**31 - 1


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("solver", ["sgd", "adam", "rprop"])
def test_indices_changed_during_a_fit_have_no_effect(solver, index_dtype):
    X = sparse.random(60, 9, 0.4, format="csr", random_state=0)
    X.indices, X.indptr = X.indices.astype(index_dtype), X.indptr.astype(index_dtype)
    y = np.arange(60.0) / 30

    def fitted(scoring):
        params = dict(solver=solver, max_iter=5, random_state=0, early_stopping=True)
        estimator = BackpropRegressor((4,), scoring=scoring, **params)
        return estimator.fit(X, y, X_val=np.ones((2, 9)), y_val=np.ones(2))

    def corrupt_at_every_epoch(*_):
        corrupt(X)
        return 0.0

    expected = fitted(lambda *_: 0.0)
    changing = fitted(corrupt_at_every_epoch)
    assert X.indices.max() > 9
    np.testing.assert_array_equal(changing.network_.params, expected.network_.params)
    with pytest.raises(ValueError, match="no valid CSR matrix"):
        changing.predict(X)


class Corrupting(LogCosh):
    """Changes what the kernels would follow in the midst of a call."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def loss(self, y, outputs):
        for array in self.arrays:
            array[:] = 2**31 - 1
        return super().loss(y, outputs)


def test_indices_changed_during_a_call_have_no_effect():
    X = sparse.random(60, 9, 0.4, format="csr", random_state=0)
    y = np.arange(60.0).reshape(-1, 1) / 30
    net = network(9, 4, 1, loss=LogCosh())
    expected = net.loss_gradient(X, y).flat
    changing = network(9, 4, 1, loss=Corrupting(X.indices))
    np.testing.assert_array_equal(changing.loss_gradient(X, y).flat, expected)


def test_labels_changed_during_a_call_have_no_effect():
    X, labels = np.random.default_rng(0).normal(size=(60, 9)), np.arange(60) % 3
    net = network(9, 4, 3, loss=LogCosh(), output_activation="softmax")
    expected = net.loss_gradient(X, labels).flat
    changing = network(9, 4, 3, loss=Corrupting(labels), output_activation="softmax")
    np.testing.assert_array_equal(changing.loss_gradient(X, labels).flat, expected)


@pytest.mark.parametrize(
    ("columns", "row_starts", "message"),
    [
        ([0, 3], [0, 1, 2], "column indices outside 0..2"),
        ([0, -1], [0, 1, 2], "column indices outside 0..2"),
        ([0, 1], [0, 3, 2], "CSR row 1 from entry 3 to 2"),
        ([0, 1], [-1, 1, 2], "CSR row 0 from entry -1 to 1"),
        ([0, 1], [0, 1, 3], "CSR arrays of different lengths"),
    ],
)
def test_the_core_takes_no_index_that_it_cannot_follow(columns, row_starts, message):
    """The checks of Python see the user's arrays; these see the copy that is followed."""
    columns, row_starts = np.array(columns, np.intc), np.array(row_starts, np.intp)
    with pytest.raises(ValueError, match=message):
        core.csr_samples(np.ones(2), columns, row_starts, 3)


@pytest.mark.parametrize("label", [-1, 3])
def test_the_core_takes_no_label_without_an_output(label):
    with pytest.raises(ValueError, match=r"labels outside 0\.\.2"):
        core.dense_samples(np.ones((2, 3)), None, np.array([0, label], np.intp), 3)
