"""Learning-rate schedules: the rates of an epoch's optimizer steps, and how they change in between.

Of step b of epoch e, of n_steps each, with t = e n_steps + b and T = max_epochs n_steps:

    constant     the rate stays
    invscaling   learning_rate_init / (samples seen + 1) ** power_t, computed after each epoch
    adaptive     the rate is divided by 5 whenever training stops improving, down to 1e-6
    cosine       learning_rate_init (1 + cos(pi t / T)) / 2
    one_cycle    a cosine from learning_rate_init / 25 up to learning_rate_init over the first 30 %
                 of the T steps, and another down to the 250000th part over the others
    coslog4      learning_rate_init (1 - cos(2 pi log2(1 + 15 (t + 1/2) / T))) / 2: four waves, each
                 twice as long as the one before; at least a 10000th part of learning_rate_init
    exponential  learning_rate_init decay_rate ** e
    callable     what the user's function returns for e

Epochs are counted since training began; where T is passed, cosine, one_cycle and coslog4 stay at
their end values. During warm-up every rate is multiplied by (t + 1) / (warmup_epochs n_steps).

Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR (2017), for the
cosine. Smith and Topin, "Super-convergence: very fast training of neural networks using large
learning rates", SPIE (2019), for one_cycle, with the numbers of PyTorch's OneCycleLR. Holzmueller,
Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
data", NeurIPS (2024), arXiv 2407.04491, for coslog4.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from ..types import FloatArray, LearningRate

SCHEDULES_BETWEEN_EPOCHS = ("constant", "invscaling", "adaptive")
SCHEDULES = (*SCHEDULES_BETWEEN_EPOCHS, "cosine", "one_cycle", "coslog4", "exponential")
# Those that depend on the number of epochs asked for.
ENDING_SCHEDULES = ("cosine", "one_cycle", "coslog4")

SMALLEST_ADAPTIVE_RATE = 1e-6
ADAPTIVE_DIVISOR = 5.0

RISING_PART = 0.3
START_DIVISOR = 25.0
END_DIVISOR = 1e4  # of the rate at the start

N_WAVES = 4
# Between two waves the rate is 0: a step there would be work for nothing.
LEAST_OF_WAVES = 1e-4


def depends_on_n_steps(schedule: LearningRate, warmup_epochs: float) -> bool:
    """Whether the rates of an epoch can be told only if the number of its steps is known."""
    return schedule in ENDING_SCHEDULES or warmup_epochs > 0


def step_rates(
    schedule: LearningRate,
    base_rate: float,
    *,
    epoch: int,
    n_steps: int,
    max_epochs: int,
    learning_rate_init: float,
    decay_rate: float,
    warmup_epochs: float,
) -> float | FloatArray:
    """The learning rates of the steps of one epoch.

    Parameters
    ----------
    schedule : str or callable
        A name of the above, or a function of the epoch.
    base_rate : float
        The rate that constant, invscaling and adaptive hold now.
    epoch : int
        Counted from 0, since training began.
    n_steps : int
        Optimizer steps of an epoch.
    max_epochs : int
        Epochs over which cosine, one_cycle and coslog4 extend.
    learning_rate_init, decay_rate : float
    warmup_epochs : float
        Epochs over which the rates rise; 0 for none.

    Returns
    -------
    float, or ndarray of shape (n_steps,)
        A float wherever the rate is the same in all steps.

    Raises
    ------
    TypeError, ValueError
        When the user's function does not return a positive finite number.
    """
    rates: Any
    if schedule == "cosine":
        rates = _cosine(_steps(epoch, n_steps), max_epochs * n_steps, learning_rate_init)
    elif schedule == "one_cycle":
        rates = _one_cycle(_steps(epoch, n_steps), max_epochs * n_steps, learning_rate_init)
    elif schedule == "coslog4":
        rates = _coslog4(_steps(epoch, n_steps), max_epochs * n_steps, learning_rate_init)
    elif schedule == "exponential":
        rates = learning_rate_init * decay_rate**epoch
    elif callable(schedule):
        rates = _checked_rate(schedule(epoch), epoch)
    else:
        rates = base_rate
    if epoch < warmup_epochs:
        rates = rates * _warmup(_steps(epoch, n_steps), warmup_epochs * n_steps)
    if isinstance(rates, np.ndarray) and (rates != rates[0]).any():
        return rates
    return float(rates[0] if isinstance(rates, np.ndarray) else rates)


def _steps(epoch, n_steps):
    return float(epoch * n_steps) + np.arange(n_steps)


def _cosine(t, n_total, peak):
    return _between(peak, 0.0, np.minimum(t, n_total) / n_total)


def _one_cycle(t, n_total, peak):
    t = np.minimum(t, n_total - 1)
    start = peak / START_DIVISOR
    top = RISING_PART * n_total - 1  # below 0, so that no step rises, in fewer than 4 steps
    rising = _between(start, peak, t / top)
    falling = _between(peak, start / END_DIVISOR, (t - top) / (n_total - 1 - top))
    return np.where(t <= top, rising, falling)


def _coslog4(t, n_total, peak):
    # in the middle of a step: at its beginning the first rate would be 0
    fraction = np.minimum((t + 0.5) / n_total, 1.0)
    phase = np.log2(1 + (2**N_WAVES - 1) * fraction)
    return peak * np.maximum((1 - np.cos(2 * np.pi * phase)) / 2, LEAST_OF_WAVES)


def ends_of_waves(max_epochs: int) -> list[int]:
    """The numbers of the epochs in which the waves of coslog4 end, the last of them max_epochs."""
    of_wave = range(1, N_WAVES + 1)
    return sorted({-(-max_epochs * (2**k - 1) // (2**N_WAVES - 1)) for k in of_wave})


def _between(start, end, fraction):
    """Half a period of a cosine, from start at fraction 0 to end at fraction 1."""
    return end + (start - end) / 2 * (1 + np.cos(np.pi * fraction))


def _warmup(t, n_rising):
    return np.minimum((t + 1) / n_rising, 1.0)


def _checked_rate(rate, epoch):
    is_real = isinstance(rate, Real) and not isinstance(rate, bool)
    if not is_real:
        raise TypeError(
            f"learning_rate returned {rate!r} for epoch {epoch}; it must return a number."
        )
    if not 0 < rate < np.inf:
        raise ValueError(
            f"learning_rate returned {rate!r} for epoch {epoch}; it must return a finite number "
            "> 0."
        )
    return float(rate)


def rate_after_epoch(
    schedule: LearningRate,
    rate: float,
    learning_rate_init: float,
    n_samples_seen: int,
    power_t: float,
) -> float:
    """The rate of the next epoch."""
    if schedule == "invscaling":
        return learning_rate_init / (n_samples_seen + 1) ** power_t
    return rate


def rate_after_stagnation(schedule: LearningRate, rate: float) -> tuple[float | None, str]:
    """(the next rate, or None to stop; what to tell the user)"""
    if schedule != "adaptive":
        return None, "Stopping."
    if rate <= SMALLEST_ADAPTIVE_RATE:
        return None, "Learning rate too small. Stopping."
    rate /= ADAPTIVE_DIVISOR
    return rate, f"Setting learning rate to {rate:f}"
