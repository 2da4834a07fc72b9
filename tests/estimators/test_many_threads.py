"""Python threads that fit estimators of their own: each gets what it would get alone.

With the GIL they are inside compiled code together; without it, in the Python code around it as
well.
"""

import sys
import sysconfig
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from problems import CUT_SHORT
from sklearn.base import clone

from fastbp import BackpropClassifier, BackpropRegressor, load_model, save_model

pytestmark = CUT_SHORT

N_THREADS = 8
ROUNDS = 2

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
NUMBERS = np.sin(X[:, :2])
CLASSES = np.array(["ash", "oak", "yew"])[np.arange(60) % 3]


class SquaredError:
    """A user's loss: Python that the compiled code calls."""

    def loss(self, y, outputs):
        return ((outputs - y) ** 2).sum(axis=1) / 2

    def gradient(self, y, outputs):
        return outputs - y


FITS = [
    (BackpropRegressor((5,), max_iter=5, random_state=0), NUMBERS),
    (BackpropRegressor((5,), max_iter=5, random_state=1, dropout=0.2, n_threads=2), NUMBERS),
    (BackpropRegressor((3,), max_iter=3, random_state=2, loss=SquaredError()), NUMBERS),
    (BackpropRegressor((4,), solver="lbfgs", max_iter=5, random_state=3), NUMBERS),
    (BackpropRegressor((4,), solver="levenberg_marquardt", max_iter=3, random_state=4), NUMBERS),
    (BackpropClassifier((6,), max_iter=4, random_state=5, early_stopping=True), CLASSES),
    (BackpropClassifier((), solver="sgd", max_iter=4, random_state=6), CLASSES),
    (BackpropClassifier((5,), solver="rprop", max_iter=4, random_state=7), CLASSES),
]


def fit_all(first, folder):
    """The parameters and outputs of every fit, begun with number `first`."""
    results = {}
    for offset in range(len(FITS)):
        number = (first + offset) % len(FITS)
        estimator, y = FITS[number]
        estimator = clone(estimator).fit(X, y)
        if hasattr(estimator, "partial_fit") and not estimator.early_stopping:
            estimator.partial_fit(X, y)
        if not isinstance(estimator.loss, SquaredError):
            save_model(estimator, folder / f"{first}_{number}.npz")
            estimator = load_model(folder / f"{first}_{number}.npz")
        outputs = estimator.network_.forward(X)
        results[number] = estimator.network_.params.tobytes() + outputs.tobytes()
    return results


@pytest.mark.slow
def test_threads_with_estimators_of_their_own_do_not_meet(tmp_path):
    expected = fit_all(0, tmp_path)
    together = threading.Barrier(N_THREADS)

    def work(thread):
        together.wait(timeout=60)
        return [fit_all(thread * ROUNDS + round, tmp_path) for round in range(ROUNDS)]

    with ThreadPoolExecutor(N_THREADS) as pool:
        for results in pool.map(work, range(N_THREADS)):
            for result in results:
                assert result == expected


def test_an_import_leaves_the_gil_off():
    """In a Python without it; a module that does not declare that it needs none would enable it."""
    without = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    assert not without or not sys._is_gil_enabled()
