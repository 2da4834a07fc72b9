"""X at the input gate, as tables: what is accepted, and with which words the rest is refused.

An entry is (id, make, expected, words). `make` turns clean data into odd data. `expected` is an
exception type, or None where the odd data must give exactly what their clean copy gives. `words` is
a regular expression for the message. Each table runs through every method that takes such data.
"""

import copy

import numpy as np
import pandas as pd
import pytest
from arrays import (
    as_type,
    assert_unchanged,
    byte_swapped,
    csr,
    csr_broken,
    csr_of_int_with_duplicates,
    csr_read_only,
    csr_unsorted,
    csr_with_data,
    csr_with_duplicates,
    csr_with_explicit_zeros,
    read_only,
    repeated_row,
    reversed_view,
    strided,
    structured,
    unaligned,
    with_value,
)
from problems import CUT_SHORT, ESTIMATORS, RAGGED, tiny
from scipy import sparse
from tables import (
    BOTH,
    CAST,
    FINITE,
    N_ROWS,
    NETWORK_METHODS,
    NUMBERS,
    make_network,
    make_quarters,
    make_targets,
    predictions,
    raises,
    same_arrays,
    table_in_turn,
    train,
)

from fastbp import BackpropClassifier

pytestmark = [CUT_SHORT, RAGGED]


