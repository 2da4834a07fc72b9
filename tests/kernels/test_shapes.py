"""Sizes and forms of the data in the compiled core, against the NumPy twin."""

import itertools

import numpy as np
import pytest
from agreement import assert_agrees, random_problem, random_weights
from internals import DTYPES, PAIRS, core
from scipy import sparse

# Around the vector lengths and the register tiles: 1 to 3 elements, a vector +-1, odd multiples.
WIDTHS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 129]
ROWS = [1, 2, 5, 31, 32, 33, 200, 600]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_shape_agrees_with_the_twin(build, dtype, width):
    """``width`` as fan-in, hidden width and number of outputs, beside every other width."""
    rng = np.random.default_rng(width)
    for index, other in enumerate(WIDTHS):
        third = WIDTHS[(5 * index + width) % len(WIDTHS)]
        for layer_sizes in [width, other], [other, width, third], [third, other, width]:
            n_samples = ROWS[rng.integers(len(ROWS))]
            output, loss = PAIRS[rng.integers(len(PAIRS))]
            if loss == "squared_error" and output == "softmax" and layer_sizes[-1] == 1:
                output = "identity"  # a constant: nothing to compare but rounding
            net, twin, X, y = random_problem(
                rng, layer_sizes, n_samples, output, loss, dtype=dtype, activation="relu", l2=1e-4
            )
            what = f"{net!r}, {n_samples} rows"
            assert_agrees(net, twin, X, y, random_weights(rng, n_samples, dtype), what)


@pytest.mark.parametrize("n_samples", ROWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_of_rows_agrees_with_the_twin(build, dtype, n_samples):
    rng = np.random.default_rng(n_samples)
    for activation, layer_sizes in itertools.product(
        core.ACTIVATIONS, [(1, 1), (1, 10, 1), (7, 33, 2), (31, 16, 8, 3), (64, 100, 10)]
    ):
        for is_sparse in (False, True):
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


@pytest.mark.parametrize("layer_sizes", [(1020, 2), (700, 330, 4), (300, 500, 240, 10)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_more_rows_than_one_block_agree_with_the_twin(build, dtype, layer_sizes):
    """Rows this long leave the second-level cache after a few hundred: the core splits them."""
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
