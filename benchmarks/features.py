"""What each feature adds to a step, and how fast two full-batch solvers are beside others.

    python benchmarks/features.py      # about two minutes; Markdown to stdout

The first table: whole fits of the digits shape, plain and with one feature at a time, in turn. The
ratio is the median, over the rounds, of the ratio within a round. fastbp's own bound is 1.15.
Validation evaluates an eighth more samples than are trained on, whose forward pass alone takes a
third of that eighth.

The second: an epoch of iRprop- beside FANN's own Rprop (fann_train_epoch), in float32, which FANN
computes in, with one thread. Their first steps differ, so the losses are not compared; a test
compares fastbp's with the plain equations.

The third: Levenberg-Marquardt beside MINPACK's, scipy.optimize.least_squares(method="lm"), from
the same start, with the same compiled residuals and Jacobian: the time until each stops. They may
stop in different minima, so the table shows the sums of squares too.
"""

import sys
import warnings
from statistics import median
from time import perf_counter

import numpy as np
import scipy.optimize
from instruments.columns import FANN
from instruments.tables import markdown_table
from instruments.timing import seconds
from instruments.workloads import find_shape
from rivals import RIVALS, fann
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from fastbp import BackpropClassifier, BackpropRegressor

ROUNDS, EPOCHS, SHORTEST_TURN = 15, 8, 0.02
FEATURES = {
    "plain": {},
    "dropout=0.5": {"dropout": 0.5},
    "input_dropout=0.2": {"input_dropout": 0.2},
    "weight_decay=0.01": {"weight_decay": 0.01},
    "l1_ratio=0.5": {"l1_ratio": 0.5},
    "max_grad_norm=1": {"max_grad_norm": 1.0},
    "label_smoothing=0.1": {"label_smoothing": 0.1},
    "class_weight='balanced'": {"class_weight": "balanced"},
    "learning_rate='one_cycle'": {"learning_rate": "one_cycle"},
    "learning_rate='cosine', warm-up": {"learning_rate": "cosine", "warmup_epochs": 2},
    "X_val of an eighth": {"X_val": True},
}
RPROP_SHAPES = [(4062, (125, 32, 2)), (4000, (32, 64, 1)), (1000, (14, 16, 3))]


def feature_table(dtype):
    X, y = find_shape("digits").data(dtype)
    n_val = len(X) // 8
    held_out = {"X_val": X[:n_val], "y_val": y[:n_val]}

    def fit(params):
        params = dict(params)
        extra = held_out if params.pop("X_val", False) else {}
        BackpropClassifier(
            (100,),
            max_iter=EPOCHS,
            n_iter_no_change=np.inf,
            random_state=0,
            n_threads=1,
            **params,
        ).fit(X, y, **extra)

    times = {name: [] for name in FEATURES}
    for _ in range(ROUNDS):
        for name, params in FEATURES.items():
            times[name].append(duration(lambda params=params: fit(params)))
    n_steps = EPOCHS * -(-len(X) // 200)
    return [
        [
            name,
            dtype,
            f"{1e6 * median(times[name]) / n_steps:.0f}",
            f"{median(a / b for a, b in zip(times[name], times['plain'], strict=True)):.2f}",
        ]
        for name in FEATURES
    ]


def duration(call):
    """Seconds of a call, repeated for SHORTEST_TURN so that the clock's noise does not show."""
    start, n = perf_counter(), 0
    while perf_counter() - start < SHORTEST_TURN:
        call()
        n += 1
    return (perf_counter() - start) / n


def rprop_row(n_samples, sizes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, sizes[0])).astype(np.float32)
    targets = (1 / (1 + np.exp(-X[:, : sizes[-1]]))).astype(np.float32)
    train_fann = fann_rprop(sizes, X, targets)
    net = BackpropRegressor(
        sizes[1:-1],
        activation="logistic",
        output_activation="logistic",
        solver="rprop",
        max_iter=EPOCHS,
        alpha=0,
        learning_rate_init=0.1,
        n_iter_no_change=np.inf,
        n_threads=1,
        random_state=0,
    )
    pairs = [
        (duration(train_fann), duration(lambda: net.fit(X, targets)) / EPOCHS)
        for _ in range(ROUNDS)
    ]
    theirs, ours = (1e6 * median(times) for times in zip(*pairs, strict=True))
    name = f"{'-'.join(map(str, sizes))}, {n_samples} samples"
    return [name, f"{theirs:.0f}", f"{ours:.0f}", f"{median(a / b for a, b in pairs):.1f}x"]


def fann_rprop(sizes, X, targets):
    """Returns a function that trains a net of FANN's for one epoch."""
    net, data = fann.make_net(sizes), fann.make_data(X, targets)
    fann.set_training_algorithm(net, fann.FANN_TRAIN_RPROP)
    return lambda: fann.library().fann_train_epoch(net, data)


def levenberg_marquardt_row(hidden):
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), scale(y)
    net = BackpropRegressor(
        hidden,
        activation="tanh",
        solver="levenberg_marquardt",
        alpha=0,
        max_iter=1000,
        tol=1e-7,
        random_state=0,
    )
    start = net.initialize(X, y).network_

    def ours():
        return 2 * net.fit(X, y).loss_ * len(X)

    def theirs():
        def set_params(params):
            start.params = params
            return start

        found = scipy.optimize.least_squares(
            lambda params: set_params(params).forward(X)[:, 0] - y,
            first,
            jac=lambda params: set_params(params).jacobian(X)[:, 0],
            method="lm",
            gtol=1e-7,
        )
        return 2 * found.cost

    first = start.params.copy()
    sums = ours(), theirs()
    pairs = [(seconds(theirs), seconds(ours)) for _ in range(5)]
    their_time, our_time = (1e3 * median(times) for times in zip(*pairs, strict=True))
    name = f"10-{'-'.join(map(str, hidden))}-1, {len(first)} parameters"
    return [
        name,
        f"{sums[1]:.6g}",
        f"{sums[0]:.6g}",
        f"{their_time:.1f}",
        f"{our_time:.1f}",
        f"{median(a / b for a, b in pairs):.1f}x",
    ]


def main():
    warnings.simplefilter("ignore")  # so few epochs do not converge
    print("**What a feature costs**: microseconds a step of the digits shape (Adam, relu).\n")
    rows = [row for dtype in ("float64", "float32") for row in feature_table(dtype)]
    print(markdown_table(["feature", "dtype", "us/step", "plain = 1"], rows, n_left=2))
    if RIVALS[FANN].is_installed:
        print("\n**iRprop-**: microseconds an epoch, float32, one thread.\n")
        rows = [rprop_row(*shape) for shape in RPROP_SHAPES]
        print(markdown_table(["net", "FANN", "fastbp", "FANN / fastbp"], rows, n_left=1))
    else:
        print("FANN (libfann2) is not installed", file=sys.stderr)
    print(
        "\n**Levenberg-Marquardt**: milliseconds until the minimum, diabetes, tanh, no penalty.\n"
    )
    rows = [levenberg_marquardt_row(hidden) for hidden in [(2,), (5,)]]
    header = ["net", "SciPy's squares", "fastbp's", "SciPy", "fastbp", "SciPy / fastbp"]
    print(markdown_table(header, rows, n_left=1))


if __name__ == "__main__":
    main()
