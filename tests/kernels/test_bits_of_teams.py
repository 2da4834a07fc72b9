"""The number of threads has no effect on a single bit, however late any of them is.

Each result of one thread is compared with those of 2, 3 and 8, on time and with delays injected
wherever a thread can wait or be late (set_delays).
"""

import numpy as np
import pytest
from covering import covering, name_of
from internals import ACTIVATIONS, BUILDS, DTYPES, OPTIMIZERS
from problems import CUT_SHORT
from scipy import sparse

from fastbp import BackpropClassifier, BackpropRegressor, Network, _kernels
from fastbp.data import kernel_samples

pytestmark = CUT_SHORT

TEAMS = 2, 3, 8
DELAYS = [0, 7]  # seeds; 0: none

# What a step may be made of, (parameters, whether samples have weights).
STEPS = {
    "plain": (dict(momentum=0.0, alpha=0.0), True),
    "plain with masks": (dict(momentum=0.0, alpha=0.0, dropout=0.2), False),
    "default": ({}, True),
    "clipped": (dict(dropout=0.3, input_dropout=0.2, max_grad_norm=0.1), False),
    "penalties": (dict(alpha=0.1, l1_ratio=0.5, weight_decay=0.1), False),
    "no intercepts": (dict(fit_intercept=False, max_grad_norm=1e-3), True),
    "smoothed": (dict(early_stopping=True, label_smoothing=0.1), False),
}
# Widths around those of vectors and of pieces, one unit, and two layers.
HIDDEN = [(9, 5), (40, 33), (100,), (1,), (200, 3)]
BATCHES = [1, 3, 13, 46, 300]


def pairs(**factors):
    """Parametrise a test with cases that show any two values together; all would be millions.

    Those with a value that is new in the list are not marked `grid`.
    """
    params, seen = [], set()
    for case in covering(**factors):
        new = set(case.items()) - seen
        seen |= new
        name = "-".join(map(name_of, case.values()))
        marks = [] if new else [pytest.mark.grid]
        params.append(pytest.param(*case.values(), id=name, marks=marks))
    return pytest.mark.parametrize(tuple(factors), params, indirect=["build"])


def bits_of(estimator):
    validation = estimator.validation_scores_, estimator.validation_loss_curve_
    return estimator.network_.params.tobytes(), estimator.loss_curve_, *validation


@pairs(
    build=BUILDS,
    delay=DELAYS,
    solver=[*OPTIMIZERS, "lbfgs"],
    dtype=DTYPES,
    step=list(STEPS),
    hidden=HIDDEN,
    batch_size=BATCHES,
    is_sparse=[False, True],
    activation=ACTIVATIONS,
    task=["classes", "two classes", "values", "two values"],
    front=[None, "scale", "periodic"],
)
def test_training(
    build, delay, solver, dtype, step, hidden, batch_size, is_sparse, activation, task, front
):
    rng = np.random.default_rng(0)
    n_samples = 53 if batch_size < 300 else 330
    X = 0.3 * rng.normal(size=(n_samples, 37)) * (rng.random((n_samples, 37)) < 0.6)
    cls = BackpropClassifier if "classes" in task else BackpropRegressor
    y = {
        "classes": X[:, :3].argmax(axis=1),
        "two classes": (X[:, 0] > 0).astype(int),
        "values": np.sin(X[:, 0]),
        "two values": np.sin(X[:, :2]),
    }[task]
    params, weighted = STEPS[step]
    if cls is BackpropRegressor:
        params = {name: value for name, value in params.items() if name != "label_smoothing"}
    if solver == "lbfgs":
        params = {"alpha": params.get("alpha", 1e-4), "l1_ratio": params.get("l1_ratio", 0.0)}
    weights = rng.uniform(0.5, 2, n_samples) * (rng.random(n_samples) < 0.6) if weighted else None
    inputs = sparse.csr_matrix(X.astype(dtype)) if is_sparse else X.astype(dtype)

    def bits(n_threads):
        estimator = cls(
            hidden,
            activation=activation,
            solver=solver,
            batch_size=min(batch_size, 47),
            max_iter=2,
            learning_rate_init=0.01,
            random_state=0,
            n_threads=n_threads,
            front=None if is_sparse else front,
            **params,
        )
        return bits_of(estimator.fit(inputs, y, sample_weight=weights))

    alone = bits(1)
    _kernels.core.set_delays(delay)
    try:
        for n_threads in TEAMS:
            assert bits(n_threads) == alone, n_threads
    finally:
        _kernels.core.set_delays(0)


