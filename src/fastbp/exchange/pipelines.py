"""The steps of a pipeline, and what to export in place of what cannot be exported."""

from __future__ import annotations

from typing import Any

from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from ..classifier import BackpropClassifier
from ..regressor import BackpropRegressor
from ..tables.classifier import TabularClassifier
from ..tables.regressor import TabularRegressor

NETWORKS = (BackpropClassifier, BackpropRegressor)
TABULAR = (TabularClassifier, TabularRegressor)
EXPORTED = ", ".join(cls.__name__ for cls in (*NETWORKS, *TABULAR))
NO_TRANSFORMER = (
    "before the last step of a pipeline a network gives its last hidden layer, which is not "
    "converted; train one network of all layers in place of both."
)
NO_STEP = "it takes raw columns and encodes them itself; fit it without a pipeline"


def steps_of(estimator: Any) -> tuple[list[tuple[str, Any]], list[str]]:
    """(names and steps of a pipeline, names of those that do nothing), pipelines in it included.

    Anything else than a pipeline is a step by itself.
    """
    if not isinstance(estimator, Pipeline):
        return [("", estimator)], []
    steps, idle = [], []
    for name, step in estimator.steps:
        if isinstance(step, Pipeline):
            inner_steps, inner_idle = steps_of(step)
            steps += [(f"{name}__{inner}", one) for inner, one in inner_steps]
            idle += [f"{name}__{inner}" for inner in inner_idle]
        elif step is None or isinstance(step, str):  # 'passthrough'
            idle.append(name)
        else:
            steps.append((name, step))
    return steps, idle


def what_to_pass(estimator: Any) -> str:
    """What to export in place of an estimator that holds a network; or nothing."""
    if isinstance(estimator, type):
        return " Pass a fitted instance of the class."
    if hasattr(estimator, "to_local"):
        return " Pass what its to_local() returns."
    if hasattr(estimator, "best_estimator_"):
        return " Pass its best_estimator_."
    if hasattr(estimator, "refit"):
        return " Fit it with refit=True and pass its best_estimator_."
    if isinstance(estimator, TransformedTargetRegressor):
        return (
            " Pass its regressor_; what the exported model returns is to be transformed back, by "
            "the inverse of its transformer_."
        )
    return ""
