"""What the displays share: the estimator to draw, what its curves count, and new axes.

Matplotlib is imported by the functions that draw, never by this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..extras import import_extra
from ..training.solvers import SOLVERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def check_matplotlib(caller: str) -> None:
    """ModuleNotFoundError that says how to install Matplotlib, where it is not there."""
    import_extra("matplotlib", "demo", caller)


def network_estimator(
    estimator: Any,
    attribute: str,
    caller: str,
    needed: str = "BackpropClassifier or BackpropRegressor",
) -> tuple[Any, Pipeline | None]:
    """The estimator with the network, and the pipeline of the steps before it or None.

    `needed` names, in an error, estimators that have the attribute.
    """
    estimator, steps_before = unwrapped(estimator)
    check_is_fitted(estimator)
    if not hasattr(estimator, attribute):
        raise TypeError(
            f"{caller} draws {attribute}, which a fitted {type(estimator).__name__} does not "
            f"have; give a {needed}, or a pipeline that ends in one."
        )
    return estimator, steps_before


def unwrapped(estimator: Any) -> tuple[Any, Pipeline | None]:
    """What pipelines, searches and the like hold, and the pipeline of steps before it or None."""
    steps_before = None
    while True:
        if isinstance(estimator, Pipeline):
            steps_before, estimator = estimator[:-1], estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "regressor_"):
            estimator = estimator.regressor_
        else:
            break
    return estimator, steps_before


def feature_names_of(estimator: Any, steps_before: Pipeline | None) -> Any:
    """The names that an estimator, or the steps before it, know; None where they know none."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None and steps_before is not None and len(steps_before):
        try:
            names = steps_before.get_feature_names_out()
        except (AttributeError, ValueError):
            # A step that cannot tell; the display then numbers the features.
            return None
    return names


def what_a_run_counts(estimator: Any) -> str:
    """'epoch' or 'iteration', for any estimator with a loss curve."""
    solver = SOLVERS.get(getattr(estimator, "solver", ""))
    return "epoch" if solver is None else solver.counts


def new_axes(**figure_kw: Any) -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained", **figure_kw)[1]
