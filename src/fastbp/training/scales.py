"""What to scale: said where training has not converged, and of validation samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ..data import DataSet
from ..types import FloatArray

# Root mean square above which gradient steps of the usual size go wrong. StandardScaler gives 1;
# pixels from 0 to 16, which train well as they are, have some 7.
LARGE = 30.0
# Below it, tol ends a fit before there is anything to see: the squared error of a constant is less
# than 1e-3 then.
SMALL_TARGETS = 1 / LARGE
# How often larger or smaller the entries of two parts of one data set may be. Data before and after
# StandardScaler differ by more, parts of the same data hardly ever.
ALIKE = 4.0


def advice(data: DataSet, output_activation: str) -> str:
    """Sentences, after a space, about large columns of X, and large or small y; or nothing."""
    said = ""
    sizes = root_mean_squares(data.X)
    largest = int(np.argmax(sizes))
    if sizes[largest] > LARGE:
        said += (
            f" Column {largest} of X has a root mean square of {sizes[largest]:.3g}: scale X, for "
            "example with StandardScaler."
        )
    y = data.targets.values
    if y is not None and output_activation == "identity":
        # the mean is no obstacle to an output intercept, but far from zero it is a long way
        size = float(root_mean_squares(y).max())
        if size > LARGE or size < SMALL_TARGETS:
            it = "it as well" if said else "it"
            said += (
                f" y has a root mean square of {size:.3g}: scale {it}, for example with "
                "TransformedTargetRegressor."
            )
    return said


def difference(X: Any, X_val: Any) -> str:
    """What is wrong with the scale of X_val, as the end of a sentence; or nothing."""
    size, size_val = root_mean_square(X), root_mean_square(X_val)
    if size_val == 0 or size / ALIKE <= size_val <= size * ALIKE:
        return ""
    return (
        f"has a root mean square of {size_val:.3g}, but X one of {size:.3g}: scale X_val as X, "
        "with what was fitted on X."
    )


def root_mean_square(X: Any) -> float:
    """Of all entries."""
    values = X.data if sparse.issparse(X) else X.reshape(-1)
    return float(np.sqrt(np.vdot(values, values) / (X.shape[0] * X.shape[1])))


def root_mean_squares(X: Any) -> FloatArray:
    """Of each column."""
    if sparse.issparse(X):
        # NumPy alone, whatever somebody has done to the matrix since it was checked
        columns = np.clip(X.indices[: len(X.data)], 0, X.shape[1] - 1)
        squares = np.bincount(columns, np.square(X.data, dtype=np.float64), X.shape[1])
        return np.sqrt(squares / X.shape[0])
    sizes = np.sqrt(np.einsum("ij,ij->j", X, X, dtype=np.float64) / len(X))
    lost = np.isinf(sizes) | (sizes == 0)
    if lost.any():
        sizes[lost] = root_mean_squares_of(X[:, lost], np.full(len(X), 1 / len(X)))
    return sizes


def root_mean_squares_of(sizes: FloatArray, shares: FloatArray) -> FloatArray:
    """Along the first axis, each size counted by its share: sqrt(sum(shares * sizes^2)).

    Sizes are divided by the largest before they are squared: the square of 1e155 is inf, and that
    of 1e-163 is 0.
    """
    largest = np.abs(sizes).max(axis=0)
    unit = np.where((largest == 0) | np.isinf(largest), 1.0, largest)
    with np.errstate(over="ignore"):  # by rounding
        return np.minimum(unit * np.sqrt(shares @ np.square(sizes / unit)), largest)
