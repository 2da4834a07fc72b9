"""The estimators, under the name of the module that pickles of version 0.1 look for them in."""

from .classifier import BackpropClassifier
from .regressor import BackpropRegressor

__all__ = ["BackpropClassifier", "BackpropRegressor"]
