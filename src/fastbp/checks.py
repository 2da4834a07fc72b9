"""The gate: every array and every argument enters the compiled core through here.

Takes whatever a user passes as X, y, sample_weight, or as an argument of Network. Returns plain
numbers, and C-contiguous, aligned arrays of one dtype in the machine's byte order, finite and of
matching shapes; or raises a TypeError or ValueError that says what was wrong, with the value. An
array that already is what the kernels read is passed on without a copy (read-only and memory-mapped
ones too), and none is ever modified.
"""

from __future__ import annotations

import numbers
from collections.abc import Collection
from typing import Any

import numpy as np
from scipy import sparse

from . import _kernels
from .data import Targets, as_kernel_array
from .near_names import hint
from .types import Array, FloatArray, Matrix, RandomState

MAX_UNITS = 2**31 - 1  # a column index of a CSR matrix is 32 bits wide
MAX_BYTES = 2**62
SMALLEST_WEIGHT_SUM, LARGEST_WEIGHT_SUM = 1e-290, 1e290


def as_layer_sizes(sizes: Any, name: str = "layer_sizes") -> list[int]:
    """A list of positive ints; ValueError or TypeError where it is not one."""
    if not np.iterable(sizes):
        raise TypeError(f"{name} must be a sequence of integers, got {sizes!r}.")
    sizes = list(sizes)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, numbers.Integral):
            raise TypeError(f"{name} must be integers, got {size!r} in {sizes}.")
    if any(size <= 0 for size in sizes):
        raise ValueError(f"{name} must be > 0, got {sizes}.")
    sizes = [int(size) for size in sizes]
    if max(sizes, default=1) > MAX_UNITS:
        raise ValueError(f"{name} must be at most {MAX_UNITS} each, got {sizes}.")
    n_coefs = sum(fan_in * fan_out for fan_in, fan_out in zip(sizes, sizes[1:], strict=False))
    if n_coefs * 8 > MAX_BYTES:
        raise ValueError(
            f"{name} of {sizes} ask for {n_coefs:.3g} parameters, more than memory can be "
            "addressed; use smaller layers."
        )
    return sizes


def is_kernel_matrix(X: Any, dtypes: Collection[Any]) -> bool:
    """Whether X is exactly what the kernels read, so that no check could refuse or change it."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype in dtypes
        and X.flags.c_contiguous
        and X.flags.aligned
        and X.size > 0
        and _kernels.core.all_finite(X.reshape(-1))
    )


def is_plain_target(y: Any, n_samples: int) -> bool:
    """Whether y is an array of finite numbers or of integers, one or one row per sample."""
    if type(y) is not np.ndarray or y.ndim not in (1, 2) or y.shape[0] != n_samples or not y.size:
        return False
    return y.dtype.kind in "iub" or (y.dtype.kind == "f" and bool(np.isfinite(y).all()))


def is_plain_text(y: Any, n_samples: int) -> bool:
    """Whether y is an array of text, one for each sample."""
    return (
        type(y) is np.ndarray and y.dtype.kind == "U" and y.shape == (n_samples,) and n_samples > 0
    )


def plain_array_of(X: Any, names: Array) -> Array | None:
    """The array of a pandas DataFrame with exactly these columns, all NumPy's; else None."""
    cls = type(X)
    if cls.__name__ != "DataFrame" or cls.__module__.split(".")[0] != "pandas":
        return None
    columns = X.columns.to_numpy()
    if len(columns) != len(names) or not (columns == names).all():
        return None
    if not all(isinstance(dtype, np.dtype) for dtype in X.dtypes):
        return None
    return np.ascontiguousarray(X.to_numpy())


def as_kernel_matrix(X: Any, dtype: Any, name: str = "X") -> Matrix:
    """A matrix of numbers as the kernels read it: an array as above, or a sound CSR matrix."""
    if not sparse.issparse(X):
        return as_kernel_array(X, dtype)
    _check_compressed(X, name)
    return X if X.dtype == dtype else X.astype(dtype)


