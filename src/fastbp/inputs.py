"""The input gate: every array enters the compiled core through here.

What enters: whatever a user passes as X, y or sample_weight. What leaves: C-contiguous, aligned
arrays of one dtype in the machine's byte order, finite and of matching shapes, wrapped as the
kernels' ``Samples``; or a TypeError or ValueError that says what was wrong, with the value. An
array that already is what the kernels read is passed on without a copy (read-only and
memory-mapped ones too), and none is ever modified.
"""

import numbers
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from . import _kernels

MAX_UNITS = 2**31 - 1  # a column index of a CSR matrix is 32 bits wide
MAX_BYTES = 2**62
LOSSES_WITH_BOUNDED_TARGETS = ("log_loss", "poisson", "gamma")
SMALLEST_WEIGHT_SUM, LARGEST_WEIGHT_SUM = 1e-290, 1e290


@dataclass(frozen=True)
class Targets:
    """What a network is trained towards: a matrix, or one class label per sample.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_outputs) or None
    labels : ndarray of shape (n_samples,) of intp or None
        Labels in [0, n_outputs); the kernels read them as one-hot rows.
    n_outputs : int
    """

    values: np.ndarray | None
    labels: np.ndarray | None
    n_outputs: int

    @classmethod
    def matrix(cls, values):
        return cls(values, None, values.shape[1])

    def rows(self, indices):
        """The targets of some of the samples."""
        if self.values is not None:
            return Targets(self.values[indices], None, self.n_outputs)
        return Targets(None, self.labels[indices], self.n_outputs)

    def repeated(self, n_outputs):
        """One column of targets, for each of several outputs."""
        return Targets.matrix(np.repeat(self.values, n_outputs, axis=1))

    def astype(self, dtype):
        if self.values is None:
            return self
        return Targets(self.values.astype(dtype, copy=False), None, self.n_outputs)


@dataclass(frozen=True)
class DataSet:
    """Checked samples, on their way from an estimator to a solver.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray
        As the user's metrics know it: class labels, or numbers.
    targets : Targets
        As the network knows it.
    weights : ndarray of shape (n_samples,) or None
    """

    X: object
    y: np.ndarray
    targets: Targets
    weights: np.ndarray | None

    def __len__(self):
        return self.X.shape[0]

    def rows(self, indices):
        weights = None if self.weights is None else self.weights[indices]
        return DataSet(self.X[indices], self.y[indices], self.targets.rows(indices), weights)

    def astype(self, dtype):
        weights = None if self.weights is None else self.weights.astype(dtype, copy=False)
        X = self.X.astype(dtype, copy=False)
        return DataSet(X, self.y, self.targets.astype(dtype), weights)

    def kernel_samples(self):
        return kernel_samples(self.X, self.targets, self.weights)


def as_layer_sizes(sizes, name="layer_sizes"):
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


def as_kernel_array(array, dtype):
    """`array` as the kernels read it: C-contiguous, aligned, of dtype; a copy only if needed."""
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.require(array, dtype=dtype, requirements=["C_CONTIGUOUS", "ALIGNED"])


def is_kernel_matrix(X, dtypes):
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


def is_plain_target(y, n_samples):
    """Whether y is an array of finite numbers or of integers, one or one row per sample."""
    if type(y) is not np.ndarray or y.ndim not in (1, 2) or y.shape[0] != n_samples or not y.size:
        return False
    return y.dtype.kind in "iub" or (y.dtype.kind == "f" and bool(np.isfinite(y).all()))


def as_kernel_matrix(X, dtype, name="X"):
    """A matrix of numbers as the kernels read it: an array as above, or a sound CSR matrix."""
    if not sparse.issparse(X):
        return as_kernel_array(X, dtype)
    _check_compressed(X, name)
    return X if X.dtype == dtype else X.astype(dtype)


def as_matrix(X, dtype, name="X"):
    """X as a finite (n, m) array of dtype, or a CSR matrix of it; n and m at least 1."""
    if sparse.issparse(X):
        check_storage(X, name)
        original = X.tocsr()
        _check_real(original.dtype, name)
        matrix = as_kernel_matrix(original, dtype, name)
        _check_finite(matrix.data, original.data, name)
        return matrix
    original = _as_real_array(X, name)
    _check_shape(original.shape, name)
    return _as_finite(original, dtype, name)


