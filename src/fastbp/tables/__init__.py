"""Estimators for raw tables: a DataFrame in, predictions out, with nothing to prepare."""

from .classifier import TabularClassifier
from .regressor import TabularRegressor

__all__ = ["TabularClassifier", "TabularRegressor"]
