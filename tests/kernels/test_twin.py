"""Every objective in the compiled core against the NumPy twin."""

import itertools

import numpy as np
import pytest
from agreement import assert_agrees, random_problem, random_weights
from internals import DTYPES, PAIRS, core
from scipy import sparse


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("activation", core.ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_combination_agrees_with_the_twin(build, dtype, activation, pair):
    rng = np.random.default_rng(0)
    grid = itertools.product(range(4), (True, False), (True, False), (True, False))
    for depth, fit_intercept, weighted, is_sparse in grid:
        layer_sizes = [11, 17, 9, 5][: depth + 1] + [3]
        net, twin, X, y = random_problem(
            rng,
            layer_sizes,
            37,
            *pair,
            dtype=dtype,
            density=0.3 if is_sparse else 1.0,
            activation=activation,
            fit_intercept=fit_intercept,
            loss_scale=rng.choice([1.0, 2.0, 0.3]),
            reduction=rng.choice(["mean", "sum"]),
            l2=rng.choice([0.0, 0.01, 1.0]),
        )
        sample_weight = random_weights(rng, len(X), dtype) if weighted else None
        what = f"{net!r}, weighted={weighted}, sparse={is_sparse}"
        inputs = sparse.csr_matrix(X) if is_sparse else X
        assert_agrees(net, twin, inputs, y, sample_weight, what, dense_X=X)


SMOOTHED_PAIRS = list(itertools.product(("logistic", "softmax"), ("log_loss", "squared_error")))
SETTINGS = [
    *((pair, {"l1": l1}) for pair in PAIRS for l1 in (0.01, 1.0)),
    *((pair, {"label_smoothing": e}) for pair in SMOOTHED_PAIRS for e in (0.1, 0.9)),
    *(((output, "huber"), {"huber_delta": d}) for output in core.OUTPUTS for d in (0.05, 0.5)),
    *(
        ((output, "quantile"), {"quantile": q})
        for output in core.OUTPUTS
        for q in (0.1, 0.9, (0.1, 0.5, 0.9))
    ),
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_setting_of_the_objective_agrees_with_the_twin(build, dtype):
    """Beside a different activation in each layer."""
    rng = np.random.default_rng(0)
    names = list(core.ACTIVATIONS)
    for index, ((output, loss), settings) in enumerate(SETTINGS):
        depth, is_sparse = index % 4, index % 3 == 0
        net, twin, X, y = random_problem(
            rng,
            [11, 17, 9, 5][: depth + 1] + [3],
            37,
            output,
            loss,
            dtype=dtype,
            density=0.3 if is_sparse else 1.0,
            activation=[names[(index + 4 * layer) % len(names)] for layer in range(depth)],
            fit_intercept=index % 5 > 0,
            l2=0.01,
            **settings,
        )
        sample_weight = random_weights(rng, len(X), dtype) if index % 2 else None
        what = f"{net!r}, sparse={is_sparse}"
        inputs = sparse.csr_matrix(X) if is_sparse else X
        assert_agrees(net, twin, inputs, y, sample_weight, what, dense_X=X)
