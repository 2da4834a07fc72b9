"""ImportanceDisplay: what each column of a table contributes, as bars.

Takes a fitted estimator with ``feature_importances_``, or a pipeline or search around one; returns
a Matplotlib axes. The display is made of plain arrays, so that it can be kept and plotted again
without the estimator. scikit-learn's forests and boosted trees can be drawn, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..types import Array, ArrayLike
from .figures import check_matplotlib, feature_names_of, network_estimator, new_axes

if TYPE_CHECKING:
    from typing import Self

    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure


class ImportanceDisplay:
    """Importances of features, the largest first.

    Use :meth:`from_estimator` to make one. All parameters are stored as attributes.

    Parameters
    ----------
    importances : array-like of shape (n_features,)
        The importances.
    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features; x0, x1, ... by default.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        The bars.
    ax_ : matplotlib Axes
        The axes with the bars.
    figure_ : matplotlib Figure
        The figure with these axes.

    Raises
    ------
    ValueError
        If `feature_names` do not fit the number of features.

    See Also
    --------
    WeightsDisplay : The weights of a network's first layer.

    Examples
    --------
    >>> from fastbp import ImportanceDisplay
    >>> display = ImportanceDisplay(importances=[0.1, 0.4], feature_names=["age", "size"])
    >>> display.order.tolist()
    [1, 0]

    ``display.plot()`` draws it. With Matplotlib installed, one line does both::

        ImportanceDisplay.from_estimator(TabularClassifier().fit(X, y))
    """

    importances: Any
    feature_names: Sequence[str] | Array | None

    bars_: BarContainer
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        importances: ArrayLike,
        feature_names: Sequence[str] | Array | None = None,
    ) -> None:
        n_features = len(np.asarray(importances))
        if feature_names is not None and len(feature_names) != n_features:
            raise ValueError(
                f"There are {len(feature_names)} feature_names, but {n_features} importances."
            )
        self.importances = importances
        self.feature_names = feature_names

    @property
    def order(self) -> Array:
        """The features' places, from the most important to the least."""
        return np.argsort(-np.asarray(self.importances, dtype=float), kind="stable")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        feature_names: Sequence[str] | Array | None = None,
        max_features: int = 20,
        ax: Axes | None = None,
        bar_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the importances of the features of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`TabularClassifier` or :class:`TabularRegressor`, a pipeline that ends
            in one, or a fitted search, whose best estimator is taken.
        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features. By default those that the estimator, or the steps of the pipeline
            before it, know; otherwise x0, x1, ...
        max_features : int, default=20
            The most features to show; the most important ones are.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        bar_kw : dict, default=None
            Keywords for Matplotlib's ``barh``, such as ``{"color": "0.5"}``.

        Returns
        -------
        display : ImportanceDisplay

        Raises
        ------
        NotFittedError
            If the estimator was not fitted.
        TypeError
            If the estimator has no ``feature_importances_``.
        ValueError
            If `feature_names` do not fit the number of features, or `max_features` is not positive.
        ImportError
            Without Matplotlib.
        """
        caller = f"{cls.__name__}.from_estimator"
        check_matplotlib(caller)
        fitted, steps_before = network_estimator(
            estimator, "feature_importances_", caller, "TabularClassifier or TabularRegressor"
        )
        if feature_names is None:
            feature_names = feature_names_of(fitted, steps_before)
        display = cls(
            importances=np.array(fitted.feature_importances_), feature_names=feature_names
        )
        return display.plot(ax, max_features=max_features, bar_kw=bar_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        max_features: int = 20,
        bar_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax, max_features, bar_kw
            As in :meth:`from_estimator`.

        Returns
        -------
        display : ImportanceDisplay
            This object, with the attributes that end in an underscore.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        if not isinstance(max_features, Integral) or max_features < 1:
            raise ValueError(f"max_features={max_features!r} must be a positive whole number.")
        importances = np.asarray(self.importances, dtype=float)
        shown = self.order[:max_features]
        names = self.feature_names
        if names is None:
            names = [f"x{i}" for i in range(len(importances))]
        if ax is None:
            ax = new_axes(figsize=(6.0, float(np.clip(0.25 * len(shown) + 1.0, 2.0, 10.0))))
        places = np.arange(len(shown))
        self.bars_ = ax.barh(places, importances[shown], **(bar_kw or {}))
        ax.set_yticks(places, [str(names[i]) for i in shown])
        ax.invert_yaxis()
        left_out = "" if len(shown) == len(importances) else f" (first {len(shown)})"
        ax.set(xlabel="Importance", ylabel=f"Feature{left_out}")
        ax.spines[["top", "right"]].set_visible(False)
        self.ax_, self.figure_ = ax, cast("Figure", ax.get_figure())
        return self
