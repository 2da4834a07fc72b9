"""Temperature scaling of a classifier's probabilities.

    q_k  proportional to  p_k ** (1 / T)

One number T for all classes: above 1 it takes confidence back, below 1 it adds some. The most
probable class stays the same. Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural
networks", ICML (2017), arXiv 1706.04599.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from ..types import FloatArray

# A temperature beyond these says that there were too few rows, not how wrong probabilities are.
BOUNDS = (0.25, 4.0)
# An output of exactly 0 is a rounded one.
LEAST = float(np.finfo(np.float32).tiny)


def temperature_of(
    probabilities: FloatArray, codes: NDArray[np.intp], weights: FloatArray | None
) -> float:
    """The temperature whose log loss is smallest, within BOUNDS.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
        For rows that were not trained on.
    codes : ndarray of shape (n_samples,) of intp
        Their classes.
    weights : ndarray of shape (n_samples,) or None
    """
    if probabilities.shape[1] < 2:
        return 1.0
    logs = np.log(np.maximum(probabilities, LEAST))
    rows = np.arange(len(codes))

    def log_loss(log_temperature):
        scaled = logs / np.exp(log_temperature)
        losses = np.logaddexp.reduce(scaled, axis=1) - scaled[rows, codes]
        return np.average(losses, weights=weights)

    # convex in 1 / T, so with a single minimum in log T
    found = minimize_scalar(log_loss, bounds=np.log(BOUNDS), method="bounded")
    return float(np.exp(found.x))


def at_temperature(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Probabilities at another temperature."""
    if temperature == 1:
        return probabilities
    scaled = np.log(np.maximum(probabilities, LEAST)) / temperature
    return np.exp(scaled - np.logaddexp.reduce(scaled, axis=1)[:, np.newaxis])
