"""Arrays of any dtype and layout: a TypeError or ValueError, or the bits of the plain copy.

Plain is: C-contiguous, aligned, float32 or float64 in the machine's byte order. Hypothesis chooses
what is drawn, always the same examples; a failure shows the smallest one.
"""

import tempfile
from functools import cache, partial

import numpy as np
import pytest
from arrays import Subclass, byte_swapped, read_only_view, unaligned
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problems import CUT_SHORT
from scipy import sparse
from torture import times

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = [
    CUT_SHORT,
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning"),
    # of NumPy before 2, where the tests make arrays of subarrays
    pytest.mark.filterwarnings("ignore:casting an array to a subarray dtype:FutureWarning"),
    # of NumPy's casts to floating point, and of scikit-learn's columns and rare classes
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning"),
]

N_FEATURES = 3
EXAMPLES = settings(
    max_examples=times(15, 1_000),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# --- what is drawn --------------------------------------------------------------------------------

NUMBERS = ["f8", "f4", "f2", "g", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
NUMBERS += [">f8", ">f4", ">f2", ">i4", ">u8", "O"]
OTHERS = ["c16", "c8", ">c16", "S8", "U8", "V8", "M8[s]", "m8[s]", "f8,f8", "3f4,i2", "(2,)f8"]


def memory_mapped(array):
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, array.dtype, "w+", shape=array.shape)
    mapped[...] = array
    return mapped


def within(array):
    """Some rows and columns of a larger array, whose others are NaN or the largest numbers."""
    larger = np.empty([size + 2 for size in array.shape], array.dtype)
    larger.view(np.uint8)[...] = 255
    inner = larger[tuple(slice(1, -1) for _ in array.shape)]
    inner[...] = array
    return inner


def every_other(array):
    return np.repeat(array, 2, axis=-1)[..., ::2]


def backwards(array):
    turned = tuple(slice(None, None, -1) for _ in array.shape)
    return array[turned].copy()[turned]


def repeated(array):
    """A stride of 0: the first row as every row."""
    return np.broadcast_to(array[:1], array.shape)


LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "rows apart": lambda array: np.concatenate([array, array])[: 2 * len(array) : 2],
    "columns apart": every_other,
    "backwards": backwards,
    "repeated": repeated,
    "unaligned": unaligned,
    "other byte order": byte_swapped,
    "read-only": lambda array: read_only_view(array[...]),
    "memory-mapped": memory_mapped,
    "within another": within,
    "subclass": lambda array: array.view(Subclass),
    "matrix": lambda array: np.asmatrix(array) if array.ndim == 2 else array,
    "masked": np.ma.masked_array,
    "list": lambda array: array.tolist(),
}
# what a layout cannot be put on ends the chain
CANNOT = (AttributeError, TypeError, ValueError, AssertionError, IndexError, OverflowError)


@st.composite
def arrays(draw, shape, dtypes, lowest=-8, highest=8):
    """An odd array of small multiples of 1/4, or of one wrong value among them."""
    quarters = np.random.default_rng(draw(st.integers(0, 99))).integers(lowest, highest, shape)
    dtype = draw(st.sampled_from(dtypes))
    with np.errstate(all="ignore"):
        values = quarters / 4 if dtype[-2:-1] in ("f", "c") or dtype in "gO" else quarters
        try:
            array = np.asarray(values).astype(dtype)
        except (TypeError, ValueError):
            array = np.zeros(shape, dtype)
    if dtype in NUMBERS and array.dtype.kind in ("f", "O") and draw(st.integers(0, 9)) == 9:
        array[(0,) * array.ndim] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    for name in draw(st.lists(st.sampled_from(list(LAYOUTS)), max_size=3)):
        try:
            array = LAYOUTS[name](array)
        except CANNOT:
            break
    return array


def plain(array):
    """The plain copy of an array of numbers, made by NumPy; None: it is not one of numbers."""
    original = np.asarray(array)
    if original.dtype.kind not in "biufO":
        return None
    dtype = np.float32 if original.dtype == np.float32 else np.float64
    return np.array(original, dtype=dtype, order="C")


# --- what is called -------------------------------------------------------------------------------


def bits(results):
    """All numbers of a result, as bytes."""
    if isinstance(results, list | tuple):
        return b"".join(bits(one) for one in results)
    return np.ascontiguousarray(results).tobytes()


REFUSED = "TypeError or ValueError"


def outcome(call, *arguments):
    """The bits of a call's result, or REFUSED; any other exception is a failure."""
    try:
        return bits(call(*arguments))
    except (TypeError, ValueError):
        return REFUSED


