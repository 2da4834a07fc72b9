"""scikit-learn's callbacks, from its version 1.9 on: a task for the fit, one below for each epoch.

Takes an estimator on which ``set_callbacks`` has been called and the data of a fit; calls the
callbacks' hooks where the protocol of ``sklearn.callback`` says. Without callbacks it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9 has none, and then neither have the estimators

    class CallbackSupportMixin:  # type: ignore[no-redef]
        pass


class FitCallbacks:
    """The callbacks of one fit; without callbacks, nothing happens.

    To be made before anything else: scikit-learn ends at the end of ``fit`` what begins here.

    Parameters
    ----------
    estimator : estimator
    max_epochs : int
    """

    def __init__(self, estimator: Any, *, max_epochs: int) -> None:
        self._estimator: Any = estimator
        self._context: Any = None
        self._epoch: Any = None
        self._arguments: dict[str, Any] = {}
        if "_skl_callbacks" in vars(estimator):
            self._context = estimator._init_callback_context(max_subtasks=max_epochs)

    @property
    def after_epoch(self) -> Callable[[], bool] | None:
        """To be called after each epoch: True if a callback asks to stop. None: no callbacks."""
        return None if self._context is None else self._end_epoch

    def begin(
        self, X: Any, y: Any, sample_weight: Any, fitted_attributes: Callable[[], dict[str, Any]]
    ) -> None:
        """The beginning of the fit, and of its first epoch.

        Parameters
        ----------
        X, y, sample_weight : arrays
            The training data, as the user has passed them; sample_weight may be None.
        fitted_attributes : callable of no arguments
            Returns the attributes that a copy of the estimator needs to be a fitted one now.
        """
        if self._context is None:
            return
        self._arguments = {
            "estimator": self._estimator,
            "X": X,
            "y": y,
            "metadata": {} if sample_weight is None else {"sample_weight": sample_weight},
            "reconstruction_attributes": fitted_attributes,
        }
        self._context.call_on_fit_task_begin(**self._arguments)
        self._begin_epoch()

    def _begin_epoch(self):
        self._epoch = None
        if len(self._context._children_map) < self._context.max_subtasks:
            self._epoch = self._context.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._arguments)

    def _end_epoch(self):
        """The end of an epoch, and the beginning of the next; True if a callback asks to stop."""
        epoch, self._epoch = self._epoch, None
        stop = epoch.call_on_fit_task_end(**self._arguments)
        if not stop:
            self._begin_epoch()
        return stop

    def end(self) -> None:
        """The end of the fit; an epoch that was begun but not run ends without data."""
        if self._context is None:
            return
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(estimator=self._estimator)
        self._context.call_on_fit_task_end(**self._arguments)