X_TABLE = [
    # accepted
    ("C order", lambda X: X, None, ""),
    ("Fortran order", np.asfortranarray, None, ""),
    ("transposed", lambda X: np.ascontiguousarray(X.T).T, None, ""),
    ("strided", strided, None, ""),
    ("negative strides", reversed_view, None, ""),
    ("zero stride", repeated_row, None, ""),
    ("unaligned", unaligned, None, ""),
    ("other byte order", byte_swapped, None, ""),
    ("other byte order, unaligned", lambda X: unaligned(byte_swapped(X)), None, ""),
    ("read-only", read_only, None, ""),
    ("int8", as_type(np.int8), None, ""),
    ("uint8", as_type(np.uint8), None, ""),
    ("int64", as_type(np.int64), None, ""),
    ("bool", as_type(bool), None, ""),
    ("float16", as_type(np.float16), None, ""),
    ("longdouble", as_type(np.longdouble), None, ""),
    ("float32", as_type(np.float32), None, ""),
    ("float32, Fortran order", lambda X: np.asfortranarray(X.astype(np.float32)), None, ""),
    ("float32, other byte order", lambda X: byte_swapped(X.astype(np.float32)), None, ""),
    ("object of numbers", as_type(object), None, ""),
    ("list of lists", lambda X: X.tolist(), None, ""),
    ("tuple of arrays", lambda X: tuple(X), None, ""),
    ("csr", csr, None, ""),
    ("csr array", sparse.csr_array, None, ""),
    ("csr, int64 indices", lambda X: csr(X, np.int64), None, ""),
    ("csr, unsorted indices", csr_unsorted, None, ""),
    ("csr, explicit zeros", csr_with_explicit_zeros, None, ""),
    ("csr, duplicates", csr_with_duplicates, None, ""),
    ("csr, read-only", csr_read_only, None, ""),
    ("csr of int", lambda X: csr(X.astype(np.int32)), None, ""),
    ("csr of int, unsorted", lambda X: csr_unsorted(X.astype(np.int32)), None, ""),
    ("csr of int, duplicates", lambda X: csr_of_int_with_duplicates(X), None, ""),
    ("csr of float32", lambda X: csr(X.astype(np.float32)), None, ""),
    ("csr, all zeros", lambda X: csr(0 * X), None, ""),
    ("csc", sparse.csc_matrix, None, ""),
    ("coo", sparse.coo_matrix, None, ""),
    ("lil", sparse.lil_matrix, None, ""),
    ("dok", sparse.dok_matrix, None, ""),
    ("bsr", lambda X: sparse.bsr_matrix(X, blocksize=(2, 2)), None, ""),
    # refused
    ("None", lambda X: None, (ValueError, TypeError), "None|2D"),
    ("a number", lambda X: 3.0, ValueError, "2D|2-dim|dimension"),
    ("a string", lambda X: "data", ValueError, f"2D|2-dim|{NUMBERS}"),
    ("one dimension", lambda X: X[:, 0], ValueError, "2D|2-dim"),
    ("three dimensions", lambda X: X[:, :, None], ValueError, "dim 3|2-dim"),
    ("no rows", lambda X: X[:0], ValueError, r"0 sample|\(0, 4\)"),
    ("no columns", lambda X: X[:, :0], ValueError, r"0 feature|\(24, 0\)"),
    ("empty list", lambda X: [], ValueError, "2D|2-dim"),
    ("ragged", lambda X: [[1.0, 2.0], [3.0]], ValueError, "inhomogeneous|sequence"),
    ("NaN", with_value(np.nan), ValueError, "NaN"),
    ("infinity", with_value(np.inf), ValueError, "infinity"),
    ("minus infinity", with_value(-np.inf), ValueError, "infinity"),
    ("NaN in float32", with_value(np.nan, np.float32), ValueError, "NaN"),
    ("NaN, other byte order", lambda X: byte_swapped(with_value(np.nan)(X)), ValueError, "NaN"),
    ("NaN, strided", lambda X: strided(with_value(np.nan)(X)), ValueError, "NaN"),
    ("NaN in objects", with_value(np.nan, object), ValueError, "NaN"),
    ("None in objects", with_value(None, object), (ValueError, TypeError), f"NaN|{NUMBERS}"),
    ("text in objects", with_value("x", object), ValueError, NUMBERS),
    ("too large", with_value("1e999", np.longdouble), ValueError, FINITE),
    ("text", lambda X: np.full(X.shape, "x"), ValueError, NUMBERS),
    ("complex", as_type(complex), ValueError, "Complex data not supported"),
    ("structured", structured, (ValueError, TypeError), "."),
    ("NaN in csr", csr_with_data(np.nan), ValueError, "NaN"),
    ("infinity in csr", csr_with_data(np.inf), ValueError, "infinity"),
    ("complex csr", lambda X: csr(X.astype(complex)), ValueError, "Complex data not supported"),
    ("no rows in csr", lambda X: csr(X)[:0], ValueError, r"0 sample|\(0, 4\)"),
    ("csr column too large", csr_broken("indices", 3, 1000), ValueError, "CSR|index|indices"),
    ("csr column negative", csr_broken("indices", 3, -1), ValueError, "CSR|index|indices"),
    ("csr row beyond the data", csr_broken("indptr", -1, 10**6), ValueError, "CSR|ind"),
    ("csr rows not in order", csr_broken("indptr", 3, 60), ValueError, "CSR|ind"),
]


def clean_copy(X):
    """X as a plain array in C order: float32 if it was that, else float64."""
    if sparse.issparse(X):
        matrix = sparse.csr_matrix(X).copy()
        return matrix.astype(np.float32 if X.dtype == np.float32 else np.float64)
    dtype = np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64
    return np.array(np.asarray(X), dtype=dtype, order="C")


@CAST
@table_in_turn(X_TABLE, cls=BOTH)
def test_training_inputs(cls, make, expected, words):
    y = make_targets(cls)
    for method in "fit", "partial_fit":
        X = make(make_quarters())
        if expected is not None:
            with raises(expected, words):
                train(method, tiny(cls), X, y)
            continue
        before = copy.deepcopy(X)
        odd = train(method, tiny(cls), X, y)
        assert_unchanged(X, before)
        clean = train(method, tiny(cls), clean_copy(X), y)
        same_arrays(odd, clean, not sparse.issparse(X), method)


