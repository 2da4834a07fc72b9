"""The learners that benchmarks/tables.py compares, each as a reader of its guide would call it.

    LEARNERS["hgb"].make("class", seed) -> an estimator; its fit takes a DataFrame and a target
    ablations() -> name -> parameters of fastbp's estimators, with one part of the recipe off

A DataFrame has columns of numbers and columns of the dtype "category", both with missing values.
What a library needs to take it is a step of the learner's pipeline, so its time is part of the
fit's. Every learner has its default parameters, one thread and the given seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

NUMBERS = make_column_selector(dtype_include="number")
CATEGORIES = make_column_selector(dtype_include="category")


@dataclass(frozen=True)
class Learner:
    """What makes an estimator, and the package that it comes from.

    make: ("class" or "number", seed) -> estimator. names: of a module that the package must have.
    """

    make: Callable
    package: str = "scikit-learn"
    module: str = "sklearn"
    names: tuple = ()

    @property
    def is_installed(self):
        if not find_spec(self.module):
            return False
        return not self.names or all(
            hasattr(import_module(self.module), name) for name in self.names
        )

    @property
    def version(self):
        return f"{self.package} {version(self.package)}"


def make_mlp(kind, seed):
    """scikit-learn's MLP as its guide advises: numbers standardised, categories one-hot."""
    estimator = {"class": MLPClassifier, "number": MLPRegressor}[kind]
    prepare = make_column_transformer(
        (make_pipeline(StandardScaler(), SimpleImputer()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
    )
    return make_pipeline(prepare, estimator(random_state=seed))


def make_hgb(kind, seed):
    estimator = {"class": HistGradientBoostingClassifier, "number": HistGradientBoostingRegressor}
    return estimator[kind](categorical_features="from_dtype", random_state=seed)


def make_lightgbm(kind, seed):
    from lightgbm import LGBMClassifier, LGBMRegressor

    estimator = {"class": LGBMClassifier, "number": LGBMRegressor}
    return estimator[kind](n_jobs=1, verbose=-1, random_state=seed)


def make_forest(kind, seed):
    """Trees split ordinal codes about as well as one-hot columns, and sooner."""
    estimator = {"class": RandomForestClassifier, "number": RandomForestRegressor}[kind]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = make_column_transformer((encoder, CATEGORIES), remainder="passthrough")
    return make_pipeline(prepare, estimator(n_jobs=1, random_state=seed))


def make_realmlp(kind, seed):
    """RealMLP-TD; it takes categories as they are, but no missing numbers."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    estimator = {"class": RealMLP_TD_Classifier, "number": RealMLP_TD_Regressor}[kind]
    prepare = make_column_transformer(
        (SimpleImputer(strategy="median", keep_empty_features=True), NUMBERS),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    return make_pipeline(prepare, estimator(device="cpu", n_threads=1, random_state=seed))


def make_fastbp(kind, seed, **parameters):
    from fastbp import TabularClassifier, TabularRegressor

    estimator = {"class": TabularClassifier, "number": TabularRegressor}[kind]
    return estimator(random_state=seed, n_threads=1, **parameters)


def ablations():
    """name -> parameters that turn one part of the recipe off."""
    presets = {
        "no front": {"front": None},
        "no periodic": {"front": "scale"},
        "bins and no periodic": {"front": "scale", "n_bins": 16},
        "one rate": {"learning_rate_factors": None},
        "constant rate": {"learning_rate": "constant"},
        "no decay": {"weight_decay": 0.0},
        "no dropout": {"dropout": 0.0},
        "beta_2 .999": {"beta_2": 0.999},
        "last epoch": {"keeps_best_epoch": False},
        "every wave": {"ends_after_worse_wave": False},
        "y as it is": {"scales_target": False},
        "y not clipped": {"clips": False},
    }
    return {"one network": {"n_estimators": 1}} | {
        name: {"preset": preset} for name, preset in presets.items()
    }


PAIR = ("TabularClassifier", "TabularRegressor")
LEARNERS = {
    "mlp": Learner(make_mlp),
    "hgb": Learner(make_hgb),
    "lightgbm": Learner(make_lightgbm, "lightgbm", "lightgbm"),
    "forest": Learner(make_forest),
    "realmlp": Learner(make_realmlp, "pytabkit", "pytabkit"),
    "fastbp": Learner(make_fastbp, "fastbp", "fastbp", PAIR),
}
ABLATIONS = {
    name: Learner(partial(make_fastbp, **parameters), "fastbp", "fastbp", PAIR)
    for name, parameters in ablations().items()
}
