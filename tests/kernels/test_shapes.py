"""Sizes and forms of the data in the compiled core, against the NumPy twin."""

import itertools

import numpy as np
import pytest
from agreement import Expected, assert_agrees, assert_all_agree, random_problem, random_weights
from covering import covering, grid
from internals import ACTIVATIONS, BUILDS, DTYPES, PAIRS
from scipy import sparse

# Around the vector lengths and the register tiles: 1 to 3 elements, a vector +-1, odd multiples.
WIDTHS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 129]
# gaussian needs two outputs
OF_ANY_SIZE = [pair for pair in PAIRS if pair[1] != "gaussian"]
ROWS = [1, 2, 5, 31, 32, 33, 200, 600]


def nearly_cancels(twin, X, y):
    """Whether a layer's sums are all so near 0 that rounding is large beside them: of few units."""
    activations, deltas = twin.backpropagate_loss(X, y, np.ones(len(X)))
    coefs, _ = twin.unpack(twin.params)
    products = [(a.T, delta) for a, delta in zip(activations[:-1], deltas, strict=True)]
    products += [(delta, coef.T) for delta, coef in zip(deltas[1:], coefs[1:], strict=True)]
    return any(0 < np.max(np.abs(a)) < 0.1 for a in activations[1:-1]) or any(
        np.max(np.abs(left @ right)) < 0.05 * np.max(np.abs(left) @ np.abs(right))
        for left, right in products
    )


def draw_until_sound(*args, **how):
    """A random problem in which no layer nearly cancels."""
    while True:
        net, twin, X, y = random_problem(*args, **how)
        if not nearly_cancels(twin, X.astype(float), y.astype(float)):
            return net, twin, X, y


def draw_shape(rng, layer_sizes, n_samples, dtype):
    output, loss = OF_ANY_SIZE[rng.integers(len(OF_ANY_SIZE))]
    if loss == "squared_error" and output == "softmax" and layer_sizes[-1] == 1:
        output = "identity"  # a constant: nothing to compare but rounding
    return draw_until_sound(
        rng, layer_sizes, n_samples, output, loss, dtype=dtype, activation="relu", l2=1e-4
    )


@pytest.mark.grid(covering="test_a_covering_subset_of_shapes_agrees_with_the_twin")
@pytest.mark.parametrize("width", WIDTHS)
def test_every_width_beside_every_other_agrees_with_the_twin(width):
    """Without a hidden layer."""
    rng = np.random.default_rng(width)
    for other in WIDTHS:
        problem = draw_shape(rng, [width, other], ROWS[rng.integers(len(ROWS))], "float32")
        assert_all_agree(*problem, random_weights(rng, len(problem[2]), "float32"))


SHAPES = dict(fan_in=WIDTHS, hidden=WIDTHS, n_outputs=WIDTHS, n_samples=ROWS, dtype=DTYPES)


def test_a_covering_subset_of_shapes_agrees_with_the_twin(build):
    rng = np.random.default_rng(0)
    for shape in covering(1, **SHAPES):
        layer_sizes = [shape["fan_in"], shape["hidden"], shape["n_outputs"]]
        n_samples, dtype = shape["n_samples"], shape["dtype"]
        net, twin, X, y = draw_shape(rng, layer_sizes, n_samples, dtype)
        weights, what = random_weights(rng, n_samples, dtype), f"{net!r}, {n_samples} rows"
        assert_agrees(net, Expected(twin, X, y), X, y, weights, what)


@pytest.mark.grid(covering="test_a_covering_subset_of_shapes_agrees_with_the_twin")
@pytest.mark.parametrize("fan_in", WIDTHS)
def test_every_two_sizes_agree_with_the_twin(fan_in):
    rng = np.random.default_rng([fan_in, 2])
    for shape in covering(2, **{**SHAPES, "dtype": ["float32"]}):
        if shape["fan_in"] == fan_in:
            layer_sizes = [fan_in, shape["hidden"], shape["n_outputs"]]
            problem = draw_shape(rng, layer_sizes, shape["n_samples"], "float32")
            weights = random_weights(rng, shape["n_samples"], "float32")
            assert_all_agree(*problem, weights, builds=BUILDS)


LARGE_NETWORKS = [(700, 330, 4), (300, 500, 240, 10)]
NETWORKS = [(1, 1), (1, 10, 1), (7, 33, 2), (31, 16, 8, 3), (64, 100, 10)]
COVERING_ROWS = covering(
    n_samples=ROWS,
    dtype=DTYPES,
    activation=ACTIVATIONS,
    layer_sizes=NETWORKS,
    is_sparse=[False, True],
)


def draw_rows(rng, n_samples, dtype, activation, layer_sizes, is_sparse):
    return random_problem(
        rng,
        layer_sizes,
        n_samples,
        "identity",
        "squared_error",
        dtype=dtype,
        density=0.1 if is_sparse else 1.0,
        activation=activation,
    )


@pytest.mark.grid(covering="test_a_covering_subset_of_rows_agrees_with_the_twin")
@pytest.mark.parametrize("n_samples", ROWS)
def test_every_number_of_rows_agrees_with_the_twin(n_samples):
    rng = np.random.default_rng(n_samples)
    # functions of elements do not mind rows: a few in turn
    for number, (layer_sizes, is_sparse, _) in enumerate(
        itertools.product(NETWORKS, [False, True], range(3))
    ):
        activation = ACTIVATIONS[(number + n_samples) % len(ACTIVATIONS)]
        problem = draw_rows(rng, n_samples, "float32", activation, layer_sizes, is_sparse)
        inputs = sparse.csr_matrix(problem[2]) if is_sparse else None
        assert_all_agree(*problem, None, inputs=inputs)


