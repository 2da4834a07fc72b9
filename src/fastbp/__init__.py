"""fastbp: fast, checked backpropagation for multilayer perceptrons, inside scikit-learn's API."""

from importlib.metadata import version as _version

from .classifier import BackpropClassifier
from .gradcheck import check_gradient
from .network import Network
from .regressor import BackpropRegressor
from .show import LossCurveDisplay, WeightsDisplay
from .versions import show_versions

__version__ = _version("fastbp")

__all__ = [
    "BackpropClassifier",
    "BackpropRegressor",
    "LossCurveDisplay",
    "Network",
    "WeightsDisplay",
    "check_gradient",
    "show_versions",
]
