"""What is done in a special way for speed equals what it stands for.

The compiled shuffle is NumPy's; a checked forward of a plain array is the forward of every other
array; scikit-learn's checks are skipped only where they would change and find nothing; weights that
were not given are ones; plain SGD is w -= rate * gradient; and products of few rows or columns,
which have ways of their own through the arithmetic, are products.
"""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from gate import ESTIMATORS, SCIKIT, byte_swapped, same_arrays, unaligned
from reference import ReferenceNetwork
from scipy import sparse
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from test_input_gate import as_type, with_value
from test_kernels import DTYPES, PAIRS, assert_agrees, random_problem, random_weights

from fastbp import BackpropClassifier, BackpropRegressor, Network, _kernels, base
from fastbp._kernels import core

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CONTAINERS = pytest.mark.parametrize(
    "container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"]
)


def make_features(n_samples=24, n_features=4):
    """Multiples of 1/4: float16 holds them exactly."""
    return np.random.default_rng(0).integers(-16, 16, (n_samples, n_features)) / 4


def make_y(cls, n_samples=24):
    codes = np.arange(n_samples) % 3
    return codes if cls is BackpropClassifier else codes / 4


def strided(array):
    """Every other row and third column of a larger array of the same type."""
    return np.repeat(np.repeat(array, 2, axis=0), 3, axis=1)[::2, ::3]


def small(cls, **params):
    defaults = {"hidden_layer_sizes": (5,), "max_iter": 2, "random_state": 0, "batch_size": 7}
    return cls(**{**defaults, **params})


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


# --- shuffling ------------------------------------------------------------------------------------

BIT_GENERATORS = [
    np.random.MT19937,
    np.random.PCG64,
    np.random.Philox,
    np.random.SFC64,
]


