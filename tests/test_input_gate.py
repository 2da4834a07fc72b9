"""The input gate as tables: what is accepted, and with which words the rest is refused.

An entry is (id, make, expected, words): `make` turns clean data into odd data, `expected` is an
exception type, or None where the odd data must give the very result of its clean copy, `words` a
regular expression for the message. Each table runs through every method that takes such data.
"""

import copy

import numpy as np
import pandas as pd
import pytest
from gate import (
    ESTIMATORS,
    N_FEATURES,
    N_SAMPLES,
    byte_swapped,
    make_features,
    make_network,
    make_y,
    same_arrays,
    small,
    table,
    train,
    unaligned,
)
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = [
    # Two epochs tell a right from a wrong array.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Said by NumPy before 1.24, where later ones raise the ValueError at once.
    pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged nested sequences"),
]

# --- odd arrays -----------------------------------------------------------------------------------


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def strided(array):
    """Every other row and column of a larger array."""
    larger = np.full([2 * size for size in array.shape], 99.0)
    view = larger[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def reversed_view(array):
    """Negative strides along every axis."""
    backwards = tuple(slice(None, None, -1) for _ in array.shape)
    return array[backwards].copy()[backwards]


def repeated_row(array):
    """One row in memory, seen N_SAMPLES times: a stride of 0."""
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
    """Each entry in two halves."""
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


FINITE = r"NaN|infinity|too large|finite"
NUMBERS = r"convert|numbers|must be|dtype|not supported|Unable|numeric"

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
    """The array that X stands for: C order, float32 if it was, else float64."""
    if sparse.issparse(X):
        matrix = sparse.csr_matrix(X).copy()
        return matrix.astype(np.float32 if X.dtype == np.float32 else np.float64)
    dtype = np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64
    return np.array(np.asarray(X), dtype=dtype, order="C")


def assert_unchanged(array, before):
    if sparse.issparse(array):
        array, before = array.tocsr(), before.tocsr()
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(array, part), getattr(before, part))
    else:
        np.testing.assert_array_equal(array, before)


def raises(expected, words):
    return pytest.raises(expected, match=f"(?is){words}")


# scikit-learn's check casts extended precision to double before it looks for infinities.
CAST = pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")


@CAST
@ESTIMATORS
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@table(X_TABLE)
def test_training_inputs(cls, method, make, expected, words):
    X, y = make(make_features()), make_y(cls)
    if expected is not None:
        with raises(expected, words):
            train(method, small(cls), X, y)
        return
    before = copy.deepcopy(X)
    odd = train(method, small(cls), X, y)
    assert_unchanged(X, before)
    same_arrays(odd, train(method, small(cls), clean_copy(X), y), not sparse.issparse(X))


def predictions(estimator, X):
    results = [estimator.predict(X)]
    if isinstance(estimator, BackpropClassifier):
        results += [estimator.predict_proba(X), estimator.predict_log_proba(X)]
    return results


@CAST
@ESTIMATORS
@table(X_TABLE)
def test_prediction_inputs(cls, make, expected, words):
    estimator = small(cls).fit(make_features(), make_y(cls))
    X = make(make_features())
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


NETWORK_METHODS = {
    "forward": lambda net, X, y: net.forward(X),
    "activations": lambda net, X, y: net.activations(X)[1:],
    "loss": lambda net, X, y: [net.loss(X, y)],
    "loss_gradient": lambda net, X, y: net.loss_gradient(X, y).flat,
    "per_sample_gradients": lambda net, X, y: net.per_sample_gradients(X, y),
}


@pytest.mark.parametrize("method", NETWORK_METHODS.values(), ids=NETWORK_METHODS.keys())
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@table(X_TABLE)
def test_network_inputs(method, dtype, make, expected, words):
    network, y = make_network(dtype=dtype), make_y(BackpropClassifier)
    X = make(make_features())
    if expected is not None:
        with raises(expected, words):
            method(network, X, y)
        return
    before = copy.deepcopy(X)
    odd = method(network, X, y)
    assert_unchanged(X, before)
    clean = method(network, clean_copy(X), y)
    same_arrays(odd, clean, not sparse.issparse(X))


