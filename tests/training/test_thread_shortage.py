"""Threads that the system refuses: an error where a number was asked for, else one thread.

The system is made to refuse by a limit on memory, which leaves no room for stacks. The limit is
that of a process, so each case runs in one of its own.
"""

import subprocess
import sys

import pytest

from fastbp import BackpropClassifier, BackpropRegressor, _kernels

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")

WAIT = 120  # seconds, for what takes a few

# The memory in use is that of warm caches: a first fit loads libraries.
SCRIPT = """
import resource
import warnings

import numpy as np

from fastbp import BackpropClassifier, BackpropRegressor
from fastbp import threads

warnings.simplefilter("ignore")
threads.allowed = lambda: 3
threads.LEAST_STEP = threads.LEAST_CALL = 1
assert threads.choose_n_threads(None, 100, 100) == 3
threads.blas_threads(1).__enter__()  # BLAS has its threads, or none, from here on

rng = np.random.default_rng(0)
X = rng.normal(size=(90, 6))
y = X[:, :3].argmax(axis=1)


def fit(n_threads):
    return {cls}(
        (4,), solver="{solver}", batch_size=30, max_iter=3, random_state=0, n_threads=n_threads,
        **{params},
    ).fit(X, y)


alone = fit(1)  # no team before the limit: the C library keeps its stacks
with open("/proc/self/statm") as file:
    in_use = int(file.read().split()[0]) * resource.getpagesize()
limits = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (in_use + 2**21, limits[1]))  # less than a stack
try:
    fit(3)
except RuntimeError as error:
    message = str(error)
else:
    message = "no error"
short = fit(None)
resource.setrlimit(resource.RLIMIT_AS, limits)
assert message == "2 more threads cannot be started; set n_threads=1", message
assert np.array_equal(short.network_.params, alone.network_.params)
assert short.loss_curve_ == alone.loss_curve_
"""


def run_alone(script):
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("solver", [*_kernels.core.OPTIMIZERS, "lbfgs"])
@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_none_falls_back_to_one_thread(cls, solver):
    """With the numbers of n_threads=1."""
    params = {"dropout": 0.3} if cls is BackpropRegressor else {}
    run_alone(SCRIPT.format(cls=cls.__name__, solver=solver, params=params))


def test_plain_sgd_falls_back_to_one_thread():
    """One thread takes the short way, where the products subtract the gradient."""
    params = {"momentum": 0.0, "alpha": 0.0}
    run_alone(SCRIPT.format(cls="BackpropRegressor", solver="sgd", params=params))
