"""PiecewiseLinearEncoder: one number becomes several, each of which counts in a part of its range.

Takes numbers, missing ones as NaN; returns, for a column with the edges b_0 < b_1 < ... < b_T,

    e_t = clip((x - b_{t-1}) / (b_t - b_{t-1}), 0, 1),    t = 1 ... T;    0 for NaN

Source: Gorishniy, Rubachev and Babenko (2022), On embeddings for numerical features in tabular deep
learning, arXiv 2203.05556, whose first and last part are not clipped.
"""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from ..checks import check_storage
from ..sklearn_types import fits
from ..types import Array, ArrayLike, FloatArray, IntArray, MatrixLike
from .scaling import row_blocks

if TYPE_CHECKING:
    from typing import Self

MOST_CLASSES = 50  # integers of more different values are taken for numbers


def quantile_edges(values: FloatArray, n_bins: int) -> FloatArray:
    """Different quantiles of a column (n,) without NaN: at most n_bins + 1, and 0 or at least 2."""
    if not len(values):
        return np.empty(0)
    return _edges_of(np.quantile(values, np.linspace(0, 1, n_bins + 1)))


def tree_edges(values: FloatArray, y: Array, tree: Any) -> FloatArray:
    """The range of a column (n,) without NaN, and the thresholds of the tree fitted to y."""
    if not len(values):
        return np.empty(0)
    # The tree sees ranks: it works in float32, where large numbers that differ may be equal.
    different, ranks = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True)
    fitted = tree.fit(ranks.reshape(-1, 1), y).tree_
    below = np.floor(fitted.threshold[fitted.children_left >= 0]).astype(np.intp)
    middles = different[below] / 2 + different[below + 1] / 2
    return _edges_of([different[0], *middles, different[-1]])


def _edges_of(numbers):
    edges = np.unique(np.asarray(numbers, dtype=np.float64))
    return edges if len(edges) > 1 else edges[:0]


