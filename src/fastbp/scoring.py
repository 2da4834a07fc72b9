"""How validation samples are scored during a fit: as the parameter ``scoring`` asks.

Takes the estimator that is fitted, its network and the held-out DataSet; returns a function of the
outputs and the loss of these samples. And a scorer of quantiles for scikit-learn's tools, which
score with R^2 what is not the estimator itself.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring, make_scorer, mean_pinball_loss

from .data import DataSet
from .objective import as_quantiles
from .types import FloatArray, Quantiles, Scoring


def pinball_scorer(quantile: Quantiles) -> Callable[..., float]:
    """A scorer for scikit-learn's tools: minus the mean pinball loss of predicted quantiles.

    It works wherever ``predict`` returns a column for each quantile: in ``cross_val_score``,
    ``GridSearchCV``, a Pipeline or a TransformedTargetRegressor, whose own ``score`` would be R^2,
    and as ``scoring`` of the estimators.

    Parameters
    ----------
    quantile : float or sequence of float
        As given to the regressor: in (0, 1), several in increasing order.

    Returns
    -------
    callable
        ``scorer(estimator, X, y, sample_weight=None)``; y has one column. Higher is better, 0 is
        perfect. The mean is over samples and quantiles, in units of y: 1/q of the loss of the
        regressor for q quantiles.

    Raises
    ------
    ValueError
        For quantiles outside (0, 1) or not in increasing order; when it scores, for predictions
        of another number of columns.

    References
    ----------
    Koenker and Bassett, "Regression quantiles", Econometrica 46 (1978). Gneiting and Raftery,
    "Strictly proper scoring rules, prediction, and estimation", JASA 102 (2007).

    Examples
    --------
    >>> from sklearn.compose import TransformedTargetRegressor
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.preprocessing import StandardScaler, scale
    >>> from fastbp import BackpropRegressor, pinball_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = BackpropRegressor((8,), loss="quantile", quantile=[0.1, 0.9], solver="lbfgs",
    ...                         alpha=10, max_iter=1000, random_state=0)
    >>> model = TransformedTargetRegressor(net, transformer=StandardScaler())
    >>> scores = cross_val_score(model, scale(X), y, scoring=pinball_scorer([0.1, 0.9]))
    >>> bool(scores.mean() > -15)
    True
    """
    quantiles = np.ravel(as_quantiles(quantile)).tolist()
    return make_scorer(_mean_pinball_loss, greater_is_better=False, quantiles=quantiles)


def _mean_pinball_loss(y, outputs, *, quantiles, sample_weight=None):
    columns = np.asarray(outputs)
    columns = columns[:, np.newaxis] if columns.ndim == 1 else columns
    if columns.ndim != 2 or columns.shape[1] != len(quantiles):
        raise ValueError(
            f"pinball_scorer({quantiles}) needs predictions with {len(quantiles)} column(s), got "
            f"the shape {np.shape(outputs)}: give it the quantiles that the regressor has."
        )
    losses = [
        mean_pinball_loss(y, columns[:, k], sample_weight=sample_weight, alpha=quantile)
        for k, quantile in enumerate(quantiles)
    ]
    return float(np.mean(losses))


def make_score(
    scoring: Scoring, probe: Callable[[], Any], problem: Any, held_out: DataSet
) -> Callable[[FloatArray, float], float]:
    """A callable (outputs, loss) -> float; higher is better.

    Parameters
    ----------
    scoring : None, str or callable
        None: the estimator's own score; 'loss': the loss, with its sign changed; else as in
        scikit-learn.
    probe : callable of no arguments
        Returns a fitted estimator whose network is the one in training, for scikit-learn's scorers.
    problem : ClassificationProblem or RegressionProblem
    held_out : DataSet
    """
    if scoring is None:
        return lambda outputs, loss: problem.score(outputs, held_out.targets, held_out.weights)
    if scoring == "loss":
        return lambda outputs, loss: -loss
    estimator = probe()
    scorer = check_scoring(estimator, scoring)
    weighted = {}
    if held_out.weights is not None and _takes_weights(scorer):
        weighted = {"sample_weight": held_out.weights}
    return lambda outputs, loss: float(scorer(estimator, held_out.X, held_out.y, **weighted))


def fitted_copy(estimator: Any, attributes: dict[str, Any]) -> Any:
    """A copy of an estimator with these fitted attributes, for samples without feature names."""
    probe = copy.copy(estimator)
    vars(probe).update(attributes)
    # By the time of scoring, the samples are arrays without names.
    vars(probe).pop("feature_names_in_", None)
    return probe


def _takes_weights(scorer):
    parameters = inspect.signature(scorer).parameters.values()
    return any(one.name == "sample_weight" or one.kind is one.VAR_KEYWORD for one in parameters)
