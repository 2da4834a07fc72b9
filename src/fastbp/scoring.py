"""How validation samples are scored during a fit: as the parameter ``scoring`` asks.

Takes the estimator that is fitted, its network and the held-out DataSet; returns a function of the
outputs and the loss of these samples.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

from sklearn.metrics import check_scoring

from .data import DataSet
from .types import FloatArray, Scoring


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
