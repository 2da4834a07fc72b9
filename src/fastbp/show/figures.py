"""What the displays share: the estimator to draw, what its curves count, and new axes.

Matplotlib is imported by the functions that draw, never by this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..training.solvers import SOLVERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def network_estimator(estimator: Any, attribute: str, caller: str) -> tuple[Any, Pipeline | None]:
    """The estimator with the network, and the pipeline of the steps before it or None."""
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
    check_is_fitted(estimator)
    if not hasattr(estimator, attribute):
        raise TypeError(
            f"{caller} draws {attribute}, which a fitted {type(estimator).__name__} does not "
            "have; give a BackpropClassifier or BackpropRegressor, or a pipeline that ends in one."
        )
    return estimator, steps_before


def what_a_run_counts(estimator: Any) -> str:
    """'epoch' or 'iteration', for any estimator with a loss curve."""
    solver = SOLVERS.get(getattr(estimator, "solver", ""))
    return "epoch" if solver is None else solver.counts


def new_axes(**figure_kw: Any) -> Axes:
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained", **figure_kw)[1]
