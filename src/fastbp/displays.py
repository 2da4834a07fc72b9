"""Displays of fitted estimators, in the manner of scikit-learn's Display classes.

Enters a fitted estimator, or a pipeline or search around one; leaves a Matplotlib axes.

    LossCurveDisplay    loss_curve_ and validation_loss_curve_ over epochs, the best epoch marked
    WeightsDisplay      coefs_[0], as one image for each unit or as one heat map

A display is made of plain arrays, so that it can be kept and plotted again without the estimator.
Only fitted attributes are read: scikit-learn's own MLP can be drawn beside fastbp's. Matplotlib is
imported by what draws, never by this module.
"""

from collections.abc import Mapping
from math import ceil, isqrt, prod
from numbers import Integral

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

from .training import FULL_BATCH_SOLVERS

# Gaps of a grid of images, in widths of an image; a unit's number stands in the second.
GAP_X, GAP_Y = 0.12, 0.28


def _network_estimator(estimator, attribute, caller):
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


def _new_axes(**figure_kw):
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained", **figure_kw)[1]


def _set_log_scale(ax):
    from matplotlib.ticker import LogFormatter

    class PlainLogFormatter(LogFormatter):
        """0.2, where Matplotlib writes 2 x 10^-1; which ticks get a label is left to it."""

        def __call__(self, x, pos=None):
            return f"{x:g}" if super().__call__(x, pos) else ""

    ax.set_yscale("log", nonpositive="mask")
    ax.yaxis.set_major_formatter(PlainLogFormatter())
    ax.yaxis.set_minor_formatter(PlainLogFormatter())


def _size_in_inches(ax):
    box = ax.get_window_extent()
    dpi = ax.get_figure().dpi
    return box.width / dpi, box.height / dpi


def _best(values, sign):
    """Index of the first largest (sign=1) or smallest (-1) finite value; None without any."""
    values = sign * np.asarray(values, dtype=float)
    if not np.isfinite(values).any():
        return None
    return int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))


