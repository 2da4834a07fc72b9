"""Stochastic training: epochs of mini-batches until the loss or the score stops improving.

Enter a Network, its checked Samples and the order in which to visit them, a TrainingState and
the settings; both the network's parameters and the state are moved forward in place. An epoch
is one compiled call; what is Python's happens between two epochs: shuffling, the learning
rates, what monitor.py does, stopping, Ctrl-C. The sequence of random numbers, the order of
batches and the stopping rules are scikit-learn's, so that the same random_state gives the same
weights. rprop is an optimizer like the others here, with all samples in one batch.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .. import _kernels
from .divergence import diverged
from .monitor import Monitor
from .schedules import (
    SCHEDULES_BETWEEN_EPOCHS,
    rate_after_epoch,
    rate_after_stagnation,
    step_rates,
)


@dataclass(frozen=True)
class StochasticSettings:
    """Settings of a run, named as the estimators' parameters are."""

    solver: str
    alpha: float
    l1_ratio: float
    weight_decay: float
    dropout: float
    input_dropout: float
    max_grad_norm: float | None
    batch_size: int
    learning_rate: str | Callable
    learning_rate_init: float
    power_t: float
    decay_rate: float
    warmup_epochs: float
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
    early_stopping: bool
    max_time: float | None
    n_threads: int
    threads_may_shrink: bool

    @property
    def schedule(self):
        """The schedule in force: scikit-learn's are for sgd alone, rprop has none."""
        of_scikit_learn = self.learning_rate in ("invscaling", "adaptive")
        if self.solver == "rprop" or (of_scikit_learn and self.solver != "sgd"):
            return "constant"
        return self.learning_rate

    def step_rates(self, state, n_samples):
        """The learning rates of the steps of the next epoch; a number if all are the same."""
        return step_rates(
            self.schedule,
            state.learning_rate,
            epoch=state.n_epochs,
            n_steps=-(-n_samples // self.batch_size),
            max_epochs=self.max_iter,
            learning_rate_init=self.learning_rate_init,
            decay_rate=self.decay_rate,
            warmup_epochs=0 if self.solver == "rprop" else self.warmup_epochs,
        )

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
            l1_ratio=self.l1_ratio,
            weight_decay=self.weight_decay,
            max_grad_norm=self.max_grad_norm or 0.0,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            dropout_seed=state.dropout_seed,
            n_threads=self.n_threads,
            may_shrink=self.threads_may_shrink,
        )


def train(
    network,
    samples,
    order,
    state,
    settings,
    random_state,
    *,
    validation=None,
    after_epoch=None,
    max_epochs=None,
):
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
    validation : Validation, optional
        Measured after each epoch. With ``settings.early_stopping`` its score is watched in place
        of the loss, and the best parameters are restored at the end.
    after_epoch : callable of no arguments, optional
        Called after each epoch; a true value ends the run.
    max_epochs : int, optional
        Return after that many epochs without a warning (partial_fit).

    Raises
    ------
    ValueError
        As soon as a parameter, or the loss, is no longer finite.
    """
    state.n_iter = 0
    trainer = settings.trainer(network, samples, state)
    monitor = Monitor(network, state, settings, validation, after_epoch)
    schedule = settings.schedule
    varies = settings.warmup_epochs > 0 or schedule not in SCHEDULES_BETWEEN_EPOCHS
    try:
        for _ in range(settings.max_iter):
            if settings.shuffle:
                _shuffle(order, random_state)
            rates = settings.step_rates(state, len(order)) if varies else state.learning_rate
            if settings.weight_decay > 0:
                _check_decay(settings.weight_decay, np.max(rates))
            monitor.record(_run_epoch(trainer, order, rates, state, settings))
            ended = monitor.is_ended()
            if _should_stop(state, settings, schedule, monitor) or ended:
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
    monitor.restore_best()


def _shuffle(order, random_state):
    # In place: the numbers that RandomState.shuffle draws and the exchanges that it makes, so
    # that epochs permute one another's order as sklearn.utils.shuffle has them do.
    bit_generator = random_state._bit_generator
    with bit_generator.lock:
        _kernels.core.shuffle(order, bit_generator)


def _check_decay(weight_decay, rate):
    if weight_decay * rate >= 1:
        raise ValueError(
            f"weight_decay={weight_decay:g} times the learning rate {rate:g} is "
            f"{weight_decay * rate:g}: a step multiplies the weights by one minus that, which must "
            "stay positive; lower weight_decay."
        )


def _run_epoch(trainer, order, rates, state, settings):
    """One epoch at a learning rate, or at one for each step; returns its loss."""
    try:
        if isinstance(rates, np.ndarray):
            loss = trainer.train_epoch(order, rates)
        else:
            trainer.learning_rate = rates
            loss = trainer.train_epoch(order)
    finally:
        state.n_steps = trainer.n_steps
    finite_params = trainer.params_are_finite()
    if not (finite_params and isfinite(loss)):
        raise diverged(
            "loss" if finite_params else "parameter weights",
            f"epoch {state.n_iter + 1} with learning_rate_init={settings.learning_rate_init:g} "
            f"(the rate was {np.max(rates):g})",
            "; or lower learning_rate_init",
        )
    state.n_epochs += 1
    state.n_samples_seen += len(order)
    return loss


def _should_stop(state, settings, schedule, monitor):
    """Move the learning rate; True once nothing improves any more."""
    state.learning_rate = rate_after_epoch(
        schedule,
        state.learning_rate,
        settings.learning_rate_init,
        state.n_samples_seen,
        settings.power_t,
    )
    if not monitor.is_stagnant:
        return False
    rate, verdict = rate_after_stagnation(schedule, state.learning_rate)
    monitor.tell_stagnation(verdict)
    if rate is None:
        return True
    state.learning_rate = rate
    state.n_epochs_without_improvement = 0
    return False
