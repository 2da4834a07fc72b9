"""Python in processes of its own: scripts that print facts, and forked children."""

import json
import multiprocessing
import subprocess
import sys
import textwrap
import warnings

import pytest

TIMEOUT = 120  # seconds, for runs that end within a few

PREAMBLE = """
import json, pickle, signal, threading, time, warnings
import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from fastbp import BackpropClassifier, BackpropRegressor, Network

# as at a terminal: a gate that runs in the background has SIGINT ignored, and so have its children
signal.signal(signal.SIGINT, signal.default_int_handler)

ENDLESS = 10**9

def interrupted(action, after):
    # Ctrl-C in so many seconds; the messages of the warnings that action gave
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        timer = threading.Timer(after, signal.raise_signal, [signal.SIGINT])
        timer.start()
        action()
        timer.join()
    return [str(warning.message) for warning in caught]

def seconds(action):
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        action()
    return time.perf_counter() - start

def facts(estimator, X, y, **more):
    prediction = estimator.predict(X[:20])
    again = pickle.loads(pickle.dumps(estimator))
    print(json.dumps({
        "n_iter": estimator.n_iter_,
        "n_losses": len(estimator.loss_curve_),
        "t": estimator.t_,
        "finite": bool(np.isfinite(estimator.network_.params).all()),
        "predicts": bool(np.isfinite(prediction).all()),
        "pickles": bool((again.predict(X[:20]) == prediction).all()),
        **more,
    }))
"""


def run(script):
    """The facts that a script prints last."""
    return run_each(script, [{}])[-1]


def run_each(script, cases):
    """What a script prints for each case, a dict whose values are put in place of its names in {}.

    All in one process, since most of the time goes to starting it.
    """
    script = textwrap.dedent(script)
    scripts = [script.format(**case) if case else script for case in cases]
    process = subprocess.run(
        [sys.executable, "-c", "\n".join([PREAMBLE, *scripts])],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


def assert_usable(facts):
    assert facts["messages"] == ["Training interrupted by user."]
    assert facts["finite"] and facts["predicts"] and facts["pickles"]


# --- forked children ---

CAN_FORK = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
HANGS = 60  # seconds, for what takes a fraction of one


def in_forked_child(function):
    """What a function returns in a child of this process, which must not hang."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(function()))
    with warnings.catch_warnings():
        # Python 3.12 knows of threads of other libraries, which the child does without.
        warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
        child.start()
    sender.close()
    try:
        assert receiver.poll(HANGS), "the child hangs"
        return receiver.recv()
    finally:
        child.kill()
        child.join()