class LossCurveDisplay:
    """Training and validation loss over epochs.

    Use :meth:`from_estimator` or :meth:`from_estimators` to make one. All parameters are stored as
    attributes, and have one entry for each estimator.

    Parameters
    ----------
    loss_curves : list of array-like of shape (n_epochs,)
        Training losses, ``loss_curve_`` of each estimator.
    validation_loss_curves : list of array-like or None, default=None
        Losses on validation samples; None for an estimator, or for all, without any. A curve that
        is shorter than the training curve belongs to its last epochs (validation began in a later
        ``fit`` with ``warm_start=True``).
    best_epochs : list of int or None, default=None
        The epochs to mark, counted from 1.
    names : list of str or None, default=None
        What to call the estimators in the legend.
    xlabel : str, default="Epoch"
        What a point of the curves is.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        Training losses.
    validation_lines_ : list of matplotlib Line2D or None
        Validation losses.
    best_markers_ : list of matplotlib Line2D or None
        The marked best epochs.
    ax_ : matplotlib Axes
        The axes with the curves.
    figure_ : matplotlib Figure
        The figure with these axes.

    See Also
    --------
    WeightsDisplay : The weights of the first layer.

    Notes
    -----
    The training loss includes the penalty (``alpha``) and is taken while the weights change; the
    validation loss is without penalty and taken at the end of the epoch. In the first epochs the
    validation loss can therefore be the smaller one.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastbp import BackpropClassifier, LossCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = BackpropClassifier((16,), learning_rate_init=0.01, max_iter=500, random_state=0)
    >>> display = LossCurveDisplay(loss_curves=[clf.fit(X, y).loss_curve_], names=["iris"])
    >>> len(display.loss_curves[0]) == clf.n_iter_
    True

    ``display.plot()`` draws it. With Matplotlib installed, one line does both::

        LossCurveDisplay.from_estimator(clf, log_scale=True)
    """

    def __init__(
        self,
        *,
        loss_curves,
        validation_loss_curves=None,
        best_epochs=None,
        names=None,
        xlabel="Epoch",
    ):
        self.loss_curves = loss_curves
        self.validation_loss_curves = validation_loss_curves
        self.best_epochs = best_epochs
        self.names = names
        self.xlabel = xlabel

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        ax=None,
        name=None,
        log_scale=False,
        mark_best=True,
        line_kw=None,
        best_kw=None,
    ):
        """Draw the losses of one fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`BackpropClassifier` or :class:`BackpropRegressor`, a pipeline that
            ends in one, or a fitted search, whose best estimator is taken.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        name : str, default=None
            What to call the estimator in the legend; nothing by default.
        log_scale : bool, default=False
            Whether the axis of the loss is logarithmic; losses that are not positive are then
            left out.
        mark_best : bool, default=True
            Whether to mark the best epoch: with ``early_stopping`` that of the largest
            ``validation_scores_``, whose weights were kept; otherwise that of the smallest
            validation loss, or without one the smallest training loss.
        line_kw : dict, default=None
            Keywords for Matplotlib's ``plot`` of all curves, such as ``{"linewidth": 1}``.
        best_kw : dict, default=None
            The same for the marker of the best epoch.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        NotFittedError
            If the estimator was not fitted, or has not been trained yet.
        TypeError
            If the estimator has no ``loss_curve_``.
        ImportError
            Without Matplotlib.
        """
        caller = f"{cls.__name__}.from_estimator"
        check_matplotlib_support(caller)
        display = cls._of([_trained(estimator, caller)], None if name is None else [name])
        return display.plot(
            ax, log_scale=log_scale, mark_best=mark_best, line_kw=line_kw, best_kw=best_kw
        )

    @classmethod
    def from_estimators(
        cls, estimators, *, ax=None, log_scale=False, mark_best=True, line_kw=None, best_kw=None
    ):
        """Draw the losses of several fitted estimators in one axes.

        Each estimator has a colour; training losses are solid lines, validation losses dashed.

        Parameters
        ----------
        estimators : dict of str to estimator, or sequence of estimators
            As in :meth:`from_estimator`, by the names for the legend. In a sequence they are
            called by the names of their classes, numbered where they would be the same.
        ax, log_scale, mark_best, line_kw, best_kw
            As in :meth:`from_estimator`.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        NotFittedError, TypeError, ImportError
            As in :meth:`from_estimator`.
        ValueError
            If there are no estimators.
        """
        caller = f"{cls.__name__}.from_estimators"
        check_matplotlib_support(caller)
        if hasattr(estimators, "fit"):
            raise TypeError(
                "from_estimators takes a dict or a sequence of estimators, not a single "
                f"{type(estimators).__name__}; use from_estimator for one."
            )
        if len(estimators) == 0:
            raise ValueError(f"estimators={estimators!r} is empty: there is nothing to draw.")
        if isinstance(estimators, Mapping):
            names = [str(name) for name in estimators]
            fitted = [_trained(each, caller) for each in estimators.values()]
        else:
            fitted = [_trained(each, caller) for each in estimators]
            names = _numbered([type(each).__name__ for each in fitted])
        return cls._of(fitted, names).plot(
            ax, log_scale=log_scale, mark_best=mark_best, line_kw=line_kw, best_kw=best_kw
        )

    @classmethod
    def _of(cls, fitted, names):
        solvers = {getattr(each, "solver", None) in FULL_BATCH_SOLVERS for each in fitted}
        xlabels = {(False,): "Epoch", (True,): "Iteration"}
        return cls(
            loss_curves=[np.array(each.loss_curve_, dtype=float) for each in fitted],
            validation_loss_curves=[_validation_losses(each) for each in fitted],
            best_epochs=[_best_epoch(each) for each in fitted],
            names=names,
            xlabel=xlabels.get(tuple(solvers), "Epoch or iteration"),
        )

    def plot(self, ax=None, *, log_scale=False, mark_best=True, line_kw=None, best_kw=None):
        """Draw the curves.

        Parameters
        ----------
        ax, log_scale, mark_best, line_kw, best_kw
            As in :meth:`from_estimator`.

        Returns
        -------
        display : LossCurveDisplay
            This object, with the attributes that end in an underscore.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        # "ls" and "linestyle" are one keyword, and what the user gives goes before what is here.
        line_kw, best_kw = (normalize_kwargs(given, Line2D) for given in (line_kw, best_kw))
        if ax is None:
            ax = _new_axes()
            ax.spines[["top", "right"]].set_visible(False)
        n_curves = len(self.loss_curves)
        validation = self.validation_loss_curves or [None] * n_curves
        best_epochs = (self.best_epochs if mark_best else None) or [None] * n_curves
        labels = self._labels(best_epochs)
        self.ax_, self.figure_ = ax, ax.get_figure()
        self.lines_, self.validation_lines_, self.best_markers_ = [], [], []
        for losses, validation_losses, best, label in zip(
            self.loss_curves, validation, best_epochs, labels, strict=True
        ):
            epochs = np.arange(1, len(losses) + 1)
            (line,) = ax.plot(
                epochs, losses, **{"label": label["training"], "linestyle": "-", **line_kw}
            )
            self.lines_.append(line)
            self.validation_lines_.append(
                self._plot_validation(epochs, validation_losses, line, label, line_kw)
            )
            self.best_markers_.append(
                self._plot_best(best, line, self.validation_lines_[-1], label, best_kw)
            )
        ax.set(xlabel=self.xlabel, ylabel="Loss")
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        if log_scale:
            _set_log_scale(ax)
        self._plot_legend(ax)
        return self

    def _labels(self, best_epochs):
        """Labels of each estimator's lines; several have theirs in common, in _plot_legend."""
        if len(self.loss_curves) > 1:
            names = self.names or [str(number) for number in range(1, len(self.loss_curves) + 1)]
            hidden = dict.fromkeys(["validation", "best"], "_nolegend_")
            return [{"training": name, **hidden} for name in names]
        prefix = f"{self.names[0]}, " if self.names else ""
        return [
            {
                "training": f"{prefix}training",
                "validation": f"{prefix}validation",
                "best": f"{prefix}best {self.xlabel.lower()}: {best_epochs[0]}",
            }
        ]

    def _plot_validation(self, epochs, losses, line, label, line_kw):
        if losses is None:
            return None
        style = {
            "label": label["validation"],
            "linestyle": "--",
            "color": line.get_color(),
            **line_kw,
        }
        return self.ax_.plot(epochs[len(epochs) - len(losses) :], losses, **style)[0]

    def _plot_best(self, best, line, validation_line, label, best_kw):
        """A marker on the validation curve, or on the training curve where there is none."""
        if best is None:
            return None
        for curve in (validation_line, line):
            at = None if curve is None else np.flatnonzero(curve.get_xdata() == best)
            if at is not None and len(at):
                break
        style = {
            "label": label["best"],
            # given, although a marker has no line: otherwise it takes the axes' next colour
            "color": line.get_color(),
            "linestyle": "none",
            "marker": "o",
            "markersize": 7,
            "markerfacecolor": "white",
            "markeredgecolor": line.get_color(),
            "markeredgewidth": 1.8,
            "zorder": line.get_zorder() + 1,
            **best_kw,
        }
        return self.ax_.plot([best], curve.get_ydata()[at], **style)[0]

    def _plot_legend(self, ax):
        from matplotlib.lines import Line2D

        handles = ax.get_legend_handles_labels()[0]
        if len(self.lines_) > 1:
            # What is solid, dashed and marked is said once, in grey.
            if any(self.validation_lines_):
                handles += [
                    Line2D([], [], color="0.4", linestyle=style, label=label)
                    for style, label in (("-", "training"), ("--", "validation"))
                ]
            marker = next(filter(None, self.best_markers_), None)
            if marker is not None:
                twin = Line2D([], [])
                twin.update_from(marker)
                twin.set(label=f"best {self.xlabel.lower()}", markeredgecolor="0.4")
                handles.append(twin)
        ax.legend(handles=handles, frameon=False)


