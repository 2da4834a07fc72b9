"""How long a prediction takes: of one row, where only overhead counts, and of many.

    python benchmarks/predictions.py      # a few seconds; Markdown to stdout

The same fitted network in fastbp and scikit-learn. The columns, from the outside to the inside:
scikit-learn's `predict`; fastbp's `predict` (both check X); `network_.forward`, which checks X
without scikit-learn's machinery; and the compiled forward pass alone, on an X checked in advance.
The last one is private: it shows what the others cannot beat. Before a case is timed, all columns
must agree.

The second table: 100,000 rows, with as many threads as the machine has cores. PyTorch predicts with
the same weights. The default of fastbp is as many threads as are worthwhile.
"""

import warnings
from copy import copy
from dataclasses import dataclass
from functools import partial

import joblib
import numpy as np
from instruments.columns import FASTBP, FASTBP_ALONE, PYTORCH, SKLEARN
from instruments.internals import compiled_forward
from instruments.tables import markdown_table, ratio, significant, time_cells
from instruments.timing import interleaved, seconds
from instruments.workloads import SEED, Shape
from rivals import RIVALS
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

PREDICT = f"{FASTBP} predict"
TITLES = [f"{SKLEARN} predict", PREDICT, "network_.forward", "compiled forward"]
RTOL = {"float64": 1e-9, "float32": 1e-3}

# (shape to train, rows to predict)
CASES = [
    (Shape("1-10-1", 1_000, 1, (10,), 1, 32), 1),
    (Shape("64-100-10", 1_797, 64, (100,), 10, 200, output="softmax"), 1),
    (Shape("64-100-10", 1_797, 64, (100,), 10, 200, output="softmax"), 10_000),
]


@dataclass
class Prediction:
    """The result of a case: microseconds a call, by title of the column."""

    shape: Shape
    n_rows: int
    dtype: str
    microseconds: dict

    @property
    def speedup_over_sklearn(self):
        return self.microseconds[TITLES[0]] / self.microseconds[PREDICT]


def report(dtypes=("float64", "float32"), n_rounds=5):
    """A table of all cases, as Markdown."""
    header = ["net", "rows", "dtype", *TITLES, f"{SKLEARN} / {FASTBP}"]
    predictions = [
        measure(shape, n_rows, dtype, n_rounds) for shape, n_rows in CASES for dtype in dtypes
    ]
    lines = [
        [
            prediction.shape.name,
            str(prediction.n_rows),
            prediction.dtype,
            *time_cells(prediction.microseconds, TITLES, PREDICT),
            f"{significant(prediction.speedup_over_sklearn)}x",
        ]
        for prediction in predictions
    ]
    table = markdown_table(header, lines, n_left=3)
    return f"**Predictions**, microseconds a call.\n\n{table}"


def measure(shape, n_rows, dtype, n_rounds):
    calls = prediction_calls(shape, n_rows, dtype)
    for call in calls.values():
        call()
    expected = {title: seconds(call, repeats=10) for title, call in calls.items()}
    times = interleaved(calls, expected, n_rounds)
    return Prediction(shape, n_rows, dtype, {title: 1e6 * time for title, time in times.items()})