def as_matrix(X: Any, dtype: Any, name: str = "X") -> Matrix:
    """X as a finite (n, m) array of dtype, or a CSR matrix of it; n and m at least 1."""
    if sparse.issparse(X):
        check_storage(X, name)
        original = X.tocsr()
        _check_real(original.dtype, name)
        matrix: Any = as_kernel_matrix(original, dtype, name)
        check_finite(matrix.data, original.data, name)
        return matrix
    original = _as_real_array(X, name)
    _check_shape(original.shape, name)
    return _as_finite(original, dtype, name)


def check_storage(X: Any, name: str = "X") -> None:
    """ValueError for a structured array, or a sparse matrix whose indices name no entries.

    scikit-learn's checks pass both on. SciPy does not look at the arrays that a matrix is made of;
    its conversions and the kernels follow them.
    """
    if isinstance(X, np.ndarray) and X.dtype.names is not None:
        _check_real(X.dtype, name)
    check_unmasked(X, name)
    if not sparse.issparse(X):
        return
    _check_shape(X.shape, name)
    if X.format in ("csr", "csc", "bsr"):
        _check_compressed(X, name)
    elif X.format == "coo":
        for indices, size in ((X.row, X.shape[0]), (X.col, X.shape[1])):
            _check_indices(np.asarray(indices), size, name, "coo")


def check_unmasked(array: Any, name: str) -> None:
    """ValueError for a masked array with masked entries, whose values NumPy would read."""
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        n_masked = int(np.ma.count_masked(array))
        entries = "entry" if n_masked == 1 else "entries"
        raise ValueError(
            f"{name} has {n_masked} masked {entries}, and masks are not supported: fill them "
            f"({name}.filled, or SimpleImputer), or leave these samples out."
        )


def as_targets(y: Any, n_samples: int, n_outputs: int, dtype: Any) -> Targets:
    """Targets from a finite y (n_samples, n_outputs); a vector is one column."""
    original = _as_real_array(y, "y")
    if original.ndim == 1:
        original = original.reshape(-1, 1)
    if original.shape != (n_samples, n_outputs):
        raise ValueError(
            f"y has shape {original.shape}; {n_samples} samples and {n_outputs} outputs need "
            f"({n_samples}, {n_outputs})."
        )
    return Targets.matrix(_as_finite(original, dtype, "y"))


