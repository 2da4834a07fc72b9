"""Stochastic training: epochs of mini-batches until the loss or the score stops improving.

Takes a Run; moves its network's parameters and its state. An epoch is one compiled call. What is
done in Python happens between two epochs: shuffling, the learning rates, what monitor.py does,
stopping. The sequence of random numbers, the order of batches and the stopping rules are
scikit-learn's, so that the same random_state gives the same weights. rprop is an optimizer like the
others here, with all samples in one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _kernels
from ..network import BACKWARD
from ..threads import choose_n_threads
from ..types import Array, FloatArray
from ..user_warnings import warn
from .rate_factors import groups_of, largest_decay_factor
from .run import OutOfTime, Run, diverged
from .schedules import (
    SCHEDULES_BETWEEN_EPOCHS,
    rate_after_epoch,
    rate_after_stagnation,
    step_rates,
)
from .state import TrainingState

AUTO_BATCH_SIZE = 200  # of batch_size="auto", where there are as many samples


def begin(state: TrainingState, settings: SimpleNamespace, goes_on: bool) -> None:
    """Give the state the moments of the optimizer, and the seed of dropout.

    goes_on : whether the moments of the last run are kept, if they are this optimizer's.
    """
    n_moments = _kernels.core.N_MOMENTS[settings.solver]
    restarts = not goes_on or len(state.moments) != n_moments
    if restarts:
        state.restart_optimizer(n_moments, float(settings.learning_rate_init))
    if (settings.dropout or settings.input_dropout) and (restarts or not state.dropout_seed):
        state.dropout_seed = int(state.random_state.randint(1, 2**31 - 1))


def solve(run: Run) -> None:
    """Train until nothing improves any more, for max_iter epochs, or for one (partial_fit).

    Raises
    ------
    DivergenceError
        As soon as a parameter, or the loss, is no longer finite.
    """
    state, settings, stream = run.state, run.settings, run.stream
    batch_size = _batch_size(settings.batch_size, len(state.order))
    groups = groups_of(run.network, settings.learning_rate_factors)
    trainer = _trainer(run, batch_size, groups)

    def count_rows():
        return len(state.order) if stream is None else stream.n_rows

    def train_epoch(rates):
        if stream is not None:
            return _train_rounds(run, trainer, rates, batch_size, groups)
        if settings.shuffle:
            shuffle(state.order, state.random_state)
        return _train_rows(trainer, state.order, rates, state, settings)

    run_epochs(
        run,
        train_epoch,
        groups,
        # a stream does not know its rows before it has been read once
        count_steps=lambda: -(-(count_rows() or 1) // batch_size),
        count_rows=count_rows,
    )


def run_epochs(
    run: Run,
    train_epoch: Callable[[float | FloatArray], float],
    groups: tuple[Array, Array] | None,
    *,
    count_steps: Callable[[], int],
    count_rows: Callable[[], int],
) -> None:
    """Epochs until nothing improves any more, for max_iter of them, or for one (partial_fit).

    Parameters
    ----------
    run : Run
    train_epoch : callable (rates) -> float
        Trains at a learning rate, or at one for each step; returns the loss. It may set
        ``run.failure``: then the epoch does not count, and the run ends.
    groups : what groups_of returns
    count_steps : callable () -> int
        Optimizer steps of the next epoch.
    count_rows : callable () -> int
        Samples of the last epoch.
    """
    state, settings, monitor = run.state, run.settings, run.monitor
    decay_factor = largest_decay_factor(groups, run.network)
    schedule = settings.learning_rate
    varies = settings.warmup_epochs > 0 or schedule not in SCHEDULES_BETWEEN_EPOCHS
    has_rate = "learning_rate" not in run.solver.ignores
    while state.n_iter < settings.max_iter:
        rates: float | FloatArray = state.learning_rate
        if varies:
            rates = _rates_of_epoch(state, settings, count_steps())
        if settings.weight_decay > 0:
            _check_decay(settings.weight_decay, decay_factor * float(np.max(rates)))
        loss = train_epoch(rates)
        if run.failure is not None:
            break
        monitor.record(loss, count_rows(), rates if has_rate else None)
        ended = monitor.is_ended()
        stops = _should_stop(state, settings, monitor)
        run.end_epoch()
        if stops or ended or run.is_incremental:
            break
        if state.n_iter == settings.max_iter:
            run.complaint = (
                f"Stochastic Optimizer: Maximum iterations ({settings.max_iter}) reached and "
                "the optimization hasn't converged yet."
            )


def largest_batch(batch_size: int | str) -> int:
    """Samples of a batch where there are enough; 'auto' is scikit-learn's."""
    return AUTO_BATCH_SIZE if batch_size == "auto" else int(batch_size)


def _batch_size(batch_size, n_samples):
    """Samples of a batch; None: all."""
    if batch_size is None:
        return n_samples
    if batch_size == "auto":
        return min(AUTO_BATCH_SIZE, n_samples)
    if batch_size > n_samples:
        warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped "
            f"(batch_size={batch_size}, {n_samples} training samples)."
        )
    return int(min(batch_size, n_samples))