def check_storage(X, name="X"):
    """ValueError for a structured array, or a sparse matrix whose indices name no entries.

    scikit-learn's checks pass both on. SciPy does not look at the arrays that a matrix is made of;
    its conversions and the kernels follow them.
    """
    if isinstance(X, np.ndarray) and X.dtype.names is not None:
        _check_real(X.dtype, name)
    if not sparse.issparse(X):
        return
    _check_shape(X.shape, name)
    if X.format in ("csr", "csc", "bsr"):
        _check_compressed(X, name)
    elif X.format == "coo":
        for indices, size in ((X.row, X.shape[0]), (X.col, X.shape[1])):
            _check_indices(np.asarray(indices), size, name, "coo")


def as_targets(y, n_samples, n_outputs, dtype):
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


def as_labels(y, n_samples, n_classes):
    """Targets from class labels y (n_samples,) in [0, n_classes)."""
    labels = np.asarray(y)
    if labels.shape != (n_samples,):
        raise ValueError(f"y has shape {labels.shape}; {n_samples} samples need ({n_samples},).")
    if labels.min() < 0 or labels.max() >= n_classes:
        wrong = labels[(labels < 0) | (labels >= n_classes)][0]
        raise ValueError(f"y has the label {wrong}; {n_classes} outputs need 0..{n_classes - 1}.")
    return Targets(None, as_kernel_array(labels, np.intp), n_classes)


def as_weights(sample_weight, n_samples, dtype, name="sample_weight"):
    """(n_samples,) weights, finite, not negative, not all zero; None, for ones, stays None."""
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
    if not weights.max() > 0:
        raise ValueError(f"{name} is zero for every sample; at least one must be positive.")
    with np.errstate(over="ignore"):
        total = weights.sum(dtype=np.float64)
    # the objective divides by it
    if not SMALLEST_WEIGHT_SUM < total < LARGEST_WEIGHT_SUM:
        raise ValueError(
            f"{name} has the sum {total:g}, which is too "
            f"{'small' if total < 1 else 'large'} to divide by; scale the weights, for example to "
            "a mean of 1."
        )
    return weights


def check_target_range(targets, loss, output_activation):
    """ValueError where a loss is undefined at a target, or an output can never reach it."""
    if targets.values is None:
        return
    y = targets.values
    if loss == "gamma":
        if y.min() <= 0:
            raise ValueError(f"loss='gamma' needs targets > 0; y has the value {y[y <= 0][0]}.")
    elif loss == "poisson" or output_activation == "exp":
        what = f"loss={loss!r} with output_activation={output_activation!r}"
        _check_within(y, 0, np.inf, what)
    elif output_activation in ("logistic", "softmax"):
        _check_within(y, 0, 1, f"output_activation={output_activation!r}")


def kernel_samples(X, targets=None, weights=None):
    """The kernels' Samples of arrays that have passed the checks above."""
    core = _kernels.core
    rest = (targets.values, targets.labels, targets.n_outputs, weights) if targets else ()
    if not sparse.issparse(X):
        return core.dense_samples(X, *rest)
    used = X.indptr[-1]
    return core.csr_samples(
        as_kernel_array(X.data[:used], X.dtype),
        as_kernel_array(X.indices[:used], np.intc),
        as_kernel_array(X.indptr, np.intp),
        X.shape[1],
        *rest,
    )


def _as_real_array(array, name):
    if array is None:
        raise TypeError(f"{name} is None; an array is needed.")
    if sparse.issparse(array):
        raise TypeError(f"{name} is sparse; a dense array is needed, for example {name}.toarray().")
    array = np.asarray(array)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
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
    _check_finite(array, original, name)
    return array


def _check_finite(array, original, name):
    if _kernels.core.all_finite(array.reshape(-1)):
        return
    if np.isfinite(original).all():
        raise ValueError(f"{name} contains a value too large for {array.dtype}.")
    kind = "NaN" if np.isnan(original).any() else "infinity"
    raise ValueError(f"{name} contains {kind}; only finite numbers can be used.")


def _check_within(targets, lowest, highest, what):
    if targets.min() < lowest or targets.max() > highest:
        wrong = targets[(targets < lowest) | (targets > highest)][0]
        allowed = ">= 0" if highest == np.inf else f"between {lowest} and {highest}"
        raise ValueError(f"{what} needs targets {allowed}; y has the value {wrong}.")
