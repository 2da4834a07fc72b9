"""WeightsDisplay: the weights of the first layer, as an image for each unit or as one heat map.

Takes a fitted estimator, or a pipeline or search around one; returns a Matplotlib axes. The display
is made of a plain array, so that it can be kept and plotted again without the estimator. Only
``coefs_`` is read: scikit-learn's own MLP can be drawn, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isqrt, prod
from numbers import Integral
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..types import Array, MaybeNone
from .figures import check_matplotlib, feature_names_of, network_estimator, new_axes

if TYPE_CHECKING:
    from typing import Self

    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# Gaps of a grid of images, in widths of an image; the unit's number is printed in the second.
GAP_X, GAP_Y = 0.12, 0.28


class WeightsDisplay:
    """Weights of the first layer: what each of its units looks for in the features.

    Use :meth:`from_estimator` to make one. All parameters are stored as attributes.

    Parameters
    ----------
    weights : ndarray of shape (n_features, n_units)
        The weights, ``coefs_[0]``.
    image_shape : tuple of (int, int), default=None
        Height and width of the images that the features are the pixels of, row by row.
    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features; x0, x1, ... by default.
    unit_kind : str, default="Hidden unit"
        What the units are; those of a network without hidden layers are its outputs.

    Attributes
    ----------
    images_ : list of matplotlib AxesImage
        The image of each unit that is shown, or the one heat map.
    colorbar_ : matplotlib Colorbar or None
        The scale of all images.
    ax_ : matplotlib Axes
        The axes with the images.
    figure_ : matplotlib Figure
        The figure with these axes.

    Raises
    ------
    ValueError
        If `image_shape` or `feature_names` do not fit the number of features.

    See Also
    --------
    LossCurveDisplay : How the training went.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from fastbp import BackpropClassifier, WeightsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = BackpropClassifier((16,), learning_rate_init=0.01, random_state=0).fit(X / 16, y)
    >>> display = WeightsDisplay(weights=clf.coefs_[0], image_shape=(8, 8))
    >>> display.weights.shape
    (64, 16)

    ``display.plot()`` draws it. With Matplotlib installed, one line does both::

        WeightsDisplay.from_estimator(clf, image_shape=(8, 8))
    """

    weights: Any
    image_shape: tuple[int, int] | None
    feature_names: Sequence[str] | Array | None
    unit_kind: str

    images_: list[AxesImage]
    colorbar_: Colorbar | MaybeNone
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        weights: Sequence[Sequence[float]] | Array,
        image_shape: Sequence[int] | None = None,
        feature_names: Sequence[str] | Array | None = None,
        unit_kind: str = "Hidden unit",
    ) -> None:
        n_features = len(weights)
        shape = None if image_shape is None else _checked_image_shape(image_shape, n_features)
        if feature_names is not None and len(feature_names) != n_features:
            raise ValueError(
                f"There are {len(feature_names)} feature_names, but the network has {n_features} "
                "input features."
            )
        self.weights = weights
        self.image_shape = shape
        self.feature_names = feature_names
        self.unit_kind = unit_kind

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: Sequence[int] | None = None,
        feature_names: Sequence[str] | Array | None = None,
        max_units: int = 100,
        ax: Axes | None = None,
        cmap: str | Colormap = "RdBu_r",
        colorbar: bool = True,
        im_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the weights between the features and the first layer of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`BackpropClassifier` or :class:`BackpropRegressor`, a pipeline that
            ends in one, or a fitted search, whose best estimator is taken.
        image_shape : tuple of (int, int), default=None
            Height and width, if the features are the pixels of an image, row by row: each unit's
            weights are then one image. By default there is one heat map, features by units.
        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features, for the heat map. By default those that the estimator, or the
            steps of the pipeline before it, know; otherwise x0, x1, ...
        max_units : int, default=100
            The most units to show; the first ones are.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        cmap : str or matplotlib Colormap, default="RdBu_r"
            A diverging colour map. Its middle is the weight 0, and all units share one scale.
        colorbar : bool, default=True
            Whether to draw the scale.
        im_kw : dict, default=None
            Keywords for Matplotlib's ``imshow``, such as ``{"vmin": -1, "vmax": 1}``.

        Returns
        -------
        display : WeightsDisplay

        Raises
        ------
        NotFittedError
            If the estimator was not fitted.
        TypeError
            If the estimator has no ``coefs_``.
        ValueError
            If `image_shape` or `feature_names` do not fit the number of features, or `max_units`
            is not positive.
        ImportError
            Without Matplotlib.
        """
        caller = f"{cls.__name__}.from_estimator"
        check_matplotlib(caller)
        fitted, steps_before = network_estimator(estimator, "coefs_", caller)
        if feature_names is None:
            feature_names = feature_names_of(fitted, steps_before)
        display = cls(
            weights=np.array(fitted.coefs_[0]),
            image_shape=image_shape,
            feature_names=feature_names,
            unit_kind="Hidden unit" if len(fitted.coefs_) > 1 else "Output",
        )
        return display.plot(ax, max_units=max_units, cmap=cmap, colorbar=colorbar, im_kw=im_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        max_units: int = 100,
        cmap: str | Colormap = "RdBu_r",
        colorbar: bool = True,
        im_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the images or the heat map.

        Parameters
        ----------
        ax, max_units, cmap, colorbar, im_kw
            As in :meth:`from_estimator`.

        Returns
        -------
        display : WeightsDisplay
            This object, with the attributes that end in an underscore.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        if not isinstance(max_units, Integral) or max_units < 1:
            raise ValueError(f"max_units={max_units!r} must be a positive whole number.")
        weights = np.asarray(self.weights)[:, :max_units]
        # The same on both sides of 0, so that the middle of the colour map is no weight at all.
        limit = float(np.abs(weights).max()) or 1.0
        style = {"cmap": cmap, "vmin": -limit, "vmax": limit, "interpolation": "nearest"}
        style.update(im_kw or {})
        draw = self._plot_heat_map if self.image_shape is None else self._plot_images
        ax = draw(ax, weights, style)
        self.ax_, self.figure_ = ax, cast("Figure", ax.get_figure())
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(
                self.images_[0], ax=ax, label="Weight", shrink=0.8, aspect=25, pad=0.02
            )
            self.colorbar_.outline.set_visible(False)
        return self

    def _shown(self, n_shown):
        n_units = np.shape(self.weights)[1]
        return "" if n_shown == n_units else f"first {n_shown} of {n_units}"

    def _plot_images(self, ax, weights, style):
        from matplotlib.patches import Rectangle

        height, width = cast(tuple[int, int], self.image_shape)
        n_units = weights.shape[1]
        n_columns = _n_columns(n_units)
        n_rows = ceil(n_units / n_columns)
        step_x, step_y = width * (1 + GAP_X), height + GAP_Y * width
        if ax is None:
            # Images of about an inch; fewer than that if they would not fit on a screen.
            inch = min(1.0, 7.5 / n_columns, 7.5 * width / (n_rows * height))
            ax = new_axes(
                figsize=(
                    max(2.5, n_columns * inch * (1 + GAP_X) + 1.0),
                    max(1.5, n_rows * inch * step_y / width + 0.5),
                )
            )
        ax.set_axis_off()
        self.images_ = []
        for unit in range(n_units):
            row, column = divmod(unit, n_columns)
            left, top = column * step_x, row * step_y
            image = ax.imshow(
                weights[:, unit].reshape(self.image_shape),
                extent=(left, left + width, top + height, top),
                origin="upper",
                **style,
            )
            self.images_.append(image)
            ax.add_patch(Rectangle((left, top), width, height, fill=False, ec="0.75", lw=0.6))
        ax.set_xlim(-0.02 * width, n_columns * step_x - (GAP_X - 0.02) * width)
        ax.set_ylim(n_rows * step_y - GAP_Y * width * 0.9, -step_y + height)
        ax.set_aspect("equal")
        # The unit's number has to fit into the gap above its image, in points.
        inches = min(np.divide(_size_in_inches(ax), (n_columns * step_x, n_rows * step_y)))
        size = float(np.clip(0.6 * 72 * inches * GAP_Y * width, 3.5, 9))
        for unit in range(n_units):
            row, column = divmod(unit, n_columns)
            ax.text(
                column * step_x + width / 2,
                row * step_y - 0.04 * width,
                str(unit),
                ha="center",
                va="bottom",
                fontsize=size,
                color="0.35",
            )
        shown = self._shown(n_units)
        ax.set_title(f"{self.unit_kind}s" + (f" ({shown})" if shown else ""), fontsize="medium")
        return ax

    def _plot_heat_map(self, ax, weights, style):
        from matplotlib.ticker import MaxNLocator

        n_features, n_units = weights.shape
        names = self.feature_names
        if names is None:
            names = [f"x{i}" for i in range(n_features)]
        if ax is None:
            ax = new_axes(
                figsize=(
                    float(np.clip(0.2 * n_units + 3.0, 4.0, 10.0)),
                    float(np.clip(0.2 * n_features + 1.0, 2.5, 10.0)),
                )
            )
        self.images_ = [ax.imshow(weights, **{"aspect": "auto", **style})]
        # As many names as fit, evenly spaced: a line of text takes 11 points.
        n_names = max(1, int(_size_in_inches(ax)[1] * 72 / 11))
        labelled = np.arange(0, n_features, ceil(n_features / n_names))
        ax.set_yticks(labelled, [str(names[i]) for i in labelled], fontsize="small")
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        shown = self._shown(n_units)
        ax.set(xlabel=self.unit_kind + (f" ({shown})" if shown else ""), ylabel="Feature")
        return ax


def _checked_image_shape(image_shape: Sequence[int], n_features: int) -> tuple[int, int]:
    shape = tuple(image_shape) if np.iterable(image_shape) else ()
    if len(shape) != 2 or not all(isinstance(n, Integral) and n > 0 for n in shape):
        raise ValueError(
            f"image_shape={image_shape!r} must be two positive whole numbers, height and width."
        )
    if prod(shape) != n_features:
        raise ValueError(
            f"image_shape={shape} has {prod(shape)} pixels, but the network has {n_features} "
            "input features."
        )
    height, width = shape
    return int(height), int(width)


def _n_columns(n_units):
    """Columns of a grid that is at least as wide as high, with the fewest places left empty."""
    least = isqrt(n_units - 1) + 1
    return min(range(least, 2 * least + 1), key=lambda n: (-n_units % n, n))


def _size_in_inches(ax):
    box = ax.get_window_extent()
    dpi = ax.get_figure().dpi
    return box.width / dpi, box.height / dpi