def assert_same_outcome(call, odd, clean, *, refuses_matrix):
    """The arguments give what their plain copies give; scikit-learn's checks refuse np.matrix."""
    if refuses_matrix and any(isinstance(one, np.matrix) for one in odd):
        assert outcome(call, *odd) == REFUSED
    else:
        assert outcome(call, *odd) == outcome(call, *clean)


@cache
def network(dtype):
    return Network([N_FEATURES, 4, 2], activation="tanh", dtype=dtype, random_state=0)


def estimator_of(cls, **parameters):
    return cls((3,), max_iter=2, batch_size=4, random_state=0, **parameters)


@cache
def fitted(cls):
    X = np.random.default_rng(0).normal(size=(9, N_FEATURES))
    return estimator_of(cls).fit(X, np.arange(9) % 3)


def fit(cls, X, y, weights=None):
    return estimator_of(cls).fit(X, y, weights).network_.params


def partial_fit(cls, X, y, weights=None):
    first = {"classes": np.arange(-9, 9)} if cls is BackpropClassifier else {}
    estimator = estimator_of(cls)
    return estimator.partial_fit(X, y, sample_weight=weights, **first).network_.params


def predict(cls, X):
    model = fitted(cls)
    return [model.predict(X), model.transform(X)]


BY_INPUTS = {
    "forward": lambda X: network("f8").forward(X),
    "forward in float32": lambda X: network("f4").forward(X),
    "activations": lambda X: network("f8").activations(X)[1:],
    "jacobian": lambda X: network("f8").jacobian(X),
    "input_jacobian": lambda X: network("f8").input_jacobian(X),
    "classifier": lambda X: predict(BackpropClassifier, X),
    "regressor": lambda X: predict(BackpropRegressor, X),
}
BY_TARGETS = {
    name: lambda X, y, weights=None, name=name: getattr(network("f8"), name)(X, y, weights)
    for name in ("loss", "per_sample_gradients", "per_sample_gradient_norms", "input_gradient")
}
BY_TARGETS["loss_gradient"] = lambda X, y, weights=None: (
    network("f8").loss_gradient(X, y, weights).flat
)


# What scikit-learn's checks make numbers of.
TEXT_AND_DATES = ("M", "m", "S", "U", "O")
OF_ESTIMATORS = ("classifier", "regressor", "fit", "partial_fit")


def plain_arguments(X, y, weights):
    return plain(X), plain(y), None if weights is None else plain(weights)


TARGETS = arrays((7, 2), NUMBERS)
WEIGHTS = st.none() | arrays((7,), NUMBERS, 1, 8)


@pytest.mark.parametrize("name", BY_INPUTS)
@EXAMPLES
@given(X=arrays((7, N_FEATURES), NUMBERS))
def test_inputs(name, X):
    refuses_matrix = name in OF_ESTIMATORS
    assert_same_outcome(BY_INPUTS[name], (X,), (plain(X),), refuses_matrix=refuses_matrix)


@pytest.mark.parametrize("name", BY_INPUTS)
@EXAMPLES
@given(X=arrays((7, N_FEATURES), OTHERS))
def test_inputs_that_are_no_numbers(name, X):
    """Refused, but that scikit-learn takes dates as numbers, and text that says one."""
    found = outcome(BY_INPUTS[name], X)
    try:
        kind = np.asarray(X).dtype.kind
    except ValueError:  # a list of records
        kind = "V"
    assert found == REFUSED or (name in OF_ESTIMATORS and kind in TEXT_AND_DATES)


@pytest.mark.parametrize("name", BY_TARGETS)
@EXAMPLES
@given(X=arrays((7, N_FEATURES), NUMBERS), y=TARGETS, weights=WEIGHTS)
def test_methods_with_targets(name, X, y, weights):
    clean = plain_arguments(X, y, weights)
    assert_same_outcome(BY_TARGETS[name], (X, y, weights), clean, refuses_matrix=False)


@pytest.mark.parametrize("method", [fit, partial_fit])
@EXAMPLES
@given(X=arrays((7, N_FEATURES), NUMBERS), y=TARGETS, weights=WEIGHTS)
def test_regression(method, X, y, weights):
    call = partial(method, BackpropRegressor)
    assert_same_outcome(call, (X, y, weights), plain_arguments(X, y, weights), refuses_matrix=True)


LABELS = ["i1", "i2", "i4", "i8", "u1", "u8", ">i4", ">u8", "f8", ">f4", "?"]