def _trained(estimator, caller):
    """The estimator with the network, which has a training curve."""
    fitted, _ = _network_estimator(estimator, "loss_curve_", caller)
    if not len(fitted.loss_curve_):
        raise NotFittedError(
            f"This {type(fitted).__name__} has not been trained yet: its loss_curve_ is empty. "
            "Call 'fit' before drawing it."
        )
    return fitted


def _numbered(names):
    """Names that occur more than once get their number."""
    return [
        name if names.count(name) == 1 else f"{name} {names[: i + 1].count(name)}"
        for i, name in enumerate(names)
    ]


def _validation_losses(estimator):
    losses = getattr(estimator, "validation_loss_curve_", None)
    return None if losses is None or not len(losses) else np.array(losses, dtype=float)


def _best_epoch(estimator):
    """The epoch, counted from 1, that LossCurveDisplay.from_estimator says; None if none is."""
    scores = getattr(estimator, "validation_scores_", None)
    validation_losses = _validation_losses(estimator)
    if getattr(estimator, "early_stopping", False) and scores:
        watched, sign = scores, 1
    elif validation_losses is not None:
        watched, sign = validation_losses, -1
    else:
        watched, sign = estimator.loss_curve_, -1
    best = _best(watched, sign)
    # A shorter list is that of the last epochs, as in the drawing.
    return None if best is None else len(estimator.loss_curve_) - len(watched) + best + 1


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

    def __init__(self, *, weights, image_shape=None, feature_names=None, unit_kind="Hidden unit"):
        n_features = len(weights)
        if image_shape is not None:
            image_shape = _checked_image_shape(image_shape, n_features)
        if feature_names is not None and len(feature_names) != n_features:
            raise ValueError(
                f"There are {len(feature_names)} feature_names, but the network has {n_features} "
                "input features."
            )
        self.weights = weights
        self.image_shape = image_shape
        self.feature_names = feature_names
        self.unit_kind = unit_kind

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        image_shape=None,
        feature_names=None,
        max_units=100,
        ax=None,
        cmap="RdBu_r",
        colorbar=True,
        im_kw=None,
    ):
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
        check_matplotlib_support(caller)
        fitted, steps_before = _network_estimator(estimator, "coefs_", caller)
        if feature_names is None:
            feature_names = _feature_names(fitted, steps_before)
        display = cls(
            weights=np.array(fitted.coefs_[0]),
            image_shape=image_shape,
            feature_names=feature_names,
            unit_kind="Hidden unit" if len(fitted.coefs_) > 1 else "Output",
        )
        return display.plot(ax, max_units=max_units, cmap=cmap, colorbar=colorbar, im_kw=im_kw)

    def plot(self, ax=None, *, max_units=100, cmap="RdBu_r", colorbar=True, im_kw=None):
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
        check_matplotlib_support(f"{type(self).__name__}.plot")
        if not isinstance(max_units, Integral) or max_units < 1:
            raise ValueError(f"max_units={max_units!r} must be a positive whole number.")
        weights = np.asarray(self.weights)[:, :max_units]
        # The same on both sides of 0, so that the middle of the colour map is no weight at all.
        limit = float(np.abs(weights).max()) or 1.0
        style = {"cmap": cmap, "vmin": -limit, "vmax": limit, "interpolation": "nearest"}
        style.update(im_kw or {})
        draw = self._plot_heat_map if self.image_shape is None else self._plot_images
        ax = draw(ax, weights, style)
        self.ax_, self.figure_ = ax, ax.get_figure()
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

        height, width = self.image_shape
        n_units = weights.shape[1]
        n_columns = _n_columns(n_units)
        n_rows = ceil(n_units / n_columns)
        step_x, step_y = width * (1 + GAP_X), height + GAP_Y * width
        if ax is None:
            # Images of about an inch; fewer than that if they would not fit on a screen.
            inch = min(1.0, 7.5 / n_columns, 7.5 * width / (n_rows * height))
            ax = _new_axes(
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
        # The gap above an image, in points, is all the room for its unit's number.
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
            ax = _new_axes(
                figsize=(
                    float(np.clip(0.2 * n_units + 3.0, 4.0, 10.0)),
                    float(np.clip(0.2 * n_features + 1.0, 2.5, 10.0)),
                )
            )
        self.images_ = [ax.imshow(weights, **{"aspect": "auto", **style})]
        # As many names as have room, evenly spaced: a line of text takes 11 points.
        room = max(1, int(_size_in_inches(ax)[1] * 72 / 11))
        labelled = np.arange(0, n_features, ceil(n_features / room))
        ax.set_yticks(labelled, [str(names[i]) for i in labelled], fontsize="small")
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        shown = self._shown(n_units)
        ax.set(xlabel=self.unit_kind + (f" ({shown})" if shown else ""), ylabel="Feature")
        return ax


def _checked_image_shape(image_shape, n_features):
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
    return tuple(int(n) for n in shape)


def _feature_names(fitted, steps_before):
    names = getattr(fitted, "feature_names_in_", None)
    if names is None and steps_before is not None and len(steps_before):
        try:
            names = steps_before.get_feature_names_out()
        except (AttributeError, ValueError):
            # A step that cannot tell; the display then numbers the features.
            return None
    return names


def _n_columns(n_units):
    """Columns of a grid that is at least as wide as high, with the fewest places left empty."""
    least = isqrt(n_units - 1) + 1
    return min(range(least, 2 * least + 1), key=lambda n: (-n_units % n, n))