def fitted(shape, dtype):
    """(scikit-learn's estimator, fastbp's, X): both trained for two epochs."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    from fastbp import BackpropClassifier, BackpropRegressor

    X, y = shape.data(dtype)
    kinds = [MLPRegressor, BackpropRegressor]
    if not shape.is_regression:
        kinds = [MLPClassifier, BackpropClassifier]
    settings = {"hidden_layer_sizes": shape.hidden, "max_iter": 2, "random_state": SEED}
    theirs = kinds[0](**settings).fit(X, y)
    return theirs, kinds[1](**settings, n_threads=1).fit(X, y), X


def prediction_calls(shape, n_rows, dtype):
    theirs, ours, X = fitted(shape, dtype)
    rows = np.resize(X, (n_rows, X.shape[1]))
    forward, outputs = compiled_forward(ours.network_, rows)
    calls = [
        partial(theirs.predict, rows),
        partial(ours.predict, rows),
        partial(ours.network_.forward, rows),
        forward,
    ]
    check_agreement(shape, dtype, calls, outputs)
    return dict(zip(TITLES, calls, strict=True))


# --- all threads

ALL_THREADS = [
    (Shape("30-64-32-1", 2_000, 30, (64, 32), 1, 200), 100_000),
    (Shape("64-100-10", 1_797, 64, (100,), 10, 200, output="softmax"), 100_000),
]


def report_of_all_threads(dtypes=("float64", "float32"), n_rounds=5):
    """A table of predictions with all threads, as Markdown."""
    n_threads = joblib.cpu_count()
    with threadpool_limits(limits=n_threads):
        rows = [
            (shape, n_rows, dtype, milliseconds_of_all(shape, n_rows, dtype, n_rounds, n_threads))
            for shape, n_rows in ALL_THREADS
            for dtype in dtypes
        ]
    titles = list(rows[0][-1])
    header = ["net", "rows", "dtype", *titles, f"best rival / {FASTBP}", "1 thread / default"]
    lines = []
    for shape, n_rows, dtype, times in rows:
        best = min((title for title in times if title in (SKLEARN, PYTORCH)), key=times.get)
        ratios = ratio(times, best, FASTBP), ratio(times, FASTBP_ALONE, FASTBP)
        cells = time_cells(times, titles, FASTBP)
        lines.append([shape.name, str(n_rows), dtype, *cells, *ratios])
    return (
        f"**Predictions with all threads** ({n_threads}), milliseconds a call of `predict`.\n\n"
        + markdown_table(header, lines, n_left=3)
    )


def milliseconds_of_all(shape, n_rows, dtype, n_rounds, n_threads):
    theirs, ours, X = fitted(shape, dtype)
    rows = np.resize(X, (n_rows, X.shape[1]))
    alone = copy(ours).set_params(n_threads=1)
    calls = {SKLEARN: partial(theirs.predict, rows)}
    if RIVALS[PYTORCH].is_installed:
        calls[PYTORCH] = torch_predict(theirs, shape, rows, n_threads)
    calls[FASTBP_ALONE] = partial(alone.predict, rows)
    calls[FASTBP] = partial(ours.set_params(n_threads=None).predict, rows)
    results = {title: call() for title, call in calls.items()}
    np.testing.assert_array_equal(results[FASTBP], results[FASTBP_ALONE])
    for result in results.values():
        check_predictions(shape, dtype, result, results[SKLEARN])
    expected = {title: seconds(call, repeats=2) for title, call in calls.items()}
    times = interleaved(calls, expected, n_rounds)
    return {title: 1e3 * time for title, time in times.items()}


def torch_predict(theirs, shape, X, n_threads):
    import torch
    from rivals.torch_mlp import model_of

    torch.set_num_threads(n_threads)
    model, inputs = model_of(shape, theirs.coefs_, theirs.intercepts_), torch.from_numpy(X)

    def predict():
        with torch.inference_mode():
            outputs = model(inputs)
            return (outputs.ravel() if shape.is_regression else outputs.argmax(dim=1)).numpy()

    return predict


def check_agreement(shape, dtype, calls, outputs):
    theirs, ours, forward, _ = (call() for call in calls)
    np.testing.assert_array_equal(forward, outputs)
    check_predictions(shape, dtype, ours, theirs)
    classes = forward.ravel() if shape.is_regression else forward.argmax(axis=1)
    np.testing.assert_array_equal(classes, ours)


def check_predictions(shape, dtype, ours, theirs):
    if shape.is_regression:
        np.testing.assert_allclose(ours, theirs, rtol=RTOL[dtype], atol=RTOL[dtype])
    else:
        # rounding may decide between two classes that are equally likely
        assert np.mean(ours == theirs) > 0.999


if __name__ == "__main__":
    import sklearn.neural_network  # noqa: F401 - threadpoolctl limits only what is loaded

    # two epochs do not converge, and need not
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(limits=1):
        print(report())
    print()
    print(report_of_all_threads())
