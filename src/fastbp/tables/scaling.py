"""RobustSmoothScaler: numbers of any scale become numbers between -3 and 3.

Takes numbers, missing ones as NaN; returns smooth_clip((x - center) / scale), with

    center = median,  scale = q75 - q25        the quartiles of the column
                      scale = (max - min) / 2  where the quartiles are equal
                      scale = 0                in a constant column: its result is 0
    smooth_clip(z) = z / sqrt(1 + (z/3)^2)

Source: RealMLP's preprocessing, Holzmüller, Grinsztajn and Steinwart (2024), arXiv 2407.04491.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..checks import check_storage
from ..sklearn_types import fits
from ..types import Array, FloatArray, MatrixLike

if TYPE_CHECKING:
    from typing import Self

BOUND = 3.0  # of the smooth clip
# smooth_clip(1e9) is 3 in float64 as well; the square of a much larger number would overflow
SATURATED = 1e9
BLOCK_SIZE = 2**15  # numbers that are worked on at once: 256 KB in float64, in the cache


def row_blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Slices of rows: what is computed in between, in float64, needs little memory."""
    step = max(1, BLOCK_SIZE // max(1, width))
    for start in range(0, n_rows, step):
        yield slice(start, start + step)


def center_and_scale(values: FloatArray) -> tuple[float, float]:
    """Center and scale of a column (n,) without NaN; NaN and 0 if n is 0."""
    if not len(values):
        return np.nan, 0.0
    # of halves: differences of finite numbers do not overflow
    halves = np.multiply(values, 0.5, dtype=np.float64)
    low, center, high = np.quantile(halves, (0.25, 0.5, 0.75))
    scale = high - low
    if scale == 0:
        scale = (halves.max() - halves.min()) / 2
    return 2 * float(center), 2 * min(float(scale), sys.float_info.max / 2)


def scale_smoothly(values: FloatArray, center: Any, scale: Any) -> FloatArray:
    """smooth_clip((values - center) / scale) as a new float64 array; NaN stays NaN."""
    divisor = np.where(np.equal(scale, 0), np.inf, scale)
    with np.errstate(over="ignore"):
        z = np.subtract(values, center, dtype=np.float64)
        z /= divisor
    np.clip(z, -SATURATED, SATURATED, out=z)
    z /= np.sqrt(1 + np.square(z / BOUND))
    return z


class RobustSmoothScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale columns by median and quartiles, and bring outliers in smoothly.

    A number x of a column becomes ``z / sqrt(1 + (z/3)**2)`` with ``z = (x - center) / scale``: the
    median becomes 0, half of the numbers are within an interval of length 1, nearly unchanged by
    the clip, and no number is beyond -3 or 3. So one outlier, or one column with a long tail, does
    not decide how a network learns. The center is the median; the scale is the distance of the
    quartiles, or half the range where the quartiles are equal, as in a column that is mostly zeros.
    A constant column becomes 0, for numbers that were not seen in ``fit`` as well.

    Missing values (NaN) are left out in ``fit`` and stay NaN. float32 stays float32; everything
    else becomes float64. The computation is in float64 in any case.

    Attributes
    ----------
    center_ : ndarray of shape (n_features,)
        Medians, in float64; NaN where a column has no values.
    scale_ : ndarray of shape (n_features,)
        What the numbers are divided by, in float64; 0 where a column is constant.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are strings.

    References
    ----------
    D. Holzmüller, L. Grinsztajn, I. Steinwart (2024), Better by default: strong pre-tuned MLPs and
    boosted trees on tabular data, arXiv 2407.04491.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp import RobustSmoothScaler
    >>> X = np.array([[1.0], [2.0], [3.0], [4.0], [1e6]])
    >>> RobustSmoothScaler().fit_transform(X).round(2).ravel().tolist()
    [-0.95, -0.49, 0.0, 0.49, 3.0]
    """

    center_: FloatArray
    scale_: FloatArray
    n_features_in_: int
    feature_names_in_: Array

    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    @fits
    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Find the center and the scale of each column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers, or NaN where a value is missing.
        y : ignored

        Returns
        -------
        self : object
        """
        numbers = self._checked(X, reset=True)
        pairs = [center_and_scale(column[~np.isnan(column)]) for column in numbers.T]
        self.center_, self.scale_ = np.array(pairs, dtype=np.float64).T.copy()
        return self

    def transform(self, X: MatrixLike) -> FloatArray:
        """Scale X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        X_scaled : ndarray of shape (n_samples, n_features)
            Numbers from -3 to 3, and NaN where X has NaN; float32 if X is, else float64.
        """
        check_is_fitted(self)
        numbers = self._checked(X, reset=False)
        scaled = np.empty_like(numbers, order="C", subok=False)
        for rows in row_blocks(*numbers.shape):
            scaled[rows] = scale_smoothly(numbers[rows], self.center_, self.scale_)
        return scaled

    def inverse_transform(self, X: MatrixLike) -> FloatArray:
        """Numbers that ``transform`` maps to X.

        The inverse is ``x = center + scale * z`` with ``z = y / sqrt(1 - (y/3)**2)``. A rounding
        error of y grows with ``(1 + (z/3)**2)**1.5``: by a factor of 3 at z = 3, of 40,000 at
        z = 100. What has been rounded to -3 or 3 (more than 12,000 scales from the center in
        float32, 3e8 in float64), and what is beyond, becomes infinite. A constant column becomes
        its constant.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Scaled numbers; NaN stays NaN.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            float32 if X is, else float64.
        """
        check_is_fitted(self)
        scaled = self._checked(X, reset=False)
        original = np.empty_like(scaled, order="C", subok=False)
        has_scale = self.scale_ != 0
        for rows in row_blocks(*scaled.shape):
            y = np.multiply(scaled[rows], has_scale, dtype=np.float64)
            np.clip(y, -BOUND, BOUND, out=y)
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                y /= np.sqrt((1 - y / BOUND) * (1 + y / BOUND))  # 1 - (y/3)^2, without cancellation
                y *= np.where(has_scale, self.scale_, 1)
                y += self.center_
                original[rows] = y
        return original

    def _checked(self, X, *, reset):
        check_storage(X)
        dtypes = (np.float64, np.float32)
        return validate_data(self, X, dtype=dtypes, ensure_all_finite="allow-nan", reset=reset)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
