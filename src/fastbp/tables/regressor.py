"""TabularRegressor: numbers for a raw table's rows, and how far apart the networks are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, overload

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import validate_data

from ..checks import as_number, check_finite
from ..fit_data import as_column
from ..parameters import OF_REGRESSOR, Names
from ..regressor import BackpropRegressor, pinball_score
from ..types import (
    ArrayLike,
    FloatArray,
    LayerSizes,
    LossOfTables,
    MatrixLike,
    Quantiles,
    RandomState,
)
from .base import CONSTRAINTS, BaseTabular
from .columns import check_no_dates
from .intervals import ConformalErrors
from .presets import Preset
from .target_scales import TargetScale

LOSSES = ("squared_error", "absolute_error", "huber", "poisson", "gamma", "quantile", "gaussian")


class TabularRegressor(RegressorMixin, BaseTabular):
    """Regressor of raw tables: an ensemble of networks that needs no preparation of the data.

    Parameters
    ----------
    n_estimators : int, default=5
        Networks, whose predictions are averaged. Each keeps a fifth of the rows out of its
        training, and chooses its best epoch by them: five networks are a cross-validation, more
        than five begin another one.
    hidden_layer_sizes : int or array-like of int, default=(128, 128)
        Units of each hidden layer.
    max_iter : int, default=64
        Epochs.
    loss : {'squared_error', 'absolute_error', 'huber', 'poisson', 'gamma', 'quantile', \
'gaussian'}, default='squared_error'
        What the networks minimise. The predictions are means with 'squared_error', 'poisson'
        (y >= 0) and 'gamma' (y > 0), medians with 'absolute_error'. 'huber' is squared up to one
        standard deviation of y. With 'gaussian' a variance of y that depends on X is learned
        beside its mean: see ``predict(X, return_std=True)`` and ``predict_interval``.
    quantile : float or array-like of float, default=0.5
        For ``loss='quantile'``: one quantile, or several, which never cross.
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
    estimators_ : list of BackpropRegressor
        The networks, over encoded columns; their targets are standardised (with 'poisson' and
        'gamma' divided by their mean).
    encoder_ : TableEncoder
        What turns a table into columns of numbers.
    n_iter_ : int
        Epochs of the network that has most.
    loss_curves_, validation_loss_curves_ : list of list of float
        Loss of each epoch of each network, of its training rows and of those held out.
    oob_score_ : float
        R^2 (for several quantiles D^2, as in ``score``) for rows that were held out, by the
        networks that did not see them. Slightly optimistic, since their best epochs were chosen by
        the same rows. Not there with ``X_val``.
    oob_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The predictions behind it; NaN for rows that were never held out (fewer than 5 networks) and
        for rows without weight. Not there with ``X_val``.
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
    TabularClassifier : The same for classes.
    BackpropRegressor : A single network, with every parameter.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastbp import TabularRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = TabularRegressor(random_state=0).fit(X, y)
    >>> model.oob_score_ > 0.4
    True
    >>> mean, spread = model.predict(X[:2], return_std=True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "loss": [Names(LOSSES)],
        "quantile": OF_REGRESSOR["quantile"],
    }

    loss: LossOfTables
    quantile: Quantiles

    oob_prediction_: FloatArray

    def __init__(
        self,
        n_estimators: int = 5,
        *,
        hidden_layer_sizes: int | LayerSizes = (128, 128),
        max_iter: int = 64,
        loss: LossOfTables = "squared_error",
        quantile: Quantiles = 0.5,
        max_time: float | None = None,
        n_threads: int | None = None,
        random_state: RandomState = None,
        verbose: bool | int = False,
        preset: Preset | Mapping[str, Any] | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.hidden_layer_sizes = hidden_layer_sizes
        self.max_iter = max_iter
        self.loss = loss
        self.quantile = quantile
        self.max_time = max_time
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
        self.preset = preset

    def _make_member(self, **parameters):
        if self.loss == "quantile":
            parameters["quantile"] = self.quantile
        return BackpropRegressor(loss=self.loss, **parameters)

    def _checked_targets(self, y):
        settings = {"multi_output": True, "y_numeric": True}
        check_no_dates(y)
        y = validate_data(self, X="no_validation", y=y, **settings)
        numbers = as_column(y).astype(np.float64, copy=False)
        # scikit-learn's checks look for no None among objects
        check_finite(np.ascontiguousarray(numbers), numbers, "y")
        return numbers

    def _begin_targets(self, y, weights, preset):
        BackpropRegressor(loss=self.loss, quantile=self.quantile)._warn_of_ignored()
        settings = {"loss": self.loss, "scales": preset.scales_target, "clips": preset.clips}
        self._target_scale = TargetScale.of(_columns(y), weights, **settings)
        return self._more_targets(y, weights, "y")

    def _more_targets(self, y, weights, name):
        targets = self._target_scale.shrink(_columns(y))
        return targets.reshape(y.shape), weights

    def _network_targets(self, targets):
        n_quantiles = len(self._quantiles()) or 1
        return np.repeat(_columns(targets), n_quantiles, axis=1)

    def _codes_to_stratify(self, targets):
        return None

    def _predictions_of(self, member, encoded):
        return self._target_scale.restore(_columns(member.predict(encoded)))

    def _noise_of(self, member, encoded):
        """The standard deviation of y that a network predicts; ones where it predicts none."""
        if self.loss != "gaussian":
            return np.ones(len(encoded))
        _, stds = member.predict(encoded, return_std=True)
        return self._target_scale.scale * stds.astype(np.float64)

    def _noises_of_members(self, encoded):
        return np.array([self._noise_of(member, encoded) for member in self.estimators_])

    def _forget_out_of_bag(self):
        for name in ("oob_score_", "oob_prediction_", "_errors"):
            self.__dict__.pop(name, None)

    def _estimate_out_of_bag(self, y, sample_weight, outputs, splits, table):
        known = ~np.isnan(outputs[:, 0])
        weights = None if sample_weight is None else sample_weight[known]
        self.oob_prediction_ = _as_predicted(outputs)
        self.oob_score_ = self._score_of(y[known], self.oob_prediction_[known], weights)
        self._errors = None
        if y.ndim == 1:
            noises = self._held_out(table, splits, self._noise_of)
            self._errors = ConformalErrors.of(y, outputs, noises[:, 0], splits)

    def _score_of(self, y, predictions, sample_weight):
        quantiles = self._quantiles()
        if quantiles:
            return float(pinball_score(y, predictions, quantiles, sample_weight))
        return float(r2_score(y, predictions, sample_weight=sample_weight))

    def _quantiles(self):
        return BackpropRegressor(loss=self.loss, quantile=self.quantile)._quantiles()

    def score(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None) -> float:
        """R^2 of the predictions; for several quantiles the mean of their D^2 pinball scores.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            1 for perfect predictions, 0 for those of the best constant.
        """
        return self._score_of(y, self.predict(X), sample_weight)

    @overload
    def predict(self, X: MatrixLike, *, return_std: Literal[False] = False) -> FloatArray: ...

    @overload
    def predict(
        self, X: MatrixLike, *, return_std: Literal[True]
    ) -> tuple[FloatArray, FloatArray]: ...

    def predict(
        self, X: MatrixLike, *, return_std: bool = False
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Predict numbers: the mean of the networks' predictions.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return a standard deviation as well: how far apart the networks are, which
            is large where there was little to learn from; with ``loss='gaussian'`` together with
            the noise of y that they predict. (The variances add up: the mean of the networks'
            variances, and the variance of their means.)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Or two of them, with ``return_std=True``.
        """
        encoded = self._encoded(X)
        each = self._predictions_of_members(encoded)
        mean = _as_predicted(np.mean(each, axis=0))
        if not return_std:
            return mean
        variance = np.var(each, axis=0)
        if self.loss == "gaussian":
            variance += np.mean(self._noises_of_members(encoded) ** 2, axis=0)[:, np.newaxis]
        return mean, _as_predicted(np.sqrt(variance))

    def predict_interval(self, X: MatrixLike, coverage: float = 0.9) -> FloatArray:
        """Predict intervals that a share `coverage` of new targets will lie in.

        They rest on the errors for rows that were held out, and on no assumption but that new rows
        come from where the old ones came from: CV+ of Barber, Candes, Ramdas and Tibshirani,
        "Predictive inference with the jackknife+", Annals of Statistics 49 (2021). The share is a
        mean over all rows, not that of each row. With most losses the intervals are about equally
        wide everywhere. They are wide where the targets scatter with ``loss='gaussian'``, and with
        ``loss='quantile'`` and, for example, ``quantile=[0.05, 0.95]``.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
        coverage : float, default=0.9
            In (0, 1). With several quantiles, any coverage can be asked for.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Lower and upper ends; infinite where there were too few rows for such a coverage (fewer
            than ``coverage / (1 - coverage)``). Weights of rows have no part in them.

        Raises
        ------
        TypeError, ValueError
            For another coverage; ValueError after a fit with ``X_val`` or to several targets.
        """
        encoded = self._encoded(X)
        coverage = as_number("coverage", coverage, lowest=0, included=False, below=1)
        errors: ConformalErrors | None = vars(self).get("_errors")
        if errors is None:
            raise ValueError(
                "Intervals rest on rows that were held out, and are for one target: fit without "
                "X_val, and with a y of one column."
            )
        each = np.array(self._predictions_of_members(encoded))
        return errors.interval(each, self._noises_of_members(encoded), coverage)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _columns(y):
    return y.reshape(-1, 1) if y.ndim == 1 else y


def _as_predicted(outputs):
    """One column is a vector, as the user's y."""
    return outputs[:, 0] if outputs.shape[1] == 1 else outputs
