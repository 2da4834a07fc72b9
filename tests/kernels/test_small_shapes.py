"""DOC"""

import itertools

import numpy as np
import pytest
from agreement import assert_agrees, random_problem, random_weights
from internals import DTYPES, PAIRS, core

# --- products of every small shape ----------------------------------------------------------------

LANES = [2, 4, 8, 16]  # of float64 in 16 bytes to float32 in 64
WIDTHS = sorted({1, 2, 3, *(lanes + offset for lanes in LANES for offset in (-1, 0, 1))})


@pytest.mark.parametrize("n_samples", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_small_shape_agrees_with_the_twin(build, dtype, n_samples):
    """Every two widths beside one another, as the first layer and as the last one."""
    rng = np.random.default_rng(n_samples)
    activations = list(core.ACTIVATIONS)
    pairs = [pair for pair in PAIRS if pair[0] != "softmax"]  # of one output: a constant
    cases = itertools.product(enumerate(WIDTHS), enumerate(WIDTHS))
    for number, ((i, n_features), (j, n_hidden)) in enumerate(cases):
        layer_sizes = n_features, n_hidden, WIDTHS[(i + j) % len(WIDTHS)]
        net, twin, X, y = random_problem(
            rng,
            layer_sizes,
            n_samples,
            *pairs[number % len(pairs)],
            dtype=dtype,
            activation=activations[(number + n_samples) % len(activations)],
            fit_intercept=number % 5 > 0,
        )
        weights = random_weights(rng, n_samples, dtype) if number % 2 else None
        assert_agrees(net, twin, X, y, weights, f"{net!r}, {n_samples} rows")