@ESTIMATORS
def test_memory_mapped_arrays(cls, tmp_path):
    """X, y and weights straight from a file, opened for reading only."""
    X, y, weights = make_features(), make_y(cls), np.linspace(1, 2, N_SAMPLES)
    mapped = []
    for name, array in [("X", X), ("y", y), ("weights", weights)]:
        np.save(tmp_path / f"{name}.npy", array)
        mapped.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    same_arrays(train("fit", small(cls), *mapped), train("fit", small(cls), X, y, weights))
    estimator = small(cls).fit(X, y)
    same_arrays(predictions(estimator, mapped[0]), predictions(estimator, X))


@ESTIMATORS
def test_dates_are_numbers_to_scikit_learn_only(cls):
    """Its checks turn dates into seconds since 1970; a Network asks for numbers."""
    X, y = make_features(), make_y(cls)
    dates = X.astype("datetime64[s]")
    same_arrays(train("fit", small(cls), dates, y), train("fit", small(cls), X.astype(int), y))
    with pytest.raises(ValueError, match="must hold numbers.*datetime64"):
        small(cls).fit(X, y).network_.forward(dates)


@ESTIMATORS
def test_data_frames(cls):
    X, y = make_features(), make_y(cls)
    frame = pd.DataFrame(X, columns=list("abcd")).astype({"a": "float32", "b": "int64"})
    clean = frame.to_numpy(dtype=float)
    fitted = small(cls).fit(frame, pd.Series(y, index=np.arange(N_SAMPLES)[::-1]))
    same_arrays(fitted.coefs_, small(cls).fit(clean, y).coefs_)
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
    X, y = make_features()[:rows, :columns], make_y(cls)[:rows]
    estimator = small(cls, batch_size="auto")
    params = train(method, estimator, container(X), y)
    assert all(np.isfinite(part).all() for part in params)
    assert estimator.predict(container(X)).shape == (rows,)


@ESTIMATORS
@pytest.mark.parametrize("n_features", [1, 3, 5])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
def test_another_number_of_features(cls, n_features, container):
    estimator = small(cls).fit(make_features(), make_y(cls))
    X = container(np.ones((N_SAMPLES, n_features)))
    words = f"X has {n_features} features, but Backprop.* is expecting 4 features"
    with pytest.raises(ValueError, match=words):
        estimator.predict(X)
    with pytest.raises(ValueError, match=words):
        estimator.partial_fit(X, make_y(cls))
    with pytest.raises(ValueError, match=f"X has {n_features} features.* 4 inputs"):
        estimator.network_.forward(X)


# --- targets --------------------------------------------------------------------------------------


def column(y):
    return y.reshape(-1, 1)


# What regressors and classifiers refuse or accept alike.
Y_TABLE = [
    ("strided", lambda y: np.repeat(y, 2)[::2], None, ""),
    ("negative strides", reversed_view, None, ""),
    ("unaligned", unaligned, None, ""),
    ("other byte order", byte_swapped, None, ""),
    ("read-only", read_only, None, ""),
    ("list", lambda y: y.tolist(), None, ""),
    ("Series", pd.Series, None, ""),
    ("float32", as_type(np.float32), None, ""),
    ("None", lambda y: None, (ValueError, TypeError), "None|requires y"),
    ("too short", lambda y: y[:-1], ValueError, "inconsistent numbers"),
    ("too long", lambda y: np.append(y, 0), ValueError, "inconsistent numbers"),
    ("empty", lambda y: y[:0], ValueError, "inconsistent|0 sample"),
    ("a number", lambda y: 1.0, (ValueError, TypeError), "scalar|1d|0D|shape|dim|valid collection"),
    ("three dimensions", lambda y: np.ones((N_SAMPLES, 2, 2)), ValueError, "dim|Unknown label"),
    ("NaN", with_value(np.nan), ValueError, "NaN"),
    ("infinity", with_value(np.inf), ValueError, "infinity"),
    ("None in objects", with_value(None, object), (ValueError, TypeError), "."),
    ("complex", as_type(complex), ValueError, "Complex data not supported|Unknown label"),
]

