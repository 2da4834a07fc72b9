"""Every objective in the compiled core against the NumPy twin.

The best build runs every combination of activation, output and loss, depth, intercepts, weights,
sparse inputs and type. Every build runs a covering subset of them (covering.py), of which
`make check` runs each case in one build.
"""

import itertools

import numpy as np
import pytest
from agreement import (
    Expected,
    assert_agrees,
    assert_functions_agree,
    assert_objectives_agree,
    random_problem,
    random_weights,
)
from covering import covering, grid
from internals import ACTIVATIONS, BUILDS, DTYPES, OUTPUTS, PAIRS
from reference import SMOOTHED_PAIRS
from scipy import sparse

DEPTHS = range(4)
COVERING = covering(
    activation=ACTIVATIONS,
    dtype=DTYPES,
    pair=PAIRS,
    depth=DEPTHS,
    fit_intercept=[True, False],
    weighted=[True, False],
    is_sparse=[True, False],
)


def layer_sizes(depth):
    return [11, 17, 9, 5][: depth + 1] + [3]


def draw_problem(rng, activation, dtype, pair, depth, fit_intercept, density):
    return random_problem(
        rng,
        layer_sizes(depth),
        37,
        *pair,
        dtype=dtype,
        density=density,
        activation=activation,
        fit_intercept=fit_intercept,
        loss_scale=rng.choice([1.0, 2.0, 0.3]),
        reduction=rng.choice(["mean", "sum"]),
        l2=rng.choice([0.0, 0.01, 1.0]),
    )


@pytest.mark.grid(covering="test_a_covering_subset_agrees_with_the_twin")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_combination_agrees_with_the_twin(activation):
    """Types, inputs and weights share a problem and the twin's answers, which are slow."""
    rng = np.random.default_rng(0)
    # 2 has no layer that is between hidden layers, and none that 1 and 3 do not have
    depths = [depth for depth in DEPTHS if depth != 2]
    for pair, depth, fit_intercept in itertools.product(PAIRS, depths, [True, False]):
        single, twin, X, y = draw_problem(
            rng, activation, "float32", pair, depth, fit_intercept, density=0.5
        )
        expected, weights = Expected(twin, X, y), random_weights(rng, len(X), "float32")
        for dtype, as_inputs in itertools.product(DTYPES, [np.asarray, sparse.csr_matrix]):
            net, inputs, targets = (
                single.copy(dtype=dtype),
                as_inputs(X.astype(dtype)),
                y.astype(dtype),
            )
            what = f"{net!r}, {as_inputs.__name__}"
            assert_functions_agree(net, expected, inputs, targets, what)
            for sample_weight in None, weights.astype(dtype):
                weighted = f"{what}, weighted={sample_weight is not None}"
                assert_objectives_agree(net, expected, inputs, targets, sample_weight, weighted)


@grid(1, build=BUILDS, activation=ACTIVATIONS)
def test_a_covering_subset_agrees_with_the_twin(build, activation):
    rng = np.random.default_rng(1)
    for case in COVERING:
        if case["activation"] != activation:
            continue
        case, is_sparse, weighted = dict(case), case["is_sparse"], case["weighted"]
        del case["is_sparse"], case["weighted"]
        net, twin, X, y = draw_problem(rng, **case, density=0.3 if is_sparse else 1.0)
        sample_weight = random_weights(rng, len(X), case["dtype"]) if weighted else None
        what = f"{net!r}, weighted={weighted}, sparse={is_sparse}"
        inputs = sparse.csr_matrix(X) if is_sparse else X
        assert_agrees(net, Expected(twin, X, y), inputs, y, sample_weight, what)


SETTINGS = [
    *((pair, {"l1": l1}) for pair in PAIRS for l1 in (0.01, 1.0)),
    *((pair, {"label_smoothing": e}) for pair in SMOOTHED_PAIRS for e in (0.1, 0.9)),
    *(((output, "huber"), {"huber_delta": d}) for output in OUTPUTS for d in (0.05, 0.5)),
    *(
        ((output, "quantile"), {"quantile": q})
        for output in OUTPUTS
        for q in (0.1, 0.9, (0.1, 0.5, 0.9))
    ),
]


@grid(1, build=BUILDS, dtype=DTYPES)
def test_every_setting_of_the_objective_agrees_with_the_twin(build, dtype):
    """With a different activation in each layer."""
    rng = np.random.default_rng(0)
    for index, ((output, loss), settings) in enumerate(SETTINGS):
        depth, is_sparse = index % 4, index % 3 == 0
        net, twin, X, y = random_problem(
            rng,
            layer_sizes(depth),
            37,
            output,
            loss,
            dtype=dtype,
            density=0.3 if is_sparse else 1.0,
            activation=[
                ACTIVATIONS[(index + 4 * layer) % len(ACTIVATIONS)] for layer in range(depth)
            ],
            fit_intercept=index % 5 > 0,
            l2=0.01,
            **settings,
        )
        sample_weight = random_weights(rng, len(X), dtype) if index % 2 else None
        what = f"{net!r}, sparse={is_sparse}"
        inputs = sparse.csr_matrix(X) if is_sparse else X
        assert_agrees(net, Expected(twin, X, y), inputs, y, sample_weight, what)
