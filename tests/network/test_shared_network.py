"""One Network used by several Python threads at once, with a loss of the user's that raises."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastbp import Network

N_FEATURES = 300
N_ROWS = 10_000  # of a call whose backward pass takes some tenths of a second
WAIT = 60  # seconds, for what takes a fraction of one


class OwnError(Exception):
    pass


class FailsForSome:
    """The squared error; raises in threads that have asked for it."""

    def __init__(self):
        self.raised = threading.Event()
        self.local = threading.local()

    def check(self):
        if getattr(self.local, "fails", False):
            self.raised.set()
            raise OwnError(threading.get_ident())

    def loss(self, y, outputs):
        self.check()
        return ((outputs - y) ** 2).sum(axis=1) / 2

    def gradient(self, y, outputs):
        self.check()
        return outputs - y


def make_network(hidden):
    return Network([N_FEATURES, hidden, 1], loss=FailsForSome(), random_state=0)


def make_data(n_rows):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_rows, N_FEATURES)), rng.normal(size=n_rows)


CALLS = {
    "loss": lambda net, X, y: net.loss(X, y),
    "loss_gradient": lambda net, X, y: net.loss_gradient(X, y).flat,
    "per_sample_gradients": lambda net, X, y: net.per_sample_gradients(X, y).flat,
    "per_sample_gradient_norms": lambda net, X, y: net.per_sample_gradient_norms(X, y),
    "input_gradient": lambda net, X, y: net.input_gradient(X, y),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_does_not_see_an_error_of_another_thread(name):
    """The other thread's loss has raised, but its call still computes."""
    net = make_network(400)
    X, y = make_data(5)
    expected = CALLS[name](net, X, y)

    def fail():
        net.loss_name.local.fails = True
        net.loss_gradient(*make_data(N_ROWS))

    with ThreadPoolExecutor(1) as pool:
        failing = pool.submit(fail)
        assert net.loss_name.raised.wait(WAIT)
        time.sleep(0.01)  # for the exception to reach the compiled code
        found = CALLS[name](net, X, y)
        with pytest.raises(OwnError):
            failing.result()
    np.testing.assert_array_equal(found, expected)


def test_every_thread_gets_its_own_errors_only():
    net = make_network(3)
    X, y = make_data(20)
    expected = {name: call(net, X, y) for name, call in CALLS.items()}

    def work(fails):
        net.loss_name.local.fails = fails
        for _ in range(200):
            for name, call in CALLS.items():
                if fails:
                    with pytest.raises(OwnError) as caught:
                        call(net, X, y)
                    assert caught.value.args == (threading.get_ident(),)
                else:
                    np.testing.assert_array_equal(call(net, X, y), expected[name])

    with ThreadPoolExecutor(4) as pool:
        for result in [pool.submit(work, fails) for fails in (True, False, True, False)]:
            result.result()