REGRESSION_Y_TABLE = [
    *Y_TABLE,
    ("int", lambda y: (4 * y).astype(int), None, ""),
    ("bool", as_type(bool), None, ""),
    ("float16", as_type(np.float16), None, ""),
    ("longdouble", as_type(np.longdouble), None, ""),
    ("object of numbers", as_type(object), None, ""),
    ("two outputs", lambda y: np.column_stack([y, -y]), None, ""),
    ("two outputs, Fortran order", lambda y: np.asfortranarray(np.outer(y, [1, 2])), None, ""),
    ("zero stride", lambda y: np.broadcast_to(y[1], y.shape), None, ""),
    ("text", lambda y: np.full(y.shape, "x"), ValueError, NUMBERS),
    ("text in objects", with_value("x", object), ValueError, NUMBERS),
    ("sparse", lambda y: csr(column(y)), (ValueError, TypeError), "sparse"),
    ("no outputs", lambda y: np.ones((N_SAMPLES, 0)), ValueError, "."),
]

CLASSIFICATION_Y_TABLE = [
    *Y_TABLE,
    ("uint8", as_type(np.uint8), None, ""),
    ("float64", as_type(np.float64), None, ""),
    ("indicator", lambda y: np.eye(3, dtype=int)[y], None, ""),
    ("indicator of bool", lambda y: np.eye(3, dtype=bool)[y], None, ""),
    ("indicator, Fortran order", lambda y: np.asfortranarray(np.eye(3)[y]), None, ""),
    ("continuous", lambda y: y + 0.5, ValueError, "Unknown label type"),
    ("columns of classes", lambda y: np.column_stack([y, y]), ValueError, "[Mm]ultioutput"),
    ("columns of numbers", lambda y: np.eye(3)[y] + 0.25, ValueError, "Unknown label type"),
    ("text and numbers", with_value("x", object), (ValueError, TypeError), "."),
]


def clean_targets(y):
    return np.array(np.asarray(y), order="C", copy=True)


def check_targets(cls, make, expected, words):
    X, y = make_features(), make(make_y(cls))
    if expected is not None:
        with raises(expected, words):
            small(cls).fit(X, y)
        return
    before = copy.deepcopy(y)
    odd = train("fit", small(cls), X, y)
    assert_unchanged(y, before)
    clean = clean_targets(y)
    if clean.dtype != bool and clean.dtype.kind != "i":
        clean = clean.astype(float)
    same_arrays(odd, train("fit", small(cls), X, clean))


@table(REGRESSION_Y_TABLE)
def test_regression_targets(make, expected, words):
    check_targets(BackpropRegressor, make, expected, words)


@table(CLASSIFICATION_Y_TABLE)
def test_class_labels(make, expected, words):
    check_targets(BackpropClassifier, make, expected, words)


@ESTIMATORS
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_column_is_flattened_with_a_warning(cls, method):
    X, y = make_features(), make_y(cls)
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        from_column = train(method, small(cls), X, column(y))
    same_arrays(from_column, train(method, small(cls), X, y))


RANGE_TABLE = [
    ("poisson, negative", {"loss": "poisson"}, -0.5, ">= 0.*-0.5"),
    ("exp, negative", {"output_activation": "exp"}, -0.5, ">= 0.*-0.5"),
    ("logistic, above 1", {"output_activation": "logistic"}, 1.5, "between 0 and 1.*1.5"),
    ("logistic, below 0", {"output_activation": "logistic"}, -0.25, "between 0 and 1.*-0.25"),
    ("softmax, above 1", {"output_activation": "softmax"}, 1.5, "between 0 and 1.*1.5"),
]


