"""TabularClassifier: class labels of a raw table's rows, and their probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import validate_data

from ..classes import Classes, ClassWeights, check_labels, check_no_label_missing
from ..classifier import BackpropClassifier
from ..parameters import Names
from ..types import Array, ClassWeight, FloatArray, LayerSizes, MatrixLike, RandomState
from .base import CONSTRAINTS, BaseTabular
from .presets import Preset


class TabularClassifier(ClassifierMixin, BaseTabular):
    """Classifier of raw tables: an ensemble of networks that needs no preparation of the data.

    Parameters
    ----------
    n_estimators : int, default=5
        Networks, whose probabilities are averaged. Each keeps a fifth of the rows out of its
        training, and chooses its best epoch by them: five networks are a cross-validation, more
        than five begin another one.
    hidden_layer_sizes : int or array-like of int, default=(128, 128)
        Units of each hidden layer.
    max_iter : int, default=64
        Epochs.
    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes; 'balanced' makes all classes count the same. It improves the score
        of rare classes, and the probabilities are then no longer those of the data.
    max_time : float or None, default=None
        Seconds for the whole fit after which training stops; each network has at least one epoch.
    n_threads : int or None, default=None
        Threads in all, which train networks side by side. None: as many as this process may use.
        The number has no effect on results.
    random_state : int, RandomState instance or None, default=None
        Source of the folds, initial weights and order of rows.
    verbose : bool, default=False
        Print a line for each network.
    preset : mapping, Preset or None, default=None
        Changes to the recipe, such as ``{"dropout": 0.0}``, for experiments; what they can be may
        differ between versions.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    estimators_ : list of BackpropClassifier
        The networks, over encoded columns; their classes are positions in ``classes_``.
    encoder_ : TableEncoder
        What turns a table into columns of numbers.
    n_iter_ : int
        Epochs of the network that has most.
    loss_curves_, validation_loss_curves_ : list of list of float
        Loss of each epoch of each network, of its training rows and of those held out.
    oob_score_ : float
        Accuracy for rows that were held out, by the networks that did not see them. Slightly
        optimistic, since their best epochs were chosen by the same rows. Not there with ``X_val``.
    oob_decision_function_ : ndarray of shape (n_samples, n_classes)
        The probabilities behind it; NaN for rows that were never held out (fewer than 5 networks)
        and for rows without weight. Not there with ``X_val``.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if X had string column names.
    feature_importances_ : ndarray of shape (n_features_in_,)
        For each column of X, how much the loss of rows that were held out grows when its values are
        exchanged among them (at most 1000 rows of each network). About 0, or below, for a column
        without use.

    See Also
    --------
    TabularRegressor : The same for numbers.
    BackpropClassifier : A single network, with every parameter.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastbp import TabularClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> clf = TabularClassifier(random_state=0).fit(X, y)
    >>> clf.oob_score_ > 0.9
    True
    >>> clf.predict_proba(X[:2]).shape
    (2, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "class_weight": [dict, Names(["balanced"]), None],
    }

    class_weight: ClassWeight

    classes_: Array
    oob_decision_function_: FloatArray

    def __init__(
        self,
        n_estimators: int = 5,
        *,
        hidden_layer_sizes: int | LayerSizes = (128, 128),
        max_iter: int = 64,
        class_weight: ClassWeight = None,
        max_time: float | None = None,
        n_threads: int | None = None,
        random_state: RandomState = None,
        verbose: bool | int = False,
        preset: Preset | Mapping[str, Any] | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.hidden_layer_sizes = hidden_layer_sizes
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.max_time = max_time
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
        self.preset = preset

    def _make_member(self, **parameters):
        return BackpropClassifier(**parameters)

    def _checked_targets(self, y):
        try:
            y = validate_data(self, X="no_validation", y=y)
        except Exception:  # of NA, some versions raise an AttributeError
            check_no_label_missing(y)
            raise
        check_labels(y)
        return y

    def _begin_targets(self, y, weights, preset):
        self.classes_ = Classes.of(y).labels
        self._class_weights = None
        if self.class_weight is not None:
            self._class_weights = ClassWeights.of_training(self.class_weight, y, self.classes_)
        return np.searchsorted(self.classes_, y), self._weighted(y, weights)

    def _more_targets(self, y, weights, name):
        Classes(self.classes_).check_known(y, name)
        return np.searchsorted(self.classes_, y), self._weighted(y, weights)

    def _weighted(self, y, weights):
        if self._class_weights is None:
            return weights
        factors = self._class_weights.of_samples(y)
        return factors if weights is None else weights * factors

    def _network_targets(self, targets):
        return targets if len(self.classes_) > 2 else targets.astype(np.float32)

    def _codes_to_stratify(self, targets):
        return targets

    def _predictions_of(self, member, encoded):
        return member.predict_proba(encoded).astype(np.float64)

    def _forget_out_of_bag(self):
        for name in ("oob_score_", "oob_decision_function_"):
            self.__dict__.pop(name, None)

    def _estimate_out_of_bag(self, y, sample_weight, outputs, splits, table):
        self.oob_decision_function_ = outputs
        known = ~np.isnan(outputs[:, 0])
        is_right = self.classes_[outputs[known].argmax(axis=1)] == y[known]
        weights = None if sample_weight is None else sample_weight[known]
        self.oob_score_ = float(np.average(is_right, weights=weights))

    def predict_proba(self, X: MatrixLike) -> FloatArray:
        """Predict class probabilities: the mean of those of the networks.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        probabilities = np.mean(self._predictions_of_members(self._encoded(X)), axis=0)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: MatrixLike) -> FloatArray:
        """Logarithm of :meth:`predict_proba`; -inf where that is 0."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: MatrixLike) -> Array:
        """Predict class labels.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            The most probable class.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]
