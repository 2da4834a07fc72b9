"""Checked arrays on their way to the kernels: Targets, and the DataSet of a fit.

Takes arrays that checks.py has passed; ``kernel_samples`` wraps them as the kernels' ``Samples``.
Nothing is checked here. Values are not copied unless dtype or layout differ; what the kernels
follow, the indices of a CSR matrix and labels, is, so that nobody can change it while they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from . import _kernels
from .types import Array, FloatArray, MaybeNone

if TYPE_CHECKING:
    from ._kernels.core_baseline import Samples


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

    values: FloatArray | MaybeNone
    labels: NDArray[np.intp] | MaybeNone
    n_outputs: int

    @classmethod
    def matrix(cls, values: FloatArray) -> Targets:
        return cls(values, None, values.shape[1])

    def rows(self, indices: NDArray[np.intp]) -> Targets:
        """The targets of some of the samples."""
        if self.values is not None:
            return Targets(self.values[indices], None, self.n_outputs)
        return Targets(None, self.labels[indices], self.n_outputs)

    def repeated(self, n_outputs: int) -> Targets:
        """One column of targets, repeated for each of several outputs."""
        return Targets.matrix(np.repeat(self.values, n_outputs, axis=1))

    def extended(self, n_extra: int) -> Targets:
        """The same with columns of zeros for outputs that have no target."""
        return Targets.matrix(np.pad(self.values, [(0, 0), (0, n_extra)]))

    def astype(self, dtype: Any) -> Targets:
        if self.values is None:
            return self
        return Targets(self.values.astype(dtype, copy=False), None, self.n_outputs)


@dataclass(frozen=True)
class DataSet:
    """The samples of a fit.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray
        As the user's metrics know it: class labels, or numbers.
    targets : Targets
        As the network knows it.
    weights : ndarray of shape (n_samples,) or None
        None: all ones.
    """

    X: Any
    y: Array
    targets: Targets
    weights: FloatArray | None = None

    def __len__(self) -> int:
        return self.X.shape[0]

    @property
    def weight_sum(self) -> float:
        """The sum of the weights; without weights the number of samples."""
        return len(self) if self.weights is None else self.weights.sum(dtype=np.float64)

    def rows(self, indices: NDArray[np.intp], *, with_X: bool = True) -> DataSet:
        """A copy of some of the samples; its X is None unless `with_X`."""
        X = self.X[indices] if with_X else None
        weights = None if self.weights is None else self.weights[indices]
        return DataSet(X, self.y[indices], self.targets.rows(indices), weights)

    def astype(self, dtype: Any) -> DataSet:
        weights = None if self.weights is None else self.weights.astype(dtype, copy=False)
        X = self.X.astype(dtype, copy=False)
        return DataSet(X, self.y, self.targets.astype(dtype), weights)

    def kernel_samples(self) -> Samples:
        return kernel_samples(self.X, self.targets, self.weights)


def kernel_samples(
    X: Any, targets: Targets | None = None, weights: FloatArray | None = None
) -> Samples:
    """The kernels' Samples of arrays that have passed the checks."""
    core = _kernels.core
    rest: tuple[Any, ...] = ()
    if targets:
        labels = None if targets.labels is None else np.array(targets.labels, np.intp)
        rest = (targets.values, labels, targets.n_outputs, weights)
    if not sparse.issparse(X):
        return core.dense_samples(X, *rest)
    used = X.indptr[-1]
    return core.csr_samples(
        as_kernel_array(X.data[:used], X.dtype),
        np.array(X.indices[:used], np.intc),
        np.array(X.indptr, np.intp),
        X.shape[1],
        *rest,
    )


def as_kernel_array(array: Array, dtype: Any) -> Array:
    """`array` as the kernels read it: C-contiguous, aligned, of dtype; a copy only if needed."""
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.require(array, dtype=dtype, requirements=["C_CONTIGUOUS", "ALIGNED"])
