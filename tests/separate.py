"""Python in processes of its own: scripts that print facts, and forked children."""

import io
import json
import multiprocessing
import subprocess
import sys
import textwrap
import traceback
import warnings
from contextlib import redirect_stdout

import pytest

HAS_FORK = "fork" in multiprocessing.get_all_start_methods()
HANGS = 120  # seconds, for what takes a few

PREAMBLE = """
import json, pickle, signal, threading, time, warnings
import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from fastbp import BackpropClassifier, BackpropRegressor, Network
from fastbp.training import lbfgs, stochastic
from fastbp.training.run import Run

# as at a terminal: a gate that runs in the background has SIGINT ignored, and so have its children
signal.signal(signal.SIGINT, signal.default_int_handler)

ENDLESS = 10**9

def interrupted(action, after, event=None):
    # Ctrl-C in so many seconds, from now or once an event is set; the messages of the warnings that
    # action gave
    def interrupt():
        if event is None or event.wait(60):
            time.sleep(after)
            signal.raise_signal(signal.SIGINT)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = threading.Thread(target=interrupt)
        thread.start()
        action()
        thread.join()
    return [str(warning.message) for warning in caught]

def call_of(owner, name):
    # the event that a function is called, for the first time
    function, event = getattr(owner, name), threading.Event()

    def call(*arguments):
        setattr(owner, name, function)
        event.set()
        return function(*arguments)

    setattr(owner, name, call)
    return event

def begun(solver):
    # the event that the first compiled call of a fit begins
    if solver == "lbfgs":
        return call_of(lbfgs._Objective, "loss")
    return call_of(stochastic, "_train_rows")

def trained(n_epochs=1, n_runs=1):
    # the event that so many runs, one unless members of an ensemble, have ended so many epochs or
    # iterations
    end_epoch, counts, event = Run.end_epoch, {}, threading.Event()

    def end_epoch_and_count(run):
        end_epoch(run)
        counts[id(run)] = counts.get(id(run), 0) + 1
        if sum(count >= n_epochs for count in counts.values()) >= n_runs:
            Run.end_epoch = end_epoch
            event.set()

    Run.end_epoch = end_epoch_and_count
    return event

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


def run(script, fresh=False):
    """The facts that a script prints last."""
    return run_all([textwrap.dedent(script)], fresh)[-1]


def run_each(script, cases, fresh=False):
    """What a script prints for each case: a dict, whose values replace its names in {}."""
    script = textwrap.dedent(script)
    return run_all([script.format(**case) for case in cases], fresh)


def run_all(scripts, fresh=False):
    """What scripts print, one after the other in one process.

    That is a forked child, as Python with its imports takes a second or two to start; with fresh,
    or where there is no fork, a new process.
    """
    code = "\n".join([PREAMBLE, *scripts])
    if fresh or not HAS_FORK:
        command = [sys.executable, "-c", code]
        process = subprocess.run(command, capture_output=True, text=True, timeout=HANGS)
        assert process.returncode == 0, process.stderr
        printed = process.stdout
    else:
        printed = in_forked_child(lambda: output_of(code))
    return [json.loads(line) for line in printed.splitlines()]


def output_of(code):
    """What the code prints, and the traceback if it fails."""
    with redirect_stdout(io.StringIO()) as printed:
        try:
            exec(code, {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc(file=sys.stdout)
    return printed.getvalue()


def assert_usable(facts):
    assert facts["messages"] == ["Training interrupted by user."]
    assert facts["finite"] and facts["predicts"] and facts["pickles"]


# --- forked children ---

CAN_FORK = pytest.mark.skipif(not HAS_FORK, reason="no fork on this system")


def in_forked_child(function):
    """What a function returns in a forked child, which must not hang."""
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