def ramps(values: FloatArray, left: FloatArray, right: FloatArray) -> FloatArray:
    """e_t between the edges left and right, for values that broadcast with them; 0 for NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        parts = np.subtract(values, left, dtype=np.float64)
        parts /= right - left
    np.clip(parts, 0, 1, out=parts)
    parts[np.isnan(parts)] = 0
    return parts


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    """Encode each number by how far it has come through each part of its column's range.

    The range of a column is divided into bins. A number is represented by one value per bin: 1
    for bins below it, 0 for bins above it, and in its own bin the position between the edges:
    ``e_t = clip((x - b[t-1]) / (b[t] - b[t-1]), 0, 1)``. A linear function of these values is a
    continuous, piecewise linear function of the number, so that a network can bend where the bins
    meet, whatever the number's scale is.

    The lowest and the highest edge are the column's smallest and largest number in ``fit``. Numbers
    beyond them are represented like them. (The paper continues the first and the last bin instead;
    in a narrow bin, an outlier would then be a number of any size. For the numbers seen in ``fit``
    both are the same.) A missing value (NaN) is left out in ``fit`` and is 0 in every bin.

    Edges are different numbers. Where quantiles coincide, as in a column that is mostly zeros, the
    column has fewer bins; a constant column has none, and so adds nothing to the result.

    Parameters
    ----------
    n_bins : int, default=16
        Largest number of bins of a column, and so of values that represent it.
    edges : {"quantile", "tree"}, default="quantile"
        Where the bins meet. "quantile": at quantiles of the column, so that each bin has about
        the same number of samples. "tree": at the thresholds of a decision tree of at most
        ``n_bins`` leaves that predicts y from this column alone, so that bins are narrow where y
        changes. It needs y.
    min_samples_leaf : int, default=20
        Samples that each leaf of a tree has at least, as in scikit-learn's histogram gradient
        boosting; other edges do not depend on it.
    target_type : {"auto", "continuous", "classes"}, default="auto"
        What y is for the trees: numbers, or classes. "auto": numbers if it is an array of floats,
        or of integers with more than 50 different values; classes otherwise. Other edges do not
        depend on it.

    Attributes
    ----------
    bin_edges_ : list of ndarray of shape (n_bins_[j] + 1,)
        Ascending edges of each column, in float64. Empty where a column has no bins.
    n_bins_ : ndarray of shape (n_features_in_,)
        Number of bins of each column.
    feature_of_column_ : ndarray of shape (n_bins_.sum(),)
        For each column of the result, the column of X that it represents.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are strings.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko (2022), On embeddings for numerical features in tabular
    deep learning, arXiv 2203.05556.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp import PiecewiseLinearEncoder
    >>> encoder = PiecewiseLinearEncoder(n_bins=2).fit(np.array([[0.0], [1.0], [5.0]]))
    >>> encoder.bin_edges_[0].tolist()
    [0.0, 1.0, 5.0]
    >>> encoder.transform(np.array([[0.5], [2.0]])).tolist()
    [[0.5, 0.0], [1.0, 0.25]]
    """

    n_bins: int
    edges: Literal["quantile", "tree"]
    min_samples_leaf: int
    target_type: Literal["auto", "continuous", "classes"]

    bin_edges_: list[FloatArray]
    n_bins_: IntArray
    feature_of_column_: IntArray
    n_features_in_: int
    feature_names_in_: Array

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "edges": [StrOptions({"quantile", "tree"})],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "target_type": [StrOptions({"auto", "continuous", "classes"})],
    }

    def __init__(
        self,
        n_bins: int = 16,
        *,
        edges: Literal["quantile", "tree"] = "quantile",
        min_samples_leaf: int = 20,
        target_type: Literal["auto", "continuous", "classes"] = "auto",
    ) -> None:
        self.n_bins = n_bins
        self.edges = edges
        self.min_samples_leaf = min_samples_leaf
        self.target_type = target_type

    @fits
    def fit(self, X: MatrixLike, y: ArrayLike | None = None) -> Self:
        """Find the edges of each column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers, or NaN where a value is missing.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            What trees predict; ignored with other edges.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            With ``edges="tree"``, if y is None or does not fit X.
        """
        if self.edges == "tree":
            numbers, targets = self._checked(X, y, reset=True, multi_output=True)
        else:
            numbers, targets = self._checked(X, reset=True), None
        # one bin is the column's range, and no tree has a single leaf
        tree = self._tree_for(targets) if self.edges == "tree" and self.n_bins > 1 else None
        self.bin_edges_ = []
        for column in numbers.T:
            is_present = ~np.isnan(column)
            if tree is None:
                edges = quantile_edges(column[is_present], self.n_bins)
            else:
                edges = tree_edges(column[is_present], targets[is_present], tree)
            self.bin_edges_.append(edges)
        self.n_bins_ = np.array([max(0, len(edges) - 1) for edges in self.bin_edges_])
        self.feature_of_column_ = np.repeat(np.arange(len(self.n_bins_)), self.n_bins_)
        return self

    def _tree_for(self, y):
        target_type = self.target_type
        if target_type == "auto":
            is_continuous = y.dtype.kind == "f" or (
                y.dtype.kind in "iu" and len(np.unique(y)) > MOST_CLASSES
            )
            target_type = "continuous" if is_continuous else "classes"
        # imported by those who ask for it: it brings much of scikit-learn along
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        tree = DecisionTreeRegressor if target_type == "continuous" else DecisionTreeClassifier
        return tree(
            max_leaf_nodes=self.n_bins,
            min_samples_leaf=self.min_samples_leaf,
            random_state=0,  # it only chooses among several columns
        )

    def transform(self, X: MatrixLike) -> FloatArray:
        """Encode X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_bins_.sum())
            Numbers from 0 to 1, the bins of the first column first; float32 if X is, else float64.
        """
        check_is_fitted(self)
        numbers = self._checked(X, reset=False)
        left = np.concatenate([edges[:-1] for edges in self.bin_edges_])
        right = np.concatenate([edges[1:] for edges in self.bin_edges_])
        encoded = np.empty((len(numbers), len(left)), dtype=numbers.dtype)
        for rows in row_blocks(*encoded.shape):
            encoded[rows] = ramps(numbers[rows][:, self.feature_of_column_], left, right)
        return encoded

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Array:
        """Names of the columns of the result: ``age_bin1``, ``age_bin2``, ...

        Parameters
        ----------
        input_features : array-like of str of shape (n_features_in_,), default=None
            Names of the features; by default those seen in ``fit``, or x0, x1, ...

        Returns
        -------
        names : ndarray of str objects
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        pairs = zip(names, self.n_bins_, strict=True)
        found = [f"{name}_bin{t}" for name, n_bins in pairs for t in range(1, n_bins + 1)]
        return np.array(found, dtype=object)

    def _checked(self, X, *y, **how):
        check_storage(X)
        dtypes = (np.float64, np.float32)
        return validate_data(self, X, *y, dtype=dtypes, ensure_all_finite="allow-nan", **how)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.edges == "tree"
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
