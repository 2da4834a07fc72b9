"""fastbp: fast, checked backpropagation for multilayer perceptrons, inside scikit-learn's API."""

from .archives import ModelFileError
from .classifier import BackpropClassifier
from .gradcheck import check_gradient
from .model_files import load_model, save_model
from .network import Network
from .regressor import BackpropRegressor
from .scoring import pinball_scorer
from .show import ImportanceDisplay, LossCurveDisplay, WeightsDisplay
from .tables.classifier import TabularClassifier
from .tables.piecewise import PiecewiseLinearEncoder
from .tables.regressor import TabularRegressor
from .tables.scaling import RobustSmoothScaler
from .versions import VERSION, show_versions

__version__ = VERSION

__all__ = [
    "BackpropClassifier",
    "BackpropRegressor",
    "ImportanceDisplay",
    "LossCurveDisplay",
    "ModelFileError",
    "Network",
    "PiecewiseLinearEncoder",
    "RobustSmoothScaler",
    "TabularClassifier",
    "TabularRegressor",
    "WeightsDisplay",
    "check_gradient",
    "load_model",
    "pinball_scorer",
    "save_model",
    "show_versions",
]
