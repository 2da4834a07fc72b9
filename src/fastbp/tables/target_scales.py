"""TargetScale: numbers to predict, on the scale that a network learns them on, and back.

full         (y - mean) / standard deviation
scale only   y / mean, for losses whose output is an exponential: the deviances of Poisson and
             gamma do not change by a common factor of y and the outputs, up to a factor
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..types import FloatArray

# Losses of positive numbers, whose mean is learned on a log scale.
LOSSES_ON_LOG_SCALE = ("poisson", "gamma")


@dataclass(frozen=True)
class TargetScale:
    """The scale of each column of y, and the range that was seen.

    Attributes
    ----------
    center, scale, lowest, highest : ndarray of shape (n_outputs,)
    """

    center: FloatArray
    scale: FloatArray
    lowest: FloatArray
    highest: FloatArray

    @classmethod
    def of(
        cls,
        y: FloatArray,
        weights: FloatArray | None,
        *,
        loss: str,
        scales: bool = True,
        clips: bool = True,
    ) -> TargetScale:
        """The scale of a y of shape (n_samples, n_outputs).

        Raises
        ------
        ValueError
            If the numbers are so large or so small that their variance is none.
        """
        center: FloatArray = np.zeros(y.shape[1])
        scale: FloatArray = np.ones(y.shape[1])
        lowest, highest = y.min(axis=0), y.max(axis=0)
        if scales:
            with np.errstate(over="ignore", invalid="ignore"):
                mean = np.average(y, axis=0, weights=weights)
                if loss in LOSSES_ON_LOG_SCALE:
                    scale = mean
                else:
                    center = mean
                    scale = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weights))
            if not np.isfinite(scale).all():
                raise ValueError("y has numbers that are too large; divide it by a constant.")
            if ((scale == 0) & (lowest < highest)).any():
                raise ValueError("y has differences that are too small; multiply it by a constant.")
            scale = np.where(scale > 0, scale, 1.0)
        if not clips:
            lowest, highest = np.full_like(center, -np.inf), np.full_like(center, np.inf)
        return cls(center, scale, lowest, highest)

    def shrink(self, y: FloatArray) -> FloatArray:
        """What a network learns, in float32."""
        return ((y - self.center) / self.scale).astype(np.float32)

    def restore(self, outputs: FloatArray) -> FloatArray:
        """Predictions of a network's outputs, in float64."""
        return np.clip(self.center + self.scale * outputs, self.lowest, self.highest)
