"""The parameters of the estimators: what values each may have.

One constraint a parameter, in scikit-learn's terms. training/solvers.py says which solvers ignore
which parameters, the docstrings of the estimators what the parameters mean.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

from . import _kernels
from .near_names import hint
from .objective import LOSSES, OUTPUTS
from .training.rate_factors import check_factors
from .training.schedules import SCHEDULES
from .training.solvers import SOLVERS
from .types import FrontName


class Names(StrOptions):
    """Strings that are allowed, named in sorted order."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(set(names))

    def __str__(self) -> str:
        return f"a str among {{{', '.join(map(repr, sorted(self.options)))}}}"


USER_LOSS: Any = HasMethods(["loss", "gradient"])

SHARED: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [Names(_kernels.core.ACTIVATIONS), list, tuple],
    "solver": [Names(SOLVERS)],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "input_dropout": [Interval(Real, 0, 1, closed="left")],
    "max_grad_norm": [None, Interval(Real, 0, None, closed="neither")],
    "batch_size": [Names(["auto"]), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [Names(SCHEDULES), callable],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "learning_rate_factors": [None, Mapping],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "decay_rate": [Interval(Real, 0, 1, closed="right")],
    "warmup_epochs": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "scoring": [None, Names(["loss", *get_scorer_names()]), callable],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "max_time": [None, Interval(Real, 0, None, closed="neither")],
    "fit_intercept": ["boolean"],
    "front": [None, Names(get_args(FrontName))],
    "n_periodic": [None, Interval(Integral, 0, None, closed="left")],
    "checkpoint": [None, str, os.PathLike],
    "checkpoint_interval": [Interval(Real, 0, None, closed="left")],
    "n_threads": [None, Interval(Integral, 1, None, closed="left")],
}

OF_CLASSIFIER: dict[str, list[Any]] = {
    **SHARED,
    "loss": [Names(name for name, loss in LOSSES.items() if loss.of_classes), USER_LOSS],
    "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    "class_weight": [dict, Names(["balanced"]), list, None],
    "output_activation": [Names(["auto", "logistic", "softmax", "identity"])],
}

OF_REGRESSOR: dict[str, list[Any]] = {
    **SHARED,
    "loss": [Names(name for name, loss in LOSSES.items() if loss.of_numbers), USER_LOSS],
    "huber_delta": [Interval(Real, 0, None, closed="neither")],
    "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
    "output_activation": [Names(["auto", *OUTPUTS])],
}


@cache
def defaults_of(cls: type) -> dict[str, Any]:
    """The parameters of our own constructor and their defaults; a user's subclass may differ."""
    own = next(one for one in cls.__mro__ if one.__module__.startswith(f"{__package__}."))
    parameters = inspect.signature(own).parameters
    return {name: one.default for name, one in parameters.items()}


def parameters_of(estimator: Any) -> dict[str, Any]:
    """The values of all parameters, by name."""
    return {name: getattr(estimator, name) for name in defaults_of(estimator.__class__)}


# Values that have passed, so that a search does not have the same ones checked at every fit:
# (class, parameter, type, value). Cleared when it has grown to MOST_PASSED.
_passed: set[tuple[Any, ...] | None] = set()
MOST_PASSED = 10_000


def check_parameters(estimator: Any) -> None:
    """scikit-learn's check of the parameters, of those that are neither defaults nor known.

    Checking all of them costs 30 % of a small fit.
    """
    cls: Any = type(estimator)
    defaults = defaults_of(cls)
    new = {}
    for name, value in estimator.get_params(deep=False).items():
        if name not in defaults or value is not defaults[name]:
            key = _key(cls, name, value)
            if key is None or key not in _passed:
                new[name] = value
    if not new:
        return
    for name, value in new.items():
        _check_value(estimator._parameter_constraints[name], name, value, cls.__name__)
    if len(_passed) > MOST_PASSED:
        _passed.clear()
    _passed.update(_key(cls, name, value) for name, value in new.items())


def _check_value(constraints, name, value, caller_name):
    try:
        validate_parameter_constraints({name: constraints}, {name: value}, caller_name)
    except InvalidParameterError as error:
        names = {option for one in constraints if isinstance(one, Names) for option in one.options}
        raise InvalidParameterError(f"{error}{hint(value, names)}") from None
    _check_representable(constraints, name, value, caller_name)
    if name == "learning_rate_factors":
        check_factors(value)


def _check_representable(constraints, name, value, caller_name):
    """InvalidParameterError for a real number, such as the int 10**400, that no float can be."""
    takes_real = any(isinstance(one, Interval) and one.type is Real for one in constraints)
    if not takes_real or not isinstance(value, Real):
        return
    try:
        float(value)
    except OverflowError:
        raise InvalidParameterError(
            f"The {name!r} parameter of {caller_name} is larger than the largest float, "
            f"{sys.float_info.max:g}."
        ) from None


def _key(cls, name, value):
    """What tells a value apart from all others; None for objects that may change."""
    if type(value) in (int, float, str, bool):
        return cls, name, type(value), value
    if type(value) is tuple and all(type(each) is int for each in value):
        return cls, name, tuple, value
    return None
