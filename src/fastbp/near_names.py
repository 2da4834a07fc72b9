"""Names that other libraries use, and slips of the keyboard: what was probably meant.

Of values, parameters, and arguments of fit.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

# As in PyTorch, Keras, JAX, MATLAB, XGBoost and older textbooks; ours.
ELSEWHERE = {
    "sigmoid": "logistic",
    "linear": "identity",
    "swish": "silu",
    "leakyrelu": "leaky_relu",
    "tansig": "tanh",
    "logsig": "logistic",
    "poslin": "relu",
    "purelin": "identity",
    "mse": "squared_error",
    "l2": "squared_error",
    "mean_squared_error": "squared_error",
    "mae": "absolute_error",
    "l1": "absolute_error",
    "mean_absolute_error": "absolute_error",
    "smooth_l1": "huber",
    "pinball": "quantile",
    "cross_entropy": "log_loss",
    "crossentropy": "log_loss",
    "binary_crossentropy": "log_loss",
    "categorical_crossentropy": "log_loss",
    "bce": "log_loss",
    "nll": "log_loss",
    "logloss": "log_loss",
    "adamw": "adam",
    "l-bfgs": "lbfgs",
    "l-bfgs-b": "lbfgs",
    "trainlm": "levenberg_marquardt",
    "lm": "levenberg_marquardt",
    "trainrp": "rprop",
    "onecycle": "one_cycle",
    "cosine_annealing": "cosine",
    "accuracy_score": "accuracy",
}
# Names of parameters elsewhere; ours. As in PyTorch, Keras, XGBoost, LightGBM and skorch.
PARAMETERS_ELSEWHERE = {
    "hidden_layers": "hidden_layer_sizes",
    "hidden_sizes": "hidden_layer_sizes",
    "hidden_units": "hidden_layer_sizes",
    "layers": "hidden_layer_sizes",
    "lr": "learning_rate_init",
    "eta": "learning_rate_init",
    "eta0": "learning_rate_init",
    "lr_scheduler": "learning_rate",
    "scheduler": "learning_rate",
    "epochs": "max_iter",
    "n_epochs": "max_iter",
    "num_epochs": "max_iter",
    "max_epochs": "max_iter",
    "n_iter": "max_iter",
    "patience": "n_iter_no_change",
    "early_stopping_rounds": "n_iter_no_change",
    "validation_split": "validation_fraction",
    "eval_metric": "scoring",
    "metric": "scoring",
    "optimizer": "solver",
    "criterion": "loss",
    "objective": "loss",
    "l2": "alpha",
    "regularization": "alpha",
    "dropout_rate": "dropout",
    "clipnorm": "max_grad_norm",
    "gradient_clip": "max_grad_norm",
    "seed": "random_state",
    "random_seed": "random_state",
    "n_jobs": "n_threads",
    "quantiles": "quantile",
}
# Arguments of fit elsewhere; ours.
ARGUMENTS_ELSEWHERE = {
    "eval_set": "X_val and y_val",
    "validation_data": "X_val and y_val",
    "validation_set": "X_val and y_val",
    "valid_sets": "X_val and y_val",
    "sample_weight_eval_set": "sample_weight_val",
    "eval_sample_weight": "sample_weight_val",
    "weight": "sample_weight",
    "weights": "sample_weight",
}
# What else the parameter that has such a name needs.
BESIDES = {"adamw": "with weight_decay, which is AdamW's"}


def hint_of_parameter(name: str, parameters: Collection[str]) -> str:
    """The same for the name of a parameter."""
    return _question(_near(name, PARAMETERS_ELSEWHERE, parameters))


def hint_of_argument(name: str, arguments: Collection[str], parameters: Collection[str]) -> str:
    """The same for an argument of fit, which may be a parameter of the constructor."""
    if name in ARGUMENTS_ELSEWHERE:
        return f" Did you mean {ARGUMENTS_ELSEWHERE[name]}?"
    if near := get_close_matches(name, arguments, n=1):
        return _question(near[0])
    parameter = name if name in parameters else _near(name, PARAMETERS_ELSEWHERE, parameters)
    if parameter is None:
        return ""
    return f" Did you mean the parameter {parameter!r} of the constructor?"


def _near(name, elsewhere, allowed):
    meant = elsewhere.get(name.lower(), name)
    if meant in allowed:
        return meant
    return next(iter(get_close_matches(name, allowed, n=1)), None)


def _question(meant):
    return "" if meant is None else f" Did you mean {meant!r}?"


def hint(value: Any, allowed: Collection[str]) -> str:
    """A sentence, after a space, that says which allowed name was probably meant; or nothing."""
    if not isinstance(value, str):
        return ""
    name = value.lower().replace(" ", "_")
    meant = [ELSEWHERE.get(name, name)]
    if meant[0] not in allowed:
        meant = get_close_matches(name, allowed, n=1)
    if not meant:
        return ""
    besides = f" {BESIDES[name]}" if name in BESIDES else ""
    return f" Did you mean {meant[0]!r}{besides}?"
