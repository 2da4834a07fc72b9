"""Predictions of Dask collections: lazily, a task a partition."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from dask.delayed import delayed
from sklearn.utils.validation import _check_feature_names

from ..base import BaseBackprop
from .partitions import is_array, is_collection, whole_rows

OF_TRAINING = (
    "_training_state",
    "loss_curve_",
    "validation_loss_curve_",
    "validation_scores_",
)


def predict_lazily(local: BaseBackprop, X: Any, method: str) -> Any:
    """What a method of a fitted estimator returns for X; lazy where X is a Dask collection.

    An array gives an array, a DataFrame a Series or a DataFrame with its index.
    """
    if not is_collection(X):
        return getattr(local, method)(X)
    predictor = copy.copy(local)
    for name in OF_TRAINING:
        predictor.__dict__.pop(name, None)
    example = _predict(_one_row(local), predictor, method)
    lazy = delayed(predictor, pure=False, traverse=False)
    if not is_array(X):
        _check_feature_names(local, X._meta, reset=False)
        meta = _as_frame(example[:0], X._meta.index[:0], local, method)
        return X.map_partitions(_predict_frame, lazy, method, meta=meta)
    if X.ndim != 2 or X.shape[1] != local.n_features_in_:
        raise ValueError(
            f"X has the shape {X.shape}, but {type(local).__name__} is expecting "
            f"{local.n_features_in_} features as input."
        )
    X = whole_rows(X)
    meta = np.empty((0,) * example.ndim, example.dtype)
    if example.ndim == 1:
        return X.map_blocks(_predict, lazy, method, drop_axis=1, dtype=meta.dtype, meta=meta)
    chunks = (X.chunks[0], (example.shape[1],))
    return X.map_blocks(_predict, lazy, method, chunks=chunks, dtype=meta.dtype, meta=meta)


def _one_row(local):
    row = np.zeros((1, local.n_features_in_), local.network_.dtype)
    names = getattr(local, "feature_names_in_", None)
    if names is None:
        return row
    import pandas as pd

    return pd.DataFrame(row, columns=names)


def _predict(X, predictor, method):
    if X.shape[0] > 0:
        return getattr(predictor, method)(X)
    return getattr(predictor, method)(_one_row(predictor))[:0]


def _predict_frame(X, predictor, method):
    return _as_frame(_predict(X, predictor, method), X.index, predictor, method)


def _as_frame(predictions, index, predictor, method):
    import pandas as pd

    if predictions.ndim == 1:
        return pd.Series(predictions, index=index)
    has_classes = method != "predict" and predictions.shape[1] == len(predictor.classes_)
    return pd.DataFrame(predictions, index, predictor.classes_ if has_classes else None)
