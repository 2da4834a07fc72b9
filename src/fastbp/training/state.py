"""TrainingState: all that a run needs to continue; arrays, scalars and the random state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, MaybeNone

CURVES = ("loss_curve", "validation_loss_curve", "validation_scores")


@dataclass
class TrainingState:
    """The state of a run between two epochs.

    Attributes
    ----------
    moments : ndarray of shape (n_moments, n_params)
        Velocity (sgd), or first and second moment (adam).
    n_steps : float
        Optimizer steps taken.
    n_epochs : int
        Epochs since the optimizer was (re)started, which learning-rate schedules count.
    dropout_seed : int
        With n_steps it determines all masks of dropout.
    learning_rate : float
        Of the next step; schedules move it.
    n_iter : int
        Epochs of the last run.
    n_samples_seen : int
        Samples of all runs, scikit-learn's ``t_``.
    loss_curve : list of float
        Training loss of each epoch.
    validation_loss_curve, validation_scores : list of float or None
        Validation loss and score of each epoch; None without validation samples.
    best_loss, best_validation_score : float or None
        The best so far of whichever is watched; the other is None.
    best_params : ndarray of shape (n_params,) or None
        Parameters at the best validation score.
    n_epochs_without_improvement : int
    damping : float or None
        Of levenberg_marquardt's next iteration.
    random_state : numpy RandomState or None
        Where the random numbers of a run come from; None between runs.
    order : ndarray of shape (n_training_samples,) of intp, or None
        Indices of the training samples, in the order of the last epoch; None between runs.
    """

    moments: FloatArray
    learning_rate: float
    n_steps: float = 0
    n_epochs: int = 0
    dropout_seed: int = 0
    n_iter: int = 0
    n_samples_seen: int = 0
    loss_curve: list[float] = field(default_factory=list)
    validation_loss_curve: list[float] | MaybeNone = None
    validation_scores: list[float] | MaybeNone = None
    best_loss: float | MaybeNone = np.inf
    best_validation_score: float | MaybeNone = None
    best_params: FloatArray | MaybeNone = None
    n_epochs_without_improvement: int = 0
    damping: float | None = None
    random_state: np.random.RandomState | MaybeNone = None
    order: NDArray[np.intp] | MaybeNone = None

    @classmethod
    def begin(cls, n_params: int, dtype: Any, learning_rate: float) -> TrainingState:
        """The state before the first epoch; restart_optimizer adds a solver's moments."""
        return cls(np.zeros((0, n_params), dtype=dtype), learning_rate)

    @property
    def loss(self) -> float:
        """Training loss of the last epoch; NaN before the first."""
        return self.loss_curve[-1] if self.loss_curve else np.nan

    def begin_run(self, random_state: np.random.RandomState, n_samples: int) -> None:
        """No epoch yet, and the samples as they stand."""
        self.n_iter = 0
        self.random_state = random_state
        self.order = np.arange(n_samples, dtype=np.intp)

    def end_run(self) -> None:
        """What only a run in progress needs is not kept with a fitted estimator."""
        self.random_state = self.order = None

    def restart_optimizer(self, n_moments: int, learning_rate: float) -> None:
        """Moments of zero, as at the start of every call of ``fit``."""
        self.moments = np.zeros((n_moments, self.moments.shape[1]), dtype=self.moments.dtype)
        self.n_steps = self.n_epochs = 0
        self.learning_rate = learning_rate

    def begin_curves(self, validates: bool) -> None:
        """Keep curves of validation samples, where there are such."""
        if not validates:
            self.validation_loss_curve = self.validation_scores = None
        elif self.validation_scores is None:
            self.validation_loss_curve, self.validation_scores = [], []

    def choose_watched(self, early_stopping: bool) -> None:
        """Watch the validation score, or the training loss; what was watched before is kept."""
        if early_stopping and self.best_validation_score is None:
            self.best_loss, self.best_validation_score = None, -np.inf
        elif not early_stopping and self.best_loss is None:
            self.best_loss = np.inf
            self.best_validation_score = self.best_params = None

    def curves(self) -> dict[str, list[float]]:
        """The curves that there are, by name."""
        curves = {name: getattr(self, name) for name in CURVES}
        return {name: curve for name, curve in curves.items() if curve is not None}

    def copy(self, *, with_curves: bool = True) -> TrainingState:
        """A state between runs; a run that continues from it does not change this one.

        Without this one's curves, which may be long, the run begins new ones: see extend_curves.
        """
        twin = TrainingState(**vars(self))
        twin.end_run()
        twin.moments = self.moments.copy()
        for name, curve in self.curves().items():
            setattr(twin, name, curve.copy() if with_curves else [])
        return twin

    def extend_curves(self, earlier: TrainingState, show: Callable[[TrainingState], None]) -> None:
        """Put what this state's curves hold behind the curves of an earlier state.

        The earlier lists are extended in place, so that a call of partial_fit costs no time in
        proportion to their length. This is the last thing that the call does: one that fails leaves
        them as they are. `show` is called with this state once it has these lists.
        """
        losses = self.loss_curve
        validation_losses, scores = self.validation_loss_curve or [], self.validation_scores or []
        self.loss_curve = earlier.loss_curve
        if earlier.validation_scores is not None:
            self.validation_loss_curve = earlier.validation_loss_curve
            self.validation_scores = earlier.validation_scores
        else:
            validation_losses, scores = [], []
        show(self)
        # Python lets Ctrl-C through at calls and loops, of which there are none from here on.
        self.loss_curve += losses
        if scores:
            self.validation_loss_curve += validation_losses
            self.validation_scores += scores

    def watch_loss(self, tol: float) -> dict[str, Any]:
        """What to keep of the last training loss, and whether it is an improvement: a dict."""
        stagnates = self.loss > self.best_loss - tol
        return {
            "n_epochs_without_improvement": self._n_without(stagnates),
            "best_loss": min(self.loss, self.best_loss),
        }

    def watch_score(self, params: FloatArray, tol: float) -> dict[str, Any]:
        """The same for the last validation score, whose parameters are kept if it is the best."""
        score = self.validation_scores[-1]
        stagnates = score < self.best_validation_score + tol
        kept: dict[str, Any] = {"n_epochs_without_improvement": self._n_without(stagnates)}
        if score > self.best_validation_score:
            kept |= {"best_validation_score": score, "best_params": params.copy()}
        return kept

    def _n_without(self, stagnates):
        return self.n_epochs_without_improvement + 1 if stagnates else 0

    def end_epoch(self, n_samples: int, watched: dict[str, Any]) -> None:
        """Count an epoch over so many samples; `watched` is what a watch method returned.

        An iteration of a full-batch solver has none: it moves no schedule. A single update,
        which no interrupt can divide.
        """
        vars(self).update(
            watched,
            n_iter=self.n_iter + 1,
            n_epochs=self.n_epochs + (n_samples > 0),
            n_samples_seen=self.n_samples_seen + n_samples,
        )
