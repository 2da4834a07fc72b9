"""How long a prediction takes: one row, where only overhead counts, and many.

The same fitted network in fastbp and scikit-learn. Columns, from the outside to the inside:
scikit-learn's `predict`, fastbp's `predict` (both check X), `network_.forward` (checks X too,
without scikit-learn's machinery), and the compiled forward alone on samples that were checked
before, which is private: the floor under the others. Before a case is timed, all columns must
agree.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from instruments.timing import interleaved, seconds
from instruments.workloads import SEED, Shape
from rivals import FASTBP, SKLEARN

PREDICT = f"{FASTBP} predict"
TITLES = [f"{SKLEARN} predict", PREDICT, "network_.forward", "compiled forward"]
RTOL = {"float64": 1e-9, "float32": 1e-3}

# (trained shape, rows to predict)
CASES = [
    (Shape("1-10-1", 1_000, 1, (10,), 1, 32), 1),
    (Shape("64-100-10", 1_797, 64, (100,), 10, 200, output="softmax"), 1),
    (Shape("64-100-10", 1_797, 64, (100,), 10, 200, output="softmax"), 10_000),
]


@dataclass
class Prediction:
    """The result of a case: microseconds a call, by column."""

    shape: Shape
    n_rows: int
    dtype: str
    microseconds: dict

    @property
    def speedup_over_sklearn(self):
        return self.microseconds[TITLES[0]] / self.microseconds[PREDICT]


def measure_predictions(dtypes, n_rounds):
    return [measure(shape, n_rows, dtype, n_rounds) for shape, n_rows in CASES for dtype in dtypes]


def measure(shape, n_rows, dtype, n_rounds):
    calls = prediction_calls(shape, n_rows, dtype)
    for call in calls.values():
        call()
    expected = {title: seconds(call, repeats=10) for title, call in calls.items()}
    times = interleaved(calls, expected, n_rounds)
    return Prediction(shape, n_rows, dtype, {title: 1e6 * time for title, time in times.items()})


def prediction_calls(shape, n_rows, dtype):
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    from fastbp import BackpropClassifier, BackpropRegressor
    from fastbp._kernels import core
    from fastbp.inputs import kernel_samples

    X, y = shape.data(dtype)
    kinds = [MLPRegressor, BackpropRegressor]
    if not shape.is_regression:
        kinds = [MLPClassifier, BackpropClassifier]
    settings = {"hidden_layer_sizes": shape.hidden, "max_iter": 2, "random_state": SEED}
    theirs = kinds[0](**settings).fit(X, y)
    ours = kinds[1](**settings, n_threads=1).fit(X, y)
    rows = np.resize(X, (n_rows, X.shape[1]))
    network, outputs = ours.network_, np.empty((n_rows, shape.n_outputs), dtype)
    samples = kernel_samples(rows)
    forward = partial(core.forward, network._plan, network.params, samples, outputs)
    calls = dict(
        zip(
            TITLES,
            [
                partial(theirs.predict, rows),
                partial(ours.predict, rows),
                partial(network.forward, rows),
                forward,
            ],
            strict=True,
        )
    )
    check_agreement(shape, dtype, calls, outputs)
    return calls


def check_agreement(shape, dtype, calls, outputs):
    theirs, ours, forward = (calls[title]() for title in TITLES[:3])
    calls[TITLES[3]]()
    np.testing.assert_array_equal(forward, outputs)
    if shape.is_regression:
        np.testing.assert_allclose(ours, theirs, rtol=RTOL[dtype])
        np.testing.assert_array_equal(forward.ravel(), ours)
    else:
        # rounding may decide between two classes that are as likely
        assert np.mean(ours == theirs) > 0.999
        np.testing.assert_array_equal(forward.argmax(axis=1), ours)
