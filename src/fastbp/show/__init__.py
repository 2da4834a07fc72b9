"""Pictures of fitted estimators: loss curves, weights, and the layers in notebooks.

Everything here reads fitted attributes only. Nothing below the estimators imports it.
"""

from .curves import LossCurveDisplay
from .weights import WeightsDisplay

__all__ = ["LossCurveDisplay", "WeightsDisplay"]
