"""Names that other libraries use, and slips of the keyboard: what was probably meant."""

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
# What else the parameter that has such a name needs.
BESIDES = {"adamw": "with weight_decay, which is AdamW's"}


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
