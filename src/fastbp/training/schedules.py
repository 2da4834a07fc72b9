"""Learning-rate schedules of sgd: what happens to the rate between two epochs.

    constant     the rate stays
    invscaling   rate = learning_rate_init / (samples seen + 1) ** power_t, after each epoch
    adaptive     the rate is divided by 5 whenever training stops improving, down to 1e-6

adam keeps its rate; its bias correction is part of the step.
"""

SMALLEST_ADAPTIVE_RATE = 1e-6
ADAPTIVE_DIVISOR = 5.0


def rate_after_epoch(schedule, rate, learning_rate_init, n_samples_seen, power_t):
    """The rate of the next epoch."""
    if schedule == "invscaling":
        return learning_rate_init / (n_samples_seen + 1) ** power_t
    return rate


def rate_after_stagnation(schedule, rate):
    """(the rate to go on with, or None to stop; what to tell the user)"""
    if schedule != "adaptive":
        return None, "Stopping."
    if rate <= SMALLEST_ADAPTIVE_RATE:
        return None, "Learning rate too small. Stopping."
    rate /= ADAPTIVE_DIVISOR
    return rate, f"Setting learning rate to {rate:f}"
