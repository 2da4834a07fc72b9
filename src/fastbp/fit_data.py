"""The data of a fit: a user's X, y and weights, checked and encoded.

Takes an estimator and what its user passes; returns a DataSet, and the problem that y poses.
scikit-learn's checks are skipped where they could find nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from .checks import (
    as_kernel_matrix,
    as_weights,
    check_storage,
    check_unmasked,
    has_validation,
    is_kernel_matrix,
    is_plain_target,
    is_plain_text,
)
from .classes import check_no_label_missing
from .data import DataSet
from .front import check_dense
from .training import scales
from .types import Array
from .user_warnings import warn

Arrays: TypeAlias = tuple[Any, Any, Any]  # X, y and sample_weight, as a user passes them
NO_ARRAYS: Arrays = (None, None, None)


def training_data(
    estimator: Any, arrays: Arrays, problem_of: Callable[[Array], Any], *, goes_on: bool
) -> tuple[DataSet, Any]:
    """The DataSet to train on, and the problem that its y poses.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
    arrays : (X, y, sample_weight)
    problem_of : callable
        Returns the ClassificationProblem or RegressionProblem of a checked y.
    goes_on : bool
        Whether training continues from the fitted network, whose features and dtype X must have.
    """
    X, y, sample_weight = arrays
    check_dense(X, estimator.front)
    X, y = check_arrays(estimator, X, y, dtypes_for(estimator, goes_on), reset=not goes_on)
    weights = as_weights(sample_weight, X.shape[0], X.dtype)
    problem = problem_of(y)
    targets = problem.targets(y, X.dtype)
    return DataSet(X, y, targets, problem.weights(y, weights, X.dtype)), problem


def validation_data(estimator: Any, validation: Arrays, data: Any, problem: Any) -> DataSet | None:
    """The DataSet that the user validates on, or None.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
    validation : (X_val, y_val, sample_weight_val)
    data : DataSet, or what stands for one
        That of the training.
    problem : ClassificationProblem or RegressionProblem
        What the y of the training poses.
    """
    X_val, y_val, sample_weight_val = validation
    if not has_validation(X_val, y_val, sample_weight_val):
        return None
    try:
        X, y = check_arrays(estimator, X_val, y_val, (data.X.dtype,), reset=False)
        if is_classifier(estimator) and y.dtype.kind == "O":
            check_no_label_missing(y)
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"X_val and y_val cannot be used. {error}") from error
    difference = scales.difference(data.X, X)
    if difference:
        warn(f"X_val {difference}")
    targets = problem.targets(y, X.dtype, "y_val")
    if targets.n_outputs != data.targets.n_outputs:
        raise ValueError(f"y_val has {targets.n_outputs} columns, y has {data.targets.n_outputs}.")
    weights = as_weights(sample_weight_val, X.shape[0], X.dtype, "sample_weight_val")
    return DataSet(X, y, targets, problem.weights(y, weights, X.dtype))


def dtypes_for(estimator: Any, goes_on: bool) -> tuple[Any, ...]:
    """The types that X may have; others become the first."""
    return (estimator.network_.dtype,) if goes_on else (np.float64, np.float32)


def check_arrays(
    estimator: Any, X: Any, y: Any, dtypes: tuple[Any, ...], *, reset: bool
) -> tuple[Any, Array]:
    """X as the kernels read it, and y as an array, of one dimension where it has one column.

    `reset` says whether the estimator gets the features of X, its ``n_features_in_`` and
    ``feature_names_in_``, or X must have those of the estimator.
    """
    is_plain = is_kernel_matrix(X, dtypes) and (
        is_plain_target(y, len(X)) or (is_plain_text(y, len(X)) and is_classifier(estimator))
    )
    if is_plain and reset:
        # scikit-learn's checks cost 10 % of a small fit, and would find nothing here.
        vars(estimator).pop("feature_names_in_", None)
        estimator.n_features_in_ = X.shape[1]
        return X, as_column(y)
    if (
        is_plain
        and X.shape[1] == estimator.n_features_in_
        and not hasattr(estimator, "feature_names_in_")
    ):
        return X, as_column(y)
    check_storage(X)
    check_unmasked(y, "y")
    try:
        X, y = validate_data(
            estimator,
            X,
            y,
            accept_sparse="csr",
            dtype=dtypes,
            order="C",
            multi_output=True,
            y_numeric=is_regressor(estimator),
            reset=reset,
            skip_check_array=is_plain,
        )
    except Exception:  # of NA, some versions raise an AttributeError
        if is_classifier(estimator):
            check_no_label_missing(y)
        raise
    return as_kernel_matrix(X, X.dtype), as_column(y)


def as_column(y: Array) -> Array:
    """y of shape (n_samples,) for one of shape (n_samples, 1), with a warning; else y itself."""
    if y.ndim != 2 or y.shape[1] != 1:
        return y
    column = column_or_1d(y)
    # scikit-learn's own warning would point at scikit-learn
    warn(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of "
        "y to (n_samples, ), for example using ravel().",
        DataConversionWarning,
    )
    return column