@pytest.mark.parametrize("bit_generator", BIT_GENERATORS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_shuffle_is_numpys(build, seed, bit_generator):
    """The same order, and the same numbers drawn for it, call after call."""
    ours, theirs = (np.random.RandomState(bit_generator(seed)) for _ in range(2))
    for n in [0, 1, 2, 3, 10, 1000, 65537, 10, 10, 1000]:
        order, expected = np.arange(n), np.arange(n)
        for _ in range(2):
            _kernels.core.shuffle(order, ours._bit_generator)
            theirs.shuffle(expected)
            np.testing.assert_array_equal(order, expected)
            np.testing.assert_equal(ours.get_state(legacy=False), theirs.get_state(legacy=False))
    # nothing is left behind in the generator either
    np.testing.assert_array_equal(ours.standard_normal(5), theirs.standard_normal(5))


@pytest.mark.parametrize("seed", [0, 7])
def test_shuffle_of_a_seeded_random_state(seed):
    ours, theirs = np.random.RandomState(seed), np.random.RandomState(seed)
    order, expected = np.arange(1000)[::-1].copy(), np.arange(1000)[::-1].copy()
    core.shuffle(order, ours._bit_generator)
    theirs.shuffle(expected)
    np.testing.assert_array_equal(order, expected)
    np.testing.assert_equal(ours.get_state(), theirs.get_state())


@pytest.mark.parametrize("bit_generator", BIT_GENERATORS, ids=lambda cls: cls.__name__)
@ESTIMATORS
def test_shuffles_of_a_run_are_scikit_learns(cls, bit_generator):
    X, y = make_features(), make_y(cls)
    states = [np.random.RandomState(bit_generator(3)) for _ in range(2)]
    params = {"hidden_layer_sizes": (5,), "max_iter": 3, "batch_size": 7}
    ours, theirs = (
        one(random_state=state, **params).fit(X, y)
        for one, state in zip((cls, SCIKIT[cls]), states, strict=True)
    )
    for our_coef, their_coef in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(our_coef, their_coef, rtol=1e-10, atol=1e-12)
    one, other = (state.get_state(legacy=False) for state in states)
    np.testing.assert_equal(one, other)


# --- Network.forward ------------------------------------------------------------------------------

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


@MATRIX
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_through_every_door(build, dtype, door):
    for n_samples, layer_sizes in itertools.product((1, 2, 5, 300), ([4, 3], [4, 9, 200, 2])):
        net = Network(layer_sizes, activation="tanh", dtype=dtype, random_state=0)
        X = make_features(n_samples).astype(dtype)
        expected = net.forward(X)
        odd = DOORS[door](X)
        found = net.forward(odd)
        assert type(found) is np.ndarray and found.dtype == dtype
        np.testing.assert_array_equal(found, expected)
        # the general way, which nothing bypasses
        np.testing.assert_array_equal(net.activations(odd)[-1], expected)
        np.testing.assert_array_equal(X, make_features(n_samples))


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_of_memory_maps(dtype, mode, tmp_path):
    X = make_features().astype(dtype)
    np.save(tmp_path / "X.npy", X)
    net = Network([4, 9, 2], dtype=dtype, random_state=0)
    mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
    np.testing.assert_array_equal(net.forward(mapped), net.forward(X))
    np.testing.assert_array_equal(net.forward(np.asarray(mapped)), net.forward(X))


@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_of_single_rows_and_columns(build, dtype):
    """Views with strides that mean nothing, as there is nothing to stride to."""
    X = make_features().astype(dtype)
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


@pytest.mark.parametrize("refused", REFUSED_BY_NETWORKS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_refuses_in_the_words_of_the_gate(build, dtype, refused):
    make, message = REFUSED_BY_NETWORKS[refused]
    net = Network([4, 9, 2], dtype=dtype, random_state=0)
    X = make(make_features())
    arrays = [X, X.astype(dtype)] if X.dtype.kind == "f" else [X]
    for array in arrays:
        for method in net.forward, net.activations:
            with pytest.raises(ValueError) as caught:
                method(array)
            assert type(caught.value) is ValueError
            assert str(caught.value) == message


def test_forward_refuses_what_overflows_in_the_cast():
    net = Network([4, 2], dtype="float32", random_state=0)
    with pytest.raises(ValueError, match="^X contains a value too large for float32.$"):
        net.forward(with_value(1e300)(make_features()))


# --- predictions ----------------------------------------------------------------------------------


def outcome(action):
    """The warnings and the error of an action, ours and scikit-learn's in the same words."""
    error = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            action()
        except Exception as raised:
            error = type(raised), str(raised).replace("MLP", "Backprop")
    return [(one.category, str(one.message).replace("MLP", "Backprop")) for one in caught], error


@pytest.fixture
def all_checks(monkeypatch):
    """A function that has every check of scikit-learn's done from then on."""

    def do_all():
        monkeypatch.setattr(base, "is_kernel_matrix", lambda X, dtypes: False)
        monkeypatch.setattr(Network, "_outputs_if_sound", lambda self, X: None)

    return do_all


def predictions(estimator, X):
    results = [estimator.predict(X)]
    if hasattr(estimator, "predict_proba"):
        results += [estimator.predict_proba(X), estimator.predict_log_proba(X)]
    return results


@MATRIX
@pytest.mark.parametrize("door", [door for door in DOORS if door != "matrix"])
@pytest.mark.parametrize("dtype", DTYPES)
@ESTIMATORS
def test_predictions_through_every_door(all_checks, cls, dtype, door):
    X = make_features().astype(dtype)
    estimator = small(cls).fit(X, make_y(cls))
    expected = predictions(estimator, X)
    same_arrays(predictions(estimator, DOORS[door](X)), expected)
    all_checks()
    same_arrays(predictions(estimator, X), expected)


NAMES = list("abcd")
SEEN_IN_FIT = {"array": lambda X: X, "frame": lambda X: pd.DataFrame(X, columns=NAMES)}
PREDICTED = {
    "array": lambda X: X,
    "Fortran order": np.asfortranarray,
    "list": lambda X: X.tolist(),
    "frame": lambda X: pd.DataFrame(X, columns=NAMES),
    "frame with numbered columns": pd.DataFrame,
    "frame with other names": lambda X: pd.DataFrame(X, columns=list("abce")),
    "frame in another order": lambda X: pd.DataFrame(X, columns=NAMES)[list("bacd")],
    "NaN": with_value(np.nan),
    "infinity": with_value(np.inf),
    "NaN in Fortran order": lambda X: np.asfortranarray(with_value(np.nan)(X)),
    "NaN in a frame": lambda X: pd.DataFrame(with_value(np.nan)(X), columns=NAMES),
    "a column less": lambda X: X[:, :3].copy(),
    "a column more": lambda X: np.hstack([X, X[:, :1]]),
    "no rows": lambda X: X[:0],
    "no columns": lambda X: X[:, :0],
    "one dimension": lambda X: X[0],
    "three dimensions": lambda X: X[None],
    "complex": as_type(complex),
}


@pytest.mark.parametrize("predicted", PREDICTED)
@pytest.mark.parametrize("seen", SEEN_IN_FIT)
@ESTIMATORS
def test_predictions_warn_and_refuse_as_scikit_learns(all_checks, cls, seen, predicted):
    X, y = make_features(), make_y(cls)
    odd = PREDICTED[predicted](X)
    ours, theirs = (small(one).fit(SEEN_IN_FIT[seen](X), y) for one in (cls, SCIKIT[cls]))
    expected = outcome(lambda: theirs.predict(odd))
    assert outcome(lambda: ours.predict(odd)) == expected
    if cls is BackpropClassifier:
        assert outcome(lambda: ours.predict_proba(odd)) == expected
    all_checks()
    assert outcome(lambda: ours.predict(odd)) == expected


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_predictions_before_fit(method):
    for X in make_features(), make_features().tolist(), with_value(np.nan)(make_features()), None:
        ours, theirs = (
            outcome(lambda cls=cls, X=X: getattr(cls(), method)(X))
            for cls in (BackpropClassifier, SCIKIT[BackpropClassifier])
        )
        assert ours == theirs
        assert ours[1][0].__name__ == "NotFittedError"
    X = make_features()
    assert outcome(lambda: BackpropRegressor().predict(X)) == outcome(
        lambda: SCIKIT[BackpropRegressor]().predict(X)
    )


SCIKIT_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")


@pytest.mark.parametrize("activation", core.ACTIVATIONS)
@ESTIMATORS
def test_predictions_when_finiteness_is_assumed(build, cls, activation):
    """What is not finite then goes through the network, and is seen in the outputs."""
    X, y = make_features(), make_y(cls)
    known = activation in SCIKIT_ACTIVATIONS
    ours = small(cls, activation=activation).fit(X, y)
    theirs = small(SCIKIT[cls], activation=activation if known else "relu").fit(X, y)
    unchecked = X.copy()
    unchecked[3, 1], unchecked[7, 0], unchecked[8, 2] = np.nan, np.inf, -np.inf
    method = "predict_proba" if cls is BackpropClassifier else "predict"

    def expected(X):
        if known:
            return getattr(theirs, method)(X)
        outputs = ReferenceNetwork.like(ours.network_).forward(X)
        return outputs if cls is BackpropClassifier else outputs.ravel()

    with config_context(assume_finite=True), np.errstate(all="ignore"):
        for clean in X, X.tolist(), np.asfortranarray(X):
            np.testing.assert_allclose(getattr(ours, method)(clean), expected(clean), rtol=1e-9)
        for odd in unchecked, np.asfortranarray(unchecked), unchecked.tolist():
            np.testing.assert_allclose(getattr(ours, method)(odd), expected(odd), rtol=1e-9)
        words = outcome(lambda: ours.predict(X[:, :3].copy()))
        assert words == outcome(lambda: theirs.predict(X[:, :3].copy()))
    assert outcome(lambda: ours.predict(unchecked)) == outcome(lambda: theirs.predict(unchecked))


# --- fits -----------------------------------------------------------------------------------------


def fitted_arrays(estimator):
    return [*estimator.coefs_, *estimator.intercepts_, estimator.loss_curve_]


@pytest.mark.parametrize("solver", [*core.OPTIMIZERS, "lbfgs"])
@pytest.mark.parametrize("dtype", DTYPES)
@ESTIMATORS
def test_fits_of_plain_arrays(all_checks, cls, dtype, solver):
    """Checked or not, and in every other form."""
    X, y = make_features().astype(dtype), make_y(cls)

    def fitted(X, y):
        return fitted_arrays(small(cls, solver=solver).fit(X, y))

    expected = fitted(X, y)
    forms = [np.asfortranarray, strided, read_only, unaligned, pd.DataFrame]
    if dtype == "float64":  # which these become
        forms += [np.ndarray.tolist, byte_swapped, as_type(np.float16), as_type(object)]
    for form in forms:
        same_arrays(fitted(form(X), y), expected)
    for form in [np.ndarray.tolist, read_only, byte_swapped, unaligned, pd.Series, as_type(float)]:
        same_arrays(fitted(X, form(y)), expected)
    all_checks()
    same_arrays(fitted(X, y), expected)


BAD_X = {
    "NaN": with_value(np.nan),
    "infinity": with_value(np.inf),
    "-infinity": with_value(-np.inf),
    "NaN in float32": with_value(np.nan, np.float32),
    "infinity in float32": with_value(np.inf, np.float32),
    "NaN in Fortran order": lambda X: np.asfortranarray(with_value(np.nan)(X)),
    "complex": as_type(complex),
    "text": lambda X: np.full(X.shape, "x"),
    "text in objects": with_value("x", object),
    "None in objects": with_value(None, object),
    "no rows": lambda X: X[:0],
    "no columns": lambda X: X[:, :0],
    "empty list": lambda X: [],
    "too short": lambda X: X[:-1],
    "too long": lambda X: np.vstack([X, X]),
    "no dimension": lambda X: X[0, 0],
    "one dimension": lambda X: X[:, 0],
    "three dimensions": lambda X: X[:, :, None],
    "None": lambda X: None,
}
BAD_Y = {
    "NaN": with_value(np.nan),
    "infinity": with_value(np.inf),
    "-infinity": with_value(-np.inf),
    "NaN in float32": with_value(np.nan, np.float32),
    "NaN in two columns": lambda y: with_value(np.nan)(np.column_stack([y, y])),
    "complex": as_type(complex),
    "no rows": lambda y: y[:0],
    "no columns": lambda y: y.reshape(-1, 1)[:, :0],
    "too short": lambda y: y[:-1],
    "too long": lambda y: np.append(y, 0),
    "too short, two columns": lambda y: np.column_stack([y, y])[:-1],
    "no dimension": lambda y: y[0],
    "three dimensions": lambda y: np.stack([np.column_stack([y, y])] * 2),
    "three dimensions, as many as samples": lambda y: np.ones((len(y), 2, 2)),
    "sparse": lambda y: sparse.csr_matrix(y.reshape(-1, 1)),
    "None": lambda y: None,
}
# Refused by scikit-learn too, but elsewhere than in its checks, and in other words.
BAD_Y_OF_OURS = {
    "text": lambda y: np.array(list("abc"))[np.arange(len(y)) % 3],
    "bytes": as_type("S"),
    "text in objects": with_value("x", object),
    "None in objects": with_value(None, object),
    "dates": as_type("datetime64[s]"),
    "structured": lambda y: np.zeros(len(y), dtype=[("a", float)]),
}
ODD_X = {
    "column": lambda X: X[:, :1].copy(),
    "row of rows": lambda X: np.ma.masked_array(X),
    "bool": lambda X: X > 0,
}
ODD_Y = {
    "column": lambda y: y.reshape(-1, 1),
    "bool": lambda y: y > 0,
    "uint8": lambda y: (4 * y).astype(np.uint8),
    "float16": as_type(np.float16),
    "longdouble": as_type(np.longdouble),
    "objects": lambda y: (4 * y).astype(int).astype(object),
    "indicators": lambda y: np.column_stack([y > 0, y == 0]).astype(int),
    "one class": np.zeros_like,
}


def tried(method, cls, X, y):
    """What an estimator does with X and y: warnings, error, and what it has learnt."""
    estimator = small(cls)
    arguments = (
        {"classes": [0, 1, 2]}
        if method == "partial_fit" and hasattr(estimator, "predict_proba")
        else {}
    )
    before = vars(estimator).copy()
    said = outcome(lambda: getattr(estimator, method)(X, y, **arguments))
    if said[1] is None:
        return said, estimator.network_.params if "network_" in vars(estimator) else None
    if cls in SCIKIT:
        assert vars(estimator) == before
    return said, None


@pytest.mark.parametrize("bad", BAD_X)
@ESTIMATORS
def test_fits_refuse_inputs_as_scikit_learns(cls, bad):
    X, y = BAD_X[bad](make_features()), make_y(cls)
    said, _ = tried("fit", cls, X, y)
    assert said == tried("fit", SCIKIT[cls], X, y)[0]
    assert said[1] is not None


@pytest.mark.parametrize("bad", BAD_Y)
@ESTIMATORS
def test_fits_refuse_targets_as_scikit_learns(cls, bad):
    X, y = make_features(), BAD_Y[bad](make_y(cls))
    said, _ = tried("fit", cls, X, y)
    assert said == tried("fit", SCIKIT[cls], X, y)[0]
    assert said[1] is not None


@pytest.mark.parametrize("bad", BAD_Y_OF_OURS)
def test_regressors_refuse_targets_that_are_no_numbers(bad):
    X, y = make_features(), BAD_Y_OF_OURS[bad](make_y(BackpropRegressor))
    (_, error), _ = tried("fit", BackpropRegressor, X, y)
    assert error is not None and error[0] is ValueError
    assert tried("fit", SCIKIT[BackpropRegressor], X, y)[0][1] is not None


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@ESTIMATORS
def test_fits_with_and_without_checks(all_checks, cls, method):
    """What an array brings about does not depend on which checks were found unnecessary."""
    inputs = {**BAD_X, **ODD_X, "plain": lambda X: X}
    targets = {**BAD_Y, **BAD_Y_OF_OURS, **ODD_Y}
    pairs = [(make(make_features()), make_y(cls)) for make in inputs.values()]
    pairs += [(make_features(), make(make_y(cls))) for make in targets.values()]
    fast = [tried(method, cls, X, y) for X, y in pairs]
    all_checks()
    for name, one, (X, y) in zip([*inputs, *targets], fast, pairs, strict=True):
        said, learnt = tried(method, cls, X, y)
        assert said == one[0], name
        np.testing.assert_array_equal(learnt, one[1], err_msg=name)


@ESTIMATORS
def test_fits_when_finiteness_is_assumed(cls):
    """What the checks would have found is found after an epoch, at the latest."""
    X, y = make_features(), make_y(cls)
    expected = fitted_arrays(small(cls).fit(X, y))
    with config_context(assume_finite=True):
        same_arrays(fitted_arrays(small(cls).fit(X, y)), expected)
        for value, activation in itertools.product((np.nan, np.inf), core.ACTIVATIONS):
            estimator = small(cls, activation=activation)
            with pytest.raises(ValueError, match="non-finite"), np.errstate(all="ignore"):
                estimator.fit(with_value(value)(X), y)
            assert not hasattr(estimator, "network_")


def features_seen(estimator):
    names = getattr(estimator, "feature_names_in_", None)
    return getattr(estimator, "n_features_in_", None), None if names is None else list(names)


STEPS = {
    "array": lambda X: X,
    "frame": lambda X: pd.DataFrame(X, columns=NAMES),
    "frame with numbered columns": pd.DataFrame,
    "list": lambda X: X.tolist(),
    "fewer columns": lambda X: X[:, :3].copy(),
    "fewer columns with names": lambda X: pd.DataFrame(X[:, :3], columns=NAMES[:3]),
    "other names": lambda X: pd.DataFrame(X, columns=list("wxyz")),
    "NaN": with_value(np.nan),
}


@pytest.mark.parametrize("then", [("fit", False), ("fit", True), ("partial_fit", False)], ids=str)
@pytest.mark.parametrize("first", ["array", "frame", "NaN"])
@ESTIMATORS
def test_features_seen_are_those_scikit_learn_saw(cls, first, then):
    """Set by the first call, and replaced, removed, warned of or refused by the second."""
    X, y = make_features(), make_y(cls)
    method, warm_start = then
    for second in STEPS:
        records = []
        for one in cls, SCIKIT[cls]:
            estimator = small(one, warm_start=warm_start, max_iter=1)
            record = [outcome(lambda: estimator.fit(STEPS[first](X), y))]  # noqa: B023
            record += [features_seen(estimator)]
            if record[0][1] is None:
                train = getattr(estimator, method)
                record += [outcome(lambda: train(STEPS[second](X), y))]  # noqa: B023
                if record[-1][1] is None:
                    record += [features_seen(estimator)]
            records.append(record)
        ours, theirs = records
        if ours[0][1] is not None:  # a fit that fails leaves nothing of ours behind
            assert ours.pop() == (None, None)
            theirs.pop()
        assert ours == theirs, second


# --- weights that were not given ------------------------------------------------------------------


@CONTAINERS
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_weights_are_ones_to_a_network(build, dtype, pair, container):
    rng = np.random.default_rng(0)
    for reduction, l2, n_samples in itertools.product(("mean", "sum"), (0.0, 0.3), (1, 7, 300)):
        net, _, X, y = random_problem(
            rng, (5, 9, 200, 2), n_samples, *pair, dtype=dtype, reduction=reduction, l2=l2
        )
        X = container(X)
        gradients = [net.loss_gradient(X, y, weights) for weights in (None, np.ones(n_samples))]
        assert gradients[0].loss == gradients[1].loss
        assert net.loss(X, y) == net.loss(X, y, np.ones(n_samples)) == gradients[0].loss
        np.testing.assert_array_equal(gradients[0].flat, gradients[1].flat)


OBJECTIVES = [
    (BackpropClassifier, {"loss": "log_loss"}),
    (BackpropClassifier, {"loss": "log_loss", "output_activation": "logistic"}),
    (BackpropClassifier, {"loss": "squared_error"}),
    (BackpropClassifier, {"loss": "squared_error", "output_activation": "identity"}),
    (BackpropRegressor, {"loss": "squared_error"}),
    (BackpropRegressor, {"loss": "squared_error", "output_activation": "softmax"}),
    (BackpropRegressor, {"loss": "poisson"}),
    (BackpropRegressor, {"loss": "poisson", "output_activation": "logistic"}),
    (BackpropClassifier, {"loss": "log_loss", "label_smoothing": 0.1}),
    (BackpropRegressor, {"loss": "absolute_error"}),
    (BackpropRegressor, {"loss": "huber", "huber_delta": 0.1}),
    (BackpropRegressor, {"loss": "gamma"}),
    (BackpropRegressor, {"loss": "quantile", "quantile": 0.3, "output_activation": "increasing"}),
]
RUNS = [
    {"solver": "adam"},
    {"solver": "adam", "early_stopping": True, "validation_fraction": 0.2},
    {"solver": "sgd"},
    {"solver": "sgd", "momentum": 0.0, "alpha": 0.0},
    {"solver": "sgd", "momentum": 0.0, "alpha": 0.0, "batch_size": 1},
    {"solver": "lbfgs", "max_iter": 5},
    {"solver": "adam", "dropout": 0.2, "input_dropout": 0.1, "weight_decay": 0.01},
    {"solver": "sgd", "max_grad_norm": 0.1, "l1_ratio": 0.5},
    {"solver": "rprop"},
    {"solver": "levenberg_marquardt"},
]


@CONTAINERS
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cls", "objective"), OBJECTIVES)
def test_no_weights_are_ones_to_an_estimator(cls, objective, dtype, container):
    X, y = make_features(40).astype(dtype), make_y(cls, 40)
    if cls is BackpropRegressor:
        y = np.column_stack([y, 1 - y])
    if objective["loss"] == "gamma":
        y += 0.25
    for run in RUNS:
        if run["solver"] == "levenberg_marquardt" and objective["loss"] != "squared_error":
            continue
        estimators = [small(cls, **objective, **{**{"max_iter": 3}, **run}) for _ in range(2)]
        estimators[0].fit(container(X), y)
        estimators[1].fit(container(X), y, sample_weight=np.ones(40))
        same_arrays(*map(fitted_arrays, estimators))
        assert estimators[0].network_.l2 == estimators[1].network_.l2
        assert estimators[0].validation_scores_ == estimators[1].validation_scores_


# --- plain SGD ------------------------------------------------------------------------------------

PLAIN = {"solver": "sgd", "momentum": 0.0, "alpha": 0.0, "shuffle": False}
TRAINED = {"float64": 1e-10, "float32": 1e-4}


def descend(net, X, y, weights, rate, batch_size, n_epochs):
    """w -= rate * gradient, batch after batch; the loss of each epoch."""
    losses = []
    for _ in range(n_epochs):
        total = 0.0
        for start in range(0, X.shape[0], batch_size):
            rows = slice(start, start + batch_size)
            if weights is not None and not weights[rows].any():
                continue
            gradient = net.loss_gradient(
                X[rows], y[rows], None if weights is None else weights[rows]
            )
            net.params -= rate * gradient.flat
            total += gradient.loss * X[rows].shape[0]
        losses.append(total / X.shape[0])
    return losses


def assert_trained_alike(params, losses, expected_params, expected_losses, dtype):
    error = np.max(np.abs(params - expected_params))
    assert error <= TRAINED[dtype] * np.max(np.abs(expected_params))
    np.testing.assert_allclose(losses, expected_losses, rtol=TRAINED[dtype])


@CONTAINERS
@pytest.mark.parametrize("batch_size", [1, 2, 7, 200])
@pytest.mark.parametrize("dtype", DTYPES)
@ESTIMATORS
def test_plain_sgd_is_gradient_descent(build, cls, dtype, batch_size, container):
    rng = np.random.default_rng(batch_size)
    X = rng.normal(size=(210, 6)).astype(dtype)  # the last batch of 200 has 10 rows
    y = X[:, :3].argmax(axis=1) if cls is BackpropClassifier else np.sin(X[:, :3])
    some_zero = random_weights(rng, 210, dtype)
    some_zero[42:49] = 0  # whole batches of the small ones
    output, loss = ("softmax", "log_loss") if cls is BackpropClassifier else (
        "identity", "squared_error"
    )  # fmt: skip
    # the general way, forced by a momentum or a penalty of nothing, or by a second thread
    for activation, weights, fit_intercept, general in [
        ("relu", None, True, {"momentum": 1e-300}),
        ("tanh", some_zero, True, {"momentum": 1e-300, "nesterovs_momentum": False}),
        ("logistic", some_zero, False, {"alpha": 5e-324}),
        ("identity", None, False, {"n_threads": 2}),
    ]:
        net = Network(
            [6, 9, 5, 3],
            activation=activation,
            output_activation=output,
            loss=loss,
            fit_intercept=fit_intercept,
            dtype=dtype,
            random_state=0,
        )
        losses = descend(net, X, y, weights, 0.02, batch_size, 1)
        params = {
            "hidden_layer_sizes": (9, 5),
            "activation": activation,
            "fit_intercept": fit_intercept,
            "batch_size": batch_size,
            "learning_rate_init": 0.02,
            "random_state": 0,
            "max_iter": 1,
            **PLAIN,
        }
        plain = cls(**params).fit(container(X), y, weights)
        assert_trained_alike(plain.network_.params, plain.loss_curve_, net.params, losses, dtype)
        other = cls(**{**params, **general}).fit(container(X), y, weights)
        assert_trained_alike(
            plain.network_.params,
            plain.loss_curve_,
            other.network_.params,
            other.loss_curve_,
            dtype,
        )


@CONTAINERS
@pytest.mark.parametrize("batch_size", [255, 256, 257, 600])
@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_sgd_around_the_size_of_a_block(build, dtype, batch_size, container):
    """Blocks of this network have 256 rows: a batch that takes two is not stepped on by halves."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 5)).astype(dtype)
    y = np.sin(X[:, :2])
    net = Network([5, 300, 2], activation="tanh", dtype=dtype, random_state=0)
    losses = descend(net, X, y, None, 0.02, batch_size, 2)
    plain = BackpropRegressor(
        (300,),
        activation="tanh",
        batch_size=batch_size,
        learning_rate_init=0.02,
        random_state=0,
        max_iter=2,
        **PLAIN,
    ).fit(container(X), y)
    assert_trained_alike(plain.network_.params, plain.loss_curve_, net.params, losses, dtype)


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