class OwnLoss:
    def loss(self, y, p):
        return ((p - y) ** 2).sum(axis=1)

    def gradient(self, y, p):
        return 2 * (p - y)


OBJECTIVES = [
    ("squared_error", "identity"),
    ("log_loss", "softmax"),
    ("log_loss", "logistic"),
    ("poisson", "exp"),
    ("gamma", "logistic"),
    ("huber", "increasing"),
    (OwnLoss, "softmax"),
]
# One output; one input, unit and output; several blocks; more parameters than a chunk of norms.
LAYERS = [(5, 1), (1, 1, 1), (37, 50, 3), (20, 300, 40, 2), (300, 300, 10), (9, 1, 4)]


@pairs(
    build=BUILDS,
    delay=DELAYS,
    dtype=DTYPES,
    layer_sizes=LAYERS,
    n_samples=[1, 3, 17, 700],
    objective=OBJECTIVES,
    is_sparse=[False, True],
    activation=ACTIVATIONS,
    factors=[(0.0, 0.0), (0.1, 0.0), (0.1, 0.2)],
    front=[None, "scale", "periodic"],
)
def test_compiled_calls(
    build, delay, dtype, layer_sizes, n_samples, objective, is_sparse, activation, factors, front
):
    core = _kernels.core  # of the build
    rng = np.random.default_rng(0)
    loss, output = objective
    n_inputs, n_outputs = layer_sizes[0], layer_sizes[-1]
    if output in ("softmax", "increasing") and n_outputs == 1:
        loss, output = "squared_error", "exp"
    net = Network(
        layer_sizes,
        activation=activation,
        output_activation=output,
        loss=loss() if loss is OwnLoss else loss,
        front=None if is_sparse else front,
        n_periodic=min(n_inputs, 40),
        dtype=dtype,
        random_state=0,
    )
    X = rng.normal(size=(n_samples, n_inputs)) * (rng.random((n_samples, n_inputs)) < 0.5)
    y = rng.uniform(0.1, 1, (n_samples, n_outputs))
    y = (y / y.sum(axis=1, keepdims=True)).astype(dtype)
    X = sparse.csr_matrix(X.astype(dtype)) if is_sparse else X.astype(dtype)
    samples = net._samples(X, y, rng.random(n_samples).astype(dtype))
    few = net._samples(X[:17], y[:17], None)  # whose gradients are large
    inputs = kernel_samples(X)

    def empty(*shape):
        return np.empty(shape, dtype)

    def results(n_threads):
        grad, outputs = empty(net.n_params), empty(n_samples * n_outputs)
        both = core.Evaluator(net._plan, samples, *factors, n_threads=n_threads)
        loss_only = core.Evaluator(
            net._plan, samples, *factors, gradient=False, n_threads=n_threads
        )
        losses = [both.evaluate(net.params, grad, outputs), loss_only.evaluate(net.params)]
        hidden = empty(n_samples * sum(layer_sizes[1:-1]))
        forward = empty(n_samples, n_outputs)
        core.forward(net._plan, net.params, inputs, forward, hidden, n_threads)
        each = empty(len(few), net.n_params)
        core.per_sample_gradients(net._plan, net.params, few, each, n_threads)
        norms = np.empty(n_samples)
        core.per_sample_square_norms(net._plan, net.params, samples, norms, n_threads)
        by_inputs = empty(n_samples, n_inputs)
        core.input_gradients(net._plan, net.params, samples, by_inputs, n_threads)
        jacobian = empty(n_samples * n_outputs, n_inputs)
        core.output_jacobian(
            net._plan, net.params, inputs, forward, by_inputs=jacobian, n_threads=n_threads
        )
        arrays = grad, outputs, hidden, forward, each, norms, by_inputs, jacobian
        return [np.float64(losses).tobytes(), *(array.tobytes() for array in arrays)]

    alone = results(1)
    core.set_delays(delay)
    try:
        for n_threads in TEAMS:
            assert results(n_threads) == alone, n_threads
    finally:
        core.set_delays(0)
