"""Monitor: what happens after each epoch or iteration, whatever the solver is.

The loss is recorded, the validation samples are measured, progress is printed, and the conditions
to end the run early are checked: time, scikit-learn's callbacks, the validation score.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..network import Network
from ..user_warnings import warn
from .state import TrainingState
from .validation import Validation


class Monitor:
    """Watches one run.

    ``was_ended`` says whether a callback or max_time has ended it.

    Parameters
    ----------
    network : Network
    state : TrainingState
        Its curves and its record of the best are kept here.
    settings : SimpleNamespace
        With ``tol``, ``n_iter_no_change``, ``max_time``, ``verbose``: 0 or False prints nothing,
        n every n epochs.
    validation : Validation, default=None
    after_epoch : callable of no arguments, default=None
        Called at the end of each epoch; a true value ends the run.
    early_stopping : bool, default=False
        Whether the validation score is watched in place of the loss.
    """

    def __init__(
        self,
        network: Network,
        state: TrainingState,
        settings: SimpleNamespace,
        validation: Validation | None = None,
        after_epoch: Callable[[], bool] | None = None,
        early_stopping: bool = False,
    ) -> None:
        self.watches_score: bool = validation is not None and early_stopping
        self._network, self._state, self._settings = network, state, settings
        self._validation, self._after_epoch = validation, after_epoch
        self._began = time.monotonic()
        self._latest = None if settings.max_time is None else self._began + settings.max_time
        self.was_ended: bool = False
        # entries that the curves had before this run
        self._n_before = {name: len(curve) for name, curve in state.curves().items()}
        self._may_be_ended = not (after_epoch is None and settings.max_time is None)

    def record(self, loss: float, n_samples: int = 0, rates: Any = None) -> None:
        """Record the loss of an epoch over so many samples, and measure the validation samples.

        `rates` is the learning rate of its steps, or the rates, which are printed.
        An interrupt may come between any two steps. The epoch counts from the last one on, which is
        one update of the state; until then, settle takes back what has been added to the curves.
        """
        state, settings = self._state, self._settings
        measured = None if self._validation is None else self._validation.measure()
        state.loss_curve.append(loss)
        if measured is not None:
            validation_loss, score = measured
            state.validation_loss_curve.append(validation_loss)
            state.validation_scores.append(score)
        if self.watches_score:
            watched = state.watch_score(self._network.params, settings.tol)
        else:
            watched = state.watch_loss(settings.tol)
        state.end_epoch(n_samples, watched)
        # n_epochs goes on over the calls of partial_fit, each of which is epoch 1
        number = state.n_epochs if n_samples else state.n_iter
        if settings.verbose and number % int(settings.verbose) == 0:
            self._print(loss, rates, measured)

    def _print(self, loss, rates, measured):
        """One or two lines: scikit-learn's, with more at their ends."""
        of_rate = "" if rates is None else f", learning rate = {np.ravel(rates)[-1]:.4g}"
        seconds = time.monotonic() - self._began
        print(f"Iteration {self._state.n_iter}, loss = {loss:.8f}{of_rate}, time = {seconds:.2f} s")
        if measured is not None:
            validation_loss, score = measured
            print(f"Validation score: {score:f}, validation loss = {validation_loss:.8f}")

    def settle(self) -> None:
        """Shorten the curves to the epochs that count: the last one may have been interrupted."""
        for name, curve in self._state.curves().items():
            del curve[self._n_before[name] + self._state.n_iter :]

    @property
    def is_stagnant(self) -> bool:
        """Whether loss, or score, has not improved for more than n_iter_no_change epochs."""
        return self._state.n_epochs_without_improvement > self._settings.n_iter_no_change

    def report_stagnation(self, verdict: str) -> None:
        """Print what has not improved, and what follows."""
        if self._settings.verbose:
            watched = "Validation score" if self.watches_score else "Training loss"
            print(
                f"{watched} did not improve more than tol={self._settings.tol:f} for "
                f"{self._settings.n_iter_no_change} consecutive epochs. {verdict}"
            )

    def is_ended(self) -> bool:
        """Whether a callback or max_time ends the run here; called once an epoch."""
        if self._may_be_ended:
            self.was_ended = self._ask()
        return self.was_ended

    @property
    def time_is_up(self) -> bool:
        """Whether max_time is over."""
        return self._latest is not None and time.monotonic() >= self._latest

    def _ask(self):
        callback_ends = self._after_epoch is not None and self._after_epoch()
        if self.time_is_up:
            warn(
                f"Training stopped after max_time={self._settings.max_time:g} seconds, in "
                f"iteration {self._state.n_iter}; the optimization hasn't converged yet.",
                ConvergenceWarning,
            )
            return True
        return bool(callback_ends)

    def after_iteration(self, loss: float) -> bool:
        """Record an iteration of a full-batch solver; returns whether to stop."""
        self.record(loss)
        if self.watches_score and self.is_stagnant:
            self.report_stagnation("Stopping.")
            return True
        return self.is_ended()

    def conclude(self, loss: float) -> None:
        """The end of a full-batch solver: J at the parameters that it has found."""
        if self._state.n_iter == 0:
            self._state.loss_curve.append(loss)
        if not self.watches_score:
            self._state.best_loss = min(self._state.best_loss, loss)

    @property
    def has_best(self) -> bool:
        """Whether the parameters of a best validation score are kept."""
        return self.watches_score and self._state.best_params is not None

    def restore_best(self) -> None:
        """Put the parameters of the best validation score back."""
        if self.has_best:
            self._network.params = self._state.best_params
