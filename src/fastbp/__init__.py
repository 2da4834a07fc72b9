"""fastbp: fast, checked backpropagation for multilayer perceptrons, inside scikit-learn's API."""

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from .batches import BatchError
    from .exchange.c_source import to_c
    from .exchange.onnx_model import to_onnx

__version__ = VERSION

__all__ = [
    "BackpropClassifier",
    "BackpropRegressor",
    "BatchError",
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
    "to_c",
    "to_onnx",
]

# What few need is imported once it is asked for: the module of each name.
_ON_DEMAND = {
    "BatchError": ".batches",
    "to_c": ".exchange.c_source",
    "to_onnx": ".exchange.onnx_model",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_ON_DEMAND[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})
