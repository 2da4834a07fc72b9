"""Sizes and forms of the data in the compiled core, against the NumPy twin."""

import itertools

import numpy as np
import pytest
from agreement import assert_agrees, random_problem, random_weights
from covering import covering, every, grid
from internals import ACTIVATIONS, BUILDS, DTYPES, PAIRS
from scipy import sparse

# Around the vector lengths and the register tiles: 1 to 3 elements, a vector +-1, odd multiples.
WIDTHS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 129]
# gaussian needs two outputs
OF_ANY_SIZE = [pair for pair in PAIRS if pair[1] != "gaussian"]
ROWS = [1, 2, 5, 31, 32, 33, 200, 600]


def assert_shape_agrees(rng, layer_sizes, n_samples, dtype):
    output, loss = OF_ANY_SIZE[rng.integers(len(OF_ANY_SIZE))]
    if loss == "squared_error" and output == "softmax" and layer_sizes[-1] == 1:
        output = "identity"  # a constant: nothing to compare but rounding
    net, twin, X, y = random_problem(
        rng, layer_sizes, n_samples, output, loss, dtype=dtype, activation="relu", l2=1e-4
    )
    what = f"{net!r}, {n_samples} rows"
    assert_agrees(net, twin, X, y, random_weights(rng, n_samples, dtype), what)


@pytest.mark.grid(covering="test_a_covering_subset_of_shapes_agrees_with_the_twin")
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_shape_agrees_with_the_twin(dtype, width):
    """``width`` as fan-in, hidden width and number of outputs, beside every other width."""
    rng = np.random.default_rng(width)
    for index, other in enumerate(WIDTHS):
        third = WIDTHS[(5 * index + width) % len(WIDTHS)]
        for layer_sizes in [width, other], [other, width, third], [third, other, width]:
            assert_shape_agrees(rng, layer_sizes, ROWS[rng.integers(len(ROWS))], dtype)


SHAPES = covering(
    fan_in=WIDTHS, hidden=WIDTHS, n_outputs=WIDTHS, n_samples=ROWS, dtype=DTYPES, depth=[0, 1]
)


@grid(1, build=BUILDS, fan_in=WIDTHS)
def test_a_covering_subset_of_shapes_agrees_with_the_twin(build, fan_in):
    rng = np.random.default_rng(fan_in)
    for shape in SHAPES:
        if shape["fan_in"] == fan_in:
            hidden = [shape["hidden"]] * shape["depth"]
            layer_sizes = [fan_in, *hidden, shape["n_outputs"]]
            assert_shape_agrees(rng, layer_sizes, shape["n_samples"], shape["dtype"])


NETWORKS = [(1, 1), (1, 10, 1), (7, 33, 2), (31, 16, 8, 3), (64, 100, 10)]
ROW_CASES = dict(activation=ACTIVATIONS, layer_sizes=NETWORKS, is_sparse=[False, True])
COVERING_ROWS = covering(n_samples=ROWS, dtype=DTYPES, **ROW_CASES)


def assert_rows_agree(rng, n_samples, dtype, activation, layer_sizes, is_sparse):
    net, twin, X, y = random_problem(
        rng,
        layer_sizes,
        n_samples,
        "identity",
        "squared_error",
        dtype=dtype,
        density=0.1 if is_sparse else 1.0,
        activation=activation,
    )
    inputs = sparse.csr_matrix(X) if is_sparse else X
    what = f"{net!r}, {n_samples} rows, sparse={is_sparse}"
    assert_agrees(net, twin, inputs, y, None, what, dense_X=X)