@pytest.mark.parametrize("method", [fit, partial_fit])
@EXAMPLES
@given(X=arrays((7, N_FEATURES), NUMBERS), y=arrays((7,), LABELS, 0, 3), weights=WEIGHTS)
def test_classification(method, X, y, weights):
    """Labels are compared, not computed with: a plain copy of them has their dtype."""
    clean = plain(X), np.array(np.asarray(y).tolist()), None if weights is None else plain(weights)
    call = partial(method, BackpropClassifier)
    assert_same_outcome(call, (X, y, weights), clean, refuses_matrix=True)


# --- sparse matrices ------------------------------------------------------------------------------

WHOLE = [-(2**63), -(2**31), -1, 0, 1, 2, 3, 5, 11, 12, 13, 2**31 - 1, 2**31, 2**40, 2**63 - 1]
PARTS = ["data", "indices", "indptr"]


class Changed:
    """A CSR matrix whose arrays are replaced by others: SciPy looks at none of them."""

    def __init__(self, seed):
        matrix = sparse.random(7, N_FEATURES, density=0.6, format="csr", random_state=seed)
        self.parts = {part: getattr(matrix, part) for part in PARTS}

    def __repr__(self):  # SciPy's own needs a sound matrix
        return repr(self.parts)

    def matrix(self):
        matrix = sparse.csr_matrix((7, N_FEATURES))
        for name, part in self.parts.items():
            setattr(matrix, name, part)
        return matrix


@st.composite
def changed_csr(draw):
    changed = Changed(draw(st.integers(0, 99)))
    for _ in range(draw(st.integers(1, 2))):
        part = draw(st.sampled_from(PARTS))
        try:
            changed.parts[part] = draw(changes_of(part, np.array(changed.parts[part])))
        except CANNOT:
            continue
    return changed


def changes_of(part, array):
    """A strategy for what stands in place of an array of a matrix."""
    dtypes = [*NUMBERS, *OTHERS] if part == "data" else ["i1", "u4", "i8", ">i4", "f8", "U3", "O"]
    values = [np.nan, np.inf, 0.0, -0.0, 1e-310, 1e300] if part == "data" else WHOLE

    def with_value(at, value):
        changed = array if part == "data" else array.astype("i8")
        changed[at] = value
        return changed

    changed_values = st.nothing()
    if array.ndim == 1 and len(array):
        places = st.integers(-len(array), len(array) - 1)
        changed_values = st.builds(with_value, places, st.sampled_from(values))
    return st.one_of(
        st.sampled_from(dtypes).map(array.astype),
        changed_values,
        st.integers(0, len(array)).map(lambda size: array[:size]),
        st.just(np.concatenate([array, array])),
        st.sampled_from(list(LAYOUTS)).map(lambda name: LAYOUTS[name](array)),
        st.just(array.tolist()),
    )


def sound_copy(changed):
    """The same matrix of plain arrays; None: it is none that is sound."""
    data, indices, indptr = (changed.parts[part] for part in PARTS)
    if not all(isinstance(part, np.ndarray) and part.ndim == 1 for part in (data, indices, indptr)):
        return None
    if not {indices.dtype.kind, indptr.dtype.kind} <= {"i", "u"} or data.dtype.kind in "cSUVMm":
        return None
    if len(indptr) != 8 or indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        return None
    used = int(indptr[-1])
    if used > min(len(data), len(indices)):
        return None
    data, indices = data[:used], indices[:used]
    if used and not 0 <= indices.min() <= indices.max() < N_FEATURES:
        return None
    parts = plain(data), indices.astype("i4"), indptr.astype("i4")
    return sparse.csr_matrix(parts, (7, N_FEATURES))


CSR_CALLS = {
    **BY_INPUTS,
    **{name: lambda X, call=call: call(X, np.eye(7, 2)) for name, call in BY_TARGETS.items()},
    "fit": lambda X: fit(BackpropRegressor, X, np.arange(7.0)),
    "partial_fit": lambda X: partial_fit(BackpropClassifier, X, np.arange(7) % 2),
}


@pytest.mark.parametrize("name", CSR_CALLS)
@EXAMPLES
@given(X=changed_csr())
def test_changed_sparse_matrices(name, X):
    """No index that names no entry is followed: a typed error, or the bits of the sound matrix."""
    sound = sound_copy(X)
    found = outcome(CSR_CALLS[name], X.matrix())
    if name in OF_ESTIMATORS and np.asarray(X.parts["data"]).dtype.kind in TEXT_AND_DATES:
        return
    assert found == REFUSED or (sound is not None and found == outcome(CSR_CALLS[name], sound))
