"""The input gate as tables: what is accepted, and with which words the rest is refused.

An entry is (id, make, expected, words): `make` turns clean data into odd data, `expected` is an
exception type, or None where the odd data must give the very result of its clean copy, `words` a
regular expression for the message. Each table runs through every method that takes such data.
"""

import copy
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = [
    # Two epochs tell a right from a wrong array.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Said by NumPy before 1.24, where later ones raise the ValueError at once.
    pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged nested sequences"),
]

ESTIMATORS = pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
SCIKIT = {BackpropClassifier: MLPClassifier, BackpropRegressor: MLPRegressor}

N_SAMPLES, N_FEATURES = 24, 4


def table(entries):
    """Parametrise a test with the entries of a table."""
    return pytest.mark.parametrize(
        ("make", "expected", "words"),
        [pytest.param(*entry[1:], id=entry[0]) for entry in entries],
    )


def make_features():
    """Multiples of 1/4 in [0, 8): every dtype of the tables holds them exactly."""
    return np.random.default_rng(0).integers(0, 32, (N_SAMPLES, N_FEATURES)) / 4


def make_y(cls):
    codes = np.arange(N_SAMPLES) % 3
    return codes if cls is BackpropClassifier else codes / 4


def small(cls, **params):
    defaults = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0, "batch_size": 7}
    return cls(**{**defaults, **params})


def make_network(**params):
    defaults = {"activation": "tanh", "output_activation": "softmax", "loss": "log_loss"}
    return Network([N_FEATURES, 3, 3], random_state=0, **{**defaults, **params})


# --- odd arrays -----------------------------------------------------------------------------------


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


def same_arrays(ours, clean, exact=True):
    """Bit for bit; entries of a CSR row may come in another order, and add up in another."""
    bound = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-5, "atol": 1e-7}
    for one, other in zip(ours, clean, strict=True):
        np.testing.assert_allclose(one, other, **bound)


def train(method, estimator, X, y, weights=None):
    """fit or partial_fit; the parameters and losses afterwards."""
    arguments = {}
    if method == "partial_fit" and isinstance(estimator, BackpropClassifier):
        arguments = {"classes": [0, 1, 2]}
    getattr(estimator, method)(X, y, sample_weight=weights, **arguments)
    return [*estimator.coefs_, *estimator.intercepts_, estimator.loss_curve_]


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


# --- layers ---------------------------------------------------------------------------------------

ABSURD_LAYERS = [
    0,
    -3,
    2.5,
    np.nan,
    None,
    "abc",
    (0,),
    (5, 0),
    (5, -1),
    (2.5,),
    ("5",),
    (None,),
    ((3, 4),),
    (5, np.nan),
]
TOO_LARGE_LAYERS = [(2**31,), (10**12,), (2**62, 2**62), (10**30,), (2**31 - 1, 2**31 - 1)]


@ESTIMATORS
@pytest.mark.parametrize("layers", ABSURD_LAYERS, ids=str)
def test_absurd_hidden_layers(cls, layers):
    X, y = make_features(), make_y(cls)
    with pytest.raises((ValueError, TypeError), match="hidden_layer_sizes"):
        small(cls, hidden_layer_sizes=layers).fit(X, y)
    with pytest.raises((ValueError, TypeError, OverflowError)):
        SCIKIT[cls](hidden_layer_sizes=layers).fit(X, y)


def peak_of(action):
    """Bytes that an action allocates at most."""
    tracemalloc.start()
    try:
        action()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@ESTIMATORS
@pytest.mark.parametrize("layers", TOO_LARGE_LAYERS, ids=str)
def test_hidden_layers_too_large_for_memory(cls, layers):
    """Refused before memory is asked for, and before a product of sizes wraps around."""
    X, y = make_features(), make_y(cls)

    def refuse():
        with pytest.raises((ValueError, MemoryError)):
            small(cls, hidden_layer_sizes=layers).fit(X, y)
        with pytest.raises((ValueError, MemoryError)):
            Network([N_FEATURES, *layers, 1])

    assert peak_of(refuse) < 10_000_000


@ESTIMATORS
@pytest.mark.parametrize(
    "layers", [3, [3], (3,), np.array([3]), np.int32(3), (np.int64(3),), range(3, 4)], ids=repr
)
def test_hidden_layers_in_every_form(cls, layers):
    X, y = make_features(), make_y(cls)
    same_arrays(
        train("fit", small(cls, hidden_layer_sizes=layers), X, y), train("fit", small(cls), X, y)
    )


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([4], ValueError),
        ([], ValueError),
        ([4, 0], ValueError),
        ([0, 3], ValueError),
        ([4, -1], ValueError),
        ([4, 2.0], TypeError),
        ([4, "2"], TypeError),
        ([4, None], TypeError),
        ([4, True], TypeError),
        (4, TypeError),
        (None, TypeError),
        ("43", TypeError),
    ],
    ids=str,
)
def test_absurd_network_sizes(sizes, expected):
    with pytest.raises(expected, match="layer_sizes"):
        Network(sizes)