@pytest.mark.parametrize(
    ("params", "value", "words"),
    [pytest.param(*entry[1:], id=entry[0]) for entry in RANGE_TABLE],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_targets_that_the_output_cannot_reach(params, value, words, method):
    X, y = make_features(), make_y(BackpropRegressor)
    train(method, small(BackpropRegressor, **params), X, y)
    with pytest.raises(ValueError, match=words):
        train(method, small(BackpropRegressor, **params), X, with_value(value)(y))


def test_targets_too_large_for_single_precision():
    X, y = make_features().astype(np.float32), with_value(1e39)(make_y(BackpropRegressor))
    with pytest.raises(ValueError, match="too large for.*float32"):
        small(BackpropRegressor).fit(X, y)
    network = Network([N_FEATURES, 1], dtype="float32")
    with pytest.raises(ValueError, match="too large for.*float32"):
        network.loss(X, y)
    with pytest.raises(ValueError, match="too large for.*float32"):
        network.forward(1e39 * make_features())


NETWORK_Y_TABLE = [
    ("labels", lambda y: y, None, ""),
    ("labels of uint8", as_type(np.uint8), None, ""),
    ("labels, strided", lambda y: np.repeat(y, 2)[::2], None, ""),
    ("labels, other byte order", byte_swapped, None, ""),
    ("labels, list", lambda y: y.tolist(), None, ""),
    ("one-hot", lambda y: np.eye(3)[y], None, ""),
    ("one-hot, Fortran order", lambda y: np.asfortranarray(np.eye(3)[y]), None, ""),
    ("one-hot of bool", lambda y: np.eye(3, dtype=bool)[y], None, ""),
    ("one-hot, unaligned", lambda y: unaligned(np.eye(3)[y]), None, ""),
    ("soft", lambda y: np.full((N_SAMPLES, 3), 0.25), None, ""),
    ("label too large", lambda y: y + 1, ValueError, "label 3.*0..2"),
    ("negative label", lambda y: y - 1, ValueError, "label -1.*0..2"),
    ("labels too short", lambda y: y[:-1], ValueError, "shape"),
    ("labels as floats", lambda y: y.astype(float), ValueError, "shape"),
    ("columns missing", lambda y: np.eye(3)[y][:, :2], ValueError, "shape"),
    ("rows missing", lambda y: np.eye(3)[y][:-1], ValueError, "shape"),
    ("three dimensions", lambda y: np.ones((N_SAMPLES, 3, 1)), ValueError, "shape"),
    ("a number", lambda y: 1, ValueError, "shape"),
    ("None", lambda y: None, (ValueError, TypeError), "None"),
    ("NaN", lambda y: with_value(np.nan)(np.eye(3)[y]), ValueError, "NaN"),
    ("infinity", lambda y: with_value(np.inf)(np.eye(3)[y]), ValueError, "infinity"),
    ("above 1", lambda y: 2 * np.eye(3)[y], ValueError, "between 0 and 1"),
    ("negative", lambda y: -np.eye(3)[y], ValueError, "between 0 and 1"),
    ("text", lambda y: np.full(N_SAMPLES, "x"), ValueError, NUMBERS),
    ("complex", lambda y: np.eye(3)[y].astype(complex), ValueError, "Complex"),
    ("sparse", lambda y: csr(np.eye(3)[y]), (ValueError, TypeError), "sparse"),
]


@pytest.mark.parametrize("name", ["loss", "loss_gradient", "per_sample_gradients"])
@table(NETWORK_Y_TABLE)
def test_network_targets(name, make, expected, words):
    network, X, y = make_network(), make_features(), make(make_y(BackpropClassifier))
    method = NETWORK_METHODS[name]
    if expected is not None:
        with raises(expected, words):
            method(network, X, y)
        return
    before = copy.deepcopy(y)
    clean = np.asarray(y) if np.ndim(y) == 2 else np.eye(3)[np.asarray(y)]
    odd, reference = method(network, X, y), method(network, X, np.array(clean, float, order="C"))
    assert_unchanged(y, before)
    np.testing.assert_allclose(odd, reference, rtol=1e-12, atol=1e-15)


def test_network_targets_of_poisson():
    network = make_network(output_activation="exp", loss="poisson")
    with pytest.raises(ValueError, match=">= 0.*-1"):
        network.loss(make_features(), -np.ones((N_SAMPLES, 3)))


# --- sample weights -------------------------------------------------------------------------------

WEIGHT_TABLE = [
    ("float", lambda w: w, None, ""),
    ("int", lambda w: np.arange(N_SAMPLES) + 1, None, ""),
    ("bool", lambda w: np.arange(N_SAMPLES) > 3, None, ""),
    ("float32", as_type(np.float32), None, ""),
    ("longdouble", as_type(np.longdouble), None, ""),
    ("list", lambda w: w.tolist(), None, ""),
    ("Series", pd.Series, None, ""),
    ("strided", lambda w: np.repeat(w, 2)[::2], None, ""),
    ("negative strides", reversed_view, None, ""),
    ("zero stride", lambda w: np.broadcast_to(w[1], w.shape), None, ""),
    ("unaligned", unaligned, None, ""),
    ("other byte order", byte_swapped, None, ""),
    ("read-only", read_only, None, ""),
    ("some zero", lambda w: np.where(np.arange(N_SAMPLES) % 3 == 0, 0, w), None, ""),
    ("negative", with_value(-0.5), ValueError, "[Nn]egative.*-0.5"),
    ("all zero", lambda w: 0 * w, ValueError, "zero"),
    ("too short", lambda w: w[:-1], ValueError, r"\(23,\).*\(24,\)"),
    ("too long", lambda w: np.append(w, 1), ValueError, r"\(25,\).*\(24,\)"),
    ("empty", lambda w: w[:0], ValueError, r"\(0,\).*\(24,\)"),
    ("column", column, ValueError, r"\(24, 1\)|1D"),
    ("NaN", with_value(np.nan), ValueError, "NaN"),
    ("infinity", with_value(np.inf), ValueError, "infinity"),
    ("sum too large", lambda w: np.full(w.shape, 1e308), ValueError, "sum|large"),
    ("text", lambda w: np.full(w.shape, "x"), ValueError, NUMBERS),
    ("complex", as_type(complex), ValueError, "Complex"),
    ("negative number", lambda w: -1.0, ValueError, "[Nn]egative"),
    ("zero", lambda w: 0.0, ValueError, "zero"),
]


def make_weights():
    return (np.arange(N_SAMPLES) % 5 + 1) / 4


@ESTIMATORS
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@table(WEIGHT_TABLE)
def test_training_weights(cls, method, make, expected, words):
    X, y, weights = make_features(), make_y(cls), make(make_weights())
    if expected is not None:
        with raises(expected, words):
            train(method, small(cls), X, y, weights)
        return
    before = copy.deepcopy(weights)
    odd = train(method, small(cls), X, y, weights)
    assert_unchanged(weights, before)
    same_arrays(odd, train(method, small(cls), X, y, np.array(weights, dtype=float)))


@pytest.mark.parametrize("name", ["loss", "loss_gradient"])
@table(WEIGHT_TABLE)
def test_network_weights(name, make, expected, words):
    network, X, y = make_network(), make_features(), make_y(BackpropClassifier)
    weights = make(make_weights())

    def evaluate(weights):
        result = getattr(network, name)(X, y, weights)
        return result if name == "loss" else result.flat

    if expected is not None:
        with raises(expected, words):
            evaluate(weights)
        return
    before = copy.deepcopy(weights)
    np.testing.assert_array_equal(evaluate(weights), evaluate(np.array(weights, dtype=float)))
    assert_unchanged(weights, before)


@ESTIMATORS
def test_a_single_weight_stands_for_all(cls):
    X, y = make_features(), make_y(cls)
    same_arrays(
        train("fit", small(cls), X, y, 2.5),
        train("fit", small(cls), X, y, np.full(N_SAMPLES, 2.5)),
    )
