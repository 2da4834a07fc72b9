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


def begin_fit(estimator: Any, *, max_epochs: int) -> Any:
    """The context of a fit; None without callbacks.

    To be called first: scikit-learn ends at the end of ``fit`` what begins here.
    """
    if "_skl_callbacks" not in vars(estimator):
        return None
    return estimator._init_callback_context(max_subtasks=max_epochs)


class FitTask:
    """The hooks of one fit.

    Parameters
    ----------
    estimator : estimator
    context : CallbackContext
        From begin_fit.
    X, y, sample_weight : arrays
        The training data, as the user has passed them; sample_weight may be None.
    fitted_attributes : callable of no arguments
        Returns the attributes that a copy of the estimator needs to be a fitted one now.
    """

    def __init__(
        self,
        estimator: Any,
        context: Any,
        X: Any,
        y: Any,
        sample_weight: Any,
        fitted_attributes: Callable[[], dict[str, Any]],
    ) -> None:
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self._estimator, self._context = estimator, context
        self._arguments = {
            "estimator": estimator,
            "X": X,
            "y": y,
            "metadata": metadata,
            "reconstruction_attributes": fitted_attributes,
        }
        context.call_on_fit_task_begin(**self._arguments)
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._epoch: Any = None
        if len(self._context._children_map) < self._context.max_subtasks:
            self._epoch = self._context.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._arguments)

    def end_epoch(self) -> bool:
        """The end of an epoch, and the beginning of the next; True if a callback asks to stop."""
        epoch, self._epoch = self._epoch, None
        stop = epoch.call_on_fit_task_end(**self._arguments)
        if not stop:
            self._begin_epoch()
        return stop

    def end(self) -> None:
        """The end of the fit; an epoch that was begun but not run ends without data."""
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(estimator=self._estimator)
        self._context.call_on_fit_task_end(**self._arguments)