# --- parameters -----------------------------------------------------------------------------------

BAD_PARAMETERS = [
    ("activation", ["sigmoid", "softmax", None, 3]),
    ("solver", ["rmsprop", "ADAM", None]),
    ("alpha", [-1.0, np.nan, "0.1", None]),
    ("batch_size", [0, -1, 2.5, "all", None]),
    ("learning_rate", ["linear", None, 0.1]),
    ("learning_rate_init", [0.0, -0.1, np.nan, "fast"]),
    ("power_t", [-1.0, np.nan]),
    ("max_iter", [0, -5, 2.5, None]),
    ("shuffle", ["yes", None, 2]),
    ("random_state", [-1, 2.5, "seed"]),
    ("tol", [-1e-4, np.nan, None]),
    ("verbose", ["yes", -1]),
    ("warm_start", ["yes", None]),
    ("momentum", [-0.1, 1.1, np.nan]),
    ("nesterovs_momentum", ["yes", None]),
    ("early_stopping", ["yes", None]),
    ("validation_fraction", [-0.1, 1.0, np.nan]),
    ("beta_1", [-0.1, 1.0, np.nan]),
    ("beta_2", [-0.1, 1.0, np.nan]),
    ("epsilon", [0.0, -1e-8, np.nan]),
    ("n_iter_no_change", [0, -1, 2.5, None]),
    ("max_fun", [0, -1, 2.5]),
]
NEW_BAD_PARAMETERS = [
    ("output_activation", ["sigmoid", None, 3]),
    ("fit_intercept", ["yes", None]),
    ("loss", ["mse", None, "hinge"]),
]


def flat(bad_parameters):
    return [
        pytest.param(name, value, id=f"{name}={value}")
        for name, values in bad_parameters
        for value in values
    ]


def error_of(action):
    try:
        action()
    except Exception as error:
        return error
    return None


@ESTIMATORS
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("name", "value"), flat(BAD_PARAMETERS))
def test_bad_parameters_as_in_scikit_learn(cls, method, name, value):
    if (name, method) == ("solver", "partial_fit"):
        pytest.raises(AttributeError, lambda: small(cls, solver=value).partial_fit)
        return
    X, y = make_features(), make_y(cls)
    ours = error_of(lambda: train(method, small(cls, **{name: value}), X, y))
    theirs = error_of(lambda: SCIKIT[cls](**{name: value}).fit(X, y))
    assert isinstance(theirs, ValueError)
    assert type(ours) is type(theirs)
    assert name in str(ours)


@ESTIMATORS
@pytest.mark.parametrize(("name", "value"), flat(NEW_BAD_PARAMETERS))
def test_bad_new_parameters(cls, name, value):
    with pytest.raises(ValueError, match=name):
        small(cls, **{name: value}).fit(make_features(), make_y(cls))


@pytest.mark.parametrize(
    "params",
    [
        {"activation": "sigmoid"},
        {"activation": None},
        {"output_activation": "tanh"},
        {"loss": "mse"},
        {"reduction": "max"},
        {"dtype": "float16"},
        {"dtype": "int64"},
        {"dtype": "nonsense"},
        {"l2": -1.0},
        {"l2": np.nan},
        {"l2": np.inf},
        {"loss_scale": 0.0},
        {"loss_scale": -1.0},
        {"loss_scale": np.nan},
        {"loss_scale": "two"},
        {"random_state": "seed"},
        {"random_state": -1},
        {"loss": "log_loss", "output_activation": "identity"},
        {"loss": "log_loss", "output_activation": "exp"},
        {"loss": "poisson", "output_activation": "identity"},
    ],
    ids=str,
)
def test_bad_network_arguments(params):
    """An unknown name is answered with the known ones."""
    with pytest.raises((ValueError, TypeError)) as caught:
        Network([3, 2], **params)
    assert any(name in str(caught.value) for name in params)
    for name, known in [("activation", "relu"), ("loss", "poisson"), ("dtype", "float32")]:
        if list(params) == [name]:
            assert known in str(caught.value)


@ESTIMATORS
def test_the_gate_is_silent(cls):
    """Nothing odd that is accepted comes with a warning, overflow in a cast included."""
    X, y = make_features(), make_y(cls)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = small(cls, tol=1e3, n_iter_no_change=1, max_iter=9)
        estimator.fit(unaligned(byte_swapped(X)), y)
        estimator.predict(np.asfortranarray(X.astype(np.float16)))