@CAST
@table_in_turn(X_TABLE, cls=BOTH)
def test_prediction_inputs(cls, make, expected, words):
    estimator = tiny(cls).fit(make_quarters(), make_targets(cls))
    X = make(make_quarters())
    if expected is not None:
        with raises(expected, words):
            estimator.predict(X)
        if cls is BackpropClassifier:
            with raises(expected, words):
                estimator.predict_proba(X)
        return
    before = copy.deepcopy(X)
    odd = predictions(estimator, X)
    assert_unchanged(X, before)
    same_arrays(odd, predictions(estimator, clean_copy(X)), not sparse.issparse(X))


@table_in_turn(X_TABLE, dtype=["float64", "float32"])
def test_network_inputs(dtype, make, expected, words):
    network, y = make_network(dtype=dtype), make_targets(BackpropClassifier)
    X = make(make_quarters())
    if expected is not None:
        for method in NETWORK_METHODS.values():
            with raises(expected, words):
                method(network, X, y)
        return
    before = copy.deepcopy(X)
    for name, method in NETWORK_METHODS.items():
        odd = method(network, X, y)
        assert_unchanged(X, before)
        clean = method(network, clean_copy(X), y)
        same_arrays(odd, clean, not sparse.issparse(X), name)


@ESTIMATORS
def test_memory_mapped_arrays(cls, tmp_path):
    """X, y and weights straight from a file, opened for reading only."""
    X, y, weights = make_quarters(), make_targets(cls), np.linspace(1, 2, N_ROWS)
    mapped = []
    for name, array in [("X", X), ("y", y), ("weights", weights)]:
        np.save(tmp_path / f"{name}.npy", array)
        mapped.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    same_arrays(train("fit", tiny(cls), *mapped), train("fit", tiny(cls), X, y, weights))
    estimator = tiny(cls).fit(X, y)
    same_arrays(predictions(estimator, mapped[0]), predictions(estimator, X))


@ESTIMATORS
def test_dates_are_numbers_to_scikit_learn_only(cls):
    """Its checks turn dates into seconds since 1970; a Network asks for numbers."""
    X, y = make_quarters(), make_targets(cls)
    dates = X.astype("datetime64[s]")
    same_arrays(train("fit", tiny(cls), dates, y), train("fit", tiny(cls), X.astype(int), y))
    with pytest.raises(ValueError, match="must hold numbers.*datetime64"):
        tiny(cls).fit(X, y).network_.forward(dates)


@ESTIMATORS
def test_data_frames(cls):
    X, y = make_quarters(), make_targets(cls)
    frame = pd.DataFrame(X, columns=list("abcd")).astype({"a": "float32", "b": "int64"})
    clean = frame.to_numpy(dtype=float)
    fitted = tiny(cls).fit(frame, pd.Series(y, index=np.arange(N_ROWS)[::-1]))
    same_arrays(fitted.coefs_, tiny(cls).fit(clean, y).coefs_)
    np.testing.assert_array_equal(fitted.feature_names_in_, list("abcd"))
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[list("bacd")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.predict(clean)


@ESTIMATORS
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (24, 1), (2, 1)], ids=str)
def test_one_row_or_one_column(cls, method, container, shape):
    rows, columns = shape
    X, y = make_quarters()[:rows, :columns], make_targets(cls)[:rows]
    estimator = tiny(cls, batch_size="auto")
    params = train(method, estimator, container(X), y)
    assert all(np.isfinite(part).all() for part in params)
    assert estimator.predict(container(X)).shape == (rows,)


@ESTIMATORS
@pytest.mark.parametrize("n_features", [1, 3, 5])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
def test_another_number_of_features(cls, n_features, container):
    estimator = tiny(cls).fit(make_quarters(), make_targets(cls))
    X = container(np.ones((N_ROWS, n_features)))
    words = f"X has {n_features} features, but Backprop.* is expecting 4 features"
    with pytest.raises(ValueError, match=words):
        estimator.predict(X)
    with pytest.raises(ValueError, match=words):
        estimator.partial_fit(X, make_targets(cls))
    with pytest.raises(ValueError, match=f"X has {n_features} features.* 4 inputs"):
        estimator.network_.forward(X)
