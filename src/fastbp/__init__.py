"""fastbp: fast, checked backpropagation for multilayer perceptrons, inside scikit-learn's API."""

from .archives import ModelFileError
from .classifier import BackpropClassifier
from .gradcheck import check_gradient
from .model_files import load_model, save_model
from .network import Network
from .regressor import BackpropRegressor
from .scoring import pinball_scorer
from .show import LossCurveDisplay, WeightsDisplay
from .versions import VERSION, show_versions

__version__ = VERSION

__all__ = [
    "BackpropClassifier",
    "BackpropRegressor",
    "LossCurveDisplay",
    "ModelFileError",
    "Network",
    "WeightsDisplay",
    "check_gradient",
    "load_model",
    "pinball_scorer",
    "save_model",
    "show_versions",
]