@pytest.mark.grid(covering="test_a_covering_subset_of_rows_agrees_with_the_twin")
@pytest.mark.parametrize("n_samples", ROWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_of_rows_agrees_with_the_twin(dtype, n_samples):
    rng = np.random.default_rng(n_samples)
    for case in every(**ROW_CASES):
        assert_rows_agree(rng, n_samples, dtype, **case)


@grid(1, build=BUILDS, n_samples=ROWS)
def test_a_covering_subset_of_rows_agrees_with_the_twin(build, n_samples):
    rng = np.random.default_rng(n_samples)
    for case in COVERING_ROWS:
        if case["n_samples"] == n_samples:
            assert_rows_agree(rng, **case)


@grid(
    1,
    build=BUILDS,
    layer_sizes=[(1020, 2), (700, 330, 4), (300, 500, 240, 10)],
    dtype=DTYPES,
)
def test_more_rows_than_one_block_agree_with_the_twin(build, layer_sizes, dtype):
    """A few hundred rows of this length fill the second-level cache: the core splits them."""
    rng = np.random.default_rng(0)
    for n_samples, is_sparse in (257, False), (600, True), (1030, False):
        net, twin, X, y = random_problem(
            rng,
            layer_sizes,
            n_samples,
            "logistic",
            "log_loss",
            dtype=dtype,
            density=0.05 if is_sparse else 1.0,
            activation="tanh",
            l2=1e-3,
        )
        inputs = sparse.csr_matrix(X) if is_sparse else X
        weights = random_weights(rng, n_samples, dtype)
        what = f"{net!r}, {n_samples} rows, sparse={is_sparse}"
        assert_agrees(
            net, twin, inputs, y, weights, what, dense_X=X, max_per_sample_entries=1_300_000
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
    for inputs in unsorted, long_indices, sparse.csr_matrix(X), sparse.csr_array(X):
        before = inputs.copy()
        assert_agrees(net, twin, inputs, y, None, repr(inputs), dense_X=X)
        for part in "data", "indices", "indptr":
            np.testing.assert_array_equal(getattr(inputs, part), getattr(before, part))


LANES = [2, 4, 8, 16]  # of float64 in 16 bytes to float32 in 64
FEW_ROWS = [1, 2, 3, 4, 5]
SMALL_WIDTHS = sorted({1, 2, 3, *(lanes + offset for lanes in LANES for offset in (-1, 0, 1))})


def assert_small_shape_agrees(rng, i, j, n_samples, dtype):
    """Two widths beside one another, as the first layer and as the last one."""
    number = len(SMALL_WIDTHS) * i + j
    layer_sizes = SMALL_WIDTHS[i], SMALL_WIDTHS[j], SMALL_WIDTHS[(i + j) % len(SMALL_WIDTHS)]
    pairs = [pair for pair in OF_ANY_SIZE if pair[0] != "softmax"]  # of one output: a constant
    net, twin, X, y = random_problem(
        rng,
        layer_sizes,
        n_samples,
        *pairs[number % len(pairs)],
        dtype=dtype,
        activation=ACTIVATIONS[(number + n_samples) % len(ACTIVATIONS)],
        fit_intercept=number % 5 > 0,
    )
    weights = random_weights(rng, n_samples, dtype) if number % 2 else None
    assert_agrees(net, twin, X, y, weights, f"{net!r}, {n_samples} rows")


# In every build: the length of its vectors decides which kernel is used.
@pytest.mark.grid(covering="test_a_covering_subset_of_small_shapes_agrees_with_the_twin")
@pytest.mark.parametrize("n_samples", FEW_ROWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_small_shape_agrees_with_the_twin(build, dtype, n_samples):
    rng = np.random.default_rng(n_samples)
    for i, j in itertools.product(range(len(SMALL_WIDTHS)), repeat=2):
        assert_small_shape_agrees(rng, i, j, n_samples, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_covering_subset_of_small_shapes_agrees_with_the_twin(build, dtype):
    rng = np.random.default_rng(0)
    indices = range(len(SMALL_WIDTHS))
    for case in covering(i=indices, j=indices, n_samples=FEW_ROWS, dtype=DTYPES):
        if case["dtype"] == dtype:
            assert_small_shape_agrees(rng, **case)
