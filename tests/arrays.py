"""Functions that turn a clean array into an odd one with the same values, or with a wrong one."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

# --- dense ---


def column(y):
    return y.reshape(-1, 1)


def unaligned(array):
    """The same numbers, starting one byte after a multiple of the item size."""
    raw = np.zeros(array.nbytes + 1, dtype=np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


def byte_swapped(array):
    return array.astype(array.dtype.newbyteorder())


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def strided(array):
    """Every other row and column of a larger array."""
    larger = np.full([2 * size for size in array.shape], 99, dtype=array.dtype)
    view = larger[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def reversed_view(array):
    """Negative strides along every axis."""
    backwards = tuple(slice(None, None, -1) for _ in array.shape)
    return array[backwards].copy()[backwards]


def repeated_row(array):
    """One row in memory as every row: a stride of 0."""
    return np.broadcast_to(array[3], array.shape)


def with_value(value, dtype=float):
    def put(array):
        array = array.astype(dtype)
        array[(5,) + (1,) * (array.ndim - 1)] = value
        return array

    return put


def as_type(dtype):
    return lambda array: array.astype(dtype)


def csr(array, index_type=np.int32):
    matrix = sparse.csr_matrix(array)
    matrix.indices = matrix.indices.astype(index_type)
    matrix.indptr = matrix.indptr.astype(index_type)
    return matrix


def csr_unsorted(array):
    matrix = csr(array)
    for start, stop in zip(matrix.indptr, matrix.indptr[1:], strict=False):
        matrix.indices[start:stop] = matrix.indices[start:stop][::-1].copy()
        matrix.data[start:stop] = matrix.data[start:stop][::-1].copy()
    matrix.has_sorted_indices = False
    return matrix


def csr_with_explicit_zeros(array):
    matrix = csr(array + 1.0)
    matrix.data -= 1.0
    return matrix


def csr_with_duplicates(array):
    """Each entry is stored as two halves."""
    rows, columns = np.nonzero(array)
    rows, columns = np.concatenate([rows, rows]), np.concatenate([columns, columns])
    order = np.argsort(rows, kind="stable")
    indptr = np.searchsorted(rows[order], np.arange(len(array) + 1))
    columns = columns[order]
    return sparse.csr_matrix((array[rows[order], columns] / 2, columns, indptr), array.shape)


def csr_of_int_with_duplicates(array):
    matrix = csr_with_duplicates(8 * array)
    matrix.data = matrix.data.astype(np.int32)
    return matrix


def csr_read_only(array):
    matrix = csr(array)
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.flags.writeable = False
    return matrix


def csr_broken(part, position, value):
    def make(array):
        matrix = csr(array + 1.0)
        getattr(matrix, part)[position] = value
        return matrix

    return make


def csr_with_data(value):
    def make(array):
        matrix = csr(array)
        matrix.data[2] = value
        return matrix

    return make


def structured(array):
    return np.zeros(len(array), dtype=[("a", float), ("b", float)])


def assert_unchanged(array, before):
    if sparse.issparse(array):
        array, before = array.tocsr(), before.tocsr()
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(array, part), getattr(before, part))
    else:
        np.testing.assert_array_equal(array, before)


# --- every way in ---

MATRIX = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")


class Subclass(np.ndarray):
    pass


DOORS = {
    "list": lambda X: X.tolist(),
    "tuple of rows": tuple,
    "float16": as_type(np.float16),
    "float32": as_type(np.float32),
    "float64": as_type(np.float64),
    "longdouble": as_type(np.longdouble),
    "integer, scaled": lambda X: (X * 4).astype(np.int64) / 4,
    "objects": as_type(object),
    "Fortran order": np.asfortranarray,
    "transposed": lambda X: np.ascontiguousarray(X.T).T,
    "strided": strided,
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "one of every two rows": lambda X: np.repeat(X, 2, axis=0)[::2],
    "read-only": read_only,
    "unaligned": unaligned,
    "unaligned, read-only": lambda X: read_only_view(unaligned(X)),
    "other byte order": byte_swapped,
    "matrix": np.asmatrix,
    "masked": np.ma.masked_array,
    "subclass": lambda X: X.view(Subclass),
    "part of a larger array": lambda X: np.concatenate([X, X, X])[len(X) : 2 * len(X)],
    "data frame": pd.DataFrame,
}


def read_only_view(array):
    array.flags.writeable = False
    return array
