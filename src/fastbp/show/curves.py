"""LossCurveDisplay: training and validation loss over epochs, the best epoch marked.

Takes fitted estimators, or pipelines and searches around them; returns a Matplotlib axes. The
display is made of plain arrays, so that it can be kept and plotted again without the estimators.
Only fitted attributes are read: scikit-learn's own MLP can be drawn beside fastbp's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.exceptions import NotFittedError

from ..types import ArrayLike, MaybeNone
from .figures import check_matplotlib, network_estimator, new_axes, unwrapped, what_a_run_counts

if TYPE_CHECKING:
    from typing import Self

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


def _set_log_scale(ax):
    from matplotlib.ticker import LogFormatter

    class PlainLogFormatter(LogFormatter):
        """0.2, where Matplotlib writes 2 x 10^-1; which ticks get a label is left to it."""

        def __call__(self, x, pos=None):
            return f"{x:g}" if super().__call__(x, pos) else ""

    ax.set_yscale("log", nonpositive="mask")
    ax.yaxis.set_major_formatter(PlainLogFormatter())
    ax.yaxis.set_minor_formatter(PlainLogFormatter())


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

    loss_curves: Sequence[Any]
    validation_loss_curves: Sequence[Any] | None
    best_epochs: Sequence[int | None] | None
    names: Sequence[str] | None
    xlabel: str

    lines_: list[Line2D]
    validation_lines_: list[Line2D | MaybeNone]
    best_markers_: list[Line2D | MaybeNone]
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        loss_curves: Sequence[ArrayLike],
        validation_loss_curves: Sequence[ArrayLike | None] | None = None,
        best_epochs: Sequence[int | None] | None = None,
        names: Sequence[str] | None = None,
        xlabel: str = "Epoch",
    ) -> None:
        self.loss_curves = loss_curves
        self.validation_loss_curves = validation_loss_curves
        self.best_epochs = best_epochs
        self.names = names
        self.xlabel = xlabel

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Axes | None = None,
        name: str | None = None,
        log_scale: bool = False,
        mark_best: bool = True,
        line_kw: dict[str, Any] | None = None,
        best_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the losses of one fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`BackpropClassifier` or :class:`BackpropRegressor`, a pipeline that
            ends in one, or a fitted search, whose best estimator is taken. Of a
            :class:`TabularClassifier` or :class:`TabularRegressor`, each network is drawn.
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
        check_matplotlib(caller)
        fitted, names = _trained([estimator], ["" if name is None else name], caller)
        display = cls._of(fitted, None if names == [""] else names)
        return display.plot(
            ax, log_scale=log_scale, mark_best=mark_best, line_kw=line_kw, best_kw=best_kw
        )

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any] | Sequence[Any],
        *,
        ax: Axes | None = None,
        log_scale: bool = False,
        mark_best: bool = True,
        line_kw: dict[str, Any] | None = None,
        best_kw: dict[str, Any] | None = None,
    ) -> Self:
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
        check_matplotlib(caller)
        if hasattr(estimators, "fit"):
            raise TypeError(
                "from_estimators takes a dict or a sequence of estimators, not a single "
                f"{type(estimators).__name__}; use from_estimator for one."
            )
        if len(estimators) == 0:
            raise ValueError(f"estimators={estimators!r} is empty: there is nothing to draw.")
        if isinstance(estimators, Mapping):
            names = [str(name) for name in estimators]
            given = list(estimators.values())
        else:
            given = list(estimators)
            names = _numbered([type(unwrapped(each)[0]).__name__ for each in given])
        return cls._of(*_trained(given, names, caller)).plot(
            ax, log_scale=log_scale, mark_best=mark_best, line_kw=line_kw, best_kw=best_kw
        )

    @classmethod
    def _of(cls, fitted, names):
        units = {what_a_run_counts(each) for each in fitted}
        return cls(
            loss_curves=[np.array(each.loss_curve_, dtype=float) for each in fitted],
            validation_loss_curves=[_validation_losses(each) for each in fitted],
            best_epochs=[_best_epoch(each) for each in fitted],
            names=names,
            xlabel=units.pop().capitalize() if len(units) == 1 else "Epoch or iteration",
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        log_scale: bool = False,
        mark_best: bool = True,
        line_kw: dict[str, Any] | None = None,
        best_kw: dict[str, Any] | None = None,
    ) -> Self:
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
        check_matplotlib(f"{type(self).__name__}.plot")
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        # "ls" and "linestyle" are one keyword, and what the user gives goes before what is here.
        line_kw, best_kw = (normalize_kwargs(given or {}, Line2D) for given in (line_kw, best_kw))
        if ax is None:
            ax = new_axes()
            ax.spines[["top", "right"]].set_visible(False)
        n_curves = len(self.loss_curves)
        validation = self.validation_loss_curves or [None] * n_curves
        best_epochs = (self.best_epochs if mark_best else None) or [None] * n_curves
        labels = self._labels(best_epochs)
        self.ax_, self.figure_ = ax, cast("Figure", ax.get_figure())
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
                    Line2D([], [], color="0.4", linestyle="-", label="training"),
                    Line2D([], [], color="0.4", linestyle="--", label="validation"),
                ]
            marker = next(filter(None, self.best_markers_), None)
            if marker is not None:
                twin = Line2D([], [])
                twin.update_from(marker)
                twin.set(label=f"best {self.xlabel.lower()}", markeredgecolor="0.4")
                handles.append(twin)
        ax.legend(handles=handles, frameon=False)


def _trained(estimators, names, caller):
    """The estimators with the networks, which have training curves, and their names."""
    fitted, names_of_fitted = [], []
    for estimator, name in zip(estimators, names, strict=True):
        inner, _ = unwrapped(estimator)
        members = inner.estimators_ if hasattr(inner, "loss_curves_") else [estimator]
        for k, member in enumerate(members):
            network = f"network {k + 1}" if len(members) > 1 else ""
            names_of_fitted.append(", ".join(filter(None, [name, network])))
            fitted.append(_with_curve(member, caller))
    return fitted, names_of_fitted


def _with_curve(estimator, caller):
    fitted, _ = network_estimator(estimator, "loss_curve_", caller)
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
