"""Stochastic training: epochs of mini-batches until the loss or the score stops improving.

Enter a Network, its checked Samples and the order in which to visit them, a TrainingState and
the settings; both the network's parameters and the state are moved forward in place. An epoch
is one compiled call; what is Python's happens between two epochs: shuffling, the learning
rate, stopping, best weights, the verbose lines, Ctrl-C. The sequence of random numbers, the
order of batches and the stopping rules are scikit-learn's, so that the same random_state gives
the same weights.
"""

import warnings
from dataclasses import dataclass
from math import isfinite

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .. import _kernels
from .divergence import diverged
from .schedules import rate_after_epoch, rate_after_stagnation


@dataclass(frozen=True)
class StochasticSettings:
    """Settings of a run, named as the estimators' parameters are."""

    solver: str
    alpha: float
    batch_size: int
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    tol: float
    verbose: bool
    momentum: float
    nesterovs_momentum: bool
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    n_threads: int

    def trainer(self, network, samples, state):
        """The kernels' Trainer of `network`, where `state` left it."""
        return _kernels.core.Trainer(
            network._plan,
            network.params,
            state.moments.reshape(-1),
            np.empty_like(network.params),
            samples,
            optimizer=_kernels.core.OPTIMIZERS[self.solver],
            learning_rate=state.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterovs_momentum,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            n_steps=state.n_steps,
            batch_size=self.batch_size,
            alpha=self.alpha,
            n_threads=self.n_threads,
        )


def train(network, samples, order, state, settings, random_state, *, score=None, max_epochs=None):
    """Train `network` in place until it stops improving, max_iter epochs or Ctrl-C.

    Parameters
    ----------
    network : Network
    samples : Samples of the kernels
    order : ndarray of shape (n_training_samples,) of intp
        Indices of the training samples, in the order of the first epoch before shuffling, which
        is done in place.
    state : TrainingState
    settings : StochasticSettings
    random_state : numpy RandomState
    score : callable of no arguments, optional
        The validation score, higher is better; early stopping watches it in place of the loss
        and restores the best parameters at the end.
    max_epochs : int, optional
        Return after that many epochs without a warning (partial_fit).

    Raises
    ------
    ValueError
        As soon as a parameter, or the loss, is no longer finite.
    """
    state.n_iter = 0
    trainer = settings.trainer(network, samples, state)
    try:
        for _ in range(settings.max_iter):
            if settings.shuffle:
                _shuffle(order, random_state)
            _run_epoch(trainer, order, state, settings)
            if _should_stop(network, state, settings, score):
                break
            if max_epochs is not None and state.n_iter >= max_epochs:
                break
            if state.n_iter == settings.max_iter:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({settings.max_iter}) reached and "
                    "the optimization hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=2,
                )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
    if score is not None and state.best_params is not None:
        network.params = state.best_params


def _shuffle(order, random_state):
    # In place: the numbers that RandomState.shuffle draws and the exchanges that it makes, so
    # that epochs permute one another's order as sklearn.utils.shuffle has them do.
    bit_generator = random_state._bit_generator
    with bit_generator.lock:
        _kernels.core.shuffle(order, bit_generator)


def _run_epoch(trainer, order, state, settings):
    trainer.learning_rate = state.learning_rate
    try:
        loss = trainer.train_epoch(order)
    finally:
        state.n_steps = trainer.n_steps
    finite_params = trainer.params_are_finite()
    if not (finite_params and isfinite(loss)):
        raise diverged(
            "loss" if finite_params else "parameter weights",
            f"epoch {state.n_iter + 1} with learning_rate_init={settings.learning_rate_init:g} "
            f"(the rate was {state.learning_rate:g})",
            "; or lower learning_rate_init",
        )
    state.n_iter += 1
    state.n_samples_seen += len(order)
    state.loss_curve.append(loss)
    if settings.verbose:
        print(f"Iteration {state.n_iter}, loss = {loss:.8f}")


def _should_stop(network, state, settings, score):
    """Watch loss or score, move the learning rate; True once nothing improves any more."""
    if score is None:
        watched = "Training loss"
        state.watch_loss(settings.tol)
    else:
        watched = "Validation score"
        state.watch_score(score(), network.params, settings.tol)
        if settings.verbose:
            print(f"Validation score: {state.validation_scores[-1]:f}")

    schedule = settings.learning_rate if settings.solver == "sgd" else "constant"
    state.learning_rate = rate_after_epoch(
        schedule,
        state.learning_rate,
        settings.learning_rate_init,
        state.n_samples_seen,
        settings.power_t,
    )
    if state.n_epochs_without_improvement <= settings.n_iter_no_change:
        return False
    rate, verdict = rate_after_stagnation(schedule, state.learning_rate)
    if settings.verbose:
        print(
            f"{watched} did not improve more than tol={settings.tol:f} for "
            f"{settings.n_iter_no_change} consecutive epochs. {verdict}"
        )
    if rate is None:
        return True
    state.learning_rate = rate
    state.n_epochs_without_improvement = 0
    return False
