"""Network.forward of plain arrays, which takes a short way, is that of every other array.

And it refuses what the gate refuses, in the same words.
"""

import itertools

import numpy as np
import pytest
from arrays import DOORS, MATRIX, as_type, with_value
from covering import grid
from internals import BUILDS, DTYPES
from problems import CUT_SHORT
from tables import make_quarters

from fastbp import Network

pytestmark = CUT_SHORT


@MATRIX
@grid(1, door=DOORS, build=BUILDS)
def test_forward_through_every_door(build, door):
    for dtype, n_samples, layer_sizes in itertools.product(
        DTYPES, (1, 2, 5, 300), ([4, 3], [4, 9, 200, 2])
    ):
        net = Network(layer_sizes, activation="tanh", dtype=dtype, random_state=0)
        X = make_quarters(n_samples).astype(dtype)
        expected = net.forward(X)
        odd = DOORS[door](X)
        found = net.forward(odd)
        assert type(found) is np.ndarray and found.dtype == dtype
        np.testing.assert_array_equal(found, expected, err_msg=dtype)
        # activations has no short way
        np.testing.assert_array_equal(net.activations(odd)[-1], expected, err_msg=dtype)
        np.testing.assert_array_equal(X, make_quarters(n_samples))


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_of_memory_maps(dtype, mode, tmp_path):
    X = make_quarters().astype(dtype)
    np.save(tmp_path / "X.npy", X)
    net = Network([4, 9, 2], dtype=dtype, random_state=0)
    mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
    np.testing.assert_array_equal(net.forward(mapped), net.forward(X))
    np.testing.assert_array_equal(net.forward(np.asarray(mapped)), net.forward(X))


@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_of_single_rows_and_columns(build, dtype):
    """Strides along an axis of length one mean nothing."""
    X = make_quarters().astype(dtype)
    for n_features in 1, 4:
        net = Network([n_features, 3, 1], dtype=dtype, random_state=0)
        rows = X[:, :n_features]
        for i in range(len(X)):
            expected = net.forward(rows[i : i + 1].copy())
            for row in rows[i::40], rows[i : i + 1], np.asfortranarray(rows)[i : i + 1]:
                assert row.shape == (1, n_features)
                np.testing.assert_array_equal(net.forward(row), expected)


REFUSED_BY_NETWORKS = {
    "NaN": (with_value(np.nan), "X contains NaN; only finite numbers can be used."),
    "infinity": (with_value(np.inf), "X contains infinity; only finite numbers can be used."),
    "-infinity": (with_value(-np.inf), "X contains infinity; only finite numbers can be used."),
    "NaN and infinity": (
        lambda X: with_value(np.nan)(X) + np.where(X == X[0, 0], np.inf, 0),
        "X contains NaN; only finite numbers can be used.",
    ),
    "a column less": (lambda X: X[:, :3], "X has 3 features, but this Network has 4 inputs."),
    "a column less, C order": (
        lambda X: X[:, :3].copy(),
        "X has 3 features, but this Network has 4 inputs.",
    ),
    "a column more": (
        lambda X: np.hstack([X, X[:, :1]]),
        "X has 5 features, but this Network has 4 inputs.",
    ),
    "transposed": (lambda X: X.T.copy(), "X has 24 features, but this Network has 4 inputs."),
    "no rows": (
        lambda X: X[:0],
        "X has shape (0, 4); at least one sample and feature are needed.",
    ),
    "no columns": (
        lambda X: X[:, :0],
        "X has shape (24, 0); at least one sample and feature are needed.",
    ),
    "nothing": (
        lambda X: X[:0, :0],
        "X has shape (0, 0); at least one sample and feature are needed.",
    ),
    "one dimension": (
        lambda X: X[0],
        "X must be 2-dimensional (n_samples, n_features), got shape (4,).",
    ),
    "three dimensions": (
        lambda X: X[None],
        "X must be 2-dimensional (n_samples, n_features), got shape (1, 24, 4).",
    ),
    "no dimension": (
        lambda X: X[0, 0],
        "X must be 2-dimensional (n_samples, n_features), got shape ().",
    ),
    "complex": (as_type(complex), "Complex data not supported: X has dtype complex128."),
    "text": (lambda X: np.full(X.shape, "x"), "X must hold numbers, got dtype <U1."),
    "text in objects": (
        with_value("x", object),
        "X must hold numbers: could not convert string to float: 'x'.",
    ),
}


@grid(1, refused=REFUSED_BY_NETWORKS, build=BUILDS)
def test_forward_refuses_in_the_words_of_the_gate(build, refused):
    make, message = REFUSED_BY_NETWORKS[refused]
    X = make(make_quarters())
    arrays = [X, X.astype(np.float32)] if X.dtype.kind == "f" else [X]
    for array, dtype in itertools.product(arrays, DTYPES):
        net = Network([4, 9, 2], dtype=dtype, random_state=0)
        for method in net.forward, net.activations:
            with pytest.raises(ValueError) as caught:
                method(array)
            assert type(caught.value) is ValueError
            assert str(caught.value) == message


def test_forward_refuses_what_overflows_in_the_cast():
    net = Network([4, 2], dtype="float32", random_state=0)
    with pytest.raises(ValueError, match="^X contains a value too large for float32.$"):
        net.forward(with_value(1e300)(make_quarters()))
