"""Pictures of fitted estimators: loss curves, weights, importances, and the layers in notebooks.

Everything here reads fitted attributes only. Nothing below the estimators imports it.
"""

from .curves import LossCurveDisplay
from .importance import ImportanceDisplay
from .weights import WeightsDisplay

__all__ = ["ImportanceDisplay", "LossCurveDisplay", "WeightsDisplay"]