def check_out(out: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """ValueError unless results of that shape and dtype can be written into `out`."""
    if not (
        isinstance(out, np.ndarray)
        and out.shape == shape
        and out.dtype == dtype
        and out.flags.c_contiguous
        and out.flags.aligned
        and out.flags.writeable
    ):
        found = f"{getattr(out, 'dtype', type(out).__name__)} {getattr(out, 'shape', '')}".strip()
        raise ValueError(
            f"out must be a C-contiguous, writable array of shape {shape} and dtype {dtype}, got "
            f"{found}."
        )


def are_labels(y: Any) -> bool:
    """Whether y is a vector of integers."""
    if y is None or sparse.issparse(y) or np.ndim(y) != 1:
        return False
    return np.issubdtype(np.asarray(y).dtype, np.integer)


def as_labels(y: Any, n_samples: int, n_classes: int) -> Targets:
    """Targets from class labels y (n_samples,) in [0, n_classes)."""
    check_unmasked(y, "y")
    labels = np.asarray(y)
    if labels.shape != (n_samples,):
        raise ValueError(f"y has shape {labels.shape}; {n_samples} samples need ({n_samples},).")
    if labels.min() < 0 or labels.max() >= n_classes:
        wrong = labels[(labels < 0) | (labels >= n_classes)][0]
        raise ValueError(f"y has the label {wrong}; {n_classes} outputs need 0..{n_classes - 1}.")
    return Targets(None, as_kernel_array(labels, np.intp), n_classes)


def as_real_array(values: Any, name: str, shape: tuple[int, ...], dtype: Any) -> FloatArray:
    """A finite array of that shape and dtype."""
    original = _as_real_array(values, name)
    if original.shape != shape:
        raise ValueError(f"{name} has shape {original.shape}; {shape} is needed.")
    return _as_finite(original, dtype, name)


def as_weights(
    sample_weight: Any,
    n_samples: int,
    dtype: Any,
    name: str = "sample_weight",
    *,
    may_be_zero: bool = False,
) -> FloatArray | None:
    """(n_samples,) weights, finite, not negative, not all zero; None, for ones, stays None.

    may_be_zero: they are a part of the weights, and others may be positive.
    """
    if sample_weight is None:
        return None
    original = _as_real_array(sample_weight, name)
    if original.ndim == 0:
        original = np.full(n_samples, original)
    if original.shape != (n_samples,):
        raise ValueError(
            f"{name}.shape == {original.shape}, expected ({n_samples},): one weight per row of X."
        )
    weights = _as_finite(original, dtype, name)
    if weights.min() < 0:
        raise ValueError(
            f"Negative values in data passed to `{name}`: {weights.min()}; weights must be >= 0."
        )
    if may_be_zero:
        return weights
    if not weights.max() > 0:
        raise ValueError(f"{name} is zero for every sample; at least one must be positive.")
    with np.errstate(over="ignore"):
        check_weight_sum(weights.sum(dtype=np.float64), name)
    return weights


def check_weight_sum(total: float, name: str = "sample_weight") -> None:
    """ValueError unless the objective can be divided by the sum of all weights."""
    if not SMALLEST_WEIGHT_SUM < total < LARGEST_WEIGHT_SUM:
        raise ValueError(
            f"{name} has the sum {total:g}, which is too "
            f"{'small' if total < 1 else 'large'} to divide by; scale the weights, for example to "
            "a mean of 1."
        )


def _as_real_array(array, name):
    if array is None:
        raise TypeError(f"{name} is None; an array is needed.")
    if sparse.issparse(array):
        raise TypeError(f"{name} is sparse; a dense array is needed, for example {name}.toarray().")
    check_unmasked(array, name)
    array = np.asarray(array)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{name} must hold numbers: {error}.") from error
    _check_real(array.dtype, name)
    return array


def _check_real(dtype, name):
    if dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {dtype}.")
    if dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold numbers, got dtype {dtype}.")


def _check_shape(shape, name):
    if len(shape) != 2:
        raise ValueError(
            f"{name} must be 2-dimensional (n_samples, n_features), got shape {shape}."
        )
    if min(shape) < 1:
        raise ValueError(f"{name} has shape {shape}; at least one sample and feature are needed.")


def _check_compressed(matrix, name):
    for part in ("data", "indices", "indptr"):
        if not isinstance(getattr(matrix, part), np.ndarray):
            raise ValueError(
                f"{name} is no valid {matrix.format.upper()} matrix: its {part} is no array."
            )
    block_rows, block_cols = matrix.data.shape[1:] if matrix.format == "bsr" else (1, 1)
    n_rows, n_cols = matrix.shape[0] // block_rows, matrix.shape[1] // block_cols
    n_major, n_minor = (n_cols, n_rows) if matrix.format == "csc" else (n_rows, n_cols)
    starts, indices = np.asarray(matrix.indptr), np.asarray(matrix.indices)
    if (
        starts.shape != (n_major + 1,)
        or starts.dtype.kind not in "iu"
        or starts[0] != 0
        or starts[-1] > min(len(matrix.data), indices.size)
        or np.any(starts[1:] < starts[:-1])
    ):
        raise ValueError(
            f"{name} is no valid {matrix.format.upper()} matrix: its indptr does not fit its data."
        )
    _check_indices(indices, n_minor, name, matrix.format, n_used=starts[-1])


def _check_indices(indices, size, name, sparse_format, n_used=None):
    problem = None
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        problem = f"has indices of dtype {indices.dtype} and shape {indices.shape}"
    else:
        used = indices[:n_used]
        if len(used) and (used.min() < 0 or used.max() >= size):
            kind = "column indices" if sparse_format == "csr" else "indices"
            problem = f"has {kind} outside 0..{size - 1}"
    if problem:
        raise ValueError(f"{name} is no valid {sparse_format.upper()} matrix: it {problem}.")


def _as_finite(original, dtype, name):
    """An array of real numbers as the kernels read it, checked to be finite."""
    if original.dtype == dtype:
        array = as_kernel_array(original, dtype)
    else:
        with np.errstate(over="ignore"):
            array = as_kernel_array(original, dtype)
    check_finite(array, original, name)
    return array


def check_finite(array: FloatArray, original: Array, name: str) -> None:
    """ValueError unless all numbers are finite; original is what the array was made of."""
    if _kernels.core.all_finite(array.reshape(-1)):
        return
    if np.isfinite(original).all():
        raise ValueError(f"{name} contains a value too large for {array.dtype}.")
    kind = "NaN" if np.isnan(original).any() else "infinity"
    raise ValueError(f"{name} contains {kind}; only finite numbers can be used.")


def as_hidden_activations(activation: Any, n_hidden_layers: int) -> tuple[str, ...]:
    """The names of the hidden layers' activations, checked: of one name, or one name per layer."""
    allowed = _kernels.core.ACTIVATIONS
    if isinstance(activation, str):
        return (one_of("activation", activation, allowed),) * n_hidden_layers
    if not np.iterable(activation):
        raise TypeError(
            f"activation must be a name or a list of names, one per hidden layer, got "
            f"{activation!r}; the names are {', '.join(map(repr, allowed))}."
        )
    names = list(activation)
    for layer, name in enumerate(names):
        one_of(f"activation[{layer}]", name, allowed)
    if len(names) != n_hidden_layers:
        if len(names) < n_hidden_layers:
            difference = f"hidden layer {len(names)} has none"
        else:
            difference = f"activation[{n_hidden_layers}]={names[n_hidden_layers]!r} has no layer"
        raise ValueError(
            f"activation={names} names {len(names)} activations for {n_hidden_layers} hidden "
            f"layers: {difference}. Give one name for all, or one per hidden layer, of "
            f"{', '.join(map(repr, allowed))}."
        )
    return tuple(names)


def one_of(name: str, value: Any, allowed: Collection[str]) -> str:
    """The name `value`; ValueError unless it is one of those allowed."""
    if not isinstance(value, str) or value not in allowed:
        names = ", ".join(map(repr, allowed))
        raise ValueError(f"{name}={value!r} is not one of {names}.{hint(value, allowed)}")
    return value


def as_number(
    name: str, value: Any, lowest: float, included: bool = True, below: float = np.inf
) -> float:
    """A float in [lowest, below), or in (lowest, below) if lowest is not included."""
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_real:
        raise TypeError(f"{name} must be a number, got {value!r}.")
    try:
        is_finite = float(value) < np.inf
    except OverflowError:
        is_finite = False
    if not is_finite or not (lowest <= value < below if included else lowest < value < below):
        end = "finite" if below == np.inf else f"< {below}"
        raise ValueError(
            f"{name} must be {end} and {'>=' if included else '>'} {lowest}, got {value!r}."
        )
    return float(value)


def has_validation(X_val: Any, y_val: Any, sample_weight_val: Any) -> bool:
    """Whether the user gave samples to validate on; ValueError for a part of them."""
    if X_val is None and y_val is None:
        if sample_weight_val is not None:
            raise ValueError("sample_weight_val was given without X_val and y_val.")
        return False
    if X_val is None or y_val is None:
        missing, given = ("X_val", "y_val") if X_val is None else ("y_val", "X_val")
        raise ValueError(f"{given} was given without {missing}; validation needs both.")
    return True


def as_whole_number(name: str, value: Any, lowest: int) -> int:
    """An int >= lowest."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}.")
    if value < lowest:
        raise ValueError(f"{name} must be >= {lowest}, got {value!r}.")
    return int(value)


def as_float_dtype(dtype: Any) -> np.dtype[np.floating[Any]]:
    """float64 or float32, in the machine's byte order."""
    try:
        resolved = None if dtype is None else np.dtype(dtype)
    except TypeError:
        resolved = None
    if resolved not in (np.float64, np.float32):
        raise ValueError(f"dtype={dtype!r} is not one of 'float64', 'float32'.")
    return resolved.newbyteorder("=")


def as_random_state(seed: RandomState) -> np.random.RandomState:
    """A source of random numbers with NumPy's legacy methods; None: NumPy's global one."""
    if isinstance(seed, np.random.RandomState):
        return seed
    if seed is None:
        return np.random  # type: ignore[return-value]  # has the same methods
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool):
        raise TypeError(f"random_state must be None, an int or a numpy RandomState, got {seed!r}.")
    if not 0 <= seed < 2**32:
        raise ValueError(f"random_state must be between 0 and 2**32 - 1, got {seed!r}.")
    return np.random.RandomState(seed)