@grid(1, build=BUILDS, n_samples=ROWS)
def test_a_covering_subset_of_rows_agrees_with_the_twin(build, n_samples):
    rng = np.random.default_rng(n_samples)
    for case in COVERING_ROWS:
        if case["n_samples"] == n_samples:
            net, twin, X, y = draw_rows(rng, **case)
            inputs = sparse.csr_matrix(X) if case["is_sparse"] else X
            what = f"{net!r}, {n_samples} rows, sparse={case['is_sparse']}"
            assert_agrees(net, Expected(twin, X, y), inputs, y, None, what)


@pytest.mark.parametrize(
    "layer_sizes",
    [(1020, 2), *(pytest.param(sizes, marks=pytest.mark.grid) for sizes in LARGE_NETWORKS)],
)
def test_more_rows_than_one_block_agree_with_the_twin(layer_sizes):
    """A few hundred rows of this length fill the second-level cache: the core splits them."""
    rng = np.random.default_rng(0)
    for n_samples, is_sparse in (257, False), (600, True), (1030, False):
        net, twin, X, y = random_problem(
            rng,
            layer_sizes,
            n_samples,
            "logistic",
            "log_loss",
            dtype="float32",
            density=0.05 if is_sparse else 1.0,
            activation="tanh",
            l2=1e-3,
        )
        inputs = sparse.csr_matrix(X) if is_sparse else None
        weights = random_weights(rng, n_samples, "float32")
        assert_all_agree(
            net, twin, X, y, weights, builds=BUILDS, inputs=inputs, max_entries=1_300_000
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_csr_in_every_form(build, dtype):
    """Empty rows and columns, stored zeros, unsorted and repeated indices, 64-bit indices."""
    rng = np.random.default_rng(3)
    n_samples, n_features, n_stored = 40, 300, 500
    rows = rng.integers(n_samples // 2, size=n_stored) * 2  # the odd rows stay empty
    columns = rng.integers(n_features // 2, size=n_stored)  # so do the columns on the right
    values = rng.normal(size=n_stored).astype(dtype)
    values[::7] = 0
    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_samples))])
    unsorted = sparse.csr_matrix(
        (values[order], columns[order], indptr), shape=(n_samples, n_features)
    )
    assert not unsorted.has_sorted_indices and not unsorted.has_canonical_format
    long_indices = sparse.csr_array(unsorted)
    long_indices.indices = long_indices.indices.astype(np.int64)
    long_indices.indptr = long_indices.indptr.astype(np.int64)

    X = unsorted.toarray()
    net, twin, _, y = random_problem(
        rng, [n_features, 9, 2], n_samples, "logistic", "log_loss", dtype=dtype, activation="tanh"
    )
    expected = Expected(twin, X, y)
    for inputs in unsorted, long_indices, sparse.csr_matrix(X), sparse.csr_array(X):
        before = inputs.copy()
        assert_agrees(net, expected, inputs, y, None, repr(inputs))
        for part in "data", "indices", "indptr":
            np.testing.assert_array_equal(getattr(inputs, part), getattr(before, part))


LANES = [2, 4, 8, 16]  # of float64 in 16 bytes to float32 in 64
FEW_ROWS = [1, 2, 3, 4, 5]
SMALL_WIDTHS = sorted({1, 2, 3, *(lanes + offset for lanes in LANES for offset in (-1, 0, 1))})


def draw_small_shape(rng, i, j, n_samples, dtype):
    """Two widths beside one another, as the first layer and as the last one; and weights."""
    number = len(SMALL_WIDTHS) * i + j
    layer_sizes = SMALL_WIDTHS[i], SMALL_WIDTHS[j], SMALL_WIDTHS[(i + j) % len(SMALL_WIDTHS)]
    pairs = [pair for pair in OF_ANY_SIZE if pair[0] != "softmax"]  # of one output: a constant
    problem = draw_until_sound(
        rng,
        layer_sizes,
        n_samples,
        *pairs[number % len(pairs)],
        dtype=dtype,
        activation=ACTIVATIONS[(number + n_samples) % len(ACTIVATIONS)],
        fit_intercept=number % 5 > 0,
    )
    return *problem, random_weights(rng, n_samples, dtype) if number % 2 else None


# In every build: the length of its vectors decides which kernel is used.
@pytest.mark.grid(covering="test_a_covering_subset_of_small_shapes_agrees_with_the_twin")
@pytest.mark.parametrize("n_samples", FEW_ROWS)
@pytest.mark.parametrize("i", range(len(SMALL_WIDTHS)))
def test_every_small_shape_agrees_with_the_twin(i, n_samples):
    rng = np.random.default_rng([i, n_samples])
    for j in range(len(SMALL_WIDTHS)):
        net, twin, X, y, weights = draw_small_shape(rng, i, j, n_samples, "float32")
        assert_all_agree(net, twin, X, y, weights, builds=BUILDS)


@grid(1, build=BUILDS, dtype=DTYPES)
def test_a_covering_subset_of_small_shapes_agrees_with_the_twin(build, dtype):
    rng = np.random.default_rng(0)
    indices = range(len(SMALL_WIDTHS))
    for case in covering(i=indices, j=indices, n_samples=FEW_ROWS, dtype=DTYPES):
        if case["dtype"] == dtype:
            net, twin, X, y, weights = draw_small_shape(rng, **case)
            what = f"{net!r}, {len(X)} rows"
            assert_agrees(net, Expected(twin, X, y), X, y, weights, what)