def _trainer(run, batch_size, groups):
    """The compiled run, where the state has left it."""
    state, settings = run.state, run.settings
    flops = BACKWARD * run.network.n_params
    return run.network.trainer(
        run.samples,
        state.moments,
        settings,
        batch_size=batch_size,
        n_steps=state.n_steps,
        dropout_seed=state.dropout_seed,
        groups=groups,
        n_threads=choose_n_threads(
            settings.n_threads, flops * batch_size, flops * len(state.order)
        ),
        adapts=settings.n_threads is None,
    )


def _rates_of_epoch(state, settings, n_steps):
    """The learning rates of the steps of the next epoch; a number if all are the same."""
    return step_rates(
        settings.learning_rate,
        state.learning_rate,
        epoch=state.n_epochs,
        n_steps=n_steps,
        max_epochs=settings.max_iter,
        learning_rate_init=settings.learning_rate_init,
        decay_rate=settings.decay_rate,
        warmup_epochs=settings.warmup_epochs,
    )


def shuffle(order: NDArray[np.intp], random_state: np.random.RandomState) -> None:
    """Shuffle in place, with the draws and exchanges of RandomState.shuffle.

    Each epoch permutes the order of the epoch before, as sklearn.utils.shuffle does.
    """
    bit_generator: Any = random_state._bit_generator
    with bit_generator.lock:
        _kernels.core.shuffle(order, bit_generator)


def _check_decay(weight_decay, rate):
    """ValueError for a decay that would turn weights round."""
    if weight_decay * rate >= 1:
        raise ValueError(
            f"weight_decay={weight_decay:g} times the learning rate {rate:g} is "
            f"{weight_decay * rate:g}: a step multiplies the weights by one minus that, which must "
            "stay positive; lower weight_decay."
        )


def _train_rounds(run, trainer, rates, batch_size, groups):
    """One epoch of a stream, round by round; returns its loss.

    If reading fails after a whole epoch, the run goes back to the end of that one, and ends.
    """
    state, settings, stream = run.state, run.settings, run.stream
    before = run.network.params.copy(), state.moments.copy(), state.n_steps
    losses: list[float] = []
    sizes: list[int] = []
    first_step = 0
    while True:
        try:
            if not sizes:
                stream.begin_epoch(state)
            order = stream.next_round(
                state,
                shuffles=settings.shuffle,
                is_last_epoch=state.n_iter + 1 == settings.max_iter,
            )
        except Exception as error:
            if state.n_iter == 0:
                raise
            run.failure = error
            run.network.params, state.moments[...], state.n_steps = before
            run.monitor.was_ended = True  # by no decision of the solver's
            return None
        if order is None:
            break
        # Nothing else ends a run whose batches have no end. A checkpoint needs whole epochs.
        if sizes and state.n_iter == 0 and run.checkpoint is None and run.monitor.time_is_up:
            raise OutOfTime(
                f"Training stopped after max_time={settings.max_time:g} seconds, in the midst of "
                f"the first epoch, after {sum(sizes)} rows: n_iter_ is 0. An epoch ends when "
                "batches does; itertools.islice ends batches that would go on for ever."
            )
        if stream.is_sparse:
            trainer = _trainer(run, batch_size, groups)  # other rows are another matrix
        n_steps = -(-len(order) // batch_size)
        is_array = isinstance(rates, np.ndarray)
        of_round = rates[first_step : first_step + n_steps] if is_array else rates
        losses.append(_train_rows(trainer, order, of_round, state, settings))
        sizes.append(len(order))
        first_step += n_steps
    # of one round its own, to the last bit
    return losses[0] if len(losses) == 1 else float(np.average(losses, weights=sizes))


def _train_rows(trainer, order, rates, state, settings):
    """Train these rows at a learning rate, or at one for each step; returns their loss."""
    try:
        if isinstance(rates, np.ndarray):
            loss = trainer.train_epoch(order, rates)
        else:
            trainer.learning_rate = rates
            loss = trainer.train_epoch(order)
    finally:
        state.n_steps = trainer.n_steps
    finite_params = trainer.params_are_finite()
    check_finite(finite_params, loss, rates, state, settings)
    return loss


def check_finite(
    finite_params: bool,
    loss: float,
    rates: float | FloatArray,
    state: TrainingState,
    settings: SimpleNamespace,
) -> None:
    """DivergenceError after an epoch whose parameters or loss are not finite."""
    if not (finite_params and isfinite(loss)):
        raise diverged(
            "loss" if finite_params else "parameter weights",
            f"epoch {state.n_iter + 1} with learning_rate_init={settings.learning_rate_init:g} "
            f"(the rate was {np.max(rates):g})",
            "; or lower learning_rate_init",
        )


def _should_stop(state, settings, monitor):
    """Move the learning rate; True once nothing improves any more."""
    schedule = settings.learning_rate
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
    monitor.report_stagnation(verdict)
    if rate is None:
        return True
    state.learning_rate = rate
    state.n_epochs_without_improvement = 0
    return False
